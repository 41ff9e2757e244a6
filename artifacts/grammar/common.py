"""Texts that two grammars share: a breadth-first search of the product of their automata.

A step of the product reads one token. Tokens that neither automaton tells from one another are one
symbol (a minterm of their predicates), and only token strings that a lexer can produce are formed:
two runs of letters never touch. The first accepted string is therefore a shortest one. Whether its
values are taken by the slots' kinds is for the caller to see, who may ask for the next.
"""

from collections.abc import Iterator

from msgspec import Struct

from artifacts.grammar.nfa import Nfa
from artifacts.grammar.profile import mark_of

STRANGERS = ("x", "qx", "zq", "7", "2", "31", "!", "~", "°", ";", "|")
"""Tokens that stand for all that have no name."""


class Spent(Struct):
    """Product states that may still be made; 0 when the search was broken off."""

    states: int


def common(left: Nfa, right: Nfa, spent: Spent) -> Iterator[tuple[str, ...]]:
    """Yield token strings that both automata accept, shortest first, one for each way to the end.

    None are left when the product has no more states; or when `spent` has: then others may exist.
    """
    symbols = _symbols(left, right)
    start = (left.first, right.first, " ")
    seen = {start}
    layer: list[tuple[tuple[int, int, str], tuple[str, ...]]] = [(start, ())]
    while layer:
        following: list[tuple[tuple[int, int, str], tuple[str, ...]]] = []
        for (may_left, may_right, before), keys in layer:
            for key, mark, mask_left, mask_right in symbols:
                at_left, at_right = may_left & mask_left, may_right & mask_right
                if not at_left or not at_right or (mark == before and mark in "LD "):
                    continue
                longer = (*keys, key)
                if at_left & left.last and at_right & right.last and mark != " ":
                    yield longer
                state = (_after(left, at_left), _after(right, at_right), mark)
                if state in seen or not state[0] or not state[1]:
                    continue
                if not spent.states:
                    return
                spent.states -= 1
                seen.add(state)
                following.append((state, longer))
        layer = following


def _symbols(left: Nfa, right: Nfa) -> list[tuple[str, str, int, int]]:
    """Return a token for each minterm that both automata can read somewhere, with its masks."""
    named = left.by_key.keys() | right.by_key.keys()
    found: dict[tuple[str, int, int], str] = {}
    for key in (*sorted(named), *(key for key in STRANGERS if key not in named)):
        mask_left, mask_right = left.mask(key), right.mask(key)
        if mask_left and mask_right:
            mark = " " if key == " " else mark_of(key)
            found.setdefault((mark, mask_left, mask_right), key)
    return [(key, mark, left, right) for (mark, left, right), key in found.items()]


def _after(nfa: Nfa, state: int) -> int:
    follow, found = nfa.follow, 0
    while state:
        low = state & -state
        found |= follow[low.bit_length() - 1]
        state ^= low
    return found

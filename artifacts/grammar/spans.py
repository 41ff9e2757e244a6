"""Which tokens of a text a grammar reads as which slots.

The forward pass keeps the set of reached positions as a bit mask; the backward pass walks only
positions from which the forward pass came, and keeps at most `MAX_READINGS` different assignments
of spans. Backtracking engines were measured to be exponential on `(a|aa)+b`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from artifacts.grammar.lexer import Tokens
from artifacts.grammar.positions import Nfa, bits

MAX_READINGS = 32


@dataclass(frozen=True, slots=True)
class TooManyReadings:
    """The text has more than `MAX_READINGS` readings in this grammar; nothing is answered."""


def _forward(nfa: Nfa, keys: Sequence[str]) -> list[int] | None:
    """Return the reached positions after each token, or None when the text is not accepted."""
    follow, by_key, mask_of = nfa.follow, nfa.by_key, nfa.mask
    reached: list[int] = []
    known: dict[int, int] = {}
    reachable = nfa.first
    state = 0
    for key in keys:
        mask = by_key.get(key)
        state = reachable & (mask_of(key) if mask is None else mask)
        if not state:
            return None
        reached.append(state)
        if not state & (state - 1):
            reachable = follow[state.bit_length() - 1]
        elif state in known:
            reachable = known[state]
        else:
            reachable = 0
            for position in bits(state):
                reachable |= follow[position]
            known[state] = reachable
    return reached if state & nfa.last else None


_Span = tuple[int, int, int]
"""Slot occurrence, first token, token after the last."""
Assignment = tuple[_Span, ...]
"""What a text's tokens are read as: the spans of its slots, in the order of the text."""
_Partial = tuple[int, tuple[_Span, ...]]
"""Where the slot now open (to the right) ends, or −1; and the spans already closed."""


def _spans(nfa: Nfa, reached: Sequence[int]) -> set[Assignment] | None:
    """Return all span assignments of an accepted text, or None beyond `MAX_READINGS`."""
    reached = _alive(nfa, reached)
    only = _only_spans(nfa, reached)
    if only is not None:
        return {only}
    occurrence, follow = nfa.occurrence, nfa.follow
    count = len(reached)
    layer: dict[int, set[_Partial]] = {
        position: {(count if occurrence[position] >= 0 else -1, ())}
        for position in bits(reached[-1] & nfa.last)
    }
    for index in range(count - 1, 0, -1):
        earlier: dict[int, set[_Partial]] = {}
        alive = sum(1 << position for position in layer)
        for previous in bits(reached[index - 1]):
            then = occurrence[previous]
            for position in bits(follow[previous] & alive):
                partials, now = layer[position], occurrence[position]
                if then == now:
                    moved = partials
                else:
                    end = index if then >= 0 else -1
                    moved = {
                        (end, ((now, index, right), *closed) if now >= 0 else closed)
                        for right, closed in partials
                    }
                merged = earlier.setdefault(previous, set())
                merged |= moved
                if len(merged) > MAX_READINGS:
                    return None
        layer = earlier
    found = {
        ((occurrence[position], 0, right), *closed) if occurrence[position] >= 0 else closed
        for position, partials in layer.items()
        for right, closed in partials
    }
    return found if len(found) <= MAX_READINGS else None


def _alive(nfa: Nfa, reached: Sequence[int]) -> list[int]:
    """Return, of the positions reached after each token, those from which the text is accepted.

    Texts are long only where they say the same again and again: what was found once is kept.
    """
    follow = nfa.follow
    alive = reached[-1] & nfa.last
    found, known = [alive], dict[tuple[int, int], int]()
    for index in range(len(reached) - 2, -1, -1):
        state = reached[index]
        before = known.get((state, alive))
        if before is None:
            before = 0
            for position in bits(state):
                if follow[position] & alive:
                    before |= 1 << position
            known[state, alive] = before
        alive = before
        found.append(alive)
    found.reverse()
    return found


def _only_spans(nfa: Nfa, alive: Sequence[int]) -> Assignment | None:
    """Return the only spans of a text, or None unless each token is in one slot, or in none."""
    spans: list[_Span] = []
    before, start, last, now = -1, 0, 0, -1
    for index, state in enumerate(alive):
        if state != last:
            last = state
            now = nfa.occurrence[state.bit_length() - 1]
            if state & (state - 1) and any(nfa.occurrence[p] != now for p in bits(state)):
                return None
        if now != before:
            if before >= 0:
                spans.append((before, start, index))
            before, start = now, index
    if before >= 0:
        spans.append((before, start, len(alive)))
    return tuple(spans)


def accepts(nfa: Nfa, tokens: Tokens) -> bool:
    """Return whether the token grammar accepts the text; slot values are not parsed."""
    return bool(tokens.keys) and _forward(nfa, tokens.keys) is not None


def assignments(nfa: Nfa, keys: Sequence[str]) -> tuple[Assignment, ...] | TooManyReadings:
    """Return every way in which the token grammar accepts a text, in a fixed order.

    Time is linear in the number of tokens for a given grammar.
    """
    reached = _forward(nfa, keys) if keys else None
    if reached is None:
        return ()
    if not nfa.slots:
        return ((),)
    found = _spans(nfa, reached)
    return TooManyReadings() if found is None else tuple(sorted(found))

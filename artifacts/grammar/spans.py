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
    reachable = nfa.first
    state = 0
    for key in keys:
        mask = by_key.get(key)
        state = reachable & (mask_of(key) if mask is None else mask)
        if not state:
            return None
        reached.append(state)
        if state & (state - 1):
            reachable = 0
            rest = state
            while rest:
                low = rest & -rest
                reachable |= follow[low.bit_length() - 1]
                rest ^= low
        else:
            reachable = follow[state.bit_length() - 1]
    return reached if state & nfa.last else None


_Span = tuple[int, int, int]
"""Slot occurrence, first token, token after the last."""
Assignment = tuple[_Span, ...]
"""What a text's tokens are read as: the spans of its slots, in the order of the text."""
_Partial = tuple[int, tuple[_Span, ...]]
"""Where the slot now open (to the right) ends, or −1; and the spans already closed."""


def _spans(nfa: Nfa, reached: Sequence[int]) -> set[Assignment] | None:
    """Return all span assignments of an accepted text, or None beyond `MAX_READINGS`."""
    occurrence, follow = nfa.occurrence, nfa.follow
    count = len(reached)
    if not any(state & (state - 1) for state in reached):
        return {_only_spans(nfa, reached)}
    layer: dict[int, set[_Partial]] = {
        position: {(count if occurrence[position] >= 0 else -1, ())}
        for position in bits(reached[-1] & nfa.last)
    }
    for index in range(count - 1, 0, -1):
        earlier: dict[int, set[_Partial]] = {}
        before = list(bits(reached[index - 1]))
        for position, partials in layer.items():
            bit, now = 1 << position, occurrence[position]
            for previous in before:
                if not follow[previous] & bit:
                    continue
                then = occurrence[previous]
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


def _only_spans(nfa: Nfa, reached: Sequence[int]) -> Assignment:
    """Return the spans of a text whose tokens were each reached in one position only."""
    spans: list[_Span] = []
    before, start = -1, 0
    for index, state in enumerate(reached):
        now = nfa.occurrence[state.bit_length() - 1]
        if now != before:
            if before >= 0:
                spans.append((before, start, index))
            before, start = now, index
    if before >= 0:
        spans.append((before, start, len(reached)))
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

"""Matching: the readings of a text in a grammar, with the values of its slots.

    syntax tree → positions.py → Nfa → spans.py → assignments → here → bindings
                                        phrases.py → values ↗

It cannot count unboundedly, look back or look around; that is the point: time is linear in the
text. Grammars with restrictions are read in restricted.py.
"""

from collections.abc import Mapping, Sequence
from itertools import product

from msgspec import Struct

from artifacts.grammar.lexer import Tokens
from artifacts.grammar.phrases import CannotTell, Spelled
from artifacts.grammar.positions import MAX_POSITIONS, GrammarTooLarge, Nfa, compile_nfa
from artifacts.grammar.spans import (
    MAX_READINGS,
    Assignment,
    TooManyReadings,
    accepts,
    assignments,
)
from artifacts.values import Value

__all__ = [
    "MAX_POSITIONS",
    "MAX_READINGS",
    "Assignment",
    "Bindings",
    "Bound",
    "GrammarTooLarge",
    "Nfa",
    "TooManyReadings",
    "accepts",
    "assignments",
    "bound",
    "compile_nfa",
    "readings",
]


class Bound(Struct, frozen=True, gc=False):
    """One slot's value in one reading; the span is in code points of the utterance."""

    slot: str
    kind: str
    start: int
    end: int
    spelling: str
    value: Value


Bindings = Mapping[str, Bound]


def bound(
    nfa: Nfa, ways: Sequence[Assignment], tokens: Tokens
) -> tuple[Bindings, ...] | TooManyReadings:
    """Return the readings among the ways in which a text is accepted: all kinds take their values.

    Readings that bind equal spans and values to equal slots are one reading, and a phrase with two
    values makes two. Each binds its slots in the order of the text.
    """
    if nfa.has_phrases:
        return _bound_with_phrases(nfa, ways, tokens)
    if len(ways) == 1:
        only = _bind(nfa, ways[0], tokens)
        return () if only is None else (only,)
    found: dict[tuple[tuple[str, str, int, int], ...], Bindings] = {}
    for way in ways:
        bindings = _bind(nfa, way, tokens)
        if bindings is not None:
            marks = sorted((b.slot, b.kind, b.start, b.end) for b in bindings.values())
            found.setdefault(tuple(marks), bindings)
    return tuple(found.values())


def readings(nfa: Nfa, tokens: Tokens) -> tuple[Bindings, ...] | TooManyReadings:
    """Return every reading whose slot values their kinds accept, in a fixed order."""
    ways = assignments(nfa, tokens.keys)
    return ways if isinstance(ways, TooManyReadings) else bound(nfa, ways, tokens)


def _bind(nfa: Nfa, assignment: Assignment, tokens: Tokens) -> Bindings | None:
    text, offsets = tokens.text, tokens.offsets()
    bindings: dict[str, Bound] = {}
    for occurrence, first, after in assignment:
        slot, parse = nfa.slots[occurrence], nfa.parsers[occurrence]
        start, end = offsets[first], offsets[after]
        spelling = text[start:end]
        assert callable(parse), "phrases are bound elsewhere"
        value = parse(spelling)
        if value is None:
            return None
        bindings[slot.name] = Bound(slot.name, slot.kind, start, end, spelling, value)
    return bindings


def _bound_with_phrases(
    nfa: Nfa, ways: Sequence[Assignment], tokens: Tokens
) -> tuple[Bindings, ...] | TooManyReadings:
    spelled = Spelled(tokens.text, tokens.keys, tokens.offsets())
    found: dict[tuple[tuple[object, ...], ...], Bindings] = {}
    for way in ways:
        try:
            values = [spelled.values(nfa.parsers[o], first, after) for o, first, after in way]
        except CannotTell:
            return TooManyReadings()
        for taken in product(*values):
            bindings = _bindings(nfa, way, spelled, taken)
            marks = sorted(
                (b.slot, b.kind, b.start, b.end, b.value.__class__.__name__, str(b.value))
                for b in bindings.values()
            )
            found.setdefault(tuple(marks), bindings)
            if len(found) > MAX_READINGS:
                return TooManyReadings()
    return tuple(found.values())


def _bindings(nfa: Nfa, way: Assignment, spelled: Spelled, values: Sequence[Value]) -> Bindings:
    bindings: dict[str, Bound] = {}
    for (occurrence, first, after), value in zip(way, values, strict=True):
        slot = nfa.slots[occurrence]
        start, end = spelled.offsets[first], spelled.offsets[after]
        spelling = spelled.text[start:end]
        bindings[slot.name] = Bound(slot.name, slot.kind, start, end, spelling, value)
    return bindings

"""What to write where texts differ: literal, alternatives or slot, by description length.

A description pays for what it says (a literal once; the values of alternatives once each; a slot
its kind) and then, for each text, for what is still to be said of it (Rissanen 1978). The shortest
one is taken, but a closed choice only where the values repeat: of two values in five texts nothing
says that there is no third. Numbers are never closed: which one it is says nothing of the family.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from artifacts.grammar.kinds import KINDS, Kind
from artifacts.grammar.lexer import lex, literal_keys, normalize, token_class
from artifacts.grammar.nfa import Nfa, compile_nfa, readings
from artifacts.grammar.syntax import Literal, Node, Slot, optional, sequence
from artifacts.learning.columns import has_closed_values
from artifacts.values import read_number

MIN_SEEN = 3
"""A value that was seen so often in every text is a constant; in alternatives, each value."""
MIN_FOR_NOVELTY = 8
"""Texts from which on the share of values seen once says something of values not yet seen."""
_WORD_BITS, _LETTER_BITS, _DIGIT_BITS, _MARK_BITS, _BLANK_BITS = 14.0, 4.7, 3.4, 5.0, 1.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for one place, and its description length with that of its values."""

    node: Node
    bits: float


def text_bits(text: str) -> float:
    """Return the bits that a text costs when nothing is known of it.

    >>> text_bits("of 42")
    17.2
    """
    return round(sum(map(_token_bits, literal_keys(text))), 3)


def _token_bits(key: str) -> float:
    match token_class(key):
        case "letters":
            return min(_WORD_BITS, _LETTER_BITS * len(key))
        case "digits":
            return _DIGIT_BITS * len(key)
        case "mark":
            return _MARK_BITS
        case "space":
            return _BLANK_BITS


@cache
def _automaton(kind: str) -> Nfa:
    return compile_nfa(Slot("s", kind))


@cache
def listed_kinds() -> tuple[Kind, ...]:
    """Return the kinds of the table that need no values to be written down."""
    return tuple(kind for kind in KINDS.values() if kind.name != "enumeration")


def holds(kind: Kind, text: str) -> bool:
    """Return whether a value of the kind can be spelled so."""
    tokens = lex(text)
    if isinstance(tokens, str):
        return False
    found = readings(_automaton(kind.name), tokens)
    return isinstance(found, tuple) and bool(found)


def choose(name: str, texts: Sequence[str]) -> Choice | None:
    """Return the shortest description of a place from what each text has there, or None.

    Empty texts make it optional, if both are seen often enough; blanks around all others stay.

    >>> choose("s", ["red", "green", "blue"]).node.kind
    'word'
    """
    present = [text for text in texts if text]
    missing = len(texts) - len(present)
    if not present or 0 < missing < MIN_SEEN or (missing and len(present) < MIN_SEEN):
        return None
    found = [*_closed(name, present), *_slots(name, present)]
    inner = min(found, key=lambda choice: choice.bits, default=None)
    if inner is None:
        return None
    blank = Literal((" ",))
    before = [blank] if all(text[0].isspace() for text in present) else []
    after = [blank] if all(text[-1].isspace() for text in present) else []
    node = sequence(*before, inner.node, *after)
    if not missing:
        return Choice(node, inner.bits)
    share = missing / len(texts)
    entropy = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    return Choice(optional(node), inner.bits + len(texts) * entropy)


def _closed(name: str, texts: Sequence[str]) -> Iterator[Choice]:
    counts = Counter(map(normalize, texts))
    if len(counts) == 1:
        if len(texts) >= MIN_SEEN:
            (only,) = counts
            yield Choice(Literal(literal_keys(only)), text_bits(only))
        return
    often = min(counts.values()) >= MIN_SEEN
    told = len(texts) >= MIN_FOR_NOVELTY and has_closed_values(counts)
    if (often or told) and any(read_number(value) is None for value in counts):
        values = tuple(sorted(counts))
        bits = sum(map(text_bits, values)) + len(texts) * math.log2(len(values))
        yield Choice(Slot(name, "enumeration", values), bits)


def _slots(name: str, texts: Sequence[str]) -> Iterator[Choice]:
    for kind in listed_kinds():
        if all(holds(kind, text) for text in texts):
            told = kind.cost_bits * (1 + len(texts) / 4) + sum(map(text_bits, texts))
            yield Choice(Slot(name, kind.name), told)

"""The slot-kind table: what a slot may hold. Parser, matcher, renderer, documentation and the
compiler all read it here; digests depend on it through `KINDS_VERSION`.

No kind is a wildcard: each has a token grammar, and a total value parser that may still refuse.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Literal as OneOf

from artifacts.grammar.lexer import TokenClass, literal_keys, normalize
from artifacts.grammar.syntax import (
    Alternatives,
    Literal,
    Node,
    Option,
    Phrase,
    Repeat,
    Sequence,
    Slot,
    TokenOf,
    optional,
    sequence,
    slots,
)
from artifacts.values import MAX_DIGITS, Number, Value, read_number, show_number, whole

KINDS_VERSION = 1
CONNECTORS = frozenset({"also", "and", "but", "or", "plus", "then"})
"""Words that join requests; never inside a phrase. Versioned with the kinds."""

IDENTIFIER_MARKS = frozenset("_-./:@#+~&=%$*\\")
MAX_IDENTIFIER = 300
MAX_PHRASE_WORDS = 6
SlotType = OneOf["number", "text", "mixed"]
"""What the values of a kind are; mixed are those of a phrase that has both."""
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `parse` gives a value or None (refused) and `parse(render(v)) == v`.

    `values`, of a phrase, gives every value that a spelling has, or None when they are too many to
    tell; `parse` then gives the only one. `cost_bits` is what a description pays for using it: the
    wider the kind, the dearer.
    """

    name: str
    type: SlotType
    closed: bool
    tokens: Node
    parse: Callable[[str], Value | None]
    render: Callable[[Value], str]
    cost_bits: float
    doc: str
    values: Callable[[str], tuple[Value, ...] | None] | None = None


def _keys(*keys: str) -> TokenOf:
    return TokenOf(keys=frozenset(keys))


def _class(*classes: TokenClass, without: frozenset[str] = frozenset()) -> TokenOf:
    return TokenOf(classes=frozenset(classes), excluded=without)


def _parse_integer(text: str) -> Number | None:
    if text.isdigit() and text.isascii() and len(text) <= MAX_DIGITS:
        return int(text)  # nearly always
    return read_number(text) if "." not in text else None


def _parse_percent(text: str) -> Number | None:
    number = read_number(text.removesuffix("%").rstrip())
    return None if number is None else whole(Fraction(number) / 100)


def _render_percent(value: Value) -> str:
    assert isinstance(value, int | Fraction)
    return f"{show_number(whole(Fraction(value) * 100))}%"


def _render_number(value: Value) -> str:
    assert isinstance(value, int | Fraction)
    return show_number(value)


def _itself(text: str) -> str:
    return text


def _parse_identifier(text: str) -> str | None:
    return text if len(text) <= MAX_IDENTIFIER and any(map(str.isalnum, text)) else None


def _parse_quoted(text: str) -> str:
    return text[1:-1]


def _render_quoted(value: Value) -> str:
    text = str(value)
    for opening, closing in _QUOTES.items():
        if closing not in text and opening not in text:
            return f"{opening}{text}{closing}"
    return f"“{text}”"


def _quoted(opening: str, closing: str) -> Node:
    inside = _class("letters", "digits", "mark", "space", without=frozenset({opening, closing}))
    return sequence(_keys(opening), Repeat(inside, 0, None), _keys(closing))


_DIGITS = _class("digits")
_LETTERS = _class("letters")
_INTEGER = sequence(optional(_keys("-")), _DIGITS)
_DECIMAL = sequence(_INTEGER, optional(sequence(_keys("."), _DIGITS)))
_JOINERS = _keys("'", "’", "-")
_WORD = sequence(_LETTERS, Repeat(sequence(_JOINERS, _LETTERS), 0, 4))
_PHRASE_PIECE = _class("letters", "digits", without=CONNECTORS)
_PHRASE_WORD = sequence(
    _PHRASE_PIECE,
    Repeat(sequence(optional(_keys("'", "’", "-", ".", "&")), _PHRASE_PIECE), 0, None),
)
_PHRASE = sequence(
    _PHRASE_WORD, Repeat(sequence(_keys(" "), _PHRASE_WORD), 0, MAX_PHRASE_WORDS - 1)
)
_IDENTIFIER = Repeat(
    TokenOf(keys=IDENTIFIER_MARKS, classes=frozenset({"letters", "digits"})), 1, None
)
_PERCENT = sequence(_DECIMAL, optional(_keys(" ")), _keys("%"))
_QUOTED = Alternatives(tuple(_quoted(*pair) for pair in _QUOTES.items()))

_TABLE = (
    Kind(
        "integer", "number", False, _INTEGER, _parse_integer, _render_number, 2,
        "A whole number with an optional minus sign, at most 400 ASCII digits.",
    ),
    Kind(
        "decimal", "number", False, _DECIMAL, read_number, _render_number, 3,
        "A whole number or a decimal with a point, at most 400 ASCII digits.",
    ),
    Kind(
        "percent", "number", False, _PERCENT, _parse_percent, _render_percent, 3,
        "A decimal before `%`; its value is a hundredth of the number.",
    ),
    Kind(
        "word", "text", False, _WORD, _itself, str, 4,
        "One word of letters, with hyphens or apostrophes inside.",
    ),
    Kind(
        "identifier", "text", False, _IDENTIFIER, _parse_identifier, str, 6,
        "A name without blanks: letters, digits and `_-./:@#+~&=%$*\\`; not marks alone.",
    ),
    Kind(
        "quoted", "text", False, _QUOTED, _parse_quoted, _render_quoted, 4,
        "Text between quotes of one sort; its value is what stands between them.",
    ),
    Kind(
        "phrase", "text", False, _PHRASE, _itself, str, 8,
        "One to six words without a connector (and, or, but, then, also, plus) inside.",
    ),
    Kind(
        "enumeration", "text", True, Alternatives(()), normalize, str, 2,
        "One of the listed values; its value is the listed spelling.",
    ),
)  # fmt: skip

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _TABLE})


def kind_of(slot: Slot) -> Kind:
    """Return the kind of a slot: of the table, its enumeration, or its phrase, `without` applied.

    It is the one way from a slot to its token grammar, its parser and its type.

    >>> kind_of(Slot("x", "word", without=("it",))).parse("It") is None
    True
    """
    if slot.phrase is None and not slot.values and not slot.without:
        return KINDS[slot.kind]
    return _kind_of(Slot("", slot.kind, slot.values, slot.without, slot.phrase))


@lru_cache(maxsize=1024)
def _kind_of(slot: Slot) -> Kind:
    if slot.phrase is not None:
        return _phrase_kind(slot.phrase)
    kind = KINDS[slot.kind]
    if slot.values:
        options = tuple(Literal(literal_keys(value)) for value in slot.values)
        return replace(kind, tokens=Alternatives(options))
    without = frozenset(slot.without)

    def parse(text: str) -> Value | None:
        return kind.parse(text) if without.isdisjoint(literal_keys(text)) else None

    return replace(kind, tokens=_less(kind.tokens, without), parse=parse)


def _phrase_kind(phrase: Phrase) -> Kind:
    from artifacts.grammar import phrases, positions, rendering  # late: they are made of kinds

    inside = [slot for option in phrase.options for slot in slots(option.part)]

    def values(text: str) -> tuple[Value, ...] | None:
        return phrases.phrase_values(positions.forms(phrase), text)

    def parse(text: str) -> Value | None:
        found = values(text)
        return found[0] if found is not None and len(found) == 1 else None

    def render(value: Value) -> str:
        return rendering.render_phrase(phrase, value)

    return Kind(
        phrase.name,
        _joint(_option_type(option) for option in phrase.options),
        all(kind_of(slot).closed for slot in inside),
        Alternatives(tuple(option.part for option in phrase.options)),
        parse,
        render,
        2,
        f"The phrase {phrase.name!r}, with the values of its options.",
        values,
    )


def _option_type(option: Option) -> SlotType:
    if option.value is None:
        return _joint(kind_of(slot).type for slot in slots(option.part))
    return "text" if isinstance(option.value, str) else "number"


def _joint(types: Iterable[SlotType]) -> SlotType:
    """Return the type of values of these types; text where there is none."""
    found = set(types) or {"text"}
    return found.pop() if len(found) == 1 else "mixed"


def _less(node: Node, without: frozenset[str]) -> Node:
    """Return a kind's token grammar with no token of these keys."""
    match node:
        case TokenOf(keys, classes, excluded):
            return TokenOf(keys - without, classes, excluded | without if classes else excluded)
        case Sequence(parts):
            return Sequence(tuple(_less(part, without) for part in parts))
        case Alternatives(options):
            return Alternatives(tuple(_less(option, without) for option in options))
        case Repeat(part, low, high):
            return Repeat(_less(part, without), low, high)
        case Literal() | Slot():
            raise TypeError("token grammars of kinds are made of tokens")

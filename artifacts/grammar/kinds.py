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

from artifacts.grammar import kinds_numbers, kinds_texts, kinds_times
from artifacts.grammar.kinds_arithmetic import expression
from artifacts.grammar.kinds_english import ENGLISH
from artifacts.grammar.kinds_locale import Locale
from artifacts.grammar.kinds_sequences import sequence_of
from artifacts.grammar.kinds_tokens import DIGITS, LETTERS, Spelling, classes, keys
from artifacts.grammar.lexer import literal_keys, normalize
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
from artifacts.values import MAX_DIGITS, MAX_ITEMS, Number, Value, read_number, show_number, whole

KINDS_VERSION = 2
"""The version of the table. It grows by one where kinds are added, never for a kind that is known:
what a kind takes and means stays as it is, and `Kind.since` says from which version on it is known.
"""
CONNECTORS = ENGLISH.connectors
"""Words that join requests; never inside a phrase. Versioned with the kinds."""

IDENTIFIER_MARKS = frozenset("_-./:@#+~&=%$*\\")
MAX_IDENTIFIER = 300
MAX_PHRASE_WORDS = 6
SlotType = OneOf["number", "text", "numbers", "texts", "mixed"]
"""What the values of a kind are; numbers and texts are lists, mixed are those of a phrase that has
both numbers and texts."""
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `parse` gives a value or None (refused) and `parse(render(v)) == v`.

    `values`, of a phrase, gives every value that a spelling has, or None when they are too many to
    tell; `parse` then gives the only one. `cost_bits` is what a description pays for using it: the
    wider the kind, the dearer. `since` is the first version of the table that has it.
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
    since: int = 1


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
    inside = classes("letters", "digits", "mark", "space", without=frozenset({opening, closing}))
    return sequence(keys(opening), Repeat(inside, 0, None), keys(closing))


_INTEGER = sequence(optional(keys("-")), DIGITS)
_DECIMAL = sequence(_INTEGER, optional(sequence(keys("."), DIGITS)))
_JOINERS = keys("'", "’", "-")
_WORD = sequence(LETTERS, Repeat(sequence(_JOINERS, LETTERS), 0, 4))
_PHRASE_PIECE = classes("letters", "digits", without=CONNECTORS)
_PHRASE_WORD = sequence(
    _PHRASE_PIECE,
    Repeat(sequence(optional(keys("'", "’", "-", ".", "&")), _PHRASE_PIECE), 0, None),
)
_PHRASE = sequence(_PHRASE_WORD, Repeat(sequence(keys(" "), _PHRASE_WORD), 0, MAX_PHRASE_WORDS - 1))
_IDENTIFIER = Repeat(
    TokenOf(keys=IDENTIFIER_MARKS, classes=frozenset({"letters", "digits"})), 1, None
)
_PERCENT = sequence(_DECIMAL, optional(keys(" ")), keys("%"))
_QUOTED = Alternatives(tuple(_quoted(*pair) for pair in _QUOTES.items()))

_TABLE = (
    Kind(
        "integer", "number", False, _INTEGER, _parse_integer, kinds_numbers.render_number, 2,
        "A whole number with an optional minus sign, at most 400 ASCII digits.",
    ),
    Kind(
        "decimal", "number", False, _DECIMAL, read_number, kinds_numbers.render_number, 3,
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


def _added(locale: Locale) -> tuple[Kind, ...]:
    """Return the kinds of the second version of the table, as a language has them."""
    rows: tuple[tuple[str, SlotType, bool, Spelling, float, str], ...] = (
        ("fraction", "number", False, kinds_numbers.fraction(), 3,
         "A fraction (`3/4`, `½`), or a whole number and a proper one (`1 1/2`)."),
        ("money", "number", False, kinds_numbers.money(locale), 4,
         "An amount with a currency before or after it (`$12.50`, `EUR 5`, `1,200 dollars`); its "
         "value is the number alone."),
        ("ordinal", "number", False, kinds_numbers.ordinal(locale), 3,
         "A place in an order, in digits or words (`3rd`, `twenty-first`)."),
        ("numeral", "number", False, kinds_numbers.numeral(locale), 3,
         "A whole number in words (`twenty-one`, `two hundred and five`)."),
        ("expression", "number", False, expression(), 5,
         "Arithmetic with + - * / ^ and brackets (`3*(4+2)-1`); its value is the exact result, and "
         "division by zero is refused."),
        ("date", "text", False, kinds_times.date(locale), 4,
         "A day (`2024-03-03`, `3 March 2024`, `March 3, 2024`; `25/12/2024`, but not `3/4/2024`, "
         "which is two days); its value is ISO 8601, `2024-03-03`."),
        ("time", "text", False, kinds_times.time(locale), 4,
         "A time of day (`14:30`, `2:30 pm`, `noon`), of 24 hours without am or pm; its value is "
         "ISO 8601, `14:30:00`."),
        ("duration", "number", False, kinds_times.duration(locale), 4,
         "Weeks, days, hours, minutes, seconds (`90 minutes`, `1h 30m`); its value is in seconds."),
        ("weekday", "text", True, kinds_times.weekday(locale), 2,
         "A day of the week, full or short; its value is the full name."),
        ("month", "text", True, kinds_times.month(locale), 2,
         "A month, full or short; its value is the full name."),
        ("unit", "text", True, kinds_times.unit(locale), 3,
         "A unit of measurement (`km`, `miles per hour`, `°C`); its value is the symbol."),
        ("path", "text", False, kinds_texts.path(), 5,
         "A path without blanks, with a slash of either sort (`/etc/hosts`, `src/main.py`)."),
        ("url", "text", False, kinds_texts.url(), 4,
         "A URL with scheme and host (`https://example.com/a?b=c`)."),
        ("email", "text", False, kinds_texts.email(), 4,
         "An e-mail address (`ann@mail.example`)."),
    )  # fmt: skip
    return tuple(
        Kind(name, type, closed, *spelling, cost, doc, since=2)
        for name, type, closed, spelling, cost, doc in rows
    )


def _parse_one_quoted(text: str) -> str | None:
    """Return what `quoted` gives, of a text that its token grammar has not seen."""
    inside = text[1:-1]
    is_one = len(text) > 1 and _QUOTES.get(text[0]) == text[-1]
    return inside if is_one and text[0] not in inside and text[-1] not in inside else None


_SEPARATORS = frozenset({",", " "})
SEVERAL: Mapping[str, tuple[str, frozenset[str]]] = {
    "integer": ("integers", frozenset()),
    "decimal": ("decimals", frozenset()),
    "percent": ("percents", frozenset()),
    "fraction": ("fractions", frozenset()),
    "money": ("amounts", frozenset()),
    "ordinal": ("ordinals", frozenset()),
    "numeral": ("numerals", frozenset()),
    "expression": ("expressions", frozenset()),
    "date": ("dates", frozenset()),
    "time": ("times", frozenset()),
    "duration": ("durations", frozenset()),
    "weekday": ("weekdays", frozenset()),
    "month": ("months", frozenset()),
    "unit": ("units", frozenset()),
    "word": ("words", _SEPARATORS),
    "identifier": ("identifiers", _SEPARATORS),
    "path": ("paths", _SEPARATORS),
    "url": ("urls", frozenset()),
    "email": ("emails", _SEPARATORS),
    "quoted": ("quotations", frozenset()),
    "phrase": ("phrases", CONNECTORS | {","}),
}
"""The name of several of a kind, and the tokens that are never inside one of them: kinds that give
back what they are given must not be asked whether two words are one."""


def _several(kind: Kind, locale: Locale) -> Kind:
    name, refused = SEVERAL[kind.name]
    parse = _parse_one_quoted if kind.name == "quoted" else kind.parse
    item = Spelling(kind.tokens, parse, kind.render)
    is_bare = kind.type == "number" and kind.name != "money"  # which groups its own digits
    spelling = sequence_of(item, locale, refused=refused, bare_numbers=is_bare)
    return Kind(
        name,
        "numbers" if kind.type == "number" else "texts",
        False,
        *spelling,
        kind.cost_bits + 2,
        f"One to {MAX_ITEMS} of `{kind.name}`, joined by commas or `and`; its value is the list.",
        since=2,
    )


def table(locale: Locale) -> tuple[Kind, ...]:
    """Return all kinds as a language has them: those of one value, then those of several."""
    single = (*_TABLE, *_added(locale))
    return (*single, *(_several(kind, locale) for kind in single if kind.name in SEVERAL))


KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in table(ENGLISH)})


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

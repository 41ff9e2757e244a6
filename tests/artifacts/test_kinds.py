"""The slot-kind table: what each kind takes, refuses and gives back."""

from collections import Counter
from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.grammar.kinds import (
    CONNECTORS,
    KINDS,
    KINDS_VERSION,
    MAX_PHRASE_WORDS,
    SEVERAL,
    table,
)
from artifacts.grammar.kinds_english import ENGLISH
from artifacts.grammar.kinds_locale import DurationUnit
from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.nfa import Nfa, accepts, compile_nfa, readings
from artifacts.grammar.syntax import Slot
from artifacts.values import Value
from tests.artifacts.grammars import backtracked
from tests.artifacts.kind_rows import REFUSED, SPELLINGS, TAKEN, lists

AUTOMATA = {name: compile_nfa(Slot("x", name)) for name in KINDS if name != "enumeration"}


def values(kind: str, text: str) -> list[Value]:
    return values_in(AUTOMATA[kind], text)


def values_in(nfa: Nfa, text: str) -> list[Value]:
    tokens = lex(text)
    assert isinstance(tokens, Tokens)
    found = readings(nfa, tokens)
    assert isinstance(found, tuple)
    return [bindings["x"].value for bindings in found]


def test_every_open_kind_has_rows() -> None:
    assert TAKEN.keys() == REFUSED.keys() == KINDS.keys() - {"enumeration"}


@pytest.mark.parametrize("kind", TAKEN)
def test_taken(kind: str) -> None:
    assert [values(kind, text) for text, _ in TAKEN[kind]] == [[v] for _, v in TAKEN[kind]]
    for _, value in TAKEN[kind]:
        assert values(kind, KINDS[kind].render(value)) == [value]


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str) -> None:
    assert [text for text in REFUSED[kind] if values(kind, text)] == []


@pytest.mark.parametrize("connector", sorted(CONNECTORS))
def test_no_phrase_holds_a_connector(connector: str) -> None:
    assert values("phrase", f"lamp {connector} fan") == []
    assert values("phrase", f"lamp {connector.upper()}") == []
    assert values("phrase", f"lamp x{connector}") == [f"lamp x{connector}"]


def test_a_phrase_has_at_most_so_many_words() -> None:
    longest = " ".join("abcdef")
    assert len(longest.split()) == MAX_PHRASE_WORDS
    assert values("phrase", longest) == [longest]


def test_an_enumeration_gives_the_listed_spelling() -> None:
    nfa = compile_nfa(Slot("x", "enumeration", ("living room", "café")))
    assert values_in(nfa, "LIVING\t ROOM") == ["living room"]
    assert values_in(nfa, "Cafe\u0301") == ["café"]
    assert values_in(nfa, "livingroom") == []


MANY = {name: kind for kind, (name, _) in SEVERAL.items()}
STRATEGIES = SPELLINGS | {name: lists(SPELLINGS[kind]) for name, kind in MANY.items()}
ALL_TAKEN = {"integer", "decimal", "percent"}
"""Kinds of which the strategy has no refused spelling."""
GRAMMAR_FIRST = {name for name, kind in MANY.items() if KINDS[kind].since == 1}
"""Kinds whose parser relies on the token grammar."""


def test_every_kind_has_spellings() -> None:
    assert STRATEGIES.keys() == KINDS.keys() - {"enumeration"}


@pytest.mark.parametrize("kind", STRATEGIES)
def test_parsing_what_was_rendered_gives_the_value_back(kind: str) -> None:
    seen: Counter[str] = Counter()

    @given(STRATEGIES[kind])
    def check(spelling: str) -> None:
        found = values(kind, spelling)
        seen["taken" if found else "refused"] += 1
        assert len(found) <= 1
        parsed = KINDS[kind].parse(spelling)
        if KINDS[kind].since > 1 and kind not in GRAMMAR_FIRST and parsed is not None:
            assert found == [parsed]  # the token grammar takes all that the parser takes
        for value in found:
            rendered = KINDS[kind].render(value)
            assert KINDS[kind].parse(rendered) == value
            assert values(kind, rendered) == [value]
            assert (type(value) is tuple) == KINDS[kind].type.endswith("s")

    check()
    assert seen["taken"] > 0
    assert kind in ALL_TAKEN or seen["refused"] > 0


@pytest.mark.parametrize("kind", STRATEGIES)
def test_token_grammars_mean_what_the_reference_says(kind: str) -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=40)
    @given(STRATEGIES[kind])
    def check(spelling: str) -> None:
        tokens = lex(spelling)
        assert isinstance(tokens, Tokens)
        if 0 < len(tokens.keys) <= 14:  # the reference tries everything
            expected = bool(backtracked(Slot("x", kind), tokens.keys))
            assert accepts(AUTOMATA[kind], tokens) == expected
            seen[expected] += 1

    check()
    assert seen[True] > 0


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_every_number_can_be_said_and_heard(number: int) -> None:
    numeral, ordinal = KINDS["numeral"], KINDS["ordinal"]
    assert values("numeral", numeral.render(number)) == [number]
    if number >= 0:
        assert values("ordinal", ordinal.render(number)) == [number]


@given(st.dates())
def test_every_day_in_every_spelling(day: date) -> None:
    month = ENGLISH.months[day.month - 1][0].title()
    ordinal = KINDS["ordinal"].render(day.day)
    for spelling in (
        day.isoformat(),
        f"{day.year:04}/{day.month}/{day.day}",
        f"{day.day} {month} {day.year:04}",
        f"{month} {ordinal}, {day.year:04}",
    ):
        assert values("date", spelling) == [day.isoformat()]
    slashed = values("date", f"{day.day}/{day.month}/{day.year:04}")
    is_certain = day.day > 12 or day.day == day.month
    assert slashed == ([day.isoformat()] if is_certain else [])


ATOMS = st.integers(0, 3).map(lambda number: (str(number), Fraction(number)))
Valued = tuple[str, Fraction | None]


def _applied(left: Valued, sign: str, right: Valued) -> Valued:
    (a, x), (b, y) = left, right
    text = f"({a}) {sign}({b})"
    if x is None or y is None or (sign == "/" and y == 0):
        return text, None
    made = {"+": x + y, "-": x - y, "*": x * y}
    return text, x / y if sign == "/" else made[sign]


def test_an_expression_is_what_exact_numbers_give() -> None:
    seen: Counter[str] = Counter()

    @given(st.recursive(ATOMS, lambda e: st.builds(_applied, e, st.sampled_from("+-*/"), e),
                        max_leaves=8))  # fmt: skip
    def check(expression: Valued) -> None:
        text, value = expression
        assert values("expression", text) == ([] if value is None else [value])
        seen["refused" if value is None else "taken"] += 1

    check()
    assert seen["refused"] > 0 < seen["taken"]


HARD = {
    "brackets": "(" * 1990,
    "powers": "^".join(["9"] * 900),
    "long-sums": "+".join(["1/7"] * 450),
    "long-products": "*".join(["99999999"] * 200),
    "commas": "1," * 990,
    "ands": " and ".join(["five"] * 200),
    "digits": "9" * 2000,
    "quotes": "'a, b'" * 300,
    "slashes": "/" * 2000,
    "signs": "a@" * 990,
    "scales": " ".join(["one thousand"] * 150),
    "hours": "1h" * 900,
}


@pytest.mark.parametrize("name", HARD)
def test_every_parser_is_total_on_hard_texts(name: str) -> None:
    for kind in KINDS.values():
        value = kind.parse(HARD[name])
        assert value is None or kind.parse(kind.render(value)) == value


def test_an_older_kind_means_what_it_meant() -> None:
    first = {name for name, kind in KINDS.items() if kind.since == 1}
    assert first == {
        "integer", "decimal", "percent", "word", "identifier", "quoted", "phrase", "enumeration",
    }  # fmt: skip
    assert max(kind.since for kind in KINDS.values()) == KINDS_VERSION


def test_another_language_is_another_table() -> None:
    french = replace(
        ENGLISH,
        name="fr",
        decimal_mark=",",
        grouping_mark=".",
        list_words=("et",),
        articles=("un", "une"),
        months=tuple((name,) for name in ("janvier", "février", "mars", *map(str, range(9)))),
        suffix="e",
        suffixes={1: "er"},
        durations=(
            DurationUnit(("heure", "heures", "h"), 3600),
            DurationUnit(("seconde", "secondes"), 1),
        ),
    )
    kinds = {kind.name: kind for kind in table(french)}
    assert kinds["date"].parse("3 mars 2024") == "2024-03-03"
    assert kinds["date"].parse("March 3, 2024") is None
    assert kinds["money"].parse("1.234,50 €") == Fraction(2469, 2)
    assert kinds["duration"].parse("1,5 heures") == 5400
    assert kinds["duration"].parse("une heure et 5 secondes") == 3605
    assert kinds["ordinal"].parse("1er") == 1
    assert kinds["integers"].parse("3, 4 et 5") == (3, 4, 5)

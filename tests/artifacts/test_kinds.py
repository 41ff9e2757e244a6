"""The slot-kind table: what each kind takes, refuses and gives back."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.grammar.kinds import CONNECTORS, KINDS, MAX_PHRASE_WORDS
from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.nfa import Nfa, compile_nfa, readings
from artifacts.grammar.syntax import Slot
from artifacts.values import Value

TAKEN: dict[str, tuple[tuple[str, Value], ...]] = {
    "integer": (("0", 0), ("-7", -7), ("007", 7), ("9" * 400, int("9" * 400))),
    "decimal": (("5", 5), ("-0.50", Fraction(-1, 2)), ("2.0", 2), ("0.1", Fraction(1, 10))),
    "percent": (("15%", Fraction(3, 20)), ("-12.5 %", Fraction(-1, 8)), ("100%", 1)),
    "word": (("Naïve", "Naïve"), ("don't", "don't"), ("well-to-do", "well-to-do"), ("灯", "灯")),
    "identifier": (("web-14", "web-14"), ("a/b.c:d@e", "a/b.c:d@e"), ("$HOME", "$HOME")),
    "quoted": (('"a  b"', "a  b"), ("''", ""), ("`x`", "x"), ("“a'b”", "a'b"), ('"and"', "and")),
    "phrase": (("Living  Room", "Living  Room"), ("rock-n'roll", "rock-n'roll"), ("r2d2", "r2d2")),
}
REFUSED: dict[str, tuple[str, ...]] = {
    "integer": ("", "5.0", "--5", "5 0", "٣", "5a", "+5", "9" * 401, "1_0"),
    "decimal": ("", ".5", "5.", "1e3", "1,000", "٣.٤", "1.2.3", "- 5"),
    "percent": ("5", "%", "5%%", "5  . %", "x%"),
    "word": ("", "two words", "r2", "a--b", "-a", "a-", "5"),
    "identifier": ("", "a b", "--", "...", "a,b", "x" * 301),
    "quoted": ('"', "'a\"", '"a"b"', "a", "“a“”", '"\u0301a"'),
    "phrase": ("", "one and two", "AND", "a, b", "a b c d e f g", "a-", "x then"),
}


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


NUMBER = st.from_regex(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", fullmatch=True)
SPELLINGS: dict[str, st.SearchStrategy[str]] = {
    "integer": st.from_regex(r"-?[0-9]{1,40}", fullmatch=True),
    "decimal": NUMBER,
    "percent": st.tuples(NUMBER, st.sampled_from(["%", " %"])).map("".join),
    "word": st.text("aZé灯'-", max_size=8),
    "identifier": st.text("aZé5_-./:*\\", max_size=8),
    "quoted": st.tuples(
        st.sampled_from("\"'`“"), st.text("ab \"'`“”", max_size=6), st.sampled_from("\"'`”")
    ).map("".join),
    "phrase": st.text("aB5 '-&", max_size=12),
}


@pytest.mark.parametrize("kind", SPELLINGS)
def test_parsing_what_was_rendered_gives_the_value_back(kind: str) -> None:
    seen: Counter[str] = Counter()

    @given(SPELLINGS[kind])
    def check(spelling: str) -> None:
        found = values(kind, spelling)
        seen["taken" if found else "refused"] += 1
        for value in found:
            rendered = KINDS[kind].render(value)
            assert KINDS[kind].parse(rendered) == value
            assert values(kind, rendered) == [value]

    check()
    assert seen["taken"] > 0
    assert kind in ("integer", "decimal", "percent") or seen["refused"] > 0

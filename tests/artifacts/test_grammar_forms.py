"""The text form and the JSON form of grammars."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.grammar.jsonform import grammar_from_json, grammar_to_json
from artifacts.grammar.syntax import (
    MAX_NESTING,
    Alternatives,
    Literal,
    Node,
    Repeat,
    Sequence,
    Slot,
    optional,
    required_keys,
)
from artifacts.grammar.textform import parse_grammar, print_grammar
from artifacts.problems import Problem
from tests.artifacts.grammars import trees

A, B, C = Literal(("a",)), Literal(("b",)), Literal(("c",))
N = Slot("n", "decimal")
EMPTY = Sequence(())

# text, tree, text as printed
PARSED: dict[str, tuple[str, Node, str]] = {
    "letters-are-folded": ("Play", Literal(("play",)), "play"),
    "a-space-run-is-one-blank": ("a \n\t b", Literal(("a", " ", "b")), "a b"),
    "ends-are-trimmed": ("  a\n", A, "a"),
    "a-slot": ("{n:decimal}", N, "{n:decimal}"),
    "an-enumeration-is-normalized": (
        "{r=Living  Room|Hall }",
        Slot("r", "enumeration", ("living room", "hall")),
        "{r=living room|hall}",
    ),
    "an-enumeration-may-hold-marks": (
        r"{r=a\|b|\{c\}|(d)}",
        Slot("r", "enumeration", ("a|b", "{c}", "(d)")),
        r"{r=a\|b|\{c\}|\(d\)}",
    ),
    "alternatives": ("a|b", Alternatives((A, B)), "a|b"),
    "alternatives-are-flat-and-once": ("a|(b|(a|c))", Alternatives((A, B, C)), "a|b|c"),
    "an-empty-alternative": ("a|", Alternatives((A, EMPTY)), "a|"),
    "equal-alternatives-are-none": ("(a|A)", A, "a"),
    "an-optional-part": ("a[ b]", Sequence((A, optional(Literal((" ", "b"))))), "a[ b]"),
    "a-repeat": ("(a|b){0,3}", Repeat(Alternatives((A, B)), 0, 3), "(a|b){0,3}"),
    "an-optional-repeat-is-an-option": ("(a){0,1}", optional(A), "[a]"),
    "a-repeat-of-a-repeat": ("((a){1,2}){2,2}", Repeat(Repeat(A, 1, 2), 2, 2), "((a){1,2}){2,2}"),
    "a-group-is-not-in-the-tree": ("a (b) (c)", Literal(tuple("a b c")), "a b c"),
    "letters-that-meet-are-one-token": ("a(b)c", Literal(("abc",)), "abc"),
    "blanks-that-meet-are-one": ("a ( b)", Literal(("a", " ", "b")), "a b"),
    "a-mark-composes-across-a-group": ("a=(\u0338)", Literal(("a", "≠")), "a≠"),
    "an-escaped-mark": (r"\(a\)\{1,2\}\\", Literal(tuple("(a){1,2}\\")), r"\(a\)\{1,2\}\\"),
    "a-blank-at-an-end-is-kept": (
        "( a|b )",
        Alternatives((Literal((" ", "a")), Literal(("b", " ")))),
        "( a|b )",
    ),
    "bounds-after-a-slot-are-escaped": (
        r"{n:decimal}\{1,2\}",
        Sequence((N, Literal(tuple("{1,2}")))),
        r"{n:decimal}\{1,2\}",
    ),
    "nothing": ("", EMPTY, ""),
}  # fmt: skip
REFUSED: dict[str, tuple[str, Problem]] = {
    "a-slot-without-kind": (
        "a {n}",
        Problem(
            "grammar-syntax",
            "line 1, column 5",
            "expected ':' and a kind, or '=' and values, found '}'",
        ),
    ),
    "columns-count-from-the-given-text": (
        "\n  play\n  {Song:quoted}",
        Problem(
            "grammar-syntax",
            "line 3, column 4",
            "expected a slot's name of a to z, 0 to 9 and _, from a letter on, found 'S'",
        ),
    ),
    "an-unknown-kind": (
        "{n:float}",
        Problem(
            "unknown-kind",
            "line 1, column 4",
            "'float' is not one of decimal, identifier, integer, percent, phrase, quoted, word",
        ),
    ),
    "an-enumeration-has-no-kind-name": (
        "{n:enumeration}",
        Problem(
            "unknown-kind",
            "line 1, column 4",
            "'enumeration' is not one of decimal, identifier, integer, percent, phrase, quoted, "
            "word",
        ),
    ),
    "an-open-group": (
        "(a|b",
        Problem("grammar-syntax", "line 1, column 5", "expected ')', found the end"),
    ),
    "a-wrong-closing-mark": (
        "[a)",
        Problem("grammar-syntax", "line 1, column 3", "expected ']', found ')'"),
    ),
    "a-closing-mark-alone": (
        "a)",
        Problem("grammar-syntax", "line 1, column 2", "unexpected ')'"),
    ),
    "a-brace-alone": (
        "a }",
        Problem("grammar-syntax", "line 1, column 3", "'}' without '{'; write '\\}'"),
    ),
    "a-backslash-at-the-end": (
        "a\\",
        Problem(
            "grammar-syntax",
            "line 1, column 3",
            "expected a character after the backslash, found the end",
        ),
    ),
    "an-empty-value": (
        "{n=a||b}",
        Problem("grammar-syntax", "line 1, column 6", "an enumeration value is empty"),
    ),
    "a-value-listed-twice": (
        "x {n=a|A}",
        Problem("grammar-syntax", "line 1, column 3", "an enumeration lists a value twice"),
    ),
    "an-open-enumeration": (
        "{n=a|b",
        Problem("grammar-syntax", "line 1, column 7", "expected '}', found the end"),
    ),
    "a-repeat-beyond-the-limit": (
        "(a){0,17}",
        Problem("grammar-too-large", "line 1, column 4", "repeat 0,17 is not within 0,1 to 16,16"),
    ),
    "a-repeat-of-none": (
        "(a){0,0}",
        Problem("grammar-too-large", "line 1, column 4", "repeat 0,0 is not within 0,1 to 16,16"),
    ),
    "a-repeat-that-falls": (
        "(a){2,1}",
        Problem("grammar-too-large", "line 1, column 4", "repeat 2,1 is not within 0,1 to 16,16"),
    ),
    "too-deep": (
        "(" * MAX_NESTING + "a" + ")" * MAX_NESTING,
        Problem(
            "grammar-too-large", "line 1, column 17", "nesting is deeper than the limit of 16"
        ),
    ),
}  # fmt: skip
BAD_JSON: dict[str, tuple[object, str, str]] = {
    "not-an-object": (["a"], "bad-document", "grammar"),
    "an-unknown-field": ({"literal": "a", "x": 1}, "bad-document", "grammar"),
    "a-literal-that-is-a-number": ({"literal": 1}, "bad-document", "grammar"),
    "a-literal-not-normalized": (
        {"sequence": [{"literal": "A"}]}, "bad-document", "grammar.sequence[0]",
    ),
    "an-unknown-kind": ({"slot": "n", "kind": "float"}, "unknown-kind", "grammar"),
    "an-enumeration-named": ({"slot": "n", "kind": "enumeration"}, "unknown-kind", "grammar"),
    "an-enumeration-of-none": ({"slot": "n", "values": []}, "bad-document", "grammar"),
    "a-value-not-normalized": ({"slot": "n", "values": ["A"]}, "bad-document", "grammar"),
    "parts-that-are-no-list": ({"sequence": {}}, "bad-document", "grammar.sequence"),
    "a-bad-option": ({"alternatives": [{}]}, "bad-document", "grammar.alternatives[0]"),
    "a-truth-for-a-number": (
        {"repeat": {"literal": "a"}, "low": True, "high": 2}, "grammar-too-large", "grammar",
    ),
    "too-often": (
        {"repeat": {"literal": "a"}, "low": 0, "high": 17}, "grammar-too-large", "grammar",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PARSED)
def test_parsed(name: str) -> None:
    text, tree, printed = PARSED[name]
    assert parse_grammar(text) == tree
    assert print_grammar(tree) == printed
    assert parse_grammar(printed) == tree


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, problem = REFUSED[name]
    assert parse_grammar(text) == problem


@pytest.mark.parametrize("name", BAD_JSON)
def test_bad_json(name: str) -> None:
    document, code, place = BAD_JSON[name]
    problem = grammar_from_json(json.loads(json.dumps(document)))
    assert isinstance(problem, Problem)
    assert (problem.code, problem.place) == (code, place)


def test_the_deepest_text_form_is_read_back_from_json() -> None:
    levels = MAX_NESTING - 1
    tree = parse_grammar("a" + "[b|c {n:word}|d" * levels + "]" * levels)
    assert not isinstance(tree, Problem)
    assert grammar_from_json(grammar_to_json(tree)) == tree


def test_json_beyond_the_deepest_text_form_is_refused() -> None:
    document: object = {"literal": "a"}
    for _ in range(3 * MAX_NESTING):
        document = {"sequence": [document]}
    problem = grammar_from_json(json.loads(json.dumps(document)))
    assert isinstance(problem, Problem)
    assert problem.code == "grammar-too-large"


REQUIRED = {
    "what is {p:decimal} % of {n:decimal}": {"what", "is", "%", "of"},
    "(a b|b c) [d ](e){1,2}(f){0,2}": {"b", "e"},
    "a|b": set(),
    "{x=a|b}": set(),
}


@pytest.mark.parametrize("text", REQUIRED)
def test_the_tokens_of_every_text_of_a_grammar(text: str) -> None:
    tree = parse_grammar(text)
    assert not isinstance(tree, Problem)
    assert required_keys(tree) == REQUIRED[text]


FIELDS = {"literal", "slot", "values", "sequence", "alternatives", "repeat"}


def test_printing_then_parsing_a_grammar_gives_it_back_and_so_does_json() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=300)
    @given(trees())
    def check(tree: Node) -> None:
        printed = print_grammar(tree)
        assert parse_grammar(printed) == tree
        wire = json.dumps(grammar_to_json(tree))
        assert grammar_from_json(json.loads(wire)) == tree
        seen.update(field for field in FIELDS if f'"{field}"' in wire)

    check()
    assert seen.keys() == FIELDS


def test_any_text_is_a_grammar_or_a_problem_and_what_parses_is_printed_back() -> None:
    seen: Counter[str] = Counter()
    pieces = st.sampled_from([*"()[]{}|\\ aé\u0338\n", "{n:word}", "{x=a|b c}", "{0,2}", "\x1c"])

    @given(st.one_of(st.text(), st.lists(pieces, max_size=12).map("".join)))
    def check(text: str) -> None:
        tree = parse_grammar(text)
        seen["problem" if isinstance(tree, Problem) else "grammar"] += 1
        if not isinstance(tree, Problem):
            printed = print_grammar(tree)
            assert parse_grammar(printed) == tree
            assert grammar_from_json(grammar_to_json(tree)) == tree

    check()
    assert seen["problem"] > 0 < seen["grammar"]

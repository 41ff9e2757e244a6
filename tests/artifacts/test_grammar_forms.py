"""The text form and the JSON form of grammars."""

import json
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no stubs

from artifacts.grammar.jsonform import grammar_from_json, grammar_to_json
from artifacts.grammar.kinds import KINDS
from artifacts.grammar.schema import grammar_schema
from artifacts.grammar.syntax import (
    MAX_NESTING,
    Alternatives,
    Grammar,
    Literal,
    Option,
    Phrase,
    Repeat,
    Restricted,
    Sequence,
    Slot,
    optional,
    required_keys,
)
from artifacts.grammar.textform import parse_grammar, print_grammar
from artifacts.problems import Problem
from tests.artifacts.grammars import grammars

A, B, C = Literal(("a",)), Literal(("b",)), Literal(("c",))
N = Slot("n", "decimal")
AB = Alternatives((A, B))
EMPTY = Sequence(())
P_SLOT = Slot(
    "x",
    "p",
    phrase=Phrase(
        "p",
        (
            Option(Literal(("small",))),
            Option(Alternatives((Literal(("big",)), Literal(("large",)))), "l"),
        ),
    ),
)
P_SLOT_TEXT = "<p> = small | (big|large) => l\n{x:<p>}"

# text, tree, text as printed
PARSED: dict[str, tuple[str, Grammar, str]] = {
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
    "tokens-without": (
        "{x:word without it |A|\\|}",
        Slot("x", "word", without=("a", "it", "|")),
        r"{x:word without a|it|\|}",
    ),
    "a-phrase": ("# a comment\n\n<p> =  small | (big|large) =>  l\n {x:<p>}", P_SLOT, P_SLOT_TEXT),
    "constants": (
        '<p> = a => 3 | b => "3" | c => 2.50 | d => "x y"|e => "\\"\\n" | f=>-1\n{x:<p>}',
        Slot(
            "x",
            "p",
            phrase=Phrase(
                "p",
                (
                    Option(A, 3),
                    Option(B, "3"),
                    Option(C, Fraction(5, 2)),
                    Option(Literal(("d",)), "x y"),
                    Option(Literal(("e",)), '"\n'),
                    Option(Literal(("f",)), -1),
                ),
            ),
        ),
        '<p> = a => 3 | b => "3" | c => 2.5 | d => "x y" | e => "\\"\\n" | f => -1\n{x:<p>}',
    ),
    "an-arrow-is-no-value-where-it-is-escaped": (
        "<p> = a \\=> b => c\n{x:<p>}",
        Slot("x", "p", phrase=Phrase("p", (Option(Literal(tuple("a => b")), "c"),))),
        "<p> = a \\=> b => c\n{x:<p>}",
    ),
    "a-group-of-an-option-may-have-an-arrow-and-lines": (
        "<p> = (a=>|b\n c)\n{x:<p>}",
        Slot(
            "x",
            "p",
            phrase=Phrase(
                "p", (Option(Alternatives((Literal(tuple("a=>")), Literal(tuple("b c"))))),)
            ),
        ),
        "<p> = (a=>|b c)\n{x:<p>}",
    ),
    "a-mark-that-is-no-comment": (r"\# 5", Literal(("#", " ", "5")), r"\# 5"),
    "a-mark-that-is-no-definition": (r"\<p> = a", Literal(tuple("<p> = a")), r"\<p> = a"),
    "a-comment-alone": ("# a", EMPTY, ""),
    "except": ("(a|b) {except  a }", Restricted(AB, A, False), "(a|b){except a}"),
    "only": ("(a){only (a|b)}", Restricted(A, AB, True), "(a){only a|b}"),
    "a-chain": (
        "(a){only b} {except c}",
        Restricted(Restricted(A, B, True), C, False),
        "(a){only b}{except c}",
    ),
    "a-restricted-restriction": (
        "(a){except (b){only {n:decimal}}}",
        Restricted(A, Restricted(B, N, True), False),
        "(a){except (b){only {n:decimal}}}",
    ),
    "slots-named-as-restrictions": (
        "(a|b){except:decimal}{only=a}",
        Sequence((AB, Slot("except", "decimal"), Slot("only", "enumeration", ("a",)))),
        "(a|b){except:decimal}{only=a}",
    ),
}
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
            f"'float' is not one of {', '.join(sorted(KINDS.keys() - {'enumeration'}))}",
        ),
    ),
    "an-enumeration-has-no-kind-name": (
        "{n:enumeration}",
        Problem(
            "unknown-kind",
            "line 1, column 4",
            f"'enumeration' is not one of {', '.join(sorted(KINDS.keys() - {'enumeration'}))}",
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
        Problem("grammar-too-large", "line 1, column 17", "nesting is deeper than the limit of 16"),
    ),
    "a-restriction-inside": (
        "x (a){except b}",
        Problem(
            "grammar-syntax",
            "line 1, column 6",
            "'{except …}' restricts a whole grammar: expected it after a group, last",
        ),
    ),
    "more-after-a-restriction": (
        "(a){only b} c",
        Problem(
            "grammar-syntax",
            "line 1, column 12",
            "expected '{except …}', '{only …}' or the end, as these restrict all before, found ' '",
        ),
    ),
    "an-open-restriction": (
        "(a){only b",
        Problem("grammar-syntax", "line 1, column 11", "expected '}', found the end"),
    ),
    "a-phrase-not-defined": (
        "<p> = a\n{x:<q>}",
        Problem(
            "unknown-kind",
            "line 2, column 5",
            "phrase 'q' is not defined; expected a line '<q> = …' above",
        ),
    ),
    "a-phrase-in-itself": (
        "<p> = a {x:<p>}\n{x:<p>}",
        Problem(
            "unknown-kind",
            "line 1, column 13",
            "phrase 'p' is not defined; expected a line '<p> = …' above",
        ),
    ),
    "a-phrase-defined-twice": (
        "<p> = a\n\n<p> = b\n{x:<p>}",
        Problem(
            "grammar-syntax",
            "line 3, column 1",
            "expected one definition of phrase 'p', found another",
        ),
    ),
    "an-option-without-one-value": (
        "<p> = a | {x:word} {y:word}\n{x:<p>}",
        Problem(
            "grammar-syntax",
            "line 1, column 1",
            "option 2 of 'p' has the slots x, y: expected `=> value`",
        ),
    ),
    "an-option-that-may-leave-out-its-slot": (
        "<p> = a[ {x:word}]\n{x:<p>}",
        Problem(
            "grammar-syntax",
            "line 1, column 1",
            "option 1 of 'p' may leave out slot 'x': expected `=> value`",
        ),
    ),
    "an-option-of-nothing": (
        "<p> = a | \n{x:<p>}",
        Problem("grammar-nullable", "line 1, column 1", "option 2 of 'p' accepts the empty text"),
    ),
    "no-value-after-the-arrow": (
        "<p> = a => |b\n{x:<p>}",
        Problem(
            "grammar-syntax",
            "line 1, column 12",
            "expected a value: a number, a word or text in quotes (\"…\"), found '|'",
        ),
    ),
    "a-value-of-two-words": (
        "<p> = a => b c\n{x:<p>}",
        Problem(
            "grammar-syntax",
            "line 1, column 14",
            "expected '|', '=>' or the end of the line, found 'c'",
        ),
    ),
    "a-number-of-too-many-digits": (
        "<p> = a => " + "1" * 401 + "\n{x:<p>}",
        Problem(
            "grammar-too-large",
            "line 1, column 12",
            "a number of 401 characters; the limit is 400 digits",
        ),
    ),
    "without-two-tokens": (
        "{x:word without a b}",
        Problem(
            "grammar-syntax", "line 1, column 17", "expected one word, number or mark, found 'a b'"
        ),
    ),
    "without-a-list": (
        "{x:word but}",
        Problem("grammar-syntax", "line 1, column 8", "expected '}' or ' without ', found ' '"),
    ),
    "too-many-alternatives": (
        "|".join(map(str, range(4097))),
        Problem("grammar-too-large", "line 1, column 1", "4097 alternatives; the limit is 4096"),
    ),
    "too-many-values": (
        "a {x=" + "|".join(map(str, range(4097))) + "}",
        Problem("grammar-too-large", "line 1, column 3", "4097 values; the limit is 4096"),
    ),
    "too-many-nodes": (
        "a(" + "(b|c){1,2}" * 5000 + ")",
        Problem(
            "grammar-too-large",
            "line 1, column 1",
            "the grammar has 20002 nodes; the limit is 20000",
        ),
    ),
    "too-many-restrictions": (
        "(a)" + "{except b}" * 65,
        Problem("grammar-too-large", "line 1, column 645", "restriction 65; the limit is 64"),
    ),
    "restrictions-too-deep": (
        "(a){only " * 17 + "b" + "}" * 17,
        Problem(
            "grammar-too-large",
            "line 1, column 149",
            "restrictions are nested 17 deep; the limit is 16",
        ),
    ),
    "too-long": (
        "a" * 1_000_001,
        Problem(
            "grammar-too-large", "line 1, column 1", "1000001 characters; the limit is 1000000"
        ),
    ),
    "a-long-name": (
        "{" + "a" * 33 + ":word}",
        Problem(
            "grammar-too-large", "line 1, column 2", "a name of 33 characters; the limit is 32"
        ),
    ),
}
LA = {"literal": "a"}


def phrased_json(options: object) -> object:
    return {"phrases": {"p": options}, "grammar": {"slot": "x", "phrase": "p"}}


BAD_JSON: dict[str, tuple[object, str, str]] = {
    "not-an-object": (["a"], "bad-document", "grammar"),
    "an-unknown-field": ({"literal": "a", "x": 1}, "bad-document", "grammar"),
    "a-literal-that-is-a-number": ({"literal": 1}, "bad-document", "grammar"),
    "a-literal-not-normalized": (
        {"sequence": [{"literal": "A"}]},
        "bad-document",
        "grammar.sequence[0]",
    ),
    "an-unknown-kind": ({"slot": "n", "kind": "float"}, "unknown-kind", "grammar"),
    "an-enumeration-named": ({"slot": "n", "kind": "enumeration"}, "unknown-kind", "grammar"),
    "an-enumeration-of-none": ({"slot": "n", "values": []}, "bad-document", "grammar"),
    "a-value-not-normalized": ({"slot": "n", "values": ["A"]}, "bad-document", "grammar"),
    "parts-that-are-no-list": ({"sequence": {}}, "bad-document", "grammar.sequence"),
    "a-bad-option": ({"alternatives": [{}]}, "bad-document", "grammar.alternatives[0]"),
    "a-truth-for-a-number": (
        {"repeat": {"literal": "a"}, "low": True, "high": 2},
        "grammar-too-large",
        "grammar",
    ),
    "too-often": (
        {"repeat": {"literal": "a"}, "low": 0, "high": 17},
        "grammar-too-large",
        "grammar",
    ),
    "a-slot-without-a-name": ({"slot": "", "kind": "word"}, "bad-document", "grammar"),
    "alternatives-of-none": ({"alternatives": []}, "bad-document", "grammar.alternatives"),
    "a-value-listed-twice": ({"slot": "n", "values": ["a", "a"]}, "bad-document", "grammar"),
    "without-nothing": ({"slot": "n", "kind": "word", "without": []}, "bad-document", "grammar"),
    "without-unsorted": (
        {"slot": "n", "kind": "word", "without": ["b", "a"]},
        "bad-document",
        "grammar",
    ),
    "without-two-tokens": (
        {"slot": "n", "kind": "word", "without": ["a b"]},
        "bad-document",
        "grammar",
    ),
    "a-restriction-inside": (
        {"sequence": [{"of": LA, "except": LA}]},
        "bad-document",
        "grammar.sequence[0]",
    ),
    "a-restriction-both-ways": (
        {"of": LA, "except": LA, "only": LA},
        "bad-document",
        "grammar",
    ),
    "a-bad-restriction": ({"of": LA, "only": {}}, "bad-document", "grammar.only"),
    "a-phrase-not-defined": ({"slot": "n", "phrase": "p"}, "unknown-kind", "grammar"),
    "a-phrase-in-itself": (
        phrased_json([{"part": {"slot": "n", "phrase": "p"}}]),
        "bad-document",
        "grammar.phrases.p[0].part",
    ),
    "a-phrase-not-used": (
        {"phrases": {"p": [{"part": LA}]}, "grammar": LA},
        "bad-document",
        "grammar.phrases",
    ),
    "a-phrase-of-nothing": (phrased_json([]), "grammar-syntax", "grammar.phrases.p"),
    "a-value-that-is-a-number": (
        phrased_json([{"part": LA, "value": 3}]),
        "bad-document",
        "grammar.phrases.p[0]",
    ),
    "a-value-not-as-printed": (
        phrased_json([{"part": LA, "value": {"number": "3.0"}}]),
        "bad-document",
        "grammar.phrases.p[0]",
    ),
    "no-phrases": ({"phrases": {}, "grammar": LA}, "bad-document", "grammar.phrases"),
}


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


FIELDS = {
    "literal", "slot", "values", "sequence", "alternatives", "repeat", "kind", "without", "phrase",
    "phrases", "part", "value", "number", "of", "except", "only",
}  # fmt: skip
VALID = Draft202012Validator(grammar_schema())


def test_printing_then_parsing_a_grammar_gives_it_back_and_so_does_json() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(grammars())
    def check(tree: Grammar) -> None:
        printed = print_grammar(tree)
        assert parse_grammar(printed) == tree
        wire = json.dumps(grammar_to_json(tree))
        assert grammar_from_json(json.loads(wire)) == tree
        VALID.validate(json.loads(wire))
        seen.update(field for field in FIELDS if f'"{field}"' in wire)

    check()
    assert seen.keys() == FIELDS


def test_any_text_is_a_grammar_or_a_problem_and_what_parses_is_printed_back() -> None:
    seen: Counter[str] = Counter()
    pieces = st.sampled_from(
        [*"()[]{}|\\ aé\u0338\n#<=>", "{n:word}", "{x=a|b c}", "{0,2}", "\x1c", "{x:<p>}", " => ",
         "{except ", "{only ", "{n:word without a}", "<q> = "]
    )  # fmt: skip
    parts = st.lists(pieces, max_size=12).map("".join)
    starts = st.sampled_from(["", "<p> = a => 1\n", "# a\n<p> = a | b c=>b\n(", "(a|b){except "])

    @settings(max_examples=600, deadline=None)
    @given(st.one_of(st.text(), st.tuples(starts, parts).map("".join)))
    def check(text: str) -> None:
        tree = parse_grammar(text)
        seen["problem" if isinstance(tree, Problem) else "grammar"] += 1
        if not isinstance(tree, Problem):
            printed = print_grammar(tree)
            assert parse_grammar(printed) == tree
            assert print_grammar(parsed(printed)) == printed
            assert grammar_from_json(grammar_to_json(tree)) == tree

    check()
    assert min(seen["problem"], seen["grammar"]) >= 0.2 * seen.total(), seen


def parsed(text: str) -> Grammar:
    tree = parse_grammar(text)
    assert not isinstance(tree, Problem)
    return tree


def test_the_schema_is_one_and_refuses_what_has_no_shape() -> None:
    Draft202012Validator.check_schema(grammar_schema())
    refused = {name for name, (document, _, _) in BAD_JSON.items() if not VALID.is_valid(document)}
    assert BAD_JSON.keys() - refused == {
        "a-literal-not-normalized",
        "a-value-not-normalized",
        "without-unsorted",
        "without-two-tokens",
        "a-phrase-not-defined",
        "a-phrase-in-itself",
        "a-phrase-not-used",
        "a-value-not-as-printed",
    }


def test_two_phrases_of_one_name_have_no_json() -> None:
    other = Slot("y", "p", phrase=Phrase("p", (Option(A),)))
    with pytest.raises(ValueError, match="two definitions: p"):
        grammar_to_json(Sequence((P_SLOT, other)))

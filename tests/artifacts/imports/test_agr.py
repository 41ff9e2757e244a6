"""`.agr` files: what is imported reads what the rules say, the rest is refused with a place."""

import pytest

from artifacts.grammar.imports.agr import import_agr
from artifacts.grammar.imports.report import Imported
from artifacts.grammar.jsonform import grammar_from_json, grammar_to_json
from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.nfa import compile_nfa, readings
from artifacts.grammar.syntax import Node
from artifacts.grammar.textform import parse_grammar, print_grammar
from artifacts.values import Value

PRINTED = (
    # rules, text form
    ("<S> = play music;", "play music"),
    ("@<S> = play music", "play music"),
    ("export <S> : Play | Stop = play music;", "play music"),
    ("<S> = (please)? play;", "[please] play"),
    ("<S> = (play | start) (the)? music;", "(play|start) [the] music"),
    ("<S> = play // a comment\n /* and */ music;", "play music"),
    ("<S> = what\\'s \\(it\\) \\x41\\u{42};", "what's[ ]\\(it\\)[ ]ab"),
    ("<S> = wait $(n:number) s;", "wait[ ]{n:decimal}[ ]s"),
    ("<S> = play $(trackName:wildcard) -> { a: trackName };", "play {track_name:phrase}"),
    ("<S> = play $(x)? now;", "play [{x:phrase}] now"),
    ("<S> = call $(who:word);", "call {who:word}"),
    ("<S> [spacing=none] = a (b | c);", "ab|ac"),
    ("<S> [spacing=optional] = a (b | c);", "ab|ac|a (b|c)"),
    ("<S> [spacing=required] = a (, | c);", "a (,|c)"),
    ("<S> = a | [spacing=none] b c;", "a|bc"),
    ("<S> = very (very)* good;", "very [very( very){0,15}] good"),
    ("<S> = very (very)+ good;", "very very( very){0,15} good"),
    ("<S> = play <What>; <What> = the song | it;", "play (the song|it)"),
    ("import { Play } from './play.ts';\n<S> = play -> 'x;|)';", "play"),
    (
        "<S> = set $(x:<Size>); <Size> = small -> 's' | (big | huge) -> 3 | medium | off -> false;",
        "<size> = small => s | (big|huge) => 3 | medium | off => false\nset {x:<size>}",
    ),
    (
        "<S> = take $(n:<Some>); <Some> = $(k:number) pieces -> k | <Few>; <Few> = a few -> 3;",
        "<some> = {k:decimal}[ ]pieces | a few => 3\ntake {n:<some>}",
    ),
)

REFUSED = (
    # rules, code, place, a part of the message
    ("", "grammar-syntax", "line 1, column 1", "expected a rule"),
    ("play", "grammar-syntax", "line 1, column 1", "expected '<'"),
    ("<S> = ;", "grammar-syntax", "line 1, column 7", "expected text, a rule or a variable"),
    ("<S> = a\n<T> = b;", "bad-document", "line 2, column 1", "<T>"),
    ("<S> = (a;", "grammar-syntax", "line 1, column 9", "expected ')'"),
    ("<S> = a -> ;", "grammar-syntax", "line 1, column 12", "expected a value"),
    ("<S> = a -> { b: [1 };", "grammar-syntax", "line 1, column 20", "unexpected '}'"),
    ("<S> = a -> { b", "grammar-syntax", "line 1, column 15", "expected '}'"),
    ("<S> = a $(1);", "grammar-syntax", "line 1, column 11", "the name of a variable"),
    ("<S> = a $(x:);", "grammar-syntax", "line 1, column 13", "a type or <Rule>"),
    ("<S> = a - b;", "grammar-syntax", "line 1, column 9", "write '\\-'"),
    ("<S> [spacing=wide] = a;", "grammar-syntax", "line 1, column 5", "auto, required"),
    ("<S> = \\u{110000};", "grammar-syntax", "line 1, column 7", "code point"),
    ("<S> = \\xZZ;", "grammar-syntax", "line 1, column 7", "hexadecimal"),
    ("import { X } from './x.agr';\n<S> = a;", "not-expressible", "line 1, column 1", "./x.agr"),
    ("<S> = a <T>;", "bad-document", "line 1, column 9", "there is none"),
    ("<S> = a <T>; <T> = b <T>;", "not-expressible", "line 1, column 22", "in terms of itself"),
    ("<S> = a <S>;", "not-expressible", "line 1, column 1", "in a circle"),
    ("<S> = a; <S> = b;", "bad-document", "line 1, column 10", "defined twice"),
    ("<S> = a $(d:CalendarDate);", "unknown-kind", "line 1, column 9", "'CalendarDate'"),
    ("<S> = a $(x:<T>); <T> = b -> { c: 1 };", "not-expressible", "line 1, column 30", "computed"),
    ("<S> = a $(x:<T>); <T> = $(b:number) and $(c:number) -> b + c;",
     "not-expressible", "line 1, column 56", "computed"),
    ("<S> = a $(x:<T>); <T> = $(b:number) and $(c:number);",
     "not-expressible", "line 1, column 25", "which of b, c"),
    ("<S> = a $(x:<T>); <T> = (b)?;", "grammar-nullable", "line 1, column 25", "may be empty"),
    ("<S> = a ($(x:word))+;", "slot-conflict", "line 1, column 1", "bound twice"),
    ("<S> [spacing=none] = a $(x:word);", "not-expressible", "line 1, column 24",
     "part of a token"),
    ("<S> = (a)?;", "grammar-nullable", "line 1, column 1", "empty text"),
    ("<S> = " + "(" * 50 + "a" + ")" * 50 + ";", "grammar-too-large", "line 1, column 47",
     "limit is 40"),
    ("".join(f"<R{i}> = a <R{i + 1}> b <R{i + 1}>;" for i in range(30)) + "<R30> = a;",
     "grammar-too-large", "line 1, column", "the limit is"),
    ("".join(f"<R{i}> = a <R{i + 1}>;" for i in range(3_000)) + "<R3000> = a;",
     "grammar-too-large", "line 1, column", "the limit is 50"),
    ("x" * 1_000_001, "grammar-too-large", "line 1, column 1", "limit is 1,000,000"),
)  # fmt: skip

READ = (
    # rules, text, the bound values; or None where it is not read
    ("<S> = wait $(n:number) s;", "wait 5s", {"n": 5}),
    ("<S> = wait $(n:number) s;", "wait5 s", {"n": 5}),
    ("<S> = wait $(n:number) $(m:number);", "wait 55", None),
    ("<S> = wait $(n:number) $(m:number);", "wait 5 5", {"n": 5, "m": 5}),
    ("<S> = wait $(n:number) (x)? 5;", "wait 55", None),
    ("<S> = play (the)? song;", "playsong", None),
    ("<S> [spacing=optional] = play (the)? song;", "playsong", {}),
    ("<S> [spacing=none] = play (the)? song;", "play song", None),
    ("<S> [spacing=none] = play (the)? song;", "playthesong", {}),
    ("<S> = set $(x:<T>); <T> = one -> 1 | $(n:number) -> n;", "set one", {"x": 1}),
    ("<S> = set $(x:<T>); <T> = one -> 1 | $(n:number) -> n;", "set 7.5", {"x": "15/2"}),
    ("<S> = set $(x:<T>); <T> = one -> true | Two;", "set TWO", {"x": "two"}),
    ("<S> = set $(x:<T>); <T> = one -> true | Two;", "set one", {"x": "true"}),
)


def imported(text: str) -> dict[str, Node]:
    found = import_agr(text)
    assert isinstance(found, Imported), [str(problem) for problem in found]
    for grammar in found.grammars.values():
        assert parse_grammar(print_grammar(grammar)) == grammar
        assert grammar_from_json(grammar_to_json(grammar)) == grammar
    return dict(found.grammars)


@pytest.mark.parametrize(("rules", "printed"), PRINTED)
def test_rules_are_printed_as(rules: str, printed: str) -> None:
    assert imported(rules)["S"] == parse_grammar(printed)


@pytest.mark.parametrize(("rules", "code", "place", "message"), REFUSED)
def test_files_are_refused_with_a_place(rules: str, code: str, place: str, message: str) -> None:
    found = import_agr(rules)
    assert isinstance(found, tuple)
    assert found[0].code == code and message in found[0].message, str(found[0])
    assert found[0].place.startswith(place), str(found[0])


@pytest.mark.parametrize(("rules", "text", "bound"), READ)
def test_texts_are_read_as(rules: str, text: str, bound: dict[str, Value] | None) -> None:
    tokens = lex(text)
    assert isinstance(tokens, Tokens)
    found = readings(compile_nfa(imported(rules)["S"]), tokens)
    assert isinstance(found, tuple)
    if bound is None:
        assert not found
    else:
        shown = [
            {n: b.value if isinstance(b.value, int) else str(b.value) for n, b in r.items()}
            for r in found
        ]
        assert shown == [bound]


def test_a_start_rule_that_chooses_has_a_grammar_for_each_choice() -> None:
    found = import_agr(
        "<Start> = <Play> | <More>;\n<More> = <Stop> | <Wait>;\n"
        "<Play> = play -> { a: 1 };\n<Stop> = stop;\n<Wait> = wait;\n<Unused> = a $(d:Date);"
    )
    assert isinstance(found, Imported)
    assert list(found.grammars) == ["Play", "Stop", "Wait"]
    assert str(found.notes[-1]) == "line 3, column 18: the value of <Play> is no part of a grammar"

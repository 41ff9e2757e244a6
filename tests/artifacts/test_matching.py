"""Matching: all readings of a text, in time linear in its length."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import SupportsIndex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.grammar.kinds import KINDS
from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.nfa import (
    MAX_READINGS,
    GrammarTooLarge,
    Nfa,
    TooManyReadings,
    accepts,
    compile_nfa,
    readings,
)
from artifacts.grammar.syntax import (
    Alternatives,
    Node,
    Repeat,
    Restricted,
    Sequence,
    Slot,
    alternatives,
    sequence,
    slot_conflicts,
)
from artifacts.grammar.textform import parse_grammar
from artifacts.problems import Problem
from artifacts.values import Value
from tests.artifacts.grammars import Span, backtracked, sampled, texts, trees


def grammar(text: str) -> Node:
    tree = parse_grammar(text)
    assert not isinstance(tree, Problem | Restricted), tree
    return tree


def lexed(text: str) -> Tokens:
    tokens = lex(text)
    assert isinstance(tokens, Tokens)
    return tokens


# grammar, text, the values of every reading
READ: dict[str, tuple[str, str, list[dict[str, Value]]]] = {
    "values-are-typed": (
        "what is {p:percent} of {n:decimal}",
        "What is  15 % of 80.50",
        [{"p": Fraction(3, 20), "n": Fraction(161, 2)}],
    ),
    "a-spelled-out-number-is-no-number": ("in {n:integer} minutes", "in five minutes", []),
    "a-refused-value-is-no-reading": ("in {n:integer} minutes", "in ٣ minutes", []),
    "the-whole-text-must-match": ("open {x:word}", "open it now", []),
    "a-slotless-grammar-binds-nothing": ("open|shut", "SHUT", [{}]),
    "nothing-has-no-reading": ("[a]", " ", []),
    "an-optional-part-left-out": ("a [b] c", "a c", [{}]),
    "an-optional-part-kept": ("a [b] c", "a  b c", [{}]),
    "blanks-around-two-optional-parts-join": ("a [b] [c] d", "a d", [{}]),
    "a-blank-is-not-nothing": ("a [b] c", "ac", []),
    "an-optional-blank-at-the-end-is-trimmed": ("a[ ]", "a ", [{}]),
    "an-optional-part-before-the-first-blank": ("[please] open", "open", [{}]),
    "an-optional-part-after-the-last-blank": ("open [please]", "open", [{}]),
    "a-slot-left-out-is-not-bound": ("play {s:word}[ in {r=hall|bath}]", "play it", [{"s": "it"}]),
    "a-repeat-counts": ("(very ){1,2}slow", "very very very slow", []),
    "a-repeat-within-its-bounds": ("(very ){1,2}slow", "very very slow", [{}]),
    "enumerations-with-blanks": (
        "light {r=living room|room} {s=on|off}",
        "light Living   ROOM off",
        [{"r": "living room", "s": "off"}],
    ),
    "two-phrases-share-words-in-every-way": (
        "{x:phrase} {y:phrase}",
        "a b c",
        [{"x": "a", "y": "b c"}, {"x": "a b", "y": "c"}],
    ),
    "a-connector-cuts-phrases": (
        "{x:phrase} and {y:phrase}",
        "a b and c d",
        [{"x": "a b", "y": "c d"}],
    ),
    "one-slot-on-two-paths": (
        "({x:word}|{x:word}[ now])",
        "go",
        [{"x": "go"}],
    ),
    "different-slots-on-two-paths": (
        "({x:word}|{y:integer}|{z:identifier})",
        "go",
        [{"x": "go"}, {"z": "go"}],
    ),
    "adjacent-numbers": (
        "{x:integer}{y:integer}",
        "3-4",
        [{"x": 3, "y": -4}],
    ),
    "an-identifier-may-split-anywhere": (
        "{x:identifier}={y:identifier}",
        "a=b=c",
        [{"x": "a", "y": "b=c"}, {"x": "a=b", "y": "c"}],
    ),
    "quotes-end-at-the-first-of-their-sort": (
        "say {x:quoted} {y:quoted}",
        "say \"a 'b' c\" 'd'",
        [{"x": "a 'b' c", "y": "d"}],
    ),
}


@pytest.mark.parametrize("name", READ)
def test_read(name: str) -> None:
    text_form, text, expected = READ[name]
    found = readings(compile_nfa(grammar(text_form)), lexed(text))
    assert isinstance(found, tuple)
    assert [{slot: bound.value for slot, bound in b.items()} for b in found] == expected


def test_a_span_is_in_code_points_of_the_original() -> None:
    text = "  Speel\t„ “Été 🏽”  in KEUKEN "
    nfa = compile_nfa(grammar("speel „ {s:quoted} in {r=keuken|hal}"))
    (found,) = readings(nfa, lexed(text))  # type: ignore[misc]  # one reading, not too many
    assert {b.slot: (text[b.start : b.end], b.spelling) for b in found.values()} == {
        "s": ("“Été 🏽”", "“Été 🏽”"),
        "r": ("KEUKEN", "KEUKEN"),
    }


def ambiguous(words: int) -> tuple[Nfa, Tokens]:
    """A text of so many words with a reading for each way to cut it into four phrases."""
    nfa = compile_nfa(grammar("{w:phrase} {x:phrase} {y:phrase} {z:phrase}"))
    return nfa, lexed(" ".join(["w"] * words))


def test_up_to_the_limit_all_readings_are_reported_and_beyond_none() -> None:
    counts = {}
    for words in (4, 7, 8, 23, 24, 25):
        found = readings(*ambiguous(words))
        counts[words] = "many" if isinstance(found, TooManyReadings) else len(found)
    assert counts == {4: 1, 7: 20, 8: "many", 23: 4, 24: 1, 25: 0}
    assert 20 <= MAX_READINGS < 35  # of 8 words: 3 cuts at 7 places


def test_a_grammar_with_too_many_positions_is_refused_before_it_is_large() -> None:
    with pytest.raises(GrammarTooLarge):
        compile_nfa(grammar("(((a b ){16,16}){16,16}){16,16}"))


@pytest.mark.parametrize("bounds", ["{0,16}", "{16,16}"])
def test_a_repeat_of_nothing_costs_nothing_however_deep(bounds: str) -> None:
    nfa = compile_nfa(grammar("a" + "(" * 12 + f"){bounds}" * 12))
    assert len(nfa.follow) == 1
    assert accepts(nfa, lexed("a"))


def renamed(node: Node, names: Iterable[str]) -> Node:
    """The same grammar with a name of its own for each slot."""
    source = iter(names)

    def walk(part: Node) -> Node:
        match part:
            case Slot(_, kind, values):
                return Slot(next(source), kind, values)
            case Sequence(parts):
                return sequence(*map(walk, parts))
            case Alternatives(options):
                return alternatives(*map(walk, options))
            case Repeat(inner, low, high):
                return Repeat(walk(inner), low, high)
            case _:
                return part

    return walk(node)


def test_the_automaton_agrees_with_the_backtracking_reference() -> None:
    seen: Counter[str] = Counter()
    names = [f"s{number}" for number in range(64)]

    two = grammar("{x:phrase} {y:phrase}")
    kinds = ("integer", "word", "identifier", "quoted", "phrase")

    @settings(max_examples=300)
    @given(st.one_of(trees(kinds), trees(kinds), st.just(two)), st.data())
    def check(tree: Node, data: st.DataObject) -> None:
        node = renamed(tree, names)
        text = data.draw(st.one_of(texts(), sampled(node)))
        tokens = lexed(text)
        nfa = compile_nfa(node)
        expected = backtracked(node, tokens.keys) if tokens.keys else set()
        assert accepts(nfa, tokens) == bool(expected)
        seen["accepted" if expected else "rejected"] += 1
        if any(slot_conflicts(node)):
            seen["conflict"] += 1
            return
        found = readings(nfa, tokens)
        if isinstance(found, TooManyReadings):
            assert len(expected) > MAX_READINGS
            seen["too many"] += 1
            return
        kind_of = {slot.name: slot.kind for slot in nfa.slots}
        assert spans(found) == {
            located(spans, tokens) for spans in expected if parsed(spans, kind_of, tokens)
        }
        assert len(found) == len(spans(found))
        seen["several readings"] += len(found) > 1
        seen["bound"] += any(map(bool, found))

    check()
    assert min(seen[k] for k in ("accepted", "rejected", "several readings", "bound")) > 0


def spans(found: tuple[object, ...]) -> set[frozenset[Span]]:
    return {frozenset((b.slot, b.start, b.end) for b in r.values()) for r in found}  # type: ignore[attr-defined]  # bindings


def located(assignment: tuple[Span, ...], tokens: Tokens) -> frozenset[Span]:
    at = tokens.offsets()
    return frozenset((name, at[first], at[after]) for name, first, after in assignment)


def parsed(assignment: tuple[Span, ...], kinds: dict[str, str], tokens: Tokens) -> bool:
    pieces = tokens.pieces()
    return all(
        KINDS[kinds[name]].parse("".join(pieces[first:after])) is not None
        for name, first, after in assignment
    )


class Counted(tuple[int, ...]):
    """A follow table that counts how often it is read."""

    reads: int

    def __getitem__(self, position: SupportsIndex) -> int:  # type: ignore[override]  # no slices
        self.reads += 1
        return super().__getitem__(position)


def counted(nfa: Nfa) -> tuple[Nfa, Counted]:
    follow = Counted(nfa.follow)
    follow.reads = 0
    return replace(nfa, follow=follow), follow


# grammar; what is repeated in the text; what comes after; how often at least and at most
ADVERSARIAL: dict[str, tuple[str, str, str, int, int]] = {
    "nested-optionals": ("((a |a a ){0,16}){0,16}b", "a ", "b", 25, 200),
    "nested-optionals-that-fail": ("((a |a a ){0,16}){0,16}b", "a ", "c", 25, 200),
    "overlapping-phrases": ("({x:phrase} and ){0,1}(a |{y:word} ){0,1}b", "a ", "b", 2, 5),
    "long-quoted": ("say {x:quoted}", "and so on ", "'", 25, 190),
    "identifiers-run-together": ("{x:identifier}/{y:identifier} b", "a-", "/a b", 50, 400),
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_cost_is_linear_in_the_text(name: str) -> None:
    text_form, again, after, few, many = ADVERSARIAL[name]
    nfa, follow = counted(compile_nfa(grammar(text_form)))
    start = "say '" if name == "long-quoted" else ""
    costs = []
    for times in (few, many):
        tokens = lexed(start + again * times + after)
        follow.reads = 0
        readings(nfa, tokens)
        costs.append((len(tokens.keys), follow.reads))
    (short, few_reads), (long, many_reads) = costs
    widest = len(nfa.follow)
    assert short <= few_reads
    assert many_reads <= widest * widest * long
    assert many_reads / long <= 3 * few_reads / short


def test_long_texts_of_phrases_joined_by_and_cost_no_more_per_token() -> None:
    joined = "{s0:phrase}" + "".join(f"[ and {{s{n}:phrase}}]" for n in range(1, 40))
    nfa, follow = counted(compile_nfa(grammar(joined)))
    per_token = []
    for parts in (5, 10, 20, 40):
        tokens = lexed(" and ".join(["the red lamp in the hall"] * parts))
        follow.reads = 0
        found = readings(nfa, tokens)
        assert isinstance(found, TooManyReadings) or len(found) == 1
        per_token.append(follow.reads / len(tokens.keys))
    assert max(per_token) <= len(nfa.follow) ** 2 / 100
    assert per_token[-1] <= 2 * per_token[1]

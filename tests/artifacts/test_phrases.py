"""Phrases, excluded tokens and restrictions: what they read, against a slow obvious reference."""

from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifacts.grammar import phrases as phrases_module
from artifacts.grammar.kinds import kind_of
from artifacts.grammar.lexer import Tokens, lex, literal_keys
from artifacts.grammar.nfa import (
    Assignment,
    GrammarTooLarge,
    Nfa,
    TooManyReadings,
    assignments,
)
from artifacts.grammar.restricted import compile_grammar, read
from artifacts.grammar.syntax import (
    MAX_NESTING,
    Grammar,
    Literal,
    Node,
    Option,
    Phrase,
    Restricted,
    Sequence,
    Slot,
    alternatives,
    core,
    optional,
    required_keys,
    sequence,
    slot_conflicts,
)
from artifacts.grammar.textform import parse_grammar
from artifacts.problems import Problem
from artifacts.values import Value
from tests.artifacts.grammars import phrased_texts, phrases_of, plain_slots, sampled, texts
from tests.artifacts.reference import Mark, read_slowly

SIZE = "<size> = (small|tiny) => s | (large|big) => 3 | size {n:integer} | tiny => t\n"
# grammar, text, the values of every reading
READ: dict[str, tuple[str, str, list[dict[str, Value]]]] = {
    "a-constant-that-is-text": (SIZE + "a {x:<size>} b", "A  SMALL b", [{"x": "s"}]),
    "a-constant-that-is-a-number": (SIZE + "a {x:<size>}", "a big", [{"x": 3}]),
    "the-value-of-the-only-slot": (SIZE + "a {x:<size>}", "a size -12", [{"x": -12}]),
    "a-kind-inside-may-refuse": (SIZE + "a {x:<size>}", "a size ٣", []),
    "two-values-are-two-readings": (SIZE + "a {x:<size>}", "a tiny", [{"x": "s"}, {"x": "t"}]),
    "one-value-twice-is-one-reading": ("<p> = a => 1 | (a|b) => 1\n{x:<p>}", "a", [{"x": 1}]),
    "a-number-is-not-its-text": ('<p> = a => 1 | a => "1"\n{x:<p>}', "a", [{"x": 1}, {"x": "1"}]),
    "without-slots-the-normalized-text": (
        "<p> = Very[ big]\n{x:<p>}", "VERY  Big", [{"x": "very big"}],
    ),
    "a-phrase-in-a-phrase": (
        "<n> = dozen => 12 | {i:integer}\n<p> = {n:<n>} | a {n:<n>} of => 2.5\n{x:<p>}",
        "a dozen of",
        [{"x": Fraction(5, 2)}],
    ),
    "blanks-at-the-ends-of-a-phrase-are-nothing": (
        "<p> = [very ]big[ one ]\na {x:<p>} b", "a big one b", [{"x": "big one"}],
    ),
    "spans-of-phrases-may-differ": (
        "<p> = a[ b]\n<q> = [b ]c\n{x:<p>} {y:<q>}",
        "a b c",
        [{"x": "a", "y": "b c"}, {"x": "a b", "y": "c"}],
    ),
    "a-token-without": ("set {x:phrase without it|-}", "set it up", []),
    "other-tokens-with": ("set {x:phrase without it|-}", "set lights up", [{"x": "lights up"}]),
    "without-is-of-whole-tokens": ("set {x:phrase without it}", "set items", [{"x": "items"}]),
    "except": ("(play {x:word}){except play it}", "play it", []),
    "not-excepted": ("(play {x:word}){except play it}", "play on", [{"x": "on"}]),
    "only": ("(play {x:phrase}){only play {y:word}}", "play it now", []),
    "only-that": ("(play {x:phrase}){only play {y:word}}", "play it", [{"x": "it"}]),
    "except-what-has-a-reading": (
        "(at {x:identifier}){except at {n:integer}}", "at ٣", [{"x": "٣"}],
    ),
    "a-chain": ("(a {x:word}){only a (b|c)}{except a c}", "a c", []),
    "a-restriction-of-a-restriction": (
        "(a {x:word}){except (a {y:word}){except a b}}", "a b", [{"x": "b"}],
    ),
}  # fmt: skip


def grammar(text: str) -> Grammar:
    tree = parse_grammar(text)
    assert not isinstance(tree, Problem), tree
    return tree


def lexed(text: str) -> Tokens:
    tokens = lex(text)
    assert isinstance(tokens, Tokens)
    return tokens


@pytest.mark.parametrize("name", READ)
def test_read(name: str) -> None:
    text_form, text, expected = READ[name]
    found = read(compile_grammar(grammar(text_form)), lexed(text))
    assert isinstance(found, tuple)
    values = [{slot: bound.value for slot, bound in b.items()} for b in found]
    assert values == expected
    assert [[type(v) for v in b.values()] for b in values] == [
        [type(v) for v in b.values()] for b in expected
    ]


def test_what_cannot_be_told_is_not_answered() -> None:
    many = "{a:phrase} {b:phrase} {c:phrase} {d:phrase}"
    text = lexed("go " + " ".join("w" * 8))
    for text_form in (
        f"(go {{x:phrase}} {{y:phrase}} w w){{except go {many}}}",
        f"(go {{x:phrase}} {{y:phrase}} w w){{only go {many}}}",
        f"<p> = {many} => 1\ngo {{x:<p>}}",
    ):
        assert isinstance(read(compile_grammar(grammar(text_form)), text), TooManyReadings)
    excluded = f"(go {many}){{only go {many}}}{{except go( w){{8,8}}}}"
    assert read(compile_grammar(grammar(excluded)), text) == ()


def marks(grammar_: Grammar, tokens: Tokens) -> frozenset[frozenset[Mark]] | None:
    """What the engine reads, or None when it cannot tell."""
    found = read(compile_grammar(grammar_), tokens)
    if isinstance(found, TooManyReadings):
        return None
    at = {offset: index for index, offset in enumerate(tokens.offsets())}
    sets = [
        frozenset((b.slot, at[b.start], at[b.end], type(b.value), b.value) for b in r.values())
        for r in found
    ]
    assert len(set(sets)) == len(sets)
    return frozenset(sets)


LITERALS = st.sampled_from(("a", "b", " a", "b ", "1", "a b", " ")).map(
    lambda text: Literal(literal_keys(text))
)


def around(inner: st.SearchStrategy[Slot]) -> st.SearchStrategy[Node]:
    """A slot or two, with something around them or nothing."""

    def joined(parts: tuple[Node, ...]) -> Node:
        return sequence(*parts)

    blank = Literal((" ",))
    second = inner.map(lambda slot: Slot("y", slot.kind, slot.values, slot.without, slot.phrase))
    return st.one_of(
        inner,
        st.tuples(LITERALS, st.just(blank), inner).map(joined),
        st.tuples(inner, st.just(blank), second).map(joined),
        st.tuples(inner, LITERALS.map(optional)).map(joined),
        st.tuples(inner, LITERALS).map(lambda pair: alternatives(*pair)),
        st.tuples(LITERALS.map(optional), inner, st.just(blank), second).map(joined),
    )


def compared(
    seen: Counter[str],
    cases: st.SearchStrategy[tuple[Grammar, str]],
    outcome: Callable[[Grammar, Tokens, frozenset[frozenset[Mark]]], str | None],
    examples: int,
) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases)
    def check(case: tuple[Grammar, str]) -> None:
        tree, text = case
        tokens = lex(text)
        if isinstance(tokens, str) or any(slot_conflicts(tree)):
            return
        found = marks(tree, tokens)
        if found is None:
            seen["undecided"] += 1
            return
        expected = read_slowly(tree, tokens)
        assert found == expected, (tree, text)
        kind = outcome(tree, tokens, expected)
        if kind is not None:
            seen[kind] += 1

    check()


def shares(seen: Counter[str], *outcomes: str) -> list[float]:
    total = sum(seen[name] for name in outcomes)
    return [seen[name] / total for name in outcomes]


OTHER_VALUES: st.SearchStrategy[Value] = st.sampled_from((1, "c"))


def phrased(draw: st.DrawFn) -> tuple[Grammar, str]:
    phrase = draw(phrases_of(2))
    if draw(st.booleans()):  # a second value for what has one
        again = Option(draw(st.sampled_from(phrase.options)).part, draw(OTHER_VALUES))
        phrase = Phrase(phrase.name, (*phrase.options, again))
    tree = draw(around(st.just(Slot("x", phrase.name, phrase=phrase))))
    return tree, draw(st.one_of(phrased_texts(tree), phrased_texts(tree), texts()))


def test_phrases_are_read_as_the_reference_reads_them() -> None:
    seen: Counter[str] = Counter()

    def outcome(tree: Grammar, tokens: Tokens, expected: frozenset[frozenset[Mark]]) -> str:
        return ("none", "one", "several")[min(len(expected), 2)]

    compared(seen, st.composite(phrased)(), outcome, 400)
    assert min(shares(seen, "none", "one", "several")) >= 0.2, seen
    assert seen["undecided"] <= 0.05 * seen.total()


def without(draw: st.DrawFn) -> tuple[Grammar, str]:
    slot = draw(plain_slots("x").filter(lambda slot: bool(slot.without)))
    tree = draw(around(st.just(slot)))
    return tree, draw(st.one_of(sampled(tree), texts()))


def test_excluded_tokens_are_read_as_the_reference_reads_them() -> None:
    seen: Counter[str] = Counter()

    def plain(node: Node) -> Node:
        match node:
            case Slot(name, kind, values):
                return Slot(name, kind, values)
            case Sequence(parts):
                return Sequence(tuple(map(plain, parts)))
            case _:
                return node

    def outcome(tree: Grammar, tokens: Tokens, expected: frozenset[frozenset[Mark]]) -> str | None:
        if expected:
            return "taken"
        return "refused" if read_slowly(plain(core(tree)), tokens) else None

    compared(seen, st.composite(without)(), outcome, 400)
    assert min(shares(seen, "taken", "refused")) >= 0.2, seen


def restricted(draw: st.DrawFn) -> tuple[Grammar, str]:
    slots_ = st.one_of(plain_slots("x"), phrases_of(1).map(lambda p: Slot("x", p.name, phrase=p)))
    nodes = around(slots_)

    def chain(levels: int) -> Grammar:
        tree: Grammar = draw(nodes)
        for _ in range(draw(st.integers(1 if levels == 2 else 0, 2)) if levels else 0):
            by = draw(st.sampled_from([chain(levels - 1), core(tree), core(tree)]))
            tree = Restricted(tree, by, draw(st.booleans()))
        return tree

    tree = chain(2)
    return tree, draw(st.one_of(phrased_texts(core(tree)), phrased_texts(core(tree)), texts()))


def test_restrictions_are_read_as_the_reference_reads_them() -> None:
    seen: Counter[str] = Counter()

    def outcome(tree: Grammar, tokens: Tokens, expected: frozenset[frozenset[Mark]]) -> str | None:
        if expected:
            return "kept"
        return "forbidden" if read_slowly(core(tree), tokens) else "not in the core"

    compared(seen, st.composite(restricted)(), outcome, 400)
    assert min(shares(seen, "kept", "forbidden", "not in the core")) >= 0.2, seen
    assert seen["undecided"] <= 0.05 * seen.total()


def nested(levels: int, uses: int) -> Phrase:
    """Phrases within phrases, each used so often in the next."""
    phrase = Phrase("p1", (Option(Literal(("a",)), "s"), Option(Literal(("a",)), "t")))
    for level in range(2, levels + 1):
        slots_ = [Slot(f"s{n}", phrase.name, phrase=phrase) for n in range(uses)]
        inside = Option(sequence(*slots_), None if uses == 1 else f"v{level}")
        phrase = Phrase(f"p{level}", (inside, Option(Literal(("a",)), f"v{level}")))
    return phrase


def test_the_deepest_phrases_are_read_and_deeper_ones_refused() -> None:
    deepest = nested(MAX_NESTING, 1)
    found = read(compile_grammar(Slot("x", deepest.name, phrase=deepest)), lexed("a"))
    assert isinstance(found, tuple)
    values = {b["x"].value for b in found}
    assert values == {"s", "t", *(f"v{level}" for level in range(2, MAX_NESTING + 1))}
    lines = ["<p0> = a => s"] + [f"<p{n}> = {{x:<p{n - 1}>}}" for n in range(1, 17)]
    deep = parse_grammar("\n".join([*lines, "{x:<p16>}"]))
    assert deep == Problem(
        "grammar-too-large", "line 17, column 1", "phrases are nested 17 deep; the limit is 16"
    )


def test_phrases_that_double_are_refused_before_they_are_walked() -> None:
    doubled = nested(MAX_NESTING, 3)
    assert doubled.nodes > 10**6
    with pytest.raises(GrammarTooLarge, match=r"nodes; the limit is 20000"):
        compile_grammar(Slot("x", doubled.name, phrase=doubled))


def test_reading_phrases_is_linear_in_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five levels that may split at every `and` have spans by the square of the text."""
    levels = [
        f"<p{n}> = {{x:<p{n - 1}>}} => {n} | {{x:<p{n - 1}>}} and {{y:<p{n - 1}>}} => b"
        for n in range(2, 6)
    ]
    text_form = "\n".join(["<p1> = {w:phrase} => w", *levels, "go {x:<p5>}"])
    reader = compile_grammar(grammar(text_form))
    read_tokens = 0

    def counted(nfa: Nfa, keys: tuple[str, ...]) -> tuple[Assignment, ...] | TooManyReadings:
        nonlocal read_tokens
        read_tokens += len(keys)
        return assignments(nfa, keys)

    monkeypatch.setattr(phrases_module, "assignments", counted)
    seen: Counter[str] = Counter()
    for times in (1, 2, 4, 8, 16, 100):
        tokens = lexed("go " + " and ".join(["a b"] * times))
        read_tokens = 0
        found = read(reader, tokens)
        seen["undecided" if isinstance(found, TooManyReadings) else "read"] += 1
        assert read_tokens <= 2 * (phrases_module.READS + 1) * len(tokens.keys)
    assert seen["read"] >= 3


def test_the_kind_of_a_phrase_parses_what_it_renders() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(phrases_of(2), st.data())
    def check(phrase: Phrase, data: st.DataObject) -> None:
        kind = kind_of(Slot("x", phrase.name, phrase=phrase))
        text = data.draw(st.one_of([phrased_texts(option.part) for option in phrase.options]))
        value = kind.parse(text)
        if value is None:
            seen["no value, or several"] += 1
            return
        seen["given back" if kind.parse(kind.render(value)) == value else "not spelled"] += 1
        if kind.type != "mixed":
            assert isinstance(value, str) == (kind.type == "text")

    check()
    assert seen["given back"] > seen["not spelled"], seen


def test_required_tokens_are_those_of_every_option_and_of_what_is_kept() -> None:
    text_form = SIZE + "(a [b] {x:<size>}){only c {y:phrase}}{except d}"
    assert required_keys(grammar(text_form)) == {"a", "c"}
    assert required_keys(grammar("<p> = a b | b c => 1\n{x:<p>}")) == {"b"}

"""Random grammars and texts, and a slow obvious matcher to hold the automaton against."""

from collections.abc import Iterator
from fractions import Fraction

from hypothesis import strategies as st

from artifacts.grammar.kinds import KINDS
from artifacts.grammar.lexer import literal_keys, token_class
from artifacts.grammar.limits import phrase_fault
from artifacts.grammar.syntax import (
    Alternatives,
    Grammar,
    Literal,
    Node,
    Option,
    Phrase,
    Repeat,
    Restricted,
    Sequence,
    Slot,
    TokenOf,
    alternatives,
    optional,
    phrase_conflicts,
    phrases,
    sequence,
)
from artifacts.values import Value

Span = tuple[str, int, int]
"""Slot name, first token, token after the last."""

WORDS = ("a", "b", "a b", " ", "a ", " b", "and", "1", "-", "'", '"', "%")
KINDS_TRIED = ("integer", "decimal", "percent", "word", "identifier", "quoted", "phrase")


def trees(kinds: tuple[str, ...] = KINDS_TRIED) -> st.SearchStrategy[Node]:
    """Grammars that the text form can say; slot names may repeat."""
    leaves = st.one_of(
        st.sampled_from(WORDS).map(lambda text: Literal(literal_keys(text))),
        st.builds(Slot, st.sampled_from("xyz"), st.sampled_from(kinds)),
        st.builds(
            Slot,
            st.sampled_from("xyz"),
            st.just("enumeration"),
            st.sampled_from([("a",), ("a", "a b"), ("b a", "1"), ("a-b", "-")]),
        ),
    )

    def deeper(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        bounds = st.tuples(st.integers(0, 2), st.integers(1, 3)).filter(lambda b: b[0] <= b[1])
        return st.one_of(
            st.lists(inner, max_size=4).map(lambda parts: sequence(*parts)),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: alternatives(*parts)),
            inner.map(optional),
            st.tuples(inner, bounds).map(lambda pair: Repeat(pair[0], *pair[1])),
        )

    return st.recursive(leaves, deeper, max_leaves=8)


def texts() -> st.SearchStrategy[str]:
    """Texts from the same few tokens, so that many are in a grammar."""
    return st.lists(st.sampled_from(WORDS), max_size=7).map("".join)


def sampled(node: Node) -> st.SearchStrategy[str]:
    """Texts that a grammar is likely to accept."""
    match node:
        case Literal(keys):
            return st.just("".join(keys))
        case Slot(_, "enumeration", values):
            return st.sampled_from(values)
        case Slot(_, kind):
            return st.sampled_from(SPELLED[kind])
        case Sequence(parts):
            return st.tuples(*map(sampled, parts)).map("".join)
        case Alternatives(options):
            return st.one_of(*map(sampled, options))
        case Repeat(part, low, high):
            return st.lists(sampled(part), min_size=low, max_size=high).map("".join)
        case TokenOf():
            raise AssertionError("no grammar has one")


SPELLED = {
    "integer": ("1", "-1", "007"),
    "decimal": ("1", "-1.5"),
    "percent": ("1%", "2.5 %"),
    "word": ("a", "a-b", "a'b"),
    "identifier": ("a", "a-1", "1%"),
    "quoted": ('"a b"', "''"),
    "phrase": ("a", "a b", "a-1 b", "b a a"),
}


def backtracked(node: Node, keys: tuple[str, ...]) -> set[tuple[Span, ...]]:
    """Return every assignment of spans under which the grammar accepts the keys.

    It tries everything, in time exponential in the grammar. A blank of the grammar may follow the
    blank that the text has: a space run stands for two in a row. At an end of the text, whose ends
    are trimmed, it may stand for nothing.
    """
    return {tuple(sorted(spans)) for end, spans in _walk(node, keys, 0) if end == len(keys)}


_Walk = Iterator[tuple[int, frozenset[Span]]]


def _walk(node: Node, keys: tuple[str, ...], at: int) -> _Walk:
    seen: set[tuple[int, frozenset[Span]]] = set()
    for found in _ends(node, keys, at):
        if found not in seen:
            seen.add(found)
            yield found


def _ends(node: Node, keys: tuple[str, ...], at: int) -> _Walk:
    match node:
        case Literal(wanted):
            yield from _chain(tuple(TokenOf(frozenset({key})) for key in wanted), keys, at)
        case TokenOf(named, classes, excluded):
            if at < len(keys) and (
                keys[at] in named or (token_class(keys[at]) in classes and keys[at] not in excluded)
            ):
                yield at + 1, frozenset()
            if named == {" "} and (at in (0, len(keys)) or keys[at - 1] == " "):
                yield at, frozenset()
        case Sequence(parts):
            yield from _chain(parts, keys, at)
        case Alternatives(options):
            for option in options:
                yield from _walk(option, keys, at)
        case Repeat(part, low, high):
            yield from _repeated(part, low, high, keys, at)
        case Slot(name, kind, values, without, None):
            assert not without
            inside = (
                Alternatives(tuple(Literal(literal_keys(value)) for value in values))
                if kind == "enumeration"
                else KINDS[kind].tokens
            )
            for end, _ in _walk(inside, keys, at):
                yield end, frozenset({(name, at, end)})


def _chain(parts: tuple[Node, ...], keys: tuple[str, ...], at: int) -> _Walk:
    if not parts:
        yield at, frozenset()
        return
    for middle, left in _walk(parts[0], keys, at):
        for end, right in _chain(parts[1:], keys, middle):
            yield end, left | right


def _repeated(part: Node, low: int, high: int | None, keys: tuple[str, ...], at: int) -> _Walk:
    if low == 0:
        yield at, frozenset()
    if high == 0:
        return
    for middle, left in _walk(part, keys, at):
        if middle == at and high is None:
            continue
        rest = None if high is None else high - 1
        for end, right in _repeated(part, max(0, low - 1), rest, keys, middle):
            yield end, left | right


def phrase_parts(slots_: st.SearchStrategy[Slot]) -> st.SearchStrategy[Node]:
    """Small grammars for options: most accept few texts, so that options share them."""
    words = st.sampled_from(("a", "b", "a b", "1", "a 1")).map(lambda t: Literal(literal_keys(t)))
    blanks = st.sampled_from((" a", "b ", " ")).map(lambda t: Literal(literal_keys(t)))
    leaves = st.one_of(words, words, slots_)
    return st.one_of(
        words,
        leaves,
        st.lists(st.one_of(leaves, blanks), min_size=2, max_size=3).map(lambda p: sequence(*p)),
        st.lists(leaves, min_size=2, max_size=2).map(lambda p: alternatives(*p)),
        st.tuples(leaves, words.map(optional)).map(lambda p: sequence(*p)),
        st.tuples(words.map(optional), leaves).map(lambda p: sequence(*p)),
    )


def plain_slots(names: str, without: bool = True) -> st.SearchStrategy[Slot]:
    """Slots of the table, some with excluded tokens, and enumerations."""
    excluded = st.sampled_from([(), ("a",), ("1",), ("a", "b"), ("-",)] if without else [()])
    kinds = st.sampled_from(("integer", "decimal", "word", "identifier", "phrase"))
    return st.one_of(
        st.builds(
            lambda name, kind, keys: Slot(name, kind, without=keys),
            st.sampled_from(names), kinds, excluded,
        ),
        st.builds(
            lambda name, values: Slot(name, "enumeration", values),
            st.sampled_from(names), st.sampled_from([("a",), ("a", "a b"), ("b a", "1")]),
        ),
    )  # fmt: skip


CONSTANTS = (None, None, "s", "t t", "3", 3, -2, Fraction(5, 2), "a", '"', "=> |")


def phrases_of(
    levels: int, constants: tuple[Value | None, ...] = CONSTANTS
) -> st.SearchStrategy[Phrase]:
    """Phrases that may be written, up to so many within one another; each has its own name."""
    inner = plain_slots("mn")
    if levels > 1:
        inside = phrases_of(levels - 1, constants).map(
            lambda phrase: Slot("m", phrase.name, phrase=phrase)
        )
        inner = st.one_of(inner, inside)
    options = st.builds(Option, phrase_parts(inner), st.sampled_from(constants))

    def named(found: list[Option]) -> Phrase:
        made = Phrase("p", tuple(found))
        inside = {p for option in found for p in phrases(option.part)}
        phrase = Phrase(f"p{made.levels}", made.options)
        clashing = len({p.name for p in inside}) < len(inside) or phrase.name in {
            p.name for p in inside
        }
        return Phrase("", ()) if clashing or phrase_fault(phrase) else phrase

    made = st.lists(options, min_size=1, max_size=3).map(named)
    return made.filter(lambda phrase: bool(phrase.options))


def phrased_texts(node: Node) -> st.SearchStrategy[str]:
    """Texts that a grammar with phrases is likely to accept."""
    match node:
        case Slot(_, _, _, _, Phrase(_, options)):
            return st.one_of([phrased_texts(option.part) for option in options])
        case Sequence(parts):
            return st.tuples(*map(phrased_texts, parts)).map("".join)
        case Alternatives(options):
            return st.one_of(*map(phrased_texts, options))
        case Repeat(part, low, high):
            return st.lists(phrased_texts(part), min_size=low, max_size=high).map("".join)
        case _:
            return sampled(node)


def grammars() -> st.SearchStrategy[Grammar]:
    """Everything that the text form can say."""
    phrased = phrases_of(3).map(lambda phrase: Slot("w", phrase.name, phrase=phrase))
    node = st.one_of(
        trees(),
        plain_slots("xyz"),
        st.tuples(trees(), phrased).map(lambda pair: sequence(*pair)),
        st.tuples(phrased, trees()).map(lambda pair: alternatives(*pair)),
    )

    @st.composite
    def drawn(draw: st.DrawFn, levels: int) -> Grammar:
        tree: Grammar = draw(node)
        for _ in range(draw(st.integers(0, 2)) if levels else 0):
            tree = Restricted(tree, draw(drawn(levels - 1)), draw(st.booleans()))
        return tree

    return drawn(2).filter(lambda grammar: not phrase_conflicts(grammar))

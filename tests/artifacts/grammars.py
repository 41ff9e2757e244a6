"""Random grammars and texts, and a slow obvious matcher to hold the automaton against."""

from collections.abc import Iterator

from hypothesis import strategies as st

from artifacts.grammar.kinds import KINDS
from artifacts.grammar.lexer import literal_keys, token_class
from artifacts.grammar.syntax import (
    Alternatives,
    Literal,
    Node,
    Repeat,
    Sequence,
    Slot,
    TokenOf,
    alternatives,
    optional,
    sequence,
)

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
        case Slot(_, kind, _):
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
        case Slot(name, kind, values):
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

"""Position automata (Glushkov 1961) over tokens: how they are made from syntax trees.

Every leaf of the tree is a position, every set of positions a bit mask, so that a step over one
token is a few operations on integers. Nothing is counted, looked back at or looked around for.

Why not derivatives or a deterministic automaton: `x {p:phrase} w w w` needs a state for every set
of positions that texts can reach, which doubles with every `w`; positions are as many as leaves.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from artifacts.grammar.kinds import kind_of
from artifacts.grammar.lexer import TokenClass, token_class
from artifacts.grammar.limits import grammar_fault
from artifacts.grammar.syntax import (
    Alternatives,
    Literal,
    Node,
    Phrase,
    Repeat,
    Slot,
    TokenOf,
)
from artifacts.grammar.syntax import Sequence as Concatenation
from artifacts.values import Value

MAX_POSITIONS = 6000


class GrammarTooLarge(Exception):
    """The automaton would pass a limit; the compiler turns it into a problem."""


Parser = Callable[[str], Value | None]


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """One option of a phrase, ready to be read by itself."""

    nfa: "Nfa"
    value: Value | None


@dataclass(frozen=True, slots=True)
class Nfa:
    """The automaton of one grammar. Bit p of a mask is position p.

    `occurrence` says which of `slots` a position is in, or −1. `parsers` has for each of `slots`
    the parser of its kind or, of a phrase, which may have several values, the forms.
    """

    first: int
    last: int
    nullable: bool
    follow: tuple[int, ...]
    occurrence: tuple[int, ...]
    slots: tuple[Slot, ...]
    by_key: Mapping[str, int]
    by_class: Mapping[TokenClass, int]
    parsers: tuple[Parser | tuple[Form, ...], ...]
    has_phrases: bool

    def mask(self, key: str) -> int:
        """Return the positions that accept a token with this key."""
        known = self.by_key.get(key)
        return self.by_class.get(token_class(key), 0) if known is None else known


@dataclass(slots=True)
class _Fragment:
    first: int
    last: int
    nullable: bool


@dataclass(slots=True)
class _Builder:
    accepts: list[TokenOf] = field(default_factory=list)
    follow: list[int] = field(default_factory=list)
    occurrence: list[int] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    inside: int = -1

    def token(self, accepts: TokenOf) -> _Fragment:
        position = len(self.accepts)
        if position >= MAX_POSITIONS:
            raise GrammarTooLarge
        self.accepts.append(accepts)
        self.follow.append(0)
        self.occurrence.append(self.inside)
        bit = 1 << position
        return _Fragment(bit, bit, False)

    def then(self, left: _Fragment, right: _Fragment) -> _Fragment:
        self.connect(left.last, right.first)
        return _Fragment(
            left.first | (right.first if left.nullable else 0),
            right.last | (left.last if right.nullable else 0),
            left.nullable and right.nullable,
        )

    def connect(self, lasts: int, firsts: int) -> None:
        for position in bits(lasts):
            self.follow[position] |= firsts

    def build(self, node: Node) -> _Fragment:
        match node:
            case Literal(keys):
                return self.concatenation(TokenOf(frozenset({key})) for key in keys)
            case TokenOf():
                return self.token(node)
            case Concatenation(parts):
                return self.concatenation(parts)
            case Alternatives(options):
                whole = _Fragment(0, 0, False)
                for option in options:
                    part = self.build(option)
                    whole.first |= part.first
                    whole.last |= part.last
                    whole.nullable |= part.nullable
                return whole
            case Repeat(part, low, high):
                return self.repeat(part, low, high)
            case Slot():
                return self.slot(node)

    def concatenation(self, parts: Iterator[Node] | Sequence[Node]) -> _Fragment:
        whole = _Fragment(0, 0, True)
        for part in parts:
            whole = self.then(whole, self.build(part))
        return whole

    def repeat(self, part: Node, low: int, high: int | None) -> _Fragment:
        whole = _Fragment(0, 0, True)
        for _ in range(low if high is None else high):
            positions = len(self.accepts)
            copy = self.build(part)
            if len(self.accepts) == positions:  # nothing to repeat, however often and deep
                return _Fragment(0, 0, low == 0 or copy.nullable)
            if _ >= low:
                copy.nullable = True
            whole = self.then(whole, copy)
        if high is None:
            loop = self.build(part)
            self.connect(loop.last, loop.first)
            loop.nullable = True
            whole = self.then(whole, loop)
        return whole

    def slot(self, node: Slot) -> _Fragment:
        """A slot's kind in its place; those inside a phrase are not apart from the phrase."""
        outermost, start = self.inside < 0, len(self.accepts)
        if outermost:
            self.inside = len(self.slots)
            self.slots.append(node)
        fragment = self.build(kind_of(node).tokens)
        if outermost:
            self.inside = -1
        if node.phrase is not None:
            _trim(fragment, _join_spaces(self, fragment, start))
        return fragment


def bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def compile_nfa(node: Node) -> Nfa:
    """Return the automaton of a grammar; raise GrammarTooLarge beyond `MAX_POSITIONS`."""
    fault = grammar_fault(node)
    if fault is not None:
        raise GrammarTooLarge(fault[1])
    builder = _Builder()
    try:
        whole = builder.build(node)
    except GrammarTooLarge:
        message = f"the grammar needs {positions(node)} positions; the limit is {MAX_POSITIONS}"
        raise GrammarTooLarge(message) from None
    _join_spaces(builder, whole, 0)
    by_class: dict[TokenClass, int] = {}
    named = {key for accepts in builder.accepts for key in accepts.keys | accepts.excluded}
    by_key = dict.fromkeys(named, 0)
    for position, accepts in enumerate(builder.accepts):
        bit = 1 << position
        for cls in accepts.classes:
            by_class[cls] = by_class.get(cls, 0) | bit
        for key in accepts.keys:
            by_key[key] |= bit
    for position, accepts in enumerate(builder.accepts):
        if accepts.classes:
            for key in named - accepts.excluded:
                if token_class(key) in accepts.classes:
                    by_key[key] |= 1 << position
    return Nfa(
        whole.first,
        whole.last,
        whole.nullable,
        tuple(builder.follow),
        tuple(builder.occurrence),
        tuple(builder.slots),
        by_key,
        by_class,
        tuple(forms(s.phrase) if s.phrase else kind_of(s).parse for s in builder.slots),
        any(slot.phrase for slot in builder.slots),
    )


@lru_cache(maxsize=1024)
def forms(phrase: Phrase) -> tuple[Form, ...]:
    """Return the options of a phrase, each with an automaton of its own."""
    return tuple(Form(compile_nfa(option.part), option.value) for option in phrase.options)


def positions(node: Node) -> int:
    """Return how many positions the automaton of a grammar has."""
    match node:
        case Literal(keys):
            return len(keys)
        case TokenOf():
            return 1
        case Concatenation(parts) | Alternatives(parts):
            return sum(map(positions, parts))
        case Repeat(part, low, high):
            return positions(part) * (low + 1 if high is None else high)
        case Slot():
            return _slot_positions(replace(node, name=""))


@lru_cache(maxsize=4096)
def _slot_positions(slot: Slot) -> int:
    return positions(kind_of(slot).tokens)


def _join_spaces(builder: _Builder, whole: _Fragment, start: int) -> int:
    """Give blanks of the grammar the meaning that space runs have in texts; return which they are.

    One run stands for two blanks in a row, as in `a [b] c` without `b`; and as the ends of texts
    are trimmed, a blank at an end of the grammar stands for nothing, as in `[please] open`.
    """
    space = TokenOf(frozenset({" "}))
    blanks = [at for at in range(start, len(builder.accepts)) if builder.accepts[at] == space]
    is_blank = sum(1 << position for position in blanks)
    for position in reversed(blanks):
        for following in bits(builder.follow[position] & is_blank):
            builder.follow[position] |= builder.follow[following]
            whole.last |= (whole.last >> following & 1) << position
    for position in bits(whole.first & is_blank):
        whole.first |= builder.follow[position]
        whole.nullable |= bool(whole.last >> position & 1)
    for position in range(start, len(builder.follow)):
        if builder.follow[position] & is_blank & whole.last:
            whole.last |= 1 << position
    return is_blank


def _trim(fragment: _Fragment, blanks: int) -> None:
    """Leave no blank at an end: the spans of phrases, like texts, start and end with none."""
    fragment.first &= ~blanks
    fragment.last &= ~blanks

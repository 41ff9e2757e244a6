"""Matching: a position automaton (Glushkov 1961) over tokens, which binds slots and reports all
readings.

It cannot count unboundedly, look back or look around; that is the point: time is linear in the
text. The forward pass keeps the set of reached positions as a bit mask; the backward pass walks
only positions from which the forward pass came, and keeps at most `MAX_READINGS` different
assignments of spans. Backtracking engines were measured to be exponential on `(a|aa)+b`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from artifacts.grammar.kinds import kind_of
from artifacts.grammar.lexer import TokenClass, Tokens, token_class
from artifacts.grammar.syntax import (
    Alternatives,
    Literal,
    Node,
    Repeat,
    Slot,
    TokenOf,
)
from artifacts.grammar.syntax import Sequence as Concatenation
from artifacts.values import Value

MAX_POSITIONS = 6000
MAX_READINGS = 32


class GrammarTooLarge(Exception):
    """The automaton would pass `MAX_POSITIONS`; the compiler turns it into a problem."""


class Bound(Struct, frozen=True, gc=False):
    """One slot's value in one reading; the span is in code points of the utterance."""

    slot: str
    kind: str
    start: int
    end: int
    spelling: str
    value: Value


Bindings = Mapping[str, Bound]


@dataclass(frozen=True, slots=True)
class TooManyReadings:
    """The text has more than `MAX_READINGS` readings in this grammar; nothing is answered."""


@dataclass(frozen=True, slots=True)
class Nfa:
    """The automaton of one grammar. Bit p of a mask is position p.

    `parsers` are those of the kinds of `slots`.
    """

    first: int
    last: int
    nullable: bool
    follow: tuple[int, ...]
    occurrence: tuple[int, ...]
    slots: tuple[Slot, ...]
    by_key: Mapping[str, int]
    by_class: Mapping[TokenClass, int]
    parsers: tuple[Callable[[str], Value | None], ...]

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
            raise GrammarTooLarge(f"the grammar needs more than {MAX_POSITIONS} positions")
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
        for position in _bits(lasts):
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
        self.inside = len(self.slots)
        self.slots.append(node)
        fragment = self.build(kind_of(node).tokens)
        self.inside = -1
        return fragment


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def compile_nfa(node: Node) -> Nfa:
    """Return the automaton of a grammar; raise GrammarTooLarge beyond `MAX_POSITIONS`."""
    builder = _Builder()
    whole = builder.build(node)
    _join_spaces(builder, whole)
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
        tuple(kind_of(slot).parse for slot in builder.slots),
    )


def _join_spaces(builder: _Builder, whole: _Fragment) -> None:
    """Give blanks of the grammar the meaning that space runs have in texts.

    One run stands for two blanks in a row, as in `a [b] c` without `b`; and as the ends of texts
    are trimmed, a blank at an end of the grammar stands for nothing, as in `[please] open`.
    """
    space = TokenOf(frozenset({" "}))
    blanks = [position for position, accepts in enumerate(builder.accepts) if accepts == space]
    is_blank = sum(1 << position for position in blanks)
    for position in reversed(blanks):
        for following in _bits(builder.follow[position] & is_blank):
            builder.follow[position] |= builder.follow[following]
            whole.last |= (whole.last >> following & 1) << position
    for position in _bits(whole.first & is_blank):
        whole.first |= builder.follow[position]
        whole.nullable |= bool(whole.last >> position & 1)
    for position, follow in enumerate(builder.follow):
        if follow & is_blank & whole.last:
            whole.last |= 1 << position


def _forward(nfa: Nfa, keys: Sequence[str]) -> list[int] | None:
    """Return the reached positions after each token, or None when the text is not accepted."""
    follow, by_key, mask_of = nfa.follow, nfa.by_key, nfa.mask
    reached: list[int] = []
    reachable = nfa.first
    state = 0
    for key in keys:
        mask = by_key.get(key)
        state = reachable & (mask_of(key) if mask is None else mask)
        if not state:
            return None
        reached.append(state)
        if state & (state - 1):
            reachable = 0
            rest = state
            while rest:
                low = rest & -rest
                reachable |= follow[low.bit_length() - 1]
                rest ^= low
        else:
            reachable = follow[state.bit_length() - 1]
    return reached if state & nfa.last else None


_Span = tuple[int, int, int]
"""Slot occurrence, first token, token after the last."""
Assignment = tuple[_Span, ...]
"""What a text's tokens are read as: the spans of its slots, in the order of the text."""
_Partial = tuple[int, tuple[_Span, ...]]
"""Where the slot now open (to the right) ends, or −1; and the spans already closed."""


def _spans(nfa: Nfa, reached: Sequence[int]) -> set[Assignment] | None:
    """Return all span assignments of an accepted text, or None beyond `MAX_READINGS`."""
    occurrence, follow = nfa.occurrence, nfa.follow
    count = len(reached)
    if not any(state & (state - 1) for state in reached):
        return {_only_spans(nfa, reached)}
    layer: dict[int, set[_Partial]] = {
        position: {(count if occurrence[position] >= 0 else -1, ())}
        for position in _bits(reached[-1] & nfa.last)
    }
    for index in range(count - 1, 0, -1):
        earlier: dict[int, set[_Partial]] = {}
        before = list(_bits(reached[index - 1]))
        for position, partials in layer.items():
            bit, now = 1 << position, occurrence[position]
            for previous in before:
                if not follow[previous] & bit:
                    continue
                then = occurrence[previous]
                if then == now:
                    moved = partials
                else:
                    end = index if then >= 0 else -1
                    moved = {
                        (end, ((now, index, right), *closed) if now >= 0 else closed)
                        for right, closed in partials
                    }
                merged = earlier.setdefault(previous, set())
                merged |= moved
                if len(merged) > MAX_READINGS:
                    return None
        layer = earlier
    found = {
        ((occurrence[position], 0, right), *closed) if occurrence[position] >= 0 else closed
        for position, partials in layer.items()
        for right, closed in partials
    }
    return found if len(found) <= MAX_READINGS else None


def _only_spans(nfa: Nfa, reached: Sequence[int]) -> Assignment:
    """Return the spans of a text whose tokens were each reached in one position only."""
    spans: list[_Span] = []
    before, start = -1, 0
    for index, state in enumerate(reached):
        now = nfa.occurrence[state.bit_length() - 1]
        if now != before:
            if before >= 0:
                spans.append((before, start, index))
            before, start = now, index
    if before >= 0:
        spans.append((before, start, len(reached)))
    return tuple(spans)


def accepts(nfa: Nfa, tokens: Tokens) -> bool:
    """Return whether the token grammar accepts the text; slot values are not parsed."""
    return bool(tokens.keys) and _forward(nfa, tokens.keys) is not None


def assignments(nfa: Nfa, keys: Sequence[str]) -> tuple[Assignment, ...] | TooManyReadings:
    """Return every way in which the token grammar accepts a text, in a fixed order.

    Time is linear in the number of tokens for a given grammar.
    """
    reached = _forward(nfa, keys) if keys else None
    if reached is None:
        return ()
    if not nfa.slots:
        return ((),)
    found = _spans(nfa, reached)
    return TooManyReadings() if found is None else tuple(sorted(found))


def bound(nfa: Nfa, ways: Sequence[Assignment], tokens: Tokens) -> tuple[Bindings, ...]:
    """Return the readings among the ways in which a text is accepted: all kinds take their values.

    Readings that bind equal spans to equal slots are one reading. Each binds its slots in the order
    of the text.
    """
    if len(ways) == 1:
        only = _bind(nfa, ways[0], tokens)
        return () if only is None else (only,)
    found: dict[tuple[tuple[str, str, int, int], ...], Bindings] = {}
    for way in ways:
        bindings = _bind(nfa, way, tokens)
        if bindings is not None:
            marks = sorted((b.slot, b.kind, b.start, b.end) for b in bindings.values())
            found.setdefault(tuple(marks), bindings)
    return tuple(found.values())


def readings(nfa: Nfa, tokens: Tokens) -> tuple[Bindings, ...] | TooManyReadings:
    """Return every reading whose slot values their kinds accept, in a fixed order."""
    ways = assignments(nfa, tokens.keys)
    return ways if isinstance(ways, TooManyReadings) else bound(nfa, ways, tokens)


def _bind(nfa: Nfa, assignment: Assignment, tokens: Tokens) -> Bindings | None:
    text, offsets = tokens.text, tokens.offsets()
    bindings: dict[str, Bound] = {}
    for occurrence, first, after in assignment:
        slot = nfa.slots[occurrence]
        start, end = offsets[first], offsets[after]
        spelling = text[start:end]
        value = nfa.parsers[occurrence](spelling)
        if value is None:
            return None
        bindings[slot.name] = Bound(slot.name, slot.kind, start, end, spelling, value)
    return bindings

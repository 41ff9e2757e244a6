"""Proofs that a grammar keeps texts and excludes others, and a matcher that checks them.

A run says what an engine found: how a text is read, or how far. `checked` tries every run with a
matcher of its own, which shares nothing with the automata but the trees, the lexer and the kinds:
it computes, from a token on, where a node can end, and looks at no set of states. It is slow
(polynomial, bounded by `MAX_CHECK_STEPS`) and short; that is its worth.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal as OneOf

from artifacts.grammar.kinds import kind_of
from artifacts.grammar.lexer import Tokens, lex, token_class
from artifacts.grammar.syntax import (
    Alternatives,
    Grammar,
    Literal,
    Node,
    Repeat,
    Restricted,
    Sequence,
    Slot,
    TokenOf,
)

MAX_CHECK_STEPS = 5_000_000
Span = tuple[str, int, int]
"""A slot's name, and where its value starts and ends in the text, in code points."""


@dataclass(frozen=True, slots=True)
class Accepts:
    """The text is read with these slots, in the order of the text."""

    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Dies:
    """The text is not read: no way through the grammar reads more than `reached` tokens.

    `why` is "stuck" at the next token; "short" when the grammar wants more than the whole text;
    "refused" when every way to its end has a value that its kind refuses; "unlexable".
    """

    text: str
    reached: int
    why: OneOf["stuck", "short", "refused", "unlexable"]


@dataclass(frozen=True, slots=True)
class Within:
    """The run of a restriction: that of its part and, if the part reads the text, of the other."""

    part: "Run"
    by: "Run | None"


Run = Accepts | Dies | Within


@dataclass(frozen=True, slots=True)
class Proof:
    """The accepting runs of all accepted texts and the dying runs of all rejected ones."""

    accepted: tuple[Run, ...]
    rejected: tuple[Run, ...]


class _TooLong(Exception):
    """The matcher was given more than `MAX_CHECK_STEPS`; never leaves this module."""


def text_of(run: Run) -> str:
    """Return the text of a run."""
    while isinstance(run, Within):
        run = run.part
    return run.text


def checked(grammar: Grammar, proof: Proof) -> bool:
    """Return whether every run of the proof is one of the grammar, with the end that it claims."""
    try:
        return all(_ends_well(grammar, run) is True for run in proof.accepted) and all(
            _ends_well(grammar, run) is False for run in proof.rejected
        )
    except _TooLong:
        return False


def _ends_well(grammar: Grammar, run: Run) -> bool | None:
    """Return whether the run accepts; None when it is no run of the grammar."""
    match grammar, run:
        case Restricted(part, by, keep), Within(inner, other):
            first = _ends_well(part, inner)
            if not first or other is None:
                return first if other is None and first is False else None
            second = _ends_well(by, other)
            if second is None or text_of(other) != text_of(inner):
                return None
            return second == keep
        case Restricted(), _:
            return None
        case _, Accepts(text, spans):
            tokens = lex(text)
            if isinstance(tokens, str):
                return None
            return True if _Matcher(tokens, spans=spans).reads(grammar) else None
        case _, Dies(text, reached, why):
            return False if _dies(grammar, text) == (reached, why) else None
        case _:
            return None


def _dies(node: Node, text: str) -> tuple[int, str] | None:
    tokens = lex(text)
    if isinstance(tokens, str):
        return 0, "unlexable"
    if _Matcher(tokens).reads(node):
        return None
    blind = _Matcher(tokens, parses=False)
    if blind.reads(node):
        return len(tokens.keys), "refused"
    return blind.furthest, "short" if blind.furthest == len(tokens.keys) else "stuck"


_Place = tuple[int, int]
"""A token, and how many of the given spans were used up to it; −1 inside a slot."""


@dataclass(slots=True)
class _Matcher:
    """`ends(node, place)` is every place where the node can end when it starts at `place`."""

    tokens: Tokens
    spans: tuple[Span, ...] | None = None
    parses: bool = True
    furthest: int = 0
    steps: int = 0
    keys: tuple[str, ...] = ()
    offsets: list[int] = field(default_factory=list)
    known: dict[tuple[int, _Place], tuple[Node, frozenset[_Place]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys, self.offsets = self.tokens.keys, self.tokens.offsets()

    def reads(self, node: Node) -> bool:
        used = 0 if self.spans is None else len(self.spans)
        return bool(self.keys) and (len(self.keys), used) in self.ends(node, (0, 0))

    def ends(self, node: Node, place: _Place) -> frozenset[_Place]:
        known = self.known.get((id(node), place))
        if known is not None:
            return known[1]
        self.steps += 1
        if self.steps > MAX_CHECK_STEPS:
            raise _TooLong
        found = frozenset(self.each_end(node, place))
        self.known[id(node), place] = (node, found)  # the node, so that its id stays its own
        return found

    def each_end(self, node: Node, place: _Place) -> Iterable[_Place]:
        match node:
            case Literal(keys):
                return self.through((TokenOf(frozenset({key})) for key in keys), {place})
            case TokenOf():
                return self.token(node, place)
            case Sequence(parts):
                return self.through(parts, {place})
            case Alternatives(options):
                return (end for option in options for end in self.ends(option, place))
            case Repeat(part, low, high):
                return self.repeat(part, low, high, place)
            case Slot():
                return self.slot(node, place)

    def token(self, wanted: TokenOf, place: _Place) -> Iterable[_Place]:
        at, used = place
        if wanted == _BLANK and (at in (0, len(self.keys)) or self.keys[at - 1] == " "):
            yield place  # ends of texts are trimmed, and one space run stands for two blanks
        if at < len(self.keys):
            key = self.keys[at]
            by_class = token_class(key) in wanted.classes and key not in wanted.excluded
            if key in wanted.keys or by_class:
                self.furthest = max(self.furthest, at + 1)
                yield at + 1, used

    def through(self, parts: Iterable[Node], places: set[_Place]) -> set[_Place]:
        for part in parts:
            places = {end for place in places for end in self.ends(part, place)}
        return places

    def repeat(self, part: Node, low: int, high: int | None, place: _Place) -> set[_Place]:
        places = self.through([part] * low, {place})
        found = set(places)
        rounds = low
        while places and (high is None or rounds < high):
            places = self.through([part], places) - found
            found |= places
            rounds += 1
        return found

    def slot(self, slot: Slot, place: _Place) -> Iterable[_Place]:
        kind = kind_of(slot)
        start, used = place
        for end, _ in self.ends(kind.tokens, (start, -1)):
            span = (slot.name, self.offsets[start], self.offsets[end])
            if self.parses and kind.parse(self.tokens.text[span[1] : span[2]]) is None:
                continue
            if used < 0 or self.spans is None:
                yield end, used
            elif used < len(self.spans) and self.spans[used] == span:
                yield end, used + 1


_BLANK = TokenOf(frozenset({" "}))

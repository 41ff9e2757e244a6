"""From regular expressions over characters to grammars over tokens, exactly.

Sources put texts together character by character: `light[s]`, `turn(s|ed)`, `colou?r`. A token of
ours is a whole run of letters or of digits, so a boundary inside a run must go: where two
neighbours could join to one token, their spellings are written out (`light|lights`). Everything
else keeps its structure, because it is what people will read.

Why not automata? A character automaton turned into a token automaton and back into an expression
is exact as well, and unreadable; see the note on state elimination in the design. What still
hurts: `[0-9]{3}` has a thousand spellings, and is refused beyond `MAX_SPELLINGS`; and a slot cannot
be part of a token, so one that would touch letters is refused.

Blanks are `soft` (two in a row are one, and none at the ends: what grammars mean) or not (each is a
character of the normalized text, which has no two in a row: such spellings are dropped).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from artifacts.grammar import syntax
from artifacts.grammar.imports.report import Place, Refusal
from artifacts.grammar.kinds import KINDS
from artifacts.grammar.lexer import literal_keys, token_class
from artifacts.grammar.syntax import (
    MAX_NODES,
    MAX_REPEAT,
    Alternatives,
    Literal,
    Node,
    Repeat,
    Slot,
    TokenOf,
    alternatives,
    optional,
    sequence,
)

MAX_SPELLINGS = 512
"""Spellings that one boundary inside a token may be written out to."""
MAX_STEPS = 20_000
"""Steps that one grammar may take to write spellings out."""

_LETTERS, _DIGITS, _MARK, _BLANK, _JOINS = "letters", "digits", "mark", "space", "combining"
_Edge = frozenset[str]
_NONE: _Edge = frozenset()


@dataclass(frozen=True, slots=True)
class Text:
    """These characters, in normalized text but for blanks at the ends."""

    text: str
    at: Place = field(compare=False)
    nullable: bool = field(init=False, compare=False, repr=False)
    first: _Edge = field(init=False, compare=False, repr=False)
    last: _Edge = field(init=False, compare=False, repr=False)
    size: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        first = _NONE if not self.text else frozenset({_class_of(self.text[0])})
        keys = literal_keys(self.text)
        last = _NONE if not keys else frozenset({token_class(keys[-1])})
        _set(self, not self.text, first, last, 1)


@dataclass(frozen=True, slots=True)
class Bind:
    """A slot."""

    slot: Slot
    at: Place = field(compare=False)
    nullable: bool = field(init=False, compare=False, repr=False)
    first: _Edge = field(init=False, compare=False, repr=False)
    last: _Edge = field(init=False, compare=False, repr=False)
    size: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _, first, last = _token_edges(self.slot)
        _set(self, False, first, last, syntax.nodes(self.slot))


@dataclass(frozen=True, slots=True)
class Chain:
    """The parts, one after the other."""

    parts: tuple["Form", ...]
    nullable: bool = field(init=False, compare=False, repr=False)
    first: _Edge = field(init=False, compare=False, repr=False)
    last: _Edge = field(init=False, compare=False, repr=False)
    size: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        nullable, first, last = _joined_edges((p.nullable, p.first, p.last) for p in self.parts)
        _set(self, nullable, first, last, 1 + sum(part.size for part in self.parts))


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of the options; without any, no text at all."""

    options: tuple["Form", ...]
    nullable: bool = field(init=False, compare=False, repr=False)
    first: _Edge = field(init=False, compare=False, repr=False)
    last: _Edge = field(init=False, compare=False, repr=False)
    size: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        first = _NONE.union(*(option.first for option in self.options))
        last = _NONE.union(*(option.last for option in self.options))
        nullable = any(option.nullable for option in self.options)
        _set(self, nullable, first, last, 1 + sum(option.size for option in self.options))


@dataclass(frozen=True, slots=True)
class Times:
    """`low` to `high` times."""

    part: "Form"
    low: int
    high: int
    at: Place = field(compare=False)
    nullable: bool = field(init=False, compare=False, repr=False)
    first: _Edge = field(init=False, compare=False, repr=False)
    last: _Edge = field(init=False, compare=False, repr=False)
    size: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        nullable = not self.low or self.part.nullable
        _set(self, nullable, self.part.first, self.part.last, 1 + self.part.size)


Form = Text | Bind | Chain | Choice | Times


def _set(form: object, nullable: bool, first: _Edge, last: _Edge, size: int) -> None:
    """Fill in what every form knows of itself, so that no walk has to ask for it again."""
    object.__setattr__(form, "nullable", nullable)
    object.__setattr__(form, "first", first)
    object.__setattr__(form, "last", last)
    object.__setattr__(form, "size", size)


def _class_of(character: str) -> str:
    """Return the class of a first character; one that joins any token before it is `combining`."""
    if character.isascii():
        return token_class(character)
    return _JOINS if len(literal_keys(f"={character}")) == 1 else token_class(character)


_Edges = tuple[bool, _Edge, _Edge]


def _joined_edges(parts: Iterable[_Edges]) -> _Edges:
    nullable, first, last = True, _NONE, _NONE
    for part_nullable, part_first, part_last in parts:
        first = first | part_first if nullable else first
        last = last | part_last if part_nullable else part_last
        nullable = nullable and part_nullable
    return nullable, first, last


def _token_edges(node: Node) -> _Edges:
    """Return if a token grammar takes nothing, and the classes that it starts and ends with."""
    match node:
        case Literal(keys):
            classes = [frozenset({str(token_class(key))}) for key in keys]
            return not keys, classes[0] if keys else _NONE, classes[-1] if keys else _NONE
        case TokenOf(keys, classes_of, _):
            edge = frozenset(map(str, classes_of)) | {str(token_class(key)) for key in keys}
            return False, edge, edge
        case syntax.Sequence(parts):
            return _joined_edges(map(_token_edges, parts))
        case Alternatives(options):
            found = [_token_edges(option) for option in options]
            return (
                any(nullable for nullable, _, _ in found),
                _NONE.union(*(first for _, first, _ in found)),
                _NONE.union(*(last for _, _, last in found)),
            )
        case Repeat(part, low, _):
            nullable, first, last = _token_edges(part)
            return nullable or not low, first, last
        case Slot(_, kind, values, _, phrase):
            if phrase is not None:
                return _token_edges(Alternatives(tuple(o.part for o in phrase.options)))
            if values:
                return _token_edges(Alternatives(tuple(Literal(literal_keys(v)) for v in values)))
            return _token_edges(KINDS[kind].tokens)


NOTHING: Form = Choice(())
"""No text at all."""


def empty(at: Place) -> Form:
    """Return the form of the empty text."""
    return Text("", at)


def choice(options: Iterable[Form]) -> Form:
    """Return the union of the options, flat and without repeats."""
    flat: dict[Form, None] = {}
    for option in options:
        for each in option.options if isinstance(option, Choice) else (option,):
            flat[each] = None
    return next(iter(flat)) if len(flat) == 1 else Choice(tuple(flat))


@dataclass(slots=True)
class _Settling:
    soft: bool
    steps: int = 0

    def touches(self, left: Form, right: Form) -> bool:
        """Return if a text of one and a text of the other could join to one token."""
        shared = left.last & right.first
        if _LETTERS in shared or _DIGITS in shared or (_BLANK in shared and not self.soft):
            return True
        return _JOINS in right.first and bool(left.last - {_BLANK})

    def form(self, form: Form) -> Form:
        match form:
            case Text() | Bind():
                return form
            case Choice(options):
                return choice(map(self.form, options))
            case Times(part, low, high, at):
                part = self.form(part)
                if part == NOTHING:
                    return NOTHING if low else empty(at)
                if high == 1 or not self.touches(part, part):
                    return Times(part, low, high, at)
                rest: Form = empty(at)
                for _ in range(high - low):
                    rest = Times(Chain((part, rest)), 0, 1, at)
                return self.chain([*[part] * low, *self._inner(rest)])
            case Chain(parts):
                return self.chain([self.form(part) for part in parts])

    def _inner(self, rest: Form) -> list[Form]:
        """Settle optional copies from the innermost outwards."""
        match rest:
            case Times(Chain((part, more)), 0, 1, at):
                return [Times(self.chain([part, *self._inner(more)]), 0, 1, at)]
            case _:
                return []

    def chain(self, parts: Sequence[Form]) -> Form:
        """Return the parts in a row, so that no two that could meet touch."""
        row: list[Form] = []
        for part in parts:
            row.extend(part.parts if isinstance(part, Chain) else (part,))
        row = [part for part in row if not (isinstance(part, Text) and not part.text)]
        if NOTHING in row:
            return NOTHING
        while (touching := self._first_touching(row)) is not None:
            start, end = touching
            options = [self.chain(variant) for variant in self.split(row[start : end + 1])]
            written = choice(option for option in options if option != NOTHING)
            if written == NOTHING:
                return NOTHING
            if isinstance(written, Choice) and len(written.options) > MAX_SPELLINGS:
                message = (
                    f"{len(written.options):,} spellings of one token would be written out;"
                    f" the limit is {MAX_SPELLINGS}"
                )
                raise Refusal("grammar-too-large", place_of(row[start]), message)
            inside = written.parts if isinstance(written, Chain) else (written,)
            row[start : end + 1] = [p for p in inside if not (isinstance(p, Text) and not p.text)]
        return row[0] if len(row) == 1 else Chain(tuple(row)) if row else empty((1, 1))

    def _first_touching(self, row: Sequence[Form]) -> tuple[int, int] | None:
        for end in range(1, len(row)):
            for start in range(end - 1, -1, -1):
                if self.touches(row[start], row[end]):
                    return start, end
                if not row[start].nullable:
                    break
        return None

    def split(self, segment: Sequence[Form]) -> list[list[Form]]:
        """Return rows whose union is the segment, each a step nearer to written-out tokens."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            message = f"the spellings take more than the limit of {MAX_STEPS:,} steps"
            raise Refusal("grammar-too-large", place_of(segment[0]), message)
        left, *middle, right = segment
        for index, part in enumerate(segment):
            if part.nullable:
                full = [*segment[:index], nonempty(part), *segment[index + 1 :]]
                return [[*segment[:index], *segment[index + 1 :]], full]
        assert not middle
        if isinstance(left, Text) and isinstance(right, Text):
            if left.text[-1] == right.text[0] == " ":
                return []
            return [[Text(left.text + right.text, left.at)]]
        match left:
            case Chain(parts):
                return [[*parts, right]]
            case Choice(options):
                clean = [o for o in options if not self.touches(o, right)]
                return [[o, right] for o in options if o not in clean] + (
                    [[choice(clean), right]] if clean else []
                )
            case Times(part, low, high, at):
                return [[Times(part, low - 1, high - 1, at), part, right]] if high > 1 else [
                    [part, right]
                ]
        match right:
            case Chain(parts):
                return [[left, *parts]]
            case Choice(options):
                clean = [o for o in options if not self.touches(left, o)]
                return [[left, o] for o in options if o not in clean] + (
                    [[left, choice(clean)]] if clean else []
                )
            case Times(part, low, high, at):
                return [[left, part, Times(part, low - 1, high - 1, at)]] if high > 1 else [
                    [left, part]
                ]
        slot = left if isinstance(left, Bind) else right
        assert isinstance(slot, Bind)
        other = right if slot is left else left
        beside = f"slot {other.slot.name!r}" if isinstance(other, Bind) else repr(other_text(other))
        raise Refusal(
            "not-expressible",
            slot.at,
            f"slot {slot.slot.name!r} would be a part of a token: {beside} stands right beside it;"
            " expected a blank or a mark between them",
        )


def other_text(form: Form) -> str:
    """Return the characters of a text, for messages."""
    return form.text if isinstance(form, Text) else ""


def place_of(form: Form) -> Place:
    """Return where a form begins in its source."""
    match form:
        case Text() | Bind() | Times():
            return form.at
        case Chain(children) | Choice(children):
            return place_of(children[0]) if children else (1, 1)


def nonempty(form: Form) -> Form:
    """Return the texts of a form but the empty one."""
    match form:
        case Text(text):
            return form if text else NOTHING
        case Bind():
            return form
        case Choice(options):
            left = [nonempty(option) for option in options if option.nullable]
            return choice(
                o for o in (*(p for p in options if not p.nullable), *left) if o != NOTHING
            )
        case Times(part, low, high, at):
            if not form.nullable:
                return form
            full = nonempty(part)
            return NOTHING if full == NOTHING else Times(full, 1, high, at)
        case Chain(parts):
            if not form.nullable:
                return form
            rows = [Chain((nonempty(part), *parts[i + 1 :])) for i, part in enumerate(parts)]
            return choice(row for row in rows if NOTHING not in row.parts)


def to_grammar(form: Form, *, soft_blanks: bool) -> Node | None:
    """Return the token grammar of a form; None when it has no text at all.

    >>> here = (1, 1)
    >>> form = Chain((Text("light", here), Times(Text("s", here), 0, 1, here)))
    >>> from artifacts.grammar.textform import print_grammar
    >>> print_grammar(to_grammar(form, soft_blanks=True))
    'light|lights'
    """
    if form.size > MAX_NODES:
        message = f"the source has {form.size:,} parts; the limit is {MAX_NODES:,}"
        raise Refusal("grammar-too-large", place_of(form), message)
    settling = _Settling(soft_blanks)
    if soft_blanks:
        settled = settling.form(form)
    else:  # a blank at an end of the text is one too many, as two in a row are
        at = place_of(form)
        settled = settling.form(Chain((Text(" ", at), nonempty(form), Text(" ", at))))
    trimmed = _trimmed(_trimmed(settled, 0), -1)
    return None if trimmed == NOTHING else _lowered(trimmed)


def _trimmed(form: Form, end: int) -> Form:
    """Return a form without the blanks that all its texts have at an end: 0 the first, or -1."""
    match form:
        case Text(text, at):
            return Text(text.rstrip(" ") if end else text.lstrip(" "), at)
        case Chain(parts) if parts:
            inner = _trimmed(parts[end], end)
            return Chain((*parts[:-1], inner) if end else (inner, *parts[1:]))
        case Choice(options):
            return choice(_trimmed(option, end) for option in options)
        case _:
            return form


def _lowered(form: Form) -> Node:
    match form:
        case Text(text):
            return Literal(literal_keys(text))
        case Bind(slot):
            return slot
        case Chain(parts):
            return sequence(*map(_lowered, parts))
        case Choice(options):
            some = [o for o in options if not (isinstance(o, Text) and not o.text)]
            if not some:
                return syntax.Sequence(())
            node = alternatives(*map(_lowered, some))
            return node if len(some) == len(options) else optional(node)
        case Times(part, low, high, at):
            if high > MAX_REPEAT:
                message = f"{high} times; the limit is {MAX_REPEAT}"
                raise Refusal("grammar-too-large", at, message)
            return _lowered(part) if low == high == 1 else Repeat(_lowered(part), low, high)

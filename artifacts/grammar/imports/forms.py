"""Regular expressions over characters, with slots: what the importers read sources into.

Every form knows at which classes of tokens its texts start and end; `characters` asks that of each
pair of neighbours.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from artifacts.grammar import syntax
from artifacts.grammar.imports.report import Place
from artifacts.grammar.kinds import KINDS
from artifacts.grammar.lexer import literal_keys, token_class
from artifacts.grammar.syntax import Alternatives, Literal, Node, Repeat, Slot, TokenOf

LETTERS, DIGITS, BLANK, COMBINING = "letters", "digits", "space", "combining"
_Edge = frozenset[str]
_NONE: _Edge = frozenset()


@dataclass(frozen=True, slots=True)
class _Known:
    """If the empty text is among the texts; the classes they start and end with; nodes."""

    nullable: bool = field(init=False, compare=False, repr=False)
    first: _Edge = field(init=False, compare=False, repr=False)
    last: _Edge = field(init=False, compare=False, repr=False)
    size: int = field(init=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Text(_Known):
    """These characters, in normalized text but for blanks at the ends."""

    text: str
    at: Place = field(compare=False)

    def __post_init__(self) -> None:
        first = _NONE if not self.text else frozenset({_class_of(self.text[0])})
        keys = literal_keys(self.text)
        last = _NONE if not keys else frozenset({token_class(keys[-1])})
        _set(self, not self.text, first, last, 1)


@dataclass(frozen=True, slots=True)
class Bind(_Known):
    """A slot."""

    slot: Slot
    at: Place = field(compare=False)

    def __post_init__(self) -> None:
        _, first, last = _token_edges(self.slot)
        _set(self, False, first, last, syntax.nodes(self.slot))


@dataclass(frozen=True, slots=True)
class Chain(_Known):
    """The parts, one after the other."""

    parts: tuple["Form", ...]

    def __post_init__(self) -> None:
        nullable, first, last = _joined_edges((p.nullable, p.first, p.last) for p in self.parts)
        _set(self, nullable, first, last, 1 + sum(part.size for part in self.parts))


@dataclass(frozen=True, slots=True)
class Choice(_Known):
    """Any one of the options; without any, no text at all."""

    options: tuple["Form", ...]

    def __post_init__(self) -> None:
        first = _NONE.union(*(option.first for option in self.options))
        last = _NONE.union(*(option.last for option in self.options))
        nullable = any(option.nullable for option in self.options)
        _set(self, nullable, first, last, 1 + sum(option.size for option in self.options))


@dataclass(frozen=True, slots=True)
class Times(_Known):
    """`low` to `high` times."""

    part: "Form"
    low: int
    high: int
    at: Place = field(compare=False)

    def __post_init__(self) -> None:
        nullable = not self.low or self.part.nullable
        _set(self, nullable, self.part.first, self.part.last, 1 + self.part.size)


Form = Text | Bind | Chain | Choice | Times


def _set(form: _Known, nullable: bool, first: _Edge, last: _Edge, size: int) -> None:
    """Fill in what every form knows of itself, so that no walk has to ask for it again."""
    object.__setattr__(form, "nullable", nullable)
    object.__setattr__(form, "first", first)
    object.__setattr__(form, "last", last)
    object.__setattr__(form, "size", size)


def _class_of(character: str) -> str:
    """Return the class of a first character; one that joins any token before it is `combining`."""
    if character.isascii():
        return token_class(character)
    return COMBINING if len(literal_keys(f"={character}")) == 1 else token_class(character)


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
        case Times(part, _, high, at):
            if not form.nullable:
                return form
            full = nonempty(part)
            return NOTHING if full == NOTHING else Times(full, 1, high, at)
        case Chain(parts):
            if not form.nullable:
                return form
            rows = [Chain((nonempty(part), *parts[i + 1 :])) for i, part in enumerate(parts)]
            return choice(row for row in rows if NOTHING not in row.parts)

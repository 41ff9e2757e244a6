"""What an importer answers: grammars and notes, or problems with their places.

A reader that meets something it cannot keep raises `Refusal`, which leaves one sentence, rule or
pattern, never this package: the importers collect them, so that a writer sees all at once.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from artifacts.grammar.nfa import GrammarTooLarge, compile_nfa
from artifacts.grammar.syntax import Node, slot_conflicts
from artifacts.grammar.textform import parse_grammar, print_grammar
from artifacts.problems import Problem

MAX_FILE = 1_000_000
"""Characters of a file."""
MAX_DEPTH = 40
"""Groups within groups of a source; those of the grammar have a limit of their own."""
MAX_LEVELS = 50
"""Groups within groups with those of the rules that they name."""
MAX_PROBLEMS = 50

Place = tuple[int, int]
"""Line and column, from 1."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the grammars leave out, or read more narrowly than the source: never wider."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Imported:
    """The grammars of a file by name, and what a reader of it should know."""

    grammars: Mapping[str, Node]
    notes: tuple[Note, ...]


class Refusal(Exception):
    """Something that cannot be imported; never leaves this package."""

    def __init__(self, code: str, place: Place, message: str) -> None:
        super().__init__(message)
        self.code, self.place, self.message = code, place, message


def shown(place: Place) -> str:
    """Return a place as problems name it."""
    return f"line {place[0]}, column {place[1]}"


def place_at(text: str, at: int) -> Place:
    """Return the line and column of an offset."""
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


@dataclass(slots=True)
class Findings:
    """What one import has found so far."""

    grammars: dict[str, Node] = field(default_factory=dict)
    notes: dict[Note, None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def note(self, place: Place | None, message: str) -> None:
        """Remember a note, once."""
        self.notes[Note(shown(place) if place else "the file", message)] = None

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Turn what is refused inside into a problem, and go on."""
        try:
            yield
        except Refusal as refusal:
            problem = Problem(refusal.code, shown(refusal.place), refusal.message)
            if problem not in self.problems and len(self.problems) < MAX_PROBLEMS:
                self.problems.append(problem)

    def result(self) -> Imported | tuple[Problem, ...]:
        """Return what was imported, or everything that stands against it."""
        if self.problems:
            return tuple(self.problems)
        return Imported(self.grammars, tuple(self.notes))


def too_long(text: str) -> tuple[Problem, ...]:
    """Return the problem of a file beyond `MAX_FILE`, if it is."""
    if len(text) <= MAX_FILE:
        return ()
    message = f"the file has {len(text):,} characters; the limit is {MAX_FILE:,}"
    return (Problem("grammar-too-large", "line 1, column 1", message),)


def checked(grammar: Node, place: Place) -> Node:
    """Return the grammar; refuse one that the engine cannot hold."""
    for name in slot_conflicts(grammar):
        message = f"slot {name!r} would be bound twice in one text, or has two kinds"
        raise Refusal("slot-conflict", place, message)
    try:
        automaton = compile_nfa(grammar)
    except GrammarTooLarge as error:
        raise Refusal("grammar-too-large", place, str(error)) from None
    if automaton.nullable:
        raise Refusal("grammar-nullable", place, "the empty text would be in the grammar")
    written = parse_grammar(print_grammar(grammar))
    if isinstance(written, Problem):
        raise Refusal(written.code, place, f"no text form: {written.message}")
    return grammar


def check_levels(levels: int, place: Place) -> None:
    """Refuse groups within groups and rules beyond `MAX_LEVELS`."""
    if levels > MAX_LEVELS:
        message = f"nesting of {levels} levels with the rules inside; the limit is {MAX_LEVELS}"
        raise Refusal("grammar-too-large", place, message)

"""Shapes: what of a text an automaton can see.

An automaton tells a token that some grammar names by its key, and any other by its class alone. So
all texts of one shape take the same way through every automaton that names nothing else, and what
was found for the first of them holds for all: `in 5 minutes` for `in 7 minutes`. Only the values of
slots are another matter: kinds may refuse them. The more families, the more tokens are named and
the finer the shapes: what makes the first text of a shape fast is rows.py.

A changed family makes a shape stale only if texts of that shape have all the tokens it requires:
all others never met it and never will. So the memo goes on from one snapshot to the next, each of
which knows the few changes before it, and judges what an earlier one found when it is asked for.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Generic, TypeVar

from artifacts.grammar.lexer import Word
from artifacts.grammar.profile import MARKS

MAX_OUTLINES = 16_384
"""Outlines that are remembered, at about a kilobyte; beyond, all are forgotten."""
MAX_SHAPES = 64
"""Shapes that are remembered of one outline."""
MAX_REMEMBERED = 65_536
"""Shapes that are remembered in all; beyond, all are forgotten."""
MAX_WORDS = 40
"""Words of the longest text of which anything is remembered."""
MAX_CHANGES = 32
"""Changes back to which a memo can tell what is stale; what was found before them is."""

T = TypeVar("T")
_Names = tuple[str | None, ...]
"""The outline of a text: its words, and None for those that are not one named token."""


Changed = tuple[frozenset[str], ...]
"""What each family of a change set requires."""


class _Kept(Generic[T]):
    """What memos that follow one another share: all they found, each by the number of the memo."""

    __slots__ = ("count", "found", "named", "numbers")

    def __init__(self) -> None:
        self.named: dict[str, str] = {}
        self.found: dict[tuple[str, _Names], tuple[tuple[int, ...], dict[str, tuple[int, T]]]] = {}
        self.count = 0
        self.numbers = 0


class Seen(Generic[T]):
    """What was found for texts, by tenant and shape: a memo that changes no answer.

    A shape is an outline and a text with a mark for each word that is None in it: the class of a
    token without a name; for a word of several tokens, their number and their keys or classes.

    >>> seen = Seen[str]()
    >>> seen = seen.after([["in", "minutes"]], [])
    >>> seen.remember("t", ("in", "5", "minutes"), "found")
    >>> seen.find("t", ("in", "7", "minutes")), seen.find("t", ("in", "a", "minutes"))
    ('found', None)
    """

    __slots__ = ("_changes", "_get", "_kept", "_number", "named")

    def __init__(
        self,
        kept: _Kept[T] | None = None,
        changes: tuple[tuple[int, Changed], ...] = (),
    ) -> None:
        self._kept: _Kept[T] = _Kept() if kept is None else kept
        self.named = self._kept.named
        """At least the keys that the automata name, by themselves. It only grows: more names make
        shapes finer and nothing else."""
        self._get: Callable[[Word], str | None] = self.named.get  # type: ignore[assignment]  # any key
        self._number = self._kept.numbers
        self._kept.numbers += 1
        self._changes = changes
        """The memos before this one, latest first, by number, and what changed after each."""

    def after(
        self, names: Iterable[Collection[str]], required: Iterable[frozenset[str]]
    ) -> "Seen[T]":
        """Return the memo of the next snapshot.

        `names` are keys that changed families name, `required` what each of them requires.
        """
        for keys in names:
            self.named.update(zip(keys, keys, strict=True))
        changes = ((self._number, tuple(required)), *self._changes)
        return Seen(self._kept, changes[:MAX_CHANGES])

    def find(self, tenant: str, words: Sequence[Word]) -> T | None:
        """Return what was remembered for a text of the same shape, unless it may be stale."""
        if len(words) > MAX_WORDS:
            return None
        known = self._kept.found.get((tenant, tuple(map(self._get, words))))
        if known is None:
            return None
        unnamed, shapes = known
        marks = self._marks(words, unnamed)
        remembered = shapes.get(marks)
        if remembered is None:
            return None
        number, found = remembered
        if number != self._number:
            if not self._still_true(number, words):
                return None
            shapes[marks] = (self._number, found)
        return found

    def _still_true(self, number: int, words: Sequence[Word]) -> bool:
        """Return whether no family changed since that could read the words."""
        present = {key for word in words for key in ((word,) if isinstance(word, str) else word)}
        for before, changed in self._changes:
            if any(required <= present for required in changed):
                return False
            if before == number:
                return True
        return False

    def remember(self, tenant: str, words: Sequence[Word], found: T) -> None:
        """Remember what was found for a text."""
        if len(words) > MAX_WORDS:
            return
        kept = self._kept
        if len(kept.found) >= MAX_OUTLINES or kept.count >= MAX_REMEMBERED:
            kept.found.clear()
            kept.count = 0
        names = tuple(map(self._get, words))
        unnamed = tuple(index for index, name in enumerate(names) if name is None)
        shapes = kept.found.setdefault((tenant, names), (unnamed, {}))[1]
        marks = self._marks(words, unnamed)
        if marks in shapes:
            shapes[marks] = (self._number, found)
        elif len(shapes) < MAX_SHAPES:
            shapes[marks] = (self._number, found)
            kept.count += 1

    def _marks(self, words: Sequence[Word], unnamed: Sequence[int]) -> str:
        marks = ""
        for index in unnamed:
            word = words[index]
            marks += MARKS[word[0]] if word.__class__ is str else self._several(word)
        return marks

    def _several(self, keys: Sequence[str]) -> str:
        marks = [key if key in self.named else MARKS[key[0]] for key in keys]
        return f"{len(keys)} {' '.join(marks)} "

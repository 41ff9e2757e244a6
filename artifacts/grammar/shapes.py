"""Shapes: what of a text an automaton can see.

An automaton tells a token that some grammar names by its key, and any other by its class alone. So
all texts of one shape take the same way through every automaton that names nothing else, and what
was found for the first of them holds for all: `in 5 minutes` for `in 7 minutes`. Only the values of
slots are another matter: kinds may refuse them.

A deterministic automaton made lazily would remember more finely, token by token. It was tried: with
a thousand families in random order its 27,000 rows fall out of the processor's cache, and a text
took 5 µs; one shape takes one lookup.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from artifacts.grammar.lexer import Tokens, Word, token_class
from artifacts.grammar.nfa import Assignment, Bindings, Bound, Nfa, bound
from artifacts.grammar.positions import Parser

MAX_OUTLINES = 16_384
"""Outlines that are remembered, at about a kilobyte; beyond, all are forgotten."""
MAX_SHAPES = 64
"""Shapes that are remembered of one outline."""
MAX_WORDS = 40
"""Words of the longest text of which anything is remembered."""

T = TypeVar("T")
_Names = tuple[str | None, ...]
"""The outline of a text: its words, and None for those that are not one named token."""


class _Marks(dict[str, str]):
    """The class of a token by its first character, as a capital, which no folded key has.

    The characters of ASCII are at hand.
    """

    def __missing__(self, character: str) -> str:
        return token_class(character)[0].upper()


_MARKS = _Marks({chr(code): token_class(chr(code))[0].upper() for code in range(128)})


class Seen(Generic[T]):
    """What was found for texts, by tenant and shape: a memo that changes no answer.

    A shape is an outline and a text with a mark for each word that is None in it: the class of a
    token without a name; for a word of several tokens, their number and their keys or classes.

    >>> seen = Seen[str]()
    >>> seen = seen.after(["in", "minutes"])
    >>> seen.remember("t", ("in", "5", "minutes"), "found")
    >>> seen.find("t", ("in", "7", "minutes")), seen.find("t", ("in", "a", "minutes"))
    ('found', None)
    """

    __slots__ = ("_found", "_get", "named")

    def __init__(self, named: dict[str, str] | None = None) -> None:
        self.named = {} if named is None else named
        """At least the keys that the automata name, by themselves. It only grows, and is shared by
        memos that follow one another: more names make shapes finer and nothing else."""
        self._get: Callable[[Word], str | None] = self.named.get  # type: ignore[assignment]  # any key
        self._found: dict[tuple[str, _Names], tuple[tuple[int, ...], dict[str, T]]] = {}

    def after(self, names: Collection[str]) -> "Seen[T]":
        """Return an empty memo for automata that may name these keys as well."""
        self.named.update(zip(names, names, strict=True))
        return Seen(self.named)

    def find(self, tenant: str, words: Sequence[Word]) -> T | None:
        """Return what was remembered for a text of the same shape."""
        if len(words) > MAX_WORDS:
            return None
        known = self._found.get((tenant, tuple(map(self._get, words))))
        if known is None:
            return None
        unnamed, shapes = known
        return shapes.get(self._marks(words, unnamed))

    def remember(self, tenant: str, words: Sequence[Word], found: T) -> None:
        """Remember what was found for a text."""
        if len(words) > MAX_WORDS:
            return
        if len(self._found) >= MAX_OUTLINES:
            self._found.clear()
        names = tuple(map(self._get, words))
        unnamed = tuple(index for index, name in enumerate(names) if name is None)
        shapes = self._found.setdefault((tenant, names), (unnamed, {}))[1]
        if len(shapes) < MAX_SHAPES:
            shapes[self._marks(words, unnamed)] = found

    def _marks(self, words: Sequence[Word], unnamed: Sequence[int]) -> str:
        marks = ""
        for index in unnamed:
            word = words[index]
            marks += _MARKS[word[0]] if word.__class__ is str else self._several(word)
        return marks

    def _several(self, keys: Sequence[str]) -> str:
        marks = [key if key in self.named else _MARKS[key[0]] for key in keys]
        return f"{len(keys)} {' '.join(marks)} "


_Place = tuple[str, str, Parser, int, int, int, tuple[tuple[int, int], ...]]
"""Where a slot lies in every text of a shape: its name, its kind, the kind's parser, and then

- how many characters after the slot before it starts, and how many of its own are the same in all
  texts;
- the word that makes up the rest of it, or −1; else the tokens that do, each by its word and its
  place in there (−1: the word is one token).
"""


class Way(Struct, frozen=True):
    """How to read the texts of a shape that an automaton accepts in one way only.

    `rest` is the number of characters after the last slot.
    """

    nfa: Nfa
    assignment: Assignment
    places: tuple[_Place, ...]
    rest: int

    def bindings(self, tokens: Tokens) -> Bindings | None:
        """Return the bindings of a text of the shape, or None when a kind refuses its value."""
        found: dict[str, Bound] = {}
        text, words = tokens.text, tokens.words
        at = 0
        for slot, kind, parse, gap, fixed, alone, several in self.places:
            start = at + gap
            at = start + fixed
            if alone >= 0:
                at += len(words[alone])
            else:
                for word, part in several:
                    at += len(words[word] if part < 0 else words[word][part])
            spelling = text[start:at]
            value = parse(spelling)
            if value is None:
                break
            found[slot] = Bound(slot, kind, start, at, spelling, value)
        else:
            if at + self.rest == len(text) and text.isascii():
                return found
        only = bound(self.nfa, (self.assignment,), tokens)  # blanks in a row, or not only ASCII
        assert isinstance(only, tuple), "no slot is a phrase"
        return only[0] if only else None


def way(nfa: Nfa, assignment: Assignment, tokens: Tokens, named: Collection[str]) -> Way | None:
    """Return the only way in which the automaton accepts the texts with the shape of this one.

    There is none for a grammar with phrases: of these a text may have several readings, or none,
    in one way. And what restricts a grammar is not asked here.
    """
    at = [
        (index, part)
        for index, word in enumerate(tokens.words)
        for part in (*([-1] if word.__class__ is str else range(len(word))), -2)
    ]
    keys = tokens.keys
    places: list[_Place] = []
    before = 0
    for occurrence, first, after in assignment:
        slot, parser = nfa.slots[occurrence], nfa.parsers[occurrence]
        if isinstance(parser, tuple):
            return None
        unnamed = tuple(at[token] for token in range(first, after) if keys[token] not in named)
        fixed = sum(len(keys[token]) for token in range(first, after) if keys[token] in named)
        gap = sum(map(len, keys[before:first]))
        alone, part = unnamed[0] if len(unnamed) == 1 else (-1, -1)
        if part >= 0:
            alone = -1
        places.append((slot.name, slot.kind, parser, gap, fixed, alone, unnamed))
        before = after
    return Way(nfa, assignment, tuple(places), sum(map(len, keys[before:])))

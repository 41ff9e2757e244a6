"""Rows: a deterministic automaton over the words of a text, made as far as texts need it.

What an automaton has reached after each word is a row, and the rows of a text, one after the other,
say in which ways the text is accepted: the same rows are the same ways, whatever the words were. So
ways are found once for each sequence of rows, by the exact passes of nfa.py, and then looked up. A
text of ten words costs ten steps through rows and one lookup.

A row knows the words it was followed by and, for words that the automaton does not name, one row by
class. Rows and ways are bounded for each automaton, and forgotten all at once.
"""

from collections.abc import Callable
from itertools import accumulate
from operator import getitem
from typing import Any

from msgspec import Struct

from artifacts.grammar.lexer import Tokens, Word
from artifacts.grammar.nfa import (
    Assignment,
    Bindings,
    Bound,
    Nfa,
    TooManyReadings,
    assignments,
    bound,
)
from artifacts.grammar.profile import MARKS
from artifacts.grammar.restricted import Reader, Restriction, asked_of, read_ways
from artifacts.values import Value

MAX_ROWS = 128
"""Rows of an automaton."""
MAX_PATHS = 64
"""Sequences of rows whose ways are remembered."""
MAX_WORDS = 40
"""Words of the longest text that goes through rows; others take the passes of nfa.py."""


_Place = tuple[str, str, Callable[[str], Value | None], int, int, int, int]
"""A slot's name, kind and parser; the word in which it starts, the token of that word; the word in
which it ends, and the tokens of that word which are part of it, or −1: all."""


class Way(Struct, frozen=True):
    """The only way in which an automaton accepts some texts, and how to bind slots by it.

    `places` lie in every text with single blanks, of whose words `joined` have several tokens.
    """

    nfa: Nfa
    assignment: Assignment
    places: tuple[_Place, ...] | None
    joined: tuple[int, ...]

    def bindings(self, tokens: Tokens) -> Bindings | None:
        """Return the bindings of a text that is accepted this way, or None: a kind refuses."""
        text, words, places = tokens.text, tokens.words, self.places
        if places is None or not text.isascii():
            return self._bound(tokens)
        found: dict[str, Bound] = {}
        if not places:
            return found
        if self.joined:
            lengths = list(map(len, words))
            for index in self.joined:
                lengths[index] = sum(map(len, words[index]))
            starts = list(accumulate(lengths, initial=0))
        else:
            starts = list(accumulate(map(len, words), initial=0))
        if starts[-1] + len(words) - 1 != len(text):  # longer blanks, or some at the ends
            return self._bound(tokens)
        for slot, kind, parse, first, skipped, last, taken in places:
            start = starts[first] + first
            if skipped:
                start += sum(map(len, words[first][:skipped]))
            if taken < 0:
                end = starts[last + 1] + last
            else:
                end = starts[last] + last + sum(map(len, words[last][:taken]))
            spelling = text[start:end]
            value = parse(spelling)
            if value is None:
                return None
            found[slot] = Bound(slot, kind, start, end, spelling, value)
        return found

    def _bound(self, tokens: Tokens) -> Bindings | None:
        only = bound(self.nfa, (self.assignment,), tokens)
        assert isinstance(only, tuple), "no slot is a phrase"
        return only[0] if only else None


def way(nfa: Nfa, assignment: Assignment, tokens: Tokens) -> Way | None:
    """Return the only way in which the automaton accepts this text and all with the same rows.

    There is none with phrases: of these a text may have several readings, or none, in one way.
    """
    at = [
        (index, part)
        for index, word in enumerate(tokens.words)
        for part in (*range(1 if word.__class__ is str else len(word)), -1)
    ]
    joined = tuple(i for i, word in enumerate(tokens.words) if word.__class__ is not str)
    places: list[_Place] = []
    for occurrence, first, after in assignment:
        slot, parse = nfa.slots[occurrence], nfa.parsers[occurrence]
        if isinstance(parse, tuple):
            return None
        (start, skipped), (last, part) = at[first], at[after - 1]
        if skipped < 0 or part < 0:  # a blank at an end
            return Way(nfa, assignment, None, joined)
        taken = -1 if at[after][1] < 0 else part + 1
        if slot.kind == "enumeration":
            parse = str.lower  # with single blanks, it is what normalizing does
        places.append((slot.name, slot.kind, parse, start, skipped, last, taken))
    return Way(nfa, assignment, tuple(places), joined)


class Asked(Struct, frozen=True):
    """Ways among which the text itself decides: by its slots' values, phrases and restrictions."""

    nfa: Nfa
    ways: tuple[Assignment, ...] | TooManyReadings
    restrictions: tuple[Restriction, ...]


Ways = Way | Asked


def read_by(ways: Ways, tokens: Tokens) -> tuple[Bindings, ...] | TooManyReadings:
    """Return the readings of a text that is accepted in these ways."""
    if isinstance(ways, Way):
        bindings = ways.bindings(tokens)
        return () if bindings is None else (bindings,)
    return read_ways(ways.nfa, ways.ways, ways.restrictions, tokens)


class _Shape(dict[str, str]):
    """A token that the automaton names by itself, another by its class as a capital."""

    def __missing__(self, key: str) -> str:
        return MARKS[key[0]]


class _Row(dict[Word, "_Row"]):
    """What was reached after a word: `reach` may come next to it, `beyond` after one blank."""

    __slots__ = ("beyond", "marked", "reach", "rows")
    __eq__ = object.__eq__
    __hash__ = object.__hash__  # type: ignore[assignment]  # a row is itself, whatever it holds

    def __init__(self, rows: "Rows", reach: int, beyond: int) -> None:
        self.rows = rows
        self.reach = reach
        self.beyond = beyond
        self.marked: dict[str | tuple[str, ...], _Row] = {}

    def __missing__(self, word: Word) -> "_Row":
        rows = self.rows
        if isinstance(word, tuple):
            shape = tuple(map(rows.shape.__getitem__, word))
            known = self.marked.get(shape)
            if known is None:
                self.marked[shape] = known = rows.after(self, word)
            return known
        if word in rows.shape:
            self[word] = row = rows.after(self, (word,))
            return row
        mark = MARKS[word[0]]
        known = self.marked.get(mark)
        if known is None:
            self.marked[mark] = known = rows.after(self, (word,))
        return known


_UNKNOWN: Any = object()


class Rows:
    """The rows of one automaton, and the ways in which it accepts texts.

    >>> from artifacts.grammar.lexer import lex
    >>> from artifacts.grammar.restricted import compile_grammar
    >>> from artifacts.grammar.textform import parse_grammar
    >>> rows = Rows(compile_grammar(parse_grammar("in {n:integer} minutes")))
    >>> rows.ways(lex("in 5 minutes")).bindings(lex("in 7 minutes"))["n"].value
    7
    >>> rows.ways(lex("in 5 hours")) is None
    True
    """

    __slots__ = ("_found", "_rows", "_start", "nfa", "reader", "shape")

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.nfa = reader.nfa
        self.shape = _Shape({key: key for key in reader.nfa.by_key})
        self._forget()

    def _forget(self) -> None:
        self._start = _Row(self, 0, self.nfa.first)
        self._rows: dict[tuple[int, ...], _Row] = {}
        self._found: dict[tuple[_Row, ...], Ways | None] = {}

    def ways(self, tokens: Tokens) -> Ways | None:
        """Return the ways in which texts of this shape are accepted, or None: in none."""
        words = tokens.words
        if len(words) > MAX_WORDS:
            found = self._accepted(tokens)
        else:
            try:
                path = tuple(accumulate(words, getitem, initial=self._start))
            except KeyError:  # nowhere to go
                return None
            found = self._found.get(path, _UNKNOWN)
            if found is _UNKNOWN:
                found = self._accepted(tokens)
                if len(self._found) >= MAX_PATHS:
                    self._found.clear()
                self._found[path] = found
        return self._under_restrictions(found, tokens) if self.reader.restrictions else found

    def _accepted(self, tokens: Tokens) -> Ways | None:
        ways = assignments(self.nfa, tokens.keys)
        if not ways:
            return None
        only = None
        if isinstance(ways, tuple) and len(ways) == 1:
            only = way(self.nfa, ways[0], tokens)
        return only or Asked(self.nfa, ways, ())

    def _under_restrictions(self, found: Ways | None, tokens: Tokens) -> Ways | None:
        """Return the ways that are left; what restricts a grammar sees more than its rows."""
        asked = asked_of(self.reader, tokens) if found is not None else None
        if found is None or asked is None:
            return None
        ways = (found.assignment,) if isinstance(found, Way) else found.ways
        return Asked(self.nfa, ways, asked) if asked else found

    def after(self, row: _Row, keys: tuple[str, ...]) -> _Row:
        """Return the row after one more word of these keys; raise KeyError where there is none."""
        nfa = self.nfa
        reach, masks = row.beyond, []
        for key in keys:
            state = reach & nfa.mask(key)
            if not state:
                raise KeyError(key)
            masks.append(state)
            reach = _followers(nfa, state)
        known = self._rows.get(tuple(masks))
        if known is None:
            if len(self._rows) >= MAX_ROWS:
                self._forget()
            beyond = _followers(nfa, reach & nfa.mask(" "))
            known = self._rows[tuple(masks)] = _Row(self, reach, beyond)
        return known


def _followers(nfa: Nfa, state: int) -> int:
    follow, found = nfa.follow, 0
    while state:
        low = state & -state
        found |= follow[low.bit_length() - 1]
        state ^= low
    return found

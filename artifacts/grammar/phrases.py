"""The values of phrases: what a span that an automaton gave to a phrase means.

    span → for each option: the ways in which its automaton takes the span
         → the constant of the option, the values of its only slot, or the normalized text

A span may have several values; each is a reading of its own and none is preferred. Options hold
slots, which may be phrases again: what was found for a span of a phrase is remembered for the rest
of the text, and the tokens that are read for this are counted. Beyond `READS` times the text the
values cannot be told: without the bound, sixteen levels of phrases would be a polynomial.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from artifacts.grammar.lexer import lex
from artifacts.grammar.positions import Form, Parser
from artifacts.grammar.spans import MAX_READINGS, Assignment, TooManyReadings, assignments
from artifacts.values import Value

READS = 256
"""How often the tokens of a text may be read, on the average, for the values of its phrases."""

_Key = tuple[tuple[Form, ...], int, int]


class CannotTell(Exception):
    """A phrase has too many ways or values; nothing is answered. Never leaves this package."""


@dataclass(slots=True)
class Spelled:
    """A lexed text, and what is known of its spans."""

    text: str
    keys: Sequence[str]
    offsets: Sequence[int]
    known: dict[_Key, tuple[Value, ...]] = field(default_factory=dict)
    read: int = 0

    def values(
        self, parser: Parser | tuple[Form, ...], first: int, after: int
    ) -> tuple[Value, ...]:
        """Return every value of a span in a slot with this parser; raise CannotTell."""
        if not isinstance(parser, tuple):
            value = parser(self.text[self.offsets[first] : self.offsets[after]])
            return () if value is None else (value,)
        key = (parser, first, after)
        values = self.known.get(key)
        if values is None:
            self.read += after - first
            if self.read > READS * len(self.keys):
                raise CannotTell
            found = {(v.__class__, v): v for form in parser for v in self._of(form, first, after)}
            if len(found) > MAX_READINGS:
                raise CannotTell
            values = self.known[key] = tuple(found.values())
        return values

    def _of(self, form: Form, first: int, after: int) -> Iterator[Value]:
        keys = self.keys[first:after]
        ways = assignments(form.nfa, keys)
        if isinstance(ways, TooManyReadings):
            raise CannotTell
        if form.value is not None:
            if any(all(self._slots(form, way, first)) for way in ways):
                yield form.value
        elif form.nfa.slots:
            for way in ways:
                for values in self._slots(form, way, first):
                    yield from values
        elif ways:
            yield "".join(keys)

    def _slots(self, form: Form, way: Assignment, start: int) -> Iterator[tuple[Value, ...]]:
        for occurrence, first, after in way:
            yield self.values(form.nfa.parsers[occurrence], start + first, start + after)


def phrase_values(forms: tuple[Form, ...], text: str) -> tuple[Value, ...] | None:
    """Return every value of a text in a phrase; None when they are too many to tell."""
    tokens = lex(text)
    if isinstance(tokens, str) or not tokens.words:
        return ()
    try:
        return Spelled(text, tokens.keys, tokens.offsets()).values(forms, 0, len(tokens.keys))
    except CannotTell:
        return None

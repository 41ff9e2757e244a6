"""The slow obvious matcher of whole grammars: it tries every split of a list of tokens.

A blank of the grammar may follow the blank that the text has, for a space run stands for two in a
row; at an end of the text, whose ends are trimmed, it may stand for nothing. A phrase is a grammar
of its own on the tokens of its span.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from artifacts.grammar.kinds import KINDS
from artifacts.grammar.lexer import Tokens, literal_keys, token_class
from artifacts.grammar.syntax import (
    Alternatives,
    Grammar,
    Literal,
    Node,
    Phrase,
    Repeat,
    Restricted,
    Slot,
    TokenOf,
)
from artifacts.grammar.syntax import Sequence as Concatenation
from artifacts.values import Value

Mark = tuple[str, int, int, type, Value]
"""Slot, first token, token after the last, class of the value, value."""
_Found = frozenset[Mark]


@dataclass(frozen=True)
class Text:
    """Tokens: their keys, and their original characters."""

    keys: tuple[str, ...]
    pieces: tuple[str, ...]

    def span(self, first: int, after: int) -> "Text":
        return Text(self.keys[first:after], self.pieces[first:after])

    def reads(self, grammar: Grammar) -> frozenset[_Found]:
        """Return every reading: the marks of its slots."""
        if isinstance(grammar, Restricted):
            allowed = bool(self.reads(grammar.by)) == grammar.keep
            return self.reads(grammar.part) if allowed else frozenset()
        if not self.keys:
            return frozenset()
        ends = set(self.walk(grammar, 0))
        return frozenset(found for end, found in ends if end == len(self.keys))

    def walk(self, node: Node, at: int) -> Iterator[tuple[int, _Found]]:
        match node:
            case Literal(wanted):
                parts = tuple(TokenOf(frozenset({key})) for key in wanted)
                yield from self.chain(parts, at)
            case TokenOf(named, classes, excluded):
                key = self.keys[at] if at < len(self.keys) else None
                if key is not None and (
                    key in named or (token_class(key) in classes and key not in excluded)
                ):
                    yield at + 1, frozenset()
                if named == {" "} and (at in (0, len(self.keys)) or self.keys[at - 1] == " "):
                    yield at, frozenset()
            case Concatenation(parts):
                yield from self.chain(parts, at)
            case Alternatives(options):
                for option in options:
                    yield from set(self.walk(option, at))
            case Repeat(part, low, high):
                yield from self.repeated(part, low, high, at)
            case Slot(name):
                for end in range(at + 1, len(self.keys) + 1):
                    for value in self.span(at, end).values(node):
                        yield end, frozenset({(name, at, end, type(value), value)})

    def chain(self, parts: Sequence[Node], at: int) -> Iterator[tuple[int, _Found]]:
        if not parts:
            yield at, frozenset()
            return
        for middle, left in set(self.walk(parts[0], at)):
            for end, right in self.chain(parts[1:], middle):
                yield end, left | right

    def repeated(
        self, part: Node, low: int, high: int | None, at: int
    ) -> Iterator[tuple[int, _Found]]:
        if low == 0:
            yield at, frozenset()
        if high == 0:
            return
        for middle, left in set(self.walk(part, at)):
            if middle == at and high is None:
                continue
            rest = None if high is None else high - 1
            for end, right in self.repeated(part, max(0, low - 1), rest, middle):
                yield end, left | right

    def values(self, slot: Slot) -> list[Value]:
        """Return every value of the whole text in a slot."""
        if slot.phrase is not None:
            blank = " " in (self.keys[0], self.keys[-1])
            return [] if blank else self.phrase_values(slot.phrase)
        if slot.kind == "enumeration":
            listed = [v for v in slot.values if literal_keys(v) == self.keys]
            return [*listed]
        if set(slot.without) & set(self.keys):
            return []
        kind = KINDS[slot.kind]
        if not any(end == len(self.keys) for end, _ in self.walk(kind.tokens, 0)):
            return []
        value = kind.parse("".join(self.pieces))
        return [] if value is None else [value]

    def phrase_values(self, phrase: Phrase) -> list[Value]:
        found: list[Value] = []
        for option in phrase.options:
            readings = self.reads(option.part)
            if option.value is not None:
                found += [option.value] if readings else []
            else:
                for marks in readings:
                    values = [value for *_, value in marks]
                    found += values or ["".join(self.keys)]
        return found


def read_slowly(grammar: Grammar, tokens: Tokens) -> frozenset[_Found]:
    """Return every reading of a text."""
    return Text(tokens.keys, tuple(tokens.pieces())).reads(grammar)

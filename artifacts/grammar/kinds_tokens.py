"""Pieces of which slot kinds make their token grammars, and what a kind is written as.

Token grammars are made of `TokenOf`, sequences, alternatives and repeats only. They take at least
what the parser takes; the fewer positions, the faster every automaton with such a slot.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from artifacts.grammar.lexer import TokenClass, literal_keys
from artifacts.grammar.syntax import Node, Repeat, TokenOf, alternatives, optional, sequence
from artifacts.values import MAX_DIGITS, Number, Value


class Spelling(NamedTuple):
    """How the values of a kind are written: token grammar, parser, renderer."""

    tokens: Node
    parse: Callable[[str], Value | None]
    render: Callable[[Value], str]


def keys(*texts: str) -> TokenOf:
    """Return one token of these keys."""
    return TokenOf(keys=frozenset(texts))


def classes(*names: TokenClass, without: frozenset[str] = frozenset()) -> TokenOf:
    """Return one token of these classes."""
    return TokenOf(classes=frozenset(names), excluded=without)


DIGITS = classes("digits")
LETTERS = classes("letters")
BLANK = keys(" ")


def many(part: Node) -> Node:
    """Return `part`, any number of times."""
    return Repeat(part, 0, None)


def one_of(spellings: Iterable[str]) -> Node:
    """Return a token grammar of exactly these texts, with as few positions as is easily had.

    Texts of one token share a position; longer ones that differ in the first or else the last token
    share the rest.
    """
    split = sorted({literal_keys(text) for text in spellings})
    single = frozenset(text[0] for text in split if len(text) == 1)
    options: list[Node] = [TokenOf(keys=single)] if single else []
    by_tail: dict[tuple[str, ...], list[str]] = {}
    for first, *tail in split:
        if tail:
            by_tail.setdefault(tuple(tail), []).append(first)
    by_start: dict[tuple[str, ...], list[str]] = {}
    for tail_keys, firsts in by_tail.items():
        if len(firsts) > 1:
            options.append(sequence(keys(*firsts), *map(keys, tail_keys)))
        else:
            by_start.setdefault((firsts[0], *tail_keys[:-1]), []).append(tail_keys[-1])
    for start, lasts in by_start.items():
        options.append(sequence(*map(keys, start), keys(*lasts)))
    return alternatives(*options)


def any_of(texts: Iterable[str]) -> str:
    """Return a pattern of `re` for any of these texts, the longest first."""
    return "|".join(map(re.escape, sorted(texts, key=lambda text: (-len(text), text))))


def spaced(text: str) -> str:
    """Return the text as its keys joined: folded, one blank for each space run, ends kept."""
    return "".join(literal_keys(text))


def within_digits(number: Number) -> Number | None:
    """Return the number, or None where it is longer than `MAX_DIGITS`."""
    largest = max(abs(number.numerator), number.denominator)
    return number if largest.bit_length() <= _BITS and largest < _LIMIT else None


def amount(decimal_mark: str) -> Node:
    """Return digits with decimals or without."""
    return sequence(DIGITS, optional(sequence(keys(decimal_mark), DIGITS)))


_LIMIT = 10**MAX_DIGITS
_BITS = _LIMIT.bit_length()

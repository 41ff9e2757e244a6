"""Random expressions over grammars, and brute force over small alphabets to hold answers against.

The reference reads a text by trying everything (`backtracked`), parses every slot, and asks all
texts of few tokens; it shares no automaton with what it checks.
"""

import random
from collections.abc import Iterator
from functools import lru_cache
from itertools import product

from artifacts.grammar.algebra.expressions import (
    Complement,
    Concatenation,
    Expression,
    Intersection,
    Leaf,
    Union,
)
from artifacts.grammar.kinds import kind_of
from artifacts.grammar.lexer import Tokens, lex, literal_keys
from artifacts.grammar.syntax import (
    Alternatives,
    Literal,
    Node,
    Repeat,
    Sequence,
    Slot,
    alternatives,
    optional,
    sequence,
    slots,
)
from tests.artifacts.grammars import Span, backtracked

LITERALS = ("a", "b", "a b", " ", "a ", " b", "and", "-", "1")
SLOTS = (
    ("integer", ()), ("integer", ()), ("decimal", ()), ("word", ()), ("phrase", ()),
    ("identifier", ()), ("enumeration", ("a", "b a")), ("enumeration", ("b", "1", "a-b")),
)  # fmt: skip
TOKENS = ("a", "b", "z", "and", " ", "1", "٣", "-", ".")
"""Of these the brute force makes its texts; `z` is in no grammar, `٣` is no number."""


def tree(chance: random.Random, depth: int = 3) -> Node:
    """Return a grammar; its slots have names of their own."""

    def grow(left: int) -> Node:
        shape = chance.random()
        if left == 0 or shape < 0.15:
            if chance.random() < 0.6:
                return Literal(literal_keys(chance.choice(LITERALS)))
            kind, values = chance.choice(SLOTS)
            return Slot(f"s{chance.getrandbits(60)}", kind, values)
        if shape < 0.6:
            return sequence(*(grow(left - 1) for _ in range(chance.randint(2, 3))))
        if shape < 0.85:
            return alternatives(*(grow(left - 1) for _ in range(2)))
        if shape < 0.93:
            return optional(grow(left - 1))
        return Repeat(Literal(literal_keys(chance.choice(LITERALS))), chance.randint(0, 1), 2)

    return grow(depth)


def changed(chance: random.Random, node: Node) -> Node:
    """Return a grammar that is somewhat wider, narrower or else: so that some are included."""
    match node:
        case Sequence(parts) if chance.random() < 0.8:
            at = chance.randrange(len(parts)) if parts else 0
            others = [*parts]
            if others:
                others[at] = changed(chance, others[at])
            return sequence(*others)
        case Alternatives(options) if chance.random() < 0.8:
            return alternatives(options[0], changed(chance, options[-1]))
        case Slot(name, "integer", _) if chance.random() < 0.7:
            return Slot(name, "decimal")
    made = chance.random()
    if made < 0.4:
        return alternatives(node, tree(chance, 1))
    return optional(node) if made < 0.6 else node if made < 0.9 else tree(chance, 1)


def token_strings(length: int) -> Iterator[tuple[str, ...]]:
    """Yield the token strings of all texts over `TOKENS` up to a length, shortest first."""
    for size in range(1, length + 1):
        for keys in product(TOKENS, repeat=size):
            tokens = lex("".join(keys))
            if isinstance(tokens, Tokens) and tokens.keys == keys:
                yield keys


def spans_read(node: Node, keys: tuple[str, ...]) -> list[tuple[Span, ...]]:
    """Return the readings of a text, as spans; the slots have names of their own."""
    parsers = {slot.name: kind_of(slot).parse for slot in slots(node)}
    return [
        spans
        for spans in backtracked(node, keys)
        if all(
            parsers[name]("".join(keys[first:after])) is not None for name, first, after in spans
        )
    ]


@lru_cache(maxsize=200_000)
def reads(node: Node, keys: tuple[str, ...]) -> bool:
    """Return whether a grammar has a reading of a text."""
    return bool(spans_read(node, keys))


def brute(whole: Expression, keys: tuple[str, ...]) -> bool:
    """Return whether a text is in the language."""
    match whole:
        case Leaf(node):
            return reads(node, keys)
        case Union(parts):
            return any(brute(part, keys) for part in parts)
        case Intersection(parts):
            return all(brute(part, keys) for part in parts)
        case Complement(part):
            return not brute(part, keys)
        case Concatenation(left, right, blank):
            return any(
                _part(left, keys[:cut]) and _part(right, keys[after:])
                for cut in range(len(keys) + 1)
                for after in [cut + (blank and 0 < cut < len(keys))]
                if after == cut or keys[cut] == " "
            )


def _part(whole: Expression, keys: tuple[str, ...]) -> bool:
    if keys:
        return " " not in (keys[0], keys[-1]) and brute(whole, keys)
    match whole:
        case Leaf(node):
            return bool(backtracked(node, ()))
        case Union(parts):
            return any(_part(part, keys) for part in parts)
        case Intersection(parts):
            return all(_part(part, keys) for part in parts)
        case Complement():
            return False
        case Concatenation(left, right, _):
            return _part(left, keys) and _part(right, keys)

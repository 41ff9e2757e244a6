"""The syntax tree of a grammar: a token-level regular expression with typed slots.

The tree is the artifact; automata only decide. Trees are canonical: a sequence has no sequence and
no two neighbouring literals inside, so equal grammars have equal JSON and equal digests.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from artifacts.grammar.lexer import TokenClass, literal_keys

MAX_REPEAT = 16
MAX_NESTING = 16


@dataclass(frozen=True, slots=True)
class Literal:
    """These token keys, one after the other; " " is any space run."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """A typed slot. Only an enumeration has `values`, each in normalized text."""

    name: str
    kind: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenOf:
    """One token by key or by class. Only slot kinds are made of these, never a grammar."""

    keys: frozenset[str] = frozenset()
    classes: frozenset[TokenClass] = frozenset()
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sequence:
    """The parts, one after the other; no parts is the empty text."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Any one of the options."""

    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`low` to `high` times; `high` None is unbounded, which only slot kinds may use."""

    part: "Node"
    low: int
    high: int | None


Node = Literal | Slot | TokenOf | Sequence | Alternatives | Repeat


def sequence(*parts: Node) -> Node:
    """Return the canonical concatenation of `parts`."""
    flat: list[Node] = []
    for part in parts:
        for piece in part.parts if isinstance(part, Sequence) else (part,):
            last = flat[-1] if flat else None
            if isinstance(piece, Literal) and isinstance(last, Literal):
                flat[-1] = Literal(_joined(last.keys, piece.keys))
            elif not (isinstance(piece, Literal) and not piece.keys):
                flat.append(piece)
    return flat[0] if len(flat) == 1 else Sequence(tuple(flat))


def _joined(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys of the joined text: two letter runs that meet are one token, as in a text."""
    if not left or not right or literal_keys(left[-1] + right[0]) == (left[-1], right[0]):
        return left + right
    return literal_keys("".join(left + right))


def alternatives(*options: Node) -> Node:
    """Return the canonical union of `options`: flat, in the order given, without repeats."""
    flat: dict[Node, None] = {}
    for option in options:
        for choice in option.options if isinstance(option, Alternatives) else (option,):
            flat[choice] = None
    return next(iter(flat)) if len(flat) == 1 else Alternatives(tuple(flat))


def optional(part: Node) -> Node:
    """Return `part` or nothing."""
    return Repeat(part, 0, 1)


def slots(node: Node) -> Iterator[Slot]:
    """Yield every slot occurrence of the tree, left to right."""
    match node:
        case Slot():
            yield node
        case Sequence(children) | Alternatives(children):
            for child in children:
                yield from slots(child)
        case Repeat(part, _, _):
            yield from slots(part)
        case Literal() | TokenOf():
            return


def required_keys(node: Node) -> frozenset[str]:
    """Return the token keys, spaces apart, that occur in every text of the grammar."""
    match node:
        case Literal(keys):
            return frozenset(keys) - {" "}
        case Sequence(parts):
            return frozenset().union(*map(required_keys, parts))
        case Alternatives(options):
            sets = [required_keys(option) for option in options]
            return frozenset.intersection(*sets) if sets else frozenset()
        case Repeat(part, low, _):
            return required_keys(part) if low else frozenset()
        case Slot() | TokenOf():
            return frozenset()


def slot_conflicts(node: Node) -> Iterator[str]:
    """Yield the name of every slot with two kinds, or bound twice on one path."""
    kinds: dict[str, Slot] = {}
    for slot in slots(node):
        if kinds.setdefault(slot.name, slot) != slot:
            yield slot.name
    yield from _bound_twice(node)


def _bound_twice(node: Node) -> Iterator[str]:
    match node:
        case Sequence(parts):
            seen: set[str] = set()
            for part in parts:
                names = {slot.name for slot in slots(part)}
                yield from sorted(seen & names)
                seen |= names
                yield from _bound_twice(part)
        case Alternatives(options):
            for option in options:
                yield from _bound_twice(option)
        case Repeat(part, _, high):
            if high != 1:
                yield from (slot.name for slot in slots(part))
            yield from _bound_twice(part)
        case _:
            return

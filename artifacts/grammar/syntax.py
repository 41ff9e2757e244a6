"""The syntax tree of a grammar: a token-level regular expression with typed slots.

    grammar = node, or Restricted(grammar, by grammar): part except by, part only by
    node    = Literal | Slot | Sequence | Alternatives | Repeat
    Slot    → a kind of the table, an enumeration, or a Phrase: options of nodes with values

The tree is the artifact; automata only decide. Trees are canonical: a sequence has no sequence and
no two neighbouring literals inside, so equal grammars have equal JSON and equal digests.

Differences and intersections stand outermost alone. Inside a sequence they would have to be taken
of every span that a part may have, and their automata are products; around a whole grammar they are
one more automaton that is asked about the same text. The types say so: no node holds a Restricted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from artifacts.grammar.lexer import TokenClass, literal_keys
from artifacts.values import Scalar

MAX_REPEAT = 16
MAX_NESTING = 16
"""Groups within groups, phrases within phrases, and restrictions within restrictions."""
MAX_RESTRICTIONS = 64
MAX_DEPTH = 100
"""Nodes within nodes, those of phrases included: what walks a tree recurses."""
MAX_NODES = 20_000
"""Nodes of a grammar, those of a phrase counted wherever it is used."""


@dataclass(frozen=True, slots=True)
class Literal:
    """These token keys, one after the other; " " is any space run."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """A typed slot: `kind` names a kind of the table, "enumeration", or its `phrase`.

    Only an enumeration has `values`, each in normalized text. Only a kind of the table has
    `without`, sorted: the keys that no token of the slot's value may have.
    """

    name: str
    kind: str
    values: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    phrase: "Phrase | None" = None


@dataclass(frozen=True, slots=True)
class Option:
    """One form of a phrase, and the value it has.

    With `value` None it has the value of its only slot; or, without slots, its normalized text.
    """

    part: "Node"
    value: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Phrase:
    """A named grammar within a grammar, with a value of its own; its slots are not bound outside.

    A blank at an end of it stands for nothing, as at the ends of a grammar. `nodes`, `depth` and
    `levels` (of phrases) are its size with all phrases inside: those are shared, and a walk through
    them that did not look at these numbers first could take for ever.
    """

    name: str
    options: tuple[Option, ...]
    nodes: int = field(init=False, compare=False, repr=False)
    depth: int = field(init=False, compare=False, repr=False)
    levels: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        inside = [slot.phrase for option in self.options for slot in slots(option.part)]
        levels = 1 + max((phrase.levels for phrase in inside if phrase), default=0)
        object.__setattr__(self, "nodes", 1 + sum(nodes(option.part) for option in self.options))
        deepest = max((depth(option.part) for option in self.options), default=0)
        object.__setattr__(self, "depth", 1 + deepest)
        object.__setattr__(self, "levels", levels)

    def __hash__(self) -> int:
        return hash((self.name, self.nodes, self.levels))


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


@dataclass(frozen=True, slots=True)
class Restricted:
    """The texts of `part` that `by` also reads (`keep`), or that it does not read.

    The slots are those of `part`. `by` is only asked whether it has a reading: its slots bind
    nothing, but their kinds may refuse a value.
    """

    part: "Grammar"
    by: "Grammar"
    keep: bool


Grammar = Node | Restricted


def core(grammar: Grammar) -> Node:
    """Return the grammar without its restrictions, which binds all slots."""
    while isinstance(grammar, Restricted):
        grammar = grammar.part
    return grammar


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


def restrictions(grammar: Grammar) -> tuple[int, int]:
    """Return how many restrictions a grammar has, and how deep they lie within one another."""
    count = depth = 0
    while isinstance(grammar, Restricted):
        inside, deep = restrictions(grammar.by)
        count, depth = count + 1 + inside, max(depth, deep + 1)
        grammar = grammar.part
    return count, depth


def nodes(grammar: Grammar) -> int:
    """Return how many nodes the grammar has, those of a phrase counted wherever it is used."""
    match grammar:
        case Slot(_, _, values, without, phrase):
            return 1 + len(values) + len(without) + (phrase.nodes if phrase else 0)
        case Sequence(children) | Alternatives(children):
            return 1 + sum(map(nodes, children))
        case Repeat(part, _, _):
            return 1 + nodes(part)
        case Restricted(part, by, _):
            return 1 + nodes(part) + nodes(by)
        case Literal() | TokenOf():
            return 1


def depth(grammar: Grammar) -> int:
    """Return how deep the nodes of a grammar lie within one another, those of phrases included."""
    match grammar:
        case Slot(_, _, _, _, phrase):
            return 1 + (phrase.depth if phrase else 0)
        case Sequence(children) | Alternatives(children):
            return 1 + max(map(depth, children), default=0)
        case Repeat(part, _, _):
            return 1 + depth(part)
        case Restricted(part, by, _):
            return max(depth(part), depth(by))
        case Literal() | TokenOf():
            return 1


def slots(grammar: Grammar) -> Iterator[Slot]:
    """Yield every slot occurrence that may be bound, left to right; none inside a phrase."""
    node = core(grammar)
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


def phrases(grammar: Grammar) -> tuple[Phrase, ...]:
    """Return the phrases of a grammar, each once, what a phrase uses before it."""
    found: dict[Phrase, None] = {}

    def walk(part: Grammar) -> None:
        if isinstance(part, Restricted):
            walk(part.part)
            walk(part.by)
            return
        for slot in slots(part):
            if slot.phrase is not None and slot.phrase not in found:
                for option in slot.phrase.options:
                    walk(option.part)
                found[slot.phrase] = None

    walk(grammar)
    return tuple(found)


def phrase_conflicts(grammar: Grammar) -> tuple[str, ...]:
    """Return the names that two different phrases of a grammar have."""
    names = [phrase.name for phrase in phrases(grammar)]
    return tuple(sorted({name for name in names if names.count(name) > 1}))


def replaced(node: Node, by: Mapping[Slot, Slot]) -> Node:
    """Return the tree with slots replaced wherever they occur."""
    match node:
        case Slot():
            return by.get(node, node)
        case Sequence(parts):
            return sequence(*(replaced(part, by) for part in parts))
        case Alternatives(options):
            return alternatives(*(replaced(option, by) for option in options))
        case Repeat(part, low, high):
            return Repeat(replaced(part, by), low, high)
        case _:
            return node


def required_keys(node: Grammar) -> frozenset[str]:
    """Return the token keys, spaces apart, that occur in every text of the grammar."""
    match node:
        case Restricted(part, by, keep):
            return required_keys(part) | required_keys(by) if keep else required_keys(part)
        case Slot(_, _, _, _, Phrase(_, options)):
            return frozenset.intersection(*(required_keys(option.part) for option in options))
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


def slot_conflicts(grammar: Grammar) -> Iterator[str]:
    """Yield the name of every slot with two kinds, or bound twice on one path.

    Slots that bind nothing outside are not looked at: those of a phrase and of a restriction.
    """
    node = core(grammar)
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

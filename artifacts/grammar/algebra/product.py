"""Products: the automata of an expression side by side, made deterministic state by state.

A product answers for the expression from above (*possible*: what it does not accept is in no case
in the language) or from below (*sure*: what it accepts is). Complement turns one into the other, so
each leaf stands in it in the form that its sign asks for. The states are subsets of positions
(Rabin and Scott 1959), found as they are needed: there may be exponentially many, and who walks
through them counts them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product as combinations
from typing import Any

from artifacts.grammar.algebra.expressions import (
    Complement,
    Concatenation,
    Expression,
    Intersection,
    Leaf,
    Union,
    automaton,
    takes_nothing,
)
from artifacts.grammar.algebra.leaves import (
    Event,
    KindKey,
    Marked,
    Positions,
    Relying,
    Universe,
    marked,
    possible,
    refusing_kinds,
    relying,
    sure,
)
from artifacts.grammar.algebra.symbols import Alphabet, alphabet_of

State = tuple[Any, ...]
"""The state of each component; the first is that of the universe."""
_DROPPED = -1
"""The state of a marked grammar that is taken not to read the text."""


@dataclass(frozen=True, slots=True)
class _Sign:
    """A component that must accept, or must not."""

    component: int
    positive: bool


@dataclass(frozen=True, slots=True)
class _All:
    parts: tuple["_Formula", ...]


@dataclass(frozen=True, slots=True)
class _Any:
    parts: tuple["_Formula", ...]


_Formula = _Sign | _All | _Any


@dataclass(slots=True)
class Joined:
    """A concatenation: the left part is read, and the right part from wherever it may begin."""

    left: "Product"
    right: "Product"
    alphabet: Alphabet
    blank: bool
    left_nothing: bool
    right_nothing: bool
    _rows: dict[tuple[State | None, frozenset[State]], tuple[Any, ...]] = field(
        default_factory=dict
    )

    @property
    def start(self) -> tuple[State | None, frozenset[State]]:
        """The state before the first token."""
        return self.left.start, frozenset({self.right.start} if self.left_nothing else ())

    def row(self, state: tuple[State | None, frozenset[State]]) -> tuple[Any, ...]:
        """Return the next state for each symbol."""
        known = self._rows.get(state)
        if known is None:
            known = self._rows[state] = tuple(self._row(*state))
        return known

    def _row(self, left: State | None, rights: frozenset[State]) -> Iterator[Any]:
        lefts = self.left.row(left) if left is not None else (None,) * len(self.alphabet.symbols)
        reading = [self.right.row(state) for state in rights]
        ended = left is not None and self.left.accepts(left)
        for index, symbol in enumerate(self.alphabet.symbols):
            following = {row[index] for row in reading} - {None}
            after = lefts[index]
            if self.blank:
                begins = ended and symbol.group == "space"
            else:
                begins = after is not None and self.left.accepts(after)
            if begins:
                following.add(self.right.start)
            yield after, frozenset(following)

    def accepts(self, state: tuple[State | None, frozenset[State]]) -> bool:
        """Return whether a text may end here."""
        left, rights = state
        if self.right_nothing and left is not None and self.left.accepts(left):
            return True
        return any(map(self.right.accepts, rights))

    def is_alive(self, state: tuple[State | None, frozenset[State]]) -> bool:
        """Return whether any text may go on from here."""
        return state[0] is not None or bool(state[1])


class Product:
    """The automaton of an expression, from above or from below.

    With `marks`, which only a product from above has, its states have several successors by one
    symbol: one for each place where a slot may stand on which other grammars rely. Slots of a
    `trusted` kind do not refuse.
    """

    def __init__(
        self,
        whole: Expression,
        alphabet: Alphabet,
        *,
        from_above: bool,
        marks: bool = False,
        trusted: frozenset[str] = frozenset(),
    ) -> None:
        self.alphabet = alphabet
        self._from_above = from_above
        self._trusted = trusted
        self._universe = Universe(alphabet.symbols)
        self._steady: list[Universe | Positions | Joined] = [self._universe]
        self._marked: list[Marked] = []
        self._relying: list[Relying] = []
        signs = set(_leaves(whole, True))
        self._shared = _shared(signs) if marks else frozenset()
        self._marking = [leaf for leaf, positive in signs if positive and self._shares(leaf)]
        self._places: dict[tuple[Expression, bool], tuple[str, int]] = {}
        self._formula = self._build(whole, True)
        self._marked_at = len(self._steady)
        self._relying_at = self._marked_at + len(self._marked)
        self._rows: dict[State, tuple[State | None, ...]] = {}
        self._formula = self._placed(self._formula)

    @property
    def has_marks(self) -> bool:
        """Whether states may have several successors by one symbol."""
        return bool(self._marked)

    @property
    def start(self) -> State:
        """The state before the first token, where nothing is marked."""
        return tuple(component.start for component in self._steady)

    def starts(self) -> list[State]:
        """Return the states before the first token: any marked grammar may be left out."""
        first = self.start
        choices = [(component.start, _DROPPED) for component in self._marked]
        relied = tuple(component.start for component in self._relying)
        found = [(*first, *chosen, *relied) for chosen in combinations(*choices)]
        return [state for state in found if self._hopes(self._formula, state)]

    def accepts(self, state: State) -> bool:
        """Return whether a text may end here."""
        if not self._universe.accepts(state[0]):
            return False
        for component, held in zip(self._marked, state[self._marked_at :], strict=False):
            if held != _DROPPED and not component.accepts(held):
                return False
        return self._holds(self._formula, state)

    def row(self, state: State) -> tuple[State | None, ...]:
        """Return the next state for each symbol, None where no text of the language goes on."""
        known = self._rows.get(state)
        if known is None:
            rows = [c.row(held) for c, held in zip(self._steady, state, strict=True)]
            known = self._rows[state] = tuple(
                following if following[0] and self._hopes(self._formula, following) else None
                for following in zip(*rows, strict=True)
            )
        return known

    def successors(self, state: State) -> dict[State, int]:
        """Return the next states, each with the first symbol that leads there."""
        found: dict[State, int] = {}
        if not self._marked and not self._relying:
            for index, following in enumerate(self.row(state)):
                if following is not None:
                    found.setdefault(following, index)
            return found
        steady = state[: self._marked_at]
        rows = [c.row(held) for c, held in zip(self._steady, steady, strict=True)]
        reading = state[self._marked_at : self._relying_at]
        relied = state[self._relying_at :]
        for index, first in enumerate(zip(*rows, strict=True)):
            if not first[0]:
                continue
            options: list[Sequence[tuple[Event, int]]] = [
                [("outside", _DROPPED)] if held == _DROPPED else [*c.options(held, index)]
                for c, held in zip(self._marked, reading, strict=True)
            ]
            for chosen in combinations(*options):
                events = [event for event, _ in chosen]
                after = (
                    c.step(r, index, events) for c, r in zip(self._relying, relied, strict=True)
                )
                following = (*first, *(held for _, held in chosen), *after)
                if following not in found and self._hopes(self._formula, following):
                    found[following] = index
        return found

    def _shares(self, leaf: Leaf) -> bool:
        return bool(self._shared & refusing_kinds(automaton(leaf.tree)))

    def _build(self, part: Expression, positive: bool) -> _Formula:
        match part:
            case Complement(inner):
                return self._build(inner, not positive)
            case Union(parts) | Intersection(parts):
                built = tuple(self._build(inner, positive) for inner in parts)
                return _Any(built) if isinstance(part, Union) == positive else _All(built)
            case Leaf() | Concatenation():
                if (part, positive) not in self._places:
                    self._places[part, positive] = self._component(part, positive)
                where, at = self._places[part, positive]
                return _Sign({"steady": 0, "marked": 1, "relying": 2}[where] << 20 | at, positive)

    def _placed(self, formula: _Formula) -> _Formula:
        """Return the formula with the final places of components."""
        match formula:
            case _Sign(component, positive):
                offsets = (0, self._marked_at, self._relying_at)
                return _Sign(offsets[component >> 20] + (component & 0xFFFFF), positive)
            case _All(parts):
                return _All(tuple(map(self._placed, parts)))
            case _Any(parts):
                return _Any(tuple(map(self._placed, parts)))

    def _component(self, part: Leaf | Concatenation, positive: bool) -> tuple[str, int]:
        above = self._from_above == positive
        if isinstance(part, Concatenation):
            left, right = (
                Product(side, self.alphabet, from_above=above, trusted=self._trusted)
                for side in (part.left, part.right)
            )
            nothing = takes_nothing(part.left), takes_nothing(part.right)
            self._steady.append(Joined(left, right, self.alphabet, part.blank, *nothing))
            return "steady", len(self._steady) - 1
        nfa = automaton(part.tree)
        masks = self.alphabet.masks(nfa)
        if not self._shares(part):
            form = possible(nfa, masks) if above else sure(nfa, masks, self._trusted)
            self._steady.append(form)
            return "steady", len(self._steady) - 1
        if positive:
            self._marked.append(marked(nfa, masks, self._shared))
            return "marked", len(self._marked) - 1
        self._relying.append(relying(nfa, masks, self._shared, len(self._marking)))
        return "relying", len(self._relying) - 1

    def _at(self, place: int) -> Any:
        if place < self._marked_at:
            return self._steady[place]
        if place < self._relying_at:
            return self._marked[place - self._marked_at]
        return self._relying[place - self._relying_at]

    def _holds(self, formula: _Formula, state: State) -> bool:
        match formula:
            case _Sign(place, positive):
                held = state[place]
                accepts: bool = held != _DROPPED and self._at(place).accepts(held)
                return accepts == positive
            case _All(parts):
                return all(self._holds(part, state) for part in parts)
            case _Any(parts):
                return any(self._holds(part, state) for part in parts)

    def _hopes(self, formula: _Formula, state: State) -> bool:
        """Return False only where no text of the language goes on."""
        match formula:
            case _Sign(place, positive):
                held = state[place]
                return not positive or (held != _DROPPED and self._at(place).is_alive(held))
            case _All(parts):
                return all(self._hopes(part, state) for part in parts)
            case _Any(parts):
                return any(self._hopes(part, state) for part in parts)


def _leaves(part: Expression, positive: bool) -> Iterator[tuple[Leaf, bool]]:
    """Yield the leaves outside concatenations, each with its sign."""
    match part:
        case Leaf():
            yield part, positive
        case Complement(inner):
            yield from _leaves(inner, not positive)
        case Union(parts) | Intersection(parts):
            for inner in parts:
                yield from _leaves(inner, positive)
        case Concatenation():
            return


def _shared(signs: set[tuple[Leaf, bool]]) -> frozenset[KindKey]:
    """Return the kinds that may refuse, of slots whose marks help: some are relied on."""
    kinds: dict[bool, set[KindKey]] = {True: set(), False: set()}
    for leaf, positive in signs:
        kinds[positive] |= refusing_kinds(automaton(leaf.tree))
    if not kinds[True] or not kinds[False]:
        return frozenset()
    return frozenset(kinds[True] | kinds[False])


def every_leaf(part: Expression) -> Iterator[Leaf]:
    """Yield the leaves of an expression, once for each time they occur."""
    match part:
        case Leaf():
            yield part
        case Complement(inner):
            yield from every_leaf(inner)
        case Union(parts) | Intersection(parts):
            for inner in parts:
                yield from every_leaf(inner)
        case Concatenation(left, right, _):
            yield from every_leaf(left)
            yield from every_leaf(right)


def alphabet_for(whole: Expression) -> Alphabet:
    """Return the symbols that tell apart all that the grammars of an expression do."""
    return alphabet_of([automaton(leaf.tree) for leaf in dict.fromkeys(every_leaf(whole))])

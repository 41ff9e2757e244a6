"""Components of a product: automata that read one token string side by side.

A grammar's token automaton accepts more than its language: kinds may refuse values. So a grammar
stands in a product in one of these forms, each with states that are found as they are needed:

- *possible*: the token automaton as it is. What it does not accept is not in the language.
- *sure*: without the slots that may refuse. What it accepts is in the language.
- *marked*: possible, and it says where the slots of certain kinds are that may refuse.
- *relying*: sure, but for slots that stand where a marked grammar has one whose kind implies
  theirs. So `in {n:integer}` is included in `in {m:decimal}`, whatever integers a parser refuses.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from artifacts.grammar.algebra.expressions import may_refuse, refusing
from artifacts.grammar.algebra.symbols import Group, Symbol, joins
from artifacts.grammar.nfa import Nfa
from artifacts.grammar.positions import bits
from artifacts.grammar.syntax import Phrase, Slot

KindKey = tuple[str, Phrase | None]
"""What decides which spellings a slot's kind refuses, its excluded tokens apart."""

IMPLIED: Mapping[str, frozenset[str]] = {"integer": frozenset({"decimal"})}
"""Kinds that take every value which another takes, where their token grammars accept it."""


def implies(kind: KindKey, other: KindKey) -> bool:
    """Return whether whatever one kind takes the other takes, too, if its tokens allow."""
    return kind == other or (kind[1] is None and other[0] in IMPLIED.get(kind[0], ()))


def refusing_kinds(nfa: Nfa) -> frozenset[KindKey]:
    """Return the kinds of the automaton's slots that may refuse."""
    return frozenset(kind_key(slot) for slot in nfa.slots if may_refuse(slot))


def kind_key(slot: Slot) -> KindKey:
    """Return what decides which spellings the slot's kind refuses."""
    return slot.kind, slot.phrase


@dataclass(slots=True)
class Universe:
    """The token strings of texts: the state is what stood last; dead is False."""

    symbols: Sequence[Symbol]
    start: Group | None = None
    _rows: dict[Group | None, tuple[Group | Literal[False], ...]] = field(default_factory=dict)

    def row(self, state: Group | None) -> tuple[Group | Literal[False], ...]:
        """Return the next state for each symbol."""
        known = self._rows.get(state)
        if known is None:
            known = tuple(joins(state, s.group) and s.group for s in self.symbols)
            self._rows[state] = known
        return known

    def accepts(self, state: object) -> bool:
        """Return whether a text may end here."""
        return state not in (None, False, "space")


@dataclass(slots=True)
class Positions:
    """A token automaton whose states are sets of positions; bit n is before the first token."""

    start: int
    last: int
    follow: tuple[int, ...]
    masks: tuple[int, ...]
    _rows: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def row(self, state: int) -> tuple[int, ...]:
        """Return the next state for each symbol."""
        known = self._rows.get(state)
        if known is None:
            reach = 0
            for position in bits(state):
                reach |= self.follow[position]
            known = self._rows[state] = tuple([reach & mask for mask in self.masks])
        return known

    def accepts(self, state: int) -> bool:
        """Return whether a text may end here."""
        return bool(state & self.last)

    def is_alive(self, state: int) -> bool:
        """Return whether any text may go on from here."""
        return state != 0


def possible(nfa: Nfa, masks: tuple[int, ...]) -> Positions:
    """Return the token automaton as it is."""
    start = 1 << len(nfa.follow)
    last = nfa.last | (start if nfa.nullable else 0)
    return Positions(start, last, (*nfa.follow, nfa.first), masks)


def sure(nfa: Nfa, masks: tuple[int, ...], trusted: frozenset[str] = frozenset()) -> Positions:
    """Return the token automaton without the slots that may refuse; `trusted` kinds do not."""
    allowed = ~refusing(nfa, trusted)
    return possible(nfa, tuple(mask & allowed for mask in masks))


Event = KindKey | Literal["inside", "outside"]
"""What a marked grammar does at a token: a slot begins, it goes on, or there is none."""


@dataclass(slots=True)
class Steps:
    """A token automaton that knows its marked slots: within one, into one, past all of them."""

    nfa: Nfa
    masks: tuple[int, ...]
    kinds: frozenset[KindKey]
    unmarked: int
    follow: tuple[int, ...] = field(init=False)
    inside: tuple[int, ...] = field(init=False)
    of_kind: dict[KindKey, int] = field(init=False)
    last: int = field(init=False)

    def __post_init__(self) -> None:
        nfa = self.nfa
        of_occurrence: dict[int, int] = {}
        self.of_kind = dict.fromkeys(self.kinds, 0)
        for position, occurrence in enumerate(nfa.occurrence):
            if occurrence >= 0 and kind_key(nfa.slots[occurrence]) in self.kinds:
                bit = 1 << position
                of_occurrence[occurrence] = of_occurrence.get(occurrence, 0) | bit
                self.of_kind[kind_key(nfa.slots[occurrence])] |= bit
        self.follow = (*nfa.follow, nfa.first)
        self.inside = (*(of_occurrence.get(o, 0) for o in nfa.occurrence), 0)
        self.last = nfa.last | (1 << len(nfa.follow) if nfa.nullable else 0)

    def within(self, state: int) -> int:
        """Return the positions reached without leaving a marked slot."""
        reach = 0
        for position in bits(state):
            reach |= self.follow[position] & self.inside[position]
        return reach

    def beyond(self, state: int) -> int:
        """Return the positions reached where no marked slot goes on."""
        reach = 0
        for position in bits(state):
            reach |= self.follow[position] & ~self.inside[position]
        return reach


@dataclass(slots=True)
class Marked:
    """A grammar that is read in one way as to its slots of the shared kinds, any of them."""

    steps: Steps

    @property
    def start(self) -> int:
        """The state before the first token."""
        return 1 << len(self.steps.nfa.follow)

    def options(self, state: int, symbol: int) -> Iterator[tuple[Event, int]]:
        """Yield what the grammar may do at the next token, and the state after it."""
        steps, mask = self.steps, self.steps.masks[symbol]
        if on := steps.within(state) & mask:
            yield "inside", on
        beyond = steps.beyond(state) & mask
        for kind, positions in steps.of_kind.items():
            if into := beyond & positions:
                yield kind, into
        if past := beyond & steps.unmarked:
            yield "outside", past

    def accepts(self, state: int) -> bool:
        """Return whether a text may end here."""
        return bool(state & self.steps.last)

    def is_alive(self, state: int) -> bool:
        """Return whether any text may go on from here."""
        return state != 0


Relied = tuple[int, ...]
"""Positions in no slot that may refuse, then those in slots of each marked grammar."""


@dataclass(slots=True)
class Relying:
    """A grammar that surely reads what it reads without slots that may refuse, or with slots that
    stand where a marked grammar has one."""

    steps: Steps
    count: int

    @property
    def start(self) -> Relied:
        """The state before the first token."""
        return (1 << len(self.steps.nfa.follow), *(0 for _ in range(self.count)))

    def step(self, state: Relied, symbol: int, events: Sequence[Event]) -> Relied:
        """Return the state after a token at which the marked grammars do this."""
        steps, mask = self.steps, self.steps.masks[symbol]
        leaving = state[0]
        for relied, event in zip(state[1:], events, strict=True):
            if event != "inside":
                leaving |= relied
        beyond = steps.beyond(leaving) & mask
        following = [beyond & steps.unmarked]
        for relied, event in zip(state[1:], events, strict=True):
            if event == "inside":
                following.append(steps.within(relied) & mask)
            elif event == "outside":
                following.append(0)
            else:
                into = sum(p for kind, p in steps.of_kind.items() if implies(event, kind))
                following.append(beyond & into)
        return tuple(following)

    def accepts(self, state: Relied) -> bool:
        """Return whether a text may end here."""
        return any(positions & self.steps.last for positions in state)


def marked(nfa: Nfa, masks: tuple[int, ...], kinds: frozenset[KindKey]) -> Marked:
    """Return a grammar that says where its slots of these kinds are."""
    steps = Steps(nfa, masks, kinds & refusing_kinds(nfa), 0)
    steps.unmarked = ~sum(steps.of_kind.values())
    return Marked(steps)


def relying(nfa: Nfa, masks: tuple[int, ...], kinds: frozenset[KindKey], count: int) -> Relying:
    """Return a grammar that relies on `count` marked ones for its slots of these kinds."""
    return Relying(Steps(nfa, masks, kinds & refusing_kinds(nfa), ~refusing(nfa)), count)

"""Nodes: who reads which topics, and what it makes of an event.

A decider is a pure function `(state, event) → (state, events)`; an asker waits for somebody outside
(a teacher) and keeps no state. Both are values: transports and drivers run them.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from streams.events import Event

Outcome = tuple[Any, Sequence[Event]]


@dataclass(frozen=True)
class Decider:
    """A node that decides alone.

    `folds` are read from their start outside any group and only change the state; `reads` are read
    once, at the group's positions, and may lead to events. A decider whose state comes from `reads`
    as well is `rebuilt` from them at a start. The state's type is the decider's own business.
    """

    name: str
    folds: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    initial: Any
    decide: Callable[[Any, Event], Outcome]
    is_rebuilt: bool
    doc: str
    batch: int = 200

    @cached_property
    def folds_own(self) -> bool:
        """Whether it writes to a topic that it folds."""
        return not frozenset(self.folds).isdisjoint(self.writes)


@dataclass(frozen=True, slots=True)
class Asker:
    """A node that asks somebody outside about each event, without a state of its own."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    ask: Callable[[Event], Awaitable[Sequence[Event]]]
    doc: str
    batch: int = 20


Node = Decider | Asker

"""Breadth-first search for the shortest token strings in a graph, within a budget of states."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

MAX_STATES = 20_000
"""How many states are looked at where nobody says otherwise."""


State = TypeVar("State", bound=Hashable)


class Graph(Protocol[State]):
    """What can be searched: states, each with those after it by a first symbol."""

    def starts(self) -> Iterable[State]:
        """Return the states before the first token."""

    def successors(self, state: State) -> Mapping[State, int]:
        """Return the next states, each with the first symbol that leads there."""

    def accepts(self, state: State) -> bool:
        """Return whether a text may end here."""


@dataclass(slots=True)
class Search(Generic[State]):
    """A search that counts what it looks at; `visits` are how often a state is gone through.

    One visit finds a shortest string to every state, and so whether there is any; more find other
    strings than these.
    """

    graph: Graph[State]
    max_states: int
    visits: int = 1
    states: int = 0
    is_over_budget: bool = False
    _came: list[tuple[int, int]] = field(default_factory=list)

    def strings(self) -> Iterator[tuple[int, ...]]:
        """Yield accepted strings of symbols, shorter ones first, in order within one length."""
        graph, came = self.graph, self._came
        visited: dict[State, int] = {}
        layer: list[tuple[int, State]] = []
        for state in graph.starts():
            came.append((-1, -1))
            layer.append((len(came) - 1, state))
        while layer:
            following: list[tuple[int, State]] = []
            for at, state in layer:
                for after, symbol in graph.successors(state).items():
                    times = visited.get(after, 0)
                    if times >= self.visits:
                        continue
                    if self.states >= self.max_states:
                        self.is_over_budget = True
                        return
                    self.states += 1
                    visited[after] = times + 1
                    came.append((at, symbol))
                    following.append((len(came) - 1, after))
                    if graph.accepts(after):
                        yield self._string(len(came) - 1)
            layer = following

    def _string(self, at: int) -> tuple[int, ...]:
        string: list[int] = []
        while self._came[at][0] >= 0:
            at, symbol = self._came[at]
            string.append(symbol)
        return tuple(reversed(string))

"""Breadth-first search for the shortest token strings of a product, within a budget of states."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from artifacts.grammar.algebra.product import Product, State

MAX_STATES = 20_000
"""How many states of a product are looked at where nobody says otherwise."""


@dataclass(slots=True)
class Search:
    """A search that counts what it looks at; `visits` are how often a state is gone through.

    One visit finds a shortest string to every state, and so whether there is any; more find other
    strings than these.
    """

    product: Product
    max_states: int
    visits: int = 1
    states: int = 0
    is_over_budget: bool = False
    _came: list[tuple[int, int]] = field(default_factory=list)

    def strings(self) -> Iterator[tuple[int, ...]]:
        """Yield accepted strings of symbols, shorter ones first, in order within one length."""
        product, visited, came = self.product, dict[State, int](), self._came
        layer: list[tuple[int, State]] = []
        for state in product.starts():
            came.append((-1, -1))
            layer.append((len(came) - 1, state))
        while layer:
            following: list[tuple[int, State]] = []
            for at, state in layer:
                for after, symbol in product.successors(state).items():
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
                    if product.accepts(after):
                        yield self._string(len(came) - 1)
            layer = following

    def _string(self, at: int) -> tuple[int, ...]:
        string: list[int] = []
        while self._came[at][0] >= 0:
            at, symbol = self._came[at]
            string.append(symbol)
        return tuple(reversed(string))

"""State merging: a deterministic automaton from accepted and rejected strings of symbols.

    prefix tree of all strings ──► red states are final, blue ones are their children
                                   a blue state is merged into a red one, or becomes red

`edsm` takes, among the first blue states, the merge with the most evidence (Lang, Pearlmutter and
Price 1998: Abbadingo One); `rpni` the first that no string forbids (Oncina and García 1992). A
merge folds the tree below the blue state into the automaton and is undone when an accepting state
meets a rejecting one, so the result accepts all accepted strings and no rejected one. Beyond
`max_merges` tried merges or `max_folds` folded states the rest of the tree stays as it is.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal as OneOf

MAX_MERGES = 400_000
MAX_FOLDS = 5_000_000
BLUE_TRIED = 8
"""Blue states, by their shortest strings, among which the merge with most evidence is sought."""

Symbol = Hashable
String = Sequence[Symbol]


@dataclass(frozen=True, slots=True)
class Machine:
    """A deterministic automaton; state 0 starts; a missing move rejects."""

    moves: tuple[Mapping[Symbol, int], ...]
    accepting: frozenset[int]
    merges: int = 0
    is_complete: bool = True
    """Whether merging came to its end within the limits."""

    def accepts(self, string: String) -> bool:
        """Return whether the string is accepted."""
        state = 0
        for symbol in string:
            after = self.moves[state].get(symbol)
            if after is None:
                return False
            state = after
        return state in self.accepting

    def bits(self, accepted: Sequence[String] = ()) -> float:
        """Return the description length of the automaton, and of strings that it accepts."""
        symbols = {symbol for moves in self.moves for symbol in moves}
        arrow = math.log2(max(2, len(self.moves))) + math.log2(max(2, len(symbols)))
        told = len(self.moves) + arrow * sum(map(len, self.moves))
        for string in accepted:
            state = 0
            for symbol in string:
                told += self._choice(state)
                state = self.moves[state][symbol]
            told += self._choice(state)
        return told

    def _choice(self, state: int) -> float:
        return math.log2(len(self.moves[state]) + (state in self.accepting))


def merged_machine(
    accepted: Sequence[String],
    rejected: Sequence[String],
    *,
    method: OneOf["edsm", "rpni"] = "edsm",
    max_merges: int = MAX_MERGES,
    max_folds: int = MAX_FOLDS,
) -> Machine | None:
    """Return an automaton for the strings, or None when one is both accepted and rejected.

    >>> even = merged_machine(["", "aa", "aaaa"], ["a", "aaa"])
    >>> len(even.moves), even.accepts("a" * 10), even.accepts("a" * 7)
    (2, True, False)
    """
    tree = _Tree()
    for strings, label in ((accepted, True), (rejected, False)):
        for string in strings:
            state = tree.state(string)
            if tree.labels[state] not in (None, label):
                return None
            tree.labels[state] = label
    tree = tree.shortest_first()
    return _Merger(tree, method, max_merges, max_folds).run()


@dataclass(slots=True)
class _Tree:
    children: list[dict[Symbol, int]] = field(default_factory=lambda: [{}])
    labels: list[bool | None] = field(default_factory=lambda: [None])

    def state(self, string: String) -> int:
        state = 0
        for symbol in string:
            after = self.children[state].get(symbol)
            if after is None:
                after = self.children[state][symbol] = len(self.children)
                self.children.append({})
                self.labels.append(None)
            state = after
        return state

    def shortest_first(self) -> "_Tree":
        """Return the tree with its states numbered by length, then by symbols."""
        order = [0]
        for state in order:
            order.extend(self.children[state][symbol] for symbol in _in_order(self.children[state]))
        number = {state: index for index, state in enumerate(order)}
        return _Tree(
            [
                {
                    symbol: number[self.children[state][symbol]]
                    for symbol in _in_order(self.children[state])
                }
                for state in order
            ],
            [self.labels[state] for state in order],
        )


def _in_order(moves: Mapping[Symbol, int]) -> list[Symbol]:
    return sorted(moves, key=repr)


@dataclass(slots=True)
class _Merger:
    tree: _Tree
    method: OneOf["edsm", "rpni"]
    max_merges: int
    max_folds: int
    merges: int = 0
    folds: int = 0
    red: list[int] = field(default_factory=lambda: [0])
    undo: list[tuple[int, Symbol | None]] = field(default_factory=list)

    def run(self) -> Machine:
        while blue := self.blue():
            best: tuple[int, int, tuple[int, Symbol]] | None = None
            promoted = -1
            for parent, symbol in blue[: BLUE_TRIED if self.method == "edsm" else 1]:
                state = self.tree.children[parent][symbol]
                scores = self.scores(parent, symbol, state)
                if not scores:
                    promoted = state
                    break
                score, at = max(scores, key=lambda found: (found[0], -found[1]))
                if best is None or score > best[0]:
                    best = (score, at, (parent, symbol))
            if promoted >= 0 or best is None:
                self.red.append(promoted)
            else:
                _, at, (parent, symbol) = best
                self.fold(self.red[at], parent, symbol)
                self.undo.clear()
        return self.machine()

    def blue(self) -> list[tuple[int, Symbol]]:
        red = set(self.red)
        found = {
            child: (parent, symbol)
            for parent in self.red
            for symbol, child in self.tree.children[parent].items()
            if child not in red
        }
        return [found[child] for child in sorted(found)]

    def scores(self, parent: int, symbol: Symbol, state: int) -> list[tuple[int, int]]:
        """Return the evidence of each merge that is possible, with the red state's place."""
        found: list[tuple[int, int]] = []
        for at, red in enumerate(self.red):
            if self.merges >= self.max_merges or self.folds >= self.max_folds:
                return []
            self.merges += 1
            score = self.fold(red, parent, symbol)
            self.take_back(parent, symbol, state)
            if score is not None:
                found.append((score, at))
                if self.method == "rpni":
                    break
        return found

    def fold(self, red: int, parent: int, symbol: Symbol) -> int | None:
        """Merge the child into `red`; return the number of labels that agree, None on a clash."""
        children, labels = self.tree.children, self.tree.labels
        pairs = [(red, children[parent][symbol])]
        children[parent][symbol] = red
        score = 0
        while pairs:
            into, state = pairs.pop()
            self.folds += 1
            label = labels[state]
            if label is not None:
                if labels[into] is None:
                    labels[into] = label
                    self.undo.append((into, None))
                elif labels[into] is label:
                    score += 1
                else:
                    return None
            for key, child in children[state].items():
                known = children[into].get(key)
                if known is None:
                    children[into][key] = child
                    self.undo.append((into, (key,)))
                else:
                    pairs.append((known, child))
        return score

    def take_back(self, parent: int, symbol: Symbol, state: int) -> None:
        for into, key in reversed(self.undo):
            if isinstance(key, tuple):
                del self.tree.children[into][key[0]]
            else:
                self.tree.labels[into] = None
        self.undo.clear()
        self.tree.children[parent][symbol] = state

    def machine(self) -> Machine:
        number = {state: index for index, state in enumerate(self.red)}
        moves = tuple(
            {symbol: number[child] for symbol, child in self.tree.children[state].items()}
            for state in self.red
        )
        accepting = frozenset(number[state] for state in self.red if self.tree.labels[state])
        within = self.merges < self.max_merges and self.folds < self.max_folds
        return Machine(moves, accepting, self.merges, within)

"""Languages of grammars as far as learning needs them: membership, and what a change takes away.

A share is counted, not sampled: the texts of both grammars up to a number of tokens, by dynamic
programming over sets of automaton states. A token that no grammar names stands for as many as
people use of its class (`WEIGHTS`): what is counted is texts, not shapes of texts. Kinds may refuse
values that their token grammars take; those texts are counted, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

from artifacts.grammar.lexer import TokenClass, Tokens, lex
from artifacts.grammar.nfa import Nfa, compile_nfa, readings
from artifacts.grammar.syntax import Grammar, Node, Restricted

WEIGHTS: Mapping[TokenClass, int] = MappingProxyType(
    {"letters": 20_000, "digits": 1_000, "mark": 32}
)
"""How many tokens of a class there are beside the named ones. Blanks have one key."""
MAX_COUNTED_TOKENS = 40
MAX_COUNT_STEPS = 200_000

_Formula = int | tuple["_Formula", "_Formula", bool]
"""The number of an automaton; or part, by and `keep` of a restriction."""
_State = tuple[int, ...]


@lru_cache(maxsize=4096)
def automaton(node: Node) -> Nfa:
    """Return the automaton of a tree; those made last are remembered."""
    return compile_nfa(node)


def reads(grammar: Grammar, tokens: Tokens) -> bool:
    """Return whether a text has a reading; too many readings are readings."""
    if isinstance(grammar, Restricted):
        return reads(grammar.part, tokens) and reads(grammar.by, tokens) == grammar.keep
    found = readings(automaton(grammar), tokens)
    return bool(found) if isinstance(found, tuple) else True


def reads_text(grammar: Grammar, text: str) -> bool:
    """Return whether a text can be lexed and has a reading."""
    tokens = lex(text)
    return not isinstance(tokens, str) and reads(grammar, tokens)


def share_taken(before: Grammar, after: Grammar, tokens: int) -> float | None:
    """Return the share of the texts of `before`, up to `tokens` tokens, that `after` lacks.

    None beyond `MAX_COUNT_STEPS`, or when there is no such text: it could not be told.
    """
    counter = _Counter([])
    whole, kept = counter.formula(before), counter.formula(after)
    counted = counter.count(whole, kept, min(tokens, MAX_COUNTED_TOKENS))
    if counted is None or not counted[0]:
        return None
    return float(Fraction(counted[1], counted[0]))


@dataclass(slots=True)
class _Counter:
    automata: list[Nfa]

    def formula(self, grammar: Grammar) -> _Formula:
        if isinstance(grammar, Restricted):
            return (self.formula(grammar.part), self.formula(grammar.by), grammar.keep)
        self.automata.append(automaton(grammar))
        return len(self.automata) - 1

    def count(self, whole: _Formula, kept: _Formula, tokens: int) -> tuple[int, int] | None:
        """Return the numbers of texts of `whole`, and of those that `kept` has not."""
        symbols = self.symbols()
        layer: dict[_State, int] = {tuple(nfa.first for nfa in self.automata): 1}
        known: dict[_State, dict[_State, int]] = {}
        found = lost = steps = 0
        for _ in range(tokens):
            following: dict[_State, int] = {}
            for reachable, ways in layer.items():
                moves = known.get(reachable)
                if moves is None:
                    steps += len(symbols)
                    if steps > MAX_COUNT_STEPS:
                        return None
                    moves = known[reachable] = self.moves(reachable, symbols, whole)
                for state, weight in moves.items():
                    following[state] = following.get(state, 0) + ways * weight
            layer = {}
            for state, ways in following.items():
                if self.holds(whole, state):
                    found += ways
                    lost += 0 if self.holds(kept, state) else ways
                after = tuple(map(reachable_from, self.automata, state))
                layer[after] = layer.get(after, 0) + ways
            steps += len(following)
            if steps > MAX_COUNT_STEPS:
                return None
        return found, lost

    def symbols(self) -> list[tuple[str, TokenClass | None, int]]:
        named = sorted({key for nfa in self.automata for key in nfa.by_key})
        rest: list[tuple[str, TokenClass | None, int]] = [
            ("", name, weight) for name, weight in WEIGHTS.items()
        ]
        return [(key, None, 1) for key in dict.fromkeys([*named, " "])] + rest

    def moves(
        self,
        reachable: _State,
        symbols: Sequence[tuple[str, TokenClass | None, int]],
        whole: _Formula,
    ) -> dict[_State, int]:
        found: dict[_State, int] = {}
        core = _core(whole)
        for key, name, weight in symbols:
            state = tuple(
                states & (nfa.mask(key) if name is None else nfa.by_class.get(name, 0))
                for states, nfa in zip(reachable, self.automata, strict=True)
            )
            if state[core]:
                found[state] = found.get(state, 0) + weight
        return found

    def holds(self, formula: _Formula, state: _State) -> bool:
        if isinstance(formula, int):
            return bool(state[formula] & self.automata[formula].last)
        part, by, keep = formula
        return self.holds(part, state) and self.holds(by, state) == keep


def _core(formula: _Formula) -> int:
    while not isinstance(formula, int):
        formula = formula[0]
    return formula


def reachable_from(nfa: Nfa, state: int) -> int:
    """Return the positions that a token may be read at after these."""
    reachable = 0
    while state:
        low = state & -state
        reachable |= nfa.follow[low.bit_length() - 1]
        state ^= low
    return reachable

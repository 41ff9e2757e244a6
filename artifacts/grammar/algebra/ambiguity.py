"""Ambiguity: a text with two readings in one grammar, and a text that two grammars read.

Two readings differ where their slots, kinds or spans differ. So the search goes through pairs of
positions, one of each reading, and remembers whether they have differed yet (Book et al.,
"Ambiguity in graphs and expressions", IEEE Trans. Comput. 1971): at most twice the square of the
number of positions, times the states of what restricts the grammar. A phrase that is read in two
ways may have two values, and then two readings; whether it has, its own forms say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from artifacts.grammar.algebra.expressions import (
    automaton,
    contains,
    expression,
    may_refuse,
)
from artifacts.grammar.algebra.product import Product, State, alphabet_for
from artifacts.grammar.algebra.questions import (
    MAX_CANDIDATES,
    Fails,
    Holds,
    Undecided,
    Verdict,
    beyond,
    disjoint,
)
from artifacts.grammar.algebra.search import MAX_STATES
from artifacts.grammar.algebra.symbols import spellings
from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.nfa import GrammarTooLarge, Nfa, TooManyReadings, readings
from artifacts.grammar.positions import bits
from artifacts.grammar.syntax import Grammar, core

_PairState = tuple[int, int, bool, State]


def unambiguous(grammar: Grammar, *, max_states: int = MAX_STATES) -> Verdict:
    """Decide whether no text has two readings; the witness is a shortest one that has.

    >>> from artifacts.grammar.textform import parse_grammar
    >>> unambiguous(parse_grammar("{x:phrase} {y:phrase}"))
    Fails(witness='7 7 7', is_shortest=True)
    >>> unambiguous(parse_grammar("{x:phrase} and {y:phrase}"))
    Holds()
    """
    whole = expression(grammar)
    try:
        alphabet = alphabet_for(whole)
        nfa = automaton(core(grammar))
        product = Product(whole, alphabet, from_above=True)
    except GrammarTooLarge as error:
        return Undecided(str(error))
    pairs = _Pairs(nfa, alphabet.masks(nfa), product, max_states)
    tried, shortest = 0, 0
    for string in pairs.strings():
        for text in spellings([alphabet.symbols[index] for index in string]):
            if contains(whole, text) is not False and _has_two(nfa, text):
                return Fails(text, is_shortest=not tried or shortest == len(string))
        shortest = min(shortest, len(string)) if tried else len(string)
        tried += 1
        if tried >= MAX_CANDIDATES:
            break
    if pairs.is_over_budget:
        return beyond(max_states)
    if tried:
        return Undecided(f"the kinds of slots refuse the texts made of {tried} token strings")
    return Holds()


def apart(left: Grammar, right: Grammar, *, max_states: int = MAX_STATES) -> Verdict:
    """Decide whether no text is read by both grammars; the witness is a shortest one that is."""
    return disjoint(expression(left), expression(right), max_states=max_states)


def _has_two(nfa: Nfa, text: str) -> bool:
    tokens = lex(text)
    if not isinstance(tokens, Tokens):
        return False
    found = readings(nfa, tokens)
    if isinstance(found, TooManyReadings):
        return not any(map(may_refuse, nfa.slots))
    return len(found) > 1


@dataclass(slots=True)
class _Pairs:
    nfa: Nfa
    masks: tuple[int, ...]
    product: Product
    max_states: int
    states: int = 0
    is_over_budget: bool = False
    _came: list[tuple[int, int]] = field(default_factory=list)

    def strings(self) -> Iterator[tuple[int, ...]]:
        """Yield strings of symbols that are read in two ways, shorter ones first."""
        start = len(self.nfa.follow)
        first: _PairState = (start, start, False, self.product.start)
        self._came.append((-1, -1))
        layer, visited = [(0, first)], {first}
        while layer:
            following: list[tuple[int, _PairState]] = []
            for at, pair in layer:
                for after, symbol in self._successors(pair):
                    if after in visited:
                        continue
                    if self.states >= self.max_states:
                        self.is_over_budget = True
                        return
                    self.states += 1
                    visited.add(after)
                    self._came.append((at, symbol))
                    following.append((len(self._came) - 1, after))
                    if self._accepts(after):
                        yield self._string(len(self._came) - 1)
            layer = following

    def _accepts(self, pair: _PairState) -> bool:
        left, right, differ, state = pair
        both = 1 << left | 1 << right
        return differ and not both & ~self.nfa.last and self.product.accepts(state)

    def _successors(self, pair: _PairState) -> Iterator[tuple[_PairState, int]]:
        left, right, differ, state = pair
        lefts, rights = self._follow(left), self._follow(right)
        for symbol, after in enumerate(self.product.row(state)):
            if after is None:
                continue
            mask = self.masks[symbol]
            for one in bits(lefts & mask):
                mark = self._mark(left, one)
                for other in bits(rights & mask):
                    if not differ and other < one and left == right:
                        continue  # the same two ways, the other way round
                    now = differ or mark != self._mark(right, other)
                    now = now or (one != other and self._is_in_phrase(one))
                    yield (one, other, now, after), symbol

    def _follow(self, position: int) -> int:
        follow = self.nfa.follow
        return follow[position] if position < len(follow) else self.nfa.first

    def _mark(self, before: int, position: int) -> tuple[object, bool]:
        """Return the slot at a position, and whether its value begins there."""
        occurrence = self.nfa.occurrence[position]
        if occurrence < 0:
            return None, False
        slot = self.nfa.slots[occurrence]
        begins = before >= len(self.nfa.occurrence) or self.nfa.occurrence[before] != occurrence
        return (slot.name, slot.kind), begins

    def _is_in_phrase(self, position: int) -> bool:
        occurrence = self.nfa.occurrence[position]
        return occurrence >= 0 and self.nfa.slots[occurrence].phrase is not None

    def _string(self, at: int) -> tuple[int, ...]:
        string: list[int] = []
        while self._came[at][0] >= 0:
            at, symbol = self._came[at]
            string.append(symbol)
        return tuple(reversed(string))

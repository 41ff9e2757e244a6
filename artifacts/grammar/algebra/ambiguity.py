"""Ambiguity: a text with two readings in one grammar, and a text that two grammars read.

Two readings differ where their slots, kinds or spans differ. So the search goes through pairs of
positions, one of each reading, and remembers whether they have differed yet (Book et al.,
"Ambiguity in graphs and expressions", IEEE Trans. Comput. 1971): at most twice the square of the
number of positions, times the states of what restricts the grammar. A phrase that is read in two
ways may have two values, and then two readings; whether it has, its own forms say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from artifacts.grammar.algebra.expressions import (
    automaton,
    contains,
    expression,
    may_refuse,
)
from artifacts.grammar.algebra.product import Product, State, alphabet_for
from artifacts.grammar.algebra.questions import (
    Undecided,
    Verdict,
    answered,
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
    pairs = _Pairs(nfa, alphabet.masks(nfa), product)

    def texts(string: Sequence[int]) -> Iterator[str]:
        for text in spellings([alphabet.symbols[index] for index in string]):
            if contains(whole, text) is not False and _has_two(nfa, text):
                yield text

    return answered(pairs, texts, max_states)


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

    def starts(self) -> list[_PairState]:
        """Return the state before the first token."""
        start = len(self.nfa.follow)
        return [(start, start, False, self.product.start)]

    def successors(self, pair: _PairState) -> dict[_PairState, int]:
        """Return the next pairs, each with the first symbol that leads there."""
        found: dict[_PairState, int] = {}
        for after, symbol in self._steps(pair):
            found.setdefault(after, symbol)
        return found

    def accepts(self, pair: _PairState) -> bool:
        """Return whether a text with two readings may end here."""
        left, right, differ, state = pair
        both = 1 << left | 1 << right
        return differ and not both & ~self.nfa.last and self.product.accepts(state)

    def _steps(self, pair: _PairState) -> Iterator[tuple[_PairState, int]]:
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

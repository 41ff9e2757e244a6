"""Questions about languages, with three answers: it holds, it fails with a witness, or undecided.

A witness is a shortest text, and a real one: it was lexed, and the matcher read it. Where kinds
refuse what their token grammars accept, a shortest token string may have no such text; others are
tried then, and the witness says that it may not be shortest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from artifacts.grammar.algebra.examples import example_texts
from artifacts.grammar.algebra.expressions import (
    Complement,
    Concatenation,
    Expression,
    Intersection,
    Leaf,
    Union,
    contains,
    difference,
    either_alone,
)
from artifacts.grammar.algebra.product import Product, alphabet_for
from artifacts.grammar.algebra.search import MAX_STATES, Graph, Search, State
from artifacts.grammar.algebra.symbols import Alphabet, spellings
from artifacts.grammar.nfa import GrammarTooLarge
from artifacts.grammar.syntax import Node

MAX_CANDIDATES = 64
"""Token strings of which texts are made and read before a question is left undecided."""
_MORE_VISITS = 6


@dataclass(frozen=True, slots=True)
class Holds:
    """It is so for all texts."""


@dataclass(frozen=True, slots=True)
class Fails:
    """It is not so: for this text. There is none of fewer tokens, if `is_shortest`."""

    witness: str
    is_shortest: bool = True


@dataclass(frozen=True, slots=True)
class Undecided:
    """It could not be told, and why."""

    why: str


Verdict = Holds | Fails | Undecided


def empty(whole: Expression, *, max_states: int = MAX_STATES) -> Verdict:
    """Decide whether no text is in the language; the witness is one.

    >>> from artifacts.grammar.algebra.expressions import Leaf
    >>> from artifacts.grammar.textform import parse_grammar
    >>> empty(Leaf(parse_grammar("{first:word}{second:word}")))
    Holds()
    >>> empty(Leaf(parse_grammar("in {n:integer} (minutes|hours)")))
    Fails(witness='in 7 hours', is_shortest=True)
    """
    try:
        alphabet = alphabet_for(whole)
        product = Product(whole, alphabet, from_above=True, marks=True)
    except GrammarTooLarge as error:
        return Undecided(str(error))
    answer = answered(product, partial(_texts, whole, alphabet), max_states)
    if isinstance(answer, Undecided):
        for text in chain.from_iterable(map(example_texts, _positive(whole))):
            if contains(whole, text):
                return Fails(text.strip(), is_shortest=False)
    return answer


def _positive(whole: Expression) -> Iterator[Node]:
    """Yield the grammars of an expression that texts of it may be read by."""
    match whole:
        case Leaf(tree):
            yield tree
        case Union(parts) | Intersection(parts):
            for part in parts:
                yield from _positive(part)
        case Complement() | Concatenation():
            return


def answered(
    graph: Graph[State],
    texts: Callable[[Sequence[int]], Iterator[str]],
    max_states: int,
) -> Verdict:
    """Return whether no text is found in a graph, where `texts` are those of a string of symbols.

    First a shortest string to each state is tried; if none of them has a text, some others are.
    """
    tried, shortest = 0, 0
    for visits in (1, _MORE_VISITS):
        search = Search(graph, max_states, visits)
        for string in search.strings():
            text = next(texts(string), None)
            if text is not None:
                return Fails(text, is_shortest=not tried or shortest == len(string))
            shortest = min(shortest, len(string)) if tried else len(string)
            tried += 1
            if tried >= MAX_CANDIDATES * (1 if visits == 1 else 3):
                break
        if search.is_over_budget:
            return beyond(max_states)
        if not tried:
            return Holds()
    return Undecided(f"the kinds of slots refuse the texts made of {tried} token strings")


def beyond(max_states: int) -> Undecided:
    """Return that the budget did not suffice."""
    return Undecided(f"more than {max_states} states would have to be looked at")


def _texts(whole: Expression, alphabet: Alphabet, string: Sequence[int]) -> Iterator[str]:
    """Yield the texts of a string of symbols that are in the language."""
    symbols = [alphabet.symbols[index] for index in string]
    return (text for text in spellings(symbols) if contains(whole, text))


def witness(whole: Expression, *, max_states: int = MAX_STATES) -> Fails | Holds | Undecided:
    """Return `Fails` with a shortest text of the language, or `Holds` where it has none."""
    return empty(whole, max_states=max_states)


def included(left: Expression, right: Expression, *, max_states: int = MAX_STATES) -> Verdict:
    """Decide whether every text of `left` is in `right`; the witness is one that is not."""
    return empty(difference(left, right), max_states=max_states)


def equivalent(left: Expression, right: Expression, *, max_states: int = MAX_STATES) -> Verdict:
    """Decide whether both have the same texts; the witness is in one of them alone."""
    return empty(either_alone(left, right), max_states=max_states)


def disjoint(left: Expression, right: Expression, *, max_states: int = MAX_STATES) -> Verdict:
    """Decide whether no text is in both; the witness is in both."""
    return empty(Intersection((left, right)), max_states=max_states)


def universal(whole: Expression, *, max_states: int = MAX_STATES) -> Verdict:
    """Decide whether every text is in the language; the witness is one that is not."""
    return empty(Complement(whole), max_states=max_states)

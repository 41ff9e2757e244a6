"""Counting, listing and drawing the texts of a language, by their number of tokens.

All three walk the paths of the product's states: the number of strings of n tokens that lead from a
state to acceptance is a sum over its successors (Hickey and Cohen, "Uniform random generation of
strings in a context-free language", SIAM J. Comput. 1983, here for a finite automaton).

What is told apart. There are more words than can be listed. A token that some grammar of the
expression names counts by itself; of the others, one stands for each class (letters, digits,
marks). A space run is one token. So `play {x:word}` has one text of three tokens by a word that is
not named, and one by `play`. Or the tokens are given: then the strings of just these are counted.
The one that stands for other digits is a short number of ASCII digits.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from artifacts.grammar.algebra.expressions import ASCII_TOTAL_KINDS, Expression, contains
from artifacts.grammar.algebra.product import Product, State, alphabet_for
from artifacts.grammar.algebra.questions import Undecided, beyond
from artifacts.grammar.algebra.search import MAX_STATES
from artifacts.grammar.algebra.symbols import Alphabet, Symbol, is_token, spellings
from artifacts.grammar.lexer import token_class
from artifacts.grammar.nfa import GrammarTooLarge
from artifacts.values import MAX_DIGITS

MAX_TOKENS = 500
"""The longest token strings that are counted, listed or drawn."""
MAX_REFUSED = 100
"""Token strings without a text that are gone through, between two texts that are listed."""

Draws = Callable[[int], int]
"""A number below the bound, any of them equally likely."""


class OverBudget(Exception):
    """More states than allowed; never leaves this module but as `Undecided`."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many token strings of each length have a text in the language, from 1 on.

    The two differ where kinds may refuse values: what is surely in, and what may be.
    """

    at_least: tuple[int, ...]
    at_most: tuple[int, ...]

    @property
    def is_exact(self) -> bool:
        """Whether no kind could change it."""
        return self.at_least == self.at_most


@dataclass(frozen=True, slots=True)
class Listing:
    """Texts in order. `is_complete` if these are all, up to the length that was asked for."""

    texts: tuple[str, ...]
    is_complete: bool
    why: str = ""


@dataclass(slots=True)
class Paths:
    """How many accepted strings of so many tokens go on from each state of a product."""

    product: Product
    weights: Sequence[int]
    max_states: int
    _layers: list[frozenset[State]] = field(default_factory=list)
    _next: dict[State, dict[State, int]] = field(default_factory=dict)
    _ways: dict[tuple[State, int], int] = field(default_factory=dict)

    def next(self, state: State) -> Mapping[State, int]:
        """Return the successors of a state with the number of tokens that lead there."""
        known = self._next.get(state)
        if known is None:
            if len(self._next) >= self.max_states:
                raise OverBudget
            known = self._next[state] = {}
            for after, weight in zip(self.product.row(state), self.weights, strict=True):
                if after is not None and weight:
                    known[after] = known.get(after, 0) + weight
        return known

    def of_length(self, length: int) -> int:
        """Return how many accepted strings have just so many tokens."""
        self._layers = self._layers or [frozenset({self.product.start})]
        while len(self._layers) <= length:
            self._layers.append(
                frozenset(a for state in self._layers[-1] for a in self.next(state))
            )
        for left in range(length + 1):
            for state in self._layers[length - left]:
                if (state, left) not in self._ways:
                    self._ways[state, left] = self._count(state, left)
        return self.ways(self.product.start, length)

    def _count(self, state: State, left: int) -> int:
        if left == 0:
            return int(self.product.accepts(state))
        ways = self._ways
        return sum(n * ways[after, left - 1] for after, n in self.next(state).items())

    def ways(self, state: State, left: int) -> int:
        """Return how many strings of so many tokens lead from a state, once it was counted."""
        return self._ways.get((state, left), 0)

    def are_over(self, length: int) -> bool:
        """Return whether no string is longer than this, once it was counted."""
        return len(self._layers) > length and not self._layers[length]


def count(
    whole: Expression,
    max_tokens: int,
    *,
    tokens: Sequence[str] | None = None,
    max_states: int = MAX_STATES,
) -> Count | Undecided:
    """Return how many token strings of 1 to `max_tokens` tokens have a text in the language.

    `tokens` are keys; without them, what the head of this module says is told apart.

    >>> from artifacts.grammar.algebra.expressions import Leaf
    >>> from artifacts.grammar.textform import parse_grammar
    >>> count(Leaf(parse_grammar("(very ){0,2}(slow|late)")), 6).at_least
    (2, 0, 2, 0, 2, 0)
    """
    if max_tokens > MAX_TOKENS:
        return Undecided(f"{max_tokens} tokens; the limit is {MAX_TOKENS}")
    try:
        alphabet = alphabet_for(whole)
        weights = _weights(alphabet, tokens)
        counted = alphabet.named if tokens is None else tokens
        trusted = ASCII_TOTAL_KINDS if all(map(_is_plain, counted)) else frozenset[str]()
        found: list[tuple[int, ...]] = []
        for from_above in (False, True):
            product = Product(whole, alphabet, from_above=from_above, trusted=trusted)
            paths = Paths(product, weights, max_states)
            found.append(tuple(paths.of_length(length + 1) for length in range(max_tokens)))
        return Count(*found)
    except OverBudget:
        return beyond(max_states)
    except GrammarTooLarge as error:
        return Undecided(str(error))


def _weights(alphabet: Alphabet, tokens: Sequence[str] | None) -> tuple[int, ...]:
    if tokens is None:
        return tuple(len(symbol.tokens) for symbol in alphabet.symbols)
    numbers = [0] * len(alphabet.symbols)
    for key in dict.fromkeys(tokens):
        if is_token(key):
            numbers[_symbol_of(alphabet, key)] += 1
    return tuple(numbers)


def _is_plain(key: str) -> bool:
    """Return whether no number is refused because of this token."""
    return token_class(key) != "digits" or (key.isascii() and len(key) < MAX_DIGITS // 2)


def _symbol_of(alphabet: Alphabet, key: str) -> int:
    return next(
        index
        for index, symbol in enumerate(alphabet.symbols)
        if key in symbol.keys
        or (key not in alphabet.named and symbol.fresh and symbol.group == token_class(key))
    )


def enumerate_texts(
    whole: Expression, limit: int, *, max_tokens: int = 60, max_states: int = MAX_STATES
) -> Listing | Undecided:
    """Return the first texts: fewer tokens first, then by their tokens in code point order.

    One text stands for each token string, see the head of this module. All are read by the matcher;
    strings of which no text is read are left out.
    """
    if max_tokens > MAX_TOKENS:
        return Undecided(f"{max_tokens} tokens; the limit is {MAX_TOKENS}")
    texts: list[str] = []
    try:
        alphabet = alphabet_for(whole)
        product = Product(whole, alphabet, from_above=True)
        paths = Paths(product, _weights(alphabet, None), max_states)
        refused = 0
        for length in range(1, max_tokens + 1):
            if not paths.of_length(length):
                if paths.are_over(length):
                    return Listing(tuple(texts), True)
                continue
            for string in _in_order(paths, alphabet, length):
                text = next((t for t in spellings(string) if contains(whole, t)), None)
                if text is None:
                    refused += 1
                    if refused > MAX_REFUSED:
                        why = f"{refused} token strings in a row have no text that is read"
                        return Listing(tuple(texts), False, why)
                    continue
                refused = 0
                if len(texts) == limit:
                    return Listing(tuple(texts), False, f"there are more than {limit}")
                texts.append(text)
    except OverBudget:
        if texts:
            return Listing(tuple(texts), False, beyond(max_states).why)
        return beyond(max_states)
    except GrammarTooLarge as error:
        return Undecided(str(error))
    return Listing(tuple(texts), False, f"there may be some of more than {max_tokens} tokens")


def _in_order(paths: Paths, alphabet: Alphabet, length: int) -> Iterator[list[Symbol]]:
    """Yield the accepted strings of a length in order, each symbol with one token."""
    singles = sorted(
        (token, index) for index, symbol in enumerate(alphabet.symbols) for token in symbol.tokens
    )
    ones = [(_single(alphabet.symbols[index], token), index) for token, index in singles]
    string: list[Symbol] = []
    pending = [(iter(ones), paths.product.start)]
    while pending:
        choices, state = pending[-1]
        step = next(choices, None)
        if step is None:
            pending.pop()
            if string:
                string.pop()
            continue
        symbol, index = step
        after = paths.product.row(state)[index]
        left = length - len(string) - 1
        if after is None or not paths.ways(after, left):
            continue
        if left:
            string.append(symbol)
            pending.append((iter(ones), after))
        else:
            yield [*string, symbol]


def _single(symbol: Symbol, token: str) -> Symbol:
    """Return the part of a symbol that is one named token, or all of the unnamed."""
    if token in symbol.keys:
        return Symbol(symbol.group, (token,), (), symbol.masks)
    return Symbol(symbol.group, (), symbol.fresh, symbol.masks)


def sample(
    whole: Expression,
    number: int,
    draws: Draws,
    *,
    max_tokens: int = 24,
    max_states: int = MAX_STATES,
) -> Listing | Undecided:
    """Draw texts: a length that has any, each as likely, then a token string of that length.

    The token strings of one length are equally likely, as far as they are told apart; an unnamed
    token is then drawn from a few of its class. Texts that are not read are drawn anew.

    >>> from artifacts.grammar.algebra.expressions import Leaf
    >>> from artifacts.grammar.textform import parse_grammar
    >>> sample(Leaf(parse_grammar("(very ){0,2}(slow|late)")), 3, seeded("7")).texts
    ('very very late', 'very slow', 'very very slow')
    """
    if max_tokens > MAX_TOKENS:
        return Undecided(f"{max_tokens} tokens; the limit is {MAX_TOKENS}")
    try:
        alphabet = alphabet_for(whole)
        product = Product(whole, alphabet, from_above=True)
        paths = Paths(product, _weights(alphabet, None), max_states)
        lengths = [length for length in range(1, max_tokens + 1) if paths.of_length(length)]
        texts: list[str] = []
        refused = 0
        while lengths and len(texts) < number:
            text = _drawn(whole, paths, alphabet, lengths[draws(len(lengths))], draws)
            if text is not None:
                texts.append(text)
                refused = 0
                continue
            refused += 1
            if refused > MAX_REFUSED:
                why = f"{refused} token strings in a row have no text that is read"
                return Listing(tuple(texts), False, why)
        return Listing(tuple(texts), len(texts) == number, "" if lengths else "there is no text")
    except OverBudget:
        return beyond(max_states)
    except GrammarTooLarge as error:
        return Undecided(str(error))


def _drawn(
    whole: Expression, paths: Paths, alphabet: Alphabet, length: int, draws: Draws
) -> str | None:
    state = paths.product.start
    string: list[Symbol] = []
    tokens: list[str] = []
    for left in range(length - 1, -1, -1):
        at = draws(paths.ways(state, left + 1))
        for index, after in enumerate(paths.product.row(state)):
            if after is None:
                continue
            ways = paths.ways(after, left)
            held = ways * paths.weights[index]
            if at < held:
                symbol = alphabet.symbols[index]
                token = symbol.tokens[at // ways]
                one = _single(symbol, token)
                string.append(one)
                pool = one.keys or one.fresh[: max(1, len(one.fresh) - 1)]
                tokens.append(pool[draws(len(pool))])
                state = after
                break
            at -= held
    text = "".join(tokens)
    if contains(whole, text):
        return text
    return next((t for t in spellings(string) if contains(whole, t)), None)


def seeded(seed: str) -> Draws:
    """Return draws that depend on the seed alone: SHA-256 of "seed|number of the draw"."""
    drawn = 0

    def draw(bound: int) -> int:
        nonlocal drawn
        drawn += 1
        size = (bound.bit_length() + 255) // 256 + 1
        blocks = (hashlib.sha256(f"{seed}|{drawn}|{n}".encode()).digest() for n in range(size))
        return int.from_bytes(b"".join(blocks), "big") % bound

    return draw

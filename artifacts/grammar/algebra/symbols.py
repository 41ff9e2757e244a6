"""Symbols: what the token grammars involved tell apart, and texts made of them.

A token that one of them names is known by its key, any other by its class alone; keys that all of
them treat alike are one symbol (a minterm; D'Antoni and Veanes, "Minimization of symbolic
automata", POPL 2014). So there are few symbols, and every token of Unicode belongs to one.

The universe is the token strings of texts. Not every string of tokens is one: two letter runs that
meet are one token, as are two digit runs and two space runs; the ends of a text are trimmed; a
combining mark belongs to the letter or mark before it. Texts with a combining iota (U+0345) that
follows no letter are left out: it folds to a letter, and with it two letter runs can meet.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from typing import Literal, get_args

from artifacts.grammar.lexer import TokenClass, Tokens, lex, literal_keys, token_class
from artifacts.grammar.nfa import Nfa

Group = Literal["letters", "digits", "mark", "space", "combining"]
"""Classes as far as they decide what may follow what; a token that is a bare combining mark."""

SAMPLES: dict[TokenClass, tuple[str, ...]] = {
    "letters": ("alpha", "bravo", "kilo", "lima", "oscar", "romeo", "tango", "élan", "東京", "мир"),
    "digits": ("7", "12", "2027", "05", "31", "86", "404", "٣"),
    "mark": ("~", "§", "+", "•", "¤", "→", "☃", "🙂"),
    "space": (" ",),
}
"""Tokens that stand for a class, where no grammar names them; the last of the digits is one that
numbers refuse."""
_MEETING: frozenset[tuple[Group, Group]] = frozenset(
    {
        ("letters", "letters"),
        ("digits", "digits"),
        ("space", "space"),
        ("letters", "combining"),
        ("mark", "combining"),
        ("combining", "combining"),
    }
)
MAX_SPELLINGS = 64
"""Texts that are tried for one token string."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """Tokens that all automata involved treat alike: named keys, and the unnamed of a class.

    `keys` are sorted; `fresh` are tokens that stand for the unnamed ones, if those belong to it.
    """

    group: Group
    keys: tuple[str, ...]
    fresh: tuple[str, ...]
    masks: tuple[int, ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens that are told apart when strings are counted or listed, sorted."""
        return tuple(sorted((*self.keys, *self.fresh[:1])))


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The symbols of some automata, in the order of their first tokens."""

    symbols: tuple[Symbol, ...]
    named: frozenset[str]
    nfas: tuple[Nfa, ...]

    def masks(self, nfa: Nfa) -> tuple[int, ...]:
        """Return the positions of an automaton that accept each symbol."""
        at = next(index for index, known in enumerate(self.nfas) if known is nfa)
        return tuple(symbol.masks[at] for symbol in self.symbols)


def alphabet_of(nfas: Sequence[Nfa]) -> Alphabet:
    """Return the symbols that tell apart all that the automata do.

    >>> from artifacts.grammar.nfa import compile_nfa
    >>> from artifacts.grammar.textform import parse_grammar
    >>> found = alphabet_of([compile_nfa(parse_grammar("(add|put) {what:word}"))])
    >>> [symbol.tokens for symbol in found.symbols if symbol.group == "letters"]
    [('add',), ('alpha',), ('put',)]
    """
    named = frozenset(key for nfa in nfas for key in nfa.by_key) | {" "}
    keys: dict[tuple[Group, tuple[int, ...]], list[str]] = {}
    fresh: dict[tuple[Group, tuple[int, ...]], tuple[str, ...]] = {}
    for key in sorted(named):
        if is_token(key):
            vector = tuple(nfa.mask(key) for nfa in nfas)
            keys.setdefault((group_of(key), vector), []).append(key)
    for cls in get_args(TokenClass):
        if cls != "space":
            vector = tuple(nfa.by_class.get(cls, 0) for nfa in nfas)
            fresh[cls, vector] = fresh_tokens(cls, named)
    symbols = [
        Symbol(at[0], tuple(keys.get(at, ())), fresh.get(at, ()), at[1])
        for at in dict.fromkeys((*keys, *fresh))
    ]
    return Alphabet(tuple(sorted(symbols, key=_first_token)), named, tuple(nfas))


def _first_token(symbol: Symbol) -> str:
    return symbol.tokens[0]


@cache
def is_token(key: str) -> bool:
    """Return whether some text has a token of this key. All that names tokens names keys."""
    return literal_keys(key) == (key,) and (key == " " or isinstance(lex(key), Tokens))


@cache
def group_of(key: str) -> Group:
    """Return what decides which tokens may stand beside a token of this key."""
    if token_class(key) == "mark" and literal_keys(f"={key}") != ("=", key):
        return "combining"
    return token_class(key)


def joins(before: Group | None, after: Group) -> bool:
    """Return whether a token may follow another, or, after None, begin a text."""
    if before is None:
        return after != "space"
    return (before, after) not in _MEETING


def is_token_string(keys: Sequence[str]) -> bool:
    """Return whether the keys are those of some text.

    >>> is_token_string(("a", "-", "b")), is_token_string(("a", "b")), is_token_string(("a", " "))
    (True, False, False)
    """
    before: Group | None = None
    for key in keys:
        after = group_of(key)
        if not (is_token(key) and joins(before, after)):
            return False
        before = after
    return before not in (None, "space")


def fresh_tokens(cls: TokenClass, named: frozenset[str]) -> tuple[str, ...]:
    """Return tokens of the class that nobody names: those of the table, else made ones."""
    found = tuple(key for key in SAMPLES[cls] if key not in named)
    return found or tuple(islice((key for key in _made(cls) if key not in named), 1))


def _made(cls: TokenClass) -> Iterator[str]:
    """Yield ever more tokens of a class; of marks, there are only so many."""
    match cls:
        case "letters":
            for length in range(2, 8):
                for letters in product("abcdefghijklmnopqrstuvwxyz", repeat=length):
                    yield "".join(letters)
        case "digits":
            yield from map(str, range(1, 10**7))
        case "mark":
            codes = (*range(0x2190, 0x2500), *range(0x2800, 0x2900), *range(0x1F300, 0x1F5FF))
            yield from (key for key in map(chr, codes) if is_token(key))
        case "space":
            yield " "


def spellings(symbols: Iterable[Symbol]) -> Iterator[str]:
    """Yield texts of a token string, at most `MAX_SPELLINGS`: kinds may refuse some of them.

    First every symbol by the same token wherever it occurs, then others, each place by itself.
    """
    string = list(symbols)
    first = tuple(_choices(symbol)[0] for symbol in string)
    yield "".join(first)
    spread = product(*(_choices(symbol) for symbol in reversed(string)))
    for others in islice(spread, 1, MAX_SPELLINGS):
        yield "".join(reversed(others))


def _choices(symbol: Symbol) -> tuple[str, ...]:
    if symbol.keys and not symbol.fresh:
        return symbol.keys[:24]
    return (*symbol.fresh, *symbol.keys[:2])

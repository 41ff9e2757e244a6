"""Expressions: languages of texts made from grammars, and what it means that a text is in one.

A language is a set of texts that are not empty; complement is relative to all of these. Whether a
text is in a grammar's language is what the matcher says: some way in which the token grammar
accepts it gives every slot a value that its kind takes.
"""

from dataclasses import dataclass
from functools import lru_cache

from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.nfa import Nfa, TooManyReadings, compile_nfa, readings
from artifacts.grammar.positions import bits
from artifacts.grammar.syntax import Grammar, Node, Restricted, Slot

TOTAL_KINDS = frozenset({"enumeration", "phrase", "quoted", "word"})
"""Kinds that take whatever their token grammar accepts; a property test holds them to it."""
ASCII_TOTAL_KINDS = frozenset({"decimal", "integer", "percent"})
"""Kinds that do so where all digits are of ASCII and no number is long; held to it, too."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """The texts of a grammar without restrictions."""

    tree: Node


@dataclass(frozen=True, slots=True)
class Union:
    """The texts in any part; in none, without parts."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Intersection:
    """The texts in every part; all, without parts."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Complement:
    """The texts that are not in `part`, the empty one apart."""

    part: "Expression"


@dataclass(frozen=True, slots=True)
class Concatenation:
    """The texts of a token string of `left` and one of `right`, with a blank between if `blank`.

    The empty text takes part on either side where it is in a grammar without restrictions, and
    then without the blank. Two letter runs, or two digit runs, that would meet make no such text.
    For two grammars without restrictions, `trees.concatenation` says it as a grammar.
    """

    left: "Expression"
    right: "Expression"
    blank: bool


Expression = Leaf | Union | Intersection | Complement | Concatenation


def expression(grammar: Grammar) -> Expression:
    """Return a grammar as an expression: its restrictions are intersections and differences."""
    if not isinstance(grammar, Restricted):
        return Leaf(grammar)
    part, by = expression(grammar.part), expression(grammar.by)
    return Intersection((part, by)) if grammar.keep else difference(part, by)


def difference(left: Expression, right: Expression) -> Expression:
    """Return the texts of `left` that are not in `right`."""
    return Intersection((left, Complement(right)))


def either_alone(left: Expression, right: Expression) -> Expression:
    """Return the texts in exactly one of the two."""
    return Union((difference(left, right), difference(right, left)))


@lru_cache(maxsize=256)
def automaton(tree: Node) -> Nfa:
    """Return the automaton of a grammar without restrictions; raise GrammarTooLarge."""
    return compile_nfa(tree)


def contains(whole: Expression, text: str) -> bool | None:
    """Return whether the matcher puts the text in the language; None where it can't tell.

    It can't where a text has too many readings to look at.
    """
    tokens = lex(text)
    return _contains(whole, tokens) if isinstance(tokens, Tokens) and tokens.words else False


def _contains(part: Expression, tokens: Tokens) -> bool | None:
    match part:
        case Leaf(tree):
            nfa = automaton(tree)
            found = readings(nfa, tokens)
            if isinstance(found, TooManyReadings):
                return True if _surely_reads(nfa, tokens) else None
            return bool(found)
        case Complement(inner):
            inside = _contains(inner, tokens)
            return None if inside is None else not inside
        case Intersection(parts):
            seen = [_contains(inner, tokens) for inner in parts]
            return False if False in seen else None if None in seen else True
        case Union(parts):
            seen = [_contains(inner, tokens) for inner in parts]
            return True if True in seen else None if None in seen else False
        case Concatenation():
            return _concatenated(part, tokens)


def refusing(nfa: Nfa, trusted: frozenset[str] = frozenset()) -> int:
    """Return the positions inside slots whose kinds may refuse what their token grammar accepts.

    `trusted` are kinds that do not, for some other reason.
    """
    return sum(
        1 << position
        for position, occurrence in enumerate(nfa.occurrence)
        if occurrence >= 0
        and nfa.slots[occurrence].kind not in trusted
        and may_refuse(nfa.slots[occurrence])
    )


def may_refuse(slot: Slot) -> bool:
    """Return whether the kind of a slot may refuse what its token grammar accepts."""
    return slot.kind not in TOTAL_KINDS or slot.phrase is not None


def _surely_reads(nfa: Nfa, tokens: Tokens) -> bool:
    """Return whether a way without any slot that may refuse accepts a text."""
    reachable, refused, state = nfa.first, refusing(nfa), 0
    for key in tokens.keys:
        state = reachable & nfa.mask(key) & ~refused
        reachable = 0
        for position in bits(state):
            reachable |= nfa.follow[position]
    return bool(state & nfa.last)


def _concatenated(part: Concatenation, tokens: Tokens) -> bool | None:
    text, at, keys = tokens.text, tokens.offsets(), tokens.keys
    seen: list[bool | None] = []
    for cut in range(len(keys) + 1):
        after = cut
        if 0 < cut < len(keys):
            if part.blank and keys[cut] != " ":
                continue
            after = cut + 1 if part.blank else cut
            if keys[cut - 1] == " " or keys[after] == " ":
                continue
        left, right = text[at[0] : at[cut]], text[at[after] : at[-1]]
        seen.append(_both(_reads(part.left, left), _reads(part.right, right)))
    return True if True in seen else None if None in seen else False


def _both(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _reads(part: Expression, text: str) -> bool | None:
    return contains(part, text) if text else takes_nothing(part)


def takes_nothing(part: Expression) -> bool:
    """Return whether the empty text may take part in a concatenation on behalf of `part`."""
    match part:
        case Leaf(tree):
            return automaton(tree).nullable
        case Union(parts):
            return any(map(takes_nothing, parts))
        case Intersection(parts):
            return bool(parts) and all(map(takes_nothing, parts))
        case Complement():
            return False
        case Concatenation(left, right, _):
            return takes_nothing(left) and takes_nothing(right)

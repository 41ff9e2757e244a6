"""Operations whose result is a grammar again, with slots: what people read and families are of.

Union and concatenation join slots, so they refuse where one name would mean two things.
Intersection and difference keep the slots of their left side: `(A){only B}`, `(A){except B}`.
There is no complement: a grammar that claims every other text would have no slot and no end. Take
the difference from a grammar that bounds it.
"""

from collections.abc import Callable
from typing import TypeVar

from artifacts.grammar.nfa import GrammarTooLarge
from artifacts.grammar.restricted import compile_grammar
from artifacts.grammar.syntax import (
    MAX_RESTRICTIONS,
    Grammar,
    Literal,
    Node,
    Restricted,
    alternatives,
    core,
    phrase_conflicts,
    sequence,
    slot_conflicts,
)
from artifacts.problems import Problem


def union(*grammars: Grammar) -> Node | Problem:
    """Return the grammar of all texts of the given ones, or why there is none.

    >>> from artifacts.grammar.textform import parse_grammar, print_grammar
    >>> print_grammar(union(parse_grammar("open {x:word}"), parse_grammar("shut {x:word}")))
    'open {x:word}|shut {x:word}'
    >>> print(union(parse_grammar("in {n:integer}"), parse_grammar("in {n:word}")))
    slot-conflict at union: slot 'n' is bound twice, or has two kinds
    """
    return _plain("union", grammars, alternatives)


def concatenation(*grammars: Grammar, blank: bool = False) -> Node | Problem:
    """Return the grammar of one text after the other, joined as parts of one grammar are.

    With `blank`, one stands between them; else where a grammar has one at its end: `(turn on )`.
    """
    space = (Literal((" ",)),) if blank else ()
    parts = [part for grammar in grammars for part in (*space, grammar)]
    return _plain("concatenation", tuple(parts[len(space) :]), sequence)


def intersection(grammar: Grammar, *others: Grammar) -> Grammar | Problem:
    """Return the grammar of the texts that all read, with the slots of the first."""
    return _restricted("intersection", grammar, others, keep=True)


def difference(grammar: Grammar, *others: Grammar) -> Grammar | Problem:
    """Return the grammar of the texts of the first that no other reads, with its slots."""
    return _restricted("difference", grammar, others, keep=False)


def _plain(what: str, grammars: tuple[Grammar, ...], make: Callable[..., Node]) -> Node | Problem:
    trees = [core(grammar) for grammar in grammars]
    if any(isinstance(grammar, Restricted) for grammar in grammars):
        message = "a grammar with a restriction ({except …}, {only …}) cannot be part of another"
        return Problem("bad-document", what, message)
    whole = make(*trees)
    conflicts = ", ".join(sorted({repr(name) for name in slot_conflicts(whole)}))
    if conflicts:
        message = f"slot {conflicts} is bound twice, or has two kinds"
        return Problem("slot-conflict", what, message)
    return _fitting(what, whole)


def _restricted(
    what: str, grammar: Grammar, others: tuple[Grammar, ...], *, keep: bool
) -> Grammar | Problem:
    if len(others) > MAX_RESTRICTIONS:
        message = f"{len(others)} restrictions; the limit is {MAX_RESTRICTIONS}"
        return Problem("grammar-too-large", what, message)
    whole = grammar
    for other in others:
        whole = Restricted(whole, other, keep)
    return _fitting(what, whole)


T = TypeVar("T", bound=Grammar)


def _fitting(what: str, whole: T) -> T | Problem:
    names = phrase_conflicts(whole)
    if names:
        return Problem("slot-conflict", what, f"phrase {names[0]!r} has two definitions")
    try:
        compile_grammar(whole)
    except GrammarTooLarge as error:
        return Problem("grammar-too-large", what, str(error))
    return whole

"""Operations whose result is a grammar again, with slots: what people read and families are of.

Union and concatenation join slots, so they refuse where one name would mean two things.
Intersection and difference keep the slots of their left side: `(A){only B}`, `(A){except B}`.
There is no complement: a grammar that claims every other text would have no slot and no end. Take
the difference from a grammar that bounds it.
"""

from collections.abc import Callable
from typing import TypeVar

from artifacts.grammar.algebra.expressions import automaton
from artifacts.grammar.nfa import GrammarTooLarge
from artifacts.grammar.syntax import (
    MAX_NESTING,
    Grammar,
    Node,
    Restricted,
    alternatives,
    core,
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


def concatenation(*grammars: Grammar) -> Node | Problem:
    """Return the grammar of one text after the other, joined as parts of one grammar are.

    A blank between them is at an end of one of the grammars: `(turn on )` and `{what:word}`.
    """
    return _plain("concatenation", grammars, sequence)


def intersection(grammar: Grammar, *others: Grammar) -> Grammar | Problem:
    """Return the grammar of the texts that all read, with the slots of the first."""
    return _restricted("intersection", grammar, others, keep=True)


def difference(grammar: Grammar, *others: Grammar) -> Grammar | Problem:
    """Return the grammar of the texts of the first that no other reads, with its slots."""
    return _restricted("difference", grammar, others, keep=False)


def _plain(what: str, grammars: tuple[Grammar, ...], make: Callable[..., Node]) -> Node | Problem:
    trees = [core(grammar) for grammar in grammars]
    if any(tree is not grammar for tree, grammar in zip(trees, grammars, strict=True)):
        message = "a restriction ({except …}, {only …}) is outermost; it cannot be a part"
        return Problem("bad-document", what, message)
    whole = make(*trees)
    conflicts = sorted(set(slot_conflicts(whole)))
    if conflicts:
        named = ", ".join(map(repr, conflicts))
        message = f"slot {named} is bound twice, or has two kinds"
        return Problem("slot-conflict", what, message)
    return _fitting(what, whole, whole)


def _restricted(
    what: str, grammar: Grammar, others: tuple[Grammar, ...], *, keep: bool
) -> Grammar | Problem:
    whole = grammar
    for other in others:
        whole = Restricted(whole, other, keep)
    if _levels(whole) > MAX_NESTING:
        message = f"restrictions are nested deeper than the limit of {MAX_NESTING}"
        return Problem("grammar-too-large", what, message)
    return _fitting(what, whole, core(whole))


def _levels(grammar: Grammar) -> int:
    levels = 0
    inside = [grammar]
    while inside:
        levels += 1
        restricted = [part for part in inside if isinstance(part, Restricted)]
        inside = [side for part in restricted for side in (part.part, part.by)]
    return levels - 1


T = TypeVar("T", bound=Grammar)


def _fitting(what: str, whole: T, tree: Node) -> T | Problem:
    try:
        automaton(tree)
    except GrammarTooLarge as error:
        return Problem("grammar-too-large", what, str(error))
    return whole

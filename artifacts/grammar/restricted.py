"""Reading grammars with restrictions: one automaton more that is asked about the same text.

    (A){only B}{except C}  →  readings of A, if B has one and C has none

A product of the automata would say the same of tokens alone; what a grammar reads is also decided
by its kinds' parsers, and `by` means the texts that it reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from artifacts.grammar.lexer import Tokens
from artifacts.grammar.limits import grammar_fault
from artifacts.grammar.nfa import (
    MAX_POSITIONS,
    Assignment,
    Bindings,
    GrammarTooLarge,
    Nfa,
    TooManyReadings,
    accepts,
    assignments,
    bound,
    compile_nfa,
)
from artifacts.grammar.positions import positions
from artifacts.grammar.syntax import (
    MAX_NESTING,
    MAX_RESTRICTIONS,
    Grammar,
    Restricted,
    core,
    restrictions,
)


@dataclass(frozen=True, slots=True)
class Restriction:
    """What a text must be read by (`keep`), or must not be."""

    by: "Reader"
    keep: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """A grammar ready to be read: the automaton that binds, and what restricts it."""

    nfa: Nfa
    restrictions: tuple[Restriction, ...] = ()

    def names(self) -> set[str]:
        """Return the keys that any of its automata names."""
        return set(self.nfa.by_key).union(*(r.by.names() for r in self.restrictions))


def size_fault(grammar: Grammar) -> str | None:
    """Return which limit the automata of a grammar would pass, if any; none is made."""
    fault = grammar_fault(grammar)
    if fault is not None:
        return fault[1]
    count, depth = restrictions(grammar)
    if count > MAX_RESTRICTIONS:
        return f"the grammar has {count} restrictions; the limit is {MAX_RESTRICTIONS}"
    if depth > MAX_NESTING:
        return f"restrictions are nested {depth} deep; the limit is {MAX_NESTING}"
    if (states := _positions(grammar)) > MAX_POSITIONS:
        return f"the grammar needs {states} positions; the limit is {MAX_POSITIONS}"
    return None


def compile_grammar(grammar: Grammar) -> Reader:
    """Return what reads a grammar; raise GrammarTooLarge beyond a limit."""
    fault = size_fault(grammar)
    if fault is not None:
        raise GrammarTooLarge(fault)
    return _compiled(grammar)


def _compiled(grammar: Grammar) -> Reader:
    found: list[Restriction] = []
    part = grammar
    while isinstance(part, Restricted):
        found.append(Restriction(_compiled(part.by), part.keep))
        part = part.part
    return Reader(compile_nfa(core(grammar)), tuple(reversed(found)))


def _positions(grammar: Grammar) -> int:
    count = 0
    while isinstance(grammar, Restricted):
        count += _positions(grammar.by)
        grammar = grammar.part
    return count + positions(grammar)


def read(reader: Reader, tokens: Tokens) -> tuple[Bindings, ...] | TooManyReadings:
    """Return every reading of the text, in a fixed order; none where a restriction forbids it."""
    return read_ways(reader.nfa, assignments(reader.nfa, tokens.keys), reader.restrictions, tokens)


def read_ways(
    nfa: Nfa,
    ways: tuple[Assignment, ...] | TooManyReadings,
    asked: Sequence[Restriction],
    tokens: Tokens,
) -> tuple[Bindings, ...] | TooManyReadings:
    """Return the readings among the ways in which a text is accepted, under these restrictions."""
    if isinstance(ways, tuple):
        if not ways:
            return ()
        found = bound(nfa, ways, tokens)
        if not found:
            return ()
    else:
        found = ways
    told = True
    for restriction in asked:
        by = read(restriction.by, tokens)
        if isinstance(by, TooManyReadings):
            told = False
        elif bool(by) != restriction.keep:
            return ()
    return found if told else TooManyReadings()


def asked_of(reader: Reader, tokens: Tokens) -> tuple[Restriction, ...] | None:
    """Return the restrictions that texts of this shape must be asked; None where all are refused.

    Automata see keys and classes alone: what they do not accept they do not read, whatever the
    values are.
    """
    asked: list[Restriction] = []
    for restriction in reader.restrictions:
        if accepts(restriction.by.nfa, tokens):
            asked.append(restriction)
        elif restriction.keep:
            return None
    return tuple(asked)

"""Runs of texts through grammars, as the automata find them: what proofs are made of."""

from collections.abc import Sequence

from artifacts.grammar.lexer import lex
from artifacts.grammar.nfa import TooManyReadings, readings
from artifacts.grammar.syntax import Grammar, Node, Restricted
from artifacts.learning.grammars.language import automaton, reachable_from
from artifacts.learning.grammars.proofs import Accepts, Dies, Proof, Run, Within


def run(grammar: Grammar, text: str) -> Run | TooManyReadings:
    """Return the run of a text; none is chosen of more readings than are counted."""
    if not isinstance(grammar, Restricted):
        return _core_run(grammar, text)
    part = run(grammar.part, text)
    if isinstance(part, TooManyReadings):
        return part
    if not accepts(grammar.part, part):
        return Within(part, None)
    by = run(grammar.by, text)
    return by if isinstance(by, TooManyReadings) else Within(part, by)


def accepts(grammar: Grammar, found: Run) -> bool:
    """Return whether the run ends with the text read."""
    if isinstance(grammar, Restricted) and isinstance(found, Within):
        return found.by is not None and accepts(grammar.by, found.by) == grammar.keep
    return isinstance(found, Accepts)


def _core_run(node: Node, text: str) -> Run | TooManyReadings:
    tokens = lex(text)
    if isinstance(tokens, str):
        return Dies(text, 0, "unlexable")
    nfa = automaton(node)
    found = readings(nfa, tokens)
    if isinstance(found, TooManyReadings):
        return found
    if found:
        spans = tuple((bound.slot, bound.start, bound.end) for bound in found[0].values())
        return Accepts(text, spans)
    reachable = nfa.first
    state = 0
    for reached, key in enumerate(tokens.keys):
        state = reachable & nfa.mask(key)
        if not state:
            return Dies(text, reached, "stuck")
        reachable = reachable_from(nfa, state)
    return Dies(text, len(tokens.keys), "refused" if state & nfa.last else "short")


def proof(grammar: Grammar, accepted: Sequence[str], rejected: Sequence[str]) -> Proof | None:
    """Return the runs of all texts, or None unless they end as they should."""
    kept = [run(grammar, text) for text in accepted]
    dead = [run(grammar, text) for text in rejected]
    if any(isinstance(r, TooManyReadings) or not accepts(grammar, r) for r in kept):
        return None
    if any(isinstance(r, TooManyReadings) or accepts(grammar, r) for r in dead):
        return None
    return Proof(
        tuple(r for r in kept if not isinstance(r, TooManyReadings)),
        tuple(r for r in dead if not isinstance(r, TooManyReadings)),
    )

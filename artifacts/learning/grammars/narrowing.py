"""Narrowing: readable changes of a grammar that keep the accepted texts and exclude the rejected.

    readings of the texts ──► changes of one slot ──► alone, or one after the other ──► proven
                              (changes: kind, values,    (else a grammar learned
                               excluded tokens)           from them is excepted)

The algebra could give the largest grammar that does it, but nobody could read it: the difference of
two small automata, written as an expression again, took 1,700 to 4,500 characters. So the tree
stays what it is, and a change says what is restricted. Finite exceptions are always possible when
no rejected text has the tokens of an accepted one; they teach nothing and stand last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from artifacts.grammar.lexer import literal_keys, normalize
from artifacts.grammar.nfa import GrammarTooLarge
from artifacts.grammar.syntax import Grammar, Literal, Node, Restricted, alternatives
from artifacts.grammar.textform import print_grammar
from artifacts.learning.grammars.changes import (
    CHANGE_BITS,
    Change,
    changed,
    combined,
    considered_changes,
    fits,
)
from artifacts.learning.grammars.choice import text_bits
from artifacts.learning.grammars.language import reads_text, share_taken
from artifacts.learning.grammars.proofs import Proof, checked
from artifacts.learning.grammars.runs import proof
from artifacts.learning.grammars.union import learn

_SAME_SHARE = 0.01
"""Shares closer than this count as one: then the shorter change is better."""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A narrower grammar, and what it takes.

    `share` is the counted share of the texts of the grammar that are taken away, or None where it
    could not be told; `bits` is the description length of the change; `proof` was checked.
    """

    value: Grammar
    changes: tuple[str, ...]
    share: float | None
    bits: float
    proof: Proof
    is_finite: bool
    """Whether single texts are listed, so that nothing is said of any other."""
    considered: int = 1
    """How many narrowings were looked at, this one and those that were dropped included."""


def narrowings(
    grammar: Grammar, accepted: Sequence[str], rejected: Sequence[str]
) -> list[Narrowing]:
    """Return proven changes of `grammar` that keep `accepted` and exclude `rejected`, best first.

    Ordered by the share of the language that they take away, in hundredths, then by description
    length; exceptions of single texts come last. There is always one when the grammar reads all
    accepted texts, unambiguously enough to be shown, and no rejected text has the same tokens as an
    accepted one; else the list is empty.
    """
    kept = {normalize(text) for text in accepted}
    if any(normalize(text) in kept for text in rejected):
        return []
    inside = [text for text in rejected if reads_text(grammar, text)]
    if not inside:
        whole = _proven(grammar, grammar, (), 0.0, accepted, rejected, finite=False)
        return [whole] if whole else []
    longest = max((len(literal_keys(text)) for text in (*accepted, *inside)), default=0)
    found: list[Narrowing] = []
    changes = list(considered_changes(grammar, accepted, inside))
    fitting = [change for change in changes if fits(grammar, change, accepted, inside)]
    candidates = list(_candidates(grammar, fitting, accepted, inside))
    considered = len(changes) - len(fitting) + len(candidates)
    for value, told, bits, finite in candidates:
        made = _proven(grammar, value, told, bits, accepted, rejected, finite, longest)
        if made is not None and all(made.value != other.value for other in found):
            found.append(replace(made, considered=considered))
    return sorted(found, key=_rank)


def _rank(narrowing: Narrowing) -> tuple[bool, int, float]:
    share = 1.0 if narrowing.share is None else narrowing.share
    return narrowing.is_finite, round(share / _SAME_SHARE), narrowing.bits


def _proven(
    grammar: Grammar,
    value: Grammar,
    changes: tuple[str, ...],
    bits: float,
    accepted: Sequence[str],
    rejected: Sequence[str],
    finite: bool,
    longest: int = 0,
) -> Narrowing | None:
    try:
        made = proof(value, accepted, rejected)
        if made is None or not checked(value, made):
            return None
        share = share_taken(grammar, value, longest) if changes else 0.0
    except GrammarTooLarge:
        return None
    return Narrowing(value, changes, share, bits, made, finite)


_Candidate = tuple[Grammar, tuple[str, ...], float, bool]


def _candidates(
    grammar: Grammar, changes: Sequence[Change], accepted: Sequence[str], inside: Sequence[str]
) -> Iterator[_Candidate]:
    for change in changes:
        yield changed(grammar, [change]), (str(change),), change.bits, False
    open_changes = [change for change in changes if not change.by.values]
    for usable in (open_changes, list(changes)):
        value, chosen, rest = combined(grammar, usable, inside)
        if not chosen:
            continue
        told = tuple(map(str, chosen))
        bits = sum(change.bits for change in chosen)
        yield _except_texts(value, rest), (*told, *map(_told, rest)), bits + _bits(rest), bool(rest)
    learned = learn(inside, accepted)
    generalizes = len(learned.phrasings) < len({normalize(text) for text in inside})
    if learned.grammar is not None and not learned.left_out and generalizes:
        bits = CHANGE_BITS + sum(phrasing.bits for phrasing in learned.phrasings)
        told = tuple(f"except {print_grammar(p.grammar)}" for p in learned.phrasings)
        yield except_(grammar, learned.grammar), told, bits, False
    yield _except_texts(grammar, inside), tuple(map(_told, inside)), _bits(inside), True


def _told(text: str) -> str:
    return f"except {normalize(text)!r}"


def _bits(texts: Sequence[str]) -> float:
    return sum(CHANGE_BITS + text_bits(text) for text in texts)


def _except_texts(grammar: Grammar, texts: Sequence[str]) -> Grammar:
    keys = sorted({literal_keys(normalize(text)) for text in texts})
    return except_(grammar, alternatives(*map(Literal, keys))) if keys else grammar


def except_(grammar: Grammar, node: Node) -> Grammar:
    """Return the difference; one that is a difference already takes the node away as well."""
    if not isinstance(grammar, Restricted) or grammar.keep or isinstance(grammar.by, Restricted):
        return Restricted(grammar, node, False)
    return Restricted(grammar.part, alternatives(grammar.by, node), False)

"""Evidence: a fold of comparisons, bits earned, and anytime-valid bounds per family version.

Recomputing a Clopper–Pearson bound after each comparison is wrong in 20–32 % of runs at a nominal
5 %; the e-process below stays valid however often one looks (Waudby-Smith & Ramdas,
arXiv 2010.09686; Ville's inequality). Strata are never pooled: shadow comparisons say how well a
candidate would have done, audits say how the served answers did.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from immutables import Map

from artifacts.policy import Policy
from artifacts.values import Json, canonical_json

_BETS = (0.05, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.88, 0.94)
_ZERO_ERROR_SHARE = 0.5
_TRUTHS = frozenset({"yes", "no", "true", "false"})
_MAX_VALUES = 16
_MAX_SAMPLES = 4096


def answer_bits(answer: Json) -> float:
    """Return −log₂ P₀ of an answer under the fixed baseline: by its form and length alone.

    Yes or no 1, a number 10, text half a bit per character from 2 to 20, structured answers a
    quarter of a bit per character from 4 to 20.

    >>> answer_bits("yes"), answer_bits("42"), answer_bits("(A)")
    (1.0, 10.0, 2.0)
    """
    if isinstance(answer, bool) or answer is None:
        return 1.0
    if isinstance(answer, int | float):
        return 10.0
    if isinstance(answer, str):
        text = answer.strip()
        if text.casefold() in _TRUTHS:
            return 1.0
        if any(map(str.isdigit, text)) and not any(map(str.isalpha, text)):
            return 10.0
        return min(20.0, max(2.0, len(text) / 2))
    return min(20.0, max(4.0, len(canonical_json(answer)) / 4))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One atom: did this version's answer agree with the target on this sample?"""

    sample_id: str
    digest: str
    stratum: str
    target: str
    agreed: bool
    bits: float
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Tally:
    """What the atoms of one version add up to since it last entered shadow.

    `bits` and `agreements` count each binding of the slots once; `audits` and `errors` are all
    audits ever made of it, for its certificate.
    """

    bits: float = 0.0
    agreements: int = 0
    disagreements: int = 0
    compared: int = 0
    returns: int = 0
    price: float = 0.0
    audits: int = 0
    audit_errors: int = 0
    distinct: Map[str, frozenset[str]] = field(default_factory=Map)
    samples: frozenset[str] = frozenset()
    bindings: frozenset[tuple[tuple[str, str], ...]] = frozenset()


Evidence = Map[str, Tally]
"""Tallies by the digest of the family version."""

NO_EVIDENCE: Evidence = Map()


def fold(evidence: Evidence, atom: Comparison) -> Evidence:
    """Add one atom. Adding an atom twice changes nothing."""
    tally = evidence.get(atom.digest, Tally())
    sample = f"{atom.stratum}|{atom.target}|{atom.sample_id}"
    if sample in tally.samples or len(tally.samples) >= _MAX_SAMPLES:
        return evidence
    key = tuple(sorted(atom.values.items()))
    is_new = not key or key not in tally.bindings
    counted = atom.agreed and is_new
    is_audit = atom.stratum == "audit"
    return evidence.set(
        atom.digest,
        replace(
            tally,
            bits=tally.bits + (atom.bits if counted else 0.0),
            agreements=tally.agreements + counted,
            disagreements=tally.disagreements + (not atom.agreed),
            compared=tally.compared + 1,
            audits=tally.audits + is_audit,
            audit_errors=tally.audit_errors + (is_audit and not atom.agreed),
            distinct=_with_values(tally.distinct, atom.values) if atom.agreed else tally.distinct,
            samples=tally.samples | {sample},
            bindings=tally.bindings | {key} if counted and key else tally.bindings,
        ),
    )


def _with_values(
    distinct: Map[str, frozenset[str]], values: Mapping[str, str]
) -> Map[str, frozenset[str]]:
    for slot, value in values.items():
        seen = distinct.get(slot, frozenset())
        if value not in seen and len(seen) < _MAX_VALUES:
            distinct = distinct.set(slot, seen | {value})
    return distinct


def entered_shadow(evidence: Evidence, digest: str, *, price: float, again: bool) -> Evidence:
    """Start the tally anew: a version enters shadow for the first time, or returns to it."""
    before = evidence.get(digest, Tally())
    return evidence.set(
        digest,
        Tally(
            price=max(price, before.price),
            returns=before.returns + again,
            audits=before.audits,
            audit_errors=before.audit_errors,
        ),
    )


def shortfall(tally: Tally, slots: Iterable[str], policy: Policy) -> str | None:
    """Return what is still missing before the version may serve, or None when nothing is."""
    if tally.disagreements:
        return f"{tally.disagreements} disagreements since it entered shadow"
    if tally.agreements < policy.min_agreements:
        return f"{tally.agreements} agreements of {policy.min_agreements}"
    required = policy.required_bits + tally.price + tally.returns * policy.return_surcharge
    if tally.bits < required:
        return f"{tally.bits:.0f} bits of {required:.0f}"
    for slot in slots:
        seen = len(tally.distinct.get(slot, ()))
        if seen < policy.min_distinct:
            return f"slot {slot!r} was seen with {seen} values of {policy.min_distinct}"
    return None


def _log_e(errors: int, samples: int, rate: float) -> float:
    """Return the log of the evidence against "the error rate is at least `rate`"."""
    survival = -math.log1p(-rate)
    terms = [
        math.log((1 - _ZERO_ERROR_SHARE) / len(_BETS))
        + errors * math.log(bet)
        + (samples - errors) * (math.log1p(-bet * rate) + survival)
        for bet in _BETS
    ]
    if errors == 0:
        terms.append(math.log(_ZERO_ERROR_SHARE) + samples * survival)
    largest = max(terms)
    return largest + math.log(sum(math.exp(term - largest) for term in terms))


def anytime_upper(errors: int, samples: int, delta: float = 0.05) -> float:
    """Return an upper bound on the error rate that holds at all times with probability 1 − δ.

    Grid e-process: bets q = c·p₀ below p₀ keep E a supermartingale for every p ≥ p₀.

    >>> round(anytime_upper(0, 368), 3), anytime_upper(0, 0)
    (0.009, 1.0)
    """
    low, high, threshold = 0.0, 1 - 1e-12, math.log(1 / delta)
    if samples == 0 or _log_e(errors, samples, high) < threshold:
        return 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if middle > 0 and _log_e(errors, samples, middle) >= threshold:
            high = middle
        else:
            low = middle
    return high

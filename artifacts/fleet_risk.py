"""The fleet's certified risk: how many of the answers served so far may have been wrong.

Chance is in the draws of audits alone; which answers are wrong, and when families come, drift and
go, may depend on everything before, audits included. Let e ∈ {0, 1} say that an answer is wrong,
drawn for an audit with probability π (fixed before the draw). For g with 1 − exp(−g) ≤ π and

    λ = −log(1 − (1 − exp(−g)) / π)    we have    (1 − π)·exp(g) + π·exp(g − λ) = 1,

so exp(g·wrong answers served − Σ λ of those that audits found) is a nonnegative martingale that
starts at 1, and so is a mixture of it over several g. By Ville's inequality (1939) it stays below
1/δ for ever with probability 1 − δ: the largest number of wrong answers for which it does is a
bound that holds at all times at once. It is the exact form of betting against "so many are wrong"
(Waudby-Smith & Ramdas, arXiv 2010.09686) for audits drawn from a finite, growing population.

What is *not* done here, for each was seen to fail in simulated fleets: no running minimum (the mean
of a fleet that changes may rise), no pooling with comparisons made in shadow (they are about other
answers), no fixed-sample bound that is computed again after every audit.
"""

import math
from dataclasses import dataclass
from typing import Final

DELTA: Final = 0.05
METHOD: Final = "audit martingale"

_SHARES = (1.0, 0.94, 0.88, 0.8, 0.7, 0.6, 0.45, 0.3, 0.15, 0.05)
"""Bets g as shares of the largest that the least audit probability allows. That one pays best while
no error is found, and has lost everything after one that was audited no more often than the least;
it has half of the weight."""
_LOG_WEIGHTS = tuple(math.log(0.5 if share == 1 else 0.5 / (len(_SHARES) - 1)) for share in _SHARES)


@dataclass(frozen=True, slots=True)
class FleetRisk:
    """A fold of answers and of the errors that audits found.

    `least` is the least probability of an audit that counts, set beforehand: an answer below it
    counts as wrong. `penalties` are the sums of λ, one for each bet.
    """

    least: float
    served: int = 0
    unaudited: int = 0
    audited: int = 0
    found: int = 0
    penalties: tuple[float, ...] = (0.0,) * len(_SHARES)

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1:
            raise ValueError(f"the least audit probability {self.least!r} is not in (0, 1]")

    def wrong_at_most(self, delta: float = DELTA) -> int:
        """Return a bound on the wrong answers served so far, at all times with probability 1 − δ.

        >>> risk = FleetRisk(least=0.03)
        >>> risk.wrong_at_most(), served(risk, 0.03, 10_000).wrong_at_most()
        (0, 111)
        """
        low, high = 0, self.served - self.unaudited
        while low < high:
            middle = (low + high + 1) // 2
            if self._log_martingale(middle) < math.log(1 / delta):
                low = middle
            else:
                high = middle - 1
        return low + self.unaudited

    def certified_risk(self, delta: float = DELTA) -> float:
        """Return the bound as a share of the answers served so far; 1 before the first."""
        return self.wrong_at_most(delta) / self.served if self.served else 1.0

    def _log_martingale(self, wrong: int) -> float:
        terms = [
            weight + bet * wrong - penalty
            for weight, bet, penalty in zip(
                _LOG_WEIGHTS, _bets(self.least), self.penalties, strict=True
            )
        ]
        largest = max(terms)
        return largest + math.log(sum(math.exp(term - largest) for term in terms))


def _bets(least: float) -> tuple[float, ...]:
    largest = -math.log1p(-min(least, 1 - 1e-12))
    return tuple(share * largest for share in _SHARES)


def served(risk: FleetRisk, probability: float, count: int = 1) -> FleetRisk:
    """Add answers that are each audited with this probability."""
    return FleetRisk(
        risk.least,
        risk.served + count,
        risk.unaudited + (count if probability < risk.least else 0),
        risk.audited,
        risk.found,
        risk.penalties,
    )


def audited(risk: FleetRisk, probability: float, *, agreed: bool) -> FleetRisk:
    """Add what a drawn audit of one of the answers found.

    An audit that came to nothing (the teacher refused) counts as an error that was found. One of an
    answer below the least probability changes nothing: that answer counts as wrong already.
    """
    counts = probability >= risk.least
    penalties = risk.penalties
    if counts and not agreed:
        penalties = tuple(
            penalty + _penalty(bet, probability)
            for penalty, bet in zip(penalties, _bets(risk.least), strict=True)
        )
    return FleetRisk(
        risk.least,
        risk.served,
        risk.unaudited,
        risk.audited + 1,
        risk.found + (not agreed),
        penalties,
    )


def _penalty(bet: float, probability: float) -> float:
    """Return λ of a bet for an error that an audit of this probability found."""
    missed = 1 + math.expm1(-bet) / probability
    return -math.log(missed) if missed > 1e-12 else math.inf

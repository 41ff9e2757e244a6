"""Steering: what a version must show so that the expected risk stays below its ceiling.

How good candidates are differs from fleet to fleet, so it is learned from what the fleet's own
comparisons have shown. Let the error rates ε of candidates be Beta(a, 1): the same share of them in
every octave of ε well below 1, the more the larger `a` is. By conjugacy (Bayes–Laplace)

    after n agreements and no disagreement    E[ε] = a / (a + 1 + n),
    which is below CAUTION × max_risk from    n ≥ a / (CAUTION × max_risk) on;

and the comparison that follows k agreements disagrees with probability a / (a + 1 + k): so `a` is
about the number of disagreements over the sum of 1 / (1 + k) of all comparisons made. To both the
prior adds its own. What the teacher says otherwise when it is asked the same again is no fault of a
version: as many of the disagreements as that may explain (two standard deviations more than
expected) do not count.

What is *not* done here, for simulated fleets or real streams spoke against it. The rate of errors
among audits alone, as a factor on the policy: 3 % of some thousand answers hold one error or two
when the ceiling of 0.5 % is reached, and 35 % of the fleets broke it. Without the teacher's own
noise: where it errs in a tenth of its answers, no version of any family served. Taking versions
back that serve with less than is asked now: the others keep the promise without it.

It asks for more than the policy does, never for less. What it says is an expectation under a model
and steers admission; it is no bound, and nothing of it is published as one.
"""

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from immutables import Map

from artifacts.evidence import Comparison
from artifacts.policy import Policy

CAUTION: Final = 0.4
"""The share of max_risk that the expected error of a version may reach. A few large families make
most of the answers, so that the risk of one fleet is often twice what was expected; at 0.25 fewer
simulated fleets were above the ceiling, and at 0.5 % they answered a quarter less."""

PRIOR: Final = 0.02
"""`a` before anything was compared: what makes of `max_risk` the agreements that policies ask."""

PRIOR_WEIGHT: Final = 40.0
"""How much that counts: as 18 versions that have agreed five times."""

NOISE_WEIGHT: Final = 2
"""Answers given again as before that the teacher's noise starts with."""

MOST_AGREEMENTS: Final = 256
"""More is not asked for: a tally counts no more bindings of slots."""

WINDOW: Final = 256
"""Trials that count: those begun last."""

_SCALE: Final = 1 << 40
"""Exposure is counted in whole parts of this: sums of floats would depend on their order."""

_REPLAYED: Final = "replay"
_COUNTED: Final = frozenset({_REPLAYED, "shadow", "audit"})


@dataclass(frozen=True, slots=True)
class Trial:
    """What a version has shown since it entered shadow, there and in audits.

    It was made so that it agrees with what is `replayed`, which therefore tells nothing about other
    candidates.
    """

    replayed: int = 0
    agreements: int = 0
    disagreements: int = 0

    def exposure(self) -> int:
        """Return the sum of 1 / (1 + k) over the comparisons that agreed, in parts of the scale."""
        first = self.replayed + 1
        return sum(_SCALE // k for k in range(first, first + self.agreements))


@dataclass(frozen=True, slots=True)
class Asked:
    """How often the teacher gave which answer to one text; `drawn` of them by no choice of ours."""

    answers: Map[bytes, int] = field(default_factory=Map)
    times: int = 0
    most: int = 0
    drawn: int = 0

    def noise(self) -> tuple[int, int]:
        """Return the answers that differ from the most frequent one, of how many drawn."""
        return (self.times - self.most, self.drawn) if self.times > 1 and self.drawn else (0, 0)


@dataclass(frozen=True, slots=True)
class Steering:
    """A fold of the comparisons of one scope: trials by (since, digest), and what they add up to.

    The order of atoms does not matter; each must be added once. What it forgets are the trials
    begun first.
    """

    trials: Map[tuple[int, str], Trial] = field(default_factory=Map)
    compared: int = 0
    failed: int = 0
    exposure: int = 0
    texts: Map[str, Asked] = field(default_factory=Map)
    different: int = 0
    repeated: int = 0

    @property
    def teacher_noise(self) -> float:
        """The share of answers in which the teacher contradicts what it mostly says."""
        return self.different / (self.repeated + NOISE_WEIGHT)

    @property
    def spread(self) -> float:
        """The estimate of `a`: the share of candidates in each factor e of error rates."""
        blamed = self.teacher_noise * self.compared
        failed = max(0.0, self.failed - blamed - 2 * math.sqrt(blamed))
        return (PRIOR_WEIGHT * PRIOR + failed) / (PRIOR_WEIGHT + self.exposure / _SCALE)

    def agreements_for(self, max_risk: float) -> int:
        """Return how many agreements bring the expected error below its share of `max_risk`.

        >>> Steering().agreements_for(0.01), Steering().agreements_for(0.002)
        (5, 25)
        """
        needed = math.ceil(self.spread / (CAUTION * max_risk) - 1e-9)
        return min(needed, MOST_AGREEMENTS)


_NOTHING = Steering()
_UNTRIED = Trial()
_UNASKED = Asked()


def learned(steering: Steering, atom: Comparison, text: str, expected: bytes) -> Steering:
    """Add an atom that was not added before: the target's answer to `text` was `expected`.

    Comparisons that a reject has caused are no samples and change nothing.
    """
    if atom.stratum not in _COUNTED:
        return steering
    return _with_answer(_with_trial(steering, atom), atom, text, expected)


def _with_trial(steering: Steering, atom: Comparison) -> Steering:
    key = (atom.since, atom.digest)
    before = steering.trials.get(key)
    if before is None:
        if len(steering.trials) >= WINDOW:
            oldest = min(steering.trials)
            if key < oldest:
                return steering
            steering = _changed(steering, oldest, steering.trials[oldest], _UNTRIED)
            steering = replace(steering, trials=steering.trials.delete(oldest))
        before = _UNTRIED
    if atom.stratum == _REPLAYED:
        after = replace(before, replayed=before.replayed + atom.agreed)
    elif atom.agreed:
        after = replace(before, agreements=before.agreements + 1)
    else:
        after = replace(before, disagreements=before.disagreements + 1)
    return _changed(steering, key, before, after)


def _changed(steering: Steering, key: tuple[int, str], before: Trial, after: Trial) -> Steering:
    if before.replayed == after.replayed and after.agreements == before.agreements + 1:
        exposure = _SCALE // (after.replayed + after.agreements)
    else:
        exposure = after.exposure() - before.exposure()
    compared = after.agreements + after.disagreements - before.agreements - before.disagreements
    return Steering(
        steering.trials.set(key, after),
        steering.compared + compared,
        steering.failed + (after.disagreements > 0) - (before.disagreements > 0),
        steering.exposure + exposure,
        steering.texts,
        steering.different,
        steering.repeated,
    )


def _with_answer(steering: Steering, atom: Comparison, text: str, expected: bytes) -> Steering:
    before = steering.texts.get(text, _UNASKED)
    count = before.answers.get(expected, 0) + 1
    after = Asked(
        before.answers.set(expected, count),
        before.times + 1,
        max(before.most, count),
        before.drawn + (atom.stratum != _REPLAYED),
    )
    (different, repeated), (were_different, were_repeated) = after.noise(), before.noise()
    return Steering(
        steering.trials,
        steering.compared,
        steering.failed,
        steering.exposure,
        steering.texts.set(text, after),
        steering.different + different - were_different,
        steering.repeated + repeated - were_repeated,
    )


def steered(policy: Policy, steering: Steering = _NOTHING) -> Policy:
    """Return the policy with what the fleet has shown taken into account: never less, often more.

    >>> from artifacts.policy import DEFAULT
    >>> steered(DEFAULT) == DEFAULT
    True
    """
    return _raised(policy, steering.agreements_for(policy.max_risk))


@lru_cache(maxsize=1024)
def _raised(policy: Policy, needed: int) -> Policy:
    """Return the policy that asks for so many agreements.

    Of a slotless family too, once it is more than policies ask of others by themselves.
    """
    if needed <= policy.min_agreements:
        return policy
    return replace(policy, min_agreements=needed, min_repeats=max(policy.min_repeats, needed))

"""Steering: what a version must show so that the expected risk stays below its ceiling.

How bad candidates are differs from fleet to fleet, so it is learned from what the fleet's
comparisons have shown. Let the error rates ε of candidates be Beta(a, 1): the same share of them in
every octave below 1, more the larger a is. Then

    after n agreements and no disagreement    E[ε] = a / (a + 1 + n),
    so a version may serve from               n ≥ a / (CAUTION · max_risk) on,

and a comparison of a version that has agreed k times disagrees with probability a / (a + 1 + k): a
is about the disagreements found over the sum of 1 / (1 + k) of all comparisons, to both of which
the prior adds its own.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

from immutables import Map

from artifacts.evidence import Comparison
from artifacts.policy import Policy

CAUTION: Final = 0.25
PRIOR: Final = 0.0125
PRIOR_WEIGHT: Final = 40.0
MOST_AGREEMENTS: Final = 256
WINDOW: Final = 256

_SCALE = 1 << 40


@dataclass(frozen=True, slots=True)
class Trial:
    replayed: int = 0
    agreements: int = 0
    disagreements: int = 0


@dataclass(frozen=True, slots=True)
class Steering:
    trials: Map[tuple[int, str], Trial] = field(default_factory=Map)
    failed: int = 0
    exposure: int = 0

    @property
    def spread(self) -> float:
        return (PRIOR_WEIGHT * PRIOR + self.failed) / (PRIOR_WEIGHT + self.exposure / _SCALE)


def learned(steering: Steering, atom: Comparison) -> Steering:
    if atom.stratum not in ("replay","shadow","audit"):
        return steering
    key = (atom.since, atom.digest)
    trial = steering.trials.get(key)
    trials = steering.trials
    failed, exposure = steering.failed, steering.exposure
    if trial is None:
        trial = Trial()
        if len(trials) >= WINDOW:
            oldest = min(trials)
            if key < oldest:
                return steering
            old = trials[oldest]
            trials = trials.delete(oldest)
            failed -= old.disagreements > 0
            exposure -= _exposure(old)
    if atom.stratum == "replay":
        after = replace(trial, replayed=trial.replayed + atom.agreed)
    elif atom.agreed:
        after = replace(trial, agreements=trial.agreements + 1)
    else:
        after = replace(trial, disagreements=trial.disagreements + 1)
    failed += (after.disagreements > 0) - (trial.disagreements > 0)
    if atom.agreed:
        if atom.stratum == "replay":
            exposure += _exposure(after) - _exposure(trial)
        else:
            exposure += _SCALE // (after.replayed + after.agreements)
    return Steering(trials.set(key, after), failed, exposure)


def _exposure(trial: Trial) -> int:
    first = trial.replayed + 1
    return sum(_SCALE // k for k in range(first, first + trial.agreements))


def steered(policy: Policy, steering: Steering | None) -> Policy:
    steering = steering or Steering()
    needed = math.ceil(steering.spread / (CAUTION * policy.max_risk))
    needed = min(needed, MOST_AGREEMENTS)
    return replace(
        policy,
        min_agreements=max(policy.min_agreements, needed),
        min_repeats=max(policy.min_repeats, needed),
    )

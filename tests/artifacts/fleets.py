"""Simulated fleets whose truth is known: families come, gather evidence, serve, err and leave.

What decides in them is what decides in service: the fold of evidence and its shortfall under a
policy, the placing of audits, the steering. What is simulated is the world around them:

- utterances of PLACES tasks, with shares k^−0.6 as the families of a real log have; four
  fallbacks of a task make a candidate;
- a candidate's errors are independent, at a rate of its own (`MIX`); some change once they serve;
- what is not answered falls back and is compared with the candidate in shadow;
- an answer is audited as the budget allows, and people reject some of the wrong ones; a found
  error sends the version back to shadow, at the surcharge, and after `max_returns` retires it, and
  another candidate comes.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate

from agents.audits import Placed
from artifacts.evidence import Claim, Comparison, Evidence, fold, shortfall
from artifacts.policy import Policy
from artifacts.steering import Steering, learned

UTTERANCES = 15_000
PLACES = 80
AUDIT_RATE = 0.03
WARM_UP = 1000
"""Answers before which the risk over time is not looked at."""

MIX: tuple[tuple[float, float, float], ...] = (
    (0.70, 0.0, 0.001),
    (0.10, 0.004, 0.004),
    (0.08, 0.02, 0.05),
    (0.12, 0.10, 0.50),
)
"""Candidates: their share, the least and the largest error rate of these."""

CHANGING_SHARE = 0.004
"""Candidates whose rate changes once they serve: about one that matters in three fleets. No rule of
admission helps against it: where nobody complains, a version that turns bad gives 1 / π ≈ 40 wrong
answers until an audit finds one, and 0.5 % of 8,000 answers is 40."""

Change = Callable[[int], float]
"""The rate that is added after so many answers served."""


def steady(_: int) -> float:
    """Nothing changes."""
    return 0.0


def stepping(answers: int) -> float:
    """Right for long, then often wrong."""
    return 0.2 if answers >= 100 else 0.0


def ramping(answers: int) -> float:
    """Slowly worse."""
    return min(0.2, answers / 1500)


def drifting(answers: int) -> float:
    """Worse and better again."""
    return 0.05 * (1 - math.cos(answers / 60))


CHANGES: tuple[Change, ...] = (steady, stepping, ramping, drifting)

Rule = Callable[[Steering], Policy]
"""What a version must show, given what the fleet has shown."""


@dataclass(slots=True)
class Candidate:
    """A version with its true error rate."""

    digest: str
    rate: float
    change: Change
    claim: Claim
    bits: float
    serves: bool = False
    since: int = 0
    answers: int = 0


@dataclass(slots=True)
class Fleet:
    """A fleet while it is simulated, and the truth about it."""

    rng: random.Random
    rule: Rule
    change: Change
    feedback: float
    steering: Steering = field(default_factory=Steering)
    evidence: Evidence = field(default_factory=Evidence)
    audits: Placed = field(default_factory=lambda: Placed(AUDIT_RATE))
    candidates: list[Candidate | None] = field(default_factory=lambda: [None] * PLACES)
    fallbacks: list[int] = field(default_factory=lambda: [0] * PLACES)
    born: int = 0
    answered: int = 0
    wrong: int = 0
    highest: float = 0.0
    """The largest share of wrong answers at any time after the warm-up."""

    @property
    def risk(self) -> float:
        """The share of the answers that were wrong."""
        return self.wrong / self.answered if self.answered else 0.0

    @property
    def coverage(self) -> float:
        """The share of utterances that was answered."""
        return self.answered / UTTERANCES

    def run(self) -> None:
        """Serve all utterances."""
        shares = list(accumulate((place + 1) ** -0.6 for place in range(PLACES)))
        asked = self.rng.choices(range(PLACES), cum_weights=shares, k=UTTERANCES)
        policy = self.rule(self.steering)
        for number, place in enumerate(asked):
            candidate = self.candidates[place]
            before = self.steering
            if candidate is None:
                self._fall_back(place, policy)
            elif candidate.serves:
                self._answer(number, place, candidate, policy)
            else:
                self._compare_in_shadow(number, place, candidate, policy)
            if self.steering is not before:
                policy = self.rule(self.steering)

    def _fall_back(self, place: int, policy: Policy) -> None:
        self.fallbacks[place] += 1
        if self.fallbacks[place] >= policy.min_pairs:
            self.fallbacks[place] = 0
            self.candidates[place] = self._candidate()

    def _candidate(self) -> Candidate:
        rng = self.rng
        self.born += 1
        _, least, largest = rng.choices(MIX, [share for share, _, _ in MIX])[0]
        slots = ("n",) if rng.random() < 0.8 else ()
        return Candidate(
            f"version {self.born}",
            rng.uniform(least, largest),
            self.change if rng.random() < CHANGING_SHARE else steady,
            Claim(slots, slots, 4.0, 0),
            rng.choice((10.0, 10.0, 4.0)),
        )

    def _compare_in_shadow(
        self, number: int, place: int, candidate: Candidate, policy: Policy
    ) -> None:
        agreed = self.rng.random() >= candidate.rate
        self._fold(number, candidate, "shadow", 1.0, agreed)
        if not agreed:
            self._leave(number, place, candidate, policy)
            return
        tally = self.evidence.tally(candidate.digest, candidate.since)
        candidate.serves = shortfall(tally, candidate.claim, policy) is None

    def _answer(self, number: int, place: int, candidate: Candidate, policy: Policy) -> None:
        rng = self.rng
        probability = self.audits.place(candidate.digest, {})
        candidate.answers += 1
        self.answered += 1
        is_wrong = rng.random() < candidate.rate + candidate.change(candidate.answers)
        is_audited = rng.random() < probability
        if is_wrong:
            self.wrong += 1
            if self.answered > WARM_UP:
                self.highest = max(self.highest, self.wrong / self.answered)
        elif self.answered == WARM_UP:
            self.highest = self.wrong / self.answered
        if is_audited:
            self._fold(number, candidate, "audit", probability, not is_wrong)
        if is_wrong and (is_audited or rng.random() < self.feedback):
            self._leave(number, place, candidate, policy)

    def _fold(
        self, number: int, candidate: Candidate, stratum: str, probability: float, agreed: bool
    ) -> None:
        atom = Comparison(
            str(number),
            candidate.digest,
            candidate.since,
            stratum,
            "teacher",
            agreed,
            candidate.bits,
            {"n": str(number)} if candidate.claim.slots else {},
        )
        text = str(number) if candidate.claim.slots else candidate.digest
        self.steering = learned(self.steering, atom, text, b"right")
        self.evidence = fold(self.evidence, atom)

    def _leave(self, number: int, place: int, candidate: Candidate, policy: Policy) -> None:
        claim = candidate.claim
        if claim.returns >= policy.max_returns:
            self.candidates[place] = None
            return
        candidate.claim = Claim(claim.slots, claim.open_slots, claim.price, claim.returns + 1)
        candidate.serves = False
        candidate.since = number + 1

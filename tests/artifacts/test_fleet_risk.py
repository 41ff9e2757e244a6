"""The promise about served answers, in simulated fleets whose truth is known."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache

import pytest

from artifacts.evidence import anytime_upper
from artifacts.fleet_risk import DELTA, FleetRisk, audited, served

ANSWERS = 6000
FLEETS = 170
LEAST = 0.1
SHADOW_SHARE = 5
"""One comparison in shadow for so many answers served."""


@dataclass(frozen=True)
class Answer:
    """One answer that was served: its audit probability, whether it is wrong, and audited."""

    probability: float
    is_wrong: bool
    is_audited: bool


Stream = Callable[[random.Random], Iterator[Answer]]


def answers(rng: random.Random, rate_at: Callable[[int], float]) -> Iterator[Answer]:
    """Yield answers whose error rate depends on their number alone, audited uniformly."""
    for number in range(ANSWERS):
        yield Answer(LEAST, rng.random() < rate_at(number), rng.random() < LEAST)


def steady(rng: random.Random) -> Iterator[Answer]:
    """One rate for all."""
    return answers(rng, lambda _: 0.03)


def stepping(rng: random.Random) -> Iterator[Answer]:
    """Right for long, then a bad family comes."""
    return answers(rng, lambda number: 0.002 if number < ANSWERS // 2 else 0.06)


def ramping(rng: random.Random) -> Iterator[Answer]:
    """Slowly worse."""
    return answers(rng, lambda number: 0.08 * number / ANSWERS)


def drifting(rng: random.Random) -> Iterator[Answer]:
    """Better and worse again."""
    return answers(rng, lambda number: 0.03 * (1 + math.sin(number / 400)))


@dataclass
class Family:
    """A family with an error rate of its own, which may jump; how often it has answered."""

    rate: float
    answered: int = 0


def turnover(rng: random.Random, *, feedback: float = 0.0) -> Iterator[Answer]:
    """Families come and go: found errors, or rejects, replace a family; the young are audited more.

    So errors depend on audits before them, and audit probabilities on the family.
    """

    def born() -> Family:
        return Family(rng.choice((0.001, 0.001, 0.004, 0.05)))

    fleet = [born() for _ in range(20)]
    for _ in range(ANSWERS):
        place = min(int(rng.expovariate(0.25)), len(fleet) - 1)
        family = fleet[place]
        family.answered += 1
        if rng.random() < 0.001:
            family.rate = 0.1
        probability = 0.4 if family.answered < 20 else LEAST
        answer = Answer(probability, rng.random() < family.rate, rng.random() < probability)
        yield answer
        if answer.is_wrong and (answer.is_audited or rng.random() < feedback):
            fleet[place] = born()


def selective(rng: random.Random) -> Iterator[Answer]:
    """The same with people who reject some of the wrong answers."""
    return turnover(rng, feedback=0.3)


STREAMS = {
    stream.__name__: stream for stream in (steady, stepping, ramping, drifting, turnover, selective)
}


@dataclass
class Watched:
    """A fleet with the truth about it, and what four sorts of bound said while it was served."""

    risk: FleetRisk = field(default_factory=lambda: FleetRisk(LEAST))
    wrong: int = 0
    lowest: float = 1.0
    broken: set[str] = field(default_factory=set)

    def see(self, answer: Answer) -> None:
        """Serve one answer and look at every bound."""
        self.risk = served(self.risk, answer.probability)
        if answer.is_audited and answer.is_wrong:
            self.lowest = min(self.lowest, self.risk.certified_risk())
        if answer.is_audited:
            self.risk = audited(self.risk, answer.probability, agreed=not answer.is_wrong)
        if answer.is_wrong:
            self.wrong += 1
            self.look()

    def look(self) -> None:
        """Compare: only after a wrong answer can a bound newly be broken."""
        risk, truth = self.risk, self.wrong / self.risk.served
        bounds = {
            "certified": risk.certified_risk(),
            "running minimum": min(self.lowest, risk.certified_risk()),
            "pooled with shadow": anytime(risk.found, risk.audited + risk.served // SHADOW_SHARE),
            "Clopper–Pearson, computed again": clopper_pearson(risk.found, risk.audited),
        }
        self.broken |= {name for name, bound in bounds.items() if truth > bound}


anytime = lru_cache(maxsize=None)(anytime_upper)


@cache
def clopper_pearson(errors: int, samples: int) -> float:
    """Return the 95 % upper bound on a rate from a sample of a size fixed beforehand."""
    low, high = errors / samples if samples else 0.0, 1.0
    if errors == samples:
        return 1.0
    for _ in range(30):
        middle = (low + high) / 2
        tail = sum(
            math.comb(samples, k) * middle**k * (1 - middle) ** (samples - k)
            for k in range(errors + 1)
        )
        low, high = (middle, high) if tail > DELTA else (low, middle)
    return high


@cache
def watched(name: str) -> tuple[Watched, ...]:
    """Return the fleets of one sort, each from a seed of its own."""
    fleets = []
    for number in range(FLEETS):
        fleet = Watched()
        for answer in STREAMS[name](random.Random(f"{name} {number}")):
            fleet.see(answer)
        fleets.append(fleet)
    return tuple(fleets)


def share_broken(name: str, bound: str) -> float:
    fleets = watched(name)
    return sum(bound in fleet.broken for fleet in fleets) / len(fleets)


@pytest.mark.slow
def test_the_bound_holds_at_all_times_in_all_but_five_percent_of_fleets() -> None:
    fleets = [fleet for name in STREAMS for fleet in watched(name)]
    assert len(fleets) >= 1000
    assert sum("certified" in fleet.broken for fleet in fleets) <= DELTA * len(fleets)
    assert sum(fleet.wrong > 0 for fleet in fleets) > 0.99 * len(fleets)
    assert sum(fleet.risk.certified_risk() < 0.1 for fleet in fleets) > 0.9 * len(fleets)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bound", "name"),
    [
        ("running minimum", "stepping"),
        ("running minimum", "ramping"),
        ("pooled with shadow", "steady"),
        ("pooled with shadow", "turnover"),
        ("Clopper–Pearson, computed again", "steady"),
        ("Clopper–Pearson, computed again", "stepping"),
    ],
)
def test_what_we_do_not_publish_is_broken(bound: str, name: str) -> None:
    assert share_broken(name, bound) > DELTA


REFERENCE = {20: 0.158, 50: 0.067, 100: 0.034, 300: 0.0115, 1000: 0.0035, 3000: 0.0012}
"""Anytime-valid bounds on a rate after so many audits without an error."""


@pytest.mark.parametrize(("audits", "width"), REFERENCE.items())
def test_width_with_uniform_audits_and_no_error(audits: int, width: float) -> None:
    risk = served(FleetRisk(LEAST), LEAST, round(audits / LEAST))
    for _ in range(audits):
        risk = audited(risk, LEAST, agreed=True)
    assert risk.certified_risk() <= 1.5 * width


@pytest.mark.parametrize(
    ("probability", "agreed", "wrong"), [(0.01, True, 1), (0.01, False, 1), (0.5, True, 0)]
)
def test_an_answer_audited_too_rarely_counts_as_wrong(
    probability: float, agreed: bool, wrong: int
) -> None:
    risk = served(served(FleetRisk(0.5), 1.0, 100), probability)
    clean = FleetRisk(0.5)
    clean = served(clean, 1.0, 100 if wrong else 101)
    assert audited(risk, probability, agreed=agreed).wrong_at_most() == (
        clean.wrong_at_most() + wrong
    )


def test_everything_audited_is_counted() -> None:
    risk = served(FleetRisk(1.0), 1.0, 1000)
    for number in range(1000):
        risk = audited(risk, 1.0, agreed=number >= 7)
    assert risk.wrong_at_most() == 7


@pytest.mark.parametrize("least", [0, -0.1, 1.1, math.nan])
def test_a_least_probability_out_of_range_is_refused(least: float) -> None:
    with pytest.raises(ValueError, match="least audit probability"):
        FleetRisk(least)

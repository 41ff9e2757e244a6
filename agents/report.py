"""The figures of a simulation: coverage, risk, saving, and how they came about over time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from agents.audits import least_probability
from agents.judge import Decision
from agents.logs import Row
from agents.simulate import Simulated
from agents.teachers.estimate import estimated
from artifacts.comparators import same
from artifacts.fleet_risk import FleetRisk, audited, served
from artifacts.registry import Registry

CURVE_POINTS = 50


@dataclass(frozen=True, slots=True)
class Point:
    """Figures after so many events."""

    events: int
    coverage: float
    risk: float
    certified_risk: float | None
    families: int


@dataclass(slots=True)
class Tally:
    """Counts that grow row by row. Money in dollars, by the rule of `agents.teachers.estimate`.

    Without audits there is no certified risk.
    """

    audit_rate: float = 0.0
    events: int = 0
    answered: int = 0
    wrong: int = 0
    slotless: int = 0
    audited: int = 0
    recalled: int = 0
    tokens_saved: int = 0
    money_saved: float = 0.0
    learn_seconds: float = 0.0
    decide_us: list[float] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    fleet: FleetRisk | None = field(init=False)
    certified: float | None = None

    def __post_init__(self) -> None:
        self.fleet = FleetRisk(least_probability(self.audit_rate)) if self.audit_rate else None

    def add(self, row: Row, simulated: Simulated, registry: Registry) -> None:
        """Count one row."""
        decision = simulated.decision
        self.events += 1
        if decision.is_answered:
            self.answered += 1
            self.wrong += not same(decision.answer, row.right)
            self.slotless += simulated.slotless
            self._certify(row, simulated)
            self.audited += simulated.audited
            self.recalled += simulated.recalled
            if not simulated.audited and not simulated.recalled:
                call = estimated(row.text, decision.answer)
                self.tokens_saved += call.tokens
                self.money_saved += call.price
        self.learn_seconds += simulated.learn_seconds
        self.decide_us.append(simulated.decide_seconds * 1e6)
        self.points.append(
            Point(self.events, self.coverage, self.risk, self.certified_risk, registry.serving)
        )

    def _certify(self, row: Row, simulated: Simulated) -> None:
        decision = simulated.decision
        if self.fleet is not None:
            self.fleet = served(self.fleet, decision.probability)
            if simulated.audited:
                agreed = same(decision.answer, row.answer)
                self.fleet = audited(self.fleet, decision.probability, agreed=agreed)
            self.certified = None

    @property
    def certified_risk(self) -> float | None:
        """The 95 % bound on the share of wrong answers so far, from audits alone."""
        if self.certified is None and self.fleet is not None:
            self.certified = round(self.fleet.certified_risk(), 6)
        return self.certified

    @property
    def coverage(self) -> float:
        """Share of rows that families answered."""
        return self.answered / self.events if self.events else 0.0

    @property
    def risk(self) -> float:
        """Share of the answered rows that were wrong."""
        return self.wrong / self.answered if self.answered else 0.0

    @property
    def teacher_calls(self) -> int:
        """Rows abstained on, audited or recalled; the inducer calls no teacher."""
        return self.events - self.answered + self.audited + self.recalled

    @property
    def decide_mean_us(self) -> float | None:
        """The mean time of a decision, to a hundredth microsecond; None before the first row."""
        return round(sum(self.decide_us) / len(self.decide_us), 2) if self.decide_us else None

    def report(self, registry: Registry) -> dict[str, JsonValue]:
        """Return R.json: the figures and the curve at 50 points."""
        times = sorted(self.decide_us)
        return {
            "events": self.events,
            "answered": self.answered,
            "wrong": self.wrong,
            "coverage": self.coverage,
            "risk": self.risk,
            "slotless_coverage": self.slotless / self.events if self.events else 0.0,
            "certified_risk": self.certified_risk,
            "teacher_calls": self.teacher_calls,
            "saving": 1 - self.teacher_calls / self.events if self.events else 0.0,
            "families": registry.serving,
            "refinements": refinement_count(registry),
            "learn_seconds": round(self.learn_seconds, 3),
            "decide_us_p50": _quantile(times, 0.5),
            "decide_us_p99": _quantile(times, 0.99),
            "tokens_saved": self.tokens_saved,
            "money_saved": round(self.money_saved, 6),
            "curve": [_point(point) for point in self.curve()],
        }

    def curve(self) -> Sequence[Point]:
        """Return the points after each fiftieth of the stream."""
        count = len(self.points)
        picked = {math.ceil(count * step / CURVE_POINTS) for step in range(1, CURVE_POINTS + 1)}
        return [self.points[number - 1] for number in sorted(picked) if number]


def _point(point: Point) -> dict[str, JsonValue]:
    return {
        "events": point.events,
        "coverage": point.coverage,
        "risk": point.risk,
        "certified_risk": point.certified_risk,
        "families": point.families,
    }


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return round(ordered[int(len(ordered) * share)], 2) if ordered else None


def refinement_count(registry: Registry) -> int:
    """Return how many versions followed on an earlier one."""
    return sum(entry.version > 1 for entry in registry.entries.values())


def decision_line(simulated: Simulated) -> str:
    """Return the line of D.jsonl."""
    decision: Decision = simulated.decision
    return decision.line(audited=simulated.audited, recalled=simulated.recalled)

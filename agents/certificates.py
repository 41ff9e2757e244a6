"""What may be said about the answers that were served: bounds read off a log's audits.

fallbacks:   AuditAsked of an answer that was served  ─▶ one more answer, audited with probability π
completions: AuditAnswered | AuditRefused of such one ─▶ a sample: agreed, or an error

One bound for the fleet of each tenant and one for each family version (artifacts.fleet_risk). The
`target` is the teacher: an error is an answer that the teacher gives otherwise, or not at all. What
was rejected is audited as well; those audits are no samples and are passed over.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from artifacts.comparators import same
from artifacts.fleet_risk import DELTA, METHOD, FleetRisk, audited, served
from streams.codec import decode
from streams.events import AuditAnswered, AuditAsked, AuditRefused
from streams.transports import Record, Transport

TOPICS = ("fallbacks", "completions")
_SAMPLES = frozenset(
    ("event", kind.__name__.encode()) for kind in (AuditAsked, AuditAnswered, AuditRefused)
)

Version = tuple[str, str, int, str]
"""Tenant that was answered, family, version, digest."""


@dataclass(slots=True)
class Certificates:
    """A fold of audits; `least` is the least probability of one that counts."""

    least: float
    fleets: dict[str, FleetRisk] = field(default_factory=dict)
    versions: dict[Version, FleetRisk] = field(default_factory=dict)
    since: int | None = None
    until: int | None = None

    def add(self, record: Record) -> None:
        """Take one record; most are none of ours and are not decoded."""
        if _SAMPLES.isdisjoint(record.headers):
            return
        event = decode(record)
        if not isinstance(event, AuditAsked | AuditAnswered | AuditRefused):
            return
        if event.cause != "served":
            return
        self.since = self.since or record.timestamp
        self.until = record.timestamp
        version = (event.tenant, event.family, event.version, event.digest)
        for risks, key in ((self.fleets, event.tenant), (self.versions, version)):
            _add(risks, key, event, FleetRisk(self.least))

    def document(self) -> dict[str, Any]:
        """Return the bounds as a JSON document, versions in the order of their first answers."""
        return {
            "method": METHOD,
            "delta": DELTA,
            "target": "teacher",
            "least_probability": self.least,
            "since": _shown_time(self.since),
            "until": _shown_time(self.until),
            "fleets": [{"tenant": tenant} | _row(risk) for tenant, risk in self.fleets.items()],
            "versions": [
                {"tenant": tenant, "family": family, "version": version, "digest": digest}
                | _row(risk)
                | {"simultaneous_bound": risk.certified_risk(_delta_of(number))}
                for number, ((tenant, family, version, digest), risk) in enumerate(
                    self.versions.items(), 1
                )
            ],
        }


def _add(
    risks: dict[Any, FleetRisk],
    key: object,
    event: AuditAsked | AuditAnswered | AuditRefused,
    nothing: FleetRisk,
) -> None:
    risk = risks.get(key, nothing)
    match event:
        case AuditAsked(probability=probability):
            risks[key] = served(risk, probability)
        case AuditAnswered(probability=probability):
            agreed = same(event.served, event.answer)
            risks[key] = audited(risk, probability, agreed=agreed)
        case AuditRefused(probability=probability):
            risks[key] = audited(risk, probability, agreed=False)


def _delta_of(number: int) -> float:
    """Return the share of δ of the n-th version, so that all bounds hold at once: Σ 6/(πn)² = 1."""
    return DELTA * 6 / (math.pi * number) ** 2


def _row(risk: FleetRisk) -> dict[str, Any]:
    return {
        "answered": risk.served,
        "audited": risk.audited,
        "errors": risk.found,
        "too_rarely_audited": risk.unaudited,
        "certified_risk": risk.certified_risk(),
    }


def _shown_time(time_us: int | None) -> str | None:
    if time_us is None:
        return None
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="seconds")


def sentence(row: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Say what a bound says, no more: of the answers so far, held against the teacher's."""
    return (
        f"at most {100 * row['certified_risk']:.2f} % of the answers so far differ from the "
        f"teacher's ({100 * (1 - document['delta']):g} %, anytime-valid; {row['audited']} audits "
        f"of {row['answered']} answers, {row['errors']} errors; "
        f"π ≥ {100 * document['least_probability']:.2g} %)"
    )


async def certificates(log: Transport, least: float) -> Certificates:
    """Read the bounds off a log."""
    found = Certificates(least)
    async for record in log.scan(TOPICS):
        found.add(record)
    return found

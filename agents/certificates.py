"""What may be said about the answers that were served, and about each version: read off a log.

fallbacks:   AuditAsked of an answer that was served  ─▶ one more answer, audited with probability π
completions: AuditAnswered | AuditRefused of such one ─▶ a sample: agreed, or an error
evidence:    ComparisonMade                           ─▶ a sample of a version's certificate
             TeacherRepeated                          ─▶ a sample of a teacher's self-noise

Of the answers so far: a bound for the fleet of each tenant and for each family version
(artifacts.fleet_risk), from audits alone; an error is an answer that the teacher gives otherwise,
or not at all. An answer that was published twice, as a producer's retry is, counts once, and so do
its audits; that is remembered for the newest answers.

Of versions: certificates (artifacts.certificate), from the evidence topic alone. What was rejected
is audited as well; those audits are no samples and are passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from agents.audits import least_probability
from artifacts.certificate import (
    NOTHING,
    STRATA,
    Samples,
    Subject,
    log_e_value,
    noise_row,
    paid,
    row_of,
    shown_share,
)
from artifacts.comparators import same
from artifacts.evidence import Sampled
from artifacts.fleet_risk import DELTA, METHOD, FleetRisk, audited, served
from artifacts.multiplicity import discoveries, share_of_delta
from artifacts.policy import Policies
from artifacts.registry import SHARED, Registry
from streams.codec import decode
from streams.events import (
    AuditAnswered,
    AuditAsked,
    AuditRefused,
    ComparisonMade,
    TeacherRepeated,
)
from streams.transports import Record, Transport

TOPICS = ("fallbacks", "completions", "evidence")
_AUDITS = (AuditAsked, AuditAnswered, AuditRefused)
_SAMPLES = frozenset(
    ("event", kind.__name__.encode()) for kind in (*_AUDITS, ComparisonMade, TeacherRepeated)
)
REMEMBERED = 100_000
"""Answers, and audits, of which it is known that they were counted."""

Audit = AuditAsked | AuditAnswered | AuditRefused

Version = tuple[str, str, int, str]
"""Tenant that was answered, family, version, digest."""


@dataclass(slots=True)
class Atoms:
    """A fold of the evidence topic alone, whatever the order of its atoms."""

    versions: dict[Subject, Samples] = field(default_factory=dict)
    noise: dict[tuple[str, str], Samples] = field(default_factory=dict)

    def add(self, event: ComparisonMade | TeacherRepeated, time: int) -> None:
        """Take one atom; those of rejects are no samples."""
        if isinstance(event, TeacherRepeated):
            samples = self.noise.setdefault((event.scope, event.teacher), Samples())
            samples.add(event.sample_id, agreed=event.agreed, time=time)
            return
        if event.stratum not in STRATA:
            return
        subject = Subject(
            event.scope, event.family, event.version, event.digest, event.target, event.stratum
        )
        self.versions.setdefault(subject, Samples()).add(
            event.sample_id,
            agreed=event.agreed,
            time=time,
            probability=event.probability,
            teacher=event.teacher,
        )

    def noise_of(self, scope: str) -> Sampled:
        """Return how often teachers disagreed with themselves: a tenant's, or all of them."""
        found = [s.sampled for (of, _), s in self.noise.items() if scope in (of, SHARED)]
        return Sampled(sum(s.samples for s in found), sum(s.errors for s in found))

    def rows(self, prices: Mapping[tuple[str, str, int], float]) -> list[dict[str, Any]]:
        """Return every certificate, in a fixed order; prices are those of versions, in bits."""
        noise = {scope: self.noise_of(scope) for scope in {s.scope for s in self.versions}}
        return [
            row_of(
                subject,
                self.versions[subject],
                price=prices.get(subject[:3], 0.0),
                noise=noise[subject.scope],
            )
            for subject in sorted(self.versions, key=_place)
        ]

    def below(
        self,
        rate: float,
        stratum: str,
        prices: Mapping[tuple[str, str, int], float],
        level: float = DELTA,
    ) -> list[Subject]:
        """Return the versions whose error on a stratum is below a rate, with e-BH at a level.

        Every version that has any atom is a hypothesis, sampled on this stratum or not.
        """
        every = {
            Subject(s.scope, s.family, s.version, s.digest, "teacher", stratum)
            for s in self.versions
        }
        values = {
            subject: log_e_value(
                self.versions[subject].sampled if subject in self.versions else NOTHING,
                rate,
                paid(subject, prices.get(subject[:3], 0.0)),
            )
            for subject in sorted(every)
        }
        return sorted(discoveries(values, level))


def _place(subject: Subject) -> tuple[object, ...]:
    return (*subject[:4], STRATA.index(subject.stratum), subject.target)


@dataclass(slots=True)
class Certificates:
    """A fold of audits and of evidence; the least probability of an audit that counts is that of
    the tenant's policy.
    """

    policies: Policies
    fleets: dict[str, FleetRisk] = field(default_factory=dict)
    versions: dict[Version, FleetRisk] = field(default_factory=dict)
    atoms: Atoms = field(default_factory=Atoms)
    counted: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    since: int | None = None
    until: int | None = None

    def add(self, record: Record) -> None:
        """Take one record; most are none of ours and are not decoded."""
        if _SAMPLES.isdisjoint(record.headers):
            return
        event = decode(record)
        if isinstance(event, ComparisonMade | TeacherRepeated):
            self.atoms.add(event, record.timestamp)
        elif isinstance(event, Audit) and event.cause == "served":
            self._audit(event)
            self.since = min(self.since or record.timestamp, record.timestamp)
            self.until = max(self.until or record.timestamp, record.timestamp)

    def _audit(self, event: Audit) -> None:
        kind = "asked" if isinstance(event, AuditAsked) else "audited"
        key = (kind, event.tenant, f"{event.utterance_id}|{event.digest}")
        agreed = not isinstance(event, AuditRefused) and (
            isinstance(event, AuditAsked) or same(event.served, event.answer)
        )
        before = self.counted.pop(key, None)
        self.counted[key] = agreed and before is not False
        if len(self.counted) > REMEMBERED:
            del self.counted[next(iter(self.counted))]
        if before is not None and (agreed or not before):
            return
        version = (event.tenant, event.family, event.version, event.digest)
        nothing = FleetRisk(self.least(event.tenant))
        self.fleets[event.tenant] = _with(self.fleets.get(event.tenant, nothing), event, agreed)
        self.versions[version] = _with(self.versions.get(version, nothing), event, agreed)
        if before is not None:  # the audit was counted, as an agreement
            self.fleets[event.tenant] = _once(self.fleets[event.tenant])
            self.versions[version] = _once(self.versions[version])

    def least(self, tenant: str) -> float:
        """Return the least probability of a tenant; 1 where none of its answers is audited."""
        return least_probability(self.policies.of(tenant).audit_rate) or 1.0

    def document(
        self, prices: Mapping[tuple[str, str, int], float] | None = None
    ) -> dict[str, Any]:
        """Return the bounds as a JSON document, versions in the order of their first answers."""
        return {
            "method": METHOD,
            "delta": DELTA,
            "target": "teacher",
            "since": shown_time(self.since),
            "until": shown_time(self.until),
            "fleets": [
                {"tenant": tenant} | self._row(tenant, risk) for tenant, risk in self.fleets.items()
            ],
            "versions": [
                {"tenant": tenant, "family": family, "version": version, "digest": digest}
                | self._row(tenant, risk)
                | {"simultaneous_bound": risk.certified_risk(share_of_delta(DELTA, number))}
                for number, ((tenant, family, version, digest), risk) in enumerate(
                    self.versions.items(), 1
                )
            ],
            "certificates": [_with_times(row) for row in self.atoms.rows(prices or {})],
            "self_noise": [
                _with_times(noise_row(scope, teacher, samples))
                for (scope, teacher), samples in sorted(self.atoms.noise.items())
            ],
        }

    def _row(self, tenant: str, risk: FleetRisk) -> dict[str, Any]:
        return {
            "answered": risk.served,
            "audited": risk.audited,
            "errors": risk.found,
            "too_rarely_audited": risk.unaudited,
            "least_probability": self.least(tenant),
            "certified_risk": risk.certified_risk(),
        }


def _with(risk: FleetRisk, event: Audit, agreed: bool) -> FleetRisk:
    if isinstance(event, AuditAsked):
        return served(risk, event.probability)
    return audited(risk, event.probability, agreed=agreed)


def _once(risk: FleetRisk) -> FleetRisk:
    return replace(risk, audited=risk.audited - 1)


def _with_times(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"since": shown_time(row["since"]), "until": shown_time(row["until"])}


def shown_time(time_us: int | None) -> str | None:
    """Return a time as people read it."""
    if time_us is None:
        return None
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="seconds")


def sentence(row: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Say what a bound says, no more: of the answers so far, held against the teacher's."""
    return (
        f"at most {shown_share(row['certified_risk'])} of the answers so far differ from the "
        f"teacher's ({100 * (1 - document['delta']):g} %, anytime-valid; {row['audited']} audits "
        f"of {row['answered']} answers, {row['errors']} errors; "
        f"π ≥ {100 * row['least_probability']:.2g} %)"
    )


def label(document: Mapping[str, Any]) -> str:
    """Return how, how surely and over what time the bounds on the answers so far were made."""
    window = f"{document['since']} to {document['until']}"
    return f"certified_risk, {document['method']}, δ = {document['delta']:g}, {window}"


def prices_of(registry: Registry) -> dict[tuple[str, str, int], float]:
    """Return what the search for each version cost, in bits."""
    return {(e.scope, e.family, e.version): e.price for e in registry.in_order()}


async def certificates(log: Transport, policies: Policies) -> Certificates:
    """Read the bounds off a log."""
    found = Certificates(policies)
    async for record in log.scan(TOPICS):
        found.add(record)
    return found

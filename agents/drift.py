"""What follows from drift: versions that may be wrong by now are looked at again, without blame.

ComparisonMade (an audit of a seasoned version) ─▶ alarm? ─▶ DriftFound
                                                         ─▶ VersionProposed (shadow, recheck)

A version that served comes back once it has agreed `recheck_agreements` times since. That is less
than its first admission asked for, and enough: that it computes the right thing of what it reads
was shown before, and what is open is only whether all that has changed. One that was in shadow
begins anew, for what spoke for it may be of another world.
"""

from collections.abc import Iterator, Sequence

from immutables import Map

from agents.registries import change_of
from artifacts.drift import Alarm, Audit, Watch, watched
from artifacts.evidence import Evidence
from artifacts.policy import Policy
from artifacts.registry import Entry, Registry
from artifacts.stages import STAGES
from streams.events import ComparisonMade, DriftFound, Event, VersionProposed

Drift = Map[str, Watch]
"""The detector of each scope."""

MAX_CHANGES = 2_000
"""Lines of one change set: far below the limit of a record."""


def drift_watched(
    drift: Drift, event: ComparisonMade, registry: Registry, evidence: Evidence, policy: Policy
) -> tuple[Drift, Sequence[Event]]:
    """Count an audit of a seasoned version; `evidence` is what was known before it."""
    if event.stratum != "audit":
        return drift, ()
    entry = registry.entry(event.scope, event.family, event.version)
    if entry is None or entry.since != event.since or not STAGES[entry.stage].serves:
        return drift, ()
    tally = evidence.tally(event.digest, event.since)
    if tally.disagreements or tally.agreements < policy.drift_seasoned:
        return drift, ()
    audit = Audit(event.sample_id, event.digest, event.agreed)
    watch, alarm = watched(drift.get(event.scope, Watch()), audit, policy)
    drift = drift.set(event.scope, watch)
    return drift, () if alarm is None else tuple(_found(registry, event, alarm, policy))


def _found(
    registry: Registry, event: ComparisonMade, alarm: Alarm, policy: Policy
) -> Iterator[Event]:
    """Yield what is to be known of an alarm, and the change sets that follow from it."""
    doubtful = [
        entry
        for entry in registry.in_order()
        if entry.scope == event.scope
        and STAGES[entry.stage].compared
        and entry.key != (event.family, event.version)
        and not alarm.has_confirmed(entry.artifact.digest, policy)
    ]
    yield DriftFound(
        scope=event.scope,
        statistic=alarm.statistic,
        samples=alarm.samples,
        errors=alarm.errors,
        families=len(doubtful),
    )
    for lines in _parts(doubtful):
        yield VersionProposed(
            scope=event.scope,
            actor="auditor",
            reason=str(alarm),
            changes=tuple(change_of(entry, "shadow", recheck=True) for entry in lines),
            previous=registry.ordinal,
        )


def _parts(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    for start in range(0, len(entries), MAX_CHANGES):
        yield entries[start : start + MAX_CHANGES]

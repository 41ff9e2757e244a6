"""Out of service and back: what the refiner proposes when a version is doubted, cleared or wrong.

doubted by a believed source ─▶ suspended: out at once, its evidence kept
cleared, no other doubt open ─▶ back in the stage that it had
wrong, or nobody could tell  ─▶ quarantine: evidence anew, one more return; or retired for good

All of it are proposals. What was proposed is not yet so: a doubt may come while a version is on its
way back, an answer before its suspension is heard of; `after` looks again at what a change set made
of it.
"""

from collections.abc import Sequence

from pydantic import JsonValue

from agents import rejects
from agents.answer_ref import AnswerRef
from agents.registries import change_of, suspension_of
from agents.rejects import Rejects
from artifacts.comparators import same
from artifacts.policy import Policies
from artifacts.registry import Entry, Registry
from artifacts.stages import STAGES, StageName
from streams.events import (
    AuditAnswered,
    AuditAsked,
    AuditRefused,
    Change,
    Event,
    FeedbackGiven,
    ProposalRefused,
    RecallAsked,
    RecallRefused,
    VersionChanged,
    VersionProposed,
)

ACTOR = "refiner"


def rejected(
    known: Rejects,
    registry: Registry,
    policies: Policies,
    event: FeedbackGiven,
    ref: AnswerRef,
    entry: Entry,
    served: JsonValue,
) -> tuple[Rejects, Sequence[Event]]:
    """Look into a reject, once for each answer, whoever rejects it and however often."""
    tenant, source = ref.tenant, event.source
    key = (tenant, ref.utterance_id, entry.artifact.digest)
    doubt = known.doubts.get(key)
    if doubt is not None and source in doubt.sources:
        return known, ()
    if doubt is not None and doubt.confirmed is not None:
        known, said = rejects.heard(known, key, source, confirmed=doubt.confirmed)
        return known, (said,)
    fields = {
        "utterance_id": ref.utterance_id,
        "tenant": tenant,
        "text": ref.text,
        "family": entry.family,
        "version": entry.version,
        "digest": entry.artifact.digest,
    }
    if known.believes(tenant, source):
        known = rejects.doubted(known, key, entry, source)
        made: list[Event] = []
        if STAGES[entry.stage].serves:
            made.append(_suspension(registry, entry, f"rejected by {source}"))
        if doubt is None:
            made.append(RecallAsked.model_validate(fields | {"answer_ref": event.answer_ref}))
        return known, made
    if doubt is not None:
        return rejects.doubted(known, key, entry, source), ()
    within = rejects.within_budget(known, key, entry, source, policies.of(tenant))
    if within is None:
        return known, (rejects.left_out(known, key, entry, source, rejects.OVER_BUDGET),)
    asked = {"answer": served, "probability": 1.0, "cause": "rejected"}
    return within, (AuditAsked.model_validate(fields | asked),)


def audited(
    known: Rejects, registry: Registry, event: AuditAnswered
) -> tuple[Rejects, Sequence[Event]]:
    """Judge the sources; where they are right, the auditor's comparison does the rest."""
    entry = registry.entry_for(event.tenant, event.family, event.version)
    if entry is None:
        return known, ()
    agreed = same(event.served, event.answer, entry.artifact.comparator)
    key = (event.tenant, event.utterance_id, event.digest)
    known, said = rejects.closed(known, key, confirmed=not agreed)
    return known, (*said, *(back(known, registry, entry) if agreed and said else ()))


def unanswered(
    known: Rejects, registry: Registry, policies: Policies, event: RecallRefused | AuditRefused
) -> tuple[Rejects, Sequence[Event]]:
    """Believe a believed source where the teacher does not speak: the version starts anew."""
    entry = registry.entry_for(event.tenant, event.family, event.version)
    key = (event.tenant, event.utterance_id, event.digest)
    was_open = entry is not None and key in known.suspending.get(rejects.place_of(entry), ())
    known, said = rejects.unheard(known, key, f"no answer: {event.reason}")
    if entry is None or not was_open or not (entry.suspended or STAGES[entry.stage].serves):
        return known, said
    reason = "rejected, and the teacher gave no answer"
    return known, (*said, *quarantine(registry, policies, entry, reason))


def after(known: Rejects, registry: Registry, event: VersionChanged) -> Sequence[VersionProposed]:
    """Return what follows from a change set: back what was cleared, out what was doubted."""
    made: list[VersionProposed] = []
    for change in event.changes if event.actor == ACTOR else ():
        entry = registry.entry(event.scope, change.family, change.version)
        if entry is None:
            continue
        if entry.suspended:
            made += back(known, registry, entry)
        elif STAGES[entry.stage].serves and known.suspends(entry):
            made.append(_suspension(registry, entry, "rejected while it came back"))
    return made


def stranded(
    registry: Registry, policies: Policies, event: ProposalRefused
) -> Sequence[VersionProposed]:
    """Let a version that the gate did not let back show its evidence anew."""
    made: list[VersionProposed] = []
    for change in event.changes:
        entry = registry.entry(event.scope, change.family, change.version)
        if entry is not None and entry.suspended == change.stage:
            made += quarantine(registry, policies, entry, "the gate did not let it back")
    return made


def _suspension(registry: Registry, entry: Entry, reason: str) -> VersionProposed:
    return proposal(registry, entry.scope, reason, [suspension_of(entry)])


def back(known: Rejects, registry: Registry, entry: Entry) -> Sequence[VersionProposed]:
    """Return the proposal that ends a suspension, once no doubt is open."""
    if entry.suspended is None or known.suspends(entry):
        return ()
    change = change_of(entry, entry.suspended, entry.share)
    return (proposal(registry, entry.scope, "its reject was refuted", [change]),)


def quarantine(
    registry: Registry, policies: Policies, entry: Entry, reason: str
) -> Sequence[VersionProposed]:
    """Return the proposal that takes a version out of service, or out of shadow for good."""
    most = policies.of(entry.scope).max_returns
    stage: StageName = "retired" if entry.returns >= most else "shadow"
    return (proposal(registry, entry.scope, reason, [change_of(entry, stage)]),)


def proposal(
    registry: Registry, scope: str, reason: str, changes: Sequence[Change], **more: object
) -> VersionProposed:
    """Return a change set that the refiner wants."""
    return VersionProposed.model_validate(
        {
            "scope": scope,
            "actor": ACTOR,
            "reason": reason,
            "changes": tuple(changes),
            "previous": registry.ordinal,
            **more,
        }
    )

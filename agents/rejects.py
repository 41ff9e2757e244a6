"""Rejects: who doubts which answer, what the teacher said to it, what a source's word is worth.

a believed source rejects ─▶ a doubt that keeps the version out of service ─▶ RecallAsked
any other source rejects  ─▶ a doubt, within the tenant's budget           ─▶ AuditAsked
the teacher has answered  ─▶ confirmed or refuted ─▶ RejectJudged for each source that rejected it

A refuted reject is no disagreement, so the version comes back as it was. Tried before and left:
taking the evidence away at the reject and letting the version earn it again; a source that rejects
a tenth of the right answers then halves what the fleet answers, and one that rejects all of them
stops it. Rejects are never samples, whoever they are from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from immutables import Map

from artifacts.policy import Policy
from artifacts.registry import Entry
from artifacts.sources import RejectBudget, Standing, judged
from streams.events import RejectJudged

Key = tuple[str, str, str]
"""Tenant, utterance and digest: one answer."""

Place = tuple[str, str, int]
"""Scope, family and version."""

OVER_BUDGET = "over the budget of rejects that are looked into"
NOT_SERVED = "no version of the family answers so any more"

_NEW = Standing()


@dataclass(frozen=True, slots=True)
class Doubt:
    """An answer that was rejected, by whom, and what the teacher said (None: not yet)."""

    place: Place
    sources: tuple[str, ...]
    confirmed: bool | None = None


@dataclass(frozen=True, slots=True)
class Rejects:
    """All doubts by answer; the open ones that keep a version out of service, by version.

    `trusted` are the sources that the settings name; `standings` what became of their rejects.
    """

    trusted: frozenset[str]
    standings: Map[tuple[str, str], Standing] = field(default_factory=Map)
    budgets: Map[str, RejectBudget] = field(default_factory=Map)
    doubts: Map[Key, Doubt] = field(default_factory=Map)
    suspending: Map[Place, frozenset[Key]] = field(default_factory=Map)

    def believes(self, tenant: str, source: str) -> bool:
        """Return whether a source's word takes a version out of service."""
        known = self.standings.get((tenant, source), _NEW)
        return source in self.trusted and known.is_believed

    def suspends(self, entry: Entry) -> bool:
        """Return whether a believed source doubts the version, and the teacher has not spoken."""
        return place_of(entry) in self.suspending


def served(rejects: Rejects, tenant: str) -> Rejects:
    """Count an answer: it earns a share of a question."""
    budget = rejects.budgets.get(tenant, RejectBudget()).answered()
    return replace(rejects, budgets=rejects.budgets.set(tenant, budget))


def doubted(rejects: Rejects, key: Key, entry: Entry, source: str) -> Rejects:
    """Remember that a source rejects an answer; a believed one keeps its version from serving."""
    doubt = rejects.doubts.get(key, Doubt(place_of(entry), ()))
    if source not in doubt.sources:
        doubt = replace(doubt, sources=(*doubt.sources, source))
    rejects = replace(rejects, doubts=rejects.doubts.set(key, doubt))
    if not rejects.believes(key[0], source):
        return rejects
    keys = rejects.suspending.get(doubt.place, frozenset()) | {key}
    return replace(rejects, suspending=rejects.suspending.set(doubt.place, keys))


def within_budget(
    rejects: Rejects, key: Key, entry: Entry, source: str, policy: Policy
) -> Rejects | None:
    """Return the same for a source that is not believed; None where its budget is used up."""
    budget = rejects.budgets.get(key[0], RejectBudget())
    left = budget.spend(source, policy.reject_audit_rate, policy.reject_audits_ahead)
    if left is None:
        return None
    return doubted(replace(rejects, budgets=rejects.budgets.set(key[0], left)), key, entry, source)


def closed(
    rejects: Rejects, key: Key, *, confirmed: bool
) -> tuple[Rejects, Sequence[RejectJudged]]:
    """Fold what the teacher said of a doubted answer: once, for each source that rejected it."""
    doubt = rejects.doubts.get(key)
    if doubt is None or doubt.confirmed is not None:
        return rejects, ()
    rejects = replace(
        rejects,
        doubts=rejects.doubts.set(key, replace(doubt, confirmed=confirmed)),
        suspending=_without(rejects.suspending, doubt.place, key),
    )
    said: list[RejectJudged] = []
    for source in doubt.sources:
        rejects, event = heard(rejects, key, source, confirmed=confirmed)
        said.append(event)
    return rejects, said


def heard(
    rejects: Rejects, key: Key, source: str, *, confirmed: bool
) -> tuple[Rejects, RejectJudged]:
    """Hold one source's reject against what the teacher has said of the answer."""
    doubt, tenant = rejects.doubts[key], key[0]
    if source not in doubt.sources:
        doubt = replace(doubt, sources=(*doubt.sources, source))
        rejects = replace(rejects, doubts=rejects.doubts.set(key, doubt))
    if source in rejects.trusted:
        standing = judged(rejects.standings.get((tenant, source), _NEW), confirmed=confirmed)
        rejects = replace(rejects, standings=rejects.standings.set((tenant, source), standing))
    outcome: Literal["confirmed", "refuted"] = "confirmed" if confirmed else "refuted"
    return rejects, _judged(rejects, key, doubt.place, source, outcome)


def unheard(rejects: Rejects, key: Key, reason: str) -> tuple[Rejects, Sequence[RejectJudged]]:
    """Drop a doubt that the teacher did not speak to; it may be raised again."""
    doubt = rejects.doubts.get(key)
    if doubt is None or doubt.confirmed is not None:
        return rejects, ()
    rejects = replace(
        rejects,
        doubts=rejects.doubts.delete(key),
        suspending=_without(rejects.suspending, doubt.place, key),
    )
    place, said = doubt.place, list[RejectJudged]()
    for source in doubt.sources:
        said.append(_judged(rejects, key, place, source, "unjudged", reason))
    return rejects, said


def left_out(rejects: Rejects, key: Key, entry: Entry, source: str, reason: str) -> RejectJudged:
    """Return what tells that a reject was not looked into, and why."""
    return _judged(rejects, key, place_of(entry), source, "unjudged", reason)


def _judged(
    rejects: Rejects,
    key: Key,
    place: Place,
    source: str,
    outcome: Literal["confirmed", "refuted", "unjudged"],
    reason: str = "",
) -> RejectJudged:
    scope, family, version = place
    return RejectJudged(
        tenant=key[0],
        source=source,
        scope=scope,
        family=family,
        version=version,
        sample_id=key[1],
        outcome=outcome,
        is_believed=rejects.believes(key[0], source),
        reason=reason,
    )


def place_of(entry: Entry) -> Place:
    """Return where a version is registered."""
    return entry.scope, entry.family, entry.version


def _without(
    suspending: Map[Place, frozenset[Key]], place: Place, key: Key
) -> Map[Place, frozenset[Key]]:
    left = suspending.get(place, frozenset()) - {key}
    if left:
        return suspending.set(place, left)
    return suspending.delete(place) if place in suspending else suspending

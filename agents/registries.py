"""How deciders fold version events into registry snapshots; the one place where both sides meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from artifacts.artifact import Artifact, load_artifact
from artifacts.problems import Problem
from artifacts.registry import Entry, Registry, changed
from artifacts.stages import StageName
from streams.codec import REASON_LIMIT
from streams.events import Change, Revision, VersionChanged, VersionRefused
from streams.signing import Trust, verify

_T = TypeVar("_T")
_SCOPE_SHOWN = 200


@dataclass(frozen=True, slots=True, eq=False)
class _Same(Generic[_T]):
    """A value compared by identity, which it keeps alive."""

    value: _T

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value


@lru_cache(maxsize=16)
def _next(before: _Same[Registry], event: _Same[VersionChanged], trust: Trust) -> Registry | str:
    """Compute the next snapshot once for all nodes of a process; who wrote it is asked first."""
    if (why := verify(event.value, trust)) is not None:
        return why
    artifacts: list[Artifact] = []
    for document in event.value.artifacts:
        artifact = load_artifact(document)
        if isinstance(artifact, tuple):
            return str(artifact[0])
        artifacts.append(artifact)
    change = event.value
    after = changed(
        before.value, change.ordinal, change.scope, change.changes, artifacts, change.price_bits
    )
    return str(after) if isinstance(after, Problem) else after


def next_registry(registry: Registry, event: VersionChanged, trust: Trust) -> Registry | str:
    """Return the registry with one more change set, or why it may not or does not fit."""
    return _next(_Same(registry), _Same(event), trust)


def taken(
    registry: Registry, event: VersionChanged, trust: Trust, node: str
) -> tuple[Registry, Sequence[VersionRefused]]:
    """Return the registry with one more change set; the last good one, and why, when refused.

    Folding a change set twice changes nothing and is not worth a word. A refused one does not take
    its ordinal: the next valid change set with the same ordinal is folded.
    """
    if event.ordinal <= registry.ordinal:
        return registry, ()
    after = next_registry(registry, event, trust)
    if isinstance(after, Registry):
        return after, ()
    refused = VersionRefused(
        ordinal=event.ordinal,
        scope=event.scope[:_SCOPE_SHOWN],
        node=node,
        reason=after[:REASON_LIMIT],
    )
    return registry, (refused,)


def folded(registry: Registry, event: VersionChanged, trust: Trust) -> Registry:
    """Return what `taken` returns, for those who have nobody to tell of a refusal."""
    return taken(registry, event, trust, "")[0]


def change_of(entry: Entry, stage: StageName, *, recheck: bool = False) -> Change:
    """Return the line of a change set that puts a version into a stage."""
    return Change(
        family=entry.family,
        version=entry.version,
        digest=entry.artifact.digest,
        stage=stage,
        recheck=recheck,
    )


def revision_of(registry: Registry) -> Revision:
    """Return the revision of a snapshot."""
    return Revision(ordinal=registry.ordinal, digest=registry.digest)

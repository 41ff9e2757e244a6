"""How deciders fold version events into registry snapshots; the one place where both sides meet."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from artifacts.artifact import Artifact, load_artifact
from artifacts.problems import Problem
from artifacts.registry import Entry, Registry, changed
from artifacts.stages import StageName
from streams.events import Change, Revision, VersionChanged

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class _Same(Generic[_T]):
    """A value compared by identity, which it keeps alive."""

    value: _T

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value


@lru_cache(maxsize=16)
def _next(before: _Same[Registry], event: _Same[VersionChanged]) -> Registry | Problem:
    """Compute the next snapshot once for all nodes of a process."""
    artifacts: list[Artifact] = []
    for document in event.value.artifacts:
        artifact = load_artifact(document)
        if isinstance(artifact, tuple):
            return artifact[0]
        artifacts.append(artifact)
    change = event.value
    return changed(
        before.value, change.ordinal, change.scope, change.changes, artifacts, change.price_bits
    )


def next_registry(registry: Registry, event: VersionChanged) -> Registry | Problem:
    """Return the registry with one more change set, or why it does not fit."""
    return _next(_Same(registry), _Same(event))


def folded(registry: Registry, event: VersionChanged) -> Registry:
    """Return the registry with one more change set; the last good one when it does not fit.

    Folding a change set twice changes nothing.
    """
    if event.ordinal <= registry.ordinal:
        return registry
    after = next_registry(registry, event)
    return registry if isinstance(after, Problem) else after


def change_of(entry: Entry, stage: StageName) -> Change:
    """Return the line of a change set that puts a version into a stage."""
    return Change(
        family=entry.family, version=entry.version, digest=entry.artifact.digest, stage=stage
    )


def revision_of(registry: Registry) -> Revision:
    """Return the revision of a snapshot."""
    return Revision(ordinal=registry.ordinal, digest=registry.digest)

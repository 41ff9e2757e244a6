"""How deciders fold version events into registry snapshots; the one place where both sides meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from artifacts.artifact import Artifact, load_artifact
from artifacts.bits import Baseline
from artifacts.problems import Problem
from artifacts.registry import Entry, Registry, changed
from artifacts.stages import StageName
from streams.codec import REASON_LIMIT
from streams.events import (
    AnswerCounted,
    AnswersKnown,
    Change,
    Revision,
    VersionChanged,
    VersionRefused,
)
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
        before.value,
        change.ordinal,
        change.scope,
        change.changes,
        artifacts,
        change.price_bits,
        baseline_of(change.baseline),
    )
    return str(after) if isinstance(after, Problem) else after


def next_registry(registry: Registry, event: VersionChanged, trust: Trust) -> Registry | str:
    """Return the registry with one more change set, or why it may not or does not fit."""
    return _next(_Same(registry), _Same(event), trust)


def taken(
    registry: Registry, event: VersionChanged, trust: Trust, node: str
) -> tuple[Registry, Sequence[VersionRefused]]:
    """Return the registry with one more change set; the last good one, and why, when refused.

    Folding a change set twice changes nothing and is not worth a word; another one with its ordinal
    is refused. A refused one does not take its ordinal: the next valid change set with the same
    ordinal is folded.
    """
    if event.ordinal > registry.ordinal:
        after = next_registry(registry, event, trust)
        if isinstance(after, Registry):
            return after, ()
    elif _is_another(registry, event):
        after = f"ordinal {event.ordinal} is taken by another change set"
    else:
        return registry, ()
    refused = VersionRefused(
        ordinal=event.ordinal,
        scope=event.scope[:_SCOPE_SHOWN],
        node=node,
        reason=after[:REASON_LIMIT],
    )
    return registry, (refused,)


def _is_another(registry: Registry, event: VersionChanged) -> bool:
    """Return whether a change set cannot be the one that was folded at its ordinal.

    Had it been, each of its versions would have been put there then, or moved since.
    """
    last = {(change.family, change.version): change for change in event.changes}
    for change in last.values():
        entry = registry.entry(event.scope, change.family, change.version)
        if entry is None or entry.artifact.digest != change.digest:
            return True
        has_moved_since = entry.ordinal > event.ordinal
        if not has_moved_since and (entry.ordinal, entry.stage) != (event.ordinal, change.stage):
            return True
    return False


def folded(registry: Registry, event: VersionChanged, trust: Trust) -> Registry:
    """Return what `taken` returns, for those who have nobody to tell of a refusal."""
    return taken(registry, event, trust, "")[0]


def change_of(
    entry: Entry, stage: StageName, share: float | None = None, *, recheck: bool = False
) -> Change:
    """Return the line of a change set that puts a version into a stage; a canary with its share."""
    return Change(
        family=entry.family,
        version=entry.version,
        digest=entry.artifact.digest,
        stage=stage,
        share=share,
        recheck=recheck,
    )


def baseline_of(known: AnswersKnown | None) -> Baseline | None:
    """Return the baseline that an event carries."""
    if known is None:
        return None
    counts = tuple((counted.answer, counted.texts) for counted in known.commonest)
    return Baseline(known.texts, known.answers, counts)


def answers_known(baseline: Baseline | None) -> AnswersKnown | None:
    """Return a baseline as an event carries it."""
    if baseline is None:
        return None
    return AnswersKnown(
        texts=baseline.texts,
        answers=baseline.answers,
        commonest=tuple(AnswerCounted(answer=key, texts=n) for key, n in baseline.counts),
    )


def suspension_of(entry: Entry) -> Change:
    """Return the line that takes a serving version out while a reject of it is looked into."""
    return change_of(entry, "shadow").model_copy(update={"suspended": True})


def revision_of(registry: Registry) -> Revision:
    """Return the revision of a snapshot."""
    return Revision(ordinal=registry.ordinal, digest=registry.digest)

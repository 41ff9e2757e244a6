"""What a version inherits whose grammar was narrowed and whose program is its parent's.

ComparisonMade ─▶ the last comparisons of each version, agreeing or not, as they came
VersionProposed (narrower) ─▶ the parent is remembered, and the price is told
VersionChanged (the narrower one in shadow) ─▶ ComparisonMade for those that it reads (inherited)

A version that follows on another by narrowing was chosen by looking at the comparisons of the
other, so they do not speak for it for free: it may restart, or keep them at the price of the
choice (a union bound over what could have been chosen). What was tried and rejected:

* *Accepted pairs alone*: chosen because the old version was right on them; they say nothing.
* *The parent's stratum as it was*: a certificate of the new version would then hold samples from
  before the version was there, and it starts at m = 0. `inherited` is a stratum of its own: it
  counts where bits and distinct values are counted (admission) and is no sample of anything.
* *Moving sums instead of atoms*: an atom names its sample, so that a second telling changes
  nothing, and is read in the new language again.

So all of a bounded window is inherited, never a selection by outcome: what the new version reads,
disagreements included. Which k of n it does not read was chosen among as many as there are ways to
leave k out, times the narrowings that were considered.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from immutables import Map

from artifacts.artifact import Artifact
from artifacts.comparators import same
from artifacts.compiler import Given, answer_of
from artifacts.policy import Policy
from artifacts.registry import Entry, Registry
from artifacts.stages import STAGES
from streams.events import ComparisonMade, VersionChanged

MAX_INHERITED = 64
"""The last comparisons of a version that are kept to be inherited."""

_Key = tuple[str, str, int]
Window = tuple[ComparisonMade, ...]


@dataclass(frozen=True, slots=True)
class Inheritance:
    """The last comparisons by (scope, family, version); by that and its digest the parents of the
    versions that were proposed and are not there yet; the slots that were proposed closed.
    """

    windows: Map[_Key, Window] = field(default_factory=Map)
    parents: Map[tuple[str, str, int, str], int] = field(default_factory=Map)
    closed: Map[tuple[str, str, int, str], None] = field(default_factory=Map)

    def window(self, entry: Entry) -> Window:
        """Return the last comparisons of a version, oldest first."""
        return self.windows.get((entry.scope, *entry.key), ())


def noted(inheritance: Inheritance, event: ComparisonMade) -> Inheritance:
    """Add a comparison; one that is told twice counts once."""
    key = (event.scope, event.family, event.version)
    window = inheritance.windows.get(key, ())
    if any(_sample(event) == _sample(other) for other in window):
        return inheritance
    kept = (*window[-(MAX_INHERITED - 1) :], event)
    return replace(inheritance, windows=inheritance.windows.set(key, kept))


def _sample(event: ComparisonMade) -> tuple[str, str, str, str]:
    return event.sample_id, event.digest, event.target, event.stratum


def read_by(artifact: Artifact, window: Window) -> Iterator[tuple[ComparisonMade, Given]]:
    """Yield what the artifact reads of a window, with what it answers."""
    for event in window:
        given = answer_of(artifact, event.text)
        if isinstance(given, Given):
            yield event, given


def price_of_choice(artifact: Artifact, window: Window, considered: int) -> float | None:
    """Return the bits that it costs to inherit a window; None where nothing may be inherited.

    That is where a comparison of the window speaks against the artifact, or none speaks for it.
    """
    read = list(read_by(artifact, window))
    if not read or not all(same(g.answer, e.expected, artifact.comparator) for e, g in read):
        return None
    return math.log2(considered) + math.log2(math.comb(len(window), len(read)))


def price_of_parent(entry: Entry, policy: Policy, *, at_fault: bool) -> float:
    """Return the bits that the parent owes: whoever takes its evidence owes them as well.

    A parent at fault owes for a return even where it was retired instead.
    """
    returns = max(entry.returns, 1) if at_fault else entry.returns
    return entry.price + returns * policy.return_surcharge


def with_parent(
    inheritance: Inheritance, entry: Entry, version: int, artifact: Artifact
) -> Inheritance:
    """Remember which version a proposed one follows on."""
    key = (entry.scope, entry.family, version, artifact.digest)
    return replace(inheritance, parents=inheritance.parents.set(key, entry.version))


def bequeathed(
    inheritance: Inheritance,
    registry: Registry,
    entry: Entry,
    artifact: Artifact,
    considered: int,
    policy: Policy,
) -> tuple[Inheritance, float] | None:
    """Return the price in bits of the next version, which narrows one that was wrong, or None.

    None where it would inherit nothing: what starts with nothing had better be learned anew from
    its cluster, whose pairs are replayed. None as well where versions of the family came back too
    often: being narrowed begins no new life, else a faulty program would serve again and again.
    """
    versions = registry.versions(entry.scope, entry.family)
    choice = price_of_choice(artifact, inheritance.window(entry), considered)
    if choice is None or sum(other.returns for other in versions) > policy.max_returns:
        return None
    price = price_of_parent(entry, policy, at_fault=True) + choice
    return with_parent(inheritance, entry, len(versions) + 1, artifact), price


def passed_on(
    inheritance: Inheritance, registry: Registry, event: VersionChanged
) -> tuple[Inheritance, list[ComparisonMade]]:
    """Return what the new versions of a change set inherit, and forget what nobody will.

    `registry` has the change set folded in. What is retired leaves nothing to later versions.
    """
    made: list[ComparisonMade] = []
    windows, parents = inheritance.windows, inheritance.parents
    for change in event.changes:
        key = (event.scope, change.family, change.version, change.digest)
        parent = parents.get(key)
        entry = registry.entry(event.scope, change.family, change.version)
        if parent is not None:
            parents = parents.delete(key)
            if entry is not None and entry.stage == "shadow":
                window = windows.get((event.scope, change.family, parent), ())
                made += inherited(entry, window)
    for change in event.changes:
        key_of_window = (event.scope, change.family, change.version)
        if not STAGES[change.stage].compared and key_of_window in windows:
            windows = windows.delete(key_of_window)
    return replace(inheritance, windows=windows, parents=parents), made


def inherited(entry: Entry, window: Window) -> Iterator[ComparisonMade]:
    """Yield the comparisons of the parent's window that lie in the language of a version."""
    artifact = entry.artifact
    for event, given in read_by(artifact, window):
        yield event.model_copy(
            update={
                "version": entry.version,
                "digest": artifact.digest,
                "since": entry.since,
                "stage": entry.stage,
                "stratum": "inherited",
                "comparator": artifact.comparator,
                "agreed": same(given.answer, event.expected, artifact.comparator),
                "values": {name: bound.spelling for name, bound in given.bindings.items()},
            }
        )

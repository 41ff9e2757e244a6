"""The registry: an immutable snapshot of all family versions, a fold of the change sets.

The next snapshot shares structure with this one. A change set that does not fit (wrong ordinal,
unknown artifact, forbidden stage) leaves the snapshot as it is and is reported as a problem.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from immutables import Map
from msgspec import Struct

from artifacts.artifact import Artifact, Reading
from artifacts.bits import Baseline
from artifacts.comparators import public_form
from artifacts.grammar.index import Index
from artifacts.grammar.lexer import Tokens
from artifacts.grammar.nfa import TooManyReadings
from artifacts.grammar.profile import Profile
from artifacts.grammar.rows import Way, Ways, read_by
from artifacts.grammar.shapes import Seen
from artifacts.problems import Problem
from artifacts.program.evaluate import Computed
from artifacts.stages import STAGES, StageName, may_follow, may_suspend
from artifacts.values import digest

SHARED = "shared"
"""The scope whose families answer for every tenant."""


class StageChange(Protocol):
    """One line of a change set."""

    @property
    def family(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def stage(self) -> StageName: ...
    @property
    def share(self) -> float | None: ...
    @property
    def suspended(self) -> bool: ...
    @property
    def recheck(self) -> bool: ...


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One family version in one scope; compared by identity.

    `since` is the ordinal of the change set that last put it into shadow: only evidence gathered
    since then counts. `returns` counts how often it came back there; `price` is in bits.
    `baseline` was fixed when the version was proposed. A canary answers a `share` of the
    utterances, or all where that is None; see `is_within`. While a reject of its answer is looked
    into a version is in shadow, `suspended` from the stage to which it comes back, with its share,
    if the reject is refuted; that is neither an entry into shadow nor a return. `recheck` says that
    it served until it was put into shadow without blame: a few agreements bring it back.
    """

    scope: str
    family: str
    version: int
    stage: StageName
    artifact: Artifact
    ordinal: int
    since: int
    returns: int
    price: float
    baseline: Baseline | None = None
    share: float | None = None
    suspended: StageName | None = None
    recheck: bool = False

    @property
    def key(self) -> tuple[str, int]:
        return self.family, self.version

    @property
    def required(self) -> frozenset[str]:
        return self.artifact.required

    @property
    def profile(self) -> Profile:
        return self.artifact.profile


class Found(Struct, frozen=True, gc=False):
    """A reading of an utterance by a family version."""

    entry: Entry
    reading: Reading


class Hit(Struct, frozen=True, gc=False):
    """All serving readings have one answer; `found` is credited with it."""

    found: Found
    computed: Computed
    readings: int


@dataclass(frozen=True, slots=True)
class Miss:
    """No serving family has a reading; `shadows` are the versions in shadow that have one, and
    the canaries within whose share the utterance is not.
    """

    shadows: tuple[Entry, ...]


MISS = Miss(())
"""The common case, made once."""


@dataclass(frozen=True, slots=True)
class Clash:
    """Readings differ, or one fails beside another's answer."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class AllFailed:
    """There are readings and none has an answer."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class TooMany:
    """Too many candidates or readings to decide within bounds."""


Lookup = Hit | Miss | Clash | AllFailed | TooMany

_DRAW_BYTES = 6


def canary_draw(utterance_id: str) -> float:
    """Return where an utterance lies in [0, 1): canaries whose share is above it answer it.

    It is the start of a SHA-256. What is hashed begins otherwise than for the draws of audits, so
    that the two are independent; all canaries draw alike, so that those that differ meet.

    >>> canary_draw("u1") == canary_draw("u1"), 0 <= canary_draw("u1") < 1
    (True, True)
    """
    hashed = hashlib.sha256(f"canary|{utterance_id}".encode()).digest()
    return int.from_bytes(hashed[:_DRAW_BYTES]) / (1 << 8 * _DRAW_BYTES)


def is_within(entry: Entry, utterance_id: str | None) -> bool:
    """Return whether a serving version answers an utterance; None stands for any of them."""
    share = entry.share
    return share is None or utterance_id is None or canary_draw(utterance_id) < share


_EntryKey = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Registry:
    """A snapshot. `ordinal` and `digest` are its revision; the digest chains all change sets.

    `serving` counts the versions that serve, over all scopes. `seen` is a memo, of shapes and never
    of texts.
    """

    ordinal: int = 0
    digest: str = ""
    serving: int = 0
    entries: Map[_EntryKey, Entry] = field(default_factory=Map)
    indexes: Map[str, Index[Entry]] = field(default_factory=Map)
    seen: "Seen[Accepted]" = field(default_factory=Seen, compare=False, repr=False)

    def entry(self, scope: str, family: str, version: int) -> Entry | None:
        """Return one family version, or None."""
        return self.entries.get((scope, family, version))

    def entry_for(self, tenant: str, family: str, version: int) -> Entry | None:
        """Return the family version that answers for a tenant: its own, or the shared one."""
        return self.entry(tenant, family, version) or self.entry(SHARED, family, version)

    def versions(self, scope: str, family: str) -> tuple[Entry, ...]:
        """Return all versions of a family, oldest first."""
        found: list[Entry] = []
        while (entry := self.entry(scope, family, len(found) + 1)) is not None:
            found.append(entry)
        return tuple(found)

    def compared_count(self, scope: str) -> int:
        """Return how many versions of a scope are in shadow or serving."""
        index = self.indexes.get(scope)
        return len(index.filed) if index else 0

    def in_order(self) -> Iterator[Entry]:
        """Yield all entries by scope, family and version."""
        for key in sorted(self.entries):
            yield self.entries[key]

    def candidates(self, tenant: str, tokens: Tokens) -> list[Entry]:
        """Return the compared versions of the tenant's scopes that may read the utterance."""
        found: list[Entry] = []
        for scope in (tenant, SHARED):
            index = self.indexes.get(scope)
            if index is not None:
                found += index.candidates(tokens)
        if len(found) > 1:
            found.sort(key=lambda entry: (entry.artifact.digest, entry.scope, entry.key))
        return found

    def lookup(
        self, tenant: str, tokens: Tokens, *, max_candidates: int, utterance_id: str | None = None
    ) -> Lookup:
        """Decide one utterance (DESIGN §3): hit, miss, clash, failure, or too much to decide.

        Without an id it is decided as if it were within the share of every canary.
        """
        accepted = self.seen.find(tenant, tokens.words)
        if accepted is None:
            candidates = self.candidates(tenant, tokens)
            if not candidates:
                return MISS
            if len(candidates) > max_candidates:
                return TooMany()
            accepted = _accepted(candidates, tokens)
            if not accepted.ways:
                return MISS
            self.seen.remember(tenant, tokens.words, accepted)
        elif accepted.candidates > max_candidates:
            return TooMany()
        if accepted.only is None:
            return _read(accepted, tokens, utterance_id)
        entry, way = accepted.only
        bindings = way.bindings(tokens)
        if bindings is None:
            return MISS
        outcome = entry.artifact.run(bindings)
        if outcome.__class__ is Computed:
            return Hit(Found(entry, Reading(bindings, outcome)), outcome, 1)
        return AllFailed((entry,))


class Accepted(Struct, frozen=True):
    """What the automata make of all texts of one shape, in the order of the candidates.

    `candidates` counts those that were tried; those that accept nothing have no ways.
    """

    candidates: int
    ways: tuple[tuple[Entry, Ways], ...]
    only: tuple[Entry, Way] | None
    """What there nearly always is: one version that serves all utterances, with one way."""


def _accepted(candidates: Sequence[Entry], tokens: Tokens) -> Accepted:
    found: list[tuple[Entry, Ways]] = []
    for entry in candidates:
        ways = entry.artifact.rows.ways(tokens)
        if ways is not None:
            found.append((entry, ways))
    return Accepted(len(candidates), tuple(found), _only(found))


def _only(found: Sequence[tuple[Entry, Ways]]) -> tuple[Entry, Way] | None:
    match found:
        case [(entry, Way() as way)] if STAGES[entry.stage].serves and entry.share is None:
            return entry, way
    return None


def _read(accepted: Accepted, tokens: Tokens, utterance_id: str | None) -> Lookup:
    shadows: list[Entry] = []
    found: list[Found] = []
    for entry, ways in accepted.ways:
        readings = read_by(ways, tokens)
        if not (STAGES[entry.stage].serves and is_within(entry, utterance_id)):
            if readings and not isinstance(readings, TooManyReadings):
                shadows.append(entry)
            continue
        if isinstance(readings, TooManyReadings):
            return TooMany()
        for bindings in readings:
            found.append(Found(entry, Reading(bindings, entry.artifact.run(bindings))))
    return _decided(found) if found else Miss(tuple(shadows)) if shadows else MISS


def _decided(found: Sequence[Found]) -> Lookup:
    first = found[0]
    outcome = first.reading.outcome
    entries = tuple(dict.fromkeys(item.entry for item in found)) if len(found) > 1 else ()
    if len(found) > 1:
        outcomes = [item.reading.outcome for item in found]
        answers = [o.answer for o in outcomes if isinstance(o, Computed)]
        if not answers:
            return AllFailed(entries)
        if len(answers) < len(found) or len({public_form(answer) for answer in answers}) > 1:
            return Clash(entries)
    if not isinstance(outcome, Computed):
        return AllFailed((first.entry,))
    return Hit(first, outcome, len(found))


def chained(before: str, ordinal: int, scope: str, changes: Sequence[StageChange]) -> str:
    """Return the digest of a registry after one more change set: of all that decides an answer.

    A share and a recheck are part of it, where they are; what a suspended version may still count
    on is not.
    """
    lines = [
        [
            *(c.family, c.version, c.digest, c.stage),
            *([] if c.share is None else [c.share]),
            *(["recheck"] if c.recheck else []),
        ]
        for c in changes
    ]
    return digest([before, ordinal, scope, lines])


def changed(
    registry: Registry,
    ordinal: int,
    scope: str,
    changes: Sequence[StageChange],
    artifacts: Iterable[Artifact],
    price: float = 0.0,
    baseline: Baseline | None = None,
) -> Registry | Problem:
    """Return the next snapshot, or why the change set does not fit; it is atomic.

    `price` in bits is what the search for the new artifacts tried, `baseline` what their agreements
    are weighed against.
    """
    if ordinal != registry.ordinal + 1:
        message = f"ordinal {ordinal} after {registry.ordinal}"
        return Problem("bad-document", "versions", message)
    by_digest: Mapping[str, Artifact] = {artifact.digest: artifact for artifact in artifacts}
    entries, index = registry.entries, registry.indexes.get(scope, Index())
    serving, touched = registry.serving, list[Artifact]()
    for change in changes:
        before = entries.get((scope, change.family, change.version))
        problem = _misfit(before, change)
        artifact = before.artifact if before else by_digest.get(change.digest)
        if problem is None and artifact is None:
            problem = f"no artifact {change.digest[:12]}"
        if problem is not None or artifact is None:
            place = f"{change.family}@{change.version}"
            return Problem("bad-document", place, str(problem))
        entry = _entry(scope, change, artifact, before, ordinal, price, baseline)
        entries = entries.set((scope, change.family, change.version), entry)
        compared = STAGES[change.stage].compared
        touched.append(artifact)
        index = index.with_item(entry) if compared else index.without(entry.key)
        serving += STAGES[change.stage].serves - bool(before and STAGES[before.stage].serves)
    return Registry(
        ordinal,
        chained(registry.digest, ordinal, scope, changes),
        serving,
        entries,
        registry.indexes.set(scope, index),
        registry.seen.after(
            (names for artifact in touched for names in artifact.profile.names),
            (artifact.required for artifact in touched),
        ),
    )


def _entry(
    scope: str,
    change: StageChange,
    artifact: Artifact,
    before: Entry | None,
    ordinal: int,
    price: float,
    baseline: Baseline | None,
) -> Entry:
    enters_shadow = (change.stage == "shadow" and not change.suspended) or before is None
    has_served = before is not None and (
        STAGES[before.stage].serves or before.suspended is not None or before.recheck
    )
    return Entry(
        scope,
        change.family,
        change.version,
        change.stage,
        artifact,
        ordinal,
        since=ordinal if enters_shadow or before is None else before.since,
        returns=before.returns + (enters_shadow and not change.recheck) if before else 0,
        price=before.price if before else price,
        baseline=before.baseline if before else baseline,
        share=before.share if before and change.suspended else change.share,
        suspended=before.stage if before and change.suspended else None,
        recheck=change.recheck and enters_shadow and has_served,
    )


def _misfit(before: Entry | None, change: StageChange) -> str | None:
    if before is not None and before.artifact.digest != change.digest:
        return f"digest {change.digest[:12]} is not {before.artifact.digest[:12]}"
    stage = before.stage if before else None
    if not may_follow(stage, change.stage):
        return f"stage {change.stage} may not follow {stage}"
    if change.share is not None and (change.stage != "canary" or not 0 < change.share <= 1):
        return f"stage {change.stage} has no share {change.share}"
    if change.suspended and not may_suspend(stage, change.stage):
        return f"only what serves is suspended, into shadow; not from {stage} to {change.stage}"
    return None

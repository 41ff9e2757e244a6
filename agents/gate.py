"""The gate: one table of checks, each a function of a proposal, with the reason why not.

The checks see what the registrar has gathered (`Known`) and the proposal with its artifacts, which
may come from anywhere: what the compiler has found of a recipe is looked for again here, in the
artifact alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from immutables import Map

from agents.admission import admission_notes
from agents.changes import APPROVAL, PERSON
from agents.comparisons import claim_of
from agents.traffic import changed_answers, listed, shown
from artifacts.artifact import Artifact, load_artifact, stated_problems
from artifacts.compiler import answered_counterexamples, answers_all, phi_problems
from artifacts.evidence import Evidence, shortfall
from artifacts.grammar.lexer import Tokens
from artifacts.policy import EVERY_TENANT, Policies, Policy
from artifacts.registry import SHARED, Entry, Registry, changed
from artifacts.stages import STAGES, may_follow, may_suspend
from artifacts.steering import Steering, steered
from streams.events import CheckMade, VersionProposed

REFINER = "refiner"
LEARNERS = frozenset({"distiller", REFINER})
"""Actors that learn from one tenant: they may take a shared version out, never put one in."""

WAITS = "waits for approval"
"""Why an agent's promotion is refused where a person's is asked for."""

COMPILE = "compile"
"""The check without which no other can be made."""


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """The last run of a suite: its window, newest record first, and the expectations that failed,
    each with the reason.
    """

    window: tuple[int, int]
    failed: Map[str, str] = field(default_factory=Map)


@dataclass(frozen=True, slots=True)
class Known:
    """Registry, evidence and what steers admission by scope, the last utterances answered for each
    tenant, and the last run of each suite of expectations by scope.

    For the tenants of `approval` only a person puts a version into service.
    """

    policies: Policies
    registry: Registry = field(default_factory=Registry)
    approval: frozenset[str] = frozenset()
    evidence: Evidence = field(default_factory=Evidence)
    steerings: Map[str, Steering] = field(default_factory=Map)
    recent: Map[str, tuple[Tokens, ...]] = field(default_factory=Map)
    runs: Map[tuple[str, str], SuiteRun] = field(default_factory=Map)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal with its artifacts loaded, beside what it is checked against.

    `problems` are those of the artifacts that do not load.
    """

    known: Known
    event: VersionProposed
    artifacts: Mapping[str, Artifact]
    problems: tuple[str, ...]

    @property
    def policy(self) -> Policy:
        """The policy of the scope that would change."""
        return self.known.policies.of(self.event.scope)

    def entry(self, family: str, version: int) -> Entry | None:
        """Return the version as the registry has it."""
        return self.known.registry.entry(self.event.scope, family, version)

    def entering(self) -> Iterator[Entry]:
        """Yield the versions that would come into service, or from a share of it into all."""
        for change in self.event.changes:
            entry = self.entry(change.family, change.version)
            if entry is None or entry.suspended == change.stage:
                continue
            if STAGES[change.stage].serves and may_follow(entry.stage, change.stage):
                yield entry

    def returning(self) -> Iterator[Entry]:
        """Yield the suspended versions that would be back where they were, let in before."""
        for change in self.event.changes:
            entry = self.entry(change.family, change.version)
            if entry and entry.suspended == change.stage:
                yield entry


@dataclass(frozen=True, slots=True)
class Noted:
    """A check has passed, and there is something that people should know."""

    what: str


Check = Callable[[Proposal], str | Noted | None]
"""Returns why not; None or what to note where it passes."""


def _compile(proposal: Proposal) -> str | None:
    """Every artifact loads here, with tables that are known, and its bounds are those it states."""
    found = list(proposal.problems)
    for artifact in proposal.artifacts.values():
        found += (f"{artifact.name}: {problem}" for problem in stated_problems(artifact))
    return "; ".join(found) or None


def _scope(proposal: Proposal) -> str | None:
    event = proposal.event
    is_refused = event.scope == SHARED and event.actor in LEARNERS and event.artifacts
    return "agents learn for one tenant" if is_refused else None


def _previous(proposal: Proposal) -> str | None:
    """A proposer must have seen the family's last change.

    Leaving service needs no such leave, nor does the end of a suspension.
    """
    for change in proposal.event.changes:
        known = proposal.entry(change.family, change.version)
        if known and STAGES[known.stage].compared and not STAGES[change.stage].serves:
            continue
        if known and known.suspended == change.stage:
            continue
        for entry in proposal.known.registry.versions(proposal.event.scope, change.family):
            if entry.ordinal > proposal.event.previous:
                return (
                    f"{change.family} changed at {entry.ordinal}, "
                    f"after {proposal.event.previous} that the proposer saw"
                )
    return None


def _stages(proposal: Proposal) -> str | None:
    """Each line changes one version by a permitted step, and no version has two lines."""
    named: set[tuple[str, int]] = set()
    for change in proposal.event.changes:
        if (change.family, change.version) in named:
            return f"{change.family}@{change.version}: changed twice in one change set"
        named.add((change.family, change.version))
        entry = proposal.entry(change.family, change.version)
        before = entry.stage if entry else None
        if not may_follow(before, change.stage):
            return f"{change.family}@{change.version}: {change.stage} may not follow {before}"
        if change.suspended and not may_suspend(before, change.stage):
            return f"{change.family}@{change.version}: only what serves is suspended"
        if change.share is not None and change.stage != "canary":
            return f"{change.family}@{change.version}: {change.stage} has no share"
        if entry is None:
            if change.digest not in proposal.artifacts:
                return f"{change.family}@{change.version}: no artifact {change.digest[:12]}"
            known = len(proposal.known.registry.versions(proposal.event.scope, change.family))
            if change.version != known + 1:
                return f"{change.family}@{change.version}: the next version is {known + 1}"
        elif entry.artifact.digest != change.digest:
            return f"{change.family}@{change.version}: another digest is registered"
    return None


def _round_trip(proposal: Proposal) -> str | None:
    """G(φ(θ)) = θ for the θ of every example."""
    for artifact in proposal.artifacts.values():
        for problem in phi_problems(artifact):
            return f"{artifact.name}: {problem}"
    return None


def _examples(proposal: Proposal) -> str | None:
    for artifact in proposal.artifacts.values():
        for example in artifact.examples():
            if not answers_all(artifact, [example]):
                text, answer = (shown(part) for part in example)
                return f"{artifact.name}: an example is not answered as it says: {text}: {answer}"
    return None


def _counterexamples(proposal: Proposal) -> str | None:
    for artifact in proposal.artifacts.values():
        for text, answer in answered_counterexamples(artifact):
            return f"{artifact.name}: a counterexample is answered: {shown(text)}: {shown(answer)}"
    return None


def _regressions(proposal: Proposal) -> str | None:
    """A new version of a family answers the accepted examples of the version it follows."""
    for change in proposal.event.changes:
        if proposal.entry(change.family, change.version) or change.version == 1:
            continue
        before = proposal.entry(change.family, change.version - 1)
        artifact = proposal.artifacts.get(change.digest)
        if before is None or artifact is None:
            continue
        mended = set(proposal.event.mended)
        kept = [pair for pair in before.artifact.examples() if pair[0] not in mended]
        if not answers_all(artifact, kept):
            return f"{change.family}@{change.version} loses an example of version {before.version}"
    return None


def _suspended(proposal: Proposal) -> str | None:
    """Who looks into rejects ends a suspension, or a person; evidence alone does not."""
    if proposal.event.actor in (REFINER, PERSON):
        return None
    for change in proposal.event.changes:
        entry = proposal.entry(change.family, change.version)
        if entry and entry.suspended and STAGES[change.stage].serves:
            return f"{entry.family}@{entry.version}: a reject of its answer is being looked into"
    return None


def _evidence(proposal: Proposal) -> str | None:
    """What enters shows what the policy asks for now; what was let in before, what it did then."""
    known = proposal.known
    now = steered(proposal.policy, known.steerings.get(proposal.event.scope, Steering()))
    asked = [(entry, now) for entry in proposal.entering()]
    asked += [(entry, proposal.policy) for entry in proposal.returning()]
    for entry, policy in asked:
        tally = known.evidence.tally(entry.artifact.digest, entry.since)
        missing = shortfall(tally, claim_of(entry), policy)
        if missing is not None:
            return f"{entry.family}@{entry.version}: {missing}"
    return None


def _approval(proposal: Proposal) -> str | None:
    """Where a tenant asks for it, only a person puts a version into service.

    A shared version would answer that tenant, too.
    """
    event, asking = proposal.event, proposal.known.approval
    is_asked_for = event.scope == SHARED or not asking.isdisjoint((event.scope, EVERY_TENANT))
    if event.actor == PERSON or not asking or not is_asked_for:
        return None
    return WAITS if any(proposal.entering()) else None


def _lost_hits(proposal: Proposal) -> str | Noted | None:
    """List the answers of late that would be others; refuse where one would be lost in a clash.

    That a version which leaves takes answers with it is what the proposer wants.
    """
    known, event = proposal.known, proposal.event
    registry = known.registry
    if not any(proposal.entering()):
        return None
    after = changed(
        registry, registry.ordinal + 1, event.scope, event.changes, proposal.artifacts.values()
    )
    if not isinstance(after, Registry):  # as other checks find, too
        return None
    named = (proposal.entry(change.family, change.version) for change in event.changes)
    touched = [entry for entry in named if entry is not None]
    found = changed_answers(registry, after, event.scope, touched, known.recent, known.policies)
    if not found:
        return None
    lost = sum(answer.is_lost for answer in found)
    others = len(found) - lost
    if lost:
        return f"{lost} of the last answers would be lost, {others} change: {listed(found)}"
    return Noted(f"{others} of the last answers would change: {listed(found)}")


def _expectations(proposal: Proposal) -> str | None:
    """Nothing goes into service while the data that teaches it is not as expected."""
    for entry in proposal.entering():
        for (scope, suite), run in sorted(proposal.known.runs.items()):
            if scope in (proposal.event.scope, SHARED) and run.failed:
                name, reason = min(run.failed.items())
                return f"{entry.family}@{entry.version}: {suite}/{name} of {scope}: {reason}"
    return None


def _capacity(proposal: Proposal) -> str | None:
    if not proposal.artifacts:
        return None
    limit = proposal.policy.max_families
    held = proposal.known.registry.compared_count(proposal.event.scope)
    return f"{held} versions of {limit} in this scope" if held >= limit else None


def _overlaps(proposal: Proposal) -> Noted | None:
    """Tell of texts that a new grammar shares with other families, or reads in two ways."""
    registry, scope = proposal.known.registry, proposal.event.scope
    noted = [
        f"{change.family}@{change.version} {note}"
        for change in proposal.event.changes
        if (artifact := proposal.artifacts.get(change.digest)) is not None
        and (note := admission_notes(registry, scope, change.family, artifact)) is not None
    ]
    return Noted("; ".join(noted)) if noted else None


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        COMPILE: _compile,
        "scope": _scope,
        "previous": _previous,
        "stages": _stages,
        "round-trip": _round_trip,
        "examples": _examples,
        "counterexamples": _counterexamples,
        "regressions": _regressions,
        "suspended": _suspended,
        "evidence": _evidence,
        APPROVAL: _approval,
        "lost-hits": _lost_hits,
        "overlaps": _overlaps,
        "expectations": _expectations,
        "capacity": _capacity,
    }
)
"""The gate: every check by name, in the order in which they are made."""


def checked(known: Known, event: VersionProposed) -> tuple[CheckMade, ...]:
    """Return what every check found; of artifacts that do not load, no more than that."""
    artifacts: dict[str, Artifact] = {}
    problems: list[str] = []
    for document in event.artifacts:
        artifact = load_artifact(document)
        if isinstance(artifact, tuple):
            problems.extend(map(str, artifact))
        else:
            artifacts[artifact.digest] = artifact
    proposal = Proposal(known, event, artifacts, tuple(problems))
    compiled = _made(COMPILE, _compile(proposal))
    if not compiled.passed:
        return (compiled,)
    return tuple(_made(name, check(proposal)) for name, check in CHECKS.items())


def _made(name: str, found: str | Noted | None) -> CheckMade:
    match found:
        case None:
            return CheckMade(check=name, passed=True, reason="")
        case Noted(what):
            return CheckMade(check=name, passed=True, reason=what)
        case str():
            return CheckMade(check=name, passed=False, reason=found)

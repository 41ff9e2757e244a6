"""The registrar: the gate, and the only writer of versions.

VersionProposed ─▶ every check of the table ─▶ VersionChanged | ProposalRefused
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from immutables import Map

from agents.admission import admission_notes
from agents.changes import APPROVAL, PERSON
from agents.comparisons import claim_of, weighed
from agents.node import Decider
from agents.registries import change_of, folded, taken
from agents.traffic import changed_answers, listed
from artifacts.artifact import Artifact, load_artifact
from artifacts.compiler import answers_all
from artifacts.evidence import Evidence, shortfall
from artifacts.grammar.lexer import Tokens, lex
from artifacts.policy import ONE_POLICY, Policies, Policy
from artifacts.registry import SHARED, Entry, Registry, changed
from artifacts.stages import STAGES, may_follow
from artifacts.steering import Steering, steered
from streams.events import (
    AnswerGiven,
    CheckMade,
    ComparisonMade,
    Event,
    ExpectationChecked,
    ProposalRefused,
    RegistryCheckpoint,
    VersionChanged,
    VersionProposed,
)
from streams.signing import ANYONE, SigningKey, Trust, sign

_RECENT = 200
CHECKPOINT_EVERY = 100
LEARNERS = frozenset({"distiller", "refiner"})
"""Actors that learn from one tenant: they may take a shared version out, never put one in."""

WAITS = "waits for approval"
"""Why an agent's promotion is refused where a person's is asked for."""

EVERY_TENANT = "*"
"""Stands for all of them where tenants are listed."""


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """The last run of a suite: its window, newest record first, and the expectations that failed,
    each with the reason.
    """

    window: tuple[int, int]
    failed: Map[str, str] = field(default_factory=Map)


@dataclass(frozen=True, slots=True)
class State:
    """Registry, evidence, the last utterances answered for each tenant, and the last run of each
    suite of expectations by scope.

    What it writes is signed with `signer`, if there is one. For the tenants of `approval` only a
    person puts a version into service.
    """

    policies: Policies
    registry: Registry = field(default_factory=Registry)
    trust: Trust = ANYONE
    signer: SigningKey | None = None
    approval: frozenset[str] = frozenset()
    evidence: Evidence = field(default_factory=Evidence)
    steerings: Map[str, Steering] = field(default_factory=Map)
    recent: Map[str, tuple[Tokens, ...]] = field(default_factory=Map)
    runs: Map[tuple[str, str], SuiteRun] = field(default_factory=Map)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal with its artifacts loaded, beside the state it is checked against."""

    state: State
    event: VersionProposed
    artifacts: Mapping[str, Artifact]

    @property
    def policy(self) -> Policy:
        """The policy of the scope that would change."""
        return self.state.policies.of(self.event.scope)

    def entry(self, family: str, version: int) -> Entry | None:
        """Return the version as the registry has it."""
        return self.state.registry.entry(self.event.scope, family, version)

    def entering(self) -> Iterator[Entry]:
        """Yield the versions that are not in service and would be."""
        for change in self.event.changes:
            entry = self.entry(change.family, change.version)
            if entry and STAGES[change.stage].serves and not STAGES[entry.stage].serves:
                yield entry


@dataclass(frozen=True, slots=True)
class Noted:
    """A check has passed, and there is something that people should know."""

    what: str


Check = Callable[[Proposal], str | Noted | None]
"""Returns why not; None or what to note where it passes."""


def _previous(proposal: Proposal) -> str | None:
    """A proposer must have seen the family's last change; leaving service needs no such leave."""
    for change in proposal.event.changes:
        known = proposal.entry(change.family, change.version)
        if known and STAGES[known.stage].compared and not STAGES[change.stage].serves:
            continue
        for entry in proposal.state.registry.versions(proposal.event.scope, change.family):
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
        if entry is None:
            if change.digest not in proposal.artifacts:
                return f"{change.family}@{change.version}: no artifact {change.digest[:12]}"
            known = len(proposal.state.registry.versions(proposal.event.scope, change.family))
            if change.version != known + 1:
                return f"{change.family}@{change.version}: the next version is {known + 1}"
        elif entry.artifact.digest != change.digest:
            return f"{change.family}@{change.version}: another digest is registered"
    return None


def _examples(proposal: Proposal) -> str | None:
    for artifact in proposal.artifacts.values():
        if not answers_all(artifact, artifact.examples()):
            return f"{artifact.name}: an example is not answered as it says"
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


def _evidence(proposal: Proposal) -> str | None:
    state = proposal.state
    policy = steered(proposal.policy, state.steerings.get(proposal.event.scope, Steering()))
    for entry in proposal.entering():
        tally = state.evidence.tally(entry.artifact.digest, entry.since)
        missing = shortfall(tally, claim_of(entry), policy)
        if missing is not None:
            return f"{entry.family}@{entry.version}: {missing}"
    return None


def _approval(proposal: Proposal) -> str | None:
    """Where a tenant asks for it, only a person puts a version into service.

    A shared version would answer that tenant, too.
    """
    event, asking = proposal.event, proposal.state.approval
    is_asked_for = event.scope == SHARED or not asking.isdisjoint((event.scope, EVERY_TENANT))
    if event.actor == PERSON or not asking or not is_asked_for:
        return None
    return WAITS if any(proposal.entering()) else None


def _lost_hits(proposal: Proposal) -> str | Noted | None:
    """List the answers of late that would be others; refuse where one would be lost in a clash.

    That a version which leaves takes answers with it is what the proposer wants.
    """
    registry, event = proposal.state.registry, proposal.event
    if not any(proposal.entering()):
        return None
    after = changed(
        registry, registry.ordinal + 1, event.scope, event.changes, proposal.artifacts.values()
    )
    if not isinstance(after, Registry):  # as other checks find, too
        return None
    named = (proposal.entry(change.family, change.version) for change in event.changes)
    touched = [entry for entry in named if entry is not None]
    state = proposal.state
    found = changed_answers(registry, after, event.scope, touched, state.recent, state.policies)
    if not found:
        return None
    lost = sum(answer.is_lost for answer in found)
    others = len(found) - lost
    if lost:
        return f"{lost} of the last answers would be lost, {others} change: {listed(found)}"
    return Noted(f"{others} of the last answers would change: {listed(found)}")


def _expectations(proposal: Proposal) -> str | None:
    """Nothing goes into service while the data that teaches it is not as expected."""
    event = proposal.event
    for change in event.changes:
        entry = proposal.entry(change.family, change.version)
        if entry is None or not STAGES[change.stage].serves or STAGES[entry.stage].serves:
            continue
        for (scope, suite), run in sorted(proposal.state.runs.items()):
            if scope in (event.scope, SHARED) and run.failed:
                name, reason = min(run.failed.items())
                return f"{change.family}@{change.version}: {suite}/{name} of {scope}: {reason}"
    return None


def _capacity(proposal: Proposal) -> str | None:
    if not proposal.artifacts:
        return None
    limit = proposal.policy.max_families
    held = proposal.state.registry.compared_count(proposal.event.scope)
    return f"{held} versions of {limit} in this scope" if held >= limit else None


def _overlaps(proposal: Proposal) -> Noted | None:
    """Tell of texts that a new grammar shares with other families, or reads in two ways."""
    registry, scope = proposal.state.registry, proposal.event.scope
    noted = [
        f"{change.family}@{change.version} {note}"
        for change in proposal.event.changes
        if (artifact := proposal.artifacts.get(change.digest)) is not None
        and (note := admission_notes(registry, scope, change.family, artifact)) is not None
    ]
    return Noted("; ".join(noted)) if noted else None


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "previous": _previous,
        "stages": _stages,
        "examples": _examples,
        "regressions": _regressions,
        "evidence": _evidence,
        APPROVAL: _approval,
        "lost-hits": _lost_hits,
        "overlaps": _overlaps,
        "expectations": _expectations,
        "capacity": _capacity,
    }
)
"""The gate: every check by name, in the order in which they are made."""


def decide(state: State, event: Event) -> tuple[State, Sequence[Event]]:
    """Gather what the checks need; decide on a proposal."""
    match event:
        case VersionChanged():
            registry, refused = taken(state.registry, event, state.trust, "registrar")
            return replace(state, registry=registry), refused
        case ComparisonMade():
            evidence, steerings = weighed(state.evidence, state.steerings, event)
            return replace(state, evidence=evidence, steerings=steerings), ()
        case AnswerGiven():
            return _served(state, event), ()
        case ExpectationChecked():
            return _checked(state, event), ()
        case VersionProposed():
            decided = _decided(state, event)
            return state, (decided, *_checkpoint(state, decided))
        case _:
            return state, ()


def _checkpoint(
    state: State, decided: VersionChanged | ProposalRefused
) -> Iterable[RegistryCheckpoint]:
    """Yield a checkpoint after every hundredth change set, for whoever folds them to verify."""
    if isinstance(decided, VersionChanged) and decided.ordinal % CHECKPOINT_EVERY == 0:
        registry = folded(state.registry, decided, state.trust)
        yield RegistryCheckpoint(
            ordinal=registry.ordinal,
            scope=decided.scope,
            digest=registry.digest,
            families=tuple(
                change_of(entry, entry.stage)
                for entry in registry.in_order()
                if STAGES[entry.stage].compared
            ),
        )


def _served(state: State, event: AnswerGiven) -> State:
    tokens = lex(event.text)
    if not isinstance(tokens, Tokens):
        return state
    recent = state.recent.get(event.tenant, ())
    return replace(
        state, recent=state.recent.set(event.tenant, (*recent[-(_RECENT - 1) :], tokens))
    )


def _checked(state: State, event: ExpectationChecked) -> State:
    """Remember what failed. What another window shows replaces it all; an older one, nothing."""
    window = (event.window.until, event.window.since)
    run = state.runs.get((event.scope, event.suite), SuiteRun(window))
    if window < run.window:
        return state
    failed = run.failed if window == run.window else Map()
    if event.passed is False:
        failed = failed.set(event.expectation, event.reason)
    elif event.expectation in failed:
        failed = failed.delete(event.expectation)
    runs = state.runs.set((event.scope, event.suite), SuiteRun(window, failed))
    return replace(state, runs=runs)


def _decided(state: State, event: VersionProposed) -> VersionChanged | ProposalRefused:
    artifacts: dict[str, Artifact] = {}
    problems: list[str] = []
    for document in event.artifacts:
        artifact = load_artifact(document)
        if isinstance(artifact, tuple):
            problems.extend(map(str, artifact))
        else:
            artifacts[artifact.digest] = artifact
    made = [CheckMade(check="artifacts", passed=not problems, reason="; ".join(problems))]
    if event.scope == SHARED and event.actor in LEARNERS and event.artifacts:
        made.append(CheckMade(check="scope", passed=False, reason="agents learn for one tenant"))
    if not problems:
        proposal = Proposal(state, event, artifacts)
        for name, check in CHECKS.items():
            made.append(_made(name, check(proposal)))
    if not all(check.passed for check in made):
        return ProposalRefused(
            scope=event.scope, actor=event.actor, changes=event.changes, checks=tuple(made)
        )
    accepted = VersionChanged(
        ordinal=state.registry.ordinal + 1,
        scope=event.scope,
        actor=event.actor,
        reason=event.reason,
        changes=event.changes,
        artifacts=event.artifacts,
        price_bits=event.price_bits,
        checks=tuple(made),
        previous=event.previous,
    )
    return accepted if state.signer is None else sign(accepted, state.signer)


def _made(name: str, found: str | Noted | None) -> CheckMade:
    match found:
        case None:
            return CheckMade(check=name, passed=True, reason="")
        case Noted(what):
            return CheckMade(check=name, passed=True, reason=what)
        case str():
            return CheckMade(check=name, passed=False, reason=found)


def registrar(
    policies: Policies = ONE_POLICY,
    trust: Trust = ANYONE,
    signer: SigningKey | None = None,
    approval: frozenset[str] = frozenset(),
) -> Decider:
    """Return the registrar node; one of it may run. What `signer` signs, `trust` must accept.

    `approval` are the tenants for which only a person puts a version into service.
    """
    return Decider(
        name="registrar",
        folds=("versions",),
        reads=("proposals", "evidence", "matches", "learning"),
        writes=("versions", "learning", "checkpoints"),
        initial=State(policies, trust=trust, signer=signer, approval=approval),
        decide=decide,
        is_rebuilt=True,
        doc="Runs the gate; the only writer of versions.",
    )

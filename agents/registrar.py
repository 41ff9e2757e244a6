"""The registrar: the gate, and the only writer of versions.

VersionProposed ─▶ every check of the gate ─▶ VersionChanged | ProposalRefused
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from immutables import Map

from agents.comparisons import weighed
from agents.gate import Known, SuiteRun, checked
from agents.node import Decider
from agents.registries import change_of, folded, taken
from artifacts.grammar.lexer import Tokens, lex
from artifacts.policy import ONE_POLICY, Policies
from artifacts.stages import STAGES
from streams.events import (
    AnswerGiven,
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


@dataclass(frozen=True, slots=True)
class State(Known):
    """What the gate checks a proposal against; whose change sets are folded.

    What it writes is signed with `signer`, if there is one.
    """

    trust: Trust = ANYONE
    signer: SigningKey | None = None


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
                change_of(entry, entry.stage, entry.share)
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
    made = checked(state, event)
    if not all(check.passed for check in made):
        return ProposalRefused(
            scope=event.scope, actor=event.actor, changes=event.changes, checks=made
        )
    accepted = VersionChanged(
        ordinal=state.registry.ordinal + 1,
        scope=event.scope,
        actor=event.actor,
        reason=event.reason,
        changes=event.changes,
        artifacts=event.artifacts,
        price_bits=event.price_bits,
        baseline=event.baseline,
        checks=made,
        previous=event.previous,
    )
    return accepted if state.signer is None else sign(accepted, state.signer)


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

"""The auditor: holds answers against the teacher's, folds the evidence, proposes promotions.

CompletionGiven ─▶ one ComparisonMade for each version that reads the text   (stratum shadow)
AuditAnswered   ─▶ one ComparisonMade for the version that served            (stratum audit; where
                   a reject is what caused the audit: rejected, which is no sample)
what a teacher says again, probes ─▶ TeacherRepeated, ProbeAsked             (agents.probes)
ComparisonMade  ─▶ the policy's evidence reached? ─▶ VersionProposed (canary, where the tenant's
                   policy gives canaries a share, and then live)
                ─▶ too many seasoned versions wrong? ─▶ DriftFound, VersionProposed (shadow)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from immutables import Map
from pydantic import JsonValue

from agents.answer_ref import read_answer_ref
from agents.changes import canary, promotion
from agents.comparisons import claim_of, compared, weighed
from agents.drift import Drift, drift_watched
from agents.node import Decider
from agents.probes import Heard, heard, phi_probes, probed, repeat_probes
from agents.registries import taken
from artifacts.comparators import same
from artifacts.compiler import Given, answer_of_tokens
from artifacts.evidence import Evidence, shortfall
from artifacts.grammar.lexer import Tokens, lex, normalize
from artifacts.policy import ONE_POLICY, Policies
from artifacts.registry import Registry
from artifacts.steering import Steering, steered
from streams.events import (
    AuditAnswered,
    ComparisonMade,
    CompletionGiven,
    Event,
    FeedbackGiven,
    ProbeAnswered,
    RecallAnswered,
    RejectJudged,
    Stratum,
    Target,
    VersionChanged,
    VersionProposed,
)
from streams.signing import ANYONE, Trust


@dataclass(frozen=True, slots=True)
class State:
    """Registry, evidence, trusted corrections by (tenant, normalized text) with who gave them, the
    trusted sources that are not believed any more, the agreements at which each version was last
    proposed from each stage, and what teachers said last.
    """

    policies: Policies
    trusted: frozenset[str]
    registry: Registry = field(default_factory=Registry)
    trust: Trust = ANYONE
    corrections: Map[tuple[str, str], tuple[str, JsonValue]] = field(default_factory=Map)
    disbelieved: Map[tuple[str, str], None] = field(default_factory=Map)
    evidence: Evidence = field(default_factory=Evidence)
    steerings: Map[str, Steering] = field(default_factory=Map)
    proposed: Map[tuple[str, str, int, int, str], int] = field(default_factory=Map)
    heard: Heard = field(default_factory=Heard)
    drift: Drift = field(default_factory=Map)


def decide(state: State, event: Event) -> tuple[State, Sequence[Event]]:
    """Compare, fold, propose."""
    match event:
        case VersionChanged():
            registry, refused = taken(state.registry, event, state.trust, "auditor")
            if registry is not state.registry:
                probes = phi_probes(state.policies, registry, event)
                return replace(state, registry=registry), (*refused, *probes)
            return state, refused
        case CompletionGiven():
            state, repeated = _heard(state, event)
            probes = repeat_probes(state.policies, event)
            return state, (*_shadow_comparisons(state, event), *repeated, *probes)
        case AuditAnswered():
            state, repeated = _heard(state, event)
            return state, (*_audit_comparison(state, event), *repeated)
        case RecallAnswered():
            return _heard(state, event)
        case ProbeAnswered():
            return state, probed(state.registry, event)
        case FeedbackGiven():
            return _corrected(state, event), ()
        case RejectJudged():
            return _judged(state, event), ()
        case ComparisonMade():
            return _folded(state, event)
        case _:
            return state, ()


def _heard(
    state: State, event: CompletionGiven | AuditAnswered | RecallAnswered
) -> tuple[State, Sequence[Event]]:
    memory, repeated = heard(state.heard, event)
    return replace(state, heard=memory), repeated


def _folded(state: State, event: ComparisonMade) -> tuple[State, Sequence[Event]]:
    drift, found = drift_watched(
        state.drift, event, state.registry, state.evidence, state.policies.of(event.scope)
    )
    evidence, steerings = weighed(state.evidence, state.steerings, event)
    state = replace(state, evidence=evidence, steerings=steerings, drift=drift)
    state, promoted = _promotion(state, event)
    return state, (*promoted, *found)


def _corrected(state: State, event: FeedbackGiven) -> State:
    """Remember what a trusted person said: it counts as truth, whatever the teacher says later."""
    ref = read_answer_ref(event.answer_ref)
    if ref is None or event.correction is None or event.source not in state.trusted:
        return state
    if (ref.tenant, event.source) in state.disbelieved:
        return state
    key, said = (ref.tenant, normalize(ref.text)), (event.source, event.correction)
    return replace(state, corrections=state.corrections.set(key, said))


def _judged(state: State, event: RejectJudged) -> State:
    """Remember whose word counts for nothing; what they said before counts for as much."""
    key = (event.tenant, event.source)
    if event.source not in state.trusted or event.is_believed != (key in state.disbelieved):
        return state
    changed = (
        state.disbelieved.delete(key) if event.is_believed else state.disbelieved.set(key, None)
    )
    return replace(state, disbelieved=changed)


def _expected(state: State, tenant: str, text: str, answer: JsonValue) -> tuple[JsonValue, Target]:
    known = state.corrections.get((tenant, normalize(text))) if state.corrections else None
    if known is None or (tenant, known[0]) in state.disbelieved:
        return answer, "teacher"
    return known[1], "truth"


def _shadow_comparisons(state: State, event: CompletionGiven) -> Sequence[Event]:
    tokens = lex(event.text)
    if not isinstance(tokens, Tokens):
        return ()
    answer, target = _expected(state, event.tenant, event.text, event.answer)
    made: list[Event] = []
    for entry in state.registry.candidates(event.tenant, tokens):
        given = answer_of_tokens(entry.artifact, tokens)
        if isinstance(given, Given):
            made.append(
                compared(
                    entry, event.utterance_id, event.text, answer, given, "shadow", target,
                    event.teacher,
                )
            )  # fmt: skip
    return made


def _audit_comparison(state: State, event: AuditAnswered) -> Sequence[Event]:
    entry = state.registry.entry_for(event.tenant, event.family, event.version)
    tokens = lex(event.text)
    if entry is None or entry.artifact.digest != event.digest or not isinstance(tokens, Tokens):
        return ()
    given = answer_of_tokens(entry.artifact, tokens)
    if not isinstance(given, Given):
        return ()
    answer, target = _expected(state, event.tenant, event.text, event.answer)
    stratum: Stratum = "audit" if event.cause == "served" else "rejected"
    atom = compared(
        entry, event.utterance_id, event.text, answer, given, stratum, target, event.teacher
    )
    agreed = same(event.served, answer, entry.artifact.comparator)
    return (atom.model_copy(update={"probability": event.probability, "agreed": agreed}),)


def _promotion(state: State, event: ComparisonMade) -> tuple[State, Sequence[Event]]:
    entry = state.registry.entry(event.scope, event.family, event.version)
    if entry is None or entry.stage not in ("shadow", "canary") or entry.since != event.since:
        return state, ()
    if entry.suspended:
        return state, ()
    tally = state.evidence.tally(event.digest, event.since)
    policy = steered(state.policies.of(entry.scope), state.steerings.get(entry.scope, Steering()))
    if shortfall(tally, claim_of(entry), policy) is not None:
        return state, ()
    is_canary = entry.stage == "canary"
    key = (entry.scope, entry.family, entry.version, entry.since, entry.stage)
    shown = tally.canary if is_canary else tally.agreements
    if shown < 2 * state.proposed.get(key, 0):
        return state, ()
    share = 0.0 if is_canary else policy.canary_share
    reason = f"{tally.agreements} agreements, {tally.bits:.0f} bits"
    return (
        replace(state, proposed=state.proposed.set(key, shown)),
        (
            VersionProposed(
                scope=entry.scope,
                actor="auditor",
                reason=reason + f", {tally.canary} agreements as a canary" * is_canary,
                changes=canary(entry, share) if share else promotion(state.registry, entry),
                previous=state.registry.ordinal,
            ),
        ),
    )


def auditor(
    trusted: frozenset[str], policies: Policies = ONE_POLICY, trust: Trust = ANYONE
) -> Decider:
    """Return the auditor node; corrections from `trusted` sources count as truth."""
    return Decider(
        name="auditor",
        folds=(),
        reads=("completions", "versions", "evidence", "feedback", "learning"),
        writes=("evidence", "proposals", "learning", "fallbacks"),
        initial=State(policies, trusted, trust=trust),
        decide=decide,
        is_rebuilt=True,
        doc="Holds answers against the teacher's and proposes promotions.",
    )

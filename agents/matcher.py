"""The matcher: answers from the families, or abstains. Stateless but for its registry snapshot.

UtteranceAsked ─▶ lex ─▶ readings ─▶ programs ─▶ AnswerGiven (+ AuditAsked) | MatchAbstained
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from agents.answer_ref import AnswerRef, write_answer_ref
from agents.node import Decider
from agents.registries import revision_of, taken
from artifacts.grammar.lexer import Tokens, lex
from artifacts.policy import DEFAULT, Policy
from artifacts.registry import MISS, AllFailed, Clash, Entry, Hit, Miss, Registry, TooMany
from artifacts.values import Value, show_number
from streams.events import (
    AbstainReason,
    AnswerGiven,
    AuditAsked,
    Event,
    MatchAbstained,
    Revision,
    SlotValue,
    UtteranceAsked,
    VersionChanged,
)
from streams.signing import ANYONE, Trust


@dataclass(frozen=True, slots=True)
class State:
    """The registry snapshot with its revision, and the probability of every audit."""

    registry: Registry
    audit_rate: float
    policy: Policy
    revision: Revision
    trust: Trust = ANYONE


def state_of(registry: Registry, audit_rate: float, policy: Policy) -> State:
    """Return the state that decides with this snapshot."""
    return State(registry, audit_rate, policy, revision_of(registry))


def decide(state: State, event: Event) -> tuple[State, Sequence[Event]]:
    """Fold a version event; answer or abstain on an utterance."""
    if type(event) is UtteranceAsked:  # `match` asks the model's metaclass, for a microsecond
        return state, _decided(state, event)
    if isinstance(event, VersionChanged):
        registry, refused = taken(state.registry, event, state.trust, "matcher")
        return replace(state, registry=registry, revision=revision_of(registry)), refused
    return state, ()


def _decided(state: State, asked: UtteranceAsked) -> Sequence[Event]:
    if asked.context is not None:
        return (_abstained(state, asked, "context"),)
    tokens = lex(asked.text)
    if not isinstance(tokens, Tokens):
        return (_abstained(state, asked, tokens),)
    lookup = state.registry.lookup(asked.tenant, tokens, max_candidates=state.policy.max_candidates)
    if lookup is MISS:  # most utterances, before any pattern is tried
        return (_abstained(state, asked, "miss"),)
    match lookup:
        case Hit():
            return _answered(state, asked, lookup)
        case Miss(()):
            return (_abstained(state, asked, "miss"),)
        case Miss(shadows):
            return (_abstained(state, asked, "shadow_only", shadows),)
        case Clash(entries):
            return (_abstained(state, asked, "clash", entries),)
        case AllFailed(entries):
            return (_abstained(state, asked, "failed", entries),)
        case TooMany():
            return (_abstained(state, asked, "too_many_candidates"),)
        case _:
            assert_never(lookup)


def shown(value: Value) -> str | bool:
    """Return a slot's value as it is shown and logged: numbers as text, exact."""
    return value if isinstance(value, str | bool) else show_number(value)


def _answered(state: State, asked: UtteranceAsked, hit: Hit) -> Sequence[Event]:
    entry = hit.found.entry
    digest = entry.artifact.digest
    bound = sorted(hit.found.reading.bindings.values(), key=lambda b: (b.start, b.slot))
    ref = AnswerRef(
        asked.tenant, asked.utterance_id, entry.family, entry.version, digest, asked.text
    )
    answer = AnswerGiven(
        utterance_id=asked.utterance_id,
        tenant=asked.tenant,
        session=asked.session,
        text=asked.text,
        answer=hit.computed.answer,
        family=entry.family,
        version=entry.version,
        digest=digest,
        revision=state.revision,
        slots=tuple(
            SlotValue(
                slot=b.slot,
                kind=b.kind,
                start=b.start,
                end=b.end,
                text=b.spelling,
                value=shown(b.value),
            )
            for b in bound
        ),
        readings=hit.readings,
        cost=hit.computed.cost,
        answer_ref=write_answer_ref(ref),
    )
    if state.audit_rate <= 0:
        return (answer,)
    return (
        answer,
        AuditAsked(
            utterance_id=asked.utterance_id,
            tenant=asked.tenant,
            text=asked.text,
            answer=hit.computed.answer,
            family=entry.family,
            version=entry.version,
            digest=digest,
            probability=state.audit_rate,
        ),
    )


def _abstained(
    state: State, asked: UtteranceAsked, reason: AbstainReason, entries: Sequence[Entry] = ()
) -> MatchAbstained:
    return MatchAbstained(
        utterance_id=asked.utterance_id,
        tenant=asked.tenant,
        session=asked.session,
        text=asked.text,
        context=asked.context,
        asked_at=asked.asked_at,
        reason=reason,
        candidates=tuple(f"{entry.family}@{entry.version}" for entry in entries),
        revision=state.revision,
    )


def matcher(audit_rate: float, policy: Policy = DEFAULT, trust: Trust = ANYONE) -> Decider:
    """Return the matcher node; `audit_rate` is the probability π of every audit."""
    return Decider(
        name="matcher",
        folds=("versions",),
        reads=("utterances",),
        writes=("matches", "fallbacks", "learning"),
        initial=replace(state_of(Registry(), audit_rate, policy), trust=trust),
        decide=decide,
        is_rebuilt=False,
        doc="Answers from the families, or abstains.",
    )

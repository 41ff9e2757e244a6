"""The matcher: answers from the families, or abstains.

Its decisions depend on its registry snapshot alone; the probabilities of audits also on how many
answers it has given.

UtteranceAsked ─▶ lex ─▶ readings ─▶ programs ─▶ AnswerGiven (+ AuditAsked) | MatchAbstained
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from agents.answer_ref import answer_ref_text
from agents.audits import Audits
from agents.node import Decider
from agents.registries import revision_of, taken
from artifacts.grammar.lexer import Tokens, lex
from artifacts.policy import Policies
from artifacts.registry import MISS, AllFailed, Clash, Entry, Hit, Miss, Registry, TooMany
from artifacts.values import Value, canonical_json, show_number
from streams.events import (
    AbstainReason,
    AnswerGiven,
    AuditAsked,
    Event,
    MatchAbstained,
    Revision,
    SlotValue,
    Trusted,
    UtteranceAsked,
    VersionChanged,
    trusted,
)
from streams.signing import ANYONE, Trust


@dataclass(frozen=True, slots=True)
class State:
    """The registry snapshot with its revision, and where audits are placed."""

    registry: Registry
    audits: Audits
    policies: Policies
    revision: Revision
    trust: Trust = ANYONE


def state_of(registry: Registry, policies: Policies) -> State:
    """Return the state that decides with this snapshot."""
    return State(registry, Audits(policies), policies, revision_of(registry))


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
    limit = state.policies.of(asked.tenant).max_candidates
    lookup = state.registry.lookup(
        asked.tenant, tokens, max_candidates=limit, utterance_id=asked.utterance_id
    )
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
    """Return a slot's value as it is shown and logged: numbers as text, exact; a list as JSON.

    >>> shown((3, -4))
    '["3","-4"]'
    """
    if value.__class__ is int:  # nearly always; the union below is made anew at each call
        return str(value)
    if isinstance(value, tuple):
        return canonical_json([shown(item) for item in value]).decode()
    return value if isinstance(value, str | bool) else show_number(value)


_SLOT = Trusted(SlotValue.model_fields)
_AUDIT = Trusted(AuditAsked.model_fields.keys() - {"cause"})
_ABSTAINED = Trusted(MatchAbstained.model_fields)
_ANSWER = Trusted(AnswerGiven.model_fields.keys() - {"origin", "hat"})
"""The fields of each event that are given, not left to their defaults."""


def _answered(state: State, asked: UtteranceAsked, hit: Hit) -> Sequence[Event]:
    found, computed = hit.found, hit.computed
    entry, answer = found.entry, computed.answer
    family, version, digest = entry.family, entry.version, entry.artifact.digest
    utterance_id, tenant, text = asked.utterance_id, asked.tenant, asked.text
    slots: tuple[SlotValue, ...] = ()
    for bound in found.reading.bindings.values():
        value = bound.value
        fields = {
            "slot": bound.slot,
            "kind": bound.kind,
            "start": bound.start,
            "end": bound.end,
            "text": bound.spelling,
            "value": value if value.__class__ is str else shown(value),
        }
        slots += (trusted(SlotValue, fields, _SLOT),)
    fields = {
        "utterance_id": utterance_id,
        "tenant": tenant,
        "session": asked.session,
        "text": text,
        "answer": answer,
        "family": family,
        "version": version,
        "digest": digest,
        "revision": state.revision,
        "slots": slots,
        "readings": hit.readings,
        "cost": computed.cost,
        "answer_ref": answer_ref_text(tenant, utterance_id, family, version, digest, text),
        "origin": "family",
        "hat": False,
    }
    given = trusted(AnswerGiven, fields, _ANSWER)
    bindings, is_canary = found.reading.bindings, entry.stage == "canary"
    probability = state.audits.place(tenant, digest, bindings, is_canary=is_canary)
    if not probability:
        return (given,)
    fields = {
        "utterance_id": utterance_id,
        "tenant": tenant,
        "text": text,
        "answer": answer,
        "family": family,
        "version": version,
        "digest": digest,
        "probability": probability,
        "cause": "served",
    }
    return (given, trusted(AuditAsked, fields, _AUDIT))


def _abstained(
    state: State, asked: UtteranceAsked, reason: AbstainReason, entries: Sequence[Entry] = ()
) -> MatchAbstained:
    return trusted(
        MatchAbstained,
        {
            "utterance_id": asked.utterance_id,
            "tenant": asked.tenant,
            "session": asked.session,
            "text": asked.text,
            "context": asked.context,
            "asked_at": asked.asked_at,
            "reason": reason,
            "candidates": _named(entries) if entries else (),
            "revision": state.revision,
        },
        _ABSTAINED,
    )


def _named(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(f"{entry.family}@{entry.version}" for entry in entries)


def matcher(policies: Policies, trust: Trust = ANYONE) -> Decider:
    """Return the matcher node."""
    return Decider(
        name="matcher",
        folds=("versions",),
        reads=("utterances",),
        writes=("matches", "fallbacks", "learning"),
        initial=replace(state_of(Registry(), policies), trust=trust),
        decide=decide,
        is_rebuilt=False,
        doc="Answers from the families, or abstains.",
    )

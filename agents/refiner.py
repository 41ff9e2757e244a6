"""The refiner: what happens to a family whose answer was wrong.

a trusted reject, a failed audit, a disagreement ─▶ quarantine at once (VersionProposed, shadow)
                                                 ─▶ TeacherAsked (repair), after a recall if needed
TeacherReplied ─▶ right on all accepted and rejected pairs? ─▶ VersionProposed (next version)
               ─▶ else narrower, or with a trusted person's correction as an exception?
               ─▶ else the version is retired; the distiller may bring it back on new evidence

An accepted example is never lost: a recipe that misses one is not proposed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from immutables import Map
from pydantic import JsonValue

from agents.answer_ref import read_answer_ref
from agents.node import Decider
from agents.registries import answers_known, change_of, taken
from artifacts.artifact import Artifact
from artifacts.comparators import same
from artifacts.compiler import Given, answer_of, answers_all, compile_recipe
from artifacts.learning.repair import narrowed, with_exception
from artifacts.policy import ONE_POLICY, Policies
from artifacts.registry import Entry, Registry
from artifacts.stages import STAGES, StageName
from artifacts.values import canonical_json, digest
from streams.events import (
    AuditAsked,
    Change,
    ComparisonMade,
    Event,
    FeedbackGiven,
    Pair,
    RecallAnswered,
    RecallAsked,
    TeacherAsked,
    TeacherReplied,
    VersionChanged,
    VersionProposed,
)
from streams.signing import ANYONE, Trust

_MAX_ACCEPTED = 20
_MAX_REJECTED = 8


@dataclass(frozen=True, slots=True)
class History:
    """What is known of one family: pairs it answered rightly, and pairs it did not.

    `corrected` are the rejected texts whose right answer a trusted person gave.
    """

    accepted: tuple[Pair, ...] = ()
    rejected: tuple[Pair, ...] = ()
    corrected: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class State:
    """Histories by (scope, family); utterances whose audit an untrusted reject has caused."""

    policies: Policies
    trusted: frozenset[str]
    registry: Registry = field(default_factory=Registry)
    trust: Trust = ANYONE
    audited: Map[tuple[str, str], None] = field(default_factory=Map)
    histories: Map[tuple[str, str], History] = field(default_factory=Map)


def decide(state: State, event: Event) -> tuple[State, Sequence[Event]]:
    """Quarantine, ask, repair."""
    match event:
        case VersionChanged():
            registry, refused = taken(state.registry, event, state.trust, "refiner")
            return replace(state, registry=registry), refused
        case ComparisonMade():
            return _compared(state, event)
        case FeedbackGiven():
            return _feedback(state, event)
        case RecallAnswered():
            return _recalled(state, event)
        case TeacherReplied(method="repair"):
            return _replied(state, event)
        case _:
            return state, ()


def _compared(state: State, event: ComparisonMade) -> tuple[State, Sequence[Event]]:
    pair = Pair(utterance_id=event.sample_id, text=event.text, answer=event.expected)
    entry = state.registry.entry(event.scope, event.family, event.version)
    if event.agreed:
        return _with_accepted(state, event.scope, event.family, pair), ()
    if entry is None or not STAGES[entry.stage].compared or entry.since != event.since:
        return state, ()
    return _failed(state, entry, pair, f"disagreed with the {event.target} ({event.stratum})")


def _feedback(state: State, event: FeedbackGiven) -> tuple[State, Sequence[Event]]:
    ref = read_answer_ref(event.answer_ref)
    if ref is None:
        return state, ()
    entry = state.registry.entry_for(ref.tenant, ref.family, ref.version)
    if entry is None or entry.artifact.digest != ref.digest:
        return state, ()
    given = answer_of(entry.artifact, ref.text)
    if not isinstance(given, Given):
        return state, ()
    served = cast(JsonValue, given.answer)
    if event.verdict == "accept":
        if event.source not in state.trusted:
            return state, ()
        pair = Pair(utterance_id=ref.utterance_id, text=ref.text, answer=served)
        return _with_accepted(state, entry.scope, entry.family, pair), ()
    if event.source not in state.trusted:
        audit = AuditAsked(
            utterance_id=ref.utterance_id,
            tenant=ref.tenant,
            text=ref.text,
            answer=served,
            family=entry.family,
            version=entry.version,
            digest=ref.digest,
            probability=1.0,
            cause="rejected",
        )
        key = (ref.tenant, ref.utterance_id)
        if key in state.audited:
            return state, ()
        return replace(state, audited=state.audited.set(key, None)), (audit,)
    current = _current(state.registry, entry, ref.text, served)
    if current is None:
        return state, ()
    entry = current
    if event.correction is not None:
        pair = Pair(utterance_id=ref.utterance_id, text=ref.text, answer=event.correction)
        if not STAGES[entry.stage].serves and _is_known(state, entry, pair):
            return state, ()
        reason = f"rejected by {event.source}, with a correction"
        return _failed(state, entry, pair, reason, is_corrected=True)
    recall = RecallAsked(
        utterance_id=ref.utterance_id,
        tenant=ref.tenant,
        text=ref.text,
        family=entry.family,
        version=entry.version,
        digest=entry.artifact.digest,
        answer_ref=event.answer_ref,
    )
    if not STAGES[entry.stage].serves:
        return state, (recall,)
    quarantine = _quarantine(state, entry, f"rejected by {event.source}")
    return state, (*quarantine, recall)


def _is_known(state: State, entry: Entry, pair: Pair) -> bool:
    """Return whether the pair was rejected before: feedback may come twice, and counts once."""
    history = state.histories.get((entry.scope, entry.family), History())
    return pair in history.rejected


def _current(registry: Registry, entry: Entry, text: str, served: JsonValue) -> Entry | None:
    """Return the version, or where it is retired the last one that still answers so; or None."""
    if STAGES[entry.stage].compared:
        return entry
    for later in reversed(registry.versions(entry.scope, entry.family)):
        given = answer_of(later.artifact, text) if STAGES[later.stage].compared else None
        if isinstance(given, Given) and same(given.answer, served, later.artifact.comparator):
            return later
    return None


def _recalled(state: State, event: RecallAnswered) -> tuple[State, Sequence[Event]]:
    """Mend what the recall shows to be wrong; where it agrees, the version may come back."""
    entry = state.registry.entry_for(event.tenant, event.family, event.version)
    if entry is None or not STAGES[entry.stage].compared:
        return state, ()
    given = answer_of(entry.artifact, event.text)
    pair = Pair(utterance_id=event.utterance_id, text=event.text, answer=event.answer)
    if isinstance(given, Given) and same(given.answer, event.answer, entry.artifact.comparator):
        return _with_accepted(state, entry.scope, entry.family, pair), ()
    return _repair(state, entry, pair, is_corrected=False)


def _with_accepted(state: State, scope: str, family: str, pair: Pair) -> State:
    history = state.histories.get((scope, family), History())
    if any(known.text == pair.text for known in history.accepted):
        return state
    accepted = (*history.accepted[-(_MAX_ACCEPTED - 1) :], pair)
    return replace(
        state,
        histories=state.histories.set((scope, family), replace(history, accepted=accepted)),
    )


def _failed(
    state: State, entry: Entry, pair: Pair, reason: str, *, is_corrected: bool = False
) -> tuple[State, Sequence[Event]]:
    """Take the version out of service and ask for its repair."""
    quarantine = _quarantine(state, entry, reason)
    state, question = _repair(state, entry, pair, is_corrected=is_corrected)
    return state, (*quarantine, *question)


def _repair(
    state: State, entry: Entry, pair: Pair, *, is_corrected: bool
) -> tuple[State, Sequence[Event]]:
    """Remember the rejected pair and ask for recipes that keep what was accepted."""
    key = (entry.scope, entry.family)
    history = state.histories.get(key, History())
    rejected = (*history.rejected[-(_MAX_REJECTED - 1) :], pair)
    accepted = tuple(p for p in history.accepted if p.text != pair.text)
    corrected = history.corrected | ({pair.text} if is_corrected else frozenset())
    history = History(accepted, rejected, corrected)
    state = replace(state, histories=state.histories.set(key, history))
    pairs = _accepted_pairs(entry, history)
    question = TeacherAsked(
        question_id=digest([*key, entry.version, pair.utterance_id])[:24],
        scope=entry.scope,
        method="repair",
        cluster=entry.family,
        pairs=pairs,
        rejected=rejected,
        family=entry.family,
        version=entry.version,
        budget=state.policies.of(entry.scope).search_steps,
    )
    return state, (question,)


def _accepted_pairs(entry: Entry, history: History) -> tuple[Pair, ...]:
    """Return the pairs that the next version must answer: taught examples, then later ones."""
    wrong = {pair.text for pair in history.rejected}
    taught = (
        Pair(utterance_id=f"example-{index}", text=text, answer=cast(JsonValue, answer))
        for index, (text, answer) in enumerate(entry.artifact.examples())
    )
    by_text = {pair.text: pair for pair in (*taught, *history.accepted)}
    return tuple(pair for text, pair in by_text.items() if text not in wrong)


def _quarantine(state: State, entry: Entry, reason: str) -> Iterable[VersionProposed]:
    """Yield the proposal that takes a version out of service, or out of shadow for good."""
    most = state.policies.of(entry.scope).max_returns
    stage: StageName = "retired" if entry.returns >= most else "shadow"
    yield _proposal(state, entry.scope, reason, [change_of(entry, stage)])


def _proposal(
    state: State, scope: str, reason: str, changes: Sequence[Change], **more: object
) -> VersionProposed:
    return VersionProposed.model_validate(
        {
            "scope": scope,
            "actor": "refiner",
            "reason": reason,
            "changes": tuple(changes),
            "previous": state.registry.ordinal,
            **more,
        }
    )


def _replied(state: State, event: TeacherReplied) -> tuple[State, Sequence[Event]]:
    """Propose the first recipe that keeps every accepted pair and mends every rejected one."""
    if event.family is None or event.version is None:
        return state, ()
    entry = state.registry.entry(event.scope, event.family, event.version)
    history = state.histories.get((event.scope, event.family), History())
    if entry is None:
        return state, ()
    accepted = [(pair.text, pair.answer) for pair in _accepted_pairs(entry, history)]
    for recipe in (*event.recipes, *_repairs(entry.artifact, accepted, history)):
        artifact = compile_recipe(canonical_json(recipe))
        if isinstance(artifact, tuple) or artifact.digest == entry.artifact.digest:
            continue
        if answers_all(artifact, accepted) and not _repeats_a_mistake(artifact, history):
            return state, (_next_version(state, event, entry, artifact, history),)
    if not STAGES[entry.stage].compared:
        return state, ()
    reason = f"no recipe mends {entry.family}@{entry.version} and keeps what was accepted"
    return state, (_proposal(state, entry.scope, reason, [change_of(entry, "retired")]),)


def _repairs(
    artifact: Artifact, accepted: Sequence[tuple[str, JsonValue]], history: History
) -> Iterable[object]:
    """Yield recipes made from the version itself: narrower, then with a person's correction."""
    rejected = [(pair.text, pair.answer) for pair in history.rejected]
    if (narrower := narrowed(artifact, accepted, rejected)) is not None:
        yield narrower
    last = history.rejected[-1] if history.rejected else None
    if last is not None and last.text in history.corrected:
        excepted = with_exception(artifact, last.text, last.answer)
        if excepted is not None:
            yield excepted


def _repeats_a_mistake(artifact: Artifact, history: History) -> bool:
    """Return whether the artifact answers a rejected text with something else than is right."""
    for pair in history.rejected:
        given = answer_of(artifact, pair.text)
        if isinstance(given, Given) and not same(given.answer, pair.answer, artifact.comparator):
            return True
    return False


def _next_version(
    state: State, event: TeacherReplied, entry: Entry, artifact: Artifact, history: History
) -> VersionProposed:
    """Propose the next version, at a surcharge.

    The accepted pairs do not speak for it: they were chosen because the old version was right on
    them. Its evidence starts anew.
    """
    versions = state.registry.versions(entry.scope, entry.family)
    changes = [
        Change(
            family=entry.family,
            version=len(versions) + 1,
            digest=artifact.digest,
            stage="shadow",
        )
    ]
    if STAGES[entry.stage].compared:
        changes.append(change_of(entry, "retired"))
    policy = state.policies.of(entry.scope)
    return _proposal(
        state,
        entry.scope,
        f"repairs {entry.family}@{entry.version}",
        changes,
        artifacts=(dict(artifact.document),),
        price_bits=policy.search_price(event.tried) + policy.return_surcharge,
        baseline=answers_known(entry.baseline),
        mended=tuple(pair.text for pair in history.rejected),
    )


def refiner(
    trusted: frozenset[str], policies: Policies = ONE_POLICY, trust: Trust = ANYONE
) -> Decider:
    """Return the refiner node; rejects from `trusted` sources quarantine, others cause an audit."""
    return Decider(
        name="refiner",
        folds=(),
        reads=("evidence", "feedback", "completions", "versions", "learning"),
        writes=("proposals", "learning", "fallbacks"),
        initial=State(policies, trusted, trust=trust),
        decide=decide,
        is_rebuilt=True,
        doc="Quarantines and repairs families whose answers were wrong.",
    )

"""The refiner: what happens to a family whose answer was wrong.

a failed audit, a disagreement, a correction ─▶ quarantine at once (VersionProposed, shadow)
                                             ─▶ TeacherAsked (repair)
a reject by a source that is believed ─▶ suspended at once, RecallAsked ─▶ the teacher agrees: back
                                         as it was; it differs: quarantine and repair
any other reject                      ─▶ AuditAsked, within a budget (agents/rejects.py)
TeacherReplied ─▶ right on all accepted and rejected pairs? ─▶ VersionProposed (next version)
               ─▶ else narrower by a rule, inheriting (agents.inheritance)?
               ─▶ else with a trusted person's correction as an exception?
               ─▶ else the version is retired; the distiller may bring it back on new evidence
ComparisonMade ─▶ a slot that hardly varies? ─▶ VersionProposed (closed, agents.skewed)
VersionChanged (narrower, in shadow) ─▶ ComparisonMade (inherited)

An accepted example is never lost: a recipe that misses one is not proposed. A version whose reject
is refuted is back as soon as the recall is answered, whatever else was rejected in the meantime:
in a simulation before the next utterance.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from immutables import Map
from pydantic import JsonValue

from agents import rejects, suspensions
from agents.answer_ref import read_answer_ref
from agents.inheritance import Inheritance, bequeathed, noted, passed_on
from agents.node import Decider
from agents.registries import answers_known, change_of, taken
from agents.rejects import Rejects
from agents.skewed import closed
from agents.suspensions import proposal
from artifacts.artifact import Artifact
from artifacts.comparators import same
from artifacts.compiler import Given, answer_of, answers_all, compile_recipe
from artifacts.learning.repair import Narrowed, Pairs, narrowed, with_exception
from artifacts.policy import ONE_POLICY, Policies
from artifacts.registry import Entry, Registry
from artifacts.stages import STAGES
from artifacts.values import canonical_json, digest
from streams.events import (
    AnswerGiven,
    AuditAnswered,
    AuditRefused,
    Change,
    ComparisonMade,
    Event,
    FeedbackGiven,
    Pair,
    ProposalRefused,
    RecallAnswered,
    RecallRefused,
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
    """Histories by (scope, family); what was rejected, and what sources' rejects are worth; what
    versions leave to narrower ones.
    """

    policies: Policies
    rejects: Rejects
    registry: Registry = field(default_factory=Registry)
    trust: Trust = ANYONE
    histories: Map[tuple[str, str], History] = field(default_factory=Map)
    inheritance: Inheritance = field(default_factory=Inheritance)


def decide(state: State, event: Event) -> tuple[State, Sequence[Event]]:
    """Quarantine, ask, repair."""
    made: Sequence[Event]
    match event:
        case VersionChanged():
            registry, refused = taken(state.registry, event, state.trust, "refiner")
            if registry is state.registry:
                return state, refused
            inheritance, made = passed_on(state.inheritance, registry, event)
            back = suspensions.after(state.rejects, registry, event)
            return replace(state, registry=registry, inheritance=inheritance), (*made, *back)
        case AnswerGiven():
            return replace(state, rejects=rejects.served(state.rejects, event.tenant)), ()
        case ComparisonMade():
            return _compared(state, event)
        case FeedbackGiven():
            return _feedback(state, event)
        case RecallAnswered():
            return _recalled(state, event)
        case AuditAnswered(cause="rejected"):
            known, made = suspensions.audited(state.rejects, state.registry, event)
            return replace(state, rejects=known), made
        case RecallRefused() | AuditRefused(cause="rejected"):
            known, made = suspensions.unanswered(
                state.rejects, state.registry, state.policies, event
            )
            return replace(state, rejects=known), made
        case ProposalRefused(actor="refiner"):
            return state, suspensions.stranded(state.registry, state.policies, event)
        case TeacherReplied(method="repair"):
            return _replied(state, event)
        case _:
            return state, ()


def _compared(state: State, event: ComparisonMade) -> tuple[State, Sequence[Event]]:
    pair = Pair(utterance_id=event.sample_id, text=event.text, answer=event.expected)
    entry = state.registry.entry(event.scope, event.family, event.version)
    if entry is not None and STAGES[entry.stage].compared:
        state = replace(state, inheritance=noted(state.inheritance, event))
    if event.agreed:
        state = _with_accepted(state, event.scope, event.family, pair)
        if entry is None:
            return state, ()
        policy = state.policies.of(entry.scope)
        inheritance, made = closed(state.inheritance, state.registry, entry, policy)
        return replace(state, inheritance=inheritance), made
    if entry is None or not STAGES[entry.stage].compared or entry.since != event.since:
        return state, ()
    reason = f"disagreed with the {event.target} ({event.stratum})"
    if entry.recheck:  # right in another world, as its examples are: nothing to mend
        return state, (
            proposal(state.registry, entry.scope, reason, [change_of(entry, "retired")]),
        )
    return _failed(state, entry, pair, reason)


def _feedback(state: State, event: FeedbackGiven) -> tuple[State, Sequence[Event]]:
    ref = read_answer_ref(event.answer_ref)
    if ref is None:
        return state, ()
    named = state.registry.entry_for(ref.tenant, ref.family, ref.version)
    if named is None or named.artifact.digest != ref.digest:
        return state, ()
    given = answer_of(named.artifact, ref.text)
    if not isinstance(given, Given):
        return state, ()
    served = cast(JsonValue, given.answer)
    is_believed = state.rejects.believes(ref.tenant, event.source)
    if event.verdict == "accept":
        pair = Pair(utterance_id=ref.utterance_id, text=ref.text, answer=served)
        return _with_accepted(state, named.scope, named.family, pair) if is_believed else state, ()
    entry = _current(state.registry, named, ref.text, served)
    if entry is None:
        key = (ref.tenant, ref.utterance_id, ref.digest)
        left_out = rejects.left_out(state.rejects, key, named, event.source, rejects.NOT_SERVED)
        return state, (left_out,)
    if event.correction is None or not is_believed:
        known, made = suspensions.rejected(
            state.rejects, state.registry, state.policies, event, ref, entry, served
        )
        return replace(state, rejects=known), made
    if same(event.correction, served, entry.artifact.comparator):
        return state, ()
    pair = Pair(utterance_id=ref.utterance_id, text=ref.text, answer=event.correction)
    if not STAGES[entry.stage].serves and _is_known(state, entry, pair):
        return state, ()
    reason = f"rejected by {event.source}, with a correction"
    return _failed(state, entry, pair, reason, is_corrected=True)


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
    """Mend what the recall shows to be wrong; where it agrees, the version comes back as it was."""
    entry = state.registry.entry_for(event.tenant, event.family, event.version)
    if entry is None:
        return state, ()
    given = answer_of(entry.artifact, event.text)
    agreed = isinstance(given, Given) and same(
        given.answer, event.answer, entry.artifact.comparator
    )
    key = (event.tenant, event.utterance_id, event.digest)
    known, said = rejects.closed(state.rejects, key, confirmed=not agreed)
    state = replace(state, rejects=known)
    if not STAGES[entry.stage].compared:
        return state, said
    pair = Pair(utterance_id=event.utterance_id, text=event.text, answer=event.answer)
    if agreed:
        state = _with_accepted(state, entry.scope, entry.family, pair)
        back = suspensions.back(known, state.registry, entry) if said else ()
        return state, (*said, *back)
    if STAGES[entry.stage].serves or entry.suspended:
        state, made = _failed(state, entry, pair, "a reject was confirmed by the teacher")
    else:
        state, made = _repair(state, entry, pair, is_corrected=False)
    return state, (*said, *made)


def _with_accepted(state: State, scope: str, family: str, pair: Pair) -> State:
    history = state.histories.get((scope, family), History())
    if any(known.text == pair.text for known in (*history.accepted, *history.rejected)):
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
    quarantine = suspensions.quarantine(state.registry, state.policies, entry, reason)
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


def _replied(state: State, event: TeacherReplied) -> tuple[State, Sequence[Event]]:
    """Propose the first recipe that keeps every accepted pair and mends every rejected one."""
    if event.family is None or event.version is None:
        return state, ()
    entry = state.registry.entry(event.scope, event.family, event.version)
    history = state.histories.get((event.scope, event.family), History())
    if entry is None:
        return state, ()
    accepted = [(pair.text, pair.answer) for pair in _accepted_pairs(entry, history)]
    for recipe, narrower in _recipes(event, entry.artifact, accepted, history):
        artifact = compile_recipe(canonical_json(recipe))
        if isinstance(artifact, tuple) or artifact.digest == entry.artifact.digest:
            continue
        if not answers_all(artifact, accepted) or _repeats_a_mistake(artifact, history):
            continue
        policy = state.policies.of(entry.scope)
        if narrower is None:
            price = policy.search_price(event.tried) + policy.return_surcharge
            return state, (_next_version(state, entry, artifact, history, price),)
        left = bequeathed(
            state.inheritance, state.registry, entry, artifact, narrower.considered, policy
        )
        if left is not None:
            inheritance, price = left
            wanted = _next_version(state, entry, artifact, history, price)
            return replace(state, inheritance=inheritance), (wanted,)
    if not STAGES[entry.stage].compared:
        return state, ()
    reason = f"no recipe mends {entry.family}@{entry.version} and keeps what was accepted"
    return state, (proposal(state.registry, entry.scope, reason, [change_of(entry, "retired")]),)


def _recipes(
    event: TeacherReplied, artifact: Artifact, accepted: Pairs, history: History
) -> Iterable[tuple[object, Narrowed | None]]:
    """Yield the teacher's recipes, then those made from the version itself: narrower by a rule,
    then with a person's correction.
    """
    yield from ((recipe, None) for recipe in event.recipes)
    rejected = [(pair.text, pair.answer) for pair in history.rejected]
    yield from ((one.recipe, one) for one in narrowed(artifact, accepted, rejected))
    last = history.rejected[-1] if history.rejected else None
    if last is not None and last.text in history.corrected:
        excepted = with_exception(artifact, last.text, last.answer)
        if excepted is not None:
            yield excepted, None


def _repeats_a_mistake(artifact: Artifact, history: History) -> bool:
    """Return whether the artifact answers a rejected text with something else than is right."""
    for pair in history.rejected:
        given = answer_of(artifact, pair.text)
        if isinstance(given, Given) and not same(given.answer, pair.answer, artifact.comparator):
            return True
    return False


def _next_version(
    state: State, entry: Entry, artifact: Artifact, history: History, price: float
) -> VersionProposed:
    """Propose the next version.

    The accepted pairs do not speak for it: they were chosen because the old version was right on
    them. Its evidence starts anew, unless a rule made the old one narrower (agents.inheritance).
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
    return proposal(
        state.registry,
        entry.scope,
        f"repairs {entry.family}@{entry.version}",
        changes,
        artifacts=(dict(artifact.document),),
        price_bits=price,
        baseline=answers_known(entry.baseline),
        mended=tuple(pair.text for pair in history.rejected),
    )


def refiner(
    trusted: frozenset[str], policies: Policies = ONE_POLICY, trust: Trust = ANYONE
) -> Decider:
    """Return the refiner node; rejects from `trusted` sources suspend, others cause an audit."""
    return Decider(
        name="refiner",
        folds=(),
        reads=("matches", "evidence", "feedback", "completions", "versions", "learning"),
        writes=("proposals", "learning", "fallbacks", "evidence"),
        initial=State(policies, Rejects(trusted), trust=trust),
        decide=decide,
        is_rebuilt=True,
        doc="Quarantines and repairs families whose answers were wrong.",
    )

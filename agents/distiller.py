"""The distiller: turns clusters of fallbacks into proposed families; and the inducer that it asks.

CompletionGiven, AuditAnswered, RecallAnswered ─▶ cluster ─▶ worth an attempt? ─▶ TeacherAsked
TeacherReplied ─▶ κ ─▶ right on what it reads? ─▶ VersionProposed | RecipeRefused
VersionChanged (new in shadow) ─▶ ComparisonMade for every pair it reads and was not taught
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from immutables import Map
from pydantic import JsonValue

from agents.changes import APPROVAL
from agents.comparisons import answers_beside, compared
from agents.node import Decider
from agents.registries import answers_known, change_of, taken
from artifacts.artifact import Artifact
from artifacts.bits import baseline
from artifacts.comparators import same
from artifacts.compiler import Given, answer_of, answer_of_tokens, answers_all, compile_recipe
from artifacts.evidence import agreements_needed
from artifacts.grammar.lexer import Tokens, lex
from artifacts.learning.ages import age_began
from artifacts.learning.clusters import (
    Cluster,
    Clusters,
    Member,
    add,
    attempted,
    comparable,
    is_due,
    member,
    question_members,
    seen,
)
from artifacts.learning.inducer import induce
from artifacts.policy import ONE_POLICY, Policies
from artifacts.registry import Registry
from artifacts.stages import STAGES
from artifacts.values import canonical_json, digest
from streams.events import (
    AuditAnswered,
    Change,
    CompletionGiven,
    DriftFound,
    Event,
    Pair,
    ProposalRefused,
    RecallAnswered,
    RecipeRefused,
    TeacherAsked,
    TeacherReplied,
    VersionChanged,
    VersionProposed,
)
from streams.signing import ANYONE, Trust

_MAX_RECIPES = 3


@dataclass(frozen=True, slots=True)
class Taught:
    """Where a proposed version came from: its cluster, and the pairs that are no evidence.

    `known` are the texts whose answers are in its baseline.
    """

    cluster: str
    excluded: frozenset[str]
    known: frozenset[str]


@dataclass(frozen=True, slots=True)
class State:
    """Clusters by scope; which families a cluster has; what new versions were taught.

    `waiting` counts the pairs that a version in shadow has kept from being learned anew. What has
    all but a person's approval (`approving`) keeps them from it until it moves.
    """

    policies: Policies
    registry: Registry = field(default_factory=Registry)
    trust: Trust = ANYONE
    clusters: Map[str, Clusters] = field(default_factory=Map)
    families: Map[str, tuple[str, ...]] = field(default_factory=Map)
    taught: Map[str, Taught] = field(default_factory=Map)
    waiting: Map[str, int] = field(default_factory=Map)
    approving: Map[tuple[str, str, int], None] = field(default_factory=Map)


def decide(state: State, event: Event) -> tuple[State, Sequence[Event]]:
    """Cluster, ask for recipes, propose what κ and the cluster accept, replay what is new."""
    match event:
        case VersionChanged():
            return _changed(state, event)
        case CompletionGiven() | AuditAnswered() | RecallAnswered():
            return _learned(state, event)
        case TeacherReplied(method="recipe"):
            return _replied(state, event)
        case ProposalRefused():
            return _refused(state, event), ()
        case DriftFound():  # what was learned of another world is neither evidence nor a lesson
            return replace(state, clusters=state.clusters.set(event.scope, Clusters())), ()
        case _:
            return state, ()


def _refused(state: State, event: ProposalRefused) -> State:
    """Remember the versions that lack nothing but a person's approval."""
    if {check.check for check in event.checks if not check.passed} != {APPROVAL}:
        return state
    approving = state.approving
    for change in event.changes:
        approving = approving.set((event.scope, change.family, change.version), None)
    return replace(state, approving=approving)


def _learned(
    state: State, event: CompletionGiven | AuditAnswered | RecallAnswered
) -> tuple[State, Sequence[Event]]:
    tokens = lex(event.text)
    new = member(event.utterance_id, event.text, event.answer)
    if new is None or not isinstance(tokens, Tokens):
        return state, ()
    scope = event.tenant
    clusters = seen(state.clusters.get(scope, Clusters()), new)
    if new.answer is None:
        return replace(state, clusters=state.clusters.set(scope, clusters)), ()
    clusters, cluster = add(clusters, new, scope)
    state = replace(state, clusters=state.clusters.set(scope, clusters))
    state, covered = _covered(state, scope, tokens)
    if covered or not is_due(cluster, new, state.policies.of(scope).min_pairs):
        return state, ()
    clusters = replace(clusters, by_id=clusters.by_id.set(cluster.id, attempted(cluster, new)))
    members = question_members(cluster, new)
    question = TeacherAsked(
        question_id=digest([scope, cluster.id, new.utterance_id])[:24],
        scope=scope,
        method="recipe",
        cluster=cluster.id,
        pairs=tuple(_pair(m) for m in members),
        budget=state.policies.of(scope).search_steps,
    )
    return replace(state, clusters=state.clusters.set(scope, clusters)), (question,)


def _pair(m: Member) -> Pair:
    return Pair(utterance_id=m.utterance_id, text=m.text, answer=cast(JsonValue, m.answer))


def _covered(state: State, scope: str, tokens: Tokens) -> tuple[State, bool]:
    """Return whether a version reads the text, right or wrong, and may still come to serve it."""
    policy = state.policies.of(scope)
    patience = policy.patience * agreements_needed(policy)
    for entry in state.registry.candidates(scope, tokens):
        if not isinstance(answer_of_tokens(entry.artifact, tokens), Given):
            continue
        if STAGES[entry.stage].serves:
            return state, True
        if (entry.scope, *entry.key) in state.approving:
            return state, True
        key = entry.artifact.digest
        waited = state.waiting.get(key, 0) + 1
        state = replace(state, waiting=state.waiting.set(key, waited))
        if waited <= patience:
            return state, True
    return state, False


def _replied(state: State, event: TeacherReplied) -> tuple[State, Sequence[Event]]:
    clusters = state.clusters.get(event.scope, Clusters())
    cluster = clusters.by_id.get(event.cluster)
    if cluster is None:
        return state, ()
    problems: list[str] = []
    most = state.policies.of(event.scope).max_outlier_share
    for recipe in event.recipes:
        artifact = compile_recipe(canonical_json(recipe))
        if isinstance(artifact, tuple):
            problems.extend(map(str, artifact))
            continue
        known = comparable(clusters, cluster, artifact.required)
        read = [m for m in known if answer_of(artifact, m.text) is not None]
        wrong = disagreeing(artifact, known)
        old: Sequence[Member] = ()
        if len(wrong) > len(read) * most:
            mistaken = {m.utterance_id for m in wrong}
            agreed = [m.utterance_id not in mistaken for m in read]
            began = age_began(agreed, most, 2 * state.policies.of(event.scope).min_pairs)
            if began is None:
                problems.append(f"wrong on {len(wrong)} of {len(read)} pairs that it reads")
                continue
            old, wrong = read[:began], disagreeing(artifact, read[began:])
        return _proposed(state, event, cluster, artifact, wrong, old)
    refused = RecipeRefused(
        question_id=event.question_id,
        scope=event.scope,
        cluster=event.cluster,
        problems=tuple(problems) or ("no candidate within the budget",),
    )
    return state, (refused,)


def disagreeing(artifact: Artifact, members: Sequence[Member]) -> list[Member]:
    """Return the members that the artifact reads and answers otherwise."""
    wrong: list[Member] = []
    for m in members:
        given = answer_of(artifact, m.text)
        if isinstance(given, Given) and not same(given.answer, m.answer, artifact.comparator):
            wrong.append(m)
    return wrong


def _proposed(
    state: State,
    event: TeacherReplied,
    cluster: Cluster,
    artifact: Artifact,
    wrong: Sequence[Member],
    old: Sequence[Member],
) -> tuple[State, Sequence[Event]]:
    """Propose a recipe that is wrong on few pairs; those of an older age do not count."""
    scope = event.scope
    family, version = _place(state, scope, cluster.id, artifact)
    excluded = frozenset(event.taught) | {m.utterance_id for m in (*wrong, *old)}
    others = answers_beside(artifact, cluster.members)
    taught = state.taught.set(artifact.digest, Taught(cluster.id, excluded, frozenset(others)))
    policy = state.policies.of(scope)
    versions = state.registry.versions(scope, family)
    known = next((entry for entry in versions if entry.artifact.digest == artifact.digest), None)
    if known is not None:
        if known.stage != "retired" or known.returns >= policy.max_returns:
            return state, ()
        back = VersionProposed(
            scope=scope,
            actor="distiller",
            reason=f"learned again from {cluster.whole.count} pairs",
            changes=(change_of(known, "shadow"),),
            previous=state.registry.ordinal,
        )
        return replace(state, taught=taught), (back,)
    returns = sum(entry.returns for entry in versions)
    proposal = VersionProposed(
        scope=scope,
        actor="distiller",
        reason=f"cluster {cluster.id} of {cluster.whole.count} pairs",
        changes=(Change(family=family, version=version, digest=artifact.digest, stage="shadow"),),
        artifacts=(dict(artifact.document),),
        price_bits=policy.search_price(event.tried)
        + len(wrong) * policy.outlier_bits
        + math.log2(len(old) + 1)
        + returns * policy.return_surcharge,
        baseline=answers_known(baseline(others.values(), artifact.comparator)),
        previous=state.registry.ordinal,
    )
    return (
        replace(
            state,
            families=state.families.set(
                cluster.id,
                tuple(dict.fromkeys((*state.families.get(cluster.id, ()), family))),
            ),
            taught=taught,
        ),
        (proposal,),
    )


def _place(state: State, scope: str, cluster: str, artifact: Artifact) -> tuple[str, int]:
    """Return a family of the cluster that the artifact can follow on, or a new one.

    It follows on a family when it gives the right answer to every example of its latest version.
    """
    for family in state.families.get(cluster, ()):
        versions = state.registry.versions(scope, family)
        if versions and answers_all(artifact, versions[-1].artifact.examples()):
            return family, len(versions) + 1
    name = f"{artifact.name}-{digest([scope, cluster, artifact.digest])[:8]}"
    return name, len(state.registry.versions(scope, name)) + 1


def _changed(state: State, event: VersionChanged) -> tuple[State, Sequence[Event]]:
    registry, refused = taken(state.registry, event, state.trust, "distiller")
    if registry is state.registry:
        return state, refused
    state = replace(state, registry=registry)
    made: list[Event] = []
    for change in event.changes:
        place = (event.scope, change.family, change.version)
        if place in state.approving:
            state = replace(state, approving=state.approving.delete(place))
        entry = registry.entry(*place)
        taught = state.taught.get(change.digest)
        if entry is None or taught is None or not STAGES[entry.stage].compared:
            continue
        if entry.stage != "shadow":
            continue
        state = replace(state, taught=state.taught.delete(change.digest))
        clusters = state.clusters.get(event.scope, Clusters())
        cluster = clusters.by_id.get(taught.cluster)
        for m in comparable(clusters, cluster, entry.required) if cluster else ():
            given = answer_of(entry.artifact, m.text)
            if isinstance(given, Given) and m.utterance_id not in taught.excluded:
                answer = cast(JsonValue, m.answer)
                is_known = m.normalized in taught.known
                made.append(
                    compared(
                        entry, m.utterance_id, m.text, answer, given, "replay", is_known=is_known
                    )
                )
    return state, made


def distiller(policies: Policies = ONE_POLICY, trust: Trust = ANYONE) -> Decider:
    """Return the distiller node."""
    return Decider(
        name="distiller",
        folds=(),
        reads=("completions", "versions", "learning"),
        writes=("learning", "proposals", "evidence"),
        initial=State(policies, trust=trust),
        decide=decide,
        is_rebuilt=True,
        doc="Turns clusters of fallbacks into proposed families.",
    )


# --- the inducer as a teacher of recipes ----------------------------------------------------------


def induced(policies: Policies, event: Event) -> tuple[Policies, Sequence[Event]]:
    """Answer a question for recipes by search; the state is the policies and never changes."""
    if not isinstance(event, TeacherAsked):
        return policies, ()
    known = [member(p.utterance_id, p.text, p.answer) for p in (*event.pairs, *event.rejected)]
    members = [m for m in known if m is not None and m.answer is not None]
    recipes: list[JsonValue] = []
    taught: tuple[str, ...] = ()
    tried = steps = 0
    if members:
        min_pairs = policies.of(event.scope).min_pairs
        for candidate in induce(members, budget=event.budget, min_pairs=min_pairs):
            recipes.append(cast(JsonValue, candidate.recipe))
            taught = tuple(dict.fromkeys((*taught, *candidate.taught)))
            tried, steps = candidate.tried, candidate.steps
            if len(recipes) == _MAX_RECIPES:
                break
    reply = TeacherReplied(
        question_id=event.question_id,
        scope=event.scope,
        method=event.method,
        cluster=event.cluster,
        teacher="inducer",
        recipes=tuple(recipes),
        taught=taught,
        tried=max(tried, 1),
        steps=steps,
        family=event.family,
        version=event.version,
    )
    return policies, (reply,)


def inducer(policies: Policies = ONE_POLICY) -> Decider:
    """Return the node that answers TeacherAsked by search, without an LLM."""
    return Decider(
        name="inducer",
        folds=(),
        reads=("learning",),
        writes=("learning",),
        initial=policies,
        decide=induced,
        is_rebuilt=False,
        doc="Writes recipes by search over examples.",
        batch=4,
    )

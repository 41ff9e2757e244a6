"""The distiller: clusters become questions, replies become proposals, or say why not."""

from typing import Any

import pytest

from agents import distiller
from agents.distiller import induced
from artifacts.bits import Baseline, answer_bits
from artifacts.policy import DEFAULT, ONE_POLICY
from streams.events import (
    CheckMade,
    ComparisonMade,
    CompletionGiven,
    CompletionRefused,
    Event,
    ProposalRefused,
    RecipeRefused,
    TeacherAsked,
    TeacherReplied,
    VersionProposed,
)
from tests.agents.worlds import TENANT, changed, minutes, proposal

NUMBERS = (3, 14, 8, 25, 41, 77)


def completion(n: int, answer: Any = ..., tenant: str = TENANT) -> CompletionGiven:
    return CompletionGiven(
        utterance_id=f"u{n}",
        tenant=tenant,
        text=f"{n} minutes to seconds",
        answer=str(n * 60) if answer is ... else answer,
        teacher="t",
    )


def fed(state: distiller.State, *events: Event) -> tuple[distiller.State, list[Event]]:
    made: list[Event] = []
    for event in events:
        state, more = distiller.decide(state, event)
        made += more
    return state, made


def asked() -> tuple[distiller.State, TeacherAsked]:
    """Return the distiller after its first question."""
    state, made = fed(distiller.State(ONE_POLICY), *map(completion, NUMBERS[:4]))
    (question,) = made
    assert isinstance(question, TeacherAsked)
    return state, question


def reply(question: TeacherAsked, *recipes: Any, tried: int = 7) -> TeacherReplied:
    return TeacherReplied(
        question_id=question.question_id, scope=question.scope, method="recipe",
        cluster=question.cluster, teacher="t", recipes=recipes, tried=tried, steps=1,
        taught=(question.pairs[-1].utterance_id,),
    )  # fmt: skip


def recipe(factor: int, example: int = 3) -> dict[str, Any]:
    return {
        "recipe": 1, "name": "minutes", "phrasings": ["{n:integer} minutes to seconds"],
        "steps": [{"op": "mul", "args": [{"slot": "n"}, {"number": str(factor)}]},
                  {"op": "show", "args": [{"step": 0}]}],
        "answer": {"value": {"step": 1}},
        "examples": [{"text": f"{example} minutes to seconds", "answer": str(example * factor)}],
    }  # fmt: skip


def test_a_cluster_of_enough_pairs_becomes_a_question() -> None:
    state, made = fed(
        distiller.State(ONE_POLICY), *map(completion, NUMBERS[: DEFAULT.min_pairs - 1])
    )
    assert made == []
    _, question = asked()
    assert (question.scope, question.method, question.budget) == (
        TENANT,
        "recipe",
        DEFAULT.search_steps,
    )
    assert [pair.answer for pair in question.pairs] == [str(n * 60) for n in NUMBERS[:4]]
    assert set(state.clusters[TENANT].by_id.keys()) == {question.cluster}


def test_nothing_is_learned_from_null_refusals_or_what_cannot_be_lexed() -> None:
    events: list[Event] = [completion(n, None) for n in range(40)]
    events += [completion(n).model_copy(update={"text": "x" * 3000}) for n in range(40)]
    events += [completion(n).model_copy(update={"text": ""}) for n in range(40)]
    events += [
        CompletionRefused(utterance_id="u", tenant=TENANT, text="a", teacher="t", reason="no")
    ] * 9
    state, made = fed(distiller.State(ONE_POLICY), *events)
    assert made == []
    clusters = state.clusters[TENANT]
    assert not clusters.by_id
    assert {m.answer for recent in clusters.recent.values() for m in recent} == {None}


def test_tenants_do_not_learn_together() -> None:
    mixed = [completion(n, tenant=f"t{index % 2}") for index, n in enumerate(NUMBERS)]
    state, made = fed(distiller.State(ONE_POLICY), *mixed)
    assert made == []
    more = [completion(n, tenant="t0") for n in (90, 91)]
    _, (question, *_) = fed(state, *more)
    assert isinstance(question, TeacherAsked)
    assert question.scope == "t0"
    assert {pair.text for pair in question.pairs} <= {
        f"{n} minutes to seconds" for n in (*NUMBERS[::2], 90, 91)
    }


def test_the_inducer_answers_the_question_and_the_same_way_each_time() -> None:
    _, question = asked()
    (answer,) = induced(ONE_POLICY, question)[1]
    assert induced(ONE_POLICY, question)[1] == (answer,)
    assert isinstance(answer, TeacherReplied)
    assert (answer.teacher, answer.cluster, answer.question_id) == (
        "inducer",
        question.cluster,
        question.question_id,
    )
    assert answer.recipes
    assert set(answer.taught) <= {pair.utterance_id for pair in question.pairs}


def test_a_right_recipe_is_proposed_into_shadow_at_the_price_of_its_search() -> None:
    state, question = asked()
    _, (wanted,) = fed(state, reply(question, recipe(60)))
    assert isinstance(wanted, VersionProposed)
    (line,) = wanted.changes
    assert (line.version, line.stage) == (1, "shadow")
    assert wanted.price_bits == 3.0
    assert (wanted.scope, wanted.actor, wanted.previous) == (TENANT, "distiller", 0)


def test_a_recipe_that_is_wrong_on_its_cluster_is_refused_with_the_count() -> None:
    state, question = asked()
    _, (refused,) = fed(state, reply(question, recipe(61)))
    assert isinstance(refused, RecipeRefused)
    assert refused.problems == ("wrong on 4 of 4 pairs that it reads",)


def test_a_recipe_that_does_not_compile_is_refused_with_its_problems() -> None:
    state, question = asked()
    for bad in (None, "text", {}, {**recipe(60), "phrasings": ["{n:nothing} x"]}, [[[]]]):
        _, (refused,) = fed(state, reply(question, bad))
        assert isinstance(refused, RecipeRefused)
        assert refused.problems
    _, (refused,) = fed(state, reply(question))
    assert isinstance(refused, RecipeRefused)
    assert refused.problems == ("no candidate within the budget",)


def test_the_first_recipe_that_is_right_wins() -> None:
    state, question = asked()
    _, (wanted,) = fed(state, reply(question, {}, recipe(61), recipe(60)))
    assert isinstance(wanted, VersionProposed)


def test_a_reply_to_no_cluster_is_ignored() -> None:
    state, question = asked()
    for more in ({"cluster": "other"}, {"scope": "other"}):
        assert fed(state, reply(question.model_copy(update=more), recipe(60)))[1] == []


def test_a_new_version_is_replayed_on_the_pairs_it_was_not_taught() -> None:
    state, question = asked()
    state, (wanted,) = fed(state, reply(question, recipe(60)))
    assert isinstance(wanted, VersionProposed)
    state, made = fed(state, changed(1, wanted))
    atoms = [one for one in made if isinstance(one, ComparisonMade)]
    assert [atom.sample_id for atom in atoms] == ["u3", "u14", "u8"]
    assert all(atom.agreed and atom.stratum == "replay" and atom.since == 1 for atom in atoms)
    assert len(atoms) == len(made)


def test_the_baseline_is_what_the_cluster_was_answered_when_the_version_was_proposed() -> None:
    state, question = asked()
    again = [completion(n).model_copy(update={"utterance_id": f"again{n}"}) for n in (3, 3, 14)]
    state, _ = fed(state, *again)
    state, (wanted,) = fed(state, reply(question, recipe(60)))
    assert isinstance(wanted, VersionProposed) and wanted.baseline is not None
    counted = [(one.answer, one.texts) for one in wanted.baseline.commonest]
    assert counted == [(f'["number","{n * 60}"]', 1) for n in (25, 3, 8, 14)]
    assert (wanted.baseline.texts, wanted.baseline.answers) == (4, 4)
    late = completion(41)
    state, made = fed(state, late, changed(1, wanted))
    bits = {one.sample_id: one.bits for one in made if isinstance(one, ComparisonMade)}
    others = Baseline(3, 3, tuple((f"{n}", 1) for n in (1, 2, 3)))
    assert bits["u3"] == answer_bits("180", "public", others)
    assert bits["u41"] == answer_bits("2460", "public", Baseline(4, 4, (*others.counts, ("4", 1))))


def test_a_family_of_one_text_is_held_against_the_others_of_its_cluster() -> None:
    texts = ["state of door a", "state of door b", "state of door a", "state of door a"]
    pairs = [
        completion(n, "shut").model_copy(update={"text": text}) for n, text in enumerate(texts)
    ]
    state, made = fed(distiller.State(ONE_POLICY), *pairs)
    question = next(one for one in made if isinstance(one, TeacherAsked))
    only = recipe(60) | {
        "phrasings": ["state of door a"],
        "steps": [],
        "answer": {"constant": "shut"},
        "examples": [{"text": "state of door a", "answer": "shut"}],
    }
    _, (wanted,) = fed(state, reply(question, only))
    assert isinstance(wanted, VersionProposed) and wanted.baseline is not None
    assert (wanted.baseline.texts, wanted.baseline.answers) == (1, 1)


def test_what_a_version_in_shadow_reads_is_not_asked_again_until_patience_ends() -> None:
    state, question = asked()
    state, (wanted,) = fed(state, reply(question, recipe(60)))
    assert isinstance(wanted, VersionProposed)
    state, _ = fed(state, changed(1, wanted))
    patience = DEFAULT.patience * DEFAULT.min_agreements
    state, made = fed(state, *map(completion, range(100, 100 + patience)))
    assert made == []
    _, made = fed(state, *map(completion, range(200, 220)))
    assert any(isinstance(event, TeacherAsked) for event in made)


PATIENCE = DEFAULT.patience * DEFAULT.min_agreements


@pytest.mark.parametrize(
    ("name", "failed", "moves", "is_asked_again"),
    [
        ("a-person-is-waited-for", ["approval"], False, False),
        ("until-the-version-moves", ["approval"], True, True),
        ("nobody-waits-for-evidence", ["evidence"], False, True),
        ("nor-where-a-person-could-not-help", ["approval", "lost-hits"], False, True),
    ],
)
def test_what_waits_for_approval_alone_is_not_learned_again(
    name: str, failed: list[str], moves: bool, is_asked_again: bool
) -> None:
    state, question = asked()
    state, (wanted,) = fed(state, reply(question, recipe(60)))
    assert isinstance(wanted, VersionProposed)
    state, _ = fed(state, changed(1, wanted))
    lines = tuple(line.model_copy(update={"stage": "live"}) for line in wanted.changes)
    checks = (
        CheckMade(check="stages", passed=True, reason=""),
        *(CheckMade(check=name, passed=False, reason="no") for name in failed),
    )
    refused = ProposalRefused(scope=TENANT, actor="auditor", changes=lines, checks=checks)
    state, made = fed(state, refused)
    assert made == []
    if moves:
        state, _ = fed(state, changed(2, proposal(wanted.changes)))
    state, made = fed(state, *map(completion, range(100, 110 + PATIENCE)))
    assert any(isinstance(event, TeacherAsked) for event in made) == is_asked_again


def test_a_second_recipe_follows_on_the_family_whose_examples_it_keeps() -> None:
    state, question = asked()
    state, (wanted,) = fed(state, reply(question, recipe(60)))
    assert isinstance(wanted, VersionProposed)
    state, _ = fed(state, changed(1, wanted))
    same, made = fed(state, reply(question, recipe(60)))
    assert made == []
    assert same is state
    _, (later,) = fed(state, reply(question, recipe(60, 14)))
    assert isinstance(later, VersionProposed)
    assert (later.changes[0].family, later.changes[0].version) == (wanted.changes[0].family, 2)
    assert minutes().digest not in (later.changes[0].digest, wanted.changes[0].digest)

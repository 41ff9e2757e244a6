"""The auditor: what it compares, what counts as truth, and when it proposes a promotion."""

from typing import Any

import pytest

from agents.auditor import State, decide
from agents.registries import folded
from artifacts.artifact import Artifact
from artifacts.policy import ONE_POLICY, Policies, policies_with
from artifacts.registry import SHARED
from artifacts.stages import StageName
from streams.events import (
    AuditAnswered,
    ComparisonMade,
    CompletionGiven,
    Event,
    FeedbackGiven,
    VersionProposed,
)
from streams.signing import ANYONE
from tests.agents.worlds import (
    TENANT,
    atom,
    change,
    changed,
    minutes,
    proposal,
    registry_of,
    served,
    shares,
)

TEXT = "3 minutes to seconds"


def state_of(*families: tuple[str, Artifact, StageName], scope: str = TENANT) -> State:
    registry, _ = registry_of(*families, scope=scope)
    return State(ONE_POLICY, frozenset({"operator"}), registry)


def completion(answer: Any, text: str = TEXT, utterance_id: str = "u1") -> CompletionGiven:
    return CompletionGiven(
        utterance_id=utterance_id, tenant=TENANT, text=text, answer=answer, teacher="t"
    )


def audited(state: State, answer: Any, wrong: Any = "180", **more: Any) -> AuditAnswered:
    entry = next(state.registry.in_order())
    fields: dict[str, Any] = {
        "utterance_id": "u1", "tenant": TENANT, "text": TEXT, "answer": answer, "teacher": "t",
        "family": entry.family, "version": 1, "digest": entry.artifact.digest, "served": wrong,
        "probability": 0.25,
    }  # fmt: skip
    return AuditAnswered.model_validate(fields | more)


def comparisons(state: State, event: Event) -> list[ComparisonMade]:
    _, made = decide(state, event)
    assert all(isinstance(one, ComparisonMade) for one in made)
    return [one for one in made if isinstance(one, ComparisonMade)]


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [("180", True), (180, True), (" 180.0 ", True), ("181", False), (None, False),
     ({"seconds": 180}, False), (True, False)],
)  # fmt: skip
@pytest.mark.parametrize("stage", ["shadow", "canary", "live"])
def test_every_version_that_reads_a_completion_is_compared(
    answer: Any, agreed: bool, stage: StageName
) -> None:
    state = state_of(("m", minutes(), stage))
    (made,) = comparisons(state, completion(answer))
    entry = state.registry.entry(TENANT, "m", 1)
    assert entry is not None
    assert (made.agreed, made.expected, made.stratum, made.target) == (
        agreed,
        answer,
        "shadow",
        "teacher",
    )
    assert (made.digest, made.since, made.probability) == (entry.artifact.digest, 1, 1.0)
    assert made.values == {"n": "3"}


@pytest.mark.parametrize(
    ("families", "text"),
    [
        ((), TEXT),
        ((("m", minutes(), "retired"),), TEXT),
        ((("m", minutes(), "shadow"),), "another thing"),
        ((("m", minutes(), "shadow"),), TEXT * 1000),
        ((("s", shares(), "shadow"),), "8 shared by 0"),
    ],
)
def test_what_is_not_read_or_fails_is_not_compared(families: Any, text: str) -> None:
    assert comparisons(state_of(*families), completion("180", text)) == []


def test_another_tenants_versions_are_not_compared_and_shared_ones_are() -> None:
    other = state_of(("m", minutes(), "shadow"), scope="other")
    shared = state_of(("m", minutes(), "shadow"), scope=SHARED)
    assert comparisons(other, completion("180")) == []
    (made,) = comparisons(shared, completion("180"))
    assert made.scope == SHARED


@pytest.mark.parametrize(
    ("was", "answer", "agreed"),
    [("180", "180", True), ("180", "181", False), ("180", None, False), ("181", "180", False)],
)
def test_an_audit_holds_what_was_served_against_the_teacher(
    was: str, answer: Any, agreed: bool
) -> None:
    state = state_of(("m", minutes(), "live"))
    (made,) = comparisons(state, audited(state, answer, was))
    assert (made.agreed, made.stratum, made.probability, made.expected) == (
        agreed,
        "audit",
        0.25,
        answer,
    )


def test_an_audit_of_a_version_that_nobody_knows_is_passed_over() -> None:
    state = state_of(("m", minutes(), "live"))
    assert comparisons(state, audited(state, "180", family="other")) == []
    assert comparisons(state, audited(state, "180", tenant="other")) == []


# --- corrections ----------------------------------------------------------------------------------


def corrected(source: str, correction: Any, verdict: str = "reject") -> FeedbackGiven:
    registry, _ = registry_of(("m", minutes(), "live"))
    entry = registry.entry(TENANT, "m", 1)
    assert entry is not None
    ref = served(entry, TEXT, "180").answer_ref
    return FeedbackGiven.model_validate(
        {"answer_ref": ref, "verdict": verdict, "correction": correction, "source": source}
    )


@pytest.mark.parametrize(
    ("source", "correction", "expected", "target"),
    [
        ("operator", "200", "200", "truth"),
        ("operator", None, "180", "teacher"),
        ("anybody", "200", "180", "teacher"),
    ],
)
def test_a_trusted_correction_counts_as_truth(
    source: str, correction: Any, expected: str, target: str
) -> None:
    state, made = decide(state_of(("m", minutes(), "live")), corrected(source, correction))
    assert made == ()
    for event in (completion("180", TEXT.upper()), audited(state, "180")):
        (atom_made,) = comparisons(state, event)
        assert (atom_made.expected, atom_made.target) == (expected, target)
        assert atom_made.agreed == (expected == "180")
    assert comparisons(state, completion("240", "4 minutes to seconds"))[0].target == "teacher"


@pytest.mark.parametrize("ref", ["", "x", "AAAA", "WzFd", "é", "W" * 100_000, "bnVsbA"])
def test_a_bad_answer_ref_is_passed_over(ref: str) -> None:
    state = state_of(("m", minutes(), "live"))
    event = FeedbackGiven(answer_ref=ref, verdict="reject", correction="1", source="operator")
    assert decide(state, event) == (state, ())


# --- promotion ------------------------------------------------------------------------------------


def promoted(state: State, atoms: list[ComparisonMade]) -> list[tuple[int, VersionProposed]]:
    """Return the proposals made while atoms are folded, with the number of the atom."""
    found = []
    for number, event in enumerate(atoms, 1):
        state, made = decide(state, event)
        found += [(number, one) for one in made if isinstance(one, VersionProposed)]
    return found


def test_a_promotion_is_proposed_when_the_evidence_is_there_and_not_again_and_again() -> None:
    state = state_of(("m", minutes(), "shadow"))
    entry = next(state.registry.in_order())
    found = promoted(state, [atom(entry, n) for n in range(25)])
    assert [number for number, _ in found] == [5, 10, 20]
    wanted = found[0][1]
    assert [(c.family, c.version, c.stage) for c in wanted.changes] == [("m", 1, "live")]
    assert (wanted.scope, wanted.actor, wanted.previous) == (TENANT, "auditor", 1)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("one-text-again-and-again", {"values": {"n": "3"}}),
        ("one-sample-again-and-again", {"sample_id": "s"}),
        ("too-few-bits", {"bits": 1.0}),
        ("from-before-it-entered-shadow", {"since": 0}),
        ("of-another-version", {"version": 2}),
        ("of-another-scope", {"scope": "other"}),
    ],
)
def test_what_does_not_add_up_promotes_nothing(name: str, more: dict[str, Any]) -> None:
    state = state_of(("m", minutes(), "shadow"))
    entry = next(state.registry.in_order())
    assert promoted(state, [atom(entry, n, **more) for n in range(20)]) == []


def test_one_disagreement_forbids_promotion() -> None:
    state = state_of(("m", minutes(), "shadow"))
    entry = next(state.registry.in_order())
    atoms = [atom(entry, 0, agreed=False), *(atom(entry, n) for n in range(1, 20))]
    assert promoted(state, atoms) == []


CANARIES = policies_with(canary_share=0.2, canary_agreements=4)


def canary_state(stage: StageName, policies: Policies = CANARIES) -> State:
    registry, _ = registry_of(("m", minutes(), stage), share=0.2)
    return State(policies, frozenset({"operator"}), registry)


def test_where_canaries_have_a_share_one_is_proposed() -> None:
    state = canary_state("shadow")
    entry = next(state.registry.in_order())
    (_, wanted), *later = promoted(state, [atom(entry, n) for n in range(9)])
    assert [(c.family, c.stage, c.share) for c in wanted.changes] == [("m", "canary", 0.2)]
    assert len(later) == 0
    of_others = State(Policies(own={"other": CANARIES.default}), frozenset(), state.registry)
    (_, wanted), *_ = promoted(of_others, [atom(entry, n) for n in range(6)])
    assert [(c.family, c.stage, c.share) for c in wanted.changes] == [("m", "live", None)]


def test_a_canary_is_proposed_to_be_live_once_it_has_agreed_so_often() -> None:
    """Five agreements made it a canary; of the others some repeat a binding, one is an audit."""
    state = canary_state("canary")
    entry = next(state.registry.in_order())
    before = [atom(entry, n, stage="shadow") for n in range(5)]
    more = [
        {},
        {"values": {"n": "1"}},
        {"stratum": "audit"},
        {"values": {"n": "1"}},
        {},
        {},
        {},
        {},
    ]
    after = [atom(entry, 100 + n, stage="canary", **one) for n, one in enumerate(more)]
    found = promoted(state, before + after)
    assert [number for number, _ in found] == [9, 13]
    assert [(c.family, c.stage, c.share) for c in found[0][1].changes] == [("m", "live", None)]
    assert "4 agreements as a canary" in found[0][1].reason
    wrong = atom(entry, 50, stage="canary", agreed=False)
    assert promoted(state, [*before, wrong, *after]) == []
    without = canary_state("canary", policies_with(canary_agreements=4))
    assert [number for number, _ in promoted(without, before + after)] == [9, 13]


def test_what_makes_a_version_live_retires_the_older_ones_and_a_canary_does_not() -> None:
    registry, _ = registry_of(("m", minutes(), "live"))
    line = change("m", 2, minutes(60, (3, 4)), "shadow")
    event = changed(3, proposal([line], [minutes(60, (3, 4))]))
    registry = folded(registry, event, ANYONE)
    entry = registry.entry(TENANT, "m", 2)
    assert entry is not None
    atoms = [atom(entry, n) for n in range(6)]
    (_, first), *_ = promoted(State(CANARIES, frozenset(), registry), atoms)
    assert [(c.version, c.stage) for c in first.changes] == [(2, "canary")]
    (_, straight), *_ = promoted(State(ONE_POLICY, frozenset(), registry), atoms)
    assert [(c.version, c.stage) for c in straight.changes] == [(2, "live"), (1, "retired")]


@pytest.mark.parametrize("stage", ["live", "retired"])
def test_only_versions_in_shadow_and_canaries_are_promoted(stage: StageName) -> None:
    state = state_of(("m", minutes(), stage))
    entry = next(state.registry.in_order())
    assert promoted(state, [atom(entry, n) for n in range(20)]) == []

"""The refiner: what a reject, a recall and a repair do to a version, and what they leave alone."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from agents import refiner
from agents.comparisons import compared
from agents.distiller import induced
from agents.registries import folded
from agents.rejects import Rejects
from artifacts.artifact import Artifact, load_artifact
from artifacts.compiler import Given, answer_of, answers_all
from artifacts.policy import DEFAULT, ONE_POLICY
from artifacts.registry import Entry
from artifacts.stages import StageName
from streams.events import (
    AuditAsked,
    Event,
    FeedbackGiven,
    RecallAnswered,
    RecallAsked,
    Stratum,
    TeacherAsked,
    TeacherReplied,
    VersionChanged,
    VersionProposed,
    VersionRefused,
)
from streams.signing import ANYONE
from tests.agents.worlds import TENANT, change, changed, minutes, proposal, registry_of, served

TEXT = "3 minutes to seconds"
RIGHT = minutes()


@dataclass
class World:
    """A refiner with its state; proposals are let through as they come."""

    state: refiner.State = field(
        default_factory=lambda: refiner.State(ONE_POLICY, Rejects(frozenset({"operator"})))
    )

    @classmethod
    def of(cls, *families: tuple[str, Artifact, StageName], scope: str = TENANT) -> "World":
        world = cls()
        _, events = registry_of(*families, scope=scope)
        for event in events:
            world.sent(event)
        return world

    def sent(self, event: Event) -> list[Event]:
        self.state, made = refiner.decide(self.state, event)
        return list(made)

    def through(self, wanted: VersionProposed) -> list[Event]:
        """Let a proposal pass as if the gate had said yes."""
        ordinal = self.state.registry.ordinal + 1
        made = self.sent(changed(ordinal, wanted))
        assert self.state.registry.ordinal == ordinal
        return made

    def entry(self, family: str = "m", version: int = 1, scope: str = TENANT) -> Entry:
        entry = self.state.registry.entry(scope, family, version)
        assert entry is not None
        return entry

    def feedback(self, verdict: str = "reject", text: str = TEXT, **more: Any) -> list[Event]:
        """Send feedback on what the first version answered."""
        entry = self.entry()
        given = answer_of(entry.artifact, text)
        assert isinstance(given, Given)
        ref = served(entry, text, given.answer, utterance_id=text).answer_ref
        fields = {"answer_ref": ref, "verdict": verdict, "source": "operator"} | more
        return self.sent(FeedbackGiven.model_validate(fields))

    def accepted(self, *numbers: int, factor: int = 60) -> None:
        for n in numbers:
            self.comparison(n, str(n * factor))

    def comparison(self, n: int, expected: Any, stratum: Stratum = "shadow") -> list[Event]:
        entry, text = self.entry(), f"{n} minutes to seconds"
        given = answer_of(entry.artifact, text)
        assert isinstance(given, Given)
        return self.sent(compared(entry, f"c{n}", text, expected, given, stratum))


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def stages(event: Event) -> list[tuple[str, int, str]]:
    assert isinstance(event, VersionProposed)
    return [(c.family, c.version, c.stage) for c in event.changes]


# --- feedback -------------------------------------------------------------------------------------


def test_a_trusted_reject_suspends_and_recalls() -> None:
    suspension, recall = World.of(("m", RIGHT, "live")).feedback()
    assert stages(suspension) == [("m", 1, "shadow")]
    assert isinstance(suspension, VersionProposed)
    assert suspension.changes[0].suspended
    assert isinstance(recall, RecallAsked)
    assert (recall.utterance_id, recall.text, recall.digest) == (TEXT, TEXT, RIGHT.digest)


@pytest.mark.parametrize("stratum", ["shadow", "audit", "rejected"])
def test_a_canary_goes_back_at_once_whatever_shows_that_it_is_wrong(stratum: Stratum) -> None:
    for made in (World.of(("m", RIGHT, "canary")).feedback(),
                 World.of(("m", RIGHT, "canary")).feedback(correction="200"),
                 World.of(("m", RIGHT, "canary")).comparison(3, "200", stratum)):  # fmt: skip
        assert stages(made[0]) == [("m", 1, "shadow")]
    assert World.of(("m", RIGHT, "canary")).comparison(3, "180", stratum) == []


def test_a_trusted_correction_quarantines_and_asks_for_a_repair() -> None:
    world = World.of(("m", RIGHT, "live"))
    world.accepted(7)
    quarantine, question = world.feedback(correction="200")
    assert stages(quarantine) == [("m", 1, "shadow")]
    assert isinstance(question, TeacherAsked)
    assert (question.method, question.family, question.version) == ("repair", "m", 1)
    assert [(pair.text, pair.answer) for pair in question.rejected] == [(TEXT, "200")]
    assert [pair.text for pair in question.pairs] == [
        "2 minutes to seconds",
        "5 minutes to seconds",
        "7 minutes to seconds",
    ]


@pytest.mark.parametrize("correction", [None, "200"])
def test_the_same_reject_again_does_not_count_as_another_return(correction: str | None) -> None:
    world = World.of(("m", RIGHT, "live"))
    quarantine, _ = world.feedback(correction=correction)
    assert isinstance(quarantine, VersionProposed)
    world.through(quarantine)
    for _ in range(4):
        assert world.feedback(correction=correction) == []
    returns = 0 if correction is None else 1
    assert (world.entry().stage, world.entry().returns) == ("shadow", returns)


def test_an_untrusted_reject_asks_for_an_audit_alone() -> None:
    for correction in (None, "200"):
        world = World.of(("m", RIGHT, "live"))
        (audit,) = world.feedback(correction=correction, source="anybody")
        assert isinstance(audit, AuditAsked)
        assert (audit.answer, audit.probability, audit.digest) == ("180", 1.0, RIGHT.digest)
        assert world.feedback(source="anybody") == [], "one audit, however often it is rejected"
        assert not world.state.histories


def test_accepts_move_nothing_and_only_trusted_ones_are_remembered() -> None:
    world = World.of(("m", RIGHT, "live"))
    assert world.feedback("accept", source="anybody") == []
    assert not world.state.histories
    assert world.feedback("accept") == []
    assert [p.text for p in world.state.histories[TENANT, "m"].accepted] == [TEXT]


@pytest.mark.parametrize("ref", ["", "x", "WzFd", "é", "W" * 100_000])
def test_a_bad_answer_ref_is_ignored(ref: str) -> None:
    world = World.of(("m", RIGHT, "live"))
    event = FeedbackGiven(answer_ref=ref, verdict="reject", correction="1", source="operator")
    before = world.state
    assert world.sent(event) == []
    assert world.state is before


@pytest.mark.parametrize(
    ("name", "artifact"),
    [("another-digest", minutes(60, (9,))), ("another-family", minutes(61))],
)
def test_a_ref_to_what_this_registry_does_not_hold_is_ignored(
    name: str, artifact: Artifact
) -> None:
    other = World.of(("m", artifact, "live"))
    given = answer_of(artifact, TEXT)
    assert isinstance(given, Given)
    ref = served(other.entry(), TEXT, given.answer).answer_ref
    event = FeedbackGiven(answer_ref=ref, verdict="reject", source="operator")
    assert World.of(("m", RIGHT, "live")).sent(event) == []
    assert World().sent(event) == []


def test_a_reject_of_a_retired_version_does_not_bring_it_back() -> None:
    world = World.of(("m", RIGHT, "retired"))
    for correction in (None, "200"):
        assert kinds(world.feedback(correction=correction)) == ["RejectJudged"]


def test_a_reject_of_a_retired_version_falls_on_the_one_that_still_answers_so() -> None:
    world = World.of(("m", RIGHT, "live"))
    later = minutes(60, (2, 5, 8))
    world.through(proposal([change("m", 2, later, "shadow")], [later]))
    world.through(proposal([change("m", 2, later, "live"), change("m", 1, RIGHT, "retired")]))
    quarantine, recall = world.feedback()
    assert stages(quarantine) == [("m", 2, "shadow")]
    assert isinstance(recall, RecallAsked)
    assert (recall.version, recall.digest) == (2, later.digest)


# --- disagreements and recalls --------------------------------------------------------------------


def test_a_disagreement_quarantines_once_per_stay_in_shadow() -> None:
    world = World.of(("m", RIGHT, "live"))
    quarantine, question = world.comparison(3, "200")
    assert kinds([quarantine, question]) == ["VersionProposed", "TeacherAsked"]
    late = compared(world.entry(), "late", "4 minutes to seconds", "1",
                    _given("4 minutes to seconds"), "audit")  # fmt: skip
    assert isinstance(quarantine, VersionProposed)
    world.through(quarantine)
    assert world.sent(late) == []


def _given(text: str) -> Given:
    given = answer_of(RIGHT, text)
    assert isinstance(given, Given)
    return given


def recalled(answer: Any, **more: Any) -> RecallAnswered:
    fields: dict[str, Any] = {
        "utterance_id": TEXT, "tenant": TENANT, "text": TEXT, "answer": answer, "teacher": "t",
        "family": "m", "version": 1, "digest": RIGHT.digest, "answer_ref": "r",
    }  # fmt: skip
    return RecallAnswered.model_validate(fields | more)


def test_a_recall_that_agrees_is_remembered_as_accepted() -> None:
    world = World.of(("m", RIGHT, "live"))
    suspension, _ = world.feedback()
    assert isinstance(suspension, VersionProposed)
    world.through(suspension)
    assert kinds(world.sent(recalled("180.0"))) == ["RejectJudged", "VersionProposed"]
    assert [p.text for p in world.state.histories[TENANT, "m"].accepted] == [TEXT]


@pytest.mark.parametrize("answer", ["200", None, {"a": 1}])
def test_a_recall_that_differs_asks_for_a_repair(answer: Any) -> None:
    world = World.of(("m", RIGHT, "shadow"))
    made = world.sent(recalled(answer))
    assert kinds(made) == ["TeacherAsked"], "the reject has taken it out of service already"
    assert world.state.histories[TENANT, "m"].rejected[-1].answer == answer


@pytest.mark.parametrize("more", [{"family": "x"}, {"version": 2}, {"tenant": "other"}])
def test_a_recall_of_what_nobody_knows_is_ignored(more: dict[str, Any]) -> None:
    assert World.of(("m", RIGHT, "live")).sent(recalled("1", **more)) == []


def test_a_version_that_returned_too_often_is_retired() -> None:
    world = World.of(("m", RIGHT, "live"))
    seen = []
    for n in range(10, 14):
        made = world.comparison(n, "wrong")
        if not made:
            break
        assert isinstance(made[0], VersionProposed)
        seen.append(stages(made[0])[0][2])
        world.through(made[0])
    assert seen == ["shadow"] * DEFAULT.max_returns + ["retired"]


# --- repairs --------------------------------------------------------------------------------------


def reply(question: TeacherAsked, *recipes: Any) -> TeacherReplied:
    return TeacherReplied(
        question_id=question.question_id, scope=question.scope, method="repair",
        cluster=question.cluster, teacher="t", recipes=recipes, tried=3, steps=1,
        family=question.family, version=question.version,
    )  # fmt: skip


def recipe(factor: int, phrasing: str = "{n:integer} minutes to seconds") -> dict[str, Any]:
    return {
        "recipe": 1, "name": "minutes", "phrasings": [phrasing],
        "steps": [{"op": "mul", "args": [{"slot": "n"}, {"number": str(factor)}]},
                  {"op": "show", "args": [{"step": 0}]}],
        "answer": {"value": {"step": 1}},
        "examples": [{"text": "1000 minutes to seconds", "answer": str(1000 * factor)}],
    }  # fmt: skip


def asked_to_repair(world: World, correction: str = "200") -> TeacherAsked:
    question = world.feedback(correction=correction)[-1]
    assert isinstance(question, TeacherAsked)
    return question


@pytest.mark.parametrize(
    ("name", "recipes"),
    [
        ("loses-the-taught-examples", (recipe(61),)),
        ("repeats-the-mistake", (recipe(60),)),
        ("reads-less-than-was-accepted", (recipe(60, "{n=9} minutes to seconds"),)),
        ("no-recipe", ({"recipe": 1}, "text", None, [])),
    ],
)
def test_a_reply_that_mends_nothing_leaves_the_exception_a_person_gave(
    name: str, recipes: Any
) -> None:
    world = World.of(("m", RIGHT, "live"))
    world.accepted(7, 8)
    (wanted,) = world.sent(reply(asked_to_repair(world), *recipes))
    assert isinstance(wanted, VersionProposed)
    mended = load_artifact(wanted.artifacts[0])
    assert isinstance(mended, Artifact)
    assert answers_all(mended, [(TEXT, "200"), ("7 minutes to seconds", "420"), *RIGHT.examples()])
    assert stages(wanted) == [("m", 2, "shadow"), ("m", 1, "retired")]
    assert wanted.mended == (TEXT,)
    assert wanted.price_bits >= DEFAULT.return_surcharge


def test_without_a_person_nothing_is_proposed_that_repeats_the_mistake() -> None:
    world = World.of(("m", RIGHT, "live"))
    question = world.comparison(3, "200")[-1]
    assert isinstance(question, TeacherAsked)
    for said in (reply(question, recipe(60)), reply(question)):
        (wanted,) = world.sent(said)
        assert isinstance(wanted, VersionProposed)
        assert [(c.version, c.stage) for c in wanted.changes] == [(1, "retired")]
        assert not wanted.artifacts


def test_the_search_itself_keeps_every_accepted_example() -> None:
    """The inducer's own repairs pass through the same checks."""
    world = World.of(("m", RIGHT, "live"))
    world.accepted(*range(7, 15))
    question = asked_to_repair(world)
    (answer,) = induced(ONE_POLICY, question)[1]
    made = world.sent(answer)
    assert made
    for wanted in made:
        assert isinstance(wanted, VersionProposed)
        mended = load_artifact(wanted.artifacts[0])
        assert isinstance(mended, Artifact)
        accepted = [(f"{n} minutes to seconds", str(n * 60)) for n in range(7, 15)]
        assert answers_all(mended, [*accepted, *RIGHT.examples()])
        given = answer_of(mended, TEXT)
        assert not isinstance(given, Given) or given.answer == "200"


def test_a_repaired_version_starts_its_evidence_anew() -> None:
    """The accepted pairs were chosen by the old version's being right on them."""
    world = World.of(("m", RIGHT, "live"))
    world.accepted(7, 8, 9)
    (wanted,) = world.sent(reply(asked_to_repair(world)))
    assert isinstance(wanted, VersionProposed)
    assert wanted.price_bits > world.state.policies.default.return_surcharge
    assert world.through(wanted) == []
    assert world.entry(version=2).stage == "shadow"


def test_what_is_replied_about_unknown_versions_is_ignored() -> None:
    world = World.of(("m", RIGHT, "live"))
    question = asked_to_repair(world)
    for more in ({"family": "x"}, {"version": 9}, {"scope": "other"}, {"family": None}):
        assert world.sent(reply(question.model_copy(update=more), recipe(61))) == []


def test_changes_that_do_not_fit_are_not_folded() -> None:
    world = World.of(("m", RIGHT, "live"))
    registry = world.state.registry
    skipped = changed(registry.ordinal + 2, proposal([change("m", 1, RIGHT, "retired")]))
    assert isinstance(skipped, VersionChanged)
    (refused,) = world.sent(skipped)
    assert isinstance(refused, VersionRefused)
    assert (refused.node, refused.ordinal) == ("refiner", skipped.ordinal)
    assert world.state.registry is registry is folded(registry, skipped, ANYONE)

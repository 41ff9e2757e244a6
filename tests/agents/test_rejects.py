"""Rejects through refiner, gate and auditor: what each source's word leads to, in every order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from agents import auditor, refiner, registrar
from agents.rejects import NOT_SERVED, OVER_BUDGET, Rejects
from artifacts.compiler import Given, answer_of
from artifacts.policy import Policies, policies_with
from artifacts.registry import Entry, Registry
from streams.events import (
    AuditAnswered,
    AuditAsked,
    AuditRefused,
    ComparisonMade,
    Event,
    FeedbackGiven,
    RecallAnswered,
    RecallAsked,
    RecallRefused,
    RejectJudged,
    TeacherAsked,
    VersionChanged,
    VersionProposed,
)
from tests.agents.worlds import TENANT, atom, change, minutes, proposal, served

RIGHT = minutes()
OPERATOR, DEPUTY, ANYBODY, SOMEBODY = "operator", "deputy", "anybody", "somebody"
TRUSTED = frozenset({OPERATOR, DEPUTY})
POLICIES = policies_with(audit_rate=0.0, reject_audit_rate=0.0, reject_audits_ahead=4)


@dataclass
class World:
    """Refiner, gate and auditor beside one another: what one says, all hear, in one order.

    The teacher answers when the test says so; `questions` are those that wait for it.
    """

    policies: Policies = POLICIES
    refining: refiner.State = field(init=False)
    gating: registrar.State = field(init=False)
    auditing: auditor.State = field(init=False)
    questions: list[RecallAsked | AuditAsked] = field(default_factory=list)
    said: list[Event] = field(default_factory=list)
    held: list[VersionProposed] | None = None

    def __post_init__(self) -> None:
        self.refining = refiner.State(self.policies, Rejects(TRUSTED))
        self.gating = registrar.State(self.policies)
        self.auditing = auditor.State(self.policies, TRUSTED)
        self.sent(proposal([change("m", 1, RIGHT, "shadow")], [RIGHT]))
        self.sent(*(atom(self.entry(), n) for n in range(100, 106)))
        assert self.entry().stage == "live"
        self.said.clear()

    def sent(self, *events: Event) -> None:
        waiting = list(events)
        while waiting:
            event = waiting.pop(0)
            self.said.append(event)
            if isinstance(event, RecallAsked | AuditAsked):
                self.questions.append(event)
            if isinstance(event, VersionProposed) and self.held is not None:
                self.held.append(event)
                continue
            self.refining, made = refiner.decide(self.refining, event)
            waiting += made
            self.gating, made = registrar.decide(self.gating, event)
            waiting += made
            self.auditing, made = auditor.decide(self.auditing, event)
            waiting += made

    @property
    def registry(self) -> Registry:
        return self.refining.registry

    def entry(self, version: int = 1) -> Entry:
        entry = self.registry.entry(TENANT, "m", version)
        assert entry is not None
        return entry

    def reject(self, source: str, n: int = 3, **more: Any) -> None:
        text = f"{n} minutes to seconds"
        ref = served(self.entry(), text, str(n * 60), utterance_id=f"u{n}").answer_ref
        fields = {"answer_ref": ref, "verdict": "reject", "source": source} | more
        self.sent(FeedbackGiven.model_validate(fields))

    def accept(self, source: str, n: int = 3) -> None:
        self.reject(source, n, verdict="accept")

    def teacher(self, answer: Any = "right") -> None:
        """Answer the oldest question: as the family does, otherwise, or (Refused) not at all."""
        asked = self.questions.pop(0)
        given = answer_of(RIGHT, asked.text)
        assert isinstance(given, Given)
        fields = asked.model_dump() | {"teacher": "t"}
        if answer is Refused:
            kind = RecallRefused if isinstance(asked, RecallAsked) else AuditRefused
            self.sent(kind.model_validate(fields | {"reason": "asleep"}))
            return
        answer = given.answer if answer == "right" else answer
        if isinstance(asked, RecallAsked):
            self.sent(RecallAnswered.model_validate(fields | {"answer": answer}))
        else:
            more = {"served": asked.answer, "answer": answer}
            self.sent(AuditAnswered.model_validate(fields | more))

    def outcomes(self) -> list[str]:
        return [
            f"{event.source} {event.outcome}"
            for event in self.said
            if isinstance(event, RejectJudged)
        ]


class Refused:
    """What the teacher says when it says nothing."""


def steps(*wanted: Sequence[Any]) -> World:
    world = World()
    for name, *arguments in wanted:
        keywords = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
        getattr(world, name)(*arguments, **keywords)
    return world


LIVE = ("live", 0)
QUARANTINED = ("shadow", 1)
SUSPENDED = ("shadow", 0)
"""The stage in the end, and the returns that are counted."""

FIXED = {"correction": "200"}
ROWS: list[tuple[str, list[Sequence[Any]], tuple[str, int], list[str], int]] = [
    # name, steps, the version in the end, what is said of sources, questions to the teacher
    ("a-trusted-reject", [("reject", OPERATOR)], SUSPENDED, [], 1),
    ("refuted", [("reject", OPERATOR), ("teacher",)], LIVE, ["operator refuted"], 1),
    ("confirmed", [("reject", OPERATOR), ("teacher", "181")], QUARANTINED,
     ["operator confirmed"], 1),
    ("null-is-no-agreement", [("reject", OPERATOR), ("teacher", None)], QUARANTINED,
     ["operator confirmed"], 1),
    ("the-teacher-is-silent", [("reject", OPERATOR), ("teacher", Refused)], QUARANTINED,
     ["operator unjudged"], 1),
    ("silent-then-rejected-again",
     [("reject", OPERATOR), ("teacher", Refused), ("reject", OPERATOR)], QUARANTINED,
     ["operator unjudged"], 2),
    ("twice", [("reject", OPERATOR), ("reject", OPERATOR), ("teacher",)], LIVE,
     ["operator refuted"], 1),
    ("twice-and-again-later", [("reject", OPERATOR), ("teacher",), ("reject", OPERATOR)], LIVE,
     ["operator refuted"], 1),
    ("by-two", [("reject", OPERATOR), ("reject", DEPUTY), ("teacher",)], LIVE,
     ["operator refuted", "deputy refuted"], 1),
    ("by-another-when-it-is-judged", [("reject", OPERATOR), ("teacher",), ("reject", ANYBODY)],
     LIVE, ["operator refuted", "anybody refuted"], 1),
    ("two-answers", [("reject", OPERATOR, 3), ("reject", OPERATOR, 4), ("teacher",)], SUSPENDED,
     ["operator refuted"], 2),
    ("two-answers-both-right",
     [("reject", OPERATOR, 3), ("reject", OPERATOR, 4), ("teacher",), ("teacher",)], LIVE,
     ["operator refuted"] * 2, 2),
    ("two-answers-one-wrong",
     [("reject", OPERATOR, 3), ("reject", OPERATOR, 4), ("teacher",), ("teacher", "1")],
     QUARANTINED, ["operator refuted", "operator confirmed"], 2),
    ("two-answers-the-first-wrong",
     [("reject", OPERATOR, 3), ("reject", OPERATOR, 4), ("teacher", "1"), ("teacher",)],
     QUARANTINED, ["operator confirmed", "operator refuted"], 2),
    ("untrusted", [("reject", ANYBODY)], LIVE, [], 1),
    ("untrusted-refuted", [("reject", ANYBODY), ("teacher",)], LIVE, ["anybody refuted"], 1),
    ("untrusted-confirmed", [("reject", ANYBODY), ("teacher", "181")], QUARANTINED,
     ["anybody confirmed"], 1),
    ("untrusted-and-silent", [("reject", ANYBODY), ("teacher", Refused)], LIVE,
     ["anybody unjudged"], 1),
    ("untrusted-corrections-are-rejects", [("reject", ANYBODY, FIXED)], LIVE, [], 1),
    ("untrusted-then-trusted", [("reject", ANYBODY), ("reject", OPERATOR)], SUSPENDED, [], 1),
    ("untrusted-then-trusted-refuted", [("reject", ANYBODY), ("reject", OPERATOR), ("teacher",)],
     LIVE, ["anybody refuted", "operator refuted"], 1),
    ("untrusted-then-trusted-confirmed",
     [("reject", ANYBODY), ("reject", OPERATOR), ("teacher", "181")], QUARANTINED,
     ["anybody confirmed", "operator confirmed"], 1),
    ("untrusted-then-trusted-silent",
     [("reject", ANYBODY), ("reject", OPERATOR), ("teacher", Refused)], QUARANTINED,
     ["anybody unjudged", "operator unjudged"], 1),
    ("accepted-then-rejected-by-one", [("accept", OPERATOR), ("reject", OPERATOR), ("teacher",)],
     LIVE, ["operator refuted"], 1),
    ("rejected-then-accepted-by-one", [("reject", OPERATOR), ("accept", OPERATOR)], SUSPENDED,
     [], 1),
    ("rejected-by-one-accepted-by-another",
     [("reject", OPERATOR), ("accept", DEPUTY), ("teacher", "181")], QUARANTINED,
     ["operator confirmed"], 1),
    ("accepted-by-anybody-counts-for-nothing",
     [("accept", ANYBODY), ("reject", OPERATOR), ("teacher", "181")], QUARANTINED,
     ["operator confirmed"], 1),
    ("corrected", [("reject", OPERATOR, FIXED)], QUARANTINED, [], 0),
    ("corrected-twice", [("reject", OPERATOR, FIXED)] * 2, QUARANTINED, [], 0),
    ("corrected-to-what-was-served", [("reject", OPERATOR, {"correction": "180.0"})], LIVE, [], 0),
    ("refuted-then-a-disagreement", [("reject", OPERATOR), ("teacher",), ("reject", DEPUTY, 4),
     ("teacher", "1")], QUARANTINED, ["operator refuted", "deputy confirmed"], 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "wanted", "version", "outcomes", "asked"), ROWS, ids=[row[0] for row in ROWS]
)
def test_what_becomes_of_a_reject(
    name: str,
    wanted: list[Sequence[Any]],
    version: tuple[str, int],
    outcomes: list[str],
    asked: int,
) -> None:
    world = steps(*wanted)
    entry = world.entry()
    assert (entry.stage, entry.returns) == version
    assert world.outcomes() == outcomes
    assert sum(isinstance(event, RecallAsked | AuditAsked) for event in world.said) == asked
    repairs = any(isinstance(event, TeacherAsked) for event in world.said)
    assert repairs == any("confirmed" in outcome for outcome in outcomes) or "correct" in name


def test_a_refuted_reject_costs_no_event_and_no_evidence() -> None:
    """The promise: back with the recall's own answer, however often, before anything else."""
    world = World()
    before, tally = world.entry(), world.gating.evidence.tally(RIGHT.digest, world.entry().since)
    for n in range(3, 23):
        world.reject(OPERATOR if n % 2 else DEPUTY, n)
        if world.questions:
            world.teacher()
        assert (world.entry().stage, world.entry().returns) == ("live", 0)
        assert world.entry().since == before.since
    assert world.gating.evidence.tally(RIGHT.digest, before.since) == tally, "no samples"
    suspended = [
        event for event in world.said
        if isinstance(event, VersionChanged) and event.changes[0].suspended
    ]  # fmt: skip
    assert len(suspended) == 16, "eight of each, and then neither is believed"


def test_a_source_that_lost_its_credit_causes_audits_alone_and_may_regain_it() -> None:
    world = World(policies_with(reject_audits_ahead=30, max_returns=100))
    for n in range(3, 11):
        world.reject(OPERATOR, n)
        world.teacher()
    assert not world.refining.rejects.believes(TENANT, OPERATOR)
    assert world.refining.rejects.believes("another", OPERATOR), "with one tenant alone"
    world.reject(OPERATOR, 20, correction="7")
    assert isinstance(world.questions[-1], AuditAsked)
    assert not world.auditing.corrections
    assert world.entry().stage == "live"
    world.teacher()
    for n in range(21, 29):
        world.reject(OPERATOR, n)
        world.teacher("wrong")
    assert world.refining.rejects.believes(TENANT, OPERATOR)


def test_what_it_said_while_it_was_believed_counts_for_nothing_any_more() -> None:
    world = World()
    world.reject(OPERATOR, 99, correction="1")
    assert auditor._expected(world.auditing, TENANT, "99 minutes to seconds", "5940")[0] == "1"
    judged = RejectJudged(tenant=TENANT, source=OPERATOR, scope=TENANT, family="m", version=1,
                          sample_id="u", outcome="refuted", is_believed=False)  # fmt: skip
    for believed, expected in ((False, "5940"), (True, "1"), (False, "5940")):
        world.sent(judged.model_copy(update={"is_believed": believed}))
        said = auditor._expected(world.auditing, TENANT, "99 minutes to seconds", "5940")
        assert said == (expected, "truth" if believed else "teacher")


def test_rejects_over_the_budget_are_left_out_and_say_so() -> None:
    world = World()
    for n in range(3, 13):
        world.reject(ANYBODY, n)
    asked = [event for event in world.said if isinstance(event, AuditAsked)]
    left_out = [event for event in world.said if isinstance(event, RejectJudged)]
    assert [event.cause for event in asked] == ["rejected"] * 2, "half of four"
    assert {(event.outcome, event.reason) for event in left_out} == {("unjudged", OVER_BUDGET)}
    assert len(asked) + len(left_out) == 10
    world.reject(SOMEBODY, 20)
    assert len(world.questions) == 3, "another source has a part of its own"
    world.reject(OPERATOR, 21)
    assert isinstance(world.questions[-1], RecallAsked), "and who is believed needs none"


def test_answers_earn_questions() -> None:
    world = World(policies_with(reject_audit_rate=0.5, reject_audits_ahead=0))
    world.reject(ANYBODY, 3)
    assert not world.questions
    given = served(world.entry(), "9 minutes to seconds", "540")
    world.sent(*[given] * 4)
    world.reject(ANYBODY, 4)
    assert len(world.questions) == 1


def test_feedback_on_versions_that_are_gone() -> None:
    world = World()
    world.sent(proposal([change("m", 1, RIGHT, "retired")], previous=9))
    for source in (OPERATOR, ANYBODY):
        world.reject(source)
    assert not world.questions
    assert [e.reason for e in world.said if isinstance(e, RejectJudged)] == [NOT_SERVED] * 2
    unknown = served(world.entry(), "3 minutes to seconds", "180")
    other = World()
    other.refining = refiner.State(POLICIES, Rejects(TRUSTED))
    for source in (OPERATOR, ANYBODY):
        feedback = FeedbackGiven(answer_ref=unknown.answer_ref, verdict="reject", source=source)
        assert refiner.decide(other.refining, feedback) == (other.refining, ())


# --- what crosses on its way ----------------------------------------------------------------------


def test_an_answer_that_overtakes_the_suspension_ends_it_too() -> None:
    """On a cluster the recall's answer may be read before the change set that it refers to."""
    world = World()
    world.held = []
    world.reject(OPERATOR)
    world.teacher()
    (suspension,), world.held = world.held, None
    assert suspension.changes[0].suspended
    world.sent(suspension)
    assert (world.entry().stage, world.entry().returns) == ("live", 0)


def test_a_reject_while_the_version_comes_back_takes_it_out_again() -> None:
    world = World()
    world.reject(OPERATOR, 3)
    world.held = []
    world.teacher()
    world.reject(OPERATOR, 4)
    (back,), world.held = world.held, None
    assert back.changes[0].stage == "live"
    world.sent(back)
    assert (world.entry().stage, world.entry().suspended) == ("shadow", "live")
    world.teacher()
    assert (world.entry().stage, world.entry().returns) == ("live", 0)


def test_agreements_do_not_end_a_suspension() -> None:
    world = World()
    world.reject(OPERATOR)
    world.sent(*(atom(world.entry(), n) for n in range(200, 230)))
    assert world.entry().suspended == "live"
    assert not any(isinstance(e, VersionProposed) and e.actor == "auditor" for e in world.said)


def test_a_disagreement_while_suspended_is_one() -> None:
    world = World()
    world.reject(OPERATOR)
    world.sent(atom(world.entry(), 300, agreed=False))
    assert (world.entry().stage, world.entry().suspended, world.entry().returns) == (
        "shadow", None, 1,
    )  # fmt: skip
    world.teacher()
    assert world.entry().stage == "shadow"


def test_a_version_that_the_gate_does_not_let_back_shows_its_evidence_anew() -> None:
    world = World()
    world.reject(OPERATOR)
    wrong = atom(world.entry(), 300, agreed=False)
    world.gating, _ = registrar.decide(world.gating, wrong)  # the refiner has not read it yet
    world.teacher()
    assert (world.entry().stage, world.entry().suspended, world.entry().returns) == (
        "shadow", None, 1,
    )  # fmt: skip


def test_folding_twice_says_nothing_twice() -> None:
    world = World()
    world.reject(OPERATOR)
    world.teacher()
    answered = next(e for e in world.said if isinstance(e, RecallAnswered))
    before = len(world.said)
    world.sent(answered)
    assert len(world.said) == before + 1
    assert world.refining.rejects.standings[TENANT, OPERATOR].refuted == 1


def test_rejected_answers_that_were_right_are_no_samples() -> None:
    world = World()
    since = world.entry().since
    before = world.gating.evidence.tally(RIGHT.digest, since)
    world.reject(ANYBODY)
    world.teacher()
    made = [e for e in world.said if isinstance(e, ComparisonMade)]
    assert [(e.stratum, e.agreed) for e in made] == [("rejected", True)]
    assert world.gating.evidence.tally(RIGHT.digest, since) == before

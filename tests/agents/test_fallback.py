"""The fallback: every question to a teacher ends in a stated event, and draws decide the audits."""

import math
from typing import Any

import pytest

from agents.fallback import Draw, fallback, hash_draw
from agents.teachers import (
    Question,
    Refused,
    Reply,
    TeacherError,
    TeacherMisconfigured,
    TeacherUnavailable,
)
from agents.teachers.scripted import ScriptedTeacher
from streams.codec import VALUE_LIMIT
from streams.events import (
    AuditAnswered,
    AuditAsked,
    AuditRefused,
    CompletionGiven,
    CompletionRefused,
    Event,
    MatchAbstained,
    RecallAnswered,
    RecallAsked,
    RecallRefused,
    Revision,
)

TEXT = "what is right"
VERSION = {"family": "m", "version": 1, "digest": "d"}
ABSTAINED = MatchAbstained(
    utterance_id="u1",
    tenant="acme",
    session="s",
    text=TEXT,
    reason="miss",
    revision=Revision(ordinal=0, digest=""),
)


def audit(utterance_id: str = "u1", probability: float = 0.3) -> AuditAsked:
    return AuditAsked(
        utterance_id=utterance_id,
        tenant="acme",
        text=TEXT,
        answer="served",
        probability=probability,
        **VERSION,  # type: ignore[arg-type]  # the values' types differ by key
    )


RECALL = RecallAsked(utterance_id="u1", tenant="acme", text=TEXT, answer_ref="r", **VERSION)  # type: ignore[arg-type]  # as above


def yes(asked: AuditAsked) -> bool:
    return True


def no(asked: AuditAsked) -> bool:
    return False


async def said(
    reply: Reply | Refused | TeacherError, event: Event, draw: Draw = yes
) -> list[Event]:
    return list(await fallback(ScriptedTeacher({TEXT: reply}), draw).ask(event))


@pytest.mark.parametrize("answer", ["7", 7, 7.5, None, True, "", {"a": [1, {"b": None}]}, []])
async def test_an_answer_is_given_as_it_is(answer: Any) -> None:
    reply = Reply(answer, tokens=12, price=0.5, latency_us=9)
    (given,) = await said(reply, ABSTAINED)
    assert given == CompletionGiven(
        utterance_id="u1",
        tenant="acme",
        session="s",
        text=TEXT,
        answer=answer,
        teacher="scripted",
        tokens=12,
        price=0.5,
        latency_us=9,
    )


REFUSALS: list[tuple[str, Reply | Refused | TeacherError, str]] = [
    ("refused", Refused("I do not know"), "I do not know"),
    ("unavailable", TeacherUnavailable("429"), "TeacherUnavailable: 429"),
    ("misconfigured", TeacherMisconfigured("no key"), "TeacherMisconfigured: no key"),
    ("not-a-number", Reply(math.nan), "cannot be recorded"),
    ("infinite-inside", Reply({"a": [math.inf]}), "cannot be recorded"),
    ("huge-number", Reply(10**5000), "cannot be recorded"),
    ("too-large", Reply("x" * VALUE_LIMIT), "cannot be recorded"),
    ("price-not-a-number", Reply("7", price=math.nan), "cannot be recorded"),
    ("reason-with-half-a-pair", Refused("half \ud800"), "half \ufffd"),
    ("endless-reason", Refused("why " * 10**6), "why why"),
]


@pytest.mark.parametrize(("name", "reply", "reason"), REFUSALS, ids=[row[0] for row in REFUSALS])
async def test_no_answer_is_a_refusal_with_its_reason(
    name: str, reply: Reply | Refused | TeacherError, reason: str
) -> None:
    (refused,) = await said(reply, ABSTAINED)
    assert isinstance(refused, CompletionRefused)
    assert reason in refused.reason
    assert len(refused.reason) <= 500
    assert (refused.utterance_id, refused.session, refused.text) == ("u1", "s", TEXT)
    (refused,) = await said(reply, RECALL)
    if name not in ("too-large", "price-not-a-number"):
        assert isinstance(refused, RecallRefused)
        assert (refused.version, refused.answer_ref, len(refused.reason) <= 500) == (1, "r", True)


async def test_lone_surrogates_of_a_reply_are_mended() -> None:
    (given,) = await said(Reply({"a\ud800": "b\udfff"}, wording="it is \ud800"), ABSTAINED)
    assert isinstance(given, CompletionGiven)
    assert given.answer == {"a\ufffd": "b\ufffd"}
    assert given.wording == "it is \ufffd"


async def test_the_wording_goes_with_audits_and_recalls_too() -> None:
    reply = Reply("7", wording="It is seven.")
    for event in (ABSTAINED, audit(), RECALL):
        (answered,) = await said(reply, event)
        assert isinstance(answered, CompletionGiven | AuditAnswered | RecallAnswered)
        assert (answered.answer, answered.wording) == ("7", "It is seven.")


async def test_the_draw_decides_audits_and_nothing_else() -> None:
    reply = Reply("right")
    (answered,) = await said(reply, audit(), yes)
    assert isinstance(answered, AuditAnswered)
    assert (answered.served, answered.answer, answered.probability) == ("served", "right", 0.3)
    assert await said(reply, audit(), no) == []
    assert [type(e) for e in await said(reply, ABSTAINED, no)] == [CompletionGiven]
    (recalled,) = await said(reply, RECALL, no)
    assert isinstance(recalled, RecallAnswered)
    assert (recalled.answer, recalled.answer_ref, recalled.version) == ("right", "r", 1)


async def test_an_audit_without_an_answer_says_so() -> None:
    (refused,) = await said(Refused("no \ud800"), audit(), yes)
    assert isinstance(refused, AuditRefused)
    assert (refused.reason, refused.probability, refused.version) == ("no \ufffd", 0.3, 1)
    assert await said(Refused("no"), audit(), no) == []


def test_hashed_draws_are_fair_and_the_same_each_time() -> None:
    draw = hash_draw("seed")
    drawn = [draw(audit(str(n))) for n in range(4000)]
    assert drawn == [draw(audit(str(n))) for n in range(4000)]
    assert 0.27 < sum(drawn) / 4000 < 0.33
    assert drawn != [hash_draw("other")(audit(str(n))) for n in range(4000)]
    assert all(draw(audit(str(n), 1.0)) for n in range(100))
    assert not any(draw(audit(str(n), 0.0)) for n in range(100))


async def test_the_context_reaches_the_teacher() -> None:
    class Listening(ScriptedTeacher):
        heard: Question

        async def answer(self, question: Question) -> Reply | Refused:
            self.heard = question
            return Reply("7")

    teacher = Listening({})
    await fallback(teacher, yes).ask(ABSTAINED.model_copy(update={"context": "before"}))
    assert teacher.heard == Question("acme", "u1", TEXT, "before")

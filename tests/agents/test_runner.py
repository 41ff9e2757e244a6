"""The runner: bad records are rejected with their place, headers travel, restarts go unseen."""

import asyncio
import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from agents.fallback import fallback, hash_draw
from agents.matcher import matcher
from agents.node import Node
from agents.pipeline import pipeline
from agents.runner import Decoder, Running, drain, start, step
from agents.teachers import Reply
from agents.teachers.demo import DemoTeacher
from agents.teachers.scripted import ScriptedTeacher
from artifacts.policy import policies_with
from streams.codec import VALUE_LIMIT, decode, encode
from streams.events import (
    AnswerGiven,
    ComparisonMade,
    CompletionGiven,
    Event,
    FeedbackGiven,
    MatchAbstained,
    RecordRejected,
    UtteranceAsked,
    VersionChanged,
)
from streams.topics import TOPIC_NAMES
from streams.transports import Headers, Outgoing, Record
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import UNAUDITED, asked, change, minutes, proposal, registry_of

HEADERS: Headers = (
    ("correlation-id", b"c-1"),
    ("reply-topic", b"answers"),
    ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
)


@pytest.fixture
async def log() -> EmbeddedLog:
    return EmbeddedLog.open(":memory:")


async def running(log: EmbeddedLog, *nodes: Node, now: Callable[[], int] = lambda: 7) -> list[
    Running
]:  # fmt: skip
    decoder = Decoder()
    return [await start(node, log, now, decoder.event) for node in nodes]


async def nothing() -> None:
    """Nothing runs between two steps."""


async def events(log: EmbeddedLog, *topics: str) -> list[Event]:
    decoded = [decode(record) for record in await log.read(topics, 0, 100_000)]
    return [event for event in decoded if isinstance(event, Event)]


async def put(log: EmbeddedLog, *made: Event, headers: Headers = ()) -> None:
    await log.publish([encode(event, timestamp=1, headers=headers) for event in made])


# --- records that cannot be used ------------------------------------------------------------------

BAD: list[tuple[str, Outgoing, str]] = [
    ("no-headers", Outgoing("utterances", None, (), b"{}", 1), "header 'event' is missing"),
    (
        "not-json",
        Outgoing("utterances", None, (("event", b"UtteranceAsked"), ("schema", b"1")), b"\xff", 1),
        "not JSON",
    ),
    (
        "another-topics-event",
        Outgoing("utterances", None, (("event", b"AnswerGiven"), ("schema", b"1")), b"{}", 1),
        "belongs on 'matches'",
    ),
    (
        "a-schema-of-tomorrow",
        Outgoing("utterances", None, (("event", b"UtteranceAsked"), ("schema", b"9")), b"{}", 1),
        "schema",
    ),
]


@pytest.mark.parametrize(("name", "bad", "reason"), BAD, ids=[row[0] for row in BAD])
async def test_a_bad_record_is_rejected_with_its_place_and_the_node_goes_on(
    log: EmbeddedLog, name: str, bad: Outgoing, reason: str
) -> None:
    await put(log, asked("first", "1"))
    await log.publish([bad])
    await put(log, asked("last", "2"))
    (node,) = await running(log, matcher(UNAUDITED))
    assert await step(node) == 3
    assert await step(node) == 0
    (refused,) = await events(log, "rejected")
    assert isinstance(refused, RecordRejected)
    assert (refused.topic, refused.partition, refused.offset) == ("utterances", 0, 1)
    assert reason in refused.reason
    assert base64.b64decode(refused.value) == bad.value
    given = await events(log, "fallbacks")
    assert [e.utterance_id for e in given if isinstance(e, MatchAbstained)] == ["1", "2"]


async def test_a_record_at_which_a_node_fails_is_rejected_and_the_node_goes_on(
    log: EmbeddedLog,
) -> None:
    def decide(count: int, event: Event) -> tuple[int, Sequence[Event]]:
        if isinstance(event, UtteranceAsked) and event.text == "poison":
            raise ZeroDivisionError("a bug")
        return count + 1, ()

    node = replace(matcher(UNAUDITED), initial=0, decide=decide, is_rebuilt=True)
    await put(log, asked("first", "1"), asked("poison", "2"), asked("last", "3"))
    (first,) = await running(log, node)
    assert await step(first) == 3
    (refused,) = await events(log, "rejected")
    assert isinstance(refused, RecordRejected)
    assert (refused.topic, refused.offset) == ("utterances", 1)
    assert refused.reason == "matcher failed: ZeroDivisionError: a bug"
    (again,) = await running(log, node)
    assert first.state == again.state == 2


async def test_bad_version_records_are_passed_over_by_folds(log: EmbeddedLog) -> None:
    _, versions = registry_of(("m", minutes(), "live"))
    await put(log, versions[0])
    await log.publish([Outgoing("versions", None, (), b"junk", 1)])
    await put(log, versions[1], asked("3 minutes to seconds"))
    (node,) = await running(log, matcher(UNAUDITED))
    await step(node)
    assert [type(event) for event in await events(log, "matches")] == [AnswerGiven]


async def test_an_event_too_large_to_be_recorded_is_rejected_and_the_rest_is_kept(
    log: EmbeddedLog,
) -> None:
    long = UtteranceAsked(utterance_id="1", tenant="t", text="x" * (VALUE_LIMIT - 150))
    await put(log, long, asked("next", "2"))
    (node,) = await running(log, matcher(UNAUDITED))
    assert await step(node) == 2
    (refused,) = await events(log, "rejected")
    assert isinstance(refused, RecordRejected)
    assert refused.reason.startswith("matcher: MatchAbstained cannot be encoded")
    assert [e.utterance_id for e in await events(log, "fallbacks")] == ["2"]  # type: ignore[attr-defined]  # all are MatchAbstained


async def test_answers_too_large_for_one_question_stop_nobody(log: EmbeddedLog) -> None:
    nodes = await running(log, *pipeline(
        ScriptedTeacher({}), hash_draw(""), policies=UNAUDITED, trusted=frozenset()
    ))  # fmt: skip
    for n in range(30):
        answer = f"x{n * n * n % 101}" * 40_000
        await put(log, CompletionGiven(utterance_id=str(n), tenant="t", teacher="t", answer=answer,
                                       text=f"give me page {n * n % 37} please"))  # fmt: skip
    await drain(nodes, nothing)
    refused = await events(log, "rejected")
    assert refused
    assert all(
        isinstance(e, RecordRejected) and e.reason.startswith("distiller: TeacherAsked")
        for e in refused
    )


# --- headers --------------------------------------------------------------------------------------


async def test_headers_are_echoed_on_all_that_follows(log: EmbeddedLog) -> None:
    _, versions = registry_of(("m", minutes(), "live"))
    await put(log, *versions)
    hit, miss = asked("3 minutes to seconds", "hit"), asked("what", "miss")
    own = (*HEADERS, ("secret", b"not echoed"))
    await put(log, hit, miss, headers=own)
    await log.publish([Outgoing("utterances", None, HEADERS, b"bad", 1)])
    teacher = ScriptedTeacher({"what": Reply("that"), hit.text: Reply("180")})
    nodes = await running(
        log, matcher(policies_with(audit_rate=1.0)), fallback(teacher, lambda _: True)
    )
    await drain(nodes, nothing)
    seen: dict[str, int] = {}
    for record in await log.read(("matches", "fallbacks", "completions", "rejected")):
        echoed = tuple(h for h in record.headers if h[0] not in ("event", "schema", "utterance"))
        assert echoed == HEADERS
        name = dict(record.headers)["event"].decode()
        seen[name] = seen.get(name, 0) + 1
    assert seen == {
        "AnswerGiven": 1,
        "AuditAsked": 1,
        "MatchAbstained": 1,
        "CompletionGiven": 1,
        "AuditAnswered": 1,
        "RecordRejected": 1,
    }


# --- batches --------------------------------------------------------------------------------------


async def test_a_version_between_two_steps_decides_the_second(log: EmbeddedLog) -> None:
    (node,) = await running(log, matcher(UNAUDITED))
    _, versions = registry_of(("m", minutes(), "live"))
    await put(log, asked("3 minutes to seconds", "1"))
    await step(node)
    await put(log, *versions, asked("3 minutes to seconds", "2"))
    await step(node)
    made = await events(log, "matches", "fallbacks")
    assert [type(event) for event in made] == [MatchAbstained, AnswerGiven]
    assert isinstance(made[1], AnswerGiven)
    assert made[1].revision.ordinal == 2


async def test_the_gate_sees_its_own_last_change_within_a_batch(log: EmbeddedLog) -> None:
    """Two proposals in one batch: the second is stale after the first."""
    nodes = await running(log, *pipeline(
        ScriptedTeacher({}), hash_draw(""), policies=UNAUDITED, trusted=frozenset()
    ))  # fmt: skip
    first, second = minutes(), minutes(60, (3, 4))
    await put(
        log,
        proposal([change("m", 1, first, "shadow")], [first]),
        proposal([change("m", 1, second, "shadow")], [second]),
    )
    await drain(nodes, nothing)
    (changed,) = await events(log, "versions")
    assert isinstance(changed, VersionChanged)
    assert changed.changes[0].digest == first.digest
    assert [type(e).__name__ for e in await events(log, "learning")] == ["ProposalRefused"]


# --- restarts -------------------------------------------------------------------------------------


def texts() -> Iterator[str]:
    """Yield requests of three families among others, the same ones each time."""
    random = Random("restarts")
    for _ in range(110):
        n, m = random.randint(1, 500), random.randint(1, 90)
        yield random.choice(
            (
                f"convert {n} minutes to seconds",
                f"what is {m} % of {n}",
                f"how many hours are {m} days?",
                "opening hours?",
                f"tell me story {n}",
            )
        )


@dataclass
class Run:
    """All nodes on one log, in turn; stopped and started again after the steps in `stops`."""

    path: Path
    stops: frozenset[int]
    steps: int = 0
    restarts: int = 0
    now: int = 0
    log: EmbeddedLog = field(init=False)
    nodes: list[Running] = field(init=False)

    async def start(self) -> None:
        self.log = EmbeddedLog.open(self.path)
        teacher = DemoTeacher(mistakes=0.1)
        nodes = pipeline(
            teacher,
            hash_draw("s"),
            policies=policies_with(audit_rate=0.7),
            trusted=frozenset({"operator"}),
        )
        self.nodes = await running(self.log, *nodes, now=lambda: self.now)

    async def settle(self) -> None:
        idle = 0
        while idle < len(self.nodes):
            for index in range(len(self.nodes)):
                idle = 0 if await step(self.nodes[index]) else idle + 1
                self.steps += 1
                if self.steps in self.stops:
                    await self.log.close()
                    await self.start()
                    self.restarts += 1

    async def records(self) -> tuple[Sequence[Record], list[dict[str, int]]]:
        """Put all texts through, judge some answers, and return what lies in the log."""
        await self.start()
        for number, text in enumerate(texts()):
            self.now = number * 1_000_000
            await put(self.log, asked(text, str(number), asked_at=self.now))
            await self.settle()
            if number % 9 == 0:
                await self.judge(number)
                await self.settle()
        positions = [dict(await self.log.positions(node.node.name)) for node in self.nodes]
        found = await self.log.read(TOPIC_NAMES, 0, 1_000_000)
        await self.log.close()
        return found, positions

    async def judge(self, number: int) -> None:
        given = [e for e in await events(self.log, "matches") if isinstance(e, AnswerGiven)]
        if given:
            verdicts: list[dict[str, str]] = [
                {"verdict": "reject", "source": "operator"},
                {"verdict": "reject", "source": "anybody"},
                {"verdict": "accept", "source": "operator"},
                {"verdict": "reject", "source": "operator", "correction": "42"},
            ]
            fields = {"answer_ref": given[-1].answer_ref, **verdicts[number // 9 % 4]}
            await put(self.log, FeedbackGiven.model_validate(fields))


@pytest.mark.slow
async def test_a_restart_after_any_step_leaves_the_same_log(tmp_path: Path) -> None:
    whole = Run(tmp_path / "whole.db", frozenset())
    expected = await whole.records()
    kinds = {dict(record.headers)["event"].decode() for record in expected[0]}
    assert {"AnswerGiven", "AuditAnswered", "RecallAnswered", "VersionChanged"} <= kinds
    assert {"TeacherReplied", "CompletionRefused", "AuditAsked", "RecallAsked"} <= kinds
    assert any(
        isinstance(event := decode(record), ComparisonMade) and not event.agreed
        for record in expected[0]
    )
    for name, every in (("often", 97), ("at-random", 0)):
        random = Random(name)
        stops = (
            frozenset(range(every, whole.steps, every))
            if every
            else frozenset(random.sample(range(whole.steps), 15))
        )
        run = Run(tmp_path / f"{name}.db", stops)
        found, positions = await run.records()
        assert run.restarts > 10
        assert (found, positions) == expected


async def test_a_long_rebuild_gives_others_their_turn(log: EmbeddedLog) -> None:
    """A stop is heard, and health is told, while what was read before is folded."""

    def decide(state: int, event: Event) -> tuple[int, Sequence[Event]]:
        return state + 1, ()

    node = replace(matcher(UNAUDITED), folds=(), initial=0, decide=decide, is_rebuilt=True)
    await put(log, *(asked(f"text {n}", f"u{n}") for n in range(1000)))
    [first] = await running(log, node)
    while await step(first):
        pass
    turns = 0
    rebuilding = asyncio.create_task(running(log, node))
    while not rebuilding.done():
        turns += 1
        await asyncio.sleep(0)
    [again] = rebuilding.result()
    assert again.state == first.state == 1000
    assert turns >= 10

"""The example clients beside us, as processes of their own; the test plays the agents."""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.codec import decode, encode, passthrough
from streams.events import (
    AnswerGiven,
    AuditAnswered,
    CompletionGiven,
    CompletionRefused,
    Event,
    Revision,
    UtteranceAsked,
)
from streams.topic_plan import Layout
from streams.transports import Headers, Outgoing, Record
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_admin import apply
from streams.transports.kafka_connection import KafkaConnection

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "infra" / "examples"
LIMIT_S = 30.0


@pytest.fixture
async def log(bootstrap: str) -> AsyncIterator[KafkaLog]:
    """A log of our own with all topics."""
    connection = KafkaConnection(bootstrap, prefix=f"e{uuid.uuid4().hex[:8]}.")
    assert await apply(connection, Layout(partitions=2, replication=1)) == []
    made = KafkaLog(connection)
    yield made
    await made.close()


@asynccontextmanager
async def example(
    log: KafkaLog, name: str, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run an example; end it with the block."""
    command = [sys.executable, str(EXAMPLES / name), log.connection.bootstrap, *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def answered(utterance_id: str, answer: object) -> AnswerGiven:
    return AnswerGiven(
        utterance_id=utterance_id, tenant="default", text="t", answer=answer, family="doubling",
        version=3, digest="d", revision=Revision(ordinal=1, digest="d"), slots=(), readings=1,
        cost=1, answer_ref="r",
    )  # fmt: skip


def completed(utterance_id: str, answer: object) -> CompletionGiven:
    return CompletionGiven(
        utterance_id=utterance_id, tenant="default", text="t", answer=answer, teacher="demo"
    )


def audited(utterance_id: str, answer: object) -> AuditAnswered:
    return AuditAnswered(
        utterance_id=utterance_id, tenant="default", text="t", answer=answer, teacher="demo",
        family="doubling", version=3, digest="d", served=1, probability=0.5,
    )  # fmt: skip


def refused(utterance_id: str, reason: object) -> CompletionRefused:
    return CompletionRefused(
        utterance_id=utterance_id, tenant="default", text="t", teacher="demo", reason=str(reason)
    )


def made(event: Event, headers: Headers = ()) -> Outgoing:
    return encode(event, timestamp=1_700_000_000_000_000, headers=headers)


@dataclass(frozen=True, slots=True)
class Reply:
    """What follows from the utterance, and which terminal record the example prints."""

    name: str
    events: tuple[str, ...]
    printed: dict[str, object] | None


REPLIES = [
    Reply("a family answers", ("answer",), {"answer": 42, "origin": "family", "hat": False}),
    Reply("the teacher answers", ("completion",), {"answer": 42, "hat": True}),
    Reply("the teacher refuses", ("refusal",), {"reason": "42"}),
    Reply("an audit is no answer", ("audit", "answer"), {"answer": 42, "family": "doubling"}),
    Reply("somebody else's answer is none", ("other", "completion"), {"teacher": "demo"}),
    Reply("no answer in time", ("other", "audit"), None),
]
MAKERS = {"answer": answered, "completion": completed, "refusal": refused, "audit": audited}


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.name)
async def test_the_producer_waits_for_its_own_terminal_record(log: KafkaLog, reply: Reply) -> None:
    seconds = "4" if reply.printed is None else str(LIMIT_S)
    reader = await log.reader(("utterances",))
    prefix = log.connection.prefix
    async with example(log, "producer.py", "double of 21", seconds, prefix) as process:
        asked = await _next(reader.read, process)
        event = decode(asked)
        assert isinstance(event, UtteranceAsked)
        assert event.asked_at is not None and event.deadline is not None
        assert (event.deadline - event.asked_at, event.text) == (
            int(float(seconds) * 1e6),
            "double of 21",
        )
        assert asked.key == event.utterance_id == dict(asked.headers)["utterance"].decode()
        for kind in reply.events:
            if kind == "other":
                strange = (("correlation-id", b"another"),)
                await log.publish([made(answered(event.utterance_id, 0), strange)])
            else:
                following = MAKERS[kind](event.utterance_id, 42)
                await log.publish([made(following, passthrough(asked.headers))])
        out, said = await asyncio.wait_for(process.communicate(), LIMIT_S)
    if reply.printed is None:
        assert (process.returncode, out, said) == (1, b"", b"no answer in time\n")
    else:
        assert (process.returncode, said) == (0, b"")
        assert reply.printed.items() <= json.loads(out).items()


async def _next(read: object, process: asyncio.subprocess.Process) -> Record:
    """Return the next record, or fail when the example ends before it comes."""
    assert callable(read)
    async with asyncio.timeout(LIMIT_S):
        while True:
            if records := await read(10):
                [record] = records
                assert isinstance(record, Record)
                return record
            assert process.returncode is None, await process.communicate()
            await asyncio.sleep(0.05)


async def test_the_subscriber_prints_what_is_committed_and_nothing_else(log: KafkaLog) -> None:
    connection = log.connection
    await log.publish([made(answered("before", "yes"))])
    async with AIOKafkaProducer(
        **connection.client(), transactional_id=connection.named("matcher-0")
    ) as matcher:
        for name, value, is_committed in (("undone", 7, False), ("done", {"sum": 42}, True)):
            await matcher.begin_transaction()
            out = made(answered(name, value))
            await matcher.send_and_wait(
                connection.named(out.topic), out.value, headers=list(out.headers)
            )
            await (matcher.commit_transaction() if is_committed else matcher.abort_transaction())
    async with example(log, "subscriber.py", connection.prefix) as process:
        assert process.stdout is not None
        lines = [await _line(process) for _ in range(2)]
        await log.publish([made(answered("after", None))])
        lines.append(await _line(process))
    assert sorted(lines[:2]) == ['before doubling@3 "yes"', 'done doubling@3 {"sum": 42}']
    assert lines[2] == "after doubling@3 null"


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), LIMIT_S)
    assert line, "the example ended"
    return line.decode().rstrip("\n")


@pytest.mark.parametrize("name", ["producer.py", "subscriber.py"])
def test_an_example_is_short_and_needs_nothing_of_ours(name: str) -> None:
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert not any(word in text for word in ("import streams", "from streams", "agents"))
    body = text.split("async def ")[1].split("if __name__")[0]
    assert len([line for line in body.splitlines() if line.strip()]) <= 25

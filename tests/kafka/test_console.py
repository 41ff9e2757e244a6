"""The console on a cluster: the test plays the agents, or they run as processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents.cluster import ClusterDoors, listening
from agents.console.app import console
from agents.health import vitals_of
from agents.service import now_us
from streams.codec import decode, encode, passthrough
from streams.events import (
    AnswerGiven,
    AuditAnswered,
    CompletionGiven,
    CompletionRefused,
    Event,
    FeedbackGiven,
    UtteranceAsked,
    VersionChanged,
)
from streams.signing import ANYONE
from streams.topic_plan import Layout
from streams.transports import Log, Record
from streams.transports.embedded import EmbeddedLog
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_admin import apply
from streams.transports.kafka_connection import KafkaConnection
from tests.agents.test_replay import decided
from tests.agents.worlds import asked, minutes, registry_of
from tests.kafka.places import InDirectory, OnCluster, Said, Where
from tests.kafka.places import kappa as logs_kappa

pytestmark = pytest.mark.slow

LIMIT_S = 60.0
REGISTRY, CHANGES = registry_of(("m", minutes(), "live"), scope="default")


@pytest.fixture(params=["embedded", "kafka"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Log]:
    """A log on either transport, with a live family."""
    made: Log
    if request.param == "embedded":
        made = EmbeddedLog.open(":memory:")
    else:
        connection = await _part(request.getfixturevalue("bootstrap"))
        made = KafkaLog(connection)
    await made.publish([encode(event, timestamp=now_us()) for event in CHANGES])
    yield made
    await made.close()


async def _part(bootstrap: str) -> KafkaConnection:
    connection = KafkaConnection(bootstrap, prefix=f"c{uuid.uuid4().hex[:8]}.")
    assert await apply(connection, Layout(partitions=2, replication=1)) == []
    return connection


@dataclass(frozen=True, slots=True)
class Desk:
    """A console, a client of it, and a hand that plays the agents."""

    log: Log
    doors: ClusterDoors
    client: httpx.AsyncClient

    async def next_asked(self, count: int = 1) -> list[tuple[Record, UtteranceAsked]]:
        """Wait until so many utterances lie in the log; return them."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                found = [r async for r in self.log.scan(("utterances",))]
                if len(found) >= count:
                    assert len(found) == count
                    return [(r, _event(r)) for r in found]
                await asyncio.sleep(0.02)  # between two polls

    async def say(self, cause: Record | None, *events: Event) -> None:
        headers = () if cause is None else passthrough(cause.headers)
        now = now_us()
        await self.log.publish([encode(each, timestamp=now, headers=headers) for each in events])

    async def stored(self, topic: str) -> list[Record]:
        return [record async for record in self.log.scan((topic,))]


def _event(record: Record) -> UtteranceAsked:
    event = decode(record)
    assert isinstance(event, UtteranceAsked)
    return event


@asynccontextmanager
async def desk(log: Log) -> AsyncIterator[Desk]:
    doors = ClusterDoors(log)
    app = console(doors, ANYONE, vitals_of(("console",)))
    transport = httpx.ASGITransport(app)
    async with (
        asyncio.timeout(LIMIT_S),
        listening(doors),
        httpx.AsyncClient(transport=transport, base_url="http://console") as client,
    ):
        yield Desk(log, doors, client)


def answered(utterance: UtteranceAsked) -> AnswerGiven:
    event = decided(REGISTRY, utterance)
    assert isinstance(event, AnswerGiven)
    return event


def completed(utterance: UtteranceAsked) -> CompletionGiven:
    return CompletionGiven(
        utterance_id=utterance.utterance_id, tenant=utterance.tenant, text=utterance.text,
        answer="42", teacher="demo",
    )  # fmt: skip


def refused(utterance: UtteranceAsked) -> CompletionRefused:
    return CompletionRefused(
        utterance_id=utterance.utterance_id, tenant=utterance.tenant, text=utterance.text,
        teacher="demo", reason="no idea",
    )  # fmt: skip


def audited(utterance: UtteranceAsked) -> AuditAnswered:
    return AuditAnswered(
        utterance_id=utterance.utterance_id, tenant=utterance.tenant, text=utterance.text,
        answer="1", teacher="demo", family="m", version=1, digest="d", served="1", probability=1,
    )  # fmt: skip


TEXT = "3 minutes to seconds"
OUTCOMES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("a-family", [answered], {"outcome": "answered", "answer": "180", "origin": "family"}),
    ("the-teacher", [completed], {"outcome": "answered", "answer": "42", "hat": True}),
    ("a-refusal", [refused], {"outcome": "refused", "reason": "no idea"}),
    ("an-audit-is-no-answer", [audited, answered], {"answer": "180"}),
]


@pytest.mark.parametrize(("name", "says", "document"), OUTCOMES, ids=[row[0] for row in OUTCOMES])
async def test_whoever_asks_gets_the_terminal_record(
    log: Log, name: str, says: list[Any], document: dict[str, Any]
) -> None:
    async with desk(log) as at:
        headers = {"correlation-id": "c-7", "reply-topic": "mine", "cookie": "secret"}
        asking = asyncio.create_task(
            at.client.post("/ask?wait=30", json={"text": TEXT}, headers=headers)
        )
        [(record, utterance)] = await at.next_asked()
        assert passthrough(record.headers) == (("correlation-id", b"c-7"), ("reply-topic", b"mine"))
        assert not any(b"secret" in value for _, value in record.headers)
        other = utterance.model_copy(update={"tenant": "another"})
        await at.say(record, completed(other), *(say(utterance) for say in says))
        response = await asking
        assert response.status_code == 200
        assert document.items() <= response.json().items()
        assert response.headers["correlation-id"] == "c-7"
        assert response.headers["reply-topic"] == "mine"


async def test_one_id_is_asked_once_and_its_answer_remembered(log: Log) -> None:
    async with desk(log) as at:
        body = {"text": TEXT, "utterance_id": "one"}
        pending = await at.client.post("/ask", json=body)
        assert (pending.status_code, pending.json()["outcome"]) == (202, "pending")
        waiting = [asyncio.create_task(at.client.post("/ask?wait=30", json=body)) for _ in range(3)]
        [(record, utterance)] = await at.next_asked()
        await at.say(record, answered(utterance))
        answers = [(await each).json() for each in waiting]
        answers.append((await at.client.post("/ask", json=body)).json())
        assert [each["answer"] for each in answers] == ["180"] * 4
        assert len(await at.stored("utterances")) == 1
        assert not at.doors.waiting


async def test_feedback_is_about_an_answer_that_is_remembered_found_or_named(log: Log) -> None:
    async with desk(log) as at:
        asking = asyncio.create_task(
            at.client.post("/ask?wait=30", json={"text": TEXT, "utterance_id": "mine"})
        )
        [(record, utterance)] = await at.next_asked()
        await at.say(record, answered(utterance))
        mine = (await asking).json()["answer_ref"]
        theirs = answered(asked("4 minutes to seconds", "theirs", tenant="default"))
        await at.say(None, theirs)
        bodies: list[dict[str, Any]] = [
            {"utterance_id": "mine"},
            {"utterance_id": "theirs"},
            {"answer_ref": theirs.answer_ref},
            {"answer_ref": mine, "utterance_id": "mine"},
        ]
        for body in bodies:
            given = body | {"verdict": "reject", "source": "operator", "correction": "181"}
            response = await at.client.post("/feedback", json=given)
            assert (response.status_code, response.json()) == (202, {"stored": True})
        found = [decode(record) for record in await at.stored("feedback")]
        assert [e.answer_ref for e in found if isinstance(e, FeedbackGiven)] == [
            mine, theirs.answer_ref, theirs.answer_ref, mine,
        ]  # fmt: skip
        explained = (await at.client.get("/explain/mine")).json()
        assert (explained["outcome"], explained["answer"]) == ("answered", "180")
        assert [each["verdict"] for each in explained["feedback"]] == ["reject", "reject"]
        assert (await at.client.get("/explain/theirs")).status_code == 404  # was never asked


REF = answered(asked(TEXT, "u", tenant="default")).answer_ref
BAD: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("no-text", "/ask", {}, 400, "text"),
    ("a-wait-too-long", "/ask?wait=61", {"text": "a"}, 400, "60"),
    ("neither-id-nor-reference", "/feedback", {"verdict": "accept"}, 400, "utterance_id or"),
    ("no-reference", "/feedback", {"verdict": "accept", "answer_ref": "x"}, 400, "no reference"),
    (
        "an-id-nobody-has",
        "/feedback",
        {"verdict": "accept", "utterance_id": "x"},
        404,
        "answer_ref",
    ),
    (
        "a-reference-of-another-tenant",
        "/feedback",
        {"verdict": "accept", "answer_ref": REF, "tenant": "acme"},
        404,
        "another utterance or tenant",
    ),
    (
        "a-reference-of-another-utterance",
        "/feedback",
        {"verdict": "accept", "answer_ref": REF, "utterance_id": "v"},
        404,
        "another utterance or tenant",
    ),
]


async def test_bad_requests_are_told_what_is_wrong(log: Log) -> None:
    async with desk(log) as at:
        for name, path, body, status, problem in BAD:
            response = await at.client.post(path, json=body)
            assert (response.status_code, problem in response.json()["error"]) == (
                status,
                True,
            ), (name, response.text)
        assert await at.stored("feedback") == []
        assert (await at.client.get("/explain/none")).status_code == 404


async def test_facts_and_health(log: Log) -> None:
    async with desk(log) as at:
        for _ in range(2):
            [row] = (await at.client.get("/families")).json()
            assert (row["family"], row["stage"]) == ("m", "live")
        last = CHANGES[-1]
        retired = last.model_copy(
            update={
                "ordinal": last.ordinal + 1,
                "changes": (last.changes[0].model_copy(update={"stage": "retired"}),),
                "artifacts": (),
            }
        )
        assert isinstance(retired, VersionChanged)
        await at.say(None, retired)
        async with asyncio.timeout(LIMIT_S):
            while (await at.client.get("/families")).json()[0]["stage"] != "retired":
                await asyncio.sleep(0.02)  # between two polls
        assert (await at.client.get("/live")).json() == {"live": True, "stalled": []}
        assert (await at.client.get("/ready")).json() == {"ready": True, "lag": None}
        at.doors.fail(RuntimeError("gone"))
        assert (await at.client.get("/live")).status_code == 503
        assert (await at.client.post("/ask", json={"text": "a"})).status_code == 503


# --- with the agents ------------------------------------------------------------------------------


@asynccontextmanager
async def running(connection: KafkaConnection, *agents: str) -> AsyncIterator[dict[str, str]]:
    """Run agents as processes while the block runs; give the address of each."""
    settings = {
        "KAPPA_KAFKA": connection.bootstrap,
        "KAPPA_KAFKA_PREFIX": connection.prefix,
        "KAPPA_PARTITIONS": "2",
        "KAPPA_REPLICATION": "1",
        "KAPPA_PORT": "0",
        "KAPPA_TEACHER": "demo",
    }
    processes: list[Process] = []
    try:
        addresses: dict[str, str] = {}
        for agent in agents:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "agents", "run", agent,
                env=os.environ | settings, stdout=PIPE, stderr=PIPE,
            )  # fmt: skip
            processes.append(process)
            assert process.stdout is not None
            said = (await process.stdout.readline()).decode()
            assert said.startswith(f"kappa {agent} 0: "), (said, await process.communicate())
            addresses[agent] = said.split(": ")[1].strip().removesuffix("/ready")
        yield addresses
        for process in processes:
            process.send_signal(signal.SIGTERM)
        ended = [await process.communicate() for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes), ended
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.communicate()


async def _same_facts(connection: KafkaConnection, data: Path) -> None:
    """What agents have left, transactions and all, is replayed there and as a copy."""
    part = OnCluster(connection)

    def facts(where: Where) -> list[Said]:
        return [where.kappa("replay", "--json"), where.kappa("families", "list", "--json")]

    there = await asyncio.to_thread(facts, part)
    assert [said.status for said in there] == [0, 0]
    assert there[0].json["identical"] == there[0].json["decisions"] >= 3
    assert there[0].json["without_decision"] == 0
    for appended in (True, False):
        copied = await asyncio.to_thread(logs_kappa, "copy", part.url, data, "--json")
        assert (copied.status, bool(copied.json["appended"])) == (0, appended), copied.err
        assert {"matcher", "fallback"} <= set(copied.json["groups"])
        assert copied.json["again"] == {}
    assert await asyncio.to_thread(facts, InDirectory(data)) == there


async def kappa(*arguments: object) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "agents", *map(str, arguments)],
        capture_output=True, text=True, timeout=LIMIT_S,
    )  # fmt: skip


async def test_the_commands_talk_to_a_console(bootstrap: str, tmp_path: Path) -> None:
    connection = await _part(bootstrap)
    async with (
        asyncio.timeout(2 * LIMIT_S),
        running(connection, "matcher", "fallback", "console") as addresses,
    ):
        url = ("--url", addresses["console"])
        said = await kappa("ask", "convert 5 minutes to seconds", "--wait", 30, "--json", *url)
        document = json.loads(said.stdout)
        assert (document["answer"], document["origin"]) == ("300", "fallback")
        none = await kappa("ask", "tell me a story", "--wait", 30, *url)
        assert (none.returncode, "refused" in none.stderr) == (1, True)
        async with httpx.AsyncClient(base_url=addresses["console"], timeout=LIMIT_S) as client:
            log = KafkaLog(connection)
            await log.publish([encode(event, timestamp=now_us()) for event in CHANGES])
            await log.close()
            while True:
                response = await client.post("/ask?wait=30", json={"text": TEXT})
                if response.json().get("origin") == "family":
                    break
            utterance_id = response.json()["utterance_id"]
            stored = await kappa("feedback", utterance_id, "accept", *url)
            assert (stored.returncode, stored.stdout) == (0, "stored\n")
            explained = (await client.get(f"/explain/{utterance_id}")).json()
            assert explained["family"] == "m"
            assert (await client.get("/ready")).json() == {"ready": True, "lag": None}
            assert (await client.get("/started")).json() == {"started": True, "missing": []}
            assert (
                'kappa_records_total{node="console",topic="matches"}'
                in (await client.get("/metrics")).text
            )
        where = ("--kafka", connection.bootstrap)
        environment = os.environ | {"KAPPA_KAFKA_PREFIX": connection.prefix}
        shown = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "agents", "explain", utterance_id, *where, "--json"],
            capture_output=True, text=True, timeout=LIMIT_S, env=environment,
        )  # fmt: skip
        assert json.loads(shown.stdout)["answer"] == "180"
        gone = await kappa("feedback", "no-such", "accept", *url)
        assert (gone.returncode, "give its answer_ref" in gone.stderr) == (1, True)
    await _same_facts(connection, tmp_path / "copy")
    nobody = await kappa("ask", "anything", *url)
    assert nobody.returncode == 4
    missing = await kappa("ask", "anything", "--data", tmp_path)
    assert (missing.returncode, "--url" in missing.stderr) == (4, True)

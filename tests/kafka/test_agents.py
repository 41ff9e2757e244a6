"""All agents on a cluster, each with the rights of its own user alone: a family is learned."""

import asyncio
import os
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agents.access import access_rules
from agents.commands.shared import graph
from agents.processes import PROCESSES
from agents.service import now_us
from infra.kafka.cluster import Cluster
from streams.codec import decode, encode
from streams.events import AnswerGiven, CompletionGiven, UtteranceAsked
from streams.topic_plan import Layout
from streams.transports import Reader, Transport
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_acls import allow
from streams.transports.kafka_admin import apply
from streams.transports.kafka_connection import KafkaConnection
from tests.kafka.topics import as_user

pytestmark = pytest.mark.slow

LIMIT_S = 120.0
MOST = 60
"""Utterances of one kind, of which a family must answer the last."""


async def started(agent: str, connection: KafkaConnection, cluster: Cluster) -> Process:
    """Start an agent as its own user, and wait until it has said where it listens."""
    user = f"kappa-{agent}"
    settings = {
        "KAPPA_KAFKA": connection.bootstrap,
        "KAPPA_KAFKA_PREFIX": connection.prefix,
        "KAPPA_KAFKA_SECURITY": connection.security_protocol,
        "KAPPA_KAFKA_USERNAME": user,
        "KAPPA_KAFKA_PASSWORD": cluster.user(user).password,
        "KAPPA_KAFKA_CA_FILE": str(connection.ca_file),
        "KAPPA_PARTITIONS": "2",
        "KAPPA_REPLICATION": "1",
        "KAPPA_PORT": "0",
        "KAPPA_TEACHER": "demo",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agents", "run", agent, env=os.environ | settings,
        stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    said = await process.stdout.readline()
    assert said, await process.communicate()
    return process


@asynccontextmanager
async def running(connection: KafkaConnection, cluster: Cluster) -> AsyncIterator[list[Process]]:
    processes = await asyncio.gather(*(started(a, connection, cluster) for a in PROCESSES))
    try:
        yield processes
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.communicate()


async def answered(log: Transport, reader: Reader, number: int) -> AnswerGiven | CompletionGiven:
    """Ask one of a kind, and return its terminal record."""
    asked = UtteranceAsked(
        utterance_id=f"u{number}", text=f"what is {3 * number + 7} % of {(number + 2) * 10}"
    )
    await log.publish([encode(asked, timestamp=now_us())])
    while True:
        for record in await reader.read(100):
            event = decode(record)
            if (
                isinstance(event, AnswerGiven | CompletionGiven)
                and event.utterance_id == asked.utterance_id
            ):
                return event
        await asyncio.sleep(0.02)  # between two polls


async def test_agents_with_their_own_rights_learn_answer_and_leave(secured: Cluster) -> None:
    connection = as_user(secured, "admin", f"a{uuid.uuid4().hex[:8]}.")
    assert await apply(connection, Layout(partitions=2, replication=1)) == []
    assert await allow(connection, access_rules(graph(), connection)) == []
    log = KafkaLog(as_user(secured, "kappa-console", connection.prefix))
    try:
        async with asyncio.timeout(LIMIT_S), running(connection, secured) as processes:
            reader = await log.reader(("matches", "completions"), from_end=True)
            origins = [type(await answered(log, reader, n)).__name__ for n in range(MOST)]
            assert origins[0] == "CompletionGiven"
            assert origins[-1] == "AnswerGiven"
            for process in processes:
                process.terminate()
            said = [(await process.communicate())[1].decode() for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes), said
        assert not [line for line in said if "Authorization" in line]
    finally:
        await log.close()

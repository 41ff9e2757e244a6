"""Logs on a part of a cluster, numbered records in them, and how often each came out."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from streams.topic_plan import Layout
from streams.transports import Handled, Outgoing, Record, TurnLost
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_connection import KafkaConnection, Timing
from tests.kafka.clients import committed

TWO = Layout(partitions=2, replication=1)
QUICK = Timing(session_ms=6000, heartbeat_ms=1000, transaction_ms=2000, scan_ms=1000)
LIMIT_S = 60.0
MS = 1000
NOW = time.time_ns() // 1_000_000 * MS
"""Records from long ago would be deleted, as the topics' retention has it."""


@contextlib.asynccontextmanager
async def opened(
    connection: KafkaConnection, kind: type[KafkaLog] = KafkaLog, **more: Any
) -> AsyncIterator[KafkaLog]:
    """Open a log; let it go with the block."""
    log = kind(connection, **({"timing": QUICK} | more))
    try:
        async with asyncio.timeout(LIMIT_S):
            yield log
    finally:
        async with asyncio.timeout(LIMIT_S):
            await log.close()


def out(topic: str, number: int, *, key: str | None = None, at: int = NOW) -> Outgoing:
    """Return a record that tells its number."""
    return Outgoing(topic, key or f"k{number}", (("n", b"%d" % number),), b"%d" % number, at)


async def put(log: KafkaLog, count: int, topic: str = "utterances", first: int = 0) -> None:
    """Write numbered records."""
    await log.publish([out(topic, n) for n in range(first, first + count)])


async def polled(member: Any, count: int, limit: int = 1000) -> list[Record]:
    """Poll until so many records have come; turns may be lost before the first."""
    found: list[Record] = []
    while len(found) < count:
        try:
            found += await member.poll(limit)
        except TurnLost:
            assert not found, "the turn was lost in the middle"
    assert len(found) == count
    return found


def answers(records: Sequence[Record]) -> list[Handled]:
    """Return the records with one match each: what was asked."""
    return [Handled(r, [out("matches", int(r.value), key=r.key)]) for r in records]


async def numbers(connection: KafkaConnection, topic: str) -> Counter[int]:
    """Return how often each number lies in a topic for whoever reads what is committed."""
    read = await committed(connection.bootstrap, [connection.named(topic)])
    return Counter(int(record.value) for record in read)


def once(count: int, first: int = 0) -> Counter[int]:
    """Return what is expected: each number once."""
    return Counter(range(first, first + count))


def place_of(record: Record) -> tuple[str, int, int]:
    """Return where a record lies."""
    return record.topic, record.partition, record.offset

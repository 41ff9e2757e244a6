"""Records that no agent can use, between records that it can: each is rejected with its position.

Every row is one record that a stranger wrote. None stops an agent, none costs another record.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from agents.live import decide_live
from agents.matcher import matcher
from agents.runner import Running, start
from agents.service import now_us
from streams.codec import decode, encode
from streams.events import MatchAbstained, RecordRejected, UtteranceAsked
from streams.transports.faust_app import FaustLog
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_connection import KafkaConnection
from tests.agents.worlds import UNAUDITED
from tests.kafka.clients import put_named
from tests.kafka.logs import LIMIT_S, opened

pytestmark = pytest.mark.slow

MEBIBYTE = 1024 * 1024
OWN = [("event", b"UtteranceAsked"), ("schema", b"1")]


def asked(name: str) -> bytes:
    """Return the value of an utterance."""
    return encode(UtteranceAsked(utterance_id=name, text="hello"), timestamp=0).value


@dataclass(frozen=True)
class Odd:
    """A record of a stranger's; `reason` begins what it is rejected with, None: it is used."""

    name: str
    reason: str | None
    key: bytes | None = b"key"
    value: bytes | None = field(default_factory=lambda: asked("odd"))
    headers: list[tuple[str, Any]] = field(default_factory=lambda: OWN)
    compression: str | None = None
    header_name: bytes | None = None


ODDS = [
    Odd("no key", None, key=None),
    Odd("a key that is not UTF-8", None, key=b"\xff\xfe"),
    Odd("no value", "value of UtteranceAsked is not JSON", value=None),
    Odd("no headers", "header 'event' is missing", headers=[]),
    Odd("a header that is not UTF-8", "header 'event' is not UTF-8",
        headers=[("event", b"\xff"), *OWN]),
    Odd("a header without a value", "unknown event type ''", headers=[("event", None), *OWN]),
    Odd("a strange header without a value", None, headers=[*OWN, ("strange", None)]),
    Odd("a header whose name is not UTF-8", "the name of a header is not UTF-8",
        header_name=b"\xff\xfe of a header \xff"),
    Odd("not JSON", "value of UtteranceAsked is not JSON", value=b"\x00\xff"),
    Odd("another event", "AnswerGiven belongs on 'matches'",
        headers=[("event", b"AnswerGiven"), ("schema", b"1")]),
    Odd("a schema of the future", "schema '7' of UtteranceAsked is not readable",
        headers=[OWN[0], ("schema", b"7")]),
    Odd("ten MiB", f"value has {10 * MEBIBYTE} bytes; the limit is {MEBIBYTE}",
        value=b"x" * (10 * MEBIBYTE)),
    *(Odd(f"compressed with {name}", None, compression=name)
      for name in ("gzip", "snappy", "lz4", "zstd")),
]  # fmt: skip


async def put_odd(connection: KafkaConnection, topic: str) -> None:
    """Write every odd record, a good one before each and one at the end, to one partition."""
    producers: dict[str | None, AIOKafkaProducer] = {}
    async with contextlib.AsyncExitStack() as stack:
        for odd in ODDS:
            if odd.compression not in producers:
                made = AIOKafkaProducer(
                    **connection.client(),
                    compression_type=odd.compression,
                    max_request_size=16 * MEBIBYTE,
                )
                producers[odd.compression] = await stack.enter_async_context(made)
            good = asked(f"before {odd.name}")
            await producers[None].send_and_wait(topic, good, partition=0, headers=OWN)
            if odd.header_name is not None:
                assert odd.value is not None
                await put_named(
                    connection.bootstrap, topic, 0, odd.header_name, odd.value, odd.headers
                )
                continue
            await producers[odd.compression].send_and_wait(
                topic, odd.value, odd.key, partition=0, headers=odd.headers
            )
        await producers[None].send_and_wait(topic, asked("last"), partition=0, headers=OWN)


async def allow_large(connection: KafkaConnection, topic: str) -> None:
    """Let a topic have records that nobody of ours would write."""
    admin = AIOKafkaAdminClient(**connection.client())
    await admin.start()
    limit = {"max.message.bytes": str(16 * MEBIBYTE)}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=limit)])
    await admin.close()


@contextlib.asynccontextmanager
async def deciding(log: KafkaLog) -> AsyncIterator[Running]:
    """Run a matcher without families on the log while the block runs."""
    stopping = asyncio.Event()
    running = await start(matcher(UNAUDITED), log, now_us)
    task = asyncio.create_task(decide_live(running, stopping))
    try:
        yield running
    finally:
        stopping.set()
        await task


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it has happened; fail at the limit."""
    async with asyncio.timeout(LIMIT_S):
        while not await happened():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", [KafkaLog, FaustLog])
async def test_what_cannot_be_used_is_rejected_and_everything_else_goes_on(
    connection: KafkaConnection, kind: type[KafkaLog]
) -> None:
    topic = connection.named("utterances")
    await allow_large(connection, topic)
    await put_odd(connection, topic)
    async with opened(connection, kind) as log:

        async def is_done() -> bool:
            return await log.positions("matcher") == {("utterances", 0): 2 * len(ODDS) + 1}

        async with deciding(log):
            await until(is_done)
        out = [decode(record) async for record in log.scan(["fallbacks", "rejected"])]
    used = [event.utterance_id for event in out if isinstance(event, MatchAbstained)]
    assert sorted(used) == sorted(
        [*(f"before {odd.name}" for odd in ODDS), "last"]
        + ["odd" for odd in ODDS if odd.reason is None]
    )
    rejected = {event.offset: event for event in out if isinstance(event, RecordRejected)}
    given = {2 * n + 1: odd for n, odd in enumerate(ODDS) if odd.reason is not None}
    assert sorted(rejected) == sorted(given)
    for offset, odd in given.items():
        event = rejected[offset]
        assert odd.reason is not None and event.reason.startswith(odd.reason), odd.name
        assert (event.topic, event.partition) == ("utterances", 0), odd.name

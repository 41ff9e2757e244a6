"""Utterances at a rate, whatever comes back, and when their answers were seen downstream.

The sender is open-loop: an utterance has a time at which it is due, and waits for nothing; a late
one counts from when it was due. Whoever reads sees only what is committed.
"""

import asyncio
import contextlib
import time
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streams.transports import Outgoing
from streams.transports.kafka_client import consumer, partition_for
from tests.benchmarks.bench_kafka.world import PARTITIONS, World, asked

_TICK_S = 0.001
_ANSWERS = (b"AnswerGiven", b"MatchAbstained")


@dataclass(frozen=True)
class Seen:
    """The first answer to an utterance: when it was seen, where it lay, what it is."""

    number: int
    at: float
    partition: int
    value: bytes


@dataclass
class Probe:
    """One probe under way; `due` are the times at which utterances were due."""

    due: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    seen: dict[int, Seen] = field(default_factory=dict)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    told: Callable[["Seen"], None] = lambda _: None

    def latencies_ms(self, since: float = 0.0) -> list[float]:
        """Return how long answers took, of utterances that were due from a time on."""
        return [
            1000 * (seen.at - self.due[seen.number])
            for seen in self.seen.values()
            if self.due[seen.number] >= since
        ]

    def unanswered(self) -> int:
        """Return how many utterances have no answer yet."""
        return len(self.due) - len(self.seen)

    async def answered(self, limit_s: float) -> None:
        """Wait until every utterance has its answer."""
        async with asyncio.timeout(limit_s):
            while self.unanswered():
                await asyncio.sleep(0.02)

    async def flowing(self, limit_s: float) -> None:
        """Wait until answers come to what is asked now."""
        asked_by_now = len(self.due)
        async with asyncio.timeout(limit_s):
            while not any(number >= asked_by_now for number in reversed(self.seen)):
                await asyncio.sleep(0.02)


@asynccontextmanager
async def probing(
    on: World, lines: Iterator[str], rate: int, topics: tuple[str, ...]
) -> AsyncIterator[Probe]:
    """Ask at a rate while the block runs or until `stopping` is set; note the answers on topics."""
    probe = Probe()
    reading = await consumer(on.connection, None, fetch_max_wait_ms=50)
    places = [TopicPartition(on.connection.named(t), n) for t in topics for n in range(PARTITIONS)]
    reading.assign(places)
    await reading.seek_to_end(*places)
    for place in places:
        await reading.position(place)
    producer = AIOKafkaProducer(
        **on.connection.client(), acks="all", enable_idempotence=True, max_batch_size=262_144,
        retry_backoff_ms=20, request_timeout_ms=5000,
    )  # fmt: skip
    await producer.start()
    note = asyncio.create_task(_note(reading, probe))
    send = asyncio.create_task(_send(producer, on, lines, rate, probe))
    try:
        yield probe
    finally:
        for task in (send, note):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(producer.stop(), 10)
        await reading.stop()


async def _send(producer: Any, on: World, lines: Iterator[str], rate: int, probe: Probe) -> None:
    started = time.monotonic()
    name = on.connection.named("utterances")
    tasks: set[asyncio.Future[Any]] = set()
    for number in count():
        due = started + number / rate
        while time.monotonic() < due:
            await asyncio.sleep(max(_TICK_S, due - time.monotonic()))
        if probe.stopping.is_set():
            return
        probe.due.append(due)
        made = asked(number, next(lines), time.time_ns() // 1000)
        sent = asyncio.ensure_future(_sent(producer, name, made))
        tasks.add(sent)
        sent.add_done_callback(tasks.discard)


async def _sent(producer: Any, name: str, made: Outgoing) -> None:
    assert made.key is not None
    await producer.send(
        name,
        made.value,
        made.key.encode(),
        partition_for(made.key, PARTITIONS),
        timestamp_ms=made.timestamp // 1000,
        headers=list(made.headers),
    )


async def _note(reading: Any, probe: Probe) -> None:
    while True:
        try:
            fetched = await reading.getmany(timeout_ms=200, max_records=5000)
        except KafkaError:
            continue
        now = time.monotonic()
        for place, messages in fetched.items():
            for message in messages:
                number = number_of(message)
                if number is not None and number not in probe.seen:
                    seen = Seen(number, now, place.partition, message.value)
                    probe.seen[number] = seen
                    probe.told(seen)


def number_of(message: Any) -> int | None:
    """Return the number of the utterance that a record answers; None for an audit."""
    headers = dict(message.headers)
    if not headers:
        return int(orjson.loads(message.value)["utterance_id"][2:])
    return int(headers["utterance"][2:]) if headers["event"] in _ANSWERS else None


def longest_gap(times: list[float], since: float, until: float) -> float:
    """Return the longest time without an answer between two times."""
    within = [since, *(t for t in sorted(times) if since < t < until), until]
    return max(later - earlier for earlier, later in pairwise(within))

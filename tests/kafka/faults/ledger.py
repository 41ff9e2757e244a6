"""What lies on the topics for whoever reads what is committed, counted without our own clients.

Every utterance has to have one record on matches ∪ fallbacks, one on matches ∪ completions where
the teacher is asked, and every answer has to come from a version that was live at the revision
that the answer names.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.transports.kafka_connection import KafkaConnection

SERVING = ("canary", "live")


@dataclass
class Ledger:
    """The committed records of some topics, as JSON documents by topic, in order by partition."""

    connection: KafkaConnection
    topics: Sequence[str]
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    _consumer: Any = None
    _task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self.connection.bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        await self._consumer.start()
        places = []
        for topic in map(self.connection.named, self.topics):
            partitions = await self._consumer._client._wait_on_metadata(topic)
            places += [TopicPartition(topic, number) for number in sorted(partitions)]
        self._consumer.assign(places)
        await self._consumer.seek_to_beginning(*places)
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            for place, messages in (await self._consumer.getmany(timeout_ms=100)).items():
                name = place.topic.removeprefix(self.connection.prefix)
                for message in messages:
                    kind = dict(message.headers)["event"].decode()
                    event = {"event": kind, **json.loads(message.value)}
                    self.records.setdefault(name, []).append(event)
                    if "utterance_id" in event and kind in TERMINAL[name]:
                        self.counted[event["utterance_id"]] += 1

    async def settled(self) -> None:
        """Wait until no transaction is open and all that is committed has been read."""
        places = self._consumer.assignment()
        async with AIOKafkaConsumer(
            bootstrap_servers=self.connection.bootstrap, enable_auto_commit=False
        ) as seeing_all:
            while True:
                ends = await seeing_all.end_offsets(places)
                positions = {place: await self._consumer.position(place) for place in places}
                if all(positions[place] >= end for place, end in ends.items()):
                    return
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._consumer.stop()

    def of(self, topic: str, *kinds: str) -> list[dict[str, Any]]:
        """Return the events of a topic, all or those of some kinds."""
        found = self.records.get(topic, [])
        return [event for event in found if not kinds or event["event"] in kinds]

    def lost(self, asked: Iterable[str]) -> list[str]:
        return [name for name in asked if name not in self.counted]

    def doubled(self) -> list[str]:
        return [name for name, count in self.counted.items() if count > 1]


TERMINAL: dict[str, tuple[str, ...]] = {
    "matches": ("AnswerGiven",),
    "fallbacks": ("MatchAbstained",),
    "completions": ("CompletionGiven", "CompletionRefused"),
    "versions": (),
    "rejected": (),
    "learning": (),
}


@contextlib.asynccontextmanager
async def reading(connection: KafkaConnection, *topics: str) -> AsyncIterator[Ledger]:
    """Read topics while the block runs."""
    ledger = Ledger(connection, topics)
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


def unfounded(answers: Iterable[dict[str, Any]], versions: Iterable[dict[str, Any]]) -> list[str]:
    """Return the answers whose version was not live at the revision that they name."""
    serving: list[set[tuple[str, str, int, str]]] = [set()]
    for n, event in enumerate(sorted(versions, key=lambda event: int(event["ordinal"]))):
        if event["ordinal"] != n + 1:
            return [f"change set {n + 1} is missing or there twice"]
        now = set(serving[-1])
        for change in event["changes"]:
            key = (event["scope"], change["family"], change["version"], change["digest"])
            (now.add if change["stage"] in SERVING else now.discard)(key)
        serving.append(now)
    wrong = []
    for answer in answers:
        ordinal = answer["revision"]["ordinal"]
        key = (answer["tenant"], answer["family"], answer["version"], answer["digest"])
        if ordinal >= len(serving) or key not in serving[ordinal]:
            wrong.append(f"{answer['utterance_id']}: {key[1]}@{key[2]} at {ordinal}")
    return wrong


@dataclass
class Feed:
    """Puts numbered utterances in, half of which families answer; `asked` are their ids."""

    connection: KafkaConnection
    made: Callable[[int], Any]
    asked: list[str] = field(default_factory=list)
    _producer: Any = None

    async def open(self) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self.connection.bootstrap, enable_idempotence=True, linger_ms=2
        )
        await self._producer.start()

    async def put(self, count: int) -> None:
        """Put as many records in; on return they are stored."""
        sent = []
        for _ in range(count):
            out = self.made(len(self.asked))
            self.asked.append(dict(out.headers)["utterance"].decode())
            sent.append(
                await self._producer.send(
                    self.connection.named(out.topic),
                    out.value,
                    out.key.encode(),
                    headers=list(out.headers),
                )
            )
        await asyncio.gather(*sent)

    async def close(self) -> None:
        await self._producer.stop()


@contextlib.asynccontextmanager
async def feeding(connection: KafkaConnection, made: Callable[[int], Any]) -> AsyncIterator[Feed]:
    """Have a feed while the block runs."""
    feed = Feed(connection, made)
    await feed.open()
    try:
        yield feed
    finally:
        await feed.close()

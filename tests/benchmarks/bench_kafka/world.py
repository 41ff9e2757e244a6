"""Clusters, topics, families and utterances for one row of the benchmark."""

import os
import random
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.kafka.cluster import Cluster
from streams.codec import encode
from streams.events import Change, UtteranceAsked, VersionChanged
from streams.topic_plan import Layout
from streams.transports import Outgoing
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_admin import apply
from streams.transports.kafka_connection import KafkaConnection
from tests.benchmarks.path_stream import TENANT, Family, families, texts

PARTITIONS = 4
RAW_OUT = "raw-out"
_CHUNK = 2000
_FAMILIES_AT_ONCE = 200


@contextmanager
def cluster(nodes: int = 1) -> Iterator[Cluster]:
    """Run a cluster on free ports, as fast as it can; it is gone afterwards, however we went."""
    with tempfile.TemporaryDirectory(prefix="bench-kafka-") as home:
        made = Cluster.planned(Path(home) / f"{nodes}-node", nodes=nodes)
        made.start(owner=os.getpid())
        try:
            yield made
        finally:
            made.remove()


@lru_cache(maxsize=1)
def thousand() -> tuple[Family, ...]:
    """Return the families of the stream."""
    return tuple(families(random.Random("kafka")))


@dataclass(frozen=True)
class World:
    """A part of a cluster with topics and families of its own."""

    connection: KafkaConnection
    replication: int

    @property
    def environment(self) -> dict[str, str]:
        """The settings of an agent in this world."""
        return {
            "KAPPA_KAFKA": self.connection.bootstrap,
            "KAPPA_KAFKA_PREFIX": self.connection.prefix,
            "KAPPA_PARTITIONS": str(PARTITIONS),
            "KAPPA_REPLICATION": str(self.replication),
        }


async def world(on: Cluster, made: Sequence[Family]) -> World:
    """Make topics, and let the families in."""
    replication = min(3, len(on.nodes))
    connection = KafkaConnection(on.bootstrap, prefix=f"w{uuid.uuid4().hex[:8]}.")
    left = await apply(connection, Layout(partitions=PARTITIONS, replication=replication))
    assert not left, left
    admin = AIOKafkaAdminClient(**connection.client())
    await admin.start()
    try:
        await admin.create_topics([NewTopic(connection.named(RAW_OUT), PARTITIONS, replication)])
    finally:
        await admin.close()
    await append(connection, [encode(event, timestamp=0) for event in in_bulk(made)])
    return World(connection, replication)


async def append(connection: KafkaConnection, outgoing: Sequence[Outgoing]) -> None:
    """Append records, many at a time."""
    log = KafkaLog(connection)
    try:
        for first in range(0, len(outgoing), _CHUNK):
            await log.publish(outgoing[first : first + _CHUNK])
    finally:
        await log.close()


def in_bulk(made: Sequence[Family]) -> list[VersionChanged]:
    """Return change sets that make all of the families live, many families in each."""
    events: list[VersionChanged] = []
    for first in range(0, len(made), _FAMILIES_AT_ONCE):
        numbers = range(first, min(len(made), first + _FAMILIES_AT_ONCE))
        events += _let_in(made, numbers, len(events))
    return events


def one_by_one(made: Sequence[Family]) -> list[VersionChanged]:
    """Return the change sets of families that came in one after the other."""
    events: list[VersionChanged] = []
    for number in range(len(made)):
        events += _let_in(made, range(number, number + 1), len(events))
    return events


def _let_in(made: Sequence[Family], numbers: range, ordinal: int) -> list[VersionChanged]:
    artifacts = {number: made[number].artifact for number in numbers}
    stages = ("shadow", "live")
    return [
        VersionChanged(
            ordinal=ordinal + step,
            scope=TENANT,
            actor="bench",
            reason="bench",
            changes=tuple(
                Change(family=f"f-{number}", version=1, digest=artifact.digest, stage=stage)
                for number, artifact in artifacts.items()
            ),
            artifacts=tuple(dict(a.document) for a in artifacts.values()) if step == 1 else (),
            previous=ordinal + step - 1,
        )
        for step, stage in enumerate(stages, 1)
    ]


def asked(number: int, text: str, at_us: int) -> Outgoing:
    """Return the record of an utterance, as a service beside us writes it."""
    event = UtteranceAsked(
        utterance_id=f"u-{number:07}",
        tenant=TENANT,
        session=f"s-{number % 997}",
        text=text,
        asked_at=1_790_000_000_000_000 + number,
    )
    return encode(event, timestamp=at_us, headers=(("correlation-id", b"c-%d" % number),))


def utterances(count: int, seed: str = "utterances") -> list[Outgoing]:
    """Return utterances of which half are answered by the thousand families; no text twice."""
    lines = islice(texts(random.Random(seed), thousand()), count)
    now = time.time_ns() // 1000  # a broker deletes what is older than the retention time
    return [asked(number, text, now) for number, text in enumerate(lines)]

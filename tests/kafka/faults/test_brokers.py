"""Brokers that are killed or started again under running matchers: nothing is lost or doubled."""

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.kafka.cluster import Cluster
from streams.topic_plan import Layout
from streams.transports.kafka_admin import apply
from streams.transports.kafka_connection import KafkaConnection
from tests.kafka.faults.flow import FROZEN, flow
from tests.kafka.faults.report import told

pytestmark = [pytest.mark.slow, pytest.mark.faults]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster.planned(tmp_path_factory.mktemp("three") / "kafka", nodes=3, quick=True)
    cluster.start(owner=os.getpid())
    yield cluster
    cluster.remove()


async def leader_of(connection: KafkaConnection, topic: str) -> int:
    """Return the number of the broker that leads the topic's first partition."""
    name = connection.named(topic)
    async with AIOKafkaConsumer(bootstrap_servers=connection.bootstrap) as consumer:
        await consumer._client._wait_on_metadata(name)
        leader: int = consumer._client.cluster.leader_for_partition(TopicPartition(name, 0))
        return leader


@dataclass(frozen=True)
class Disturbance:
    """What happens to the broker that leads a partition, and how it comes back."""

    name: str
    begin: Callable[[Cluster, int], None]
    end: Callable[[Cluster, int], None]


DISTURBANCES = [
    Disturbance("kill -9", Cluster.kill, Cluster.restart),
    Disturbance("freeze", Cluster.pause, Cluster.resume),
    Disturbance("restart", Cluster.restart, lambda cluster, number: None),
]


@pytest.mark.parametrize("what", DISTURBANCES, ids=lambda what: what.name)
@pytest.mark.parametrize("of", ["utterances", "__consumer_offsets", "__transaction_state"])
async def test_the_leader_of_a_partition(
    three: Cluster, tmp_path: Path, what: Disturbance, of: str
) -> None:
    began = time.monotonic()
    connection = KafkaConnection(three.bootstrap, prefix=f"b{uuid.uuid4().hex[:8]}.")
    assert await apply(connection, Layout(partitions=4, replication=3)) == []
    async with flow(connection, tmp_path, FROZEN) as flowing:
        for slot in "01":
            flowing.fleet.keep("matcher", slot)
        await flowing.until(lambda: len(flowing.ledger.counted) > 500, step=100)
        bare = KafkaConnection(three.bootstrap) if of.startswith("__") else connection
        number = await leader_of(bare, of)
        await asyncio.to_thread(what.begin, three, number)
        asked = len(flowing.feed.asked)
        await flowing.until(lambda: flowing.taken_over(asked), step=100)
        await asyncio.to_thread(what.end, three, number)
        await asyncio.to_thread(three.wait_ready)
        asked = len(flowing.feed.asked)
        await flowing.until(lambda: flowing.taken_over(asked), step=100)
        await flowing.fill()
        await flowing.drained()
        await flowing.fleet.stop()
    told(f"{what.name} of a broker", f"leads {of}", 1, flowing.feed, flowing.ledger, began)
    print(flowing.fleet.exits)
    flowing.check()

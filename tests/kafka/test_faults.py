"""What a cluster of three survives: a killed node, a frozen node."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from infra.kafka.cluster import Cluster
from tests.kafka.topics import fresh_topic

pytestmark = [pytest.mark.slow, pytest.mark.faults]

RECOVERY_LIMIT_S = 60.0


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster.planned(tmp_path_factory.mktemp("three") / "kafka", nodes=3)
    cluster.start(owner=os.getpid())
    yield cluster
    cluster.remove()


async def send(producer: AIOKafkaProducer, name: str, n: int) -> None:
    """Send until it is acknowledged: while a node is lost, attempts time out or find no leader."""
    async with asyncio.timeout(RECOVERY_LIMIT_S):
        while True:
            try:
                await producer.send_and_wait(name, b"%d" % n, partition=n % 3)
            except KafkaError as failure:
                assert failure.retriable, failure
                await asyncio.sleep(0.1)
                continue
            return


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_acknowledged_records_survive_the_loss_of_a_node(three: Cluster, fault: str) -> None:
    name = await fresh_topic(three.bootstrap, "survivor", partitions=3, copies=3)
    async with AIOKafkaProducer(
        bootstrap_servers=three.bootstrap, acks="all", request_timeout_ms=5000, retry_backoff_ms=50
    ) as producer:
        for n in range(30):
            await send(producer, name, n)
        getattr(three, fault)(2)
        for n in range(30, 60):
            await send(producer, name, n)
    if fault == "pause":
        assert three.running() == (1, 2, 3)
        three.resume(2)
        three.wait_ready()
    else:
        assert three.running() == (1, 3)
        three.restart(2)
    read: set[int] = set()
    async with AIOKafkaConsumer(
        name, bootstrap_servers=three.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        while len(read) < 60:
            read.add(int((await consumer.getone()).value))
    assert read == set(range(60))

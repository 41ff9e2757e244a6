"""The broker that tests and `make kafka` start: it works, and nothing of it is left behind."""

import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from infra.kafka import settings
from infra.kafka.cluster import Cluster
from infra.kafka.java import BrokerError, StartFailed

pytestmark = pytest.mark.slow


async def test_what_is_produced_is_consumed_in_order(
    bootstrap: str, topic: Callable[..., Awaitable[str]]
) -> None:
    name = await topic("order", partitions=2)
    values = [b"%d" % n for n in range(50)]
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name)
    async with producer, producer.transaction():
        for value in values:
            await producer.send(name, value, partition=1)
    consumer = AIOKafkaConsumer(
        name, bootstrap_servers=bootstrap, group_id=name, auto_offset_reset="earliest"
    )
    async with consumer:
        assert [(await consumer.getone()).value for _ in values] == values
        await consumer.commit()


def test_a_stopped_cluster_starts_again_and_leaves_nothing_running(tmp_path: Path) -> None:
    cluster = Cluster.planned(tmp_path / "kafka", quick=True)
    cluster.start()
    assert cluster.running() == (1,)
    with pytest.raises(StartFailed, match="runs already"):
        cluster.start()
    cluster.stop()
    assert cluster.running() == ()
    again = Cluster.load(cluster.home)
    assert again == cluster
    again.start()
    again.stop()
    assert again.running() == ()
    assert settings.is_free(cluster.nodes[0].port)


def test_a_cluster_dies_with_its_owner(tmp_path: Path) -> None:
    cluster = Cluster.planned(tmp_path / "kafka", quick=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as owner:
        cluster.start(owner=owner.pid)
        owner.kill()
    deadline = time.monotonic() + 20
    while cluster.running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert cluster.running() == ()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        cluster = Cluster.planned(tmp_path, port=port)
        with pytest.raises(StartFailed, match=f"Port {port} is taken"):
            cluster.start()


def test_two_nodes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="1 or 3 nodes, not 2"):
        Cluster.planned(tmp_path, nodes=2)


def test_three_nodes_keep_three_copies_of_which_two_must_be_in_sync(tmp_path: Path) -> None:
    cluster = Cluster.planned(tmp_path, nodes=3, port=19092)
    second = settings.properties(cluster.nodes[1], cluster.nodes, (), tmp_path, tmp_path)
    assert {
        "node.id=2",
        "controller.quorum.voters=1@127.0.0.1:19093,2@127.0.0.1:19193,3@127.0.0.1:19293",
        "listeners=PLAINTEXT://127.0.0.1:19192,CONTROLLER://127.0.0.1:19193",
        "default.replication.factor=3",
        "min.insync.replicas=2",
        "broker.session.timeout.ms=3000",
    } <= set(second.splitlines())
    assert "sasl.enabled.mechanisms" not in second

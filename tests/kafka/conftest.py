"""One broker for the whole run, shared by the workers of pytest-xdist.

It has listeners with passwords and TLS too; the plain one may do everything. The first test that
asks starts it, the last worker out stops it, and a guard kills it when pytest itself is killed.
Where no broker can be had the tests fail: a skipped test would pass for a tested product.
"""

import os
import uuid
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from infra.kafka.cluster import Cluster
from infra.kafka.java import locked
from streams.transports.kafka_admin import apply
from streams.transports.kafka_connection import KafkaConnection
from tests.kafka.logs import TWO
from tests.kafka.topics import fresh_topic


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The run's own broker: one node, users 'admin', 'kappa' (no rules yet) and 'stranger'."""
    base = tmp_path_factory.getbasetemp()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    shared = base.parent if is_worker else base
    owner = os.getppid() if is_worker else os.getpid()
    lock, guests = shared / "kafka.lock", shared / "kafka-guests"
    with locked(lock):
        cluster = _started(shared / "kafka", owner)
        guests.mkdir(exist_ok=True)
        (guests / str(os.getpid())).touch()
    yield cluster
    with locked(lock):
        (guests / str(os.getpid())).unlink()
        if not any(guests.iterdir()):
            cluster.remove()


def _started(home: Path, owner: int) -> Cluster:
    cluster = Cluster.load(home)
    if cluster is None or not cluster.running():
        cluster = Cluster.planned(home, sasl=True, quick=True)
        cluster.start(owner=owner)
    return cluster


@pytest.fixture(scope="session")
def bootstrap(request: pytest.FixtureRequest) -> str:
    """Where clients without password connect: KAPPA_TEST_BOOTSTRAP if set, else our own broker."""
    given = os.environ.get("KAPPA_TEST_BOOTSTRAP")
    if given:
        return given
    cluster: Cluster = request.getfixturevalue("secured")
    return cluster.bootstrap


@pytest.fixture
def topic(bootstrap: str) -> Callable[..., Awaitable[str]]:
    """`await topic("label", partitions=4, config={…})` makes a fresh topic and names it."""
    return partial(fresh_topic, bootstrap)


@pytest.fixture
async def connection(bootstrap: str) -> KafkaConnection:
    """A part of the cluster with all topics, two partitions each."""
    made = KafkaConnection(bootstrap, prefix=f"x{uuid.uuid4().hex[:8]}.")
    assert await apply(made, TWO) == []
    return made

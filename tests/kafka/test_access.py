"""What each agent may do on a cluster that has its access rules: all it needs, and no more."""

import asyncio
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from click.testing import CliRunner

from agents.access import CHECKED, CONSOLE_WRITES, OPERATOR, access_rules, principal, topics_of
from agents.cli import main
from agents.commands.shared import graph
from agents.node import Decider, Node
from agents.processes import PROCESSES
from infra.kafka.cluster import Cluster
from infra.kafka.settings import AGENTS
from streams.access_rules import AccessRule, Excess
from streams.topic_plan import ChangeConfig, Layout
from streams.topics import TOPIC_NAMES
from streams.transports import AccessRefused
from streams.transports.kafka_acls import access_drift, allow
from streams.transports.kafka_admin import apply, drift
from streams.transports.kafka_connection import KafkaConnection
from tests.kafka.topics import as_user

pytestmark = pytest.mark.slow

ONE = Layout(partitions=4, replication=1)
NODES = graph()
RUN_BY = {agent: [n for n in NODES if n.name in PROCESSES[agent].nodes] for agent in PROCESSES}


@pytest.fixture(scope="module")
def granted(secured: Cluster) -> Iterator[str]:
    """The prefix of topics on which every agent has its rules; one record lies in each topic."""
    prefix = f"g{uuid.uuid4().hex[:8]}."
    connection = as_user(secured, "admin", prefix)

    async def make() -> None:
        assert await apply(connection, ONE) == []
        rules = access_rules(graph(), connection)
        assert await allow(connection, rules) == []
        assert await access_drift(connection, rules) == []
        async with AIOKafkaProducer(**connection.client()) as producer:
            for name in TOPIC_NAMES:
                await producer.send_and_wait(connection.named(name), b"{}", b"key", partition=0)

    asyncio.run(make())
    yield prefix


def test_the_broker_for_tests_knows_every_agent() -> None:
    rules = access_rules(graph(), KafkaConnection(""))
    assert [principal(agent) for agent in AGENTS] == list(
        dict.fromkeys(rule.principal for rule in rules)
    )


def test_nobody_but_the_registrar_may_write_versions_nor_anybody_all() -> None:
    rules = access_rules(graph(), KafkaConnection(""))
    writers = {r.principal for r in rules if (r.operation, r.name) == ("write", "versions")}
    assert writers == {"User:kappa-registrar"}
    assert {rule.operation for rule in rules if rule.principal != principal(OPERATOR)} == {
        "read", "write", "describe", "describe-configs",
    }  # fmt: skip


@pytest.mark.parametrize("agent", RUN_BY)
async def test_an_agent_can_do_what_it_needs_and_no_more(
    secured: Cluster, granted: str, agent: str
) -> None:
    connection = as_user(secured, f"kappa-{agent}", granted)
    reads, writes, checks = _needs(RUN_BY[agent])
    assert await drift(connection, ONE, checks) == []
    assert await _writable(connection) == writes
    assert await _readable(connection) == reads
    assert await _may_transact(connection, f"{agent}-0")
    assert not await _may_transact(connection, "stranger-0")
    groups = [node.name for node in NODES if await _may_join(connection, node.name)]
    assert groups == [node.name for node in RUN_BY[agent]]


def _needs(nodes: Sequence[Node]) -> tuple[set[str], set[str], Sequence[str]]:
    if not nodes:  # the console
        return set(TOPIC_NAMES), set(CONSOLE_WRITES), TOPIC_NAMES
    reads = {t for n in nodes for t in (*n.reads, *(n.folds if isinstance(n, Decider) else ()))}
    if nodes == RUN_BY["auditor"]:
        reads |= set(CHECKED)
    writes = {topic for node in nodes for topic in node.writes} | {"rejected"}
    return reads, writes, sorted({topic for node in nodes for topic in topics_of(node)})


async def _writable(connection: KafkaConnection) -> set[str]:
    found = set()
    async with AIOKafkaProducer(**connection.client()) as producer:
        for name in TOPIC_NAMES:
            try:
                await producer.send_and_wait(connection.named(name), b"{}", b"key", partition=0)
                found.add(name)
            except TopicAuthorizationFailedError:
                pass
    return found


async def _readable(connection: KafkaConnection) -> set[str]:
    found = set()
    async with AIOKafkaConsumer(**connection.client()) as consumer:
        for name in TOPIC_NAMES:
            place = TopicPartition(connection.named(name), 0)
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            try:
                async with asyncio.timeout(20):
                    await consumer.getone(place)
                found.add(name)
            except TopicAuthorizationFailedError:
                pass
    return found


async def _may_transact(connection: KafkaConnection, name: str) -> bool:
    producer = AIOKafkaProducer(**connection.client(), transactional_id=connection.named(name))
    try:
        await producer.start()
    except TransactionalIdAuthorizationFailed:
        return False
    finally:
        await producer.stop()
    return True


async def _may_join(connection: KafkaConnection, group: str) -> bool:
    consumer = AIOKafkaConsumer(**connection.client(), group_id=connection.named(group))
    try:
        await consumer.start()
        await consumer.committed(TopicPartition(connection.named("utterances"), 0))
    except (GroupAuthorizationFailedError, TopicAuthorizationFailedError):
        return False
    finally:
        await consumer.stop()
    return True


async def test_the_operator_makes_and_changes_topics_and_reads_none(
    secured: Cluster, granted: str
) -> None:
    connection = as_user(secured, "kappa-operator", granted)
    more = replace(ONE, retention_days=7)
    assert {type(each) for each in await drift(connection, more)} == {ChangeConfig}
    assert await apply(connection, more) == []
    assert await apply(connection, ONE) == []
    assert await _readable(connection) == set() == await _writable(connection)
    with pytest.raises(AccessRefused, match="to list access rules: grant"):
        await access_drift(connection, ())


async def test_rules_that_say_more_are_told_of_and_left(secured: Cluster, granted: str) -> None:
    prefix = f"{granted}more."
    connection = as_user(secured, "admin", prefix)
    more = AccessRule("User:kappa-matcher", "all", "topic", prefix, is_prefix=True)
    rules = access_rules(graph(), connection)
    assert await allow(connection, [*rules, more]) == []
    assert await access_drift(connection, rules) == [Excess(more)]
    assert await allow(connection, rules) == [Excess(more)]


def test_the_rules_are_printed_with_and_without_a_cluster() -> None:
    said = CliRunner().invoke(main, ["topics", "acls", "--json"], env={"KAPPA_KAFKA_PREFIX": "a."})
    rules = [AccessRule(**row) for row in json.loads(said.stdout)]
    assert tuple(rules) == access_rules(graph(), KafkaConnection("", "a."))
    shown = CliRunner().invoke(main, ["topics", "acls"], env={"COLUMNS": "200"})
    assert "User:kappa-matcher    read              topic             versions utterances" in (
        shown.stdout
    )

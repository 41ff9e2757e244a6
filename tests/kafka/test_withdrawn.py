"""What a member meets when the cluster takes back, while it runs, what it gave at the start."""

import asyncio
import uuid
from dataclasses import dataclass

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from agents.access import access_rules, principal
from agents.commands.shared import graph
from infra.kafka.cluster import Cluster
from streams.access_rules import AccessRule, Operation, Resource
from streams.transports import AccessRefused, Handled, TurnLost
from streams.transports.faust_app import FaustLog
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_acls import allow
from streams.transports.kafka_admin import apply
from streams.transports.kafka_connection import KafkaConnection
from tests.kafka.logs import LIMIT_S, TWO, answers, numbers, once, opened, out, polled, put
from tests.kafka.topics import as_user

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Denied:
    """What a matcher may no longer do."""

    operation: Operation
    resource: Resource
    name: str


DENIALS = [
    Denied("write", "topic", "matches"),
    Denied("read", "topic", "utterances"),
    Denied("read", "topic", "versions"),
    Denied("read", "group", "matcher"),
    Denied("write", "transactional-id", "matcher-0"),
]


@pytest.mark.parametrize(
    ("kind", "denied"),
    [*((KafkaLog, each) for each in DENIALS), *((FaustLog, each) for each in DENIALS[:2])],
    ids=lambda given: getattr(given, "__name__", None) or f"{given.operation} {given.name}",
)
async def test_what_is_forbidden_while_it_runs_ends_a_member_with_the_reason(
    secured: Cluster, kind: type[KafkaLog], denied: Denied
) -> None:
    admin = as_user(secured, "admin", f"w{uuid.uuid4().hex[:8]}.")
    await apply(admin, TWO)
    await allow(admin, access_rules(graph(), admin))
    connection = as_user(secured, "kappa-matcher", admin.prefix)
    async with opened(admin) as feeding, opened(connection, kind) as log:
        member = await log.subscribe("matcher", ["utterances"])
        folds = await log.reader(["versions"])

        async def move(first: int) -> None:
            await put(feeding, 1, first=first)
            await folds.read(10)
            try:
                await member.publish(answers(await member.poll(10)))
            except TurnLost:
                return

        for n in range(10):
            await move(n)
        name = admin.named(denied.name)
        rule = AccessRule(
            principal("matcher"), denied.operation, denied.resource, name, is_denial=True
        )
        await allow(admin, [rule])
        with pytest.raises(AccessRefused, match="does not allow this to user 'kappa-matcher'"):
            async with asyncio.timeout(LIMIT_S):
                for n in range(10, 100_000):
                    await move(n)


async def test_what_a_broker_refuses_is_tried_again(connection: KafkaConnection) -> None:
    topic = connection.named("matches")
    admin = AIOKafkaAdminClient(**connection.client())
    await admin.start()

    async def limit(size: int) -> None:
        config = {"max.message.bytes": str(size)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=config)])

    async with opened(connection) as log:
        await put(log, 3)
        member = await log.subscribe("matcher", ["utterances"])
        await limit(200)
        large = out("matches", 1)._replace(value=b"1".zfill(1000))
        refused = 0
        while refused < 3:
            try:
                await member.publish([Handled(r, [large]) for r in await member.poll(10)])
            except TurnLost as error:
                refused += "aborted" in str(error) and error.__cause__ is not None
        await limit(1_000_000)
        while sum((await log.positions("matcher")).values()) < 3:
            try:
                await member.publish(answers(await member.poll(10)))
            except TurnLost:
                continue
    assert await numbers(connection, "matches") == once(3)
    await admin.close()


async def test_a_topic_that_was_deleted_is_waited_for(connection: KafkaConnection) -> None:
    topic = connection.named("matches")
    admin = AIOKafkaAdminClient(**connection.client())
    await admin.start()
    async with opened(connection) as log:
        await put(log, 3)
        member = await log.subscribe("matcher", ["utterances"])
        records = await polled(member, 3)
        await member.publish(answers(records))
        await admin.delete_topics([topic])
        await put(log, 3, first=3)
        publishing = asyncio.create_task(member.publish(answers(await polled(member, 3))))
        await asyncio.wait({publishing}, timeout=0.5)
        assert not publishing.done()
        await admin.create_topics([NewTopic(topic, 2, 1)])
        await publishing
    await admin.close()
    assert await numbers(connection, "matches") == once(3, first=3)

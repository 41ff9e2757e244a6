"""Topics that no other test uses, and the connection of a user."""

import asyncio
import uuid
from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.kafka.cluster import Cluster
from streams.transports.kafka_connection import KafkaConnection

READY_LIMIT_S = 20.0


async def fresh_topic(
    bootstrap: str,
    label: str = "topic",
    *,
    partitions: int = 1,
    copies: int = 1,
    config: Mapping[str, str] | None = None,
) -> str:
    """Make a topic with a name of its own, wait until every partition has a leader, name it."""
    name = f"{label}-{uuid.uuid4().hex[:12]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        made = await admin.create_topics(
            [NewTopic(name, partitions, copies, topic_configs=dict(config or {}))]
        )
        assert [error[1] for error in made.topic_errors] == [0], made
        async with asyncio.timeout(READY_LIMIT_S):
            while not _has_leaders(await admin.describe_topics([name]), partitions):
                await asyncio.sleep(0.02)
    finally:
        await admin.close()
    return name


def _has_leaders(described: list[dict[str, object]], partitions: int) -> bool:
    [topic] = described
    found = topic["partitions"]
    assert isinstance(found, list)
    return len(found) == partitions and all(each["leader"] >= 0 for each in found)


def as_user(cluster: Cluster, name: str, prefix: str = "") -> KafkaConnection:
    """The connection of a user, with TLS."""
    return KafkaConnection(
        cluster.tls_bootstrap,
        prefix,
        "SASL_SSL",
        "SCRAM-SHA-512",
        name,
        cluster.user(name).password,
        cluster.authority,
    )

"""Topics of a cluster: what there is, what differs from the table, and how that is mended.

Why requests of our own and not aiokafka's admin client: it asks for topics in a way that creates
them where brokers create topics on demand; and its only way to change a configuration replaces all
of it, so that an operator's own entries would go.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import (
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DescribeConfigsRequest,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

from streams.topic_plan import (
    AddPartitions,
    ChangeConfig,
    Create,
    Difference,
    Found,
    Layout,
    Shape,
    Unfixable,
    differences,
    is_fixable,
    wanted,
)
from streams.topics import TOPICS
from streams.transports.kafka_client import client
from streams.transports.kafka_connection import KafkaConnection
from streams.transports.kafka_errors import forbidden

ANSWER_LIMIT_MS = 10_000
SETTLE_LIMIT_S = 20.0
"""How long a change may take until the cluster shows it."""

TICK_S = 0.05
_TOPIC = 2
_SET = 0
_UNKNOWN_TOPIC, _FORBIDDEN_TOPIC, _ALREADY_THERE = 3, 29, 36


async def drift(
    connection: KafkaConnection, layout: Layout, names: Collection[str] | None = None
) -> list[Difference]:
    """Return how the topics of a cluster differ from the table; an empty list when they do not.

    `names` limits it to some of our topics, such as those that an agent may see. Raises Unreachable
    and AccessRefused.
    """
    async with client(connection) as asking:
        shapes = _shapes(connection, layout, names)
        return differences(shapes, await _found(asking, connection, list(shapes)))


async def apply(
    connection: KafkaConnection, layout: Layout, names: Collection[str] | None = None
) -> list[Difference]:
    """Mend what can be mended, wait until every broker shows it, and return what still differs."""
    async with client(connection) as asking:
        shapes = _shapes(connection, layout, names)
        for difference in differences(shapes, await _found(asking, connection, list(shapes))):
            await _mend(asking, connection, difference)
        deadline = asyncio.get_running_loop().time() + SETTLE_LIMIT_S
        while True:
            found = await _found(asking, connection, list(shapes))
            left = differences(shapes, found)
            is_settled = found.has_leaders and not any(map(is_fixable, left))
            is_settled = is_settled and await _is_shown_by_all(asking, list(shapes))
            if is_settled or asyncio.get_running_loop().time() > deadline:
                return left
            await asyncio.sleep(TICK_S)


async def retention(connection: KafkaConnection) -> dict[str, int]:
    """Return for how many milliseconds each of our topics that deletes by age keeps records."""
    names = {connection.named(topic.name): topic.name for topic in TOPICS}
    async with client(connection) as asking:
        found = (await _found(asking, connection, list(names))).topics
    kept = {
        names[name]: int(shape.config.get("retention.ms", -1))
        for name, shape in found.items()
        if "delete" in shape.config.get("cleanup.policy", "")
    }
    return {topic: milliseconds for topic, milliseconds in kept.items() if milliseconds >= 0}


def _shapes(
    connection: KafkaConnection, layout: Layout, names: Collection[str] | None
) -> dict[str, Shape]:
    topics = [topic for topic in TOPICS if names is None or topic.name in names]
    return wanted(layout, connection.named, topics)


async def send(asking: AIOKafkaClient, request: Request[Any]) -> dict[str, Any]:
    """Return the response of any broker as an object; brokers pass on what is not theirs."""
    response = await asking.send(asking.get_random_node(), request)
    made: dict[str, Any] = response.to_object()
    return made


async def _found(
    asking: AIOKafkaClient, connection: KafkaConnection, names: Sequence[str]
) -> Found:
    """Ask for topics by name: a list of all would leave out those that we may not see."""
    metadata = await send(asking, MetadataRequest(names, allow_auto_topic_creation=False))
    there: dict[str, list[dict[str, Any]]] = {}
    for topic in metadata["topics"]:
        code, name = topic["error_code"], topic["topic"]
        if code == _FORBIDDEN_TOPIC:
            raise forbidden(connection, f"describe topic {name!r}", code, None)
        if code != _UNKNOWN_TOPIC:
            there[name] = topic["partitions"]
    config = await _config(asking, connection, list(there))
    return Found(
        brokers=len(metadata["brokers"]),
        topics={
            name: Shape(len(rows), min(len(row["replicas"]) for row in rows), config[name])
            for name, rows in there.items()
            if rows
        },
        has_leaders=all(row["leader"] >= 0 for rows in there.values() for row in rows),
    )


async def _is_shown_by_all(asking: AIOKafkaClient, names: Sequence[str]) -> bool:
    """Whether every broker knows the topics: one that lags would tell an agent that some miss."""
    request = MetadataRequest(names, allow_auto_topic_creation=False)
    try:
        answers = [await asking.send(each.nodeId, request) for each in asking.cluster.brokers()]
    except KafkaError:
        return False
    return not any(topic["error_code"] for a in answers for topic in a.to_object()["topics"])


async def _config(
    asking: AIOKafkaClient, connection: KafkaConnection, names: Sequence[str]
) -> Mapping[str, Mapping[str, str]]:
    """Return the configuration in force by topic, brokers' defaults included."""
    resources = [(_TOPIC, name, None) for name in names]
    response = await send(asking, DescribeConfigsRequest(resources))
    made: dict[str, Mapping[str, str]] = {}
    for row in response["resources"]:
        name = row["resource_name"]
        if row["error_code"]:
            what = f"read the configuration of topic {name!r}"
            raise forbidden(connection, what, row["error_code"], row["error_message"])
        entries = row["config_entries"]
        made[name] = {each["config_names"]: each["config_value"] for each in entries}
    return made


async def _mend(
    asking: AIOKafkaClient, connection: KafkaConnection, difference: Difference
) -> None:
    request: Request[Any]
    match difference:
        case Create(topic, shape):
            what = f"create topic {topic!r}"
            config = list(shape.config.items())
            wish: Any = (topic, shape.partitions, shape.replication, [], config)
            request = CreateTopicsRequest([wish], ANSWER_LIMIT_MS, False)
        case AddPartitions(topic, given, want):
            what = f"add partitions to topic {topic!r}, {given} → {want}"
            request = CreatePartitionsRequest([(topic, (want, None))], ANSWER_LIMIT_MS, False)
        case ChangeConfig(topic, entry, _, after):
            what = f"set {entry}={after} of topic {topic!r}"
            request = _ChangeConfig(topic, entry, after)
        case Unfixable():
            return
    response = await send(asking, request)
    for row in response.get("topic_errors") or response["resources"]:
        if row["error_code"] not in (0, _ALREADY_THERE):
            raise forbidden(connection, what, row["error_code"], row["error_message"])


class _ChangeConfigResponse(Response):
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "resources",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _ChangeConfigRequest(RequestStruct):
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _ChangeConfigResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "entries",
                    Array(
                        ("name", String("utf-8")),
                        ("operation", Int8),
                        ("value", String("utf-8")),
                    ),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class _ChangeConfig(Request[_ChangeConfigRequest]):
    """IncrementalAlterConfigs: one entry of one topic, and no other."""

    API_KEY = 44

    def __init__(self, topic: str, entry: str, value: str) -> None:
        self.rows = [(_TOPIC, topic, [(entry, _SET, value)])]

    def build(self, request_struct_class: type[_ChangeConfigRequest]) -> _ChangeConfigRequest:
        return request_struct_class(self.rows, False)

"""What every client of ours needs of aiokafka beyond its settings, in one place.

Records that aiokafka cannot parse are kafka_records' business. Two things have no public setting.
(1) A transaction is refused for a few milliseconds after the one before it, until its markers are
written; aiokafka then sleeps 20 ms (`BACKOFF_OVERRIDE`), longer than a batch takes. (2) A commit
returns before the group's offsets are visible, and aiokafka's OffsetFetch v3 reads the old ones
then: after a rebalance a committed batch would be decided again. OffsetFetch v7 has
`require_stable` (KIP-447): the broker answers "not yet" while a transaction is open on them.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiokafka.consumer.consumer
import aiokafka.producer.sender
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import (
    GroupLoadInProgressError,
    for_code,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)
from aiokafka.record import _crecords  # noqa: F401 - the pure-Python fallback is ten times slower

from streams.transports import (
    LogUnavailable,
    kafka_records,  # noqa: F401 - takes the place of aiokafka's parser
)
from streams.transports.kafka_connection import KafkaConnection
from streams.transports.kafka_errors import forbidden, reaching

aiokafka.producer.sender.BACKOFF_OVERRIDE = 0.002

_chosen = DefaultPartitioner()

RETRY_BACKOFF_MS = 5
"""How long a producer waits before it asks a broker again; aiokafka's own is 100."""

_QUESTION_LIMIT_MS = 10_000
_UNSTABLE = 88
"""UNSTABLE_OFFSET_COMMIT: a transaction is open on the offsets."""


class _StableResponse(Response):
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class _StableRequest(RequestStruct):
    API_KEY = 9
    API_VERSION = 7
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _StableResponse
    SCHEMA = Schema(
        ("group", CompactString("utf-8")),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(Int32)),
                ("tags", TaggedFields),
            ),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class _StableOffsetFetch(Request[_StableRequest]):
    API_KEY = 9

    def __init__(self, group: str, topics: Sequence[tuple[str, Sequence[int]]]) -> None:
        self.group = group
        self.topics = topics

    def build(self, request_struct_class: type[_StableRequest]) -> _StableRequest:
        topics: list[Any] = [(topic, list(partitions), {}) for topic, partitions in self.topics]
        return request_struct_class(self.group, topics, True, {})


@dataclass(frozen=True, slots=True)
class _Offsets:
    """The part of an OffsetFetch response that the coordinator reads."""

    topics: Sequence[tuple[str, Sequence[tuple[int, int, str, int]]]]


class _StableCoordinator(GroupCoordinator):
    """A coordinator that never reads offsets on which a transaction is open."""

    async def _send_req(self, request: Any) -> Any:
        if not isinstance(request, OffsetFetchRequest):
            return await super()._send_req(request)
        # The builder keeps what it was given under names of its own.
        stable = _StableOffsetFetch(self.group_id, _asked_of(request))
        response = await super()._send_req(stable)
        topics = [
            (topic, [(p, offset, metadata or "", code) for p, offset, _, metadata, code, _ in rows])
            for topic, rows, _ in response.topics
        ]
        codes = {code for _, rows in topics for *_, code in rows} | {response.error_code}
        if _UNSTABLE in codes:
            raise GroupLoadInProgressError("a transaction is open on the offsets")
        if response.error_code:
            raise for_code(response.error_code)(self.group_id)
        return _Offsets(topics)


def _asked_of(request: OffsetFetchRequest) -> Sequence[tuple[str, Sequence[int]]]:
    struct = request.prepare({9: (1, 3)})
    return [(topic, partitions) for topic, partitions in struct.topics]


aiokafka.consumer.consumer.GroupCoordinator = _StableCoordinator


@asynccontextmanager
async def client(connection: KafkaConnection) -> AsyncIterator[AIOKafkaClient]:
    """Connect for a few questions about the cluster; raise LogUnavailable, in the block too."""
    with reaching(connection):
        made = AIOKafkaClient(**connection.client(), request_timeout_ms=_QUESTION_LIMIT_MS)
        try:
            await made.bootstrap()
            yield made
        finally:
            await made.close()


async def consumer(connection: KafkaConnection, group: str | None, **options: Any) -> Any:
    """Return a started consumer that reads what is committed and commits nothing by itself."""
    with reaching(connection):
        made = AIOKafkaConsumer(
            **connection.client(),
            group_id=None if group is None else connection.named(group),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **options,
        )
        try:
            await made.start()
        except BaseException:
            await made.stop()
            raise
    return made


async def partitions(connection: KafkaConnection, topics: Sequence[str]) -> dict[str, int]:
    """Return the number of partitions of each of our topics.

    Raises LogUnavailable, naming them, where some are missing.
    """
    async with client(connection) as asking:
        metadata = await asking.fetch_all_metadata()
    found = {topic: metadata.partitions_for_topic(connection.named(topic)) for topic in topics}
    if missing := [connection.named(topic) for topic, numbers in found.items() if not numbers]:
        raise LogUnavailable(
            f"{connection.bootstrap}: topics {', '.join(missing)} are missing, or this user may "
            "not see them; make them with `kappa topics apply`"
        )
    return {topic: len(numbers) for topic, numbers in found.items() if numbers}


async def member_count(connection: KafkaConnection, group: str) -> int:
    """Return how many members a group of the cluster has; `group` is its full name."""
    async with client(connection) as asking:
        coordinator = await asking.coordinator_lookup(CoordinationType.GROUP, group)
        response = await asking.send(coordinator, DescribeGroupsRequest([group]))
    [found] = response.to_object()["groups"]
    if found["error_code"]:
        raise forbidden(connection, f"describe group {group!r}", found["error_code"], None)
    return len(found["members"])


def partition_for(key: str | None, count: int) -> int:
    """Return the partition of a record with `key`, as every Kafka client chooses it (murmur2)."""
    if count == 1:
        return 0
    numbers = list(range(count))
    chosen: int = _chosen(None if key is None else key.encode(), numbers, numbers)
    return chosen

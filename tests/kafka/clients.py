"""What the tests know of a cluster without our own clients: plain records, written and read."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

STAND_IN = "name-of-a-header"
"""The header whose name `put_named` replaces; a client library would write no other bytes."""

_CRC, _AFTER_CRC = slice(17, 21), 21
_ANSWER_LIMIT_MS = 10_000


async def committed(bootstrap: str, topics: Sequence[str]) -> list[ConsumerRecord]:
    """Return the committed records of topics, partition by partition, once nothing is undecided.

    A commit returns before its markers are written; a killed member's transaction stays open until
    it times out.
    """
    found: dict[TopicPartition, list[ConsumerRecord]] = {}
    async with _reading(bootstrap, "read_committed") as consumer:
        known = {topic: await consumer._client._wait_on_metadata(topic) for topic in topics}
        places = [TopicPartition(topic, p) for topic in topics for p in sorted(known[topic])]
        async with _reading(bootstrap, "read_uncommitted") as seeing_all:
            ends = await seeing_all.end_offsets(places)
        while any(end < ends[place] for place, end in (await consumer.end_offsets(places)).items()):
            await asyncio.sleep(0.02)
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        open_ = {place for place in places if ends[place]}
        while open_ := {place for place in open_ if await consumer.position(place) < ends[place]}:
            for place, records in (await consumer.getmany(*open_, timeout_ms=200)).items():
                found.setdefault(place, []).extend(r for r in records if r.offset < ends[place])
    return [record for place in places for record in found.get(place, ())]


def _reading(bootstrap: str, isolation: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level=isolation,
        enable_auto_commit=False,
        max_partition_fetch_bytes=16 * 1024 * 1024,
    )


async def transact(
    bootstrap: str, topic: str, values: Sequence[bytes], *, commit: bool, partition: int = 0
) -> None:
    """Write values in a transaction of a stranger's, and end it."""
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=f"stranger-{topic}"
    ) as producer:
        await producer.begin_transaction()
        for value in values:
            await producer.send_and_wait(topic, value, partition=partition)
        await (producer.commit_transaction() if commit else producer.abort_transaction())


async def put_named(
    bootstrap: str, topic: str, partition: int, name: bytes, value: bytes, headers: Sequence[Any]
) -> None:
    """Write a record among whose headers one has a name of any bytes, as long as STAND_IN."""
    assert len(name) == len(STAND_IN)
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_048_576)
    named = [*headers, (STAND_IN, b"value")]
    builder.append(0, None, None, value, named)
    batch = builder.build().replace(STAND_IN.encode(), name)
    batch[_CRC] = calc_crc32c(bytes(batch[_AFTER_CRC:])).to_bytes(4, "big")
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client._wait_on_metadata(topic)
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        request = ProduceRequest(None, -1, _ANSWER_LIMIT_MS, [(topic, [(partition, bytes(batch))])])
        response = await client.send(leader, request)
        [(_, [(_, error, *_)])] = response.topics
        assert error == 0, error
    finally:
        await client.close()

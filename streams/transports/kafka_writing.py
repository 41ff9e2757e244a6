"""Writing to a cluster: the producer under every transaction, and the one outside of any."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.topics import RECORD_LIMIT, TOPICS
from streams.transports import Outgoing, Place
from streams.transports.kafka_client import RETRY_BACKOFF_MS, partition_for
from streams.transports.kafka_connection import KafkaConnection
from streams.transports.kafka_errors import reaching

_BATCH_BYTES = 262_144
_FOLLOWING = frozenset(topic.name for topic in TOPICS if topic.as_input)


class Producer:
    """A producer of ours: chooses partitions, batches by hand."""

    def __init__(self, connection: KafkaConnection, counts: Mapping[str, int], made: Any) -> None:
        self.connection = connection
        self.counts = counts
        self.made = made
        self.has_gap = False

    @property
    def is_dead(self) -> bool:
        """Whether it was fenced, or failed for good: aborting would fail an assertion or hang."""
        return bool(self.made._txn_manager.is_fatal_error())

    async def send(
        self,
        handled: Sequence[tuple[int | None, Sequence[Outgoing]]],
        probe: Callable[[str], None] = lambda _: None,
    ) -> list[Any]:
        """Queue records, each with its cause's partition; return what tells of their storage."""
        places: dict[Place, list[Outgoing]] = {}
        for cause, outgoing in handled:
            for out in outgoing:
                place = (out.topic, self._partition(out, cause))
                found = places.get(place)
                if found is None:
                    places[place] = [out]
                else:
                    found.append(out)
        return await self._send_all(places, probe)

    async def send_at(self, placed: Sequence[tuple[int, Outgoing]]) -> list[Any]:
        """Queue records, each for the partition given; return what tells of their storage."""
        places: dict[Place, list[Outgoing]] = {}
        for partition, out in placed:
            places.setdefault((out.topic, partition), []).append(out)
        return await self._send_all(places, lambda _: None)

    async def _send_all(
        self, places: Mapping[Place, Sequence[Outgoing]], probe: Callable[[str], None]
    ) -> list[Any]:
        futures: list[Any] = []
        for (topic, partition), records in places.items():
            await self._send_to(self.connection.named(topic), partition, records, futures)
            probe("sending")
        for future in futures:
            future.add_done_callback(self._stored)
        return futures

    def _stored(self, future: Any) -> None:
        """Look at every batch's fate: nobody awaits it when another one has failed first."""
        if future.cancelled() or future.exception() is not None:
            self.has_gap = True

    def _partition(self, out: Outgoing, cause: int | None) -> int:
        count = self.counts[out.topic]
        if cause is not None and cause < count and out.topic in _FOLLOWING:
            return cause
        return partition_for(out.key, count)

    async def _send_to(
        self, topic: str, partition: int, records: Sequence[Outgoing], futures: list[Any]
    ) -> None:
        batch = self.made.create_batch()
        for _, text, headers, value, timestamp in records:
            key = None if text is None else text.encode()
            time, given = timestamp // 1000, list(headers)
            if batch.append(key=key, value=value, timestamp=time, headers=given) is not None:
                continue
            if batch.record_count():
                futures.append(await self.made.send_batch(batch, topic, partition=partition))
            batch = self.made.create_batch()
            if batch.append(key=key, value=value, timestamp=time, headers=given) is None:
                futures.append(
                    await self.made.send(
                        topic, value, key, partition, timestamp_ms=time, headers=given
                    )
                )
                batch = self.made.create_batch()
        if batch.record_count():
            futures.append(await self.made.send_batch(batch, topic, partition=partition))


async def producing(
    connection: KafkaConnection, counts: Mapping[str, int], **options: Any
) -> Producer:
    """Return a started producer; `counts` are the partitions of each topic."""
    made = AIOKafkaProducer(
        **connection.client(),
        acks="all",
        max_batch_size=_BATCH_BYTES,
        max_request_size=RECORD_LIMIT,
        retry_backoff_ms=RETRY_BACKOFF_MS,
        **options,
    )
    with reaching(connection):
        try:
            await made.start()
        except BaseException:
            await made.stop()
            raise
    return Producer(connection, counts, made)

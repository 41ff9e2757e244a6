"""The log on an Apache Kafka cluster: what the nodes read and write, exactly once.

A member of a group polls, and stores what followed from a batch together with the group's offsets
in one transaction. Each guard below was seen to be needed on a real broker:

- *Turns.* Partitions are given back only between transactions, and what was polled before they
  went is refused afterwards (TurnLost); the same after an aborted transaction, whose records are
  polled again from the committed offsets.
- *Stable offsets.* See kafka_client.
- *Fencing by time.* A frozen process must be fenced by the time its partitions have gone to another
  member: transaction time-out + the coordinator's scan + heartbeat ≤ session time-out.
- *Freeze check.* The broker accepts the offsets of a zombie that is not fenced yet and rewinds the
  group with them. A clock that counts suspension is read before polling, before sending offsets
  and before committing; a gap above half the session time-out means: leave (Fenced).
- *No second life.* After an error that an abort does not cure aiokafka's producer is dead: Fenced.
  Whoever supervises the process starts it again under the same transactional id.

Not confluent-kafka: 0.8 to 1.1 times as fast with batches like ours, and its callbacks run in
threads. Not one transactional id per partition: brokers since KIP-447 do not ask for it.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from aiokafka import AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from streams.topics import RECORD_LIMIT, TOPIC_NAMES, TOPICS
from streams.transports import (
    Fenced,
    Handled,
    LogUnavailable,
    Outgoing,
    Place,
    Record,
    TurnLost,
)
from streams.transports import kafka_reading as reading
from streams.transports.kafka_client import (
    RETRY_BACKOFF_MS,
    consumer,
    partition_for,
    partitions,
)
from streams.transports.kafka_connection import (
    DEFAULT_TIMING,
    KafkaConnection,
    Probe,
    Timing,
    no_probe,
)
from streams.transports.kafka_errors import reaching

_BATCH_BYTES = 262_144
_FOLLOWING = frozenset(topic.name for topic in TOPICS if topic.as_input)


class _Pulse:
    """Notices that the process was frozen: by a clock that goes on meanwhile."""

    __slots__ = ("last", "limit")

    def __init__(self, limit_ms: int) -> None:
        self.limit = limit_ms / 1000
        self.last = _boot_seconds()

    def beat(self) -> None:
        """Raise Fenced when the last beat is longer ago than the limit."""
        now = _boot_seconds()
        gap, self.last = now - self.last, now
        if gap > self.limit:
            raise Fenced(f"frozen for {gap:.1f} s; the limit is {self.limit:.1f} s: leaving")


def _boot_seconds() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class _Producer:
    """A producer of ours: chooses partitions, batches by hand."""

    def __init__(self, connection: KafkaConnection, counts: Mapping[str, int], made: Any) -> None:
        self.connection = connection
        self.counts = counts
        self.made = made

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
        futures: list[Any] = []
        for (topic, partition), records in places.items():
            await self._send_to(self.connection.named(topic), partition, records, futures)
            probe("sending")
        return futures

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


class _Turns(ConsumerRebalanceListener):
    """Closes the turn of what was polled when partitions go, once no transaction is under way."""

    def __init__(self, member: "KafkaSubscription") -> None:
        self.member = member

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self.member.end_turn()
        async with self.member.transacting:
            pass

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self.member.begin_turn()


class KafkaSubscription:
    """A `Subscription`: one consumer and one transactional producer under a stable id."""

    def __init__(self, log: "KafkaLog", group: str, topics: Sequence[str]) -> None:
        """Use `KafkaLog.subscribe` instead."""
        self.log = log
        self.group = group
        self.topics = topics
        self.transacting = asyncio.Lock()
        self._pulse = _Pulse(log.timing.session_ms // 2)
        self._is_open = asyncio.Event()
        self._turn = 0
        self._polled_turn = 0
        self._must_rewind = False
        self._polled: dict[TopicPartition, deque[int]] = {}
        self._consumer: Any = None
        self._producer: _Producer | None = None

    async def take_place(self) -> None:
        """Make the producer: whoever had its transactional id before is fenced from now on."""
        connection, timing = self.log.connection, self.log.timing
        counts = await self.log.counts()
        made = AIOKafkaProducer(
            **connection.client(),
            transactional_id=connection.named(f"{self.group}-{self.log.slot}"),
            transaction_timeout_ms=timing.transaction_ms,
            acks="all",
            max_batch_size=_BATCH_BYTES,
            max_request_size=RECORD_LIMIT,
            retry_backoff_ms=RETRY_BACKOFF_MS,
        )
        with reaching(connection):
            try:
                await made.start()
            except BaseException:
                await made.stop()
                raise
        self._producer = _Producer(connection, counts, made)

    async def join(self) -> None:
        """Make the consumer: a member among others, or the only one with every partition."""
        connection, timing = self.log.connection, self.log.timing
        self._consumer = await consumer(
            connection,
            self.group,
            session_timeout_ms=timing.session_ms,
            heartbeat_interval_ms=timing.heartbeat_ms,
            fetch_max_wait_ms=reading.FETCH_WAIT_MS,
            max_poll_interval_ms=timing.session_ms * 10,
        )
        self._pulse.beat()
        if self.log.membership == "shared":
            names = [connection.named(topic) for topic in self.topics]
            self._consumer.subscribe(names, listener=_Turns(self))
            return
        counts = await self.log.counts()
        self._consumer.assign(
            [
                TopicPartition(connection.named(topic), number)
                for topic in self.topics
                for number in range(counts[topic])
            ]
        )
        self.begin_turn()

    @property
    def is_assigned(self) -> bool:
        """Whether partitions are held; not while they are being dealt out anew."""
        return self._is_open.is_set()

    def end_turn(self) -> None:
        """Refuse from now on what was polled before."""
        self._is_open.clear()
        self._turn += 1

    def begin_turn(self) -> None:
        """Let polling begin again."""
        self._is_open.set()

    async def poll(self, limit: int) -> Sequence[Record]:
        """Return what has arrived, at most `limit` records; waits a moment for the first."""
        if self._consumer is None:
            await self.join()
        self._pulse.beat()
        wait = self.log.timing.poll_ms
        if not self._is_open.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_open.wait(), wait / 1000)
            return ()
        if self._polled_turn != self._turn:
            await self._take_turn()
            raise self._turn_lost("partitions moved, or a transaction was aborted")
        try:
            fetched = await self._consumer.getmany(timeout_ms=wait, max_records=limit)
        except KafkaError as error:
            raise LogUnavailable(f"{self.log.connection.bootstrap}: {error!r}") from error
        if self._polled_turn != self._turn:
            self._must_rewind = True  # the consumer's positions are behind what nobody has seen
            return ()
        records: list[Record] = []
        for place, messages in fetched.items():
            self._polled.setdefault(place, deque()).extend([m.offset for m in messages])
            records += reading.records_of(self.log.connection, messages)
        return records

    async def _take_turn(self) -> None:
        self._polled_turn = self._turn
        self._polled.clear()
        if self._must_rewind:
            for place in self._consumer.assignment():
                committed = await self._consumer.committed(place)
                if committed is None:
                    await self._consumer.seek_to_beginning(place)
                else:
                    self._consumer.seek(place, committed)
            self._must_rewind = False

    def _turn_lost(self, why: str) -> TurnLost:
        return TurnLost(f"{self.group}-{self.log.slot}: {why}")

    async def publish(self, handled: Sequence[Handled]) -> None:
        """Store, in one transaction, what followed and the offsets behind the records."""
        producer = self._producer
        assert producer is not None
        async with self.transacting:
            self._pulse.beat()
            offsets = self._taken(handled)
            try:
                await self._transact(producer, handled, offsets)
            except KafkaError as error:
                await self._abort(producer, error)

    async def _transact(
        self, producer: _Producer, handled: Sequence[Handled], offsets: Mapping[Any, int]
    ) -> None:
        await producer.made.begin_transaction()
        self.log.probe("begun")
        outgoing = [(record.partition, made) for record, made in handled]
        futures = await producer.send(outgoing, self.log.probe)
        self.log.probe("sent")
        self._pulse.beat()
        await producer.made.send_offsets_to_transaction(
            offsets, self.log.connection.named(self.group)
        )
        self.log.probe("offsets-sent")
        await asyncio.gather(*futures)
        self._pulse.beat()
        self.log.probe("committing")
        await producer.made.commit_transaction()
        self.log.probe("committed")

    async def _abort(self, producer: _Producer, error: KafkaError) -> None:
        """Undo the transaction, to poll its records again; leave where that is not possible."""
        self.end_turn()
        self._must_rewind = True
        try:
            await producer.made.abort_transaction()
        except KafkaError as second:
            raise Fenced(f"{self.group}: {error!r}; its abort failed: {second!r}") from error
        self.begin_turn()
        raise self._turn_lost(f"transaction aborted after {error!r}") from error

    def _taken(self, handled: Sequence[Handled]) -> dict[TopicPartition, int]:
        """Return the offsets behind `handled`, which must be the next of what was polled."""
        if self._polled_turn != self._turn:
            raise self._turn_lost("partitions moved, or a transaction was aborted")
        named = self.log.connection.named
        walks: dict[Place, Iterator[int]] = {}
        offsets: dict[Place, int] = {}
        for record, _ in handled:
            at = (record.topic, record.partition)
            walk = walks.get(at)
            if walk is None:
                place = TopicPartition(named(at[0]), at[1])
                walk = walks[at] = iter(self._polled.get(place, ()))
            if next(walk, None) != record.offset:
                raise self._turn_lost(f"{at}/{record.offset} is not the next that was polled")
            offsets[at] = record.offset + 1
        taken = {TopicPartition(named(topic), n): end for (topic, n), end in offsets.items()}
        for place, end in taken.items():
            polled = self._polled[place]
            while polled and polled[0] < end:
                polled.popleft()
        return taken

    async def standing(self) -> Mapping[Place, tuple[int, int]]:
        """Return, by partition held, the next offset to poll and the end as of the last fetch.

        Positions have passed the control records of transactions, which the group's offsets have
        not: behind the last record of a transaction a committed offset would look behind for ever.
        """
        found: dict[Place, tuple[int, int]] = {}
        for place in self._consumer.assignment() if self._consumer is not None else ():
            position = await self._consumer.position(place)
            end = self._consumer.last_stable_offset(place)
            known = position if end is None or end < position else end
            found[self.log.connection.ours(place.topic), place.partition] = (position, known)
        return found

    async def close(self) -> None:
        """Finish the transaction under way, leave the group, disconnect."""
        async with self.transacting:
            if self._consumer is not None:
                await self._consumer.stop()
            if self._producer is not None:
                await self._producer.made.stop()


class KafkaLog:
    """A `Transport` on a cluster, for one process.

    `slot` tells the processes of one group apart and must be stable over restarts. `membership` is
    `shared` where a group's members share the partitions, `sole` where one process has them all and
    fences the one before it. `probe` is called at each point of a transaction.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        slot: str = "0",
        membership: Literal["shared", "sole"] = "shared",
        timing: Timing = DEFAULT_TIMING,
        probe: Probe = no_probe,
    ) -> None:
        self.connection = connection
        self.slot = slot
        self.membership = membership
        self.timing = timing
        self.probe = probe
        self._counts: Mapping[str, int] | None = None
        self._plain: _Producer | None = None
        self._held: list[Any] = []

    async def counts(self) -> Mapping[str, int]:
        """Return the number of partitions of every topic, as of the first call."""
        if self._counts is None:
            self._counts = await partitions(self.connection, TOPIC_NAMES)
        return self._counts

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Append `outgoing` in order, without duplicates; on return all of them are stored."""
        if self._plain is None:
            made = AIOKafkaProducer(
                **self.connection.client(),
                enable_idempotence=True,
                acks="all",
                max_batch_size=_BATCH_BYTES,
                max_request_size=RECORD_LIMIT,
                retry_backoff_ms=RETRY_BACKOFF_MS,
            )
            with reaching(self.connection):
                await made.start()
            self._plain = _Producer(self.connection, await self.counts(), made)
        try:
            await asyncio.gather(*await self._plain.send([(None, outgoing)]))
        except KafkaError as error:
            raise LogUnavailable(f"{self.connection.bootstrap}: {error!r}") from error

    async def subscribe(self, group: str, topics: Sequence[str]) -> KafkaSubscription:
        """Return a member of `group`; it joins when it polls for the first time."""
        made = KafkaSubscription(self, group, topics)
        self.hold(made)
        await made.take_place()
        return made

    def hold(self, made: Any) -> None:
        """Close this, too, when the log is closed."""
        self._held.append(made)

    async def reader(self, topics: Sequence[str], *, from_end: bool = False) -> reading.KafkaReader:
        """Return a reader of all partitions of `topics`."""
        made = await reading.open_reader(self.connection, topics, from_end=from_end)
        self._held.append(made)
        return made

    def scan(self, topics: Sequence[str], since: int = 0) -> AsyncIterator[Record]:
        """Yield what lies in `topics` now, merged by timestamp."""
        return reading.scan(self.connection, topics, since)

    async def positions(self, group: str) -> Mapping[Place, int]:
        """Return the next offset of the group by place; places never read are absent."""
        return await reading.positions(self.connection, group, TOPIC_NAMES)

    async def ends(self, topics: Sequence[str]) -> Mapping[Place, int]:
        """Return the offset that the next committed record of each place will have."""
        return await reading.ends(self.connection, topics)

    async def find(self, subject: str) -> Sequence[Record]:
        """Return the records with this header `utterance`; reads all topics through."""
        wanted = ("utterance", subject.encode())
        return [r async for r in self.scan(TOPIC_NAMES) if wanted in r.headers]

    async def close(self) -> None:
        """Leave all groups and disconnect."""
        held, self._held = self._held, []
        for one in held:
            await one.close()
        if self._plain is not None:
            plain, self._plain = self._plain, None
            await plain.made.stop()

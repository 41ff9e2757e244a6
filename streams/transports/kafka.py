"""The log on an Apache Kafka cluster: what the nodes read and write, exactly once.

A member of a group polls, and stores what followed from a batch together with the group's offsets
in one transaction. Each guard below was seen to be needed on a real broker:

- *Turns.* Partitions are given back only between transactions, and what was polled before they
  went is refused afterwards (TurnLost); the same after an aborted transaction, and after a publish
  of other records than the next that were polled: then everything is polled again from the
  committed offsets.
- *Stable offsets.* See kafka_client.
- *Generation.* See kafka_generation: a group refuses the offsets of who is no member any more.
- *Fencing by time.* A frozen process must be fenced by the time its partitions have gone to another
  member: transaction time-out + the coordinator's scan + heartbeat ≤ session time-out.
- *Freeze check.* The broker accepts the offsets of a zombie that is not fenced yet and rewinds the
  group with them. A clock that counts suspension is read while the event loop runs, and before
  polling, before sending offsets and before committing; a gap above half the session time-out
  means: leave (Fenced). Read at those points alone it took a member that waited for a slow broker
  for a frozen one: started again, with the same backlog and the same broker, it left again.
- *No second life.* After an error that an abort does not cure aiokafka's producer is dead: Fenced;
  after what the cluster forbids, AccessRefused: aiokafka would abort such a transaction without
  telling the broker, where the next one would go on with it. Whoever supervises the process starts
  it again under the same transactional id.
- *No gap.* A batch that a broker has refused leaves a gap in its partition's sequence numbers, and
  everything after it is refused as well: after such an abort the producer is made anew.

Not confluent-kafka: 0.8 to 1.1 times as fast with batches like ours, and its callbacks run in
threads. Not one transactional id per partition: brokers since KIP-447 do not ask for it.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, ProducerFenced

from streams.topics import SUBJECT_TOPICS, TOPIC_NAMES
from streams.transports import (
    AccessRefused,
    Fenced,
    Handled,
    LogUnavailable,
    Outgoing,
    Place,
    Record,
    TurnLost,
)
from streams.transports import kafka_reading as reading
from streams.transports.kafka_client import consumer, partitions
from streams.transports.kafka_connection import (
    DEFAULT_TIMING,
    KafkaConnection,
    Probe,
    Timing,
    no_probe,
)
from streams.transports.kafka_errors import explained
from streams.transports.kafka_generation import NOBODY, Membership, belongs, membership_of
from streams.transports.kafka_writing import Producer, producing


class _Pulse:
    """Notices that the process was frozen: by a clock that goes on meanwhile."""

    __slots__ = ("last", "limit")

    def __init__(self, limit_ms: int) -> None:
        self.limit = limit_ms / 1000
        self.last = _boot_seconds()

    def begin(self) -> None:
        """Take this for the last beat: there was nothing to lose before."""
        self.last = _boot_seconds()

    def beat(self) -> None:
        """Raise Fenced when the last beat is longer ago than the limit, and ever after."""
        now = _boot_seconds()
        gap = now - self.last
        if gap > self.limit:
            raise Fenced(f"frozen for {gap:.1f} s; the limit is {self.limit:.1f} s: leaving")
        self.last = now

    async def go_on(self) -> None:
        """Beat until there was too long a gap, which whoever beats next is told of."""
        with contextlib.suppress(Fenced):
            while True:
                self.beat()
                await asyncio.sleep(self.limit / 8)


def _boot_seconds() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class _Turns(ConsumerRebalanceListener):
    """Closes the turn of what was polled when partitions go, once no transaction is under way."""

    def __init__(self, member: "KafkaSubscription") -> None:
        self.member = member

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self.member.lose_place()
        async with self.member.transacting:
            pass

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self.member.have_place()


class KafkaSubscription:
    """A `Subscription`: one consumer and one transactional producer under a stable id."""

    def __init__(self, log: "KafkaLog", group: str, topics: Sequence[str]) -> None:
        """Use `KafkaLog.subscribe` instead."""
        self.log = log
        self.group = group
        self.topics = topics
        self.transacting = asyncio.Lock()
        self._pulse = _Pulse(log.timing.session_ms // 2)
        self._beating: asyncio.Task[None] | None = None
        self._has_place = asyncio.Event()
        self._turn = 0
        self._polled_turn = 0
        self._must_rewind = False
        self._polled: dict[TopicPartition, deque[int]] = {}
        self._consumer: Any = None
        self._producer: Producer | None = None
        self._left: LogUnavailable | Fenced | None = None

    async def take_place(self) -> None:
        """Make the producer: whoever had its transactional id before is fenced from now on."""
        connection, timing = self.log.connection, self.log.timing
        counts = await self.log.counts()
        self._producer = await producing(
            connection,
            counts,
            transactional_id=connection.named(f"{self.group}-{self.log.slot}"),
            transaction_timeout_ms=timing.transaction_ms,
        )
        if self.log.membership == "shared":
            belongs(self._producer.made, self._membership)

    def _membership(self) -> Membership:
        """Return who commits; raise what fences the producer where the group has dropped it."""
        membership = NOBODY if self._consumer is None else membership_of(self._consumer)
        if membership == NOBODY:
            raise ProducerFenced("the group has dropped this member")
        return membership

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
        self._pulse.begin()
        self._beating = asyncio.create_task(self._pulse.go_on())
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
        self.have_place()

    @property
    def is_assigned(self) -> bool:
        """Whether partitions are held; not while they are being dealt out anew."""
        return self._has_place.is_set()

    def lose_place(self) -> None:
        """Refuse from now on what was polled before; poll nothing until there is a place again."""
        self._has_place.clear()
        self._turn += 1

    def have_place(self) -> None:
        """Let polling begin again."""
        self._has_place.set()

    def _rewind(self) -> None:
        """Refuse from now on what was polled before; poll it again."""
        self._must_rewind = True
        self._turn += 1

    async def poll(self, limit: int) -> Sequence[Record]:
        """Return what has arrived, at most `limit` records; waits a moment for the first."""
        if self._consumer is None:
            await self.join()
        self._pulse.beat()
        wait = self.log.timing.poll_ms
        if not self._has_place.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._has_place.wait(), wait / 1000)
            return ()
        if self._polled_turn != self._turn:
            async with self.transacting:  # an abort under way is part of the turn before
                await self._take_turn()
            raise self._turn_lost("partitions moved, or a transaction was aborted")
        try:
            fetched = await self._consumer.getmany(timeout_ms=wait, max_records=limit)
        except KafkaError as error:
            raise explained(self.log.connection, error) from error
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
        if not self._must_rewind:
            return
        try:
            for place in self._consumer.assignment():
                committed = await self._consumer.committed(place)
                if committed is None:
                    await self._consumer.seek_to_beginning(place)
                else:
                    self._consumer.seek(place, committed)
        except IllegalStateError as error:  # partitions moved meanwhile: the next turn begins anew
            raise self._turn_lost(f"could not go back: {error}") from error
        except KafkaError as error:
            raise explained(self.log.connection, error) from error
        self._must_rewind = False

    def _turn_lost(self, why: str) -> TurnLost:
        return TurnLost(f"{self.group}-{self.log.slot}: {why}")

    async def publish(self, handled: Sequence[Handled]) -> None:
        """Store, in one transaction, what followed and the offsets behind the records."""
        producer = self._producer
        if not handled or producer is None:
            return
        async with self.transacting:
            self._pulse.beat()
            if self._left is not None:
                raise self._left
            offsets = self._taken(handled)
            try:
                await self._transact(producer, handled, offsets)
            except KafkaError as error:
                await self._abort(producer, error)

    async def _transact(
        self, producer: Producer, handled: Sequence[Handled], offsets: Mapping[Any, int]
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

    async def _abort(self, producer: Producer, error: KafkaError) -> None:
        """Undo the transaction, to poll its records again; leave where that is not possible."""
        self._rewind()
        cause = error.__cause__ if isinstance(error.__cause__, KafkaError) else error
        told = explained(self.log.connection, cause)
        if isinstance(told, AccessRefused):
            self._left = told
        elif producer.is_dead:
            self._left = Fenced(f"{self.group}-{self.log.slot}: {error!r}")
        if self._left is not None:
            raise self._left from error
        try:
            await producer.made.abort_transaction()
        except KafkaError as second:
            self._left = Fenced(f"{self.group}: {error!r}; its abort failed: {second!r}")
            raise self._left from error
        if producer.has_gap:
            await producer.made.stop()
            await self.take_place()
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
                self._rewind()
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
            try:
                position = await self._consumer.position(place)
                end = self._consumer.last_stable_offset(place)
            except IllegalStateError:  # it has moved to another member meanwhile
                continue
            except KafkaError as error:
                raise explained(self.log.connection, error) from error
            known = position if end is None or end < position else end
            found[self.log.connection.ours(place.topic), place.partition] = (position, known)
        return found

    async def close(self) -> None:
        """Finish the transaction under way, leave the group, disconnect."""
        if self._beating is not None:
            self._beating.cancel()
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
        self._plain: Producer | None = None
        self._beginning = asyncio.Lock()
        self._held: list[Any] = []

    async def counts(self) -> Mapping[str, int]:
        """Return the number of partitions of every topic, as of the first call."""
        if self._counts is None:
            self._counts = await partitions(self.connection, TOPIC_NAMES)
        return self._counts

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Append `outgoing` in order, without duplicates; on return all of them are stored."""
        producer = await self._writing()
        await self._stored(producer.send([(None, outgoing)]))

    async def append(self, placed: Sequence[tuple[int, Outgoing]]) -> None:
        """Append records, each at its partition; on return all of them are stored."""
        producer = await self._writing()
        await self._stored(producer.send_at(placed))

    async def _writing(self) -> Producer:
        async with self._beginning:
            if self._plain is None:
                counts = await self.counts()
                self._plain = await producing(self.connection, counts, enable_idempotence=True)
            return self._plain

    async def _stored(self, sending: Awaitable[list[Any]]) -> None:
        try:
            await asyncio.gather(*await sending)
        except KafkaError as error:
            raise explained(self.connection, error) from error

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
        closed = [
            one for one in self._held if isinstance(one, reading.KafkaReader) if one.is_closed
        ]
        self._held = [made, *(one for one in self._held if one not in closed)]
        return made

    def scan(self, topics: Sequence[str], since: int = 0) -> AsyncIterator[Record]:
        """Yield what lies in `topics` now, merged by timestamp."""
        return reading.scan(self.connection, topics, since)

    def walking(
        self, starts: Mapping[Place, int]
    ) -> AbstractAsyncContextManager[Mapping[Place, AsyncIterator[Record]]]:
        """Open a walk of each partition, from an offset on to the end that it has now."""
        return reading.walking(self.connection, starts)

    async def first_offsets(self, topics: Sequence[str], since: int = 0) -> Mapping[Place, int]:
        """Return, by place, the first offset with a record not before `since`, or the end."""
        return await reading.first_offsets(self.connection, topics, since)

    async def set_positions(self, group: str, nexts: Mapping[Place, int]) -> None:
        """Set the next offsets of a group that has no members."""
        await reading.set_positions(self.connection, group, nexts)

    async def positions(self, group: str) -> Mapping[Place, int]:
        """Return the next offset of the group by place; places never read are absent."""
        return await reading.positions(self.connection, group, TOPIC_NAMES)

    async def ends(self, topics: Sequence[str]) -> Mapping[Place, int]:
        """Return the offset that the next committed record of each place will have."""
        return await reading.ends(self.connection, topics)

    async def find(self, subject: str) -> Sequence[Record]:
        """Return the records with this header `utterance`; reads the topics through that have it.

        A cluster has no index of headers: this takes as long as reading does.
        """
        wanted = ("utterance", subject.encode())
        return [r async for r in self.scan(SUBJECT_TOPICS) if wanted in r.headers]

    async def close(self) -> None:
        """Leave all groups and disconnect."""
        held, self._held = self._held, []
        for one in held:
            await one.close()
        if self._plain is not None:
            plain, self._plain = self._plain, None
            await plain.made.stop()

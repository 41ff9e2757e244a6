"""Groups whose one member works, kept by Faust: the control plane's way of reading a cluster.

Faust keeps the group, the flow, and the offsets; it neither decides nor holds state. Its agent
hands records over to `poll`; each is acknowledged when `publish` has stored what followed from it.
What was left out of Faust, and why:

- its tables and compacted topics: state is a fold of our own topics;
- its exactly-once: it does not cover records sent to topics that the app does not read. Delivery is
  at least once, and what follows from a record twice is the same twice;
- `concurrency` above 1: its commit then skips records that were never handled;
- `take` and `take_events`: now and again they hold records back until others come;
- its worker and web server: the process has signals and endpoints of its own.

Whatever ends an agent (an exception, the end of the process) would acknowledge the records in its
hands. So what Faust acknowledges by itself counts for nothing; `publish` alone acknowledges.

Another process of the same group stands by outside it, and joins when the group has no members.
Joining at once would take the partitions from the one that works, if only to deal them out anew,
and one that has lost them must leave, for its state is that of before: it would be started again,
join, and the other would leave. Where two join at the same time, the group's assignor gives every
partition to one of them.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import faust
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError
from faust.exceptions import FaustError
from faust.transport.drivers import aiokafka as driver

from streams.topics import RECORD_LIMIT
from streams.transports import (
    Fenced,
    Handled,
    LogUnavailable,
    Outgoing,
    Place,
    Record,
    TurnLost,
)
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_client import member_count, partition_for
from streams.transports.kafka_connection import KafkaConnection
from streams.transports.kafka_errors import explained, reaching
from streams.transports.kafka_reading import records_of

_MOST_TAKEN = 1000
"""Records that are taken from Faust and not acknowledged; then its own buffers fill."""

_COMMIT_INTERVAL_S = 0.5
_STANDBY_S = 0.5
"""How often a standby looks whether it is needed."""


class SoleAssignor(RoundRobinPartitionAssignor):
    """Gives every partition to one member: the first by member id."""

    name = "sole"

    @classmethod
    def assign(cls, cluster: Any, members: Mapping[str, Any]) -> Any:
        """Return the assignment of every member; all but one stand by."""
        first = min(members)
        nothing = super().assign(cluster, {m: cls.metadata(()) for m in members if m != first})
        return {**nothing, **super().assign(cluster, {first: members[first]})}


class _Thread(driver.AIOKafkaConsumerThread):
    """Reads what is committed only, and stands by: Faust has settings for neither."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        made = super()._create_worker_consumer(transport)
        made._isolation_level = "read_committed"
        made._partition_assignment_strategy = [SoleAssignor]
        return made


class _Consumer(driver.Consumer):
    """Acknowledges what it is told to, and nothing when a stream ends."""

    def ack(self, message: Any) -> bool:
        return False

    def acknowledge(self, message: Any) -> None:
        super().ack(message)

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):
    Consumer = _Consumer


class FaustSubscription:
    """A `Subscription` of the one member that works; others stand by in `join`."""

    def __init__(self, log: KafkaLog, group: str, topics: Sequence[str]) -> None:
        """Use `FaustLog.subscribe` instead."""
        self.log = log
        self._arrived: deque[Record] = deque()
        self._taken: dict[tuple[str, int, int], Any] = {}
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._is_assigned = asyncio.Event()
        self._is_lost = False
        self._counts: Mapping[str, int] = {}
        self.app = _app(log, group)
        channel = self.app.topic(
            *map(log.connection.named, topics), key_serializer="raw", value_serializer="raw"
        )
        self.app.agent(channel, name=group, concurrency=1)(self._agent)
        self.app.on_partitions_revoked.connect(self._revoked, weak=False)
        self.app.on_partitions_assigned.connect(self._assigned, weak=False)

    @property
    def is_assigned(self) -> bool:
        """Whether this is the member that works."""
        return self._is_assigned.is_set() and not self._is_lost

    async def join(self) -> None:
        """Wait until nobody works, join the group, and wait until this is who does."""
        self._counts = await self.log.counts()
        while await member_count(self.log.connection, self.app.conf.id):
            await asyncio.sleep(_STANDBY_S)
        with reaching(self.log.connection):
            await self.app.start()
        await self._is_assigned.wait()

    async def poll(self, limit: int) -> Sequence[Record]:
        """Return up to `limit` records of the batch that Faust has taken; waits a moment."""
        self._refuse_lost()
        if not self._arrived:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self.log.timing.poll_ms / 1000)
        self._refuse_lost()
        records = [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]
        if not self._arrived:
            self._news.clear()
        return records

    async def publish(self, handled: Sequence[Handled]) -> None:
        """Store what followed, then acknowledge the records that it followed from."""
        self._refuse_lost()
        try:
            stored = [await self._send(out) for one in handled for out in one.outgoing]
            await asyncio.gather(*stored)
        except KafkaError as error:
            raise explained(self.log.connection, error) from error
        except FaustError as error:
            raise LogUnavailable(f"{self.log.connection.bootstrap}: {error!r}") from error
        for record, _ in handled:
            message = self._taken.pop((record.topic, record.partition, record.offset), None)
            if message is None:
                raise TurnLost(f"{self.app.conf.id}: {record[:3]} was not polled")
            self.app.consumer.acknowledge(message)
        self._room.set()

    async def _send(self, out: Outgoing) -> Any:
        return await self.app.producer.send(
            self.log.connection.named(out.topic),
            None if out.key is None else out.key.encode(),
            out.value,
            partition_for(out.key, self._counts[out.topic]),
            out.timestamp / 1_000_000,
            list(out.headers),
        )

    async def standing(self) -> Mapping[Place, tuple[int, int]]:
        """Return, by partition, the next offset that Faust will read and the end."""
        consumer, found = self.app.consumer, {}
        for place in consumer.assignment():
            position = await consumer.position(place) or 0
            end = max(position, consumer.highwater(place) or 0)
            found[self.log.connection.ours(place.topic), place.partition] = (position, end)
        return found

    async def close(self) -> None:
        """Leave the group; what was not published is not acknowledged."""
        self._is_lost = True
        await self.app.stop()

    def _refuse_lost(self) -> None:
        if (crash := self.app.crash_reason) is not None:
            raise explained(self.log.connection, crash) from crash
        if self._is_lost:
            raise Fenced(f"{self.app.conf.id}: another member may work now")

    async def _agent(self, stream: Any) -> None:
        async for event in stream.noack().events():
            record = _record(self.log.connection, event.message)
            self._taken[record.topic, record.partition, record.offset] = event.message
            self._arrived.append(record)
            self._news.set()
            if len(self._taken) >= _MOST_TAKEN:
                self._room.clear()
                await self._room.wait()

    async def _assigned(self, *arguments: Any, **_: Any) -> None:
        if arguments[-1]:
            self._is_assigned.set()

    async def _revoked(self, *_: Any, **__: Any) -> None:
        if self._is_assigned.is_set():
            self._is_lost = True
            self._news.set()


class FaustLog(KafkaLog):
    """A `Transport` on a cluster whose groups have one working member, for one process."""

    async def subscribe(  # type: ignore[override]  # another member, the same protocol
        self, group: str, topics: Sequence[str]
    ) -> FaustSubscription:
        """Return the member of `group` that works; waits while another one does."""
        made = FaustSubscription(self, group, topics)
        self.hold(made)
        await made.join()
        return made


class _App(faust.App):
    """An app without directories: its tables would lie there, in the working directory."""

    def _create_directories(self) -> None:
        pass


def _app(log: KafkaLog, group: str) -> Any:
    connection, timing = log.connection, log.timing
    app = _App(
        connection.named(group),
        broker=f"kafka://{connection.bootstrap.replace(',', ';kafka://')}",
        broker_credentials=_credentials(connection),
        autodiscover=False,
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
        broker_commit_interval=_COMMIT_INTERVAL_S,
        broker_session_timeout=timing.session_ms / 1000,
        broker_rebalance_timeout=timing.session_ms / 1000,
        broker_heartbeat_interval=timing.heartbeat_ms / 1000,
        consumer_auto_offset_reset="earliest",
        producer_linger=0.005,
        producer_max_request_size=RECORD_LIMIT,
        logging_config=None,
    )
    app.transport = _Transport(app.conf.broker_consumer, app)
    return app


def _credentials(connection: KafkaConnection) -> Any:
    context = connection.client().get("ssl_context")
    if connection.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=connection.username,
            password=connection.password,
            ssl_context=context,
            mechanism=connection.sasl_mechanism,
        )
    return None if context is None else faust.SSLCredentials(context)


class _Message:
    """What `records_of` reads of a fetched record, from a message of Faust."""

    __slots__ = ("headers", "key", "offset", "partition", "timestamp", "topic", "value")

    def __init__(self, message: Any) -> None:
        self.topic = message.topic
        self.partition = message.partition
        self.offset = message.offset
        self.key = message.key
        self.value = message.value
        self.timestamp = round(message.timestamp * 1000)
        headers = message.headers
        self.headers = tuple(headers.items() if isinstance(headers, dict) else headers or ())


def _record(connection: KafkaConnection, message: Any) -> Record:
    return records_of(connection, [_Message(message)])[0]

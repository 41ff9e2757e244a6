"""A Faust app that feeds one handler: the control plane's way of reading a cluster.

Faust keeps the group, the flow and the offsets; it does not decide, and it holds no state. What was
left out of it, and why:

- its tables and compacted topics: state is a fold of our own topics, rebuilt before the first
  record is handled;
- its exactly-once: it does not cover records sent to topics that the app does not read. Delivery is
  at least once, and what follows from a record twice is the same twice;
- `concurrency` above 1: its commit then skips records that were never handled;
- its worker and web server: the process has signals and endpoints of its own.

An exception in an agent would acknowledge the records in hand. Therefore the agent reports it and
waits for ever; the process ends, and what was not handled comes again.

One process per agent works; another is a standby. The group's assignor gives every partition to one
member, and a member that has worked and loses its partitions must end: its state is that of before.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import faust
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.transport.drivers import aiokafka as driver

from streams.topics import TOPIC_NAMES
from streams.transports import Fenced, Outgoing, Record
from streams.transports.kafka_client import partition_for, partitions
from streams.transports.kafka_connection import KafkaConnection
from streams.transports.kafka_reading import records_of

Handle = Callable[[Sequence[Record]], Awaitable[Sequence[Outgoing]]]

_WITHIN_S = 0.05
_COMMIT_INTERVAL_S = 0.5
_SESSION_S = 30.0
_HEARTBEAT_S = 3.0


class SoleAssignor(RoundRobinPartitionAssignor):
    """Gives every partition to one member: the first by member id."""

    name = "sole"

    @classmethod
    def assign(cls, cluster: Any, members: Mapping[str, Any]) -> Any:
        """Return the assignment of every member; all but one stand by."""
        first = min(members)
        assigned = super().assign(cluster, {first: members[first]})
        nothing = super().assign(cluster, {m: cls.metadata(()) for m in members if m != first})
        return {**nothing, **assigned}


class _Thread(driver.AIOKafkaConsumerThread):
    """Reads what is committed only, and stands by: Faust has settings for neither."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        made = super()._create_worker_consumer(transport)
        made._isolation_level = "read_committed"
        made._partition_assignment_strategy = [SoleAssignor]
        return made


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):
    Consumer = _Consumer


class FaustApp:
    """One agent on one app, in the event loop that runs already."""

    def __init__(
        self,
        connection: KafkaConnection,
        group: str,
        topics: Sequence[str],
        handle: Handle,
        *,
        batch: int,
    ) -> None:
        self.connection = connection
        self.topics = topics
        self.handle = handle
        self.batch = batch
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.has_worked = False
        self.is_assigned = False
        self.counts: Mapping[str, int] = {}
        self.app = faust.App(
            connection.named(group),
            broker=f"kafka://{connection.bootstrap}",
            broker_credentials=_credentials(connection),
            autodiscover=False,
            store="memory://",
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            topic_create_topics_enabled=False,
            broker_commit_interval=_COMMIT_INTERVAL_S,
            broker_session_timeout=_SESSION_S,
            broker_heartbeat_interval=_HEARTBEAT_S,
            consumer_auto_offset_reset="earliest",
            stream_wait_empty=True,
            producer_linger=0.005,
            producer_max_request_size=2_097_152,
            logging_config=None,
        )
        self.app.transport = _Transport(self.app.conf.broker_consumer, self.app)
        channel = self.app.topic(
            *[connection.named(topic) for topic in topics],
            key_serializer="raw",
            value_serializer="raw",
        )
        self.app.agent(channel, name=group, concurrency=1)(self._agent)
        self.app.on_partitions_revoked.connect(self._revoked, weak=False)
        self.app.on_partitions_assigned.connect(self._assigned, weak=False)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set; raise what the handler raises, Fenced after a rebalance."""
        self.counts = await partitions(self.connection, TOPIC_NAMES)
        await self.app.start()
        told: asyncio.Future[Any] = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait((told, self.ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            if not self.ended.done():
                await self.app.stop()
        if self.ended.done():
            self.ended.result()

    async def _agent(self, stream: Any) -> None:
        async for events in stream.take_events(self.batch, within=_WITHIN_S):
            self.has_worked = True
            try:
                await self._send(await self.handle(self._records(events)))
            except Exception as error:
                if not self.ended.done():
                    self.ended.set_exception(error)
                await asyncio.Event().wait()

    def _records(self, events: Sequence[Any]) -> list[Record]:
        return [r for event in events for r in records_of(self.connection, [_Message(event)])]

    async def _send(self, outgoing: Sequence[Outgoing]) -> None:
        sent = [
            await self.app.producer.send(
                self.connection.named(out.topic),
                None if out.key is None else out.key.encode(),
                out.value,
                partition_for(out.key, self.counts[out.topic]),
                out.timestamp / 1_000_000,
                list(out.headers),
            )
            for out in outgoing
        ]
        await asyncio.gather(*sent)

    async def _assigned(self, *_: Any, **__: Any) -> None:
        self.is_assigned = True

    async def _revoked(self, *_: Any, **__: Any) -> None:
        if self.has_worked and not self.ended.done():
            self.ended.set_exception(Fenced(f"{self.app.conf.id}: another member may work now"))


class _Message:
    """What `records_of` reads of a fetched record, from an event of Faust."""

    __slots__ = ("headers", "key", "offset", "partition", "timestamp", "topic", "value")

    def __init__(self, event: Any) -> None:
        message = event.message
        self.topic = message.topic
        self.partition = message.partition
        self.offset = message.offset
        self.key = message.key
        self.value = message.value
        self.timestamp = round(message.timestamp * 1000)
        headers = message.headers
        self.headers = tuple(headers.items() if isinstance(headers, dict) else headers or ())


def _credentials(connection: KafkaConnection) -> Any:
    client = connection.client()
    context = client.get("ssl_context")
    if connection.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=connection.username,
            password=connection.password,
            ssl_context=context,
            mechanism=connection.sasl_mechanism,
        )
    return None if context is None else faust.SSLCredentials(context)

"""The contenders, each in a process of its own: `… members NAME '{"bootstrap": …}'`.

A member joins its group and says `{"ready": [partitions]}`; told to go, by a line, it handles what
lies there until it has all of it, and says how long that took: from the first batch in hand to the
last commit. Without a `total` it goes on until it is told again.
"""

import asyncio
import json
import logging
import resource
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

PARTITIONS = 4
ANSWER = "y" * 79


@dataclass
class Work:
    """What a member is to do, and how far it is."""

    given: Mapping[str, Any]
    total: int = 0
    done: int = 0
    batches: int = 0
    first: float = 0.0
    last: float = 0.0
    cpu_first: float = 0.0
    cpu: float = 0.0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    transactions: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    deciding: float = 0.0

    def begin(self) -> None:
        """The first batch is in hand."""
        if not self.first:
            self.first, self.cpu_first = time.monotonic(), cpu_seconds()

    def finish(self, count: int) -> None:
        """So many records are committed."""
        self.done += count
        self.batches += 1
        self.last, self.cpu = time.monotonic(), cpu_seconds() - self.cpu_first
        if self.total and self.done >= self.total:
            self.stopping.set()


def cpu_seconds() -> float:
    """Return the CPU time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def told_to_go(work: Work, partitions: Sequence[int]) -> None:
    """Say that the member is ready and wait for the line; without a total, stop at the next."""
    print(json.dumps({"ready": sorted(partitions)}), flush=True)
    work.total = int(await _line())

    async def until_the_next() -> None:
        await _line()
        work.stopping.set()

    if not work.total:
        work.given["tasks"].append(asyncio.create_task(until_the_next()))


async def _line() -> str:
    """Return the next line of standard input; no thread waits, which would outlive the loop."""
    loop, there = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), there.set)
    await there.wait()
    loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()


def show_tasks(work: Work) -> None:
    """Say on stderr how far the member is and where every task waits."""
    print(replace(work, transactions=[], held=[]), file=sys.stderr)
    for task in asyncio.all_tasks():
        task.print_stack(limit=6, file=sys.stderr)


async def assigned(consumer: Any, count: int) -> list[int]:
    """Wait until the member has its share of the partitions."""
    while len(consumer.assignment()) != count:
        await asyncio.sleep(0.02)
    return [place.partition for place in consumer.assignment()]


# --- the yard-stick -------------------------------------------------------------------------------


async def raw(work: Work) -> None:
    """Pass records through in transactions: decode, add four fields, encode."""
    import aiokafka.producer.sender
    import orjson
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener

    given = work.given
    aiokafka.producer.sender.BACKOFF_OVERRIDE = 0.002
    lock = asyncio.Lock()

    class Drain(ConsumerRebalanceListener):  # type: ignore[misc]
        """Gives partitions back only between transactions."""

        async def on_partitions_revoked(self, revoked: Any) -> None:
            async with lock:
                pass

        async def on_partitions_assigned(self, assigned: Any) -> None:
            pass

    def decide(value: bytes) -> bytes:
        record = orjson.loads(value)
        record["family"] = "invoice.forward"
        record["version"] = 17
        record["status"] = "answered"
        record["answer"] = ANSWER
        return orjson.dumps(record)

    out = f"{given['prefix']}raw-out"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=given["bootstrap"],
        group_id=given["group"],
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=given["bootstrap"],
        transactional_id=f"{given['group']}-{given['slot']}",
        acks="all",
        max_batch_size=262_144,
        retry_backoff_ms=5,
    )
    consumer.subscribe([f"{given['prefix']}utterances"], listener=Drain())
    await producer.start()
    await consumer.start()
    try:
        await told_to_go(work, await assigned(consumer, given["share"]))
        while not work.stopping.is_set():
            async with lock:
                fetched = await consumer.getmany(timeout_ms=200, max_records=given["cap"])
                if not fetched:
                    continue
                work.begin()
                offsets, count = {}, 0
                async with producer.transaction():
                    for source, records in fetched.items():
                        batch = producer.create_batch()
                        for record in records:
                            value = decide(record.value)
                            if batch.append(key=record.key, value=value, timestamp=None) is None:
                                await producer.send_batch(batch, out, partition=source.partition)
                                batch = producer.create_batch()
                                batch.append(key=record.key, value=value, timestamp=None)
                        await producer.send_batch(batch, out, partition=source.partition)
                        offsets[source] = records[-1].offset + 1
                        count += len(records)
                    await producer.send_offsets_to_transaction(offsets, given["group"])
                work.finish(count)
    finally:
        await consumer.stop()
        await producer.stop()


# --- the matcher ----------------------------------------------------------------------------------


class Watched:
    """The matcher's subscription, with a clock."""

    def __init__(self, work: Work, inner: Any) -> None:
        self.work, self.inner = work, inner
        self.polled: deque[tuple[float, int]] = deque()

    @property
    def is_assigned(self) -> bool:
        return bool(self.inner.is_assigned)

    async def poll(self, limit: int) -> Any:
        records = await self.inner.poll(limit)
        if records:
            self.work.begin()
            self.polled.append((time.monotonic(), len(records)))
        return records

    async def publish(self, handled: Any) -> None:
        started = time.monotonic()
        await self.inner.publish(handled)
        self.work.finish(len(handled))
        ended = time.monotonic()
        self.work.transactions.append(ended - started)
        while self.polled:
            polled, size = self.polled.popleft()
            if size == len(handled):
                self.work.held.append(ended - polled)
                break


async def matcher(work: Work) -> None:
    """Run the matcher's own loop on the cluster."""
    from agents import live
    from agents.matcher import matcher as node_of
    from agents.runner import start
    from agents.service import now_us
    from artifacts.policy import policies_with
    from streams.transports.kafka import KafkaLog
    from streams.transports.kafka_connection import KafkaConnection

    given = work.given
    connection = KafkaConnection(given["bootstrap"], given["prefix"])
    log = KafkaLog(connection, slot=str(given["slot"]))
    policies = policies_with(audit_rate=given.get("audit_rate", 0.0))
    node = replace(node_of(policies), name=given["group"])
    running = await start(node, log, now_us)
    inner: Any = running.subscription
    await inner.join()
    await told_to_go(work, await assigned(inner._consumer, given["share"]))
    live.CAP = given["cap"]
    decided = live.all_decided

    def timed(*arguments: Any) -> Any:
        started = time.thread_time()
        made = decided(*arguments)
        work.deciding += time.thread_time() - started
        return made

    live.all_decided = timed
    running.subscription = Watched(work, inner)  # type: ignore[assignment]
    try:
        await live.decide_live(running, work.stopping)
    finally:
        await log.close()


# --- two frameworks -------------------------------------------------------------------------------


async def decider(given: Mapping[str, Any]) -> Callable[[Any], Sequence[Any]]:
    """Return the same decisions as a function of a fetched record."""
    from agents.matcher import matcher as node_of
    from agents.runner import Running, decided, start
    from agents.service import now_us
    from artifacts.policy import policies_with
    from streams.transports.kafka import KafkaLog
    from streams.transports.kafka_connection import KafkaConnection
    from streams.transports.kafka_reading import records_of

    connection = KafkaConnection(given["bootstrap"], given["prefix"])
    log = KafkaLog(connection)
    node = replace(node_of(policies_with(audit_rate=0.0)), name=f"{given['group']}-folds")
    running: Running = await start(node, log, now_us)

    def decide(message: Any) -> Sequence[Any]:
        [record] = records_of(connection, [message])
        return decided(running, node, record).outgoing

    return decide


def _named(given: Mapping[str, Any], topic: str) -> str:
    return f"{given['prefix']}{topic}"


async def faust_agent(work: Work) -> None:
    """Handle each event in a plain Faust agent."""
    import faust

    from streams.transports.faust_app import _Message

    given = work.given
    decide = await decider(given)
    app = faust.App(
        given["group"],
        broker=f"kafka://{given['bootstrap']}",
        autodiscover=False,
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        logging_config=None,
    )
    going = asyncio.Event()
    channel = app.topic(_named(given, "utterances"), key_serializer="raw", value_serializer="raw")
    topics = {
        name: app.topic(_named(given, name), key_serializer="raw", value_serializer="raw")
        for name in ("matches", "fallbacks")
    }

    async def handle(stream: Any) -> None:
        async for event in stream.events():
            await going.wait()
            work.begin()
            for out in decide(_Message(event.message)):
                await topics[out.topic].send(
                    key=out.key.encode(),
                    value=out.value,
                    partition=event.message.partition,
                    headers=list(out.headers),
                )
            if work.done + 1 == work.total:
                await app.producer.flush()
                await app.consumer.commit()
            work.finish(1)

    app.agent(channel, name="agent")(handle)
    ready = asyncio.Event()

    async def on_assigned(*arguments: Any, **_: Any) -> None:
        if arguments[-1]:
            ready.set()

    app.on_partitions_assigned.connect(on_assigned, weak=False)
    await app.start()
    await ready.wait()
    await told_to_go(work, range(given["share"]))
    going.set()
    await work.stopping.wait()
    await app.stop()


async def faststream_subscriber(work: Work) -> None:
    """Handle each message in a FastStream subscriber; `confirmed` waits for each publication."""
    from faststream.kafka import KafkaBroker, KafkaMessage

    given = work.given
    decide = await decider(given)
    broker = KafkaBroker(given["bootstrap"], acks="all", logger=None)
    going = asyncio.Event()

    class Drain:
        """Says when there are partitions."""

    async def handle(message: KafkaMessage) -> None:
        await going.wait()
        work.begin()
        fetched = message.raw_message
        for out in decide(fetched):
            await broker.publish(
                out.value,
                _named(given, out.topic),
                key=out.key.encode() if out.key else None,
                partition=fetched.partition,
                headers={name: value.decode() for name, value in out.headers},
                no_confirm=not given["confirmed"],
            )
        work.finish(1)

    subscribed = broker.subscriber(
        _named(given, "utterances"), group_id=given["group"], auto_offset_reset="earliest"
    )
    # Annotations of a nested function are no names that FastStream can look up.
    handle.__annotations__ = {"message": KafkaMessage, "return": None}
    subscribed(handle)
    await broker.start()
    await told_to_go(work, await assigned(subscribed.consumer, given["share"]))
    going.set()
    await work.stopping.wait()
    await broker.stop()


# --- replay, and a start's parts ------------------------------------------------------------------


async def replaying(work: Work) -> None:
    """Decide all recorded utterances again."""
    from agents.live import spare_the_collector
    from agents.replay import Identical, replay
    from streams.signing import ANYONE
    from streams.transports.kafka import KafkaLog
    from streams.transports.kafka_connection import KafkaConnection

    log = KafkaLog(KafkaConnection(work.given["bootstrap"], work.given["prefix"]))
    await told_to_go(work, range(PARTITIONS))
    spare_the_collector()
    work.begin()
    different = 0
    async for one in replay(log, ANYONE):
        different += not isinstance(one.verdict, Identical)
        work.done += 1
    work.finish(0)
    assert not different, different
    await log.close()


async def loading(work: Work) -> None:
    """Do what a start does with the versions topic, and say what CPU each part takes."""
    from agents import registries
    from agents.live import spare_the_collector
    from artifacts.registry import Registry
    from streams.codec import decode
    from streams.signing import ANYONE
    from streams.transports.kafka import KafkaLog
    from streams.transports.kafka_connection import KafkaConnection

    spare_the_collector()
    started = time.process_time()
    log = KafkaLog(KafkaConnection(work.given["bootstrap"], work.given["prefix"]))
    reader = await log.reader(("versions",))
    spent = {"connect": time.process_time() - started}
    records: list[Any] = []
    started = time.process_time()
    while more := await reader.read(1000):
        records += more
    spent["read"] = time.process_time() - started
    started = time.process_time()
    events: list[Any] = [decode(record) for record in records]
    spent["decode"] = time.process_time() - started
    load, spent["artifacts"] = registries.load_artifact, 0.0

    def timed(document: Any) -> Any:
        started = time.process_time()
        loaded = load(document)
        spent["artifacts"] += time.process_time() - started
        return loaded

    registries.load_artifact = timed
    started = time.process_time()
    registry = Registry()
    for event in events:
        registry = registries.folded(registry, event, ANYONE)
    spent["fold"] = time.process_time() - started - spent["artifacts"]
    spent["families"] = registry.serving
    await told_to_go(work, ())
    work.given["more"].update(spent)
    await log.close()


MEMBERS: Mapping[str, Callable[[Work], Awaitable[None]]] = {
    "raw": raw,
    "matcher": matcher,
    "faust": faust_agent,
    "faststream": faststream_subscriber,
    "replay": replaying,
    "loading": loading,
}


async def run(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Be a member; return what it did."""
    work = Work(given | {"tasks": [], "more": {}})
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, show_tasks, work)
    await MEMBERS[name](work)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "events": work.done,
        "batches": work.batches,
        "first": work.first,
        "last": work.last,
        "cpu": work.cpu,
        "deciding": work.deciding,
        "held_ms": [1000 * seconds for seconds in work.held],
        "transaction_ms": [1000 * seconds for seconds in work.transactions],
        "megabytes": usage.ru_maxrss / 1024,
        **work.given["more"],
    }


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # its retries are part of the figures
    said = asyncio.run(run(sys.argv[1], json.loads(sys.argv[2])))
    print(json.dumps(said), flush=True)

"""The runner: one node on one transport, batch by batch.

poll ─▶ decode ─▶ decide ─▶ encode ─▶ publish outputs and input positions, both or neither

It has no decisions of its own. A record that cannot be decoded goes to the rejected topic with its
position, and the node goes on; so does a record that leads to an event too large to be recorded,
beside whatever else follows from it, and one at which the node fails.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.node import Asker, Decider, Node
from agents.sensors import SILENT, Sensor
from streams.codec import Undecodable, decode, encode, passthrough, rejected
from streams.events import Event
from streams.topics import TOPIC_OF
from streams.transports import Handled, Outgoing, Reader, Record, Subscription, Transport

Clock = Callable[[], int]
"""Returns UTC microseconds."""

Decode = Callable[[Record], Event | Undecodable]

_READ_AHEAD = 1000
_AT_A_TIME = 100
"""Records that are folded before whoever wants to stop or to know how we are has a turn."""
_REMEMBERED = 4096


@dataclass(slots=True)
class Decoder:
    """Decodes each record once for all nodes of a process; remembers the latest."""

    remembered: dict[tuple[str, int, int], Event | Undecodable] = field(default_factory=dict)

    def event(self, record: Record) -> Event | Undecodable:
        """Return what `decode` returns."""
        position = (record.topic, record.partition, record.offset)
        known = self.remembered.get(position)
        if known is None:
            if len(self.remembered) >= _REMEMBERED:
                self.remembered.clear()
            known = self.remembered[position] = decode(record)
        return known


@dataclass(slots=True)
class Running:
    """A node on a transport, with its state, its place in its group and its reader of the folds."""

    node: Node
    transport: Transport
    subscription: Subscription
    clock: Clock
    decode: Decode
    sensor: Sensor = SILENT
    state: Any = None
    folds: Reader | None = None


async def start(
    node: Node,
    transport: Transport,
    clock: Clock,
    decode: Decode = decode,
    sensor: Sensor = SILENT,
) -> Running:
    """Return the node ready to go on where it stopped, its state rebuilt from the topics.

    It subscribes first: a place that only one process may hold is taken before the topics are read.
    """
    subscription = await transport.subscribe(node.name, node.reads)
    running = Running(node, transport, subscription, clock, decode, sensor)
    if isinstance(node, Decider):
        running.state = node.initial
        if node.folds:
            running.folds = await transport.reader(node.folds)
        await fold(running)
        if node.is_rebuilt:
            await _rebuild(running, node, transport)
    return running


async def fold(running: Running) -> Sequence[Event]:
    """Take into the state what has come on the fold topics; return what the node says to it.

    What it says of the past, at a start, it has said before.
    """
    reader, node = running.folds, running.node
    if reader is None:
        return ()
    assert isinstance(node, Decider)
    said: list[Event] = []
    while records := await reader.read(_READ_AHEAD):
        for number, record in enumerate(records, 1):
            said += _refold(running, node, record)
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)
    if said:
        running.sensor.folded(node.name, said)
    return said


async def keep_up(running: Running) -> None:
    """Take into the state what has come on the fold topics; publish what the node says to it."""
    if said := await fold(running):
        now = running.clock()
        await running.transport.publish([encode(event, timestamp=now) for event in said])


async def _rebuild(running: Running, node: Decider, transport: Transport) -> None:
    """Fold what the group has read before; its outputs lie in the log already."""
    positions = await transport.positions(node.name)
    number = 0
    async for record in transport.scan(node.reads):
        if record.offset < positions.get((record.topic, record.partition), 0):
            _refold(running, node, record)
            number += 1
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)


def _refold(running: Running, node: Decider, record: Record) -> Sequence[Event]:
    """Take a record into the state; one that cannot be used was rejected when it was read."""
    event = running.decode(record)
    if not isinstance(event, Undecodable):
        with contextlib.suppress(Exception):
            running.state, said = node.decide(running.state, event)
            return said
    return ()


async def step(running: Running) -> int:
    """Handle one batch, one record after the other; return how many records were read."""
    await keep_up(running)
    records = await running.subscription.poll(running.node.batch)
    if records:
        started = time.perf_counter()
        made = [await handled(running, record) for record in records]
        await running.subscription.publish(made)
        running.sensor.handled(running.node.name, made, time.perf_counter() - started)
    return len(records)


async def handled(running: Running, record: Record) -> Handled:
    """Return the record with all that follows from it."""
    if isinstance(running.node, Decider):
        return decided(running, running.node, record)
    return await asked(running, running.node, record)


def decided(running: Running, node: Decider, record: Record) -> Handled:
    """Return what a decider makes of a record; its state then holds its own decisions too.

    A decision on a topic that the node folds is folded at once: the next record of the batch is
    decided with it. Reading it later changes nothing.
    """
    trace = running.sensor.begin(node.name, record)
    made = _handled(running, record, _events(running, node, record, running.decode(record)))
    return made if trace is None else trace.end(made)


def all_decided(running: Running, node: Decider, records: Sequence[Record]) -> list[Handled]:
    """Return what `decided` returns of each record.

    All are decoded, then decided, then encoded: one after the other takes a third more time, since
    each stage pushes the others' code and data out of the processor's caches.
    """
    begin, name = running.sensor.begin, node.name
    traces = [begin(name, record) for record in records]
    decoded = map(running.decode, records)
    decisions = [_events(running, node, *each) for each in zip(records, [*decoded], strict=True)]
    made = [_handled(running, *each) for each in zip(records, decisions, strict=True)]
    if not any(traces):
        return made
    return [
        one if trace is None else trace.end(one) for trace, one in zip(traces, made, strict=True)
    ]


def _events(
    running: Running, node: Decider, record: Record, event: Event | Undecodable
) -> Sequence[Event]:
    if isinstance(event, Undecodable):
        return (rejected(record, event.reason),)
    try:
        running.state, events = node.decide(running.state, event)
        if node.folds_own:
            for made in events:
                if TOPIC_OF[type(made)].name in node.folds:
                    running.state, _ = node.decide(running.state, made)
    except Exception as error:  # one record must not stop the node, now and at every restart
        return (rejected(record, _failure(node, error)),)
    return events


async def asked(running: Running, node: Asker, record: Record) -> Handled:
    """Return what an asker makes of a record, when whoever it asks has replied; likewise."""
    trace = running.sensor.begin(node.name, record)
    made = await _asked(running, node, record)
    return made if trace is None else trace.end(made)


async def _asked(running: Running, node: Asker, record: Record) -> Handled:
    event = running.decode(record)
    if isinstance(event, Undecodable):
        return _handled(running, record, [rejected(record, event.reason)])
    try:
        return _handled(running, record, await node.ask(event))
    except Exception as error:  # as above
        return _handled(running, record, [rejected(record, _failure(node, error))])


def _failure(node: Node, error: Exception) -> str:
    return f"{node.name} failed: {type(error).__name__}: {error}"


def _handled(running: Running, cause: Record, events: Sequence[Event]) -> Handled:
    headers = passthrough(cause.headers)
    now = running.clock()
    made: list[Outgoing] = []
    for event in events:
        try:
            made.append(encode(event, timestamp=now, headers=headers))
        except ValueError as error:
            refused = rejected(cause, f"{running.node.name}: {error}")
            made.append(encode(refused, timestamp=now, headers=headers))
    return Handled(cause, made)


async def drain(nodes: Sequence[Running], between: Callable[[], Awaitable[None]]) -> int:
    """Run the nodes in turn until none has anything to read; `between` runs after each step."""
    total = 0
    while True:
        read = 0
        for running in nodes:
            read += await step(running)
            await between()
        if not read:
            return total
        total += read

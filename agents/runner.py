"""The runner: one node on one transport, batch by batch.

poll ─▶ decode ─▶ decide ─▶ encode ─▶ publish outputs and input positions, both or neither

It has no decisions of its own. A record that cannot be decoded goes to the rejected topic with its
position, and the node goes on; so does a record that leads to an event too large to be recorded,
beside whatever else follows from it, and one at which the node fails.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.node import Asker, Decider, Node
from streams.codec import Undecodable, decode, encode, passthrough, rejected
from streams.events import Event
from streams.transports import Outgoing, Record, Transport

Clock = Callable[[], int]
"""Returns UTC microseconds."""

_READ_AHEAD = 1000
_REMEMBERED = 4096


@dataclass(slots=True)
class Decoder:
    """Decodes each record once for all nodes of a process; remembers the latest."""

    remembered: dict[int, Event | Undecodable] = field(default_factory=dict)

    def event(self, record: Record) -> Event | Undecodable:
        """Return what `decode` returns."""
        known = self.remembered.get(record.sequence)
        if known is None:
            if len(self.remembered) >= _REMEMBERED:
                self.remembered.clear()
            known = self.remembered[record.sequence] = decode(record)
        return known


@dataclass(slots=True)
class Running:
    """A node with its state and how far its folds have been read."""

    node: Node
    transport: Transport
    clock: Clock
    decoder: Decoder
    state: Any = None
    folded: dict[str, int] = field(default_factory=dict)
    next_sequence: int = 0


async def start(node: Node, transport: Transport, clock: Clock, decoder: Decoder) -> Running:
    """Return the node ready to go on where it stopped, its state rebuilt from the topics."""
    running = Running(node, transport, clock, decoder)
    if isinstance(node, Decider):
        running.state = node.initial
        await _fold(running, node)
        if node.is_rebuilt:
            await _rebuild(running, node)
    return running


async def _fold(running: Running, node: Decider) -> None:
    """Read the fold topics to their ends."""
    if not node.folds:
        return
    ends = {topic: await running.transport.end(topic) for topic in node.folds}
    while any(running.folded.get(topic, 0) < end for topic, end in ends.items()):
        records = await running.transport.read(node.folds, running.next_sequence, _READ_AHEAD)
        for record in records:
            _refold(running, node, record)
            running.folded[record.topic] = record.offset + 1
            running.next_sequence = record.sequence + 1
        if not records:
            return


async def _rebuild(running: Running, node: Decider) -> None:
    """Fold what the group has read before; its outputs lie in the log already."""
    positions = await running.transport.positions(node.name)
    sequence = 0
    while records := await running.transport.read(node.reads, sequence, _READ_AHEAD):
        for record in records:
            sequence = record.sequence + 1
            if record.offset < positions.get(record.topic, 0):
                _refold(running, node, record)


def _refold(running: Running, node: Decider, record: Record) -> None:
    """Take a record into the state; one that cannot be used was rejected when it was read."""
    event = running.decoder.event(record)
    if not isinstance(event, Undecodable):
        with contextlib.suppress(Exception):
            running.state, _ = node.decide(running.state, event)


async def step(running: Running) -> int:
    """Handle one batch; return how many records were read."""
    node = running.node
    if isinstance(node, Decider):
        await _fold(running, node)
    records = await running.transport.poll(node.name, node.reads, node.batch)
    if not records:
        return 0
    outgoing: list[Outgoing] = []
    positions: dict[str, int] = {}
    handle = _decided if isinstance(node, Decider) else _asked
    for record in records:
        made = await handle(running, record)
        outgoing.extend(made)
        positions[record.topic] = record.offset + 1
        if isinstance(node, Decider) and any(out.topic in node.folds for out in made):
            break
    await running.transport.publish(outgoing, group=node.name, positions=positions)
    return len(records)


async def _decided(running: Running, record: Record) -> list[Outgoing]:
    event = running.decoder.event(record)
    if isinstance(event, Undecodable):
        return _outgoing(running, record, [rejected(record, event.reason)])
    assert isinstance(running.node, Decider)
    try:
        running.state, events = running.node.decide(running.state, event)
    except Exception as error:  # one record must not stop the node, now and at every restart
        return _outgoing(running, record, [rejected(record, _failure(running, error))])
    return _outgoing(running, record, events)


async def _asked(running: Running, record: Record) -> list[Outgoing]:
    event = running.decoder.event(record)
    if isinstance(event, Undecodable):
        return _outgoing(running, record, [rejected(record, event.reason)])
    assert isinstance(running.node, Asker)
    try:
        return _outgoing(running, record, await running.node.ask(event))
    except Exception as error:  # as above
        return _outgoing(running, record, [rejected(record, _failure(running, error))])


def _failure(running: Running, error: Exception) -> str:
    return f"{running.node.name} failed: {type(error).__name__}: {error}"


def _outgoing(running: Running, cause: Record, events: Sequence[Event]) -> list[Outgoing]:
    headers = passthrough(cause.headers)
    now = running.clock()
    made: list[Outgoing] = []
    for event in events:
        try:
            made.append(encode(event, timestamp=now, headers=headers))
        except ValueError as error:
            refused = rejected(cause, f"{running.node.name}: {error}")
            made.append(encode(refused, timestamp=now, headers=headers))
    return made


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

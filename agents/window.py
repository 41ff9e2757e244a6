"""The window: an asker with many records in flight, published as a prefix in order.

poll ─▶ a task per record ─▶ the longest finished prefix of each partition ─▶ publish

Whoever is asked may take seconds, and its replies come in any order, but a group's position is one
number per partition: everything before it has been handled. So a reply behind an unfinished one
waits in memory, for as long as the teacher's time-out allows. A killed process, and a lost turn,
forget what waits: those records come again, and the teacher is asked about them once more.

Why not mark what is finished beyond the prefix, in the metadata that a broker keeps beside a
position? The marks would have to be committed with the outputs that lie beyond the prefix; a member
that takes the partition over must read them before its first poll; the metadata is bounded (4 KiB
on a broker), so a window must be bounded by it; and the embedded log has none. It would save, at a
kill, at most one window of questions. Why not one record after the other: a teacher that needs a
second would answer one utterance a second.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from agents.node import Asker
from agents.runner import Running, handled
from streams.transports import Handled, Place, Record, TurnLost

Answering = asyncio.Task[Handled]


@dataclass(slots=True)
class _Lane:
    """The records of one partition that were polled and are not published, in order.

    Those of `answering` come first; `later` are read ahead and not asked about yet. `begun` has the
    loop's time of each question.
    """

    answering: deque[Answering] = field(default_factory=deque)
    begun: deque[float] = field(default_factory=deque)
    later: deque[Record] = field(default_factory=deque)

    def finished(self) -> Iterator[Handled]:
        """Yield the longest prefix that is finished."""
        for task in self.answering:
            if not task.done():
                return
            yield task.result()


class Window:
    """An asker on a transport, with up to `size` (≥ 1) records of each partition in flight.

    `changed` is set whenever a record is finished: wait for it, then call `advance`. A record is in
    flight from the question until it is published.
    """

    __slots__ = ("_changed", "_forgotten", "_lanes", "_node", "_running", "_size")

    def __init__(self, running: Running, size: int, changed: asyncio.Event) -> None:
        if not isinstance(running.node, Asker):
            raise TypeError(f"{running.node.name} is no asker; run it step by step")
        if size < 1:
            raise ValueError(f"the window of {running.node.name} holds {size}; the least is 1")
        self._running = running
        self._node = running.node
        self._size = size
        self._changed = changed
        self._lanes: dict[Place, _Lane] = {}
        self._forgotten: set[Answering] = set()

    @property
    def in_flight(self) -> int:
        """How many records are asked about and not published."""
        return sum(len(lane.answering) for lane in self._lanes.values())

    async def advance(self) -> int:
        """Publish what is finished, poll what there is room for, and begin to ask.

        Returns 0 when there is nothing to do before `changed` is set or records arrive. Never waits
        for an answer. When the turn is lost everything is forgotten; it is polled again.
        """
        try:
            moved = await self._publish() + await self._poll()
        except TurnLost:
            self.cancel()
            return 1
        self._ask()
        return moved

    async def drain(self, seconds: float) -> None:
        """Poll no more; publish what is finished in order within `seconds`, forget the rest."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        try:
            await self._publish()
            while (left := end - clock()) > 0 and (open_ := self._unfinished()):
                await asyncio.wait(open_, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                await self._publish()
        except TurnLost:
            pass
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Forget everything that was polled; it comes again to whoever polls next."""
        unfinished = self._unfinished()
        self._forgotten.update(unfinished)  # a task that nobody holds may vanish unfinished
        self._lanes.clear()
        for task in unfinished:
            task.cancel()

    async def _publish(self) -> int:
        """Publish the longest finished prefix of every partition, together."""
        prefixes = {place: list(lane.finished()) for place, lane in self._lanes.items()}
        finished = [one for prefix in prefixes.values() for one in prefix]
        if not finished:
            return 0
        await self._running.subscription.publish(finished)
        begun = min(self._lanes[place].begun[0] for place, prefix in prefixes.items() if prefix)
        for place, prefix in prefixes.items():
            for _ in prefix:
                self._lanes[place].answering.popleft()
                self._lanes[place].begun.popleft()
        sensor, clock = self._running.sensor, asyncio.get_running_loop().time
        sensor.handled(self._node.name, finished, clock() - begun)
        return len(finished)

    async def _poll(self) -> int:
        """Poll into the lanes, one window ahead: behind a full one an empty one may begin."""
        held = sum(len(lane.answering) + len(lane.later) for lane in self._lanes.values())
        room = self._size * (len(self._lanes) + 1) - held
        if room < 1:
            return 0
        records = await self._running.subscription.poll(room)
        for record in records:
            place = (record.topic, record.partition)
            self._lanes.setdefault(place, _Lane()).later.append(record)
        return len(records)

    def _ask(self) -> None:
        for lane in self._lanes.values():
            while lane.later and len(lane.answering) < self._size:
                task = asyncio.create_task(handled(self._running, lane.later.popleft()))
                task.add_done_callback(self._finished)
                lane.answering.append(task)
                lane.begun.append(asyncio.get_running_loop().time())

    def _finished(self, task: Answering) -> None:
        self._forgotten.discard(task)
        self._changed.set()

    def _unfinished(self) -> list[Answering]:
        return [t for lane in self._lanes.values() for t in lane.answering if not t.done()]

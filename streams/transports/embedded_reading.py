"""Readers and group members of the embedded log: where each of them stands."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from streams.transports import Handled, Outgoing, Place, Record

_PAGE = 1000


class _Log(Protocol):
    @property
    def following(self) -> int: ...
    def after(
        self, nexts: Mapping[str, int], topics: Sequence[str], limit: int
    ) -> Sequence[Record]: ...
    async def read(
        self, topics: Sequence[str], start: int = 0, limit: int = 1000
    ) -> Sequence[Record]: ...
    async def ends(self, topics: Sequence[str]) -> Mapping[Place, int]: ...
    async def publish(
        self,
        outgoing: Sequence[Outgoing],
        *,
        group: str | None = None,
        positions: Mapping[str, int] | None = None,
    ) -> None: ...


class EmbeddedReader:
    """A `Reader` by sequence; costs no SQL when nothing new has come."""

    __slots__ = ("_log", "_next", "_seen", "_topics")

    def __init__(self, log: _Log, topics: Sequence[str], start: int) -> None:
        self._log = log
        self._topics = topics
        self._next = start
        self._seen = start

    async def read(self, limit: int) -> Sequence[Record]:
        """Return up to `limit` next records by sequence; never waits."""
        following = self._log.following
        if self._seen == following:
            return ()
        records = await self._log.read(self._topics, self._next, limit)
        if records:
            self._next = records[-1].sequence + 1
        if len(records) < limit:
            self._next = self._seen = max(self._next, following)
        return records

    async def close(self) -> None:
        """Nothing is held."""


class EmbeddedSubscription:
    """A `Subscription` that remembers what it polled and has not published."""

    __slots__ = ("_group", "_log", "_polled", "_topics")

    def __init__(
        self, log: _Log, group: str, topics: Sequence[str], nexts: Mapping[str, int]
    ) -> None:
        self._log = log
        self._group = group
        self._topics = topics
        self._polled = dict(nexts)

    async def poll(self, limit: int) -> Sequence[Record]:
        """Return up to `limit` next records by sequence; never waits."""
        records = self._log.after(self._polled, self._topics, limit)
        for record in records:
            self._polled[record.topic] = record.offset + 1
        return records

    async def publish(self, handled: Sequence[Handled]) -> None:
        """Append all that followed and move the group behind the records: both, or neither."""
        await self._log.publish(
            [outgoing for one in handled for outgoing in one.outgoing],
            group=self._group,
            positions={one.record.topic: one.record.offset + 1 for one in handled},
        )

    @property
    def is_assigned(self) -> bool:
        """Always: the members of a group do not know of each other."""
        return True

    async def standing(self) -> Mapping[Place, tuple[int, int]]:
        """Return, by topic, the next offset to poll and the end."""
        ends = await self._log.ends(self._topics)
        return {place: (self._polled.get(place[0], 0), end) for place, end in ends.items()}

    async def close(self) -> None:
        """Nothing is held."""


@asynccontextmanager
async def walking(
    log: _Log, starts: Mapping[Place, int]
) -> AsyncIterator[Mapping[Place, AsyncIterator[Record]]]:
    """Open a walk of each topic, from an offset on to the end that it has now."""
    ends = await log.ends([topic for topic, _ in starts])
    yield {place: _walk(log, place[0], start, ends[place]) for place, start in starts.items()}


async def _walk(log: _Log, topic: str, start: int, end: int) -> AsyncIterator[Record]:
    while start < end and (page := log.after({topic: start}, (topic,), min(_PAGE, end - start))):
        for record in page:
            yield record
        start = page[-1].offset + 1

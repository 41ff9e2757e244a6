"""Reading a cluster's topics outside any group.

A fold waits at its start until everything has been read that lay there when it began: each
partition's end is asked for once, and the position is compared with it, not the number of records
(control records and compaction leave gaps). Afterwards it takes what has come.
"""

import asyncio
import contextlib
import heapq
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError

from streams.transports import LogUnavailable, Place, Record
from streams.transports.kafka_client import consumer, partitions
from streams.transports.kafka_connection import KafkaConnection
from streams.transports.kafka_errors import explained, reaching

FETCH_WAIT_MS = 50
"""How long a broker may hold a fetch back when it has nothing."""

_WAIT_MS = 200
_PAGE = 2000
_SILENT_S = 30.0
"""How long records that lie there may fail to come."""


def records_of(connection: KafkaConnection, fetched: Sequence[Any]) -> list[Record]:
    """Return the records of one partition as they were fetched; missing values are empty."""
    if not fetched:
        return []
    topic, partition = connection.ours(fetched[0].topic), fetched[0].partition
    made = []
    for message in fetched:
        key, time = message.key, message.timestamp * 1000
        headers = message.headers
        for _, value in headers:
            if value is None:
                headers = tuple((name, given or b"") for name, given in headers)
        made.append(
            Record(
                topic,
                partition,
                message.offset,
                time,
                None if key is None else key.decode("utf-8", "backslashreplace"),
                headers,
                message.value or b"",
                time,
            )
        )
    return made


class KafkaReader:
    """A `Reader` of all partitions of some topics."""

    __slots__ = ("_connection", "_consumer", "_outstanding", "is_closed")

    def __init__(
        self, connection: KafkaConnection, made: Any, outstanding: dict[TopicPartition, int]
    ) -> None:
        self._connection = connection
        self._consumer = made
        self._outstanding = outstanding
        self.is_closed = False

    async def read(self, limit: int) -> Sequence[Record]:
        """Return up to `limit` next records; waits while some lay there at the opening."""
        while True:
            wait = _WAIT_MS if self._outstanding else 0
            try:
                fetched = await self._consumer.getmany(timeout_ms=wait, max_records=limit)
                await self._note_progress()
            except KafkaError as error:
                raise explained(self._connection, error) from error
            if fetched or not self._outstanding:
                return [r for rs in fetched.values() for r in records_of(self._connection, rs)]

    async def _note_progress(self) -> None:
        for place, end in list(self._outstanding.items()):
            if await self._consumer.position(place) >= end:
                del self._outstanding[place]

    async def close(self) -> None:
        """Disconnect."""
        self.is_closed = True
        await self._consumer.stop()


def is_closed(one: object) -> bool:
    """Whether it is a reader that has disconnected."""
    return isinstance(one, KafkaReader) and one.is_closed


async def open_reader(
    connection: KafkaConnection, topics: Sequence[str], *, from_end: bool
) -> KafkaReader:
    """Return a reader of all partitions from their starts, or of what comes after now."""
    made, places = await _assigned(connection, topics)
    try:
        with reaching(connection):
            if not from_end:
                await made.seek_to_beginning(*places)
                return KafkaReader(connection, made, await made.end_offsets(places))
            await made.seek_to_end(*places)
            for place in places:
                await made.position(place)
            return KafkaReader(connection, made, {})
    except BaseException:
        await made.stop()
        raise


async def _assigned(
    connection: KafkaConnection, topics: Sequence[str]
) -> tuple[Any, list[TopicPartition]]:
    counts = await partitions(connection, topics)
    places = [
        TopicPartition(connection.named(topic), number)
        for topic, count in counts.items()
        for number in range(count)
    ]
    made = await consumer(connection, None, fetch_max_wait_ms=FETCH_WAIT_MS)
    made.assign(places)
    return made, places


async def scan(
    connection: KafkaConnection, topics: Sequence[str], since: int
) -> AsyncIterator[Record]:
    """Yield what lies in `topics` now, merged by timestamp over all partitions."""
    made, places = await _assigned(connection, topics)
    try:
        ends = await made.end_offsets(places)
        await made.seek_to_beginning(*places)
        if since > 0:
            await _seek_to_time(made, places, ends, since)
        walks = [_Walk(connection, made, place, ends[place]) for place in places]
        heads = [(head.sequence, number) for number, walk in enumerate(walks)
                 if (head := await walk.head()) is not None]  # fmt: skip
        heapq.heapify(heads)
        while heads:
            _, number = heads[0]
            record = walks[number].records.popleft()
            if record.timestamp >= since:
                yield record
            following = await walks[number].head()
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following.sequence, number))
    except KafkaError as error:
        raise explained(connection, error) from error
    finally:
        await made.stop()


async def _seek_to_time(
    made: Any, places: Sequence[TopicPartition], ends: dict[TopicPartition, int], since: int
) -> None:
    found = await made.offsets_for_times(dict.fromkeys(places, since // 1000))
    for place in places:
        made.seek(place, ends[place] if found[place] is None else found[place].offset)


class _Walk:
    """One partition from its start to the end it had; `records` are at hand."""

    __slots__ = ("connection", "end", "made", "place", "records")

    def __init__(
        self, connection: KafkaConnection, made: Any, place: TopicPartition, end: int
    ) -> None:
        self.connection = connection
        self.made = made
        self.place = place
        self.end = end
        self.records: deque[Record] = deque()

    async def head(self) -> Record | None:
        """Return the next record, or None at the end; raise Unreachable where none comes."""
        if not self.records:
            with reaching(self.connection):
                async with asyncio.timeout(_SILENT_S):
                    await self._fetch()
        return self.records[0] if self.records else None

    async def _fetch(self) -> None:
        while not self.records and await self.made.position(self.place) < self.end:
            fetched = await self.made.getmany(self.place, timeout_ms=_WAIT_MS, max_records=_PAGE)
            for messages in fetched.values():
                self.records.extend(
                    r for r in records_of(self.connection, messages) if r.offset < self.end
                )

    async def steps(self) -> AsyncIterator[Record]:
        """Yield the records that are left."""
        while await self.head() is not None:
            yield self.records.popleft()


@contextlib.asynccontextmanager
async def walking(
    connection: KafkaConnection, starts: Mapping[Place, int]
) -> AsyncIterator[Mapping[Place, AsyncIterator[Record]]]:
    """Open a walk of each partition, from an offset on to the end that it has now."""
    made = await consumer(connection, None, fetch_max_wait_ms=FETCH_WAIT_MS)
    try:
        named = {place: TopicPartition(connection.named(place[0]), place[1]) for place in starts}
        with reaching(connection):
            made.assign(list(named.values()))
            ends = await made.end_offsets(list(named.values()))
            firsts = await made.beginning_offsets(list(named.values()))
        for place, start in starts.items():
            made.seek(named[place], max(start, firsts[named[place]]))
        yield {place: _Walk(connection, made, at, ends[at]).steps() for place, at in named.items()}
    finally:
        await made.stop()


async def first_offsets(
    connection: KafkaConnection, topics: Sequence[str], since: int
) -> dict[Place, int]:
    """Return, by place, the first offset with a record not before `since`, or the end."""
    made, places = await _assigned(connection, topics)
    try:
        with reaching(connection):
            found = await made.end_offsets(places)
            if since > 0:
                later = await made.offsets_for_times(dict.fromkeys(places, -(-since // 1000)))
                found |= {place: at.offset for place, at in later.items() if at is not None}
            else:
                found = await made.beginning_offsets(places)
    finally:
        await made.stop()
    return {(connection.ours(place.topic), place.partition): at for place, at in found.items()}


async def set_positions(
    connection: KafkaConnection, group: str, nexts: Mapping[Place, int]
) -> None:
    """Set the next offsets of a group that has no members."""
    made = await consumer(connection, group)
    try:
        places = {TopicPartition(connection.named(t), n): at for (t, n), at in nexts.items()}
        made.assign(list(places))
        try:
            await made.commit(places)
        except CommitFailedError as error:
            raise LogUnavailable(
                f"{connection.bootstrap}: group {connection.named(group)!r} has members:"
                " stop its agents first"
            ) from error
        except KafkaError as error:
            raise LogUnavailable(f"{connection.bootstrap}: {error!r}") from error
    finally:
        await made.stop()


async def ends(connection: KafkaConnection, topics: Sequence[str]) -> dict[Place, int]:
    """Return the offset that the next committed record of each partition will have."""
    made, places = await _assigned(connection, topics)
    try:
        with reaching(connection):
            found = await made.end_offsets(places)
    finally:
        await made.stop()
    return {(connection.ours(place.topic), place.partition): end for place, end in found.items()}


async def positions(
    connection: KafkaConnection, group: str, topics: Sequence[str]
) -> dict[Place, int]:
    """Return the group's next offset by place; places never read are absent."""
    counts = await partitions(connection, topics)
    made = await consumer(connection, group)
    try:
        found: dict[Place, int] = {}
        with reaching(connection):
            for topic, count in counts.items():
                for number in range(count):
                    place = TopicPartition(connection.named(topic), number)
                    if (following := await made.committed(place)) is not None:
                        found[topic, number] = following
        return found
    finally:
        await made.stop()

"""Copying a log into another: between the embedded log and a cluster, both ways, in several runs.

    1 compare what the target holds ─▶ 2 append what is missing ─▶ 3 compare all, place the groups

How does a second run know what is there? A marker in the target says what somebody believed: on a
cluster it is not stored together with the records, and a crash between the two doubles some. A
count of each topic tells neither another log nor another order. So the records themselves are
compared: what a place of the target holds must be, in order, records of the source that belong
there. That costs reading the target, refuses a target with other records before anything is
written, and the last pass proves the copy.

*Which partition?* With as many partitions on both sides the same one; into one partition all, in
order of time over all topics; out of one partition by key, as every Kafka client chooses, and 0
where there is no key. So each partition's and each key's order is kept.

*Groups* are placed behind what they have read, or agents started on the copy would decide
everything again and ask the teacher anew. Where partitions are merged, what a group has read need
not be the start of the copy; it is then placed before the first record that it has not read, and
reads `again` what it knows of the rest: copy when the agents are stopped and nothing waits.

What the source has deleted since an earlier run, by age or by compaction, stays in the target, as
long as the two still meet.

Not copied: offsets (positions in rejected records are those of the source), and microseconds below
a millisecond, which brokers do not keep. Bytes of a stranger's key or header name that are not
UTF-8 are written as backslash escapes, as records show them.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from streams.topics import TOPIC_NAMES, TOPICS
from streams.transports import Log, Outgoing, Place, Record

_RECORDS, _BYTES = 1000, 4 * 1_048_576
"""Most records, and bytes of values, that are appended at once."""

_COMPACTED = frozenset(topic.name for topic in TOPICS if topic.kept == "newest by key")

Lane = tuple[Place, int]
"""A place of the source, and the partition of the target to which some of its records go."""

Advance = Callable[[int], None]


class CannotCopy(Exception):
    """The target is no copy of the start of the source, or cannot become one."""


@dataclass(slots=True)
class Copied:
    """What a copy did: records by topic that were there and that were appended; groups placed.

    `again` says how many records a group will read once more.
    """

    present: Counter[str] = field(default_factory=Counter)
    appended: Counter[str] = field(default_factory=Counter)
    groups: list[str] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Compared:
    """How much of each lane the target holds, and where each group has to go on there."""

    held: Counter[Lane] = field(default_factory=Counter)
    nexts: dict[str, dict[Place, int]] = field(default_factory=dict)
    again: Counter[str] = field(default_factory=Counter)


async def copy(
    source: Log, target: Log, groups: Sequence[str], advance: Advance = lambda _: None
) -> Copied:
    """Append what the target lacks of the source; raise CannotCopy where it is another log.

    `advance` is told how many records of the source were passed.
    """
    routes = _Routes(await _counts(source), await _counts(target))
    before = await _compared(source, target, routes, {})
    seen = await _append(source, target, routes, before.held, advance)
    positions = {group: await source.positions(group) for group in groups}
    after = await _compared(source, target, routes, positions)
    for lane, count in seen.items():
        if after.held[lane] < count:
            (topic, partition), _ = lane
            raise CannotCopy(f"{topic}/{partition}: {count - after.held[lane]} records are missing")
    copied = Copied(again=after.again)
    for ((topic, _), _), count in before.held.items():
        copied.present[topic] += count
    for ((topic, _), _), count in (after.held - before.held).items():
        copied.appended[topic] += count
    for group, nexts in after.nexts.items():
        known = await target.positions(group)
        moved = {place: at for place, at in nexts.items() if at > known.get(place, 0)}
        if moved:
            await target.set_positions(group, moved)
        copied.groups.append(group)
    return copied


async def length(log: Log) -> int:
    """Return about how many records lie in a log; a cluster counts its transactions' marks, too."""
    firsts = await log.first_offsets(TOPIC_NAMES)
    return sum(end - firsts[place] for place, end in (await log.ends(TOPIC_NAMES)).items())


async def oldest(log: Log, topics: Sequence[str]) -> Mapping[str, int]:
    """Return the time of the first record of each topic that has any, in UTC microseconds."""
    found: dict[str, int] = {}
    async with log.walking(await log.first_offsets(topics)) as walks:
        for (topic, _), walk in walks.items():
            if (first := await anext(walk, None)) is not None:
                found[topic] = min(found.get(topic, first.timestamp), first.timestamp)
    return found


def as_copied(record: Record) -> Outgoing:
    """Return the record as it is written into another log, and compared there."""
    headers = tuple(
        (name.encode("utf-8", "backslashreplace").decode(), value) for name, value in record.headers
    )
    time = record.timestamp // 1000 * 1000
    return Outgoing(record.topic, record.key, headers, record.value, time)


# --- which partition ------------------------------------------------------------------------------


async def _counts(log: Log) -> Mapping[str, int]:
    return Counter(topic for topic, _ in await log.ends(TOPIC_NAMES))


@dataclass(frozen=True, slots=True)
class _Routes:
    """The number of partitions of each topic on both sides."""

    source: Mapping[str, int]
    target: Mapping[str, int]

    def __post_init__(self) -> None:
        for topic, given in self.source.items():
            if 1 not in (given, self.target[topic]) and given != self.target[topic]:
                raise CannotCopy(
                    f"{topic} has {given} partitions and the target's has {self.target[topic]}: "
                    f"make it with as many (KAPPA_PARTITIONS={given}, `kappa topics apply`)"
                )

    def partition(self, record: Record) -> int:
        """Return the partition of the target to which a record goes."""
        given, wanted = self.source[record.topic], self.target[record.topic]
        if given == wanted:
            return record.partition
        if wanted == 1 or record.key is None:
            return 0
        from streams.transports.kafka_client import partition_for  # only a cluster has several

        return partition_for(record.key, wanted)

    def feeding(self, place: Place) -> list[Place]:
        """Return the places of the source that records of a place of the target come from."""
        if self.source[place[0]] == self.target[place[0]]:
            return [place]
        return [(place[0], number) for number in range(self.source[place[0]])]


# --- comparing ------------------------------------------------------------------------------------


async def _compared(
    source: Log, target: Log, routes: _Routes, positions: Mapping[str, Mapping[Place, int]]
) -> _Compared:
    """Compare all that the target holds with the source."""
    made = _Compared()
    async with target.walking(await target.first_offsets(TOPIC_NAMES)) as walks:
        for place, walk in walks.items():
            first = await anext(walk, None)
            if first is not None:
                await _compare(source, routes, place, _chained(first, walk), positions, made)
    return made


async def _chained(first: Record, rest: AsyncIterator[Record]) -> AsyncIterator[Record]:
    yield first
    async for record in rest:
        yield record


async def _compare(
    source: Log,
    routes: _Routes,
    place: Place,
    held: AsyncIterator[Record],
    positions: Mapping[str, Mapping[Place, int]],
    made: _Compared,
) -> None:
    """Compare what one place of the target holds with what the source has for it."""
    topic, partition = place
    firsts = await source.first_offsets((topic,))
    followers = [_Follower(group, nexts) for group, nexts in positions.items()]
    async with source.walking({each: firsts[each] for each in routes.feeding(place)}) as walks:
        queues = [_Queue(walk, routes, place, firsts[each]) for each, walk in walks.items()]
        async for record in held:
            copied = as_copied(record)
            for queue in queues:
                head = await queue.head()
                if head is not None and as_copied(head) == copied:
                    made.held[(topic, head.partition), partition] += 1
                    queue.take()
                    for follower in followers:
                        follower.note(head, record)
                    break
            else:
                _pass_over(record, queues)
    if any(queue.passed and not queue.has_begun for queue in queues):
        raise CannotCopy(f"{topic}/{partition}: what followed on it is deleted in the source")
    for follower in followers:
        if follower.following is not None:
            made.nexts.setdefault(follower.group, {})[place] = follower.following
        made.again[follower.group] += follower.again


def _pass_over(record: Record, queues: Sequence["_Queue"]) -> None:
    """Pass over a record that the source has deleted; raise CannotCopy where it cannot have."""
    if record.topic in _COMPACTED:
        return
    waiting = [queue for queue in queues if queue.first > 0 and not queue.has_begun]
    if not waiting:
        raise CannotCopy(
            f"the target holds other records: {record.topic}/{record.partition}/{record.offset} "
            "is not the next one of the source"
        )
    for queue in waiting:
        queue.passed += 1


class _Queue:
    """What goes to one place of the target, out of a walk of the source from `first` on.

    `passed` counts what the target holds before the walk has begun: the source has deleted it.
    """

    __slots__ = ("_head", "first", "has_begun", "partition", "passed", "routes", "walk")

    def __init__(
        self, walk: AsyncIterator[Record], routes: _Routes, place: Place, first: int
    ) -> None:
        self.walk, self.routes, self.partition = walk, routes, place[1]
        self.first = first
        self.passed = 0
        self.has_begun = False
        self._head: Record | None = None

    async def head(self) -> Record | None:
        """Return the next record, or None at the end."""
        while self._head is None:
            record = await anext(self.walk, None)
            if record is None:
                return None
            if self.routes.partition(record) == self.partition:
                self._head = record
        return self._head

    def take(self) -> None:
        """Go on behind the head."""
        self._head = None
        self.has_begun = True


class _Follower:
    """Where a group goes on at one place of the target."""

    __slots__ = ("again", "following", "group", "is_broken", "nexts")

    def __init__(self, group: str, nexts: Mapping[Place, int]) -> None:
        self.group, self.nexts = group, nexts
        self.following: int | None = None
        self.is_broken = False
        self.again = 0

    def note(self, head: Record, copied: Record) -> None:
        """Note the next record of the place, and the one of the source that it is."""
        is_read = head.offset < self.nexts.get((head.topic, head.partition), 0)
        if not is_read:
            self.is_broken = True
        elif self.is_broken:
            self.again += 1
        else:
            self.following = copied.offset + 1


# --- appending ------------------------------------------------------------------------------------


async def _append(
    source: Log, target: Log, routes: _Routes, held: Mapping[Lane, int], advance: Advance
) -> Counter[Lane]:
    """Append what the target does not hold; return how many records each lane has."""
    seen: Counter[Lane] = Counter()
    batch: list[tuple[int, Outgoing]] = []
    size = 0
    async for record in source.scan(TOPIC_NAMES):
        lane = ((record.topic, record.partition), routes.partition(record))
        seen[lane] += 1
        advance(1)
        if seen[lane] > held.get(lane, 0):
            batch.append((lane[1], as_copied(record)))
            size += len(record.value)
        if len(batch) >= _RECORDS or size >= _BYTES:
            await target.append(batch)
            batch, size = [], 0
    await target.append(batch)
    return seen

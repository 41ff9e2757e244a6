"""The embedded log: all topics in one SQLite file, one writer process, any number of readers.

Outputs and input positions lie in the same file, so one transaction holds both: that is the whole
of exactly-once here. The writer is alone, so it keeps the end of every topic and the positions of
every group in memory: a poll that finds nothing new asks SQLite nothing. A reader keeps them too,
and loads them again when SQLite says that another process has committed.

    log = EmbeddedLog.open(Path("kappa.db"))
    await log.publish([answer], group="matcher", positions={"utterances": 7})
    with log.batch():                     # many publishes, one transaction
        ...
    await log.close()
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Self

from streams.topics import TOPIC_NAMES
from streams.transports import LogCorrupt, LogUnavailable, Outgoing, Place, Record
from streams.transports.embedded_file import (
    WriterPlace,
    open_memory,
    open_reader,
    open_writer,
    transport_error,
)
from streams.transports.embedded_reading import EmbeddedReader, EmbeddedSubscription, walking
from streams.transports.embedded_rows import (
    FIND,
    FIRST,
    INSERT,
    MOVE,
    Row,
    packed,
    records,
    since_offsets,
    since_sequence,
)

_PAGE = 1000
_NOWHERE: Mapping[str, int] = MappingProxyType({})


class EmbeddedLog:
    """A `Transport` on SQLite. Its coroutines never suspend; use it from one thread only.

    Every method raises LogUnavailable or LogCorrupt when SQLite fails, and LogUnavailable after
    `close`; every method raises ValueError for a topic that is not in the topic table.
    """

    __slots__ = (
        "_connection",
        "_ends",
        "_is_batching",
        "_is_open",
        "_lost",
        "_name",
        "_place",
        "_positions",
        "_read_only",
        "_sequence",
        "_version",
    )

    def __init__(
        self, name: str, connection: sqlite3.Connection, place: WriterPlace | None, read_only: bool
    ) -> None:
        """Use `EmbeddedLog.open` instead."""
        self._name = name
        self._connection = connection
        self._place = place
        self._read_only = read_only
        self._is_open = True
        self._is_batching = False
        self._lost: BaseException | None = None
        self._version = -1
        self._sequence = 0
        self._ends: dict[str, int] = {}
        self._positions: dict[str, dict[str, int]] = {}
        self._load()

    @classmethod
    def open(cls, path: Path | Literal[":memory:"], *, read_only: bool = False) -> Self:
        """Open the log at `path`, or a fresh one in memory.

        A writer makes the file when there is none (not its directory), and holds a lock on
        `<path>.lock` until it is closed. With `read_only` the log must exist; the writer may live
        meanwhile, and what it commits is seen at the next call.

        Raises WriterBusy when there is a writer already, LogCorrupt when the file is damaged,
        LogUnavailable when it cannot be a log or this user may not use it; ValueError for a
        read-only log in memory.
        """
        if isinstance(path, str):
            if path != ":memory:" or read_only:
                raise ValueError(f"{path!r}, read_only={read_only}: give a Path, or ':memory:'")
            return cls(path, open_memory(), None, read_only=False)
        path = path.resolve()
        if read_only:
            return cls(str(path), open_reader(path), None, read_only=True)
        connection, place = open_writer(path)
        try:
            return cls(str(path), connection, place, read_only=False)
        except BaseException:
            connection.close()
            place.abandon()
            raise

    async def publish(
        self,
        outgoing: Sequence[Outgoing],
        *,
        group: str | None = None,
        positions: Mapping[str, int] | None = None,
    ) -> None:
        """Append `outgoing` and set the group's next offsets to `positions`: both, or neither.

        On return both are on the disk, except within `batch`. Without records and positions
        nothing happens. Raises ValueError for positions without a group, a position that goes
        backwards or beyond the end that the topic had before, and a record whose key or timestamp
        SQLite cannot hold; LogUnavailable for a read-only log.
        """
        self._refuse_unless_writable()
        moves = self._checked_moves(group, positions)
        ends = self._ends.copy()
        rows = self._numbered(outgoing, ends)
        if not rows and not moves:
            return
        if self._is_batching:
            self._refuse_lost_batch()
            try:
                self._write(rows, moves)
            except BaseException as error:
                self._lost = error
                raise
        else:
            with self._transaction():
                self._write(rows, moves)
        self._ends = ends
        self._sequence += len(rows)
        for owner, topic, following in moves:
            self._positions.setdefault(owner, {})[topic] = following

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Make all publishes inside one transaction: all of them last, or none does.

        Nothing that is published inside, by whichever task, is acknowledged before the batch has
        ended: until then it is seen through this log only, and an exception undoes it, positions
        included. After a failed write the batch cannot be saved: further publishes and its end
        raise LogUnavailable, even when the failure was caught. Batches do not nest (ValueError).
        """
        self._refuse_unless_writable()
        if self._is_batching:
            raise ValueError(f"{self._name}: a batch is open already; batches do not nest")
        ends, sequence = self._ends.copy(), self._sequence
        positions = {group: nexts.copy() for group, nexts in self._positions.items()}
        try:
            with self._transaction():
                self._is_batching = True
                yield
                self._refuse_lost_batch()
        except BaseException:
            self._ends, self._sequence, self._positions = ends, sequence, positions
            raise
        finally:
            self._is_batching = False
            self._lost = None

    async def poll(self, group: str, topics: Sequence[str], limit: int) -> Sequence[Record]:
        """Return up to `limit` (≥ 1) records after the group's positions, by `sequence`.

        Positions are not moved: `publish` does that. Costs no SQL when there is nothing new.
        """
        return self.after(self._positions.get(group, _NOWHERE), topics, limit)

    def after(
        self, nexts: Mapping[str, int], topics: Sequence[str], limit: int
    ) -> Sequence[Record]:
        """Return up to `limit` (≥ 1) records from the offsets `nexts` on, by `sequence`."""
        self._refresh()
        ends = self._ends
        try:
            behind = [topic for topic in topics if nexts.get(topic, 0) < ends[topic]]
        except KeyError as error:
            raise self._unknown_topic(error.args[0]) from None
        if limit < 1:
            raise ValueError(f"limit {limit!r} is below 1")
        if not behind:
            return ()
        arms = dict.fromkeys(behind)
        bounds: list[object] = []
        for topic in arms:
            bounds += (topic, topic, nexts.get(topic, 0))
        return self._records(since_offsets(len(arms)), (*bounds, limit))

    @property
    def following(self) -> int:
        """The sequence that the next record will have."""
        self._refresh()
        return self._sequence

    async def subscribe(self, group: str, topics: Sequence[str]) -> EmbeddedSubscription:
        """Return a member of `group`; the group's other members do not know of it."""
        self._refresh()
        return EmbeddedSubscription(self, group, topics, self._positions.get(group, _NOWHERE))

    async def reader(self, topics: Sequence[str], *, from_end: bool = False) -> EmbeddedReader:
        """Return a reader of `topics` from their start, or of what comes after now."""
        return EmbeddedReader(self, topics, self.following if from_end else 0)

    async def scan(self, topics: Sequence[str], since: int = 0) -> AsyncIterator[Record]:
        """Yield what lies in `topics` now, by `sequence`, without records before `since`."""
        end = self.following
        reader = await self.reader(topics)
        while page := await reader.read(_PAGE):
            for record in page:
                if record.sequence >= end:
                    return
                if record.timestamp >= since:
                    yield record

    async def read(
        self, topics: Sequence[str], start: int = 0, limit: int = 1000
    ) -> Sequence[Record]:
        """Return up to `limit` (≥ 1) records of `topics` with `sequence` ≥ `start`, in order."""
        self._refresh()
        arms = dict.fromkeys(topics)
        for topic in arms:
            if topic not in self._ends:
                raise self._unknown_topic(topic)
        if limit < 1:
            raise ValueError(f"limit {limit!r} is below 1")
        if not arms:
            return ()
        bounds: list[object] = []
        for topic in arms:
            bounds += (topic, start)
        return self._records(since_sequence(len(arms)), (*bounds, limit))

    async def find(self, subject: str) -> Sequence[Record]:
        """Return all records whose first header `utterance` is `subject`, by `sequence`."""
        self._refresh()
        return self._records(FIND, (subject.encode("utf-8", "surrogatepass"),))

    async def positions(self, group: str) -> Mapping[Place, int]:
        """Return the next offset of the group by place; places never read are absent."""
        self._refresh()
        nexts = self._positions.get(group, _NOWHERE)
        return MappingProxyType({(topic, 0): following for topic, following in nexts.items()})

    async def ends(self, topics: Sequence[str]) -> Mapping[Place, int]:
        """Return the offset that the next record of each topic will have."""
        self._refresh()
        try:
            return {(topic, 0): self._ends[topic] for topic in topics}
        except KeyError as error:
            raise self._unknown_topic(error.args[0]) from None

    def walking(
        self, starts: Mapping[Place, int]
    ) -> AbstractAsyncContextManager[Mapping[Place, AsyncIterator[Record]]]:
        """Open a walk of each topic, from an offset on to the end that it has now."""
        return walking(self, starts)

    async def first_offsets(self, topics: Sequence[str], since: int = 0) -> Mapping[Place, int]:
        """Return, by topic, the first offset with a record not before `since`, or the end."""
        found = {place: end if since > 0 else 0 for place, end in (await self.ends(topics)).items()}
        for place in found if since > 0 else ():
            try:
                [offset] = self._connection.execute(FIRST, (place[0], since)).fetchone()
            except sqlite3.Error as error:
                raise transport_error(error, self._name) from error
            found[place] = found[place] if offset is None else offset
        return found

    async def append(self, placed: Sequence[tuple[int, Outgoing]]) -> None:
        """Append records; every topic has one partition here (ValueError for another one)."""
        if beyond := {partition for partition, _ in placed if partition}:
            raise ValueError(f"{self._name}: partition {min(beyond)}; every topic has one here")
        await self.publish([outgoing for _, outgoing in placed])

    async def set_positions(self, group: str, nexts: Mapping[Place, int]) -> None:
        """Set the next offsets of a group; none goes backwards."""
        await self.publish(
            (), group=group, positions={topic: following for (topic, _), following in nexts.items()}
        )

    async def close(self) -> None:
        """Give the file and the writer's place back; a batch that is open is undone.

        Closing twice is closing once.
        """
        if not self._is_open:
            return
        self._is_open = False
        if self._place is None:
            self._connection.close()
            return
        try:
            if not self._connection.in_transaction:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
            self._place.leave()
        except (sqlite3.Error, OSError):
            # All that was acknowledged is in the journal; the next writer reads the file through.
            self._connection.close()
            self._place.abandon()

    def _refuse_unless_writable(self) -> None:
        if not self._is_open:
            raise self._closed()
        if self._read_only:
            raise LogUnavailable(f"{self._name}: opened read-only; publish through its writer")

    def _checked_moves(
        self, group: str | None, positions: Mapping[str, int] | None
    ) -> list[tuple[str, str, int]]:
        """Return (group, topic, next offset) for each position that changes."""
        if not positions:
            return []
        if not group:
            raise ValueError(f"positions {dict(positions)!r} need the name of a group")
        nexts = self._positions.get(group, _NOWHERE)
        moves: list[tuple[str, str, int]] = []
        for topic, following in positions.items():
            current, end = nexts.get(topic, 0), self._ends.get(topic)
            if end is None:
                raise self._unknown_topic(topic)
            if not current <= following <= end:
                raise ValueError(
                    f"position {following!r} of group {group!r} on {topic!r} is not within"
                    f" {current}..{end}, its position and the topic's end"
                )
            if following != current:
                moves.append((group, topic, following))
        return moves

    def _numbered(
        self, outgoing: Sequence[Outgoing], ends: dict[str, int]
    ) -> list[tuple[object, ...]]:
        """Return the rows of `outgoing`, each with its sequence and offset; advances `ends`."""
        rows: list[tuple[object, ...]] = []
        for sequence, record in enumerate(outgoing, self._sequence):
            offset = ends.get(record.topic)
            if offset is None:
                raise self._unknown_topic(record.topic)
            ends[record.topic] = offset + 1
            headers, subject = packed(record.headers)
            rows.append(
                (
                    sequence,
                    record.topic,
                    offset,
                    record.key,
                    headers,
                    record.value,
                    record.timestamp,
                    subject,
                )
            )
        return rows

    def _write(
        self, rows: Sequence[tuple[object, ...]], moves: Sequence[tuple[str, str, int]]
    ) -> None:
        try:
            if rows:
                self._connection.executemany(INSERT, rows)
            if moves:
                self._connection.executemany(MOVE, moves)
        except sqlite3.Error as error:
            raise transport_error(error, self._name) from error
        except OverflowError as error:
            raise ValueError(f"{self._name}: a timestamp is beyond 64 bits") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._control("BEGIN IMMEDIATE")
        try:
            yield
            self._control("COMMIT")
        except BaseException:
            self._undo()
            raise

    def _control(self, statement: str) -> None:
        try:
            self._connection.execute(statement)
        except sqlite3.Error as error:
            raise transport_error(error, self._name) from error

    def _undo(self) -> None:
        """Roll back; a log that cannot even do that is closed, so that nobody trusts it."""
        try:
            if self._is_open and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._is_open = False
            self._connection.close()
            if self._place is not None:
                self._place.abandon()

    def _refuse_lost_batch(self) -> None:
        if not self._is_open:
            raise self._closed()
        if self._lost is not None:
            raise LogUnavailable(
                f"{self._name}: a publish of this batch failed, so none of it is kept: {self._lost}"
            ) from self._lost

    def _refresh(self) -> None:
        """Refuse a closed log; in a reader, load the ends and positions again if they changed."""
        if not self._is_open:
            raise self._closed()
        if not self._read_only:
            return
        try:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as error:
            raise transport_error(error, self._name) from error
        if version != self._version:
            self._load()
            self._version = version

    def _load(self) -> None:
        """Load the ends, the positions and the next sequence, all as of one moment."""
        query = self._connection.execute
        try:
            query("BEGIN")
            self._ends = {
                topic: query(
                    "SELECT ifnull(max(offset) + 1, 0) FROM records WHERE topic = ?", (topic,)
                ).fetchone()[0]
                for topic in TOPIC_NAMES
            }
            self._positions = {}
            for group, topic, following in query('SELECT "group", topic, next FROM positions'):
                self._positions.setdefault(group, {})[topic] = following
            (self._sequence,) = query("SELECT ifnull(max(sequence) + 1, 0) FROM records").fetchone()
            query("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            raise transport_error(error, self._name) from error

    def _records(self, query: str, parameters: tuple[object, ...]) -> Sequence[Record]:
        try:
            rows: list[Row] = self._connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise transport_error(error, self._name) from error
        try:
            return records(rows)
        except (ValueError, TypeError) as error:
            raise LogCorrupt(
                f"{self._name}: the headers of a record are damaged: {error}; restore the file"
                " from a copy"
            ) from error

    def _closed(self) -> LogUnavailable:
        return LogUnavailable(f"{self._name}: the log is closed; open it again")

    def _unknown_topic(self, topic: str) -> ValueError:
        return ValueError(f"{topic!r} is not in the topic table {TOPIC_NAMES!r}")

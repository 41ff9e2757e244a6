"""The embedded log for a process beside its writer: reads the file, publishes through a pipe.

    beside:  RemoteLog   reads, polls, scans, finds on the file, opened read-only
                         publish ─▶ pipe ─▶ acknowledged after the writer's commit
    writer:  WriterEnd   stores what comes, and says that records have come

There is still one writer: whoever is beside it appends as if by its hand, and a group's positions
travel with the records that they belong to, so both are stored, or neither. Why no second writer
that takes SQLite's lock in turns: a writer keeps ends and positions in memory, and every commit of
the other would have it load them anew, in the path of every answer.

A process that is killed leaves a publish stored as a whole or not at all. Its successor must start
after the writer has read the pipe to its end, else it would not see the last positions: whoever
supervises it waits for `serve` to return.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self, assert_never

from streams.transports import (
    LogCorrupt,
    LogUnavailable,
    Outgoing,
    Place,
    Record,
    TransportError,
    WriterBusy,
)
from streams.transports.embedded import EmbeddedLog
from streams.transports.embedded_frames import (
    PUBLISH_LIMIT,
    BadFrame,
    Frame,
    Leave,
    News,
    NotStored,
    Part,
    Publish,
    Ready,
    Stored,
    packed,
    packed_publish,
    received,
)
from streams.transports.embedded_reading import EmbeddedReader, EmbeddedSubscription

_RAISED: Mapping[str, type[Exception]] = {
    "ValueError": ValueError,
    "LogUnavailable": LogUnavailable,
    "LogCorrupt": LogCorrupt,
    "WriterBusy": WriterBusy,
}


class RemoteLog:
    """A `Transport` beside the writer; raises LogUnavailable once the writer has gone.

    `news` is set when records have come, when the writer asks to leave, and when it has gone
    (`is_gone`); whoever waits for it clears it before it reads.
    """

    __slots__ = (
        "_is_leaving",
        "_listening",
        "_log",
        "_number",
        "_waiting",
        "_writer",
        "is_gone",
        "news",
    )

    def __init__(
        self, log: EmbeddedLog, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Use `RemoteLog.connect` instead."""
        self._log = log
        self._writer = writer
        self._number = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self.is_gone = False
        self.news = asyncio.Event()
        self._is_leaving = False
        self._listening = asyncio.create_task(self._listen(reader))

    @classmethod
    async def connect(cls, path: Path, pipe: socket.socket) -> Self:
        """Open the log at `path` beside its writer, who is at the other end of `pipe`."""
        log = EmbeddedLog.open(path, read_only=True)
        return cls(log, *await asyncio.open_connection(sock=pipe))

    def ready(self) -> None:
        """Tell the writer that all nodes are rebuilt."""
        self._writer.write(packed(Ready()))

    def leave(self) -> None:
        """Ask whoever runs here to leave, as the writer would."""
        self._is_leaving = True
        self.news.set()

    def must_leave(self) -> bool:
        """Return whether the writer has gone or asked whoever runs here to leave."""
        return self._is_leaving

    async def publish(
        self,
        outgoing: Sequence[Outgoing],
        *,
        group: str | None = None,
        positions: Mapping[str, int] | None = None,
    ) -> None:
        """Have the writer append `outgoing` and move the group: both, or neither.

        Raises what the writer's log raised, and LogUnavailable when the writer goes: it may then
        have stored all of it, or nothing.
        """
        if self.is_gone:
            raise self._gone()
        if not outgoing and not positions:
            return
        self._number += 1
        frames = packed_publish(self._number, outgoing, group, positions)
        stored = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = stored
        self._writer.write(frames)  # at once: the parts of two publishes never mix
        await stored

    async def subscribe(self, group: str, topics: Sequence[str]) -> EmbeddedSubscription:
        """Return a member of `group`; the group's other members do not know of it."""
        places = await self._log.positions(group)
        nexts = {topic: following for (topic, _), following in places.items()}
        return EmbeddedSubscription(self, group, topics, nexts)

    async def reader(self, topics: Sequence[str], *, from_end: bool = False) -> EmbeddedReader:
        """Return a reader of `topics` from their start, or of what comes after now."""
        return await self._log.reader(topics, from_end=from_end)

    def scan(self, topics: Sequence[str], since: int = 0) -> AsyncIterator[Record]:
        """Yield what lies in `topics` now, by `sequence`, without records before `since`."""
        return self._log.scan(topics, since)

    async def positions(self, group: str) -> Mapping[Place, int]:
        """Return the next offset of the group by place; places never read are absent."""
        return await self._log.positions(group)

    async def ends(self, topics: Sequence[str]) -> Mapping[Place, int]:
        """Return the offset that the next record of each topic will have."""
        return await self._log.ends(topics)

    async def find(self, subject: str) -> Sequence[Record]:
        """Return all records whose first header `utterance` is `subject`, by `sequence`."""
        return await self._log.find(subject)

    async def read(
        self, topics: Sequence[str], start: int = 0, limit: int = 1000
    ) -> Sequence[Record]:
        """Return up to `limit` (≥ 1) records of `topics` with `sequence` ≥ `start`, in order."""
        return await self._log.read(topics, start, limit)

    def after(
        self, nexts: Mapping[str, int], topics: Sequence[str], limit: int
    ) -> Sequence[Record]:
        """Return up to `limit` (≥ 1) records from the offsets `nexts` on, by `sequence`."""
        return self._log.after(nexts, topics, limit)

    @property
    def following(self) -> int:
        """The sequence that the next record will have."""
        return self._log.following

    async def close(self) -> None:
        """Close the pipe and the file; the writer sees the end of the pipe."""
        self._end()
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening
        await _closed(self._writer)
        await self._log.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while (came := await received(reader)) is not None:
                self._hear(came[0])
        finally:
            self._end()

    def _hear(self, frame: Frame) -> None:
        match frame:
            case Stored():
                self._settle(frame.number, None)
            case NotStored():
                self._settle(frame.number, _RAISED[frame.error](frame.message))
            case News():
                self.news.set()
            case Leave():
                self.leave()
            case Ready() | Part() | Publish():
                raise BadFrame(f"{frame.kind}: only the writer is asked this")
            case _:
                assert_never(frame)

    def _settle(self, number: int, error: Exception | None) -> None:
        stored = self._waiting.pop(number, None)
        if stored is None or stored.done():  # whoever published was cancelled
            return
        if error is None:
            stored.set_result(None)
        else:
            stored.set_exception(error)

    def _end(self) -> None:
        """Tell whoever waits that nothing more comes."""
        self.is_gone = True
        for number in tuple(self._waiting):
            self._settle(number, self._gone())
        self.leave()

    def _gone(self) -> LogUnavailable:
        return LogUnavailable("the writer of the log has gone; start again beside the next one")


class WriterEnd:
    """The writer's end of the pipe to one process beside it.

    That process may publish to `topics` and move `groups`, nothing else. `stored` is called after
    every publish, `ready` when its nodes are rebuilt.
    """

    __slots__ = ("_groups", "_log", "_pipe", "_ready", "_stored", "_topics")

    def __init__(
        self,
        log: EmbeddedLog,
        pipe: asyncio.WriteTransport,
        *,
        groups: frozenset[str],
        topics: frozenset[str],
        stored: Callable[[], None],
        ready: Callable[[], None],
    ) -> None:
        self._log = log
        self._pipe = pipe
        self._groups = groups
        self._topics = topics
        self._stored = stored
        self._ready = ready

    def news(self) -> None:
        """Say that records have come; whoever has not read what it was told is told no more."""
        if not self._pipe.get_write_buffer_size():
            self._say(News())

    def leave(self) -> None:
        """Ask the process to finish what it is at, and to go."""
        self._say(Leave())

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Store what comes until the end of the pipe.

        Raises BadFrame for what no process beside us would send, and what the log raises when it
        cannot be written.
        """
        parts: list[Outgoing] = []
        size = 0
        while (came := await received(reader)) is not None:
            frame, length = came
            size += length
            if size > PUBLISH_LIMIT:
                raise BadFrame(f"a publish of {size} bytes; the limit is {PUBLISH_LIMIT}")
            match frame:
                case Part():
                    parts += frame.outgoing
                case Publish():
                    await self._store([*parts, *frame.outgoing], frame)
                    parts, size = [], 0
                case Ready():
                    self._ready()
                    size = 0
                case Stored() | NotStored() | News() | Leave():
                    raise BadFrame(f"{frame.kind}: only the writer says this")
                case _:
                    assert_never(frame)

    async def _store(self, outgoing: Sequence[Outgoing], publish: Publish) -> None:
        number = publish.number
        try:
            self._refuse_foreign(outgoing, publish.group)
            await self._log.publish(outgoing, group=publish.group, positions=publish.positions)
        except ValueError as error:
            self._say(NotStored(number=number, error="ValueError", message=str(error)))
        except TransportError as error:
            self._say(NotStored(number=number, error=_name(error), message=str(error)))
            raise
        else:
            self._say(Stored(number=number))
            self._stored()

    def _refuse_foreign(self, outgoing: Sequence[Outgoing], group: str | None) -> None:
        if group is not None and group not in self._groups:
            raise ValueError(f"group {group!r} is none of those beside: {sorted(self._groups)!r}")
        foreign = {record.topic for record in outgoing} - self._topics
        if foreign:
            raise ValueError(
                f"topics {sorted(foreign)!r} are none of those beside: {sorted(self._topics)!r}"
            )

    def _say(self, frame: Frame) -> None:
        if not self._pipe.is_closing():
            self._pipe.write(packed(frame))


def _name(error: TransportError) -> Literal["LogUnavailable", "LogCorrupt", "WriterBusy"]:
    match error:
        case LogCorrupt():
            return "LogCorrupt"
        case WriterBusy():
            return "WriterBusy"
        case _:
            return "LogUnavailable"


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()

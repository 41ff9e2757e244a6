"""The transport protocol: how nodes read records and write them, on any log.

A node subscribes as a group: `poll` gives each record once to one member, `publish` stores what
followed from records together with the group's position behind them. Everybody else reads outside
any group: from the start, from a time, to the end or onwards. Records are named tuples: they are
made once per utterance and more, and a frozen dataclass takes three times as long.

TransportError
├── LogUnavailable      the log cannot be opened, read or written      not retriable
│   ├── Unreachable     no broker of the cluster answers               retriable
│   └── AccessRefused   password, certificate or access rules          not retriable
├── LogCorrupt          the log's own bytes are damaged                not retriable
├── WriterBusy          another process is the writer of this log      retriable
├── TurnLost            what was polled is no longer this member's     retriable: poll again
└── Fenced              another process has this one's place           not retriable: leave
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, NamedTuple, Protocol


class TransportError(Exception):
    """Base of everything a transport raises; the message names the log and what to do."""

    retriable: ClassVar[bool] = False


class LogUnavailable(TransportError):
    """The log cannot be opened, read or written: missing, read-only, disk full."""


class Unreachable(LogUnavailable):
    """No broker of the cluster answers, or none that speaks as we were told to."""

    retriable: ClassVar[bool] = True


class AccessRefused(LogUnavailable):
    """The cluster does not let us in, or not do this: password, certificate, access rules."""


class LogCorrupt(TransportError):
    """The bytes of the log are damaged; nothing was acknowledged after the damage was seen."""


class WriterBusy(TransportError):
    """Another process holds the log's one writer place."""

    retriable: ClassVar[bool] = True


class TurnLost(TransportError):
    """What was polled has gone to another member, or could not be stored: drop it, poll again."""

    retriable: ClassVar[bool] = True


class Fenced(TransportError):
    """Another process took this one's place, or the transaction cannot be saved: leave at once."""


Headers = tuple[tuple[str, bytes], ...]

Place = tuple[str, int]
"""A topic and a partition of it."""


class Outgoing(NamedTuple):
    """A record about to be written. `timestamp` is UTC microseconds, whole milliseconds."""

    topic: str
    key: str | None
    headers: Headers
    value: bytes
    timestamp: int


class Record(NamedTuple):
    """A record that lies in the log at (topic, partition, offset).

    `sequence` orders records of all topics by arrival; on a log that has no such order it is the
    timestamp.
    """

    topic: str
    partition: int
    offset: int
    sequence: int
    key: str | None
    headers: Headers
    value: bytes
    timestamp: int


class Handled(NamedTuple):
    """A polled record and all that followed from it, in order."""

    record: Record
    outgoing: Sequence[Outgoing]


class Subscription(Protocol):
    """One member of a group that reads some topics."""

    async def poll(self, limit: int) -> Sequence[Record]:
        """Return up to `limit` (≥ 1) next records, each once, in order within a partition.

        May wait a moment for the first one; returns nothing when none came. What is never published
        comes again, here or at another member, after a restart or a TurnLost.
        """

    async def publish(self, handled: Sequence[Handled]) -> None:
        """Append all that followed and move the group's positions behind the records: or neither.

        Per partition the records must be those of `poll`, without gaps and in order. Both methods
        raise TurnLost when all that was polled before must be dropped; whoever polls beside a
        publish waits for the end of it then.
        """

    @property
    def is_assigned(self) -> bool:
        """Whether the member has its place; not while partitions are being dealt out anew."""

    async def standing(self) -> Mapping[Place, tuple[int, int]]:
        """Return, by place that is this member's, the next offset to poll and the end."""

    async def close(self) -> None:
        """Leave the group."""


class Reader(Protocol):
    """Reads some topics outside any group, from the start on and without end."""

    async def read(self, limit: int) -> Sequence[Record]:
        """Return up to `limit` next records, in order within a partition.

        Waits for records only while some are outstanding that lay in the log when it was opened;
        once those are read an empty result means that nothing new has come.
        """

    async def close(self) -> None:
        """Give back what reading holds."""


class Transport(Protocol):
    """A durable log of records by topic, and each group's next offset per partition."""

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Append `outgoing`: all, or none."""

    async def subscribe(self, group: str, topics: Sequence[str]) -> Subscription:
        """Return a member of `group` that goes on where the group stopped."""

    async def reader(self, topics: Sequence[str], *, from_end: bool = False) -> Reader:
        """Return a reader of `topics` from their start, or of what comes after now."""

    def scan(self, topics: Sequence[str], since: int = 0) -> AsyncIterator[Record]:
        """Yield what lies in `topics` now, in order of `sequence` over all of them.

        `since` leaves out records with an earlier timestamp (UTC microseconds).
        """

    async def positions(self, group: str) -> Mapping[Place, int]:
        """Return the next offset of the group by place; places never read are absent."""

    async def ends(self, topics: Sequence[str]) -> Mapping[Place, int]:
        """Return the offset that the next record of each place will have."""

    async def find(self, subject: str) -> Sequence[Record]:
        """Return all records whose header `utterance` is `subject`, in order of `sequence`."""

    async def close(self) -> None:
        """Give the log back; afterwards every call raises LogUnavailable."""


class Log(Transport, Protocol):
    """A transport that can be read place by place, and take in what lay in another log."""

    def walking(
        self, starts: Mapping[Place, int]
    ) -> AbstractAsyncContextManager[Mapping[Place, AsyncIterator[Record]]]:
        """Open a walk at each place, from an offset on to the end that the place has now.

        Offsets whose records are gone are passed over. Walks may be taken in any order, one step
        of one and then one of another, and end with the block.
        """

    async def first_offsets(self, topics: Sequence[str], since: int = 0) -> Mapping[Place, int]:
        """Return, by place, the offset of the first record that is not earlier than `since`.

        `since` is UTC microseconds; 0 asks for the first record there is. The place's end stands
        for none.
        """

    async def append(self, placed: Sequence[tuple[int, Outgoing]]) -> None:
        """Append records, each at the partition given with it, in order within each place."""

    async def set_positions(self, group: str, nexts: Mapping[Place, int]) -> None:
        """Set the next offsets of a group that has no members."""

"""The transport protocol: how nodes read records and write them, on any log.

TransportError
├── LogUnavailable      the log cannot be opened, read or written      not retriable
├── LogCorrupt          the log's own bytes are damaged                not retriable
└── WriterBusy          another process is the writer of this log      retriable
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol


class TransportError(Exception):
    """Base of everything a transport raises; the message names the log and what to do."""

    retriable: ClassVar[bool] = False


class LogUnavailable(TransportError):
    """The log cannot be opened, read or written: missing, read-only, disk full."""


class LogCorrupt(TransportError):
    """The bytes of the log are damaged; nothing was acknowledged after the damage was seen."""


class WriterBusy(TransportError):
    """Another process holds the log's one writer place."""

    retriable: ClassVar[bool] = True


Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record about to be written. `timestamp` is UTC microseconds."""

    topic: str
    key: str | None
    headers: Headers
    value: bytes
    timestamp: int


@dataclass(frozen=True, slots=True)
class Record:
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


class Transport(Protocol):
    """A durable log of records by topic, and each reader group's next offset per topic."""

    async def poll(self, group: str, topics: Sequence[str], limit: int) -> Sequence[Record]:
        """Return up to `limit` records after the group's positions, in order of `sequence`.

        Positions are not moved: `publish` does that.
        """

    async def publish(
        self,
        outgoing: Sequence[Outgoing],
        *,
        group: str | None = None,
        positions: Mapping[str, int] | None = None,
    ) -> None:
        """Append `outgoing` and set the group's next offsets to `positions`: both, or neither."""

    async def positions(self, group: str) -> Mapping[str, int]:
        """Return the next offset of the group by topic; topics never read are absent."""

    async def read(
        self, topics: Sequence[str], start: int = 0, limit: int = 1000
    ) -> Sequence[Record]:
        """Return up to `limit` records of `topics` with `sequence` ≥ `start`, in that order."""

    async def end(self, topic: str) -> int:
        """Return the offset that the next record of `topic` will have."""

    async def find(self, subject: str) -> Sequence[Record]:
        """Return all records whose header `utterance` is `subject`, in order of `sequence`."""

    async def close(self) -> None:
        """Give the log back; afterwards every call raises LogUnavailable."""

"""Rejected records: which there are, and how one is put back onto its topic.

    RecordRejected ─▶ restored ─▶ Outgoing, with a header `replayed-from` │ Refused
                                      └─▶ its topic, and RecordReplayed onto `rejected`

A record is put back as it was, to the byte, or with another value. What every reader would reject
again is refused; what a node failed at cannot be foreseen and may be rejected again, at its new
position. Positions are those of the log that rejected it: a copied log has others.
"""

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agents.history import records
from streams.codec import Undecodable, decode, encode
from streams.events import RecordRejected, RecordReplayed
from streams.topics import TOPIC_OF, TOPICS
from streams.transports import Headers, Log, Outgoing, Record, Transport

REPLAYED_FROM = "replayed-from"
"""Header of a record that was put back: the position at which it was rejected."""

ALONE = frozenset({"versions", "checkpoints"})
"""Topics that the registrar alone writes."""


class Position(NamedTuple):
    """Where a record lay that was rejected."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def read_position(text: str) -> Position:
    """Return a position; raise ValueError for any other text.

    >>> read_position("utterances/0/17")
    Position(topic='utterances', partition=0, offset=17)
    """
    match text.split("/"):
        case [topic, partition, offset] if all(
            part.isascii() and part.isdecimal() and len(part) < 19 for part in (partition, offset)
        ):
            return Position(topic, int(partition), int(offset))
    raise ValueError(f"{text!r} is not TOPIC/PARTITION/OFFSET, as `kappa rejected list` has it")


@dataclass(frozen=True, slots=True)
class Refused:
    """The record stays where it is, and why."""

    reason: str


def position_of(event: RecordRejected | RecordReplayed) -> Position:
    """Return where the record lay."""
    return Position(event.topic, event.partition, event.offset)


async def rejected_records(log: Transport) -> AsyncIterator[tuple[RecordRejected, bool]]:
    """Yield the rejected records, oldest first, each with whether it was put back."""
    replayed = {
        position_of(event)
        async for _, event in records(log, ("rejected",))
        if isinstance(event, RecordReplayed)
    }
    async for _, event in records(log, ("rejected",)):
        if isinstance(event, RecordRejected):
            yield event, position_of(event) in replayed


async def put_back(
    log: Log, position: Position, mended: bytes | None, now: int, *, again: bool = False
) -> Refused | None:
    """Put the record of a position back onto its topic; return why not, where it is refused.

    A record that was put back is refused unless `again`.
    """
    found: RecordRejected | None = None
    async for event, is_replayed in rejected_records(log):
        if position_of(event) == position:
            if is_replayed and not again:
                return Refused("it was put back before; give --again to do it once more")
            found = event
    if found is None:
        return Refused("no such record among the rejected ones")
    made = restored(found, mended, now)
    if isinstance(made, Refused):
        return made
    note = RecordReplayed(**position._asdict(), is_mended=mended is not None)
    await log.publish([made, encode(note, timestamp=now)])
    return None


def restored(event: RecordRejected, mended: bytes | None, now: int) -> Outgoing | Refused:
    """Return the record as it was, or with the value `mended`; or why it may not be put back."""
    if event.topic in ALONE:
        return Refused(f"{event.topic} are written by the registrar alone: propose the change")
    value = base64.b64decode(event.value) if mended is None else mended
    if mended is None and event.size is not None and event.size > len(value):
        return Refused(
            f"only the first {len(value)} of {event.size} bytes were kept: "
            "give the whole value with --mended"
        )
    if mended is None and event.size is None and "(kept here: the first " in event.reason:
        return Refused("only the start of its value was kept: give the whole one with --mended")
    headers = _headers_of(event, is_mended=mended is not None)
    record = Record(event.topic, 0, 0, 0, event.key, headers, value, now)
    decoded = decode(record)
    if isinstance(decoded, Undecodable):
        return Refused(f"it would be rejected again: {decoded.reason}")
    noted = (*headers, (REPLAYED_FROM, str(position_of(event)).encode()))
    if mended is None and event.headers is not None:
        return Outgoing(event.topic, event.key, noted, value, now)
    own = ("event", "schema", "utterance")
    others = tuple(header for header in noted if header[0] not in own)
    made = encode(decoded, timestamp=now, headers=others)
    return made._replace(value=value, key=TOPIC_OF[type(decoded)].key(decoded))


def _headers_of(event: RecordRejected, *, is_mended: bool) -> Headers:
    """Return the headers that were kept; those that say what the value is, where it is plain."""
    kept = tuple(
        (header.name, base64.b64decode(header.value))
        for header in event.headers or ()
        if header.name != REPLAYED_FROM
    )
    if event.headers is not None and not is_mended:
        return kept
    kinds = next((topic.events for topic in TOPICS if topic.name == event.topic), ())
    named = {kind.__name__.encode(): kind for kind in kinds}
    given = next((value for name, value in kept if name == "event"), b"")
    kind = named.get(given, kinds[0] if len(kinds) == 1 else None)
    if kind is None:
        return kept
    own: Sequence[tuple[str, bytes]] = (
        ("event", kind.__name__.encode()),
        ("schema", str(kind.schema_version).encode()),
    )
    return (*own, *((name, value) for name, value in kept if name not in ("event", "schema")))

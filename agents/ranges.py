"""Ranges of utterances: from a time or an offset to another, over all partitions or one.

Both bounds are places on the topic `utterances`. A time stands for the first record that is not
earlier, as every Kafka client reads times: a range is then the same on any log, costs no reading
outside of it, and a producer's clock that goes wrong moves no more than its own records.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from streams.transports import Log

TOPIC = "utterances"
_OFFSET = re.compile(r"(?:offset:)?([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class AtOffset:
    """The record at this offset of a partition."""

    offset: int


@dataclass(frozen=True, slots=True)
class AtTime:
    """The first record of each partition that is not earlier; UTC microseconds."""

    time: int


Bound = AtOffset | AtTime


@dataclass(frozen=True, slots=True)
class Range:
    """Utterances from `start`, inclusive, to `end`, exclusive, in one partition or in all."""

    start: Bound | None = None
    end: Bound | None = None
    partition: int | None = None


EVERYTHING = Range()


def read_bound(text: str) -> Bound:
    """Return the bound that a person wrote; raise ValueError for any other text.

    >>> read_bound("offset:12"), read_bound("12"), read_bound("1970-01-01T00:00:01Z")
    (AtOffset(offset=12), AtOffset(offset=12), AtTime(time=1000000))
    """
    if found := _OFFSET.fullmatch(text):
        return AtOffset(int(found[1]))
    try:
        moment = datetime.fromisoformat(text if "-" in text[:5] else "")
    except ValueError:
        raise ValueError(
            f"{text!r} is neither offset:N nor an ISO 8601 time, such as 2026-01-31T12:00:00Z"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return AtTime(round(moment.timestamp() * 1_000_000))


async def offsets_of(log: Log, wanted: Range) -> Mapping[int, tuple[int, int]]:
    """Return, by partition, the first offset of a range and the one behind its last.

    Raises ValueError for a partition that there is not, for bounds in the wrong order, and for
    offsets where it is not said of which partition.
    """
    ends = {partition: end for (_, partition), end in (await log.ends((TOPIC,))).items()}
    partition, bounds = wanted.partition, (wanted.start, wanted.end)
    if partition is not None and partition not in ends:
        raise ValueError(f"{TOPIC} has no partition {partition}; it has 0 to {max(ends)}")
    if partition is None and len(ends) > 1 and any(isinstance(b, AtOffset) for b in bounds):
        raise ValueError(f"{TOPIC} has {len(ends)} partitions: an offset needs --partition")
    match bounds:
        case (AtOffset(first), AtOffset(last)) | (AtTime(first), AtTime(last)) if first > last:
            raise ValueError("the range ends before it begins")
    starts = await _placed(log, wanted.start or AtTime(0))
    stops = ends if wanted.end is None else await _placed(log, wanted.end)
    return {
        number: (starts[number], min(stops[number], end))
        for number, end in ends.items()
        if partition in (None, number)
    }


async def _placed(log: Log, bound: Bound) -> Mapping[int, int]:
    match bound:
        case AtOffset(offset):
            return {partition: offset for _, partition in await log.ends((TOPIC,))}
        case AtTime(time):
            found = await log.first_offsets((TOPIC,), max(time, 0))
            return {partition: offset for (_, partition), offset in found.items()}

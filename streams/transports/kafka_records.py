"""Record batches as brokers hold them, where the name of a header is not UTF-8.

Brokers do not look into records, and any producer may write such a name. aiokafka's parser fails at
it each time anew: no consumer would ever get behind that record. Here such a batch is parsed once
more, tolerantly: bytes that are not UTF-8 become lone surrogates, as Python does it for file names,
and the codec rejects the record, with its position. All other batches stay with the parser in C;
that it is asked for all records of a batch at once costs a seventh of what parsing costs.
"""

import struct
from collections.abc import Iterator
from typing import Any

import aiokafka.consumer.fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

_LENGTH = struct.Struct(">i")
_LENGTH_AT, _OVERHEAD = 8, 12


class _Batch:
    """One batch: aiokafka's, but for how its records are had."""

    __slots__ = ("_batch", "_data")

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return tolerant(self._data)


class _Batches:
    """What a fetch returned of one partition; takes the place of aiokafka's MemoryRecords."""

    __slots__ = ("_at", "_batches", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._batches = MemoryRecords(data)
        self._at = 0

    def size_in_bytes(self) -> int:
        return int(self._batches.size_in_bytes())

    def has_next(self) -> bool:
        return bool(self._batches.has_next())

    def next_batch(self) -> Any:
        batch = self._batches.next_batch()
        if batch is None:
            return None
        begin = self._at
        (length,) = _LENGTH.unpack_from(self._data, begin + _LENGTH_AT)
        self._at = begin + _OVERHEAD + length
        return _Batch(batch, self._data[begin : self._at])


def tolerant(data: memoryview) -> Iterator[_DefaultRecordPy]:
    """Yield the records of a batch, lone surrogates in the names of their headers."""
    batch = _DefaultRecordBatchPy(data)
    batch._maybe_uncompress()
    buffer, at = batch._buffer, batch._pos

    def number() -> int:
        nonlocal at
        value: int
        value, at = decode_varint(buffer, at)
        return value

    def some_bytes() -> bytes | None:
        nonlocal at
        if (length := number()) < 0:
            return None
        at += length
        return bytes(buffer[at - length : at])

    for _ in range(batch._num_records):
        number()  # its length
        number()  # its attributes, of which there are none
        time = batch.first_timestamp + number()
        if batch.timestamp_type == batch.LOG_APPEND_TIME:
            time = batch.max_timestamp
        offset = batch.base_offset + number()
        key, value = some_bytes(), some_bytes()
        headers = [
            ((some_bytes() or b"").decode("utf-8", "surrogateescape"), some_bytes())
            for _ in range(number())
        ]
        yield _DefaultRecordPy(offset, time, batch.timestamp_type, key, value, headers)


aiokafka.consumer.fetcher.MemoryRecords = _Batches

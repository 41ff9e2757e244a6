"""The rows of the embedded log: its statements, and how headers are stored.

Headers are stored as JSON with their bytes read as Latin-1, which maps each byte to one code point
and back: exact for any bytes, made and read in C, and legible in the `sqlite3` shell.
"""

import json
from collections.abc import Sequence
from functools import cache

from streams.transports import Headers, Record

_COLUMNS = "topic, partition, offset, sequence, key, headers, value, timestamp"
INSERT = (
    "INSERT INTO records (sequence, topic, partition, offset, key, headers, value, timestamp,"
    " subject) VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?)"
)
MOVE = 'INSERT OR REPLACE INTO positions ("group", topic, next) VALUES (?, ?, ?)'
FIRST = "SELECT min(offset) FROM records WHERE topic = ? AND timestamp >= ?"
FIND = f"SELECT {_COLUMNS} FROM records WHERE subject = ? ORDER BY sequence"
Row = tuple[str, int, int, int, str | None, str, bytes, int]


def records(rows: Sequence[Row]) -> Sequence[Record]:
    """Return the records that `rows` hold; raises ValueError or TypeError for damaged headers."""
    return [
        Record(topic, partition, offset, sequence, key, _unpacked(headers), value, time)
        for topic, partition, offset, sequence, key, headers, value, time in rows
    ]


@cache
def since_offsets(arms: int) -> str:
    """Return the query of records from (topic, topic, offset) on, for `arms` topics."""
    start = "(SELECT sequence FROM records WHERE topic = ? AND offset = ?)"
    return _merged(f"sequence >= {start}", arms)


@cache
def since_sequence(arms: int) -> str:
    """Return the query of records from (topic, sequence) on, for `arms` topics."""
    return _merged("sequence >= ?", arms)


def _merged(bound: str, arms: int) -> str:
    """Return a query that SQLite runs as a lazy merge of one index walk per topic.

    One arm per topic, and not `topic IN (...)`: that walks all records or sorts all that it finds.
    """
    arm = f"SELECT {_COLUMNS} FROM records INDEXED BY records_topic WHERE topic = ? AND {bound}"
    return " UNION ALL ".join([arm] * arms) + " ORDER BY sequence LIMIT ?"


_encoded = json.JSONEncoder(separators=(",", ":")).encode


def packed(headers: Headers) -> tuple[str, bytes | None]:
    """Return the stored form of `headers`, and the subject: the first header `utterance`."""
    subject = None
    pairs: list[tuple[str, str]] = []
    for name, value in headers:
        pairs.append((name, value.decode("latin-1")))
        if subject is None and name == "utterance":
            subject = value
    return _encoded(pairs), subject


def _unpacked(stored: str) -> Headers:
    return tuple([(name, text.encode("latin-1")) for name, text in json.loads(stored)])

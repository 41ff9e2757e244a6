"""A scratch table on disk: values by key, more of them than memory should hold.

It is a file without a name that goes away with its connection, in the directory that TMPDIR names.
Nothing of it outlives the process, hence no journal and no sync; its pages leave memory above
CACHE_KIB.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from streams.transports.embedded_file import transport_error

CACHE_KIB = 32 * 1024
MAX_KEYS = 1000
"""Most keys that are looked up at a time; SQLite takes 32,766 values in a statement."""

_TABLE = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -{CACHE_KIB};
PRAGMA temp_store = FILE;
CREATE TABLE rows (
    number INTEGER PRIMARY KEY,
    key    BLOB    NOT NULL,
    value  BLOB    NOT NULL,
    used   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX rows_key ON rows (key);
BEGIN;
"""
_NAME = "the scratch file (in the directory that TMPDIR names)"


@dataclass(slots=True)
class Row:
    """A value that lies in the table; `used` tells whether it was marked."""

    number: int
    value: bytes
    used: bool


class Scratch:
    """Values by key, in the order in which they were put; a key may have several.

    Many at a time: a statement for each row takes three times as long as all else about it.
    """

    __slots__ = ("_connection", "unused")

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript(_TABLE)
        self.unused = 0
        """How many rows were not marked."""

    def put(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Add rows of a key and a value; raises LogUnavailable when the disk is full."""
        self.unused += self._run_all("INSERT INTO rows (key, value) VALUES (?, ?)", rows)

    def rows(self, keys: Sequence[bytes]) -> dict[bytes, list[Row]]:
        """Return the rows of at most MAX_KEYS keys; a key without any is absent."""
        places = ", ".join("?" * len(keys))
        found: dict[bytes, list[Row]] = {}
        for key, number, value, used in self._run(
            f"SELECT key, number, value, used FROM rows WHERE key IN ({places}) ORDER BY number",
            *keys,
        ):
            found.setdefault(key, []).append(Row(number, value, bool(used)))
        return found

    def mark(self, rows: Sequence[Row]) -> None:
        """Mark rows, each once at most, that were not marked."""
        self._run_all("UPDATE rows SET used = 1 WHERE number = ?", ((row.number,) for row in rows))
        self.unused -= len(rows)

    def left(self) -> Iterator[bytes]:
        """Yield the values that were not marked."""
        for (value,) in self._run("SELECT value FROM rows WHERE used = 0 ORDER BY number"):
            yield value

    def close(self) -> None:
        """Give the disk space back."""
        self._connection.close()

    def _run_all(self, statement: str, values: Iterable[tuple[object, ...]]) -> int:
        try:
            return self._connection.executemany(statement, values).rowcount
        except sqlite3.Error as error:
            raise transport_error(error, _NAME) from error

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise transport_error(error, _NAME) from error

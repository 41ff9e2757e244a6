"""A scratch table on disk: values by key, more of them than memory should hold.

It is a file without a name that goes away with its connection, in the directory that TMPDIR names.
Nothing of it outlives the process, hence no journal and no sync; its pages leave memory above
CACHE_KIB.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from streams.transports.embedded_file import transport_error

CACHE_KIB = 32 * 1024

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


@dataclass(frozen=True, slots=True)
class Row:
    """A value that lies in the table; `used` tells whether it was marked."""

    number: int
    value: bytes
    used: bool


class Scratch:
    """Values by key, in the order in which they were put; a key may have several."""

    __slots__ = ("_connection", "unused")

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript(_TABLE)
        self.unused = 0
        """How many rows were not marked."""

    def put(self, key: bytes, value: bytes) -> None:
        """Add a row; raises LogUnavailable when the disk is full."""
        self._run("INSERT INTO rows (key, value) VALUES (?, ?)", key, value)
        self.unused += 1

    def rows(self, key: bytes) -> list[Row]:
        """Return the rows of a key."""
        found = self._run("SELECT number, value, used FROM rows WHERE key = ?", key)
        return [Row(number, value, bool(used)) for number, value, used in found]

    def mark(self, row: Row) -> None:
        """Mark a row as used; twice is once."""
        if not row.used:
            self._run("UPDATE rows SET used = 1 WHERE number = ?", row.number)
            self.unused -= 1

    def left(self) -> Iterator[bytes]:
        """Yield the values that were not marked."""
        for (value,) in self._run("SELECT value FROM rows WHERE used = 0 ORDER BY number"):
            yield value

    def close(self) -> None:
        """Give the disk space back."""
        self._connection.close()

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise transport_error(error, _NAME) from error

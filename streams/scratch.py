"""A scratch table: values by key, in memory as far as they should be, the others on disk.

On disk it is a file without a name that goes away with its connection, in the directory that TMPDIR
names. Nothing of it outlives the process, hence no journal and no sync; its pages leave memory
above CACHE_KIB.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streams.transports.embedded_file import transport_error

CACHE_KIB = 32 * 1024
MEMORY_BYTES = 32 * 1024 * 1024
"""Keys and values that are held in memory; twice as much with what holds them."""
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
    """A value of a key; `used` tells whether it was marked, `number` is −1 in memory."""

    number: int
    value: bytes
    used: bool


class Scratch:
    """Values by key, in the order in which they were put; a key may have several.

    Many at a time: a statement for each row takes three times as long as all else about it.
    """

    __slots__ = ("_connection", "_held", "_room", "unused")

    def __init__(self, room: int = MEMORY_BYTES) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript(_TABLE)
        self._held: dict[bytes, list[Row]] = {}
        self._room = room
        self.unused = 0
        """How many rows were not marked."""

    def put(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Add rows of a key and a value; raises LogUnavailable when the disk is full."""
        for index, (key, value) in enumerate(rows):
            if self._room <= 0:
                self._run_all("INSERT INTO rows (key, value) VALUES (?, ?)", rows[index:])
                break
            self._room -= len(key) + len(value)
            self._held.setdefault(key, []).append(Row(-1, value, False))
        self.unused += len(rows)

    def rows(self, keys: Sequence[bytes]) -> dict[bytes, list[Row]]:
        """Return the rows of at most MAX_KEYS keys; a key without any is absent."""
        held = self._held
        found = {key: [*held[key]] for key in keys if key in held}
        if self._room <= 0:
            places = ", ".join("?" * len(keys))
            for key, number, value, used in self._run(
                f"SELECT key, number, value, used FROM rows WHERE key IN ({places})"
                " ORDER BY number",
                *keys,
            ):
                found.setdefault(key, []).append(Row(number, value, bool(used)))
        return found

    def mark(self, rows: Sequence[Row]) -> None:
        """Mark rows that were not marked, each once."""
        for row in rows:
            row.used = True
        self.unused -= len(rows)
        on_disk = [(row.number,) for row in rows if row.number >= 0]
        if on_disk:
            self._run_all("UPDATE rows SET used = 1 WHERE number = ?", on_disk)

    def left(self) -> Iterator[bytes]:
        """Yield the values that were not marked, by key."""
        for held in self._held.values():
            for row in held:
                if not row.used:
                    yield row.value
        for (value,) in self._run("SELECT value FROM rows WHERE used = 0 ORDER BY number"):
            yield value

    def close(self) -> None:
        """Give the disk space back."""
        self._connection.close()

    def _run_all(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        try:
            self._connection.executemany(statement, values)
        except sqlite3.Error as error:
            raise transport_error(error, _NAME) from error

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise transport_error(error, _NAME) from error

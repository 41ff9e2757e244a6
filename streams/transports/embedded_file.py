"""The file of the embedded log: its one writer place, its checks at the door, its errors.

When is the file read through for damage? SQLite's journal already survives a killed process and a
power cut, and every open notices a truncated file, a foreign file and a damaged first page, for
nothing. `PRAGMA quick_check` reads every page (about a second per gigabyte), too dear for every
start and of no use after a clean stop. So a writer that closes cleanly notes the size and the time
of change of the file that it left, in the lock file; the next writer reads everything through
unless it finds exactly that file. A crash, a restored copy, a truncated, edited or moved file are
thus all read through; a plain restart costs nothing. Damage that keeps size and time (a bad disk)
is met when its page is read.

Why a lock file beside SQLite's own locks: SQLite's last for one transaction, but a writer keeps
positions and ends in memory for its whole life. The lock is `flock`, which dies with the last
process that holds its descriptor. Programs that are started do not inherit it; a forked child does,
so start children as programs, by spawn or by forkserver.
"""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO, Self

from streams.transports import LogCorrupt, LogUnavailable, TransportError, WriterBusy

FORMAT = 1
"""Version of the tables, in `user_version`."""

APPLICATION = 0x4B617070
"""Marks a file as ours, in `application_id`: "Kapp"."""

BUSY_SECONDS = 5.0
"""How long to wait for a foreign program that holds SQLite's lock."""

_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE records (
    sequence  INTEGER PRIMARY KEY,
    topic     TEXT    NOT NULL,
    partition INTEGER NOT NULL,
    offset    INTEGER NOT NULL,
    key       TEXT,
    headers   TEXT    NOT NULL,
    value     BLOB    NOT NULL,
    timestamp INTEGER NOT NULL,
    subject   BLOB,
    UNIQUE (topic, offset)
) STRICT;
CREATE INDEX records_topic ON records (topic);
CREATE INDEX records_subject ON records (subject) WHERE subject IS NOT NULL;
CREATE TABLE positions (
    "group" TEXT    NOT NULL,
    topic   TEXT    NOT NULL,
    next    INTEGER NOT NULL,
    PRIMARY KEY ("group", topic)
) STRICT, WITHOUT ROWID;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT};
COMMIT;
"""

_SALVAGE = "restore it from a copy, or salvage it with `sqlite3 FILE .recover`"
_RIGHTS = (
    "give this user the right to write the file and its directory, where SQLite keeps its"
    " journal (a reader needs it too while no writer runs)"
)
_MEANINGS: dict[int, tuple[type[TransportError], str]] = {
    sqlite3.SQLITE_FULL: (LogUnavailable, "no room left; free some space and publish again"),
    sqlite3.SQLITE_CORRUPT: (LogCorrupt, _SALVAGE),
    sqlite3.SQLITE_NOTADB: (
        LogUnavailable,
        "it is no SQLite file, or its first page is damaged; give another path or " + _SALVAGE,
    ),
    sqlite3.SQLITE_READONLY: (LogUnavailable, _RIGHTS),
    sqlite3.SQLITE_CANTOPEN: (LogUnavailable, _RIGHTS),
    sqlite3.SQLITE_IOERR: (LogUnavailable, "check the disk, then start again"),
    sqlite3.SQLITE_BUSY: (WriterBusy, "a foreign program is writing to the file; close it"),
    sqlite3.SQLITE_CONSTRAINT: (
        LogUnavailable,
        "somebody else has written to the file; stop the other writer, then start again",
    ),
}


def transport_error(error: sqlite3.Error, name: str) -> TransportError:
    """Return what `error` means for the log `name`: what happened, and what to do."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    kind, advice = _MEANINGS.get(code, (LogUnavailable, "close the log and start again"))
    return kind(f"{name}: {error}; {advice}")


class WriterPlace:
    """The one place of a log's writer, held through a lock on `<file>.lock`.

    `mark` is what the writer before left in the lock file; it is empty when there was none.
    """

    __slots__ = ("_lock", "_path", "mark")

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self._path = path
        self._lock = lock
        self.mark = lock.read()

    @classmethod
    def take(cls, path: Path) -> Self:
        """Take the place; raises WriterBusy when it is held, LogUnavailable when there is none."""
        lock_path = path.with_name(path.name + ".lock")
        try:
            descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o644)
            os.set_inheritable(descriptor, False)  # as Python has it; the place depends on it
            lock = os.fdopen(descriptor, "r+")
        except OSError as error:
            raise LogUnavailable(
                f"{path}: cannot open its lock file {lock_path}: {error.strerror}; give a path in"
                " a directory that this user may write to, or open the log read-only"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = lock.read().removeprefix("open ") or "not yet known"
            lock.close()
            raise WriterBusy(
                f"{path}: another writer (process {holder}) holds {lock_path}; stop it, or open"
                " the log read-only"
            ) from error
        except OSError as error:
            lock.close()
            raise LogUnavailable(
                f"{path}: cannot lock {lock_path}: {error.strerror}; give a path on a local disk"
            ) from error
        return cls(path, lock)

    def enter(self) -> None:
        """Note in the lock file that this process writes, so that a crash can be told."""
        self._note(f"open {os.getpid()}")

    def leave(self) -> None:
        """Note the file as this writer leaves it, and give the place back."""
        self._note(_left(self._path))
        self.abandon()

    def abandon(self) -> None:
        """Give the place back without vouching for the file."""
        self._lock.close()

    def _note(self, text: str) -> None:
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(text)
        self._lock.flush()
        os.fsync(self._lock.fileno())


def open_memory() -> sqlite3.Connection:
    """Return a fresh log that lives as long as its connection."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(_TABLES)
    return connection


def open_writer(path: Path) -> tuple[sqlite3.Connection, WriterPlace]:
    """Open the log at `path` for writing, made anew when there is none, and take its place.

    Raises WriterBusy, LogCorrupt, or LogUnavailable; each names the file and what to do.
    """
    _refuse_bad_path(path)
    place = WriterPlace.take(path)
    try:
        return _open_checked(path, place), place
    except BaseException:
        place.abandon()
        raise


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the log at `path` for reading, beside its writer if there is one.

    Raises LogUnavailable when there is no log or it cannot be read.
    """
    _refuse_bad_path(path)
    if not path.exists():
        raise LogUnavailable(f"{path}: there is no such log; start its writer, which makes it")
    connection = _connected(path, "ro")
    try:
        if _is_fresh(connection, path):
            raise LogUnavailable(f"{path}: the log is still empty; start its writer first")
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise transport_error(error, str(path)) from error
        raise
    return connection


def _open_checked(path: Path, place: WriterPlace) -> sqlite3.Connection:
    as_left = _left(path)
    if place.mark and path.exists() and path.stat().st_size == 0:
        raise LogCorrupt(
            f"{path}: the file is empty, but a writer has left a log there; {_SALVAGE}"
        )
    connection = _connected(path, "rwc")
    try:
        is_fresh = _is_fresh(connection, path)
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise LogUnavailable(
                f"{path}: SQLite cannot keep a write-ahead log there; give a path on a local disk"
            )
        connection.execute("PRAGMA synchronous = FULL")
        if is_fresh:
            connection.executescript(_TABLES)
        elif place.mark != as_left:
            _read_through(connection, path)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
        place.enter()
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise transport_error(error, str(path)) from error
        raise
    return connection


def _refuse_bad_path(path: Path) -> None:
    try:
        is_directory, has_parent = path.is_dir(), path.parent.exists()
        has_directory = path.parent.is_dir()
    except OSError as error:
        raise LogUnavailable(f"{path}: {error.strerror}; give another path") from error
    if is_directory:
        raise LogUnavailable(f"{path}: this is a directory; give the path of a file in it")
    if not has_parent:
        raise LogUnavailable(
            f"{path}: there is no directory {path.parent}; make it, or give another path"
        )
    if not has_directory:
        raise LogUnavailable(f"{path}: {path.parent} is not a directory; give another path")


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=BUSY_SECONDS,
        )
    except sqlite3.Error as error:
        raise transport_error(error, str(path)) from error


def _is_fresh(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file has no tables yet; refuses files that are not ours or are newer than us."""
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (tables, application, version) == (0, 0, 0):
        return True
    if application != APPLICATION:
        raise LogUnavailable(
            f"{path}: this is an SQLite file of another program; give another path"
        )
    if version > FORMAT:
        raise LogUnavailable(
            f"{path}: the log has format {version}, and this program knows {FORMAT};"
            " start the newer program that wrote it"
        )
    return False


def _read_through(connection: sqlite3.Connection, path: Path) -> None:
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        where = found.splitlines()[-1]
        raise LogCorrupt(f"{path}: the file is damaged: {where}; {_SALVAGE}")


def _left(path: Path) -> str:
    """Return the mark of the file as it lies there now."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ""
    return f"closed {status.st_size} {status.st_mtime_ns}"

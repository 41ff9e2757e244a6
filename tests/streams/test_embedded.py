"""The embedded log: both or neither, nothing acknowledged is lost, one writer, many readers."""

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.codec import encode
from streams.events import UtteranceAsked
from streams.topics import TOPIC_NAMES
from streams.transports import LogCorrupt, LogUnavailable, Outgoing, Record, Transport, WriterBusy
from streams.transports.embedded import EmbeddedLog
from tests.streams.examples import lying, now, outgoing

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["streams.transports.embedded"])


def plain(topic: str, number: int = 0, subject: str = "u") -> Outgoing:
    return Outgoing(topic, None, (("utterance", subject.encode()),), b"%d" % number, number)


async def end(log: EmbeddedLog, topic: str) -> int:
    return (await log.ends([topic]))[topic, 0]


async def nexts(log: EmbeddedLog, group: str) -> dict[str, int]:
    return {topic: following for (topic, _), following in (await log.positions(group)).items()}


@contextmanager
def writer(path: Path) -> Iterator[EmbeddedLog]:
    log = EmbeddedLog.open(path)
    try:
        yield log
    finally:
        now(log.close())


@contextmanager
def reader(path: Path) -> Iterator[EmbeddedLog]:
    log = EmbeddedLog.open(path, read_only=True)
    try:
        yield log
    finally:
        now(log.close())


@pytest.fixture
def memory() -> Iterator[EmbeddedLog]:
    log = EmbeddedLog.open(":memory:")
    yield log
    now(log.close())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kappa.db"


# --- the model ------------------------------------------------------------------------------------


@dataclass
class Model:
    """The slow obvious log: lists in memory."""

    records: list[Record] = field(default_factory=list)
    positions: dict[str, dict[str, int]] = field(default_factory=dict)

    def copy(self) -> "Model":
        positions = {group: dict(nexts) for group, nexts in self.positions.items()}
        return Model(list(self.records), positions)

    def end(self, topic: str) -> int:
        return sum(record.topic == topic for record in self.records)

    def publish(self, records: Sequence[Outgoing], group: str, positions: dict[str, int]) -> bool:
        nexts = self.positions.get(group, {})
        for topic, following in positions.items():
            if not nexts.get(topic, 0) <= following <= self.end(topic):
                return False
        for topic, following in positions.items():
            if following != nexts.get(topic, 0):
                self.positions.setdefault(group, {})[topic] = following
        for record in records:
            self.records.append(lying(record, self.end(record.topic), len(self.records)))
        return True

    def read(self, topics: Sequence[str], start: int, limit: int) -> list[Record]:
        return [r for r in self.records if r.topic in topics and r.sequence >= start][:limit]

    def poll(self, group: str, topics: Sequence[str], limit: int) -> list[Record]:
        nexts = self.positions.get(group, {})
        return [r for r in self.records if r.topic in topics and r.offset >= nexts.get(r.topic, 0)][
            :limit
        ]

    def find(self, subject: str) -> list[Record]:
        wanted = subject.encode()
        return [
            r
            for r in self.records
            if next((value for name, value in r.headers if name == "utterance"), None) == wanted
        ]


def assert_same(log: EmbeddedLog, model: Model, limit: int = 10_000) -> None:
    assert list(now(log.read(TOPIC_NAMES, limit=limit))) == model.records[:limit]
    for topic in TOPIC_NAMES:
        assert now(end(log, topic)) == model.end(topic)
    for group in ("g", "h"):
        assert now(nexts(log, group)) == model.positions.get(group, {})
        for topics in (TOPIC_NAMES[:1], TOPIC_NAMES[1:3], TOPIC_NAMES):
            assert list(now(log.poll(group, topics, 3))) == model.poll(group, topics, 3)
    middle = len(model.records) // 2
    assert list(now(log.read(TOPIC_NAMES[:2], middle, 2))) == model.read(TOPIC_NAMES[:2], middle, 2)
    for record in model.records[:3]:
        for name, value in record.headers:
            if name == "utterance" and value.isascii():
                assert list(now(log.find(value.decode()))) == model.find(value.decode())


publishes = st.tuples(
    st.just("publish"),
    st.lists(outgoing, max_size=3),
    st.sampled_from(["g", "h"]),
    st.dictionaries(st.sampled_from(TOPIC_NAMES[:3]), st.integers(0, 4), max_size=2),
)
batches = st.tuples(
    st.sampled_from(["batch", "undone batch"]), st.lists(publishes, min_size=1, max_size=3)
)


def publish_both(log: EmbeddedLog, model: Model, step: tuple[Any, ...]) -> str:
    _, records, group, positions = step
    if model.publish(records, group, positions):
        now(log.publish(records, group=group, positions=positions))
        return "published"
    with pytest.raises(ValueError, match="is not within"):
        now(log.publish(records, group=group, positions=positions))
    return "refused"


class Undone(Exception):
    """Raised inside a batch to undo it."""


@dataclass
class Run:
    """A log, a second reader of its file, and the model they are held against."""

    path: Path
    log: EmbeddedLog
    second: EmbeddedLog
    seen: Counter[str]
    model: Model = field(default_factory=Model)

    def take(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("publish", *_):
                self.seen[publish_both(self.log, self.model, step)] += 1
            case ("batch", list(inner)):
                with self.log.batch():
                    for one in inner:
                        self.seen[publish_both(self.log, self.model, one) + " in a batch"] += 1
                    assert_same(self.log, self.model)
            case ("undone batch", list(inner)):
                self.undo(inner)
            case _:
                now(self.log.close())
                self.log = EmbeddedLog.open(self.path)
                self.seen["reopened"] += 1
        assert_same(self.log, self.model)
        assert_same(self.second, self.model)

    def undo(self, inner: list[tuple[Any, ...]]) -> None:
        draft = self.model.copy()
        with pytest.raises(Undone), self.log.batch():
            for one in inner:
                publish_both(self.log, draft, one)
            assert_same(self.log, draft)
            assert_same(self.second, self.model)
            raise Undone
        self.seen["undone with records"] += draft.records != self.model.records
        self.seen["undone with positions"] += draft.positions != self.model.positions


def test_any_run_of_publishes_and_batches_leaves_what_the_obvious_log_would_hold() -> None:
    seen = Counter[str]()
    start: tuple[Any, ...] = ("publish", [plain(topic) for topic in TOPIC_NAMES[:3]] * 2, "g", {})

    @settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(steps=st.lists(publishes | batches | st.just(("reopen",)), max_size=8))
    def agrees(steps: list[tuple[Any, ...]]) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "kappa.db")
            log = EmbeddedLog.open(path)
            run = Run(path, log, EmbeddedLog.open(path, read_only=True), seen)
            try:
                for step in (start, *steps):
                    run.take(step)
            finally:
                now(run.log.close())
                now(run.second.close())

    agrees()
    expected = {
        "published",
        "refused",
        "published in a batch",
        "undone with records",
        "undone with positions",
        "reopened",
    }
    assert expected <= {name for name, times in seen.items() if times > 0}, seen


# --- reading --------------------------------------------------------------------------------------


async def test_the_embedded_log_is_a_transport(memory: EmbeddedLog) -> None:
    transport: Transport = memory
    assert await end(transport, "utterances") == 0


async def test_sequence_orders_the_records_of_all_topics(memory: EmbeddedLog) -> None:
    topics = ["versions", "utterances", "matches", "utterances", "versions"]
    for number, topic in enumerate(topics):
        await memory.publish([plain(topic, number)])
    records = await memory.read(TOPIC_NAMES)
    assert [record.topic for record in records] == topics
    assert [record.sequence for record in records] == [0, 1, 2, 3, 4]
    assert [record.offset for record in records] == [0, 0, 0, 1, 1]
    polled = await memory.poll("g", ["utterances", "versions", "utterances"], 3)
    assert [record.sequence for record in polled] == [0, 1, 3]


async def test_polling_does_not_move_positions_and_publishing_does(memory: EmbeddedLog) -> None:
    await memory.publish([plain("utterances", 0), plain("utterances", 1)])
    first = await memory.poll("g", ["utterances"], 1)
    assert await memory.poll("g", ["utterances"], 1) == first
    await memory.publish([], group="g", positions={"utterances": 1})
    assert [record.offset for record in await memory.poll("g", ["utterances"], 9)] == [1]
    assert await nexts(memory, "g") == {"utterances": 1}
    assert await nexts(memory, "other") == {}


async def test_a_record_comes_back_byte_for_byte(memory: EmbeddedLog) -> None:
    every_byte = bytes(range(256))
    record = Outgoing(
        "feedback",
        "k\x00é",
        (("utterance", every_byte), ("utterance", b"second"), ("né\ud800", b"")),
        every_byte,
        -1,
    )
    await memory.publish([record])
    assert await memory.read(["feedback"]) == [lying(record)]


async def test_find_goes_by_the_first_utterance_header_across_topics(memory: EmbeddedLog) -> None:
    asked = encode(UtteranceAsked(utterance_id="ü1", text="a"), timestamp=1)
    answered = plain("matches", 2, "ü1")
    twice = plain("matches", 3, "other")._replace(headers=(("utterance", b"x"), *asked.headers))
    await memory.publish([asked, plain("utterances", 5, "u2"), answered, twice])
    assert [record.sequence for record in await memory.find("ü1")] == [0, 2]
    assert await memory.find("nobody") == []


async def test_publishing_nothing_is_nothing(memory: EmbeddedLog) -> None:
    await memory.publish([])
    await memory.publish([], group="g", positions={})
    await memory.publish([], group="g", positions={"utterances": 0})
    assert await nexts(memory, "g") == {}
    assert await memory.read(TOPIC_NAMES) == []


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "positions", "why"),
    [
        ("g", {"utterances": 0}, r"position 0 of group 'g' on 'utterances' is not within 1\.\.2"),
        ("g", {"utterances": 3}, "position 3 of group 'g'"),
        ("g", {"matches": 1}, "position 1 of group 'g' on 'matches'"),
        ("g", {"gossip": 0}, "'gossip' is not in the topic table"),
        (None, {"utterances": 2}, "need the name of a group"),
        ("", {"utterances": 2}, "need the name of a group"),
    ],
)
async def test_a_bad_position_is_refused_with_all_of_its_publish(
    memory: EmbeddedLog, group: str | None, positions: dict[str, int], why: str
) -> None:
    await memory.publish([plain("utterances"), plain("utterances")])
    await memory.publish([], group="g", positions={"utterances": 1})
    with pytest.raises(ValueError, match=why):
        await memory.publish([plain("matches")], group=group, positions=positions)
    assert await end(memory, "matches") == 0
    assert await nexts(memory, "g") == {"utterances": 1}


@pytest.mark.parametrize(
    "bad",
    [
        plain("gossip"),
        plain("matches")._replace(key="\ud800"),
        plain("matches")._replace(timestamp=2**63),
    ],
    ids=["unknown-topic", "key-not-utf-8", "timestamp-beyond-64-bits"],
)
async def test_a_bad_record_is_refused_with_all_of_its_publish(
    memory: EmbeddedLog, bad: Outgoing
) -> None:
    await memory.publish([plain("utterances")])
    with pytest.raises(ValueError):  # three causes, one promise
        await memory.publish([plain("matches"), bad], group="g", positions={"utterances": 1})
    assert await end(memory, "matches") == 0
    assert await nexts(memory, "g") == {}
    await memory.publish([plain("matches")])
    assert [record.offset for record in await memory.read(["matches"])] == [0]


async def test_reading_an_unknown_topic_or_less_than_one_record_is_refused(
    memory: EmbeddedLog,
) -> None:
    with pytest.raises(ValueError, match="'gossip' is not in the topic table"):
        await memory.poll("g", ["utterances", "gossip"], 1)
    with pytest.raises(ValueError, match="'gossip'"):
        await memory.read(["gossip"])
    with pytest.raises(ValueError, match="'gossip'"):
        await end(memory, "gossip")
    with pytest.raises(ValueError, match="limit 0 is below 1"):
        await memory.poll("g", ["utterances"], 0)
    with pytest.raises(ValueError, match="limit -1 is below 1"):
        await memory.read(["utterances"], limit=-1)


async def test_a_closed_log_refuses_every_call_and_closes_twice() -> None:
    log = EmbeddedLog.open(":memory:")
    await log.close()
    await log.close()
    for call in (
        log.publish([]),
        log.poll("g", [], 1),
        log.read([]),
        log.ends(["matches"]),
        log.positions("g"),
        log.find("u"),
    ):
        with pytest.raises(LogUnavailable, match=":memory:: the log is closed"):
            await call
    with pytest.raises(LogUnavailable), log.batch():
        pass


# --- batches --------------------------------------------------------------------------------------


async def test_a_failed_write_loses_its_batch_even_when_it_was_caught(memory: EmbeddedLog) -> None:
    await memory.publish([plain("utterances")])
    with pytest.raises(LogUnavailable, match="none of it is kept"), memory.batch():
        await memory.publish([plain("matches")], group="g", positions={"utterances": 1})
        with pytest.raises(ValueError, match="64 bits"):
            await memory.publish([plain("matches")._replace(timestamp=2**63)])
        with pytest.raises(LogUnavailable, match="none of it is kept"):
            await memory.publish([plain("matches")])
    assert await end(memory, "matches") == 0
    assert await nexts(memory, "g") == {}
    await memory.publish([plain("matches")], group="g", positions={"utterances": 1})
    assert len(await memory.read(["matches"])) == 1


async def test_batches_do_not_nest(memory: EmbeddedLog) -> None:
    with memory.batch():
        await memory.publish([plain("matches")])
        with pytest.raises(ValueError, match="batches do not nest"), memory.batch():
            pass
    assert await end(memory, "matches") == 1


async def test_closing_inside_a_batch_undoes_it(path: Path) -> None:
    log = EmbeddedLog.open(path)
    with pytest.raises(LogUnavailable, match="the log is closed"), log.batch():
        await log.publish([plain("matches")])
        await log.close()
    with writer(path) as log:
        assert await end(log, "matches") == 0


# --- files ----------------------------------------------------------------------------------------


async def test_a_second_writer_is_told_who_holds_the_log(path: Path) -> None:
    with writer(path):
        with pytest.raises(WriterBusy) as caught:
            EmbeddedLog.open(path)
        assert str(caught.value) == (
            f"{path}: another writer (process {os.getpid()}) holds {path}.lock; stop it, or open"
            " the log read-only"
        )
        link = path.with_name("link.db")
        link.symlink_to(path)
        with pytest.raises(WriterBusy):
            EmbeddedLog.open(link)
    with writer(path):
        pass


async def test_a_program_that_is_started_does_not_hold_the_writers_place(path: Path) -> None:
    with writer(path):
        program = subprocess.Popen(
            [sys.executable, "-Sc", "input()"], stdin=subprocess.PIPE, close_fds=False
        )
    with program, writer(path) as log:
        await log.publish([plain("matches")])
        assert program.poll() is None
        program.communicate(b"\n")


def _read_elsewhere(path: Path, replies: Connection) -> None:
    with reader(path) as log:
        replies.send(now(end(log, "matches")))
        replies.recv()
        replies.send([now(end(log, "matches")), dict(now(nexts(log, "g")))])
        try:
            now(log.publish([plain("matches")]))
        except LogUnavailable as error:
            replies.send(str(error))


async def test_a_reader_in_another_process_sees_what_the_writer_has_committed(path: Path) -> None:
    ours, theirs = PROCESSES.Pipe()
    with writer(path) as log:
        await log.publish([plain("matches")])
        process = PROCESSES.Process(target=_read_elsewhere, args=(path, theirs))
        process.start()
        assert received(ours) == 1
        with log.batch():
            await log.publish([plain("matches")], group="g", positions={"matches": 1})
        ours.send("go on")
        assert received(ours) == [2, {"matches": 1}]
        assert received(ours) == f"{path}: opened read-only; publish through its writer"
        process.join(10)
        assert process.exitcode == 0


async def test_a_reader_outlives_its_writer_and_opens_without_one(path: Path) -> None:
    with writer(path) as log:
        await log.publish([plain("matches", 5)])
        early = EmbeddedLog.open(path, read_only=True)
    with closing_now(early), reader(path) as late:
        assert await early.read(["matches"]) == await late.read(["matches"])
        assert await end(late, "matches") == 1
        with writer(path) as log:
            await log.publish([plain("matches", 6)])
        assert await end(early, "matches") == await end(late, "matches") == 2


@contextmanager
def closing_now(log: EmbeddedLog) -> Iterator[None]:
    try:
        yield
    finally:
        now(log.close())


def received(connection: Connection) -> object:
    assert connection.poll(20), "the other process says nothing"
    return connection.recv()


# --- killed writers -------------------------------------------------------------------------------


def _publish_for_ever(path: Path, batch: int, acknowledge: Connection) -> None:
    """Answer utterances one by one, or `batch` in a transaction; tell each acknowledged end."""
    log = EmbeddedLog.open(path)
    answered = now(end(log, "matches"))
    while True:
        with log.batch() if batch > 1 else nullcontext():
            for _ in range(batch):
                now(log.publish([plain("utterances", answered)]))
                answered += 1
                now(
                    log.publish(
                        [plain("matches", answered), plain("evidence", answered)],
                        group="matcher",
                        positions={"utterances": answered},
                    )
                )
        acknowledge.send(answered)


@pytest.mark.parametrize("batch", [1, 25])
async def test_a_killed_writer_leaves_outputs_equal_to_positions_and_all_it_acknowledged(
    path: Path, batch: int
) -> None:
    acknowledged = 0
    for kill_after in (1, 2, 3, 5, 8, 13, 21, 34):
        ours, theirs = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=_publish_for_ever, args=(path, batch, theirs))
        process.start()
        theirs.close()
        for _ in range(kill_after):
            acknowledged = int(str(received(ours)))
        process.kill()
        process.join(10)
        try:
            while True:
                acknowledged = ours.recv()
        except EOFError:
            ours.close()
        process.close()
        with writer(path) as log:
            outputs = await end(log, "matches")
            assert await end(log, "evidence") == outputs
            assert (await nexts(log, "matcher"))["utterances"] == outputs
            assert outputs >= acknowledged
            assert outputs % batch == 0
            records = await log.read(TOPIC_NAMES, limit=10**6)
            assert [record.sequence for record in records] == list(range(len(records)))
            assert len(records) == 2 * outputs + await end(log, "utterances")
    assert acknowledged >= 87 * batch


# --- bad places and damaged files -----------------------------------------------------------------


def filled(path: Path, records: int = 400) -> Path:
    with writer(path) as log:
        now(log.publish([plain("utterances", number, f"u{number}") for number in range(records)]))
    return path


def test_the_directory_must_exist_and_be_one(tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match=r"a/b/kappa\.db: there is no directory .*a/b; make"):
        EmbeddedLog.open(tmp_path / "a" / "b" / "kappa.db")
    (tmp_path / "file").touch()
    with pytest.raises(LogUnavailable, match="file is not a directory; give another path"):
        EmbeddedLog.open(tmp_path / "file" / "kappa.db")
    with pytest.raises(LogUnavailable, match="this is a directory; give the path of a file"):
        EmbeddedLog.open(tmp_path)
    with pytest.raises(LogUnavailable, match="File name too long; give another path"):
        EmbeddedLog.open(tmp_path / ("x" * 300))


def test_a_reader_needs_a_log(path: Path) -> None:
    with pytest.raises(LogUnavailable, match="there is no such log; start its writer"):
        EmbeddedLog.open(path, read_only=True)
    assert not path.exists()
    path.touch()
    with pytest.raises(LogUnavailable, match="the log is still empty"):
        EmbeddedLog.open(path, read_only=True)


def test_only_files_are_opened_read_only() -> None:
    with pytest.raises(ValueError, match="give a Path"):
        EmbeddedLog.open(":memory:", read_only=True)


@contextmanager
def unprivileged(directory: Path) -> Iterator[None]:
    """Take from this process the right to write into `directory`, also when it runs as root."""
    user = os.geteuid()
    directory.chmod(0o555)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        directory.chmod(0o755)


def test_a_directory_that_cannot_be_written_is_refused_with_advice() -> None:
    with tempfile.TemporaryDirectory() as name:
        path = filled(Path(name, "kappa.db").resolve())
        with unprivileged(path.parent):
            with pytest.raises(LogUnavailable, match=r"cannot open its lock file .*read-only"):
                EmbeddedLog.open(path)
            with pytest.raises(
                LogUnavailable, match="the right to write the file and its directory"
            ):
                EmbeddedLog.open(path, read_only=True)


def test_a_file_that_cannot_be_written_is_refused_at_the_door() -> None:
    with tempfile.TemporaryDirectory() as name:
        path = filled(Path(name, "kappa.db").resolve())
        path.chmod(0o444)
        path.with_name("kappa.db.lock").chmod(0o666)
        rights = "give this user the right to write the file"
        with unprivileged(path.parent), pytest.raises(LogUnavailable, match=rights):
            EmbeddedLog.open(path)


def test_a_foreign_file_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to look at" * 50)
    before = path.read_bytes()
    with pytest.raises(LogUnavailable, match="it is no SQLite file"):
        EmbeddedLog.open(path)
    assert path.read_bytes() == before
    other = path.with_name("other.db")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE cookies (name)")
    with pytest.raises(LogUnavailable, match="an SQLite file of another program"):
        EmbeddedLog.open(other)


def test_a_log_of_a_newer_format_is_refused(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    for read_only in (False, True):
        with pytest.raises(LogUnavailable, match="has format 2, and this program knows 1"):
            EmbeddedLog.open(path, read_only=read_only)


def test_a_truncated_log_is_refused_and_the_writers_place_is_free_again(path: Path) -> None:
    size = filled(path).stat().st_size
    whole = path.read_bytes()
    os.truncate(path, size // 2)
    with pytest.raises(LogCorrupt, match="restore it from a copy"):
        EmbeddedLog.open(path)
    os.truncate(path, 0)
    with pytest.raises(LogCorrupt, match="the file is empty, but a writer has left a log there"):
        EmbeddedLog.open(path)
    path.write_bytes(whole)
    with writer(path) as log:
        assert now(end(log, "utterances")) == 400


def damage(path: Path) -> None:
    """Overwrite a page in the middle of the table, keeping size and time."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(4096 * (status.st_size // 8192))
        file.write(b"\xa5" * 4096)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_damage_is_found_at_the_door_when_the_file_is_not_as_its_writer_left_it(
    path: Path,
) -> None:
    damage(filled(path, 4000))
    os.utime(path)
    with pytest.raises(LogCorrupt, match=r"the file is damaged: .*restore it from a copy"):
        EmbeddedLog.open(path)


async def test_damage_behind_the_doors_back_is_met_when_it_is_read(path: Path) -> None:
    damage(filled(path, 4000))
    with pytest.raises(LogCorrupt, match=r"kappa\.db: .*malformed"), writer(path) as log:
        await log.read(TOPIC_NAMES, limit=10_000)


async def test_damaged_headers_are_met_when_they_are_read(path: Path) -> None:
    filled(path, 2)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE records SET headers = '[1' WHERE sequence = 1")
    with writer(path) as log:
        assert len(await log.read(["utterances"], limit=1)) == 1
        with pytest.raises(LogCorrupt, match="the headers of a record are damaged"):
            await log.read(["utterances"])


def limit_pages(log: EmbeddedLog, more: int) -> None:
    """Let SQLite report a full disk after `more` pages; there is no other way from outside."""
    (pages,) = log._connection.execute("PRAGMA page_count").fetchone()
    log._connection.execute(f"PRAGMA max_page_count = {pages + more}")


async def test_on_a_full_disk_nothing_is_acknowledged_and_what_was_stays(path: Path) -> None:
    large = plain("matches")._replace(value=b"x" * 100_000)
    with writer(path) as log:
        await log.publish([plain("utterances"), plain("matches")])
        limit_pages(log, 2)
        with pytest.raises(LogUnavailable, match=r"kappa\.db: .*full; no room left; free some"):
            await log.publish([large], group="g", positions={"utterances": 1})
        assert await end(log, "matches") == 1
        assert await nexts(log, "g") == {}
        with pytest.raises(LogUnavailable, match="full"), log.batch():
            await log.publish([plain("matches")], group="g", positions={"utterances": 1})
            await log.publish([large])
        with pytest.raises(LogUnavailable, match="none of it is kept"), log.batch():
            with pytest.raises(LogUnavailable, match="full"):
                await log.publish([large])
            with pytest.raises(LogUnavailable, match="none of it is kept"):
                await log.publish([plain("matches")])
        assert await end(log, "matches") == 1
        limit_pages(log, 1000)
        await log.publish([large], group="g", positions={"utterances": 1})
    with writer(path) as log:
        assert await end(log, "matches") == 2
        assert await nexts(log, "g") == {"utterances": 1}


async def test_a_foreign_writer_is_noticed(path: Path) -> None:
    with writer(path) as log:
        await log.publish([plain("matches")])
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(
                "INSERT INTO records SELECT 1, topic, 0, 1, key, headers, value, timestamp, subject"
                " FROM records"
            )
        with pytest.raises(LogUnavailable, match="somebody else has written to the file"):
            await log.publish([plain("matches")])

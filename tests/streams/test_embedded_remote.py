"""The log beside its writer: the same log, stored by the writer, whole or not at all."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.topics import TOPIC_NAMES
from streams.transports import Handled, LogUnavailable, Outgoing, Transport
from streams.transports.embedded import EmbeddedLog
from streams.transports.embedded_frames import (
    FRAME_LIMIT,
    PUBLISH_LIMIT,
    BadFrame,
    Frame,
    Leave,
    News,
    NotStored,
    Part,
    Publish,
    Ready,
    Stored,
    packed,
    packed_publish,
    received,
    unpacked,
)
from streams.transports.embedded_remote import RemoteLog, WriterEnd
from tests.streams.examples import outgoing

GROUP = "learner"


def plain(topic: str = "utterances", size: int = 1) -> Outgoing:
    return Outgoing(topic, None, (("utterance", b"u"),), b"x" * size, 1)


@dataclass
class Pair:
    """A writer, a process beside it, and the pipe between them, all in this process."""

    log: EmbeddedLog
    beside: RemoteLog
    end: WriterEnd
    serving: asyncio.Task[None]
    stored: list[str] = field(default_factory=list)


@asynccontextmanager
async def pair(path: Path) -> AsyncIterator[Pair]:
    log = EmbeddedLog.open(path)
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    heard: list[str] = []
    end = WriterEnd(
        log,
        writer.transport,
        groups=frozenset({GROUP}),
        topics=frozenset(TOPIC_NAMES) - {"versions"},
        stored=lambda: heard.append("stored"),
        ready=lambda: heard.append("ready"),
    )
    beside = await RemoteLog.connect(path, theirs)
    serving = asyncio.create_task(end.serve(reader))
    try:
        yield Pair(log, beside, end, serving, heard)
    finally:
        await beside.close()
        await asyncio.wait((serving,))
        writer.close()
        await log.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kappa.db"


# --- the same log ---------------------------------------------------------------------------------


async def test_it_is_a_transport(path: Path) -> None:
    async with pair(path) as both:
        transport: Transport = both.beside
        await transport.publish([plain()])
        assert await transport.ends(["utterances"]) == {("utterances", 0): 1}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(outgoing, max_size=4), max_size=4))
def test_what_is_published_through_the_pipe_is_what_lies_in_the_log(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Outgoing]]
) -> None:
    async def check() -> None:
        expected = EmbeddedLog.open(":memory:")
        async with pair(tmp_path_factory.mktemp("log") / "kappa.db") as both:
            allowed = [[r for r in batch if r.topic != "versions"] for batch in batches]
            for batch in allowed:
                try:
                    await expected.publish(batch)
                except ValueError:  # a lone surrogate, which no log holds
                    with pytest.raises(ValueError):
                        await both.beside.publish(batch)
                else:
                    await both.beside.publish(batch)
            found = await both.log.read(TOPIC_NAMES)
            assert found == await both.beside.read(TOPIC_NAMES) == await expected.read(TOPIC_NAMES)
            assert [r async for r in both.beside.scan(TOPIC_NAMES, -(2**63))] == found
            assert await both.beside.find("u") == await both.log.find("u")
            assert both.beside.following == both.log.following

    asyncio.run(check())


async def test_a_member_beside_goes_on_where_the_group_stopped(path: Path) -> None:
    async with pair(path) as both:
        await both.log.publish([plain(size=n) for n in range(1, 6)])
        member = await both.beside.subscribe(GROUP, ["utterances"])
        records = await member.poll(3)
        await member.publish([Handled(r, [plain("matches")]) for r in records[:2]])
        assert both.stored == ["stored"]
        assert await both.log.positions(GROUP) == {("utterances", 0): 2}
        assert await both.beside.ends(["matches"]) == {("matches", 0): 2}
        again = await both.beside.subscribe(GROUP, ["utterances"])
        assert [len(record.value) for record in await again.poll(9)] == [3, 4, 5]


async def test_a_reader_beside_sees_what_the_writer_writes(path: Path) -> None:
    async with pair(path) as both:
        reader = await both.beside.reader(["utterances"], from_end=True)
        assert list(await reader.read(9)) == []
        await both.log.publish([plain()])
        assert len(await reader.read(9)) == 1


async def test_many_publishes_at_once_are_all_stored(path: Path) -> None:
    async with pair(path) as both:
        await asyncio.gather(
            *(both.beside.publish([plain(size=n), plain(size=n)]) for n in range(1, 60))
        )
        sizes = [len(record.value) for record in await both.log.read(["utterances"])]
        assert sizes == [n for n in range(1, 60) for _ in range(2)]


# --- whole or not at all --------------------------------------------------------------------------

REFUSED: list[tuple[str, list[Outgoing], str | None, dict[str, int] | None, str]] = [
    ("beyond-the-end", [plain("matches")], GROUP, {"utterances": 3}, "position 3 of group"),
    ("backwards", [plain("matches")], GROUP, {"utterances": 0}, "position 0 of group"),
    ("unknown-topic", [plain("nowhere")], GROUP, None, "'nowhere'"),
    ("unknown-topics-position", [], GROUP, {"nowhere": 1}, "'nowhere'"),
    ("a-foreign-group", [], "matcher", {"utterances": 1}, "group 'matcher' is none of"),
    ("a-foreign-topic", [plain("matches"), plain("versions")], None, None, "'versions'"),
    ("no-group", [], None, {"utterances": 1}, "need the name of a group"),
    ("half-a-pair", [plain()._replace(key="\ud800")], None, None, "surrogate"),
    ("a-time-beyond", [plain()._replace(timestamp=2**63)], None, None, "64 bits"),
    ("a-record-beyond", [plain(size=FRAME_LIMIT)], None, None, f"the limit is {FRAME_LIMIT}"),
]


@pytest.mark.parametrize(
    ("name", "records", "group", "positions", "problem"), REFUSED, ids=[row[0] for row in REFUSED]
)
async def test_what_does_not_fit_is_refused_as_a_whole(
    path: Path,
    name: str,
    records: list[Outgoing],
    group: str | None,
    positions: dict[str, int] | None,
    problem: str,
) -> None:
    async with pair(path) as both:
        await both.log.publish([plain(), plain()])
        await both.log.publish([], group=GROUP, positions={"utterances": 1})
        with pytest.raises(ValueError, match=problem):
            await both.beside.publish(records, group=group, positions=positions)
        assert both.log.following == 2
        assert await both.log.positions(GROUP) == {("utterances", 0): 1}
        await both.beside.publish([plain("matches")], group=GROUP, positions={"utterances": 2})
        assert both.log.following == 3


async def test_a_long_publish_goes_in_parts_and_is_stored_at_once(path: Path) -> None:
    many = [plain(size=700_000) for _ in range(9)]
    async with pair(path) as both:
        await both.beside.publish(many, group=GROUP, positions={"utterances": 0})
        assert both.stored == ["stored"]
        assert both.log.following == 9


async def test_a_publish_that_is_cut_short_is_not_stored(path: Path) -> None:
    """As when the process is killed: at any byte but the last, nothing lies in the log."""
    random, whole = Random("cuts"), packed_publish(1, [plain(size=700_000)] * 4, None, None)
    cuts = [0, 1, 4, len(whole) - 1, *(random.randrange(len(whole)) for _ in range(6))]
    for number, cut in enumerate([*cuts, len(whole)]):
        log = EmbeddedLog.open(path.with_name(f"{number}.db"))
        reader = asyncio.StreamReader()
        reader.feed_data(whole[:cut])
        reader.feed_eof()
        end = writer_end(log, frozenset({"utterances"}))
        await end.serve(reader)
        assert log.following == (4 if cut == len(whole) else 0)
        await log.close()


class Silent(asyncio.WriteTransport):
    """A transport that nobody reads."""

    def __init__(self, buffered: int = 0) -> None:
        super().__init__()
        self.buffered, self.written = buffered, bytearray()

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self.buffered


def writer_end(
    log: EmbeddedLog, topics: frozenset[str] = frozenset(), silent: Silent | None = None
) -> WriterEnd:
    pipe, nothing = silent or Silent(), lambda: None
    return WriterEnd(log, pipe, groups=frozenset(), topics=topics, stored=nothing, ready=nothing)


async def test_a_log_that_cannot_be_written_is_told_to_both_ends(path: Path) -> None:
    async with pair(path) as both:
        await both.log.close()
        with pytest.raises(LogUnavailable, match="the log is closed"):
            await both.beside.publish([plain()])
        with pytest.raises(LogUnavailable, match="the log is closed"):
            await both.serving


# --- news, and the end ----------------------------------------------------------------------------


async def test_news_and_leave_are_heard(path: Path) -> None:
    async with pair(path) as both:
        both.beside.ready()
        both.end.news()
        await both.beside.news.wait()
        assert not both.beside.must_leave()
        both.beside.news.clear()
        both.end.leave()
        await both.beside.news.wait()
        assert both.beside.must_leave()
        await both.beside.publish([plain()])  # what was at hand is still stored
        assert both.stored == ["ready", "stored"]


async def test_one_who_does_not_read_is_told_no_more_news() -> None:
    log, idle, busy = EmbeddedLog.open(":memory:"), Silent(), Silent(buffered=1)
    writer_end(log, silent=idle).news()
    writer_end(log, silent=busy).news()
    assert (bytes(idle.written), bytes(busy.written)) == (packed(News()), b"")


async def test_when_the_writer_goes_nobody_waits_for_it(path: Path) -> None:
    log = EmbeddedLog.open(path)
    ours, theirs = socket.socketpair()
    beside = await RemoteLog.connect(path, theirs)
    waiting = [asyncio.create_task(beside.publish([plain()])) for _ in range(3)]
    await asyncio.sleep(0)
    ours.close()
    for task in waiting:
        with pytest.raises(LogUnavailable, match="the writer of the log has gone"):
            await task
    assert (beside.must_leave(), beside.news.is_set(), beside.is_gone) == (True, True, True)
    with pytest.raises(LogUnavailable, match="has gone"):
        await beside.publish([])
    await beside.close()
    await log.close()


async def test_whoever_stops_waiting_disturbs_nobody(path: Path) -> None:
    async with pair(path) as both:
        first = asyncio.create_task(both.beside.publish([plain()]))
        await asyncio.sleep(0)
        first.cancel()
        await both.beside.publish([plain()])
        assert both.log.following == 2


CALLS: list[tuple[str, Callable[[RemoteLog], Coroutine[Any, Any, Any]]]] = [
    ("publish", lambda log: log.publish([plain()])),
    ("subscribe", lambda log: log.subscribe(GROUP, ["utterances"])),
    ("reader", lambda log: log.reader(["utterances"], from_end=True)),
    ("positions", lambda log: log.positions(GROUP)),
    ("ends", lambda log: log.ends(["utterances"])),
    ("find", lambda log: log.find("u")),
    ("read", lambda log: log.read(["utterances"])),
]


@pytest.mark.parametrize(("name", "call"), CALLS, ids=[row[0] for row in CALLS])
async def test_a_closed_log_refuses_every_call(
    path: Path, name: str, call: Callable[[RemoteLog], Coroutine[Any, Any, Any]]
) -> None:
    async with pair(path) as both:
        await both.beside.close()
        with pytest.raises(LogUnavailable):
            await call(both.beside)
        await both.serving


# --- frames ---------------------------------------------------------------------------------------

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
frames: st.SearchStrategy[Frame] = st.one_of(
    st.just(Ready()),
    st.builds(Part, outgoing=st.lists(outgoing, max_size=3).map(tuple)),
    st.builds(
        Publish,
        number=st.integers(0, 2**64),
        outgoing=st.lists(outgoing, max_size=3).map(tuple),
        group=st.none() | names,
        positions=st.none() | st.dictionaries(names, st.integers(0, 2**64), max_size=3),
    ),
    st.builds(Stored, number=st.integers(0, 2**64)),
    st.builds(
        NotStored,
        number=st.integers(0, 9),
        error=st.sampled_from(["ValueError", "LogUnavailable"]),
        message=names,
    ),
    st.just(News()),
    st.just(Leave()),
)


@given(frames)
def test_packing_then_unpacking_gives_a_frame_back(frame: Frame) -> None:
    try:
        whole = packed(frame)
    except ValueError as error:
        assert "surrogate" in str(error)
    else:
        assert unpacked(whole[4:]) == frame


BAD: list[tuple[str, bytes, str]] = [
    ("not-json", b"junk", "JSON"),
    ("no-kind", b"{}", "kind"),
    ("unknown-kind", b'{"kind":"quit"}', "kind"),
    ("unknown-field", b'{"kind":"news","more":1}', "news.more"),
    ("number-is-text", b'{"kind":"stored","number":"1"}', "stored.number"),
    ("not-base64", b'{"kind":"part","outgoing":[{"topic":"utterances","key":null,"headers":[],'
     b'"value":"*","timestamp":1}]}', "part.outgoing.0.value"),
    ("time-is-a-fraction", b'{"kind":"part","outgoing":[{"topic":"utterances","key":null,'
     b'"headers":[],"value":"","timestamp":1.5}]}', "part.outgoing.0.timestamp"),
    ("an-error-of-its-own", b'{"kind":"not-stored","number":1,"error":"SystemExit","message":""}',
     "not-stored.error"),
    ("only-the-writer-says-this", packed(Leave())[4:], "leave: only the writer says this"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "problem"), BAD, ids=[row[0] for row in BAD])
async def test_what_is_no_frame_ends_the_pipe(name: str, body: bytes, problem: str) -> None:
    log = EmbeddedLog.open(":memory:")
    reader = asyncio.StreamReader()
    reader.feed_data(len(body).to_bytes(4, "big") + body)
    with pytest.raises(BadFrame, match=problem):
        await writer_end(log).serve(reader)
    assert log.following == 0


async def test_a_frame_and_a_publish_have_a_limit() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data((FRAME_LIMIT + 1).to_bytes(4, "big"))
    with pytest.raises(BadFrame, match=f"{FRAME_LIMIT + 1} bytes; the limit is {FRAME_LIMIT}"):
        await received(reader)
    part = packed(Part(outgoing=(plain(size=11_000_000),)))
    reader = asyncio.StreamReader()
    for _ in range(PUBLISH_LIMIT // len(part) + 1):
        reader.feed_data(part)
    with pytest.raises(BadFrame, match=f"the limit is {PUBLISH_LIMIT}"):
        await writer_end(EmbeddedLog.open(":memory:")).serve(reader)
    with pytest.raises(ValueError, match=f"the limit is {PUBLISH_LIMIT}"):
        packed_publish(1, [plain(size=11_000_000)] * 19, None, None)

"""What the protocol promises, held against a real broker: once, in order, both or neither.

What is stored is read with plain clients. Nothing here sleeps; whoever waits has a deadline.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.transports import Fenced, Handled, LogUnavailable, Outgoing, Record, TurnLost
from streams.transports.faust_app import FaustLog
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_connection import KafkaConnection, Timing
from tests.kafka.clients import transact
from tests.kafka.logs import (
    MS,
    NOW,
    QUICK,
    answers,
    numbers,
    once,
    opened,
    out,
    place_of,
    polled,
    put,
)

pytestmark = pytest.mark.slow

HASTY = Timing(session_ms=1000, heartbeat_ms=100, transaction_ms=500, scan_ms=400)
"""A freeze of half a second is too long."""


# --- a member of a group --------------------------------------------------------------------------


async def test_outputs_and_positions_are_stored_together(connection: KafkaConnection) -> None:
    async with opened(connection) as log:
        await put(log, 20)
        member = await log.subscribe("matcher", ["utterances"])
        records = await polled(member, 20)
        await member.publish(answers(records[:5]))
        assert sum((await log.positions("matcher")).values()) == 5
        await member.publish(answers(records[5:12]))
    async with opened(connection) as log:
        member = await log.subscribe("matcher", ["utterances"])
        again = await polled(member, 8)
        assert sorted(map(place_of, again)) == sorted(map(place_of, records[12:]))
        await member.publish(answers(again))
        standing = await member.standing()
        assert {place: end for place, (_, end) in standing.items()} == await log.ends(
            ["utterances"]
        )
        assert all(position == end for position, end in standing.values())
        assert await log.positions("matcher") == await log.ends(["utterances"])
    assert await numbers(connection, "matches") == once(20)


async def test_offsets_read_after_a_commit_are_those_of_the_commit(
    connection: KafkaConnection,
) -> None:
    async with opened(connection) as log:
        member = await log.subscribe("matcher", ["utterances"])
        for n in range(200):
            await put(log, 10, first=10 * n)
            await member.publish(answers(records := await polled(member, 10)))
            ends = {TopicPartition(connection.named(r[0]), r[1]): r.offset + 1 for r in records}
            read = {place: await member._consumer.committed(place) for place in ends}
            assert read == ends, n


@dataclass
class Stumble:
    """Fails at a point of a transaction, once."""

    at: str
    error: Exception | None = field(default_factory=lambda: KafkaError("stumbled"))

    def __call__(self, point: str) -> None:
        if point == self.at and self.error is not None:
            error, self.error = self.error, None
            raise error


@pytest.mark.parametrize("point", ["begun", "sending", "sent", "offsets-sent", "committing"])
async def test_an_aborted_transaction_is_seen_by_nobody_and_polled_again(
    connection: KafkaConnection, point: str
) -> None:
    async with opened(connection, probe=Stumble(point)) as log:
        await put(log, 10)
        member = await log.subscribe("matcher", ["utterances"])
        records = await polled(member, 10)
        with pytest.raises(TurnLost, match="stumbled"):
            await member.publish(answers(records))
        with pytest.raises(TurnLost):
            await member.publish(answers(records))
        assert await numbers(connection, "matches") == Counter()
        assert await log.positions("matcher") == {}
        with pytest.raises(TurnLost):
            await member.poll(1000)
        await member.publish(answers(again := await polled(member, 10)))
        assert sorted(map(place_of, again)) == sorted(map(place_of, records))
    assert await numbers(connection, "matches") == once(10)


@dataclass(frozen=True)
class Wrong:
    """What may not be published, of ten records that were polled from one partition."""

    name: str
    chosen: Callable[[list[Record]], Sequence[Record]]


WRONGS = [
    Wrong("the first is missing", lambda polled: polled[1:]),
    Wrong("one in the middle is missing", lambda polled: [*polled[:3], *polled[4:]]),
    Wrong("in another order", lambda polled: [polled[1], polled[0]]),
    Wrong("twice", lambda polled: [polled[0], polled[0]]),
    Wrong("never polled", lambda polled: [*polled, polled[-1]._replace(offset=10)]),
    Wrong(
        "of another partition",
        lambda polled: [polled[0]._replace(partition=1 - polled[0].partition)],
    ),
]


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: wrong.name)
async def test_only_the_next_polled_records_may_be_published(
    connection: KafkaConnection, wrong: Wrong
) -> None:
    async with opened(connection) as log:
        await log.publish([out("utterances", n, key="same") for n in range(10)])
        member = await log.subscribe("matcher", ["utterances"])
        records = await polled(member, 10)
        with pytest.raises(TurnLost):
            await member.publish(answers(wrong.chosen(records)))
        assert await numbers(connection, "matches") == Counter()


async def test_what_was_polled_comes_again_after_a_wrong_publish(
    connection: KafkaConnection,
) -> None:
    async with opened(connection) as log:
        await put(log, 10)
        member = await log.subscribe("matcher", ["utterances"])
        records = await polled(member, 10)
        with pytest.raises(TurnLost):
            await member.publish(answers(records[1:]))
        await member.publish(answers(await polled(member, 10)))
    assert await numbers(connection, "matches") == once(10)


async def test_members_come_and_go_and_nothing_is_lost_or_doubled(
    connection: KafkaConnection,
) -> None:
    moved, leaving = Counter[str](), {slot: asyncio.Event() for slot in "01"}
    fed = 0

    async def run(slot: str) -> None:
        async with opened(connection, slot=slot) as log:
            member = await log.subscribe("matcher", ["utterances"])
            while not leaving[slot].is_set():
                with contextlib.suppress(TurnLost):
                    if records := await member.poll(7):
                        await member.publish(answers(records))
                        moved[slot] += len(records)

    async with opened(connection) as feeding, asyncio.TaskGroup() as running:

        async def until(happened: Callable[[], bool], step: int = 10) -> None:
            nonlocal fed
            while not happened():
                await put(feeding, step, first=fed)
                fed += step
                await asyncio.sleep(0.01)
                while moved.total() < fed - 20:
                    await asyncio.sleep(0.01)

        running.create_task(run("0"))
        await until(lambda: moved["0"] >= 100)
        running.create_task(run("1"))
        await until(lambda: moved["1"] >= 100)
        leaving["0"].set()
        both = moved.total()
        await until(lambda: moved.total() >= both + 100)
        await until(lambda: moved.total() == fed, step=0)
        leaving["1"].set()
    assert await numbers(connection, "matches") == once(fed)


async def test_a_sole_member_has_every_partition_and_fences_the_one_before(
    connection: KafkaConnection,
) -> None:
    async with opened(connection, membership="sole") as first:
        await put(first, 10)
        before = await first.subscribe("registrar", ["utterances"])
        held = await polled(before, 10)
        async with opened(connection, membership="sole") as second:
            after = await second.subscribe("registrar", ["utterances"])
            assert after.is_assigned is False
            records = await polled(after, 10)
            assert after.is_assigned is True
            with pytest.raises(Fenced):
                await before.publish(answers(held))
            await after.publish(answers(records))
    assert await numbers(connection, "matches") == once(10)


async def test_a_member_that_the_group_has_dropped_publishes_nothing(
    connection: KafkaConnection,
) -> None:
    short = Timing(session_ms=2000, heartbeat_ms=200, transaction_ms=1000, scan_ms=500)
    async with (
        opened(connection, timing=short) as first,
        opened(connection, timing=short, slot="1") as second,
    ):
        await put(first, 10)
        dropped = await first.subscribe("matcher", ["utterances"])
        held = await polled(dropped, 10)
        dropped._consumer._coordinator._heartbeat_task.cancel()  # as when its network is cut
        taking = asyncio.create_task(polled(await second.subscribe("matcher", ["utterances"]), 10))
        while not taking.done():  # it is not frozen, and knows nothing
            assert not await dropped.poll(10)
        with pytest.raises(Fenced):
            await dropped.publish(answers(held))
        member = second._held[0]
        await member.publish(answers(await taking))
    assert await numbers(connection, "matches") == once(10)


async def test_a_start_that_takes_longer_than_a_freeze_may_last_is_no_freeze(
    connection: KafkaConnection,
) -> None:
    async with opened(connection, membership="sole", timing=HASTY) as log:
        await put(log, 10)
        member = await log.subscribe("registrar", ["utterances"])
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 0.6:  # its state is being rebuilt
            [_ async for _ in log.scan(["utterances"])]
        assert len(await polled(member, 10)) == 10


async def test_a_member_that_is_slow_is_not_frozen(connection: KafkaConnection) -> None:
    async with opened(connection, membership="sole", timing=HASTY) as log:
        await put(log, 10)
        member = await log.subscribe("registrar", ["utterances"])
        records = await polled(member, 10)
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 0.6:  # it waits for whatever it needs
            [_ async for _ in log.scan(["utterances"])]
        await member.publish(answers(records))
    assert await numbers(connection, "matches") == once(10)


async def test_a_member_that_was_frozen_publishes_and_polls_nothing(
    connection: KafkaConnection,
) -> None:
    async with opened(connection, membership="sole", timing=HASTY) as log:
        await put(log, 10)
        member = await log.subscribe("registrar", ["utterances"])
        records = await polled(member, 10)
        began = time.monotonic()
        while time.monotonic() - began < 0.6:  # nothing else in this process runs meanwhile
            pass
        await asyncio.sleep(0)
        for _ in range(2):
            with pytest.raises(Fenced, match="frozen for"):
                await member.publish(answers(records))
            with pytest.raises(Fenced, match="frozen for"):
                await member.poll(10)
    assert await numbers(connection, "matches") == Counter()


# --- reading outside any group --------------------------------------------------------------------


@dataclass(frozen=True)
class Lying:
    """What lies in a topic: values of transactions, committed or not."""

    name: str
    transactions: Sequence[tuple[str, bool]]
    read: str


LYINGS = [
    Lying("nothing", [], ""),
    Lying("the control records of a transaction at the end", [("ab", True)], "ab"),
    Lying("aborted data at the end", [("ab", True), ("cd", False)], "ab"),
    Lying("aborted data alone", [("ab", False)], ""),
    Lying("aborted data in the middle", [("ab", True), ("cd", False), ("ef", True)], "abef"),
]


@pytest.mark.parametrize("lying", LYINGS, ids=lambda lying: lying.name)
@pytest.mark.parametrize("limit", [1, 100])
async def test_a_reader_has_read_all_that_lay_there_when_it_returns_nothing(
    connection: KafkaConnection, lying: Lying, limit: int
) -> None:
    topic = connection.named("versions")
    for values, commit in lying.transactions:
        each = [value.encode() for value in values]
        await transact(connection.bootstrap, topic, each, commit=commit)
    async with opened(connection) as log:
        reader = await log.reader(["versions"])
        later = await log.reader(["versions"], from_end=True)
        read = ""
        while records := await reader.read(limit):
            assert len(records) <= limit
            read += "".join(record.value.decode() for record in records)
        assert read == lying.read
        assert "".join([r.value.decode() async for r in log.scan(["versions"])]) == lying.read
        assert await later.read(100) == []
        await transact(connection.bootstrap, topic, [b"z"], commit=True)
        for following in (reader, later):
            while not (records := await following.read(100)):
                await asyncio.sleep(0)
            assert [record.value for record in records] == [b"z"]


async def test_a_scan_merges_by_timestamp_and_leaves_out_what_is_earlier(
    connection: KafkaConnection,
) -> None:
    times = sorted(NOW + time * MS for time in (5, 3, 9, 1, 7, 3, 8, 2, 6, 4))
    async with opened(connection) as log:
        topics = ["utterances", "matches", "feedback"]
        await log.publish([out(topics[n % 3], n, at=at) for n, at in enumerate(times)])
        read = [record async for record in log.scan(topics)]
        assert [record.timestamp for record in read] == times
        assert [record.sequence for record in read] == times
        for since in (0, *(NOW + time * MS for time in (1, 3, 9, 10))):
            later = [r.timestamp async for r in log.scan(topics, since=since)]
            assert later == [time for time in times if time >= since]


async def test_positions_and_ends_are_those_of_the_group(connection: KafkaConnection) -> None:
    async with opened(connection) as log:
        assert await log.positions("matcher") == {}
        assert set((await log.ends(["utterances"])).values()) == {0}
        await log.publish([out("utterances", n, key="same") for n in range(10)])
        member = await log.subscribe("matcher", ["utterances"])
        records = await polled(member, 10)
        await member.publish(answers(records[:4]))
        place = (records[0].topic, records[0].partition)
        assert await log.positions("matcher") == {place: 4}
        assert (await log.ends(["utterances"]))[place] == 10
        assert (await member.standing())[place] == (10, 10)
        assert await log.positions("nobody") == {}


# --- what comes through ---------------------------------------------------------------------------

HEADERS = (("event", b"X"), ("twice", b"1"), ("twice", b"\xff\x00"), ("empty", b""), ("ü", b"y"))
PLAIN = [
    Outgoing("utterances", "key ü", HEADERS, b"\x00\xff value", NOW + 123 * MS),
    Outgoing("utterances", None, (), b"{}", NOW),
    Outgoing("utterances", "", (), b"x" * 300_000, NOW),
]


@pytest.mark.parametrize("kind", [KafkaLog, FaustLog])
@pytest.mark.parametrize("given", PLAIN, ids=["all fields", "no key", "empty key, large"])
async def test_keys_headers_values_and_timestamps_are_kept(
    connection: KafkaConnection, kind: type[KafkaLog], given: Outgoing
) -> None:
    async with opened(connection, kind) as log:
        await log.publish([given])
        member = await log.subscribe("auditor", ["utterances"])
        [record] = await polled(member, 1)
        assert passed_on(record) == given[1:]
        await member.publish([Handled(record, [given._replace(topic="matches")])])
        while not (read := [passed_on(r) async for r in log.scan(["matches"])]):
            continue  # a commit returns before it is seen
        assert read == [given[1:]]


def passed_on(record: Record) -> tuple[Any, ...]:
    return record.key, record.headers, record.value, record.timestamp


# --- what is missing or forbidden -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [KafkaLog, FaustLog])
async def test_a_missing_topic_is_named(connection: KafkaConnection, kind: type[KafkaLog]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=connection.bootstrap)
    await admin.start()
    await admin.delete_topics([connection.named("matches")])
    await admin.close()
    async with opened(connection, kind) as log:
        with pytest.raises(LogUnavailable, match=f"topics {connection.named('matches')} are miss"):
            await log.subscribe("auditor", ["utterances"])
        with pytest.raises(LogUnavailable, match="are missing"):
            await log.reader(["matches"])


async def test_a_closed_member_has_left(connection: KafkaConnection) -> None:
    async with opened(connection) as log:
        await put(log, 10)
        await polled(await log.subscribe("matcher", ["utterances"]), 10)
    async with opened(connection, slot="1") as log:
        began = asyncio.get_running_loop().time()
        await polled(await log.subscribe("matcher", ["utterances"]), 10)
        assert asyncio.get_running_loop().time() - began < QUICK.session_ms / 1000

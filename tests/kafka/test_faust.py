"""Groups whose one member works: at least once, nothing lost, and a standby that takes over."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from streams.transports import Fenced
from streams.transports.faust_app import FaustLog, FaustSubscription
from streams.transports.kafka_client import member_count
from streams.transports.kafka_connection import KafkaConnection
from tests.kafka.clients import transact
from tests.kafka.logs import (
    answers,
    numbers,
    once,
    opened,
    polled,
    put,
)

pytestmark = pytest.mark.slow


async def test_faust_reads_only_what_is_committed_and_writes_no_file(
    connection: KafkaConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    topic = connection.named("versions")
    await transact(connection.bootstrap, topic, [b"1", b"2"], commit=False)
    await transact(connection.bootstrap, topic, [b"3"], commit=True)
    async with opened(connection, FaustLog) as log:
        member = await log.subscribe("auditor", ["versions"])
        assert [record.value for record in await polled(member, 1)] == [b"3"]
    assert list(tmp_path.iterdir()) == []


async def test_a_batch_that_was_not_published_comes_again(connection: KafkaConnection) -> None:
    async with opened(connection, FaustLog) as log:
        await put(log, 30)
        member = await log.subscribe("auditor", ["utterances"])
        published = await polled(member, 5, limit=5)
        await member.publish(answers(published))
        assert await polled(member, 3, limit=3)
    assert await numbers(connection, "matches") == Counter(int(r.value) for r in published)
    async with opened(connection, FaustLog) as log:
        assert sum((await log.positions("auditor")).values()) == 5
        member = await log.subscribe("auditor", ["utterances"])
        while await log.positions("auditor") != await log.ends(["utterances"]):
            await member.publish(answers(await member.poll(1000)))
    assert await numbers(connection, "matches") == once(30)


async def move(member: FaustSubscription, count: int) -> None:
    """Poll and publish until so many records have been; a batch may hold less."""
    while count:
        records = await member.poll(1000)
        await member.publish(answers(records))
        count -= len(records)


async def test_a_standby_disturbs_nobody_and_takes_over(connection: KafkaConnection) -> None:
    async with opened(connection, FaustLog) as first, opened(connection, FaustLog) as second:
        await put(first, 10)
        working = await first.subscribe("auditor", ["utterances"])
        standing_by = asyncio.create_task(second.subscribe("auditor", ["utterances"]))
        await move(working, 10)
        for round_ in range(1, 20):
            await put(first, 10, first=10 * round_)
            await move(working, 10)
            assert working.is_assigned and not standing_by.done()
        await first.close()
        taken_over = await standing_by
        await put(second, 10, first=200)
        await move(taken_over, 10)
    assert await numbers(connection, "matches") == once(210)


async def test_of_two_that_join_at_the_same_time_one_works(connection: KafkaConnection) -> None:
    members: dict[int, FaustSubscription] = {}
    moved = 0

    async def run(number: int, log: FaustLog) -> None:
        nonlocal moved
        while True:  # as its supervisor would start it again
            member = members[number] = FaustSubscription(log, "auditor", ["utterances"])
            try:
                await member.join()
                while True:
                    records = await member.poll(1000)
                    await member.publish(answers(records))
                    moved += len(records)
            except Fenced:
                continue
            finally:
                await member.close()

    async with opened(connection, FaustLog) as first, opened(connection, FaustLog) as second:
        running = [asyncio.create_task(run(n, log)) for n, log in enumerate((first, second))]
        fed = together = 0
        try:
            while together < 20:
                await put(first, 10, first=fed)
                fed += 10
                while moved < fed:
                    assert sum(member.is_assigned for member in members.values()) < 2
                    await asyncio.sleep(0.01)
                together += await member_count(connection, connection.named("auditor")) == 2
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
    assert set(await numbers(connection, "matches")) == set(range(fed))

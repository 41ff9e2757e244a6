"""A matcher that is killed or frozen at any point of a transaction answers every utterance once."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.transports.kafka_connection import KafkaConnection, Timing
from tests.kafka.faults.fleet import LEFT, Fleet, Member, fleet
from tests.kafka.faults.ledger import Feed, Ledger, feeding, reading, unfounded
from tests.kafka.faults.report import told
from tests.kafka.faults.world import World, utterance, world

pytestmark = pytest.mark.slow

SHORT = Timing(session_ms=3000, heartbeat_ms=300, transaction_ms=1500, scan_ms=500)
LIMIT_S = 90.0
POINTS = ("begun", "sending", "sent", "offsets-sent", "committing", "committed")


@dataclass
class Flow:
    """Everything that a row needs, on one part of the cluster."""

    world: World
    feed: Feed
    ledger: Ledger
    fleet: Fleet

    async def until(self, happened: Callable[[], bool], step: int = 20) -> None:
        """Put records in until it has happened."""
        async with asyncio.timeout(LIMIT_S):
            while not happened():
                await self.feed.put(step)
                await asyncio.sleep(0.05)

    async def drained(self) -> None:
        """Wait until everything that was asked has its record, and no transaction is open."""
        async with asyncio.timeout(LIMIT_S):
            while self.ledger.lost(self.feed.asked):
                await asyncio.sleep(0.05)
            await self.ledger.settled()

    def check(self) -> None:
        """Each utterance has one record; each answer is by a version that was live."""
        assert self.ledger.lost(self.feed.asked) == []
        assert self.ledger.doubled() == []
        answers = self.ledger.of("matches")
        assert len(answers) > len(self.feed.asked) // 5
        assert unfounded(answers, self.ledger.of("versions")) == []


@contextlib.asynccontextmanager
async def flow(connection: KafkaConnection, directory: Path, timing: Timing) -> AsyncIterator[Flow]:
    topics = ("matches", "fallbacks", "versions", "rejected")
    async with (
        world(connection) as made,
        feeding(connection, utterance) as feed,
        reading(connection, *topics) as ledger,
        fleet(connection, directory, timing) as processes,
    ):
        yield Flow(made, feed, ledger, processes)


@dataclass(frozen=True)
class Killing:
    """How often a matcher is killed at a point, and how many utterances there are at least."""

    point: str
    kills: int
    utterances: int


KILLINGS = [
    pytest.param(Killing("offsets-sent", 3, 1500), id="offsets-sent, 3 times"),
    *(
        pytest.param(Killing(point, 20, 20_000), id=point, marks=pytest.mark.faults)
        for point in POINTS
    ),
]


@pytest.mark.parametrize("row", KILLINGS)
async def test_a_matcher_killed_at_a_point(
    connection: KafkaConnection, tmp_path: Path, row: Killing
) -> None:
    began = time.monotonic()
    async with flow(connection, tmp_path, SHORT) as flowing:
        for kill in range(row.kills):
            nth = 1 + (kill * 7) % 5
            await flowing.feed.put(row.utterances // row.kills)
            member = await flowing.fleet.start("matcher", point=row.point, nth=nth)
            await flowing.until(lambda member=member: not member.lives)
            assert member.process.returncode == -signal.SIGKILL, member.said.read_text()
            if kill % 3 == 0:
                await flowing.world.toggle()
        await flowing.fleet.start("matcher")
        await flowing.drained()
        await flowing.fleet.stop()
    told("kill -9", row.point, row.kills, flowing.feed, flowing.ledger, began)
    flowing.check()


FROZEN = Timing(session_ms=6000, heartbeat_ms=1000, transaction_ms=2000, scan_ms=1000)


@pytest.mark.faults
@pytest.mark.parametrize("point", ["deciding", *POINTS])
async def test_a_matcher_frozen_at_a_point_while_another_takes_over(
    connection: KafkaConnection, tmp_path: Path, point: str
) -> None:
    began = time.monotonic()
    async with flow(connection, tmp_path, FROZEN) as flowing:
        frozen = await flowing.fleet.start("matcher", "0", point=point, nth=3, sign=signal.SIGSTOP)
        flowing.fleet.keep("matcher", "1")
        await flowing.until(lambda: frozen.is_frozen)
        asked = len(flowing.feed.asked)
        await flowing.until(lambda: taken_over(flowing, asked, frozen))
        frozen.send(signal.SIGCONT)
        await flowing.until(lambda: not frozen.lives)
        assert frozen.process.returncode == LEFT, frozen.said.read_text()
        flowing.fleet.keep("matcher", "0")
        await flowing.feed.put(500)
        await flowing.drained()
        await flowing.fleet.stop()
    told("freeze", point, 1, flowing.feed, flowing.ledger, began)
    flowing.check()


def taken_over(flowing: Flow, asked: int, frozen: Member) -> bool:
    """Whether the other one answers what has been asked since, whatever the partition."""
    assert frozen.is_frozen
    since = flowing.feed.asked[asked : len(flowing.feed.asked) - 100]
    return len(since) >= 200 and not flowing.ledger.lost(since)

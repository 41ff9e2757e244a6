"""A row's flow: what is asked, the processes that answer, and the ledger of what came of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.transports.kafka_connection import KafkaConnection, Timing
from tests.kafka.faults.fleet import Fleet, fleet
from tests.kafka.faults.ledger import Feed, Ledger, feeding, reading, unfounded
from tests.kafka.faults.world import World, utterance, world

SHORT = Timing(session_ms=3000, heartbeat_ms=300, transaction_ms=1500, scan_ms=500)
FROZEN = Timing(session_ms=6000, heartbeat_ms=1000, transaction_ms=2000, scan_ms=1000)
LIMIT_S = 240.0
FIRST = 400
"""What is asked first after a blow, over all partitions: once it is answered, all move."""
POINTS = ("begun", "sending", "sent", "offsets-sent", "committing", "committed")
UTTERANCES = 20_000
"""What every row asks in all, at least."""

READ = ("matches", "fallbacks", "versions", "rejected")


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

    async def fill(self, count: int = UTTERANCES) -> None:
        """Put records in until so many have been asked in all."""
        while (missing := count - len(self.feed.asked)) > 0:
            await self.feed.put(min(missing, 500))

    async def drained(self) -> None:
        """Wait until everything that was asked has its record, and no transaction is open."""
        async with asyncio.timeout(LIMIT_S):
            while self.ledger.lost(self.feed.asked):
                await asyncio.sleep(0.05)
            await self.ledger.settled()

    def taken_over(self, asked: int) -> bool:
        """Whether all partitions move again: what was asked first since then is answered."""
        since = self.feed.asked[asked : asked + FIRST]
        return len(since) == FIRST and not self.ledger.lost(since)

    def check(self) -> None:
        """Each utterance has one record; each answer is by a version that was live."""
        assert self.ledger.lost(self.feed.asked) == []
        assert self.ledger.doubled() == []
        if "matches" in self.ledger.topics:
            answers = self.ledger.of("matches")
            assert len(answers) > len(self.feed.asked) // 5
            assert unfounded(answers, self.ledger.of("versions")) == []


@contextlib.asynccontextmanager
async def flow(
    connection: KafkaConnection,
    directory: Path,
    timing: Timing,
    made: Callable[[int], Any] = utterance,
    topics: Sequence[str] = READ,
) -> AsyncIterator[Flow]:
    """Have a flow while the block runs."""
    async with (
        world(connection) as families,
        feeding(connection, made) as feed,
        reading(connection, *topics) as ledger,
        fleet(connection, directory, timing) as processes,
    ):
        yield Flow(families, feed, ledger, processes)

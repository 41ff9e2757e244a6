"""The loop of a decider on a cluster: whatever happens to its turns, each record counts once."""

import asyncio
import random
from collections.abc import Mapping, Sequence

import pytest

from agents import live
from agents.live import decide_live
from agents.matcher import matcher
from agents.runner import Running
from streams.codec import decode, encode
from streams.events import UtteranceAsked
from streams.transports import Handled, Place, Record, TurnLost
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import UNAUDITED

COUNT = 300


def utterance(number: int) -> Record:
    out = encode(UtteranceAsked(utterance_id=f"u{number}", text="hello"), timestamp=0)
    return Record(out.topic, 0, number, number, out.key, out.headers, out.value, 0)


class Turning:
    """A member whose transactions are aborted and whose partition goes and comes back, by chance.

    It keeps the promises of a subscription: what was polled before is refused after either.
    """

    def __init__(self, seed: int, stopping: asyncio.Event) -> None:
        self.rng, self.stopping = random.Random(seed), stopping
        self.committed = self.position = self.turn = self.polled_turn = 0
        self.polled: list[int] = []
        self.stored: list[int] = []
        self.batches: list[int] = []
        self.lost = 0
        self.transacting = asyncio.Lock()
        self.is_assigned = True

    async def moments(self) -> None:
        for _ in range(self.rng.randrange(4)):
            await asyncio.sleep(0)

    def lose(self) -> TurnLost:
        self.lost += 1
        return TurnLost("by chance")

    async def poll(self, limit: int) -> Sequence[Record]:
        if not self.is_assigned:
            await self.moments()
            return ()
        if self.polled_turn != self.turn:
            await self.moments()
            self.polled_turn, self.polled, self.position = self.turn, [], self.committed
            raise self.lose()
        await self.moments()
        if self.polled_turn != self.turn:
            return ()
        first = self.position
        self.position = min(COUNT, first + self.rng.randint(0, min(limit, 40)))
        self.polled += range(first, self.position)
        return [utterance(number) for number in range(first, self.position)]

    async def publish(self, handled: Sequence[Handled]) -> None:
        async with self.transacting:
            numbers = [record.offset for record, _ in handled]
            if self.polled_turn != self.turn or self.polled[: len(numbers)] != numbers:
                raise self.lose()
            del self.polled[: len(numbers)]
            await self.moments()
            if self.rng.random() < 0.1:
                self.turn += 1
                self.is_assigned = False
                await self.moments()
                self.is_assigned = True
                raise self.lose()
            self.committed = numbers[-1] + 1
            self.stored += numbers
            self.batches.append(len(numbers))
        if self.committed == COUNT:
            self.stopping.set()

    async def rebalance(self) -> None:
        while not self.stopping.is_set():
            await asyncio.sleep(0)
            if self.rng.random() < 0.02:
                self.turn += 1
                self.is_assigned = False
                async with self.transacting:
                    self.is_assigned = True

    async def standing(self) -> Mapping[Place, tuple[int, int]]:
        return {}

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("cap", [7, 2000])
async def test_each_record_is_stored_once_and_in_order(
    cap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CAP", cap)
    monkeypatch.setattr(live, "spare_the_collector", lambda: None)
    lost, joined = 0, 0
    for seed in range(60):
        stopping = asyncio.Event()
        member = Turning(seed, stopping)
        node = matcher(UNAUDITED)
        log = EmbeddedLog.open(":memory:")
        running = Running(node, log, member, lambda: 0, decode, state=node.initial)
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            group.create_task(member.rebalance())
            await decide_live(running, stopping)
        assert member.stored == list(range(COUNT)), seed
        assert max(member.batches) <= cap
        lost += member.lost
        joined += sum(size > 40 for size in member.batches)
        await log.close()
    assert lost > 100
    assert cap < 40 or joined > 0  # what came while a batch was being stored is one batch


async def test_what_is_decided_is_stored_when_the_process_is_told_to_stop() -> None:
    stopping = asyncio.Event()
    member = Turning(0, stopping)
    member.rng.random = lambda: 1.0  # type: ignore[method-assign]  # nothing is lost
    node = matcher(UNAUDITED)
    log = EmbeddedLog.open(":memory:")
    running = Running(node, log, member, lambda: 0, decode, state=node.initial)
    task = asyncio.create_task(decide_live(running, stopping))
    while not member.stored:
        await asyncio.sleep(0)
    stopping.set()
    await task
    assert 0 < len(member.stored) < COUNT
    assert member.stored == list(range(member.committed))
    await log.close()

"""A matcher that is killed or frozen at any point of a transaction answers every utterance once."""

import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.transports.kafka_connection import KafkaConnection
from tests.kafka.faults.fleet import LEFT
from tests.kafka.faults.flow import FROZEN, POINTS, SHORT, UTTERANCES, flow
from tests.kafka.faults.report import told

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Killing:
    """How often a matcher is killed at a point, and how many utterances there are at least."""

    point: str
    kills: int
    utterances: int


KILLINGS = [
    pytest.param(Killing("offsets-sent", 3, 1500), id="offsets-sent, 3 times"),
    *(
        pytest.param(Killing(point, 20, UTTERANCES), id=point, marks=pytest.mark.faults)
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


@pytest.mark.faults
@pytest.mark.parametrize("point", ["deciding", *POINTS])
async def test_a_matcher_frozen_at_a_point_while_another_takes_over(
    connection: KafkaConnection, tmp_path: Path, point: str
) -> None:
    began = time.monotonic()
    async with flow(connection, tmp_path, FROZEN) as flowing:
        await flowing.fill(UTTERANCES // 2)
        nth = 100 if point == "deciding" else 3
        frozen = await flowing.fleet.start(
            "matcher", "0", point=point, nth=nth, sign=signal.SIGSTOP
        )
        flowing.fleet.keep("matcher", "1")
        await flowing.until(lambda: frozen.is_frozen)
        asked = len(flowing.feed.asked)
        await flowing.until(lambda: flowing.taken_over(asked))
        assert frozen.is_frozen
        frozen.send(signal.SIGCONT)
        await flowing.until(lambda: not frozen.lives)
        assert frozen.process.returncode == LEFT, frozen.said.read_text()
        flowing.fleet.keep("matcher", "0")
        await flowing.fill()
        await flowing.feed.put(500)
        await flowing.drained()
        await flowing.fleet.stop()
    told("freeze", point, 1, flowing.feed, flowing.ledger, began)
    flowing.check()

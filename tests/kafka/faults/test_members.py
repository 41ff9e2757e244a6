"""Members that come and go while records flow, and records that no agent can use among them."""

import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.transports.kafka_connection import KafkaConnection
from tests.kafka.faults.flow import SHORT, UTTERANCES, flow
from tests.kafka.faults.report import told

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("plan", "utterances"),
    [
        pytest.param((1, 2, 1), 1500, id="1, 2, 1"),
        pytest.param(
            (1, 3, 2, 3, 1, 2), UTTERANCES, id="1, 3, 2, 3, 1, 2", marks=pytest.mark.faults
        ),
    ],
)
async def test_matchers_that_come_and_go(
    connection: KafkaConnection, tmp_path: Path, plan: tuple[int, ...], utterances: int
) -> None:
    began = time.monotonic()
    async with flow(connection, tmp_path, SHORT) as flowing:
        for size in plan:
            living = flowing.fleet.living("matcher")
            for member in living[size:]:
                await flowing.fleet.told(member)
            free = [slot for slot in "012" if slot not in {m.slot for m in living}]
            for slot in free[: size - len(living)]:
                await flowing.fleet.start("matcher", slot)
            await flowing.feed.put(utterances // len(plan))
            asked = len(flowing.feed.asked)
            await flowing.until(lambda asked=asked: flowing.taken_over(asked), utterances // 50)
            await flowing.world.toggle()
        await flowing.drained()
        await flowing.fleet.stop()
    changes = len(plan) - 1
    told("members", "→".join(map(str, plan)), changes, flowing.feed, flowing.ledger, began)
    flowing.check()


POISON = (
    (None, []),
    (b"\xff", [("event", b"UtteranceAsked"), ("schema", b"1")]),
    (b"{}", [("event", b"UtteranceAsked"), ("schema", b"9")]),
    (b"{}", [("event", b"\xff\xfe"), ("schema", None)]),
)


@pytest.mark.parametrize(
    "count", [2_000, pytest.param(UTTERANCES, marks=pytest.mark.faults)], ids=str
)
async def test_a_poison_record_every_hundred(
    connection: KafkaConnection, tmp_path: Path, count: int
) -> None:
    began, put = time.monotonic(), 0
    topic = connection.named("utterances")
    async with (
        flow(connection, tmp_path, SHORT) as flowing,
        AIOKafkaProducer(bootstrap_servers=connection.bootstrap) as stranger,
    ):
        await flowing.fleet.start("matcher", "0")
        await flowing.fleet.start("matcher", "1")
        while len(flowing.feed.asked) < count:
            await flowing.feed.put(99)
            value, headers = POISON[put % len(POISON)]
            await stranger.send_and_wait(topic, value, b"%d" % put, headers=headers)
            put += 1
        await flowing.drained()
        await flowing.fleet.stop()
    told("poison", "1 in 100", put, flowing.feed, flowing.ledger, began)
    flowing.check()
    rejected = flowing.ledger.of("rejected", "RecordRejected")
    assert len({(event["partition"], event["offset"]) for event in rejected}) == put
    assert len(rejected) == put

"""Proposals that may not pass, and change sets that nobody may have written, on a cluster."""

import asyncio
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.events import Change, VersionProposed
from streams.signing import SigningKey, sign
from streams.transports.kafka_connection import KafkaConnection
from tests.agents.worlds import TENANT, change, changed, proposal, shares
from tests.kafka.faults.agent import STUMBLE
from tests.kafka.faults.fleet import LEFT, NAMES
from tests.kafka.faults.flow import LIMIT_S, POINTS, SHORT, UTTERANCES, flow
from tests.kafka.faults.ledger import reading, unfounded
from tests.kafka.faults.report import told
from tests.kafka.faults.world import HOURS, MINUTES

pytestmark = [pytest.mark.slow, pytest.mark.faults]

BLOWS = [
    pytest.param(point, sign, id=f"{NAMES[sign]} at {point}")
    for point in ("deciding", *POINTS)
    for sign in NAMES
    if sign != STUMBLE or point not in ("deciding", "committed")  # there is nothing to undo there
]

BAD = dict(shares().document) | {"program": "not a program"}


@dataclass(frozen=True)
class Refused:
    """A proposal, and the check of the gate that refuses it."""

    name: str
    event: VersionProposed
    check: str


ROWS = [
    Refused(
        "a bad artifact",
        VersionProposed(
            scope=TENANT,
            actor="operator",
            reason="test",
            changes=(Change(family="shares", version=1, digest="0" * 64, stage="shadow"),),
            artifacts=(BAD,),
            previous=4,
        ),
        "compile",
    ),
    Refused(
        "a stale previous",
        proposal([change("minutes", 2, shares(), "shadow")], [shares()], previous=1),
        "previous",
    ),
    Refused(
        "no evidence",
        proposal([change("shares", 1, shares(), "live")], [shares()], previous=4),
        "stages",
    ),
]


async def test_proposals_are_refused_with_the_check_and_the_rest_goes_on(
    connection: KafkaConnection, tmp_path: Path
) -> None:
    began = time.monotonic()
    async with (
        asyncio.timeout(LIMIT_S),
        flow(connection, tmp_path, SHORT) as flowing,
        reading(connection, "learning") as learning,
    ):
        await flowing.fleet.start("registrar")
        await flowing.fleet.start("matcher")
        await flowing.world.say(*(row.event for row in ROWS))
        good = proposal([change("shares", 1, shares(), "shadow")], [shares()], previous=4)
        await flowing.world.say(good)
        while len(flowing.ledger.of("versions")) < 5:
            await asyncio.sleep(0.05)
        await flowing.fill()
        await flowing.drained()
        while len(refusals := learning.of("learning", "ProposalRefused")) < len(ROWS):
            await asyncio.sleep(0.05)
        await flowing.fleet.stop()
    told("proposals that may not pass", "gate", len(ROWS), flowing.feed, flowing.ledger, began)
    flowing.check()
    failed = [[c["check"] for c in each["checks"] if not c["passed"]] for each in refusals]
    assert [row.check in checks for row, checks in zip(ROWS, failed, strict=True)] == [True] * 3
    assert [event["ordinal"] for event in flowing.ledger.of("versions")] == [1, 2, 3, 4, 5]


async def test_a_forged_change_set_is_told_of_and_a_true_one_takes_its_ordinal(
    connection: KafkaConnection, tmp_path: Path
) -> None:
    ours, theirs = (SigningKey(bytes([n]) * 32) for n in (1, 2))
    settings = {"verify_keys": ours.public.text, "signed_from": 5}
    retire = changed(5, proposal([change("minutes", 1, MINUTES, "retired")]))
    quarantine = changed(5, proposal([change("hours", 1, HOURS, "shadow")]))
    began = time.monotonic()
    async with (
        asyncio.timeout(LIMIT_S),
        flow(connection, tmp_path, SHORT) as flowing,
        reading(connection, "learning") as learning,
    ):
        await flowing.fleet.start("matcher", settings=settings)
        await flowing.fill(UTTERANCES // 2)
        await flowing.drained()
        await flowing.world.say(retire, sign(retire, theirs))
        await flowing.fill()
        await flowing.drained()
        while len(learning.of("learning", "VersionRefused")) < 2:
            await asyncio.sleep(0.05)
        await flowing.world.say(sign(quarantine, ours))
        asked = len(flowing.feed.asked)
        while (
            not flowing.ledger.of("fallbacks")
            or max(each["revision"]["ordinal"] for each in flowing.ledger.of("fallbacks")) < 5
        ):
            await flowing.feed.put(20)
            await flowing.drained()
        await flowing.fleet.stop()
    versions = flowing.ledger.of("versions")
    true = [*versions[:4], versions[-1]]
    told("forged change sets", "fold", 2, flowing.feed, flowing.ledger, began, true)
    assert flowing.ledger.lost(flowing.feed.asked) == []
    assert flowing.ledger.doubled() == []
    assert unfounded(flowing.ledger.of("matches"), true) == []
    late = [e for e in flowing.ledger.of("matches") if int(e["utterance_id"][1:]) >= asked]
    assert {e["family"] for e in late if e["revision"]["ordinal"] == 5} == {"minutes"}
    assert {e["ordinal"] for e in learning.of("learning", "VersionRefused")} == {5}


@pytest.mark.parametrize(("point", "sign"), BLOWS)
async def test_a_registrar_struck_at_a_point(
    connection: KafkaConnection, tmp_path: Path, point: str, sign: int
) -> None:
    began, families = time.monotonic(), [f"f{n}" for n in range(40)]
    each = UTTERANCES // (2 * len(families))
    *early, late = families
    async with asyncio.timeout(LIMIT_S), flow(connection, tmp_path, SHORT) as flowing:
        await flowing.fleet.start("matcher")
        nth = 15 if point == "deciding" else 2
        struck = await flowing.fleet.start("registrar", point=point, nth=nth, sign=sign)

        def is_down() -> bool:
            return not struck.lives or struck.is_frozen

        for family in early:
            wish = proposal([change(family, 1, shares(), "shadow")], [shares()], previous=4)
            await flowing.world.say(wish)
            await flowing.feed.put(each)
            while not is_down() and len(flowing.ledger.of("versions")) < 5:
                await asyncio.sleep(0.02)  # all in one transaction would be one point to strike at
        while not is_down():
            await asyncio.sleep(0.02)
        flowing.fleet.keep("registrar")
        wish = proposal([change(late, 1, shares(), "shadow")], [shares()], previous=4)
        await flowing.world.say(wish)  # decided by whoever has taken its place, and by nobody else
        while len(flowing.ledger.of("versions")) < 4 + len(families):
            await asyncio.sleep(0.05)
        struck.send(signal.SIGCONT)
        for family in families:  # it has seen none of what came meanwhile
            wish = proposal([change(family, 1, shares(), "retired")], previous=4 + len(families))
            await flowing.world.say(wish)
            await flowing.feed.put(each)
        while len(flowing.ledger.of("versions")) < 4 + 2 * len(families):
            await asyncio.sleep(0.05)
        status = await struck.ended()
        assert status == (-signal.SIGKILL if sign == signal.SIGKILL else LEFT), struck.said
        await flowing.fill()
        await flowing.drained()
        await flowing.fleet.stop()
    told(f"{NAMES[sign]} of the registrar", point, 1, flowing.feed, flowing.ledger, began)
    flowing.check()
    versions = flowing.ledger.of("versions")
    assert [event["ordinal"] for event in versions] == list(range(1, len(versions) + 1))
    changed = [(c["family"], c["stage"]) for event in versions for c in event["changes"]][4:]
    assert changed == [(f, s) for s in ("shadow", "retired") for f in families]

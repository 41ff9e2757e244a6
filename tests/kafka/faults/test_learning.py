"""Agents killed while families are learned: learning goes on, and nothing happens twice."""

import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from agents.processes import PROCESSES
from agents.service import now_us
from streams.codec import encode
from streams.transports import Outgoing
from streams.transports.kafka_connection import KafkaConnection
from tests.agents.simulations import helpdesk
from tests.agents.worlds import asked
from tests.kafka.faults.flow import SHORT, UTTERANCES, Flow, flow
from tests.kafka.faults.ledger import SERVING, unfounded
from tests.kafka.faults.report import told

pytestmark = [pytest.mark.slow, pytest.mark.faults]

READ = ("matches", "completions", "versions", "rejected", "learning")
AGENTS = ("matcher", "fallback", "registrar", "distiller", "refiner", "auditor")
KILLS = 3
BEFORE = 240
"""Utterances of the help desk's log; after them all are of one kind, for which a family is due."""

ROWS = [row["text"] for row in helpdesk(BEFORE)]


def utterance(number: int) -> Outgoing:
    kind = f"what is {3 * number + 7} % of {(number + 2) * 10}"
    text = ROWS[number] if number < BEFORE else kind
    return encode(asked(text, f"u{number}"), timestamp=now_us())


def serving(flowing: Flow) -> set[str]:
    """Return the families that have come into service."""
    changes = [change for event in flowing.ledger.of("versions") for change in event["changes"]]
    return {change["family"] for change in changes if change["stage"] in SERVING}


@pytest.mark.parametrize("agent", ["distiller", "refiner", "auditor", "registrar", "fallback"])
async def test_an_agent_killed_while_families_are_learned(
    connection: KafkaConnection, tmp_path: Path, agent: str
) -> None:
    assert set(AGENTS) <= set(PROCESSES)
    began = time.monotonic()
    async with flow(connection, tmp_path, SHORT, utterance, READ) as flowing:
        for name in AGENTS:
            flowing.fleet.keep(name)
        await flowing.feed.put(20)
        await flowing.drained()  # all that answer have started
        for kill in range(KILLS):
            await flowing.feed.put((BEFORE - 20) // KILLS // 2)
            await flowing.until(lambda: len(flowing.fleet.living(agent)) == 1, step=0)
            [member] = flowing.fleet.living(agent)
            member.send(signal.SIGKILL)
            await flowing.feed.put((BEFORE - 20) // KILLS // 2)
            await flowing.drained()
            assert flowing.fleet.exits[agent, -signal.SIGKILL] == kill + 1
        await flowing.feed.put(BEFORE - len(flowing.feed.asked))
        learned = serving(flowing)

        def is_answered() -> bool:
            late = [e for e in flowing.ledger.of("matches") if int(e["utterance_id"][1:]) >= BEFORE]
            return len(late) >= 5

        await flowing.until(is_answered, step=2)
        [member] = flowing.fleet.living(agent)
        await flowing.fill(UTTERANCES // 2)
        member.send(signal.SIGKILL)
        await flowing.fill()
        await flowing.drained()
        await flowing.fleet.stop()
    told(f"kill -9 of {agent}", "learning", KILLS + 1, flowing.feed, flowing.ledger, began)
    assert flowing.ledger.lost(flowing.feed.asked) == []
    assert flowing.ledger.doubled() == []
    versions = flowing.ledger.of("versions")
    assert unfounded(flowing.ledger.of("matches"), versions) == []
    assert serving(flowing) > learned
    assert flowing.ledger.of("rejected") == []
    calls = Counter((tmp_path / "calls").read_text(encoding="utf-8").split())
    kills = KILLS + 1 if agent == "fallback" else 0
    assert max(calls.values()) <= 1 + kills, [c for c in calls.items() if c[1] > 1]
    print(json.dumps(Counter(str(status) for status in flowing.fleet.exits)))

"""Expectations on a cluster: the command checks and records them, and so does the auditor."""

import importlib.util
import os
import subprocess
import sys
import time

import pytest

from agents.history import records
from agents.suites import EXPECTATIONS
from artifacts.registry import SHARED
from streams.codec import encode
from streams.events import CompletionGiven, ExpectationChecked
from streams.transports import Log
from tests.kafka.places import KEPT, OnCluster, on, on_cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("great_expectations") is None, reason="needs the extra `audit`"
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of its imports
]
DEADLINE = 60.0


@pytest.fixture
def where(bootstrap: str) -> OnCluster:
    """A part of the cluster where a teacher has replied to thirty texts, one of them unnamed."""
    place = on_cluster(bootstrap)

    async def write(log: Log) -> None:
        await log.publish(
            [
                encode(
                    CompletionGiven(
                        utterance_id=f"u{n}", tenant="t", text=f"{n} it is", answer=str(n),
                        teacher="demo" if n else "",
                    ),
                    timestamp=1_790_000_000_000_000 + n,
                )
                for n in range(30)
            ]
        )  # fmt: skip

    on(place, write, writing=True)
    return place


async def learned(log: Log) -> list[ExpectationChecked]:
    return [e async for _, e in records(log, ("learning",)) if isinstance(e, ExpectationChecked)]


def test_the_command_records_what_it_found(where: OnCluster) -> None:
    said = where.kappa("audit", "--publish", "--json")
    assert said.status == 1, said.err
    found = [ExpectationChecked.model_validate(row) for row in said.json]
    assert [r.expectation for r in found if r.passed is False] == ["teacher-named"]
    assert sorted(map(str, on(where, learned))) == sorted(map(str, found))


def test_the_auditor_records_what_a_process_of_its_own_found(where: OnCluster) -> None:
    environment = dict(os.environ) | {
        "KAPPA_KAFKA": where.connection.bootstrap,
        "KAPPA_KAFKA_PREFIX": where.connection.prefix,
        "KAPPA_PARTITIONS": str(KEPT.partitions),
        "KAPPA_REPLICATION": str(KEPT.replication),
        "KAPPA_RETENTION_DAYS": str(KEPT.retention_days),
        "KAPPA_EXPECTATIONS_EVERY": "1",
    }
    command = [sys.executable, "-m", "agents", "run", "auditor", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + DEADLINE
            while not (found := on(where, learned)):
                assert process.poll() is None
                assert time.monotonic() < end, f"not within {DEADLINE} s: expectations are checked"
                time.sleep(0.1)  # between two polls
        finally:
            process.terminate()
            status = process.wait(30)
    assert status == 0
    assert {result.scope for result in found} == {"t", SHARED}
    assert {result.expectation for result in found} == {row.name for row in EXPECTATIONS}

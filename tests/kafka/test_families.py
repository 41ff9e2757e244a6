"""People move families of a cluster: the command publishes, the registrar's process decides."""

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest

from agents.service import now_us
from streams.codec import encode
from streams.topic_plan import Layout
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_admin import apply
from streams.transports.kafka_connection import KafkaConnection
from tests.agents.worlds import (
    TENANT,
    asked,
    atom,
    change,
    changed,
    minutes,
    proposal,
    registry_of,
    served,
    shares,
)
from tests.kafka.places import OnCluster, Said
from tests.kafka.places import kappa as logs_kappa
from tests.kafka.test_console import running

pytestmark = pytest.mark.slow

LIMIT_S = 120.0
FIRST, SECOND = minutes(), minutes(60, (2, 5, 7))


async def two_versions(bootstrap: str) -> OnCluster:
    """Return a part of the cluster where `m@1` serves, and `m@2` has its evidence in shadow.

    `s@1` lies there, too.
    """
    connection = KafkaConnection(bootstrap, prefix=f"v{uuid.uuid4().hex[:8]}.")
    assert await apply(connection, Layout(partitions=2, replication=1)) == []
    registry, changes = registry_of(("m", FIRST, "live"))
    changes.append(changed(3, proposal([change("m", 2, SECOND, "shadow")], [SECOND])))
    changes.append(changed(4, proposal([change("s", 1, shares(), "shadow")], [shares()])))
    [entry] = registry.in_order()
    of_second = {"version": 2, "digest": SECOND.digest, "since": 3}
    text = "9 minutes to seconds"
    events = [
        *changes,
        *(atom(entry, n, **of_second) for n in range(6)),
        asked(text, "u9"),
        served(entry, text, "540", "u9"),
    ]
    log = KafkaLog(connection)
    await log.publish([encode(event, timestamp=now_us()) for event in events])
    await log.close()
    return OnCluster(connection)


async def read_by_registrar(part: OnCluster, topic: str, count: int) -> None:
    """Wait until the registrar has handled so many records of a topic."""
    log = KafkaLog(part.connection)
    while (await log.positions("registrar")).get((topic, 0), 0) < count:
        await asyncio.sleep(0.02)  # between two polls
    await log.close()


async def test_moves_on_a_cluster(bootstrap: str) -> None:
    part = await two_versions(bootstrap)

    async def families(*words: object) -> Said:
        return await asyncio.to_thread(part.kappa, "families", *words)

    async def facts(*words: object) -> Any:
        return (await families(*words, "--json")).json

    async def stages() -> dict[str, str]:
        return {f"{row['family']}@{row['version']}": row["stage"] for row in await facts("list")}

    async with asyncio.timeout(LIMIT_S):
        rows = {row["family"]: row for row in await facts("waiting")}
        assert (rows["m"]["missing"], rows["m"]["needs"][0]["seen"]) == (None, 6)
        assert rows["s"]["missing"] == "0 agreements of 5"
        replayed = await facts("diff", "m", "--replay")
        assert (replayed["utterances"], replayed["decided_otherwise"]) == (1, [])

        nobody = await families("retire", "s", "--reason", "nobody decides", "--wait", 0.5)
        assert (nobody.status, "correlation-id" in nobody.err) == (3, True)
        assert await stages() == {"m@1": "live", "m@2": "shadow", "s@1": "shadow"}

        async with running(part.connection, "registrar", "console") as addresses:
            await read_by_registrar(part, "evidence", 6)  # between topics there is no order
            await read_by_registrar(part, "proposals", 1)  # it was put in, and is decided now
            assert await stages() == {"m@1": "live", "m@2": "shadow", "s@1": "retired"}
            better = await families("promote", "m", "--reason", "better", "--wait", 60)
            assert (better.status, "m@2 live, m@1 retired" in better.out) == (0, True), better
            back = await families("rollback", "m", "--reason", "worse", "--wait", 60)
            assert (back.status, "m@2 retired, m@1 shadow" in back.out) == (0, True), back
            early = await families("promote", "m@1", "--reason", "early", "--wait", 60)
            assert (early.status, "evidence: m@1: 0 agreements of 5" in early.err) == (1, True)
            wrong = await families("promote", "m@2", "--reason", "retired")
            assert (wrong.status, "m@2 is retired" in wrong.err) == (2, True)

            line = {"family": "m", "version": 1, "digest": FIRST.digest, "stage": "retired"}
            body = {"scope": TENANT, "reason": "at the door", "changes": [line], "previous": 7}
            async with httpx.AsyncClient(base_url=addresses["console"], timeout=70) as client:
                posted = await client.post("/proposals?wait=60", json=body)
            assert (posted.status_code, posted.json()["ordinal"]) == (200, 8), posted.text
            assert set((await stages()).values()) == {"retired"}


def test_a_cluster_that_is_not_there_is_unreachable() -> None:
    said = logs_kappa(
        "families", "promote", "m", "--reason", "x", "--kafka", "127.0.0.1:9", prefix="v."
    )
    assert (said.status, json.dumps(said.out)) == (4, '""')

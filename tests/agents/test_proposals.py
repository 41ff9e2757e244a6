"""POST /proposals: what comes in is checked, the gate's decision goes out, nobody waits long."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from agents.cluster import ClusterDoors, listening
from agents.console.app import MAX_PROPOSALS, console
from agents.doors import Doors
from agents.fallback import hash_draw
from agents.pipeline import pipeline
from agents.service import Service, now_us, pumping
from agents.teachers.scripted import ScriptedTeacher
from streams.codec import decode, encode
from streams.events import Event, RecordRejected, VersionProposed
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import UNAUDITED, minutes, registry_of

RIGHT = minutes()
REGISTRY, CHANGES = registry_of(("m", RIGHT, "live"))
LINE = {"family": "m", "version": 1, "digest": RIGHT.digest, "stage": "retired"}
RETIRE: dict[str, Any] = {"scope": "acme", "reason": "enough", "changes": [LINE], "previous": 2}


@dataclass(frozen=True, slots=True)
class Console:
    """A console, a client of it, and the log."""

    log: EmbeddedLog
    doors: Doors
    client: httpx.AsyncClient

    async def post(self, body: Any, wait: float = 30) -> tuple[int, dict[str, Any]]:
        response = await self.client.post(f"/proposals?wait={wait}", json=body)
        return response.status_code, response.json()

    async def proposed(self) -> list[VersionProposed]:
        events = [decode(record) async for record in self.log.scan(("proposals",))]
        return [event for event in events if isinstance(event, VersionProposed)]

    async def say(self, headers: tuple[tuple[str, bytes], ...], *events: Event) -> None:
        now = now_us()
        await self.log.publish([encode(each, timestamp=now, headers=headers) for each in events])

    async def next_headers(self, count: int = 1) -> Sequence[tuple[tuple[str, bytes], ...]]:
        """Wait until so many proposals lie in the log; return their correlation headers."""
        async with asyncio.timeout(30):
            while True:
                found = [record async for record in self.log.scan(("proposals",))]
                if len(found) >= count:
                    return [record.headers[-1:] for record in found]
                await asyncio.sleep(0)  # others have their turn


@asynccontextmanager
async def _client(log: EmbeddedLog, doors: Doors) -> AsyncIterator[Console]:
    await log.publish([encode(event, timestamp=now_us()) for event in CHANGES])
    transport = httpx.ASGITransport(console(doors))
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
        yield Console(log, doors, client)


@asynccontextmanager
async def decided_here() -> AsyncIterator[Console]:
    """A service with all nodes in this process."""
    log = EmbeddedLog.open(":memory:")
    nodes = pipeline(
        ScriptedTeacher({}),
        hash_draw(""),
        policies=UNAUDITED,
        trusted=frozenset(),
    )
    try:
        async with pumping(Service(log, nodes)) as service, _client(log, service) as made:
            yield made
    finally:
        await log.close()


@asynccontextmanager
async def decided_by_hand() -> AsyncIterator[Console]:
    """A console beside agents that the test plays."""
    log = EmbeddedLog.open(":memory:")
    doors = ClusterDoors(log)
    try:
        async with listening(doors), _client(log, doors) as made:
            yield made
    finally:
        await log.close()


async def test_a_proposal_is_decided_by_the_gate() -> None:
    async with decided_here() as at:
        status, refused = await at.post(RETIRE | {"changes": [LINE | {"stage": "canary"}]})
        assert (status, refused["outcome"]) == (200, "refused")
        failed = [check for check in refused["checks"] if not check["passed"]]
        assert [check["check"] for check in failed] == ["stages"]
        status, changed = await at.post(RETIRE)
        assert (status, changed["outcome"], changed["ordinal"]) == (200, "changed", 3)
        assert changed["changes"] == [LINE]
        assert [event.actor for event in await at.proposed()] == ["person", "person"]


BAD: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("no-scope", {"scope": ""}, "scope"),
    ("no-reason", {"reason": ""}, "reason"),
    ("a-long-reason", {"reason": "x" * 2001}, "reason"),
    ("no-changes", {"changes": []}, "changes"),
    ("too-many-changes", {"changes": [LINE] * 1001}, "changes"),
    ("no-such-stage", {"changes": [LINE | {"stage": "served"}]}, "changes.0.stage"),
    ("no-digest", {"changes": [LINE | {"digest": "../../x"}]}, "changes.0.digest"),
    ("version-zero", {"changes": [LINE | {"version": 0}]}, "changes.0.version"),
    ("no-share", {"changes": [LINE | {"share": 0.0}]}, "changes.0.share"),
    ("more-than-all", {"changes": [LINE | {"share": 1.5}]}, "changes.0.share"),
    ("version-as-text", {"changes": [LINE | {"version": "1"}]}, "changes.0.version"),
    ("an-endless-ordinal", {"previous": 2**60}, "previous"),
    ("another-actor", {"actor": "registrar"}, "actor"),
    ("an-artifact", {"artifacts": [dict(RIGHT.document)]}, "artifacts"),
)


async def test_bad_bodies_are_told_what_is_wrong_and_stored_nowhere() -> None:
    async with decided_by_hand() as at:
        for name, change, problem in BAD:
            status, document = await at.post(RETIRE | change, wait=0)
            assert (status, problem in document["error"]) == (400, True), (name, document)
        for path, body, status in (
            ("/proposals", b"{", 400),
            ("/proposals", b" " * 300_000, 413),
            ("/proposals?wait=61", b"{}", 400),
            ("/proposals?wait=nan", b"{}", 400),
        ):
            assert (await at.client.post(path, content=body)).status_code == status
        assert (await at.client.get("/proposals")).status_code == 405
        assert await at.proposed() == []


async def test_who_does_not_wait_is_told_how_to_find_the_decision() -> None:
    async with decided_by_hand() as at:
        status, document = await at.post(RETIRE, wait=0)
        assert (status, document["outcome"]) == (202, "pending")
        [[(name, value)]] = await at.next_headers()
        assert (name, value.decode()) == ("correlation-id", document["correlation_id"])


def changed_by(actor: str) -> Event:
    return CHANGES[-1].model_copy(update={"actor": actor, "ordinal": 3})


async def test_only_the_decision_on_what_was_proposed_ends_the_waiting() -> None:
    """Others are decided meanwhile; what follows from a decision has its correlation-id, too."""
    async with decided_by_hand() as at:
        asking = asyncio.create_task(at.post(RETIRE))
        [mine] = await at.next_headers()
        await at.say((("correlation-id", b"another"),), changed_by("person"))
        await at.say(mine, changed_by("auditor"))
        await at.say(mine, changed_by("person").model_copy(update={"ordinal": 7}))
        status, document = await asking
        assert (status, document["ordinal"]) == (200, 7)


async def test_a_registrar_that_fails_at_a_proposal_has_refused_it() -> None:
    async with decided_by_hand() as at:
        asking = asyncio.create_task(at.post(RETIRE))
        [mine] = await at.next_headers()
        dead = {"partition": 0, "offset": 0, "value": ""}
        other = RecordRejected(topic="versions", reason="not mine", **dead)
        await at.say(mine, other, RecordRejected(topic="proposals", reason="it broke", **dead))
        _, document = await asking
        assert document["outcome"] == "refused"
        assert document["checks"] == [
            {"check": "registrar", "passed": False, "reason": "it broke"}
        ]  # fmt: skip


async def test_so_many_wait_at_once_and_no_more() -> None:
    async with decided_by_hand() as at:
        waiting = [asyncio.create_task(at.post(RETIRE)) for _ in range(MAX_PROPOSALS)]
        headers = await at.next_headers(MAX_PROPOSALS)
        status, document = await at.post(RETIRE)
        assert (status, document["error"]) == (503, "8 proposals wait already; try again")
        for each in headers:
            await at.say(each, changed_by("person"))
        assert {status for status, _ in await asyncio.gather(*waiting)} == {200}
        assert (await at.post(RETIRE, wait=0))[0] == 202


async def test_a_failure_lets_go_whoever_waits() -> None:
    async with decided_by_hand() as at:
        asking = asyncio.create_task(at.post(RETIRE))
        await at.next_headers()
        assert isinstance(at.doors, ClusterDoors)
        at.doors.fail(RuntimeError("gone"))
        assert await asking == (503, {"error": "gone"})
        assert (await at.post(RETIRE))[0] == 503


@pytest.mark.parametrize("wait", [0, 0.01])
async def test_nobody_waits_longer_than_was_said(wait: float) -> None:
    async with decided_by_hand() as at:
        assert (await at.post(RETIRE, wait=wait))[0] == 202

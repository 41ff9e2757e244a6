"""Health: a rebalance is not death, a stall is, and a broker that is down is neither."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette

from agents.console.app import console
from agents.fallback import hash_draw
from agents.health import Health, Vitals, health_routes, observe, observing, serving_health
from agents.matcher import matcher
from agents.pipeline import pipeline
from agents.runner import start, step
from agents.service import Service
from agents.teachers.scripted import ScriptedTeacher
from streams.codec import encode
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import UNAUDITED, asked

GRACE, LIMIT = 60.0, 300.0


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Row:
    """What happened to a node that began at 0, and what is said of it at `at`."""

    name: str
    happened: Callable[[Health], object]
    at: float
    started: bool = True
    ready: bool = True
    live: bool = True


def nothing(health: Health) -> None:
    """Nothing has happened."""


def reads(*seen: tuple[float, int, int]) -> Callable[[Health], None]:
    """Observations: time, position, lag."""

    def happened(health: Health) -> None:
        health.begin(0)
        for now, position, lag in seen:
            health.read(position, lag, now)

    return happened


def regained(health: Health) -> None:
    health.regain(900)
    health.read(10, 3, 1000)


def lost(then: Callable[[Health], object] = nothing) -> Callable[[Health], None]:
    def happened(health: Health) -> None:
        reads((5, 10, 3))(health)
        health.lose(10)
        then(health)

    return happened


ROWS = (
    Row("not-started", nothing, 0, started=False, ready=False),
    Row("started", reads(), 0),
    Row("idle-for-long", reads((5, 10, 0), (900, 10, 0)), 900),
    Row("busy-for-long", reads((5, 10, 90), (400, 60, 90), (900, 99, 90)), 900),
    Row("slow-but-within-the-limit", reads((5, 10, 3), (305, 10, 3)), 305),
    Row("stalled", reads((5, 10, 3), (306, 10, 3)), 306, live=False),
    Row("stalled-after-idling", reads((5, 10, 0), (900, 10, 0), (1000, 10, 1), (1201, 10, 1)),
        1201, live=False),
    Row("work-came-after-idling", reads((5, 10, 0), (900, 10, 0), (1000, 10, 1)), 1000),
    Row("moves-again", reads((5, 10, 3), (400, 10, 3), (405, 11, 2)), 405),
    Row("moves-back-to-be-repeated", reads((5, 10, 3), (305, 8, 5), (400, 8, 5)), 400),
    Row("nobody-could-look", reads((5, 10, 3), (200, 10, 3)), 5000),
    Row("rebalancing", lost(), 70),
    Row("rebalancing-for-too-long", lost(), 71, ready=False),
    Row("not-assigned-is-not-stalled", lost(lambda h: h.read(10, 3, 900)), 900, ready=False),
    Row("assigned-again", lost(lambda h: h.regain(900)), 5000),
    Row("assigned-again-and-given-time", lost(regained),
        1000),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_three_questions(row: Row) -> None:
    health = Health()
    row.happened(health)
    vitals = Vitals({"matcher": health}, clock=Clock(row.at), grace=GRACE, stall_after=LIMIT)
    async with client(Starlette(routes=health_routes(vitals))) as http:
        answers = {name: (await http.get(f"/{name}")).status_code for name in QUESTIONS}
        metrics = (await http.get("/metrics")).text
    expected = dict(zip(QUESTIONS, (row.started, row.ready, row.live), strict=True))
    assert answers == {name: 200 if yes else 503 for name, yes in expected.items()}
    assert f'kappa_stalled{{node="matcher"}} {float(not row.live)}' in metrics


QUESTIONS = ("started", "ready", "live")


def client(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kappa")


async def test_what_is_wrong_is_named() -> None:
    stalled = Health()
    reads((5, 10, 3), (900, 10, 3))(stalled)
    vitals = Vitals({"matcher": stalled, "fallback": Health()}, clock=Clock())
    async with client(Starlette(routes=health_routes(vitals))) as http:
        assert (await http.get("/live")).json() == {"live": False, "stalled": ["matcher"]}
        assert (await http.get("/ready")).json() == {"ready": False, "unready": ["fallback"]}
        assert (await http.get("/started")).json() == {"started": False, "missing": ["fallback"]}


async def test_a_node_that_does_not_read_what_waits_is_seen_to_stall() -> None:
    log, clock = EmbeddedLog.open(":memory:"), Clock()
    node = await start(matcher(UNAUDITED), log, lambda: 7)
    vitals = Vitals({"matcher": Health()}, clock=clock, stall_after=LIMIT)
    vitals.nodes["matcher"].begin(clock())
    await log.publish([encode(asked("a", "1"), timestamp=1)])
    await observe(vitals, [node])
    assert (vitals.nodes["matcher"].lag, vitals.stalled()) == (1, [])
    clock.now += LIMIT + 1
    await observe(vitals, [node])
    assert vitals.stalled() == ["matcher"]
    await step(node)
    await observe(vitals, [node])
    assert (vitals.nodes["matcher"].lag, vitals.stalled()) == (0, [])


@dataclass
class _Soon:
    """Waits until something holds, by giving the event loop turns."""

    turns: int = field(default=10_000)

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(self.turns):
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never came")


async def test_observing_goes_on_when_the_log_cannot_be_read() -> None:
    log = EmbeddedLog.open(":memory:")
    node = await start(matcher(UNAUDITED), log, lambda: 7)
    clock = Clock()
    vitals = Vitals({"matcher": Health()}, clock=clock)
    async with observing(vitals, [node], every=0):
        await _Soon().until(lambda: "kappa_lag" in vitals.metrics.numbers)
        assert vitals.unready() == []
        await log.close()
        seen = vitals.nodes["matcher"].seen
        clock.now += 10_000
        await _Soon(100).until(lambda: True)
        assert vitals.nodes["matcher"].seen == seen
        assert vitals.stalled() == []


async def test_an_agent_without_a_console_serves_its_health() -> None:
    vitals = Vitals({"matcher": Health()})
    async with serving_health(vitals, "127.0.0.1", 0) as port, httpx.AsyncClient() as http:
        address = f"http://127.0.0.1:{port}"
        assert (await http.get(f"{address}/started")).status_code == 503
        vitals.nodes["matcher"].begin(vitals.clock())
        assert (await http.get(f"{address}/started")).status_code == 200
        scraped = await http.get(f"{address}/metrics")
        assert scraped.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        with pytest.raises(OSError, match="in use"):
            async with serving_health(vitals, "127.0.0.1", port):
                raise AssertionError("two servers on one port")


async def test_the_console_answers_the_same_questions() -> None:
    nodes = pipeline(
        ScriptedTeacher({}),
        hash_draw(""),
        policies=UNAUDITED,
        trusted=frozenset(),
    )
    service = Service(EmbeddedLog.open(":memory:"), nodes)
    stalled = Health()
    reads((5, 10, 3), (900, 10, 3))(stalled)
    vitals = Vitals({"matcher": stalled}, clock=Clock())
    async with client(console(service, vitals=vitals)) as http:
        live = await http.get("/live")
        assert (live.status_code, live.json()) == (503, {"live": False, "stalled": ["matcher"]})
        assert (await http.get("/started")).status_code == 200
        assert (await http.get("/metrics")).status_code == 200
    async with client(console(service)) as http:
        assert (await http.get("/live")).json() == {"live": True, "stalled": []}
        assert (await http.get("/metrics")).status_code == 404

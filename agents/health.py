"""Health: is a process alive, started, ready; three questions, and a rebalance is none of them.

    observe (every few seconds) ─▶ Health of each node ─▶ /live /ready /started /metrics

The endpoints answer from what was last observed and ask no broker: a broker that is down must not
have every process restarted. A node that has records before it and does not move is *stalled*; a
process with a stalled node says that it is not alive, and whoever runs it starts it again.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from agents.metrics import CONTENT_TYPE, Labels, Metrics, exposition
from agents.runner import Running
from agents.watching import looking
from artifacts.registry import Registry
from artifacts.stages import STAGES

OBSERVED_EVERY = 5.0
"""Seconds between two observations."""


@dataclass(slots=True)
class Health:
    """What is known of one node; times are seconds of one monotonic clock.

    `started`: its state is rebuilt, all change sets are loaded that lay in the log. `assigned`: it
    is a member of its group, until `revoked` at some time. `moved`: when it last read on, or had
    nothing to read; `seen`: when that was last looked at.
    """

    started: bool = False
    assigned: bool = False
    revoked: float | None = None
    moved: float = 0.0
    seen: float = 0.0
    position: int = 0
    lag: int = 0

    def begin(self, now: float) -> None:
        """The node has started and joined its group."""
        self.started = self.assigned = True
        self.moved = self.seen = now

    def lose(self, now: float) -> None:
        """The node's partitions were revoked."""
        self.assigned, self.revoked = False, now

    def regain(self, now: float) -> None:
        """The node was given partitions, perhaps none; it cannot have moved meanwhile."""
        self.assigned = True
        self.moved = self.seen = now

    def note(self, is_assigned: bool, now: float) -> None:
        """Note whether the node has its place in the group."""
        if is_assigned and not self.assigned:
            self.regain(now)
        elif self.assigned and not is_assigned:
            self.lose(now)

    def read(self, position: int, lag: int, now: float) -> None:
        """Note how far the node is, over all partitions, and how much lies before it."""
        if lag == 0 or position != self.position:
            self.moved = now
        self.position, self.lag, self.seen = position, lag, now

    def is_ready(self, now: float, grace: float) -> bool:
        """Whether the node works, or will as soon as a rebalance ends: within `grace` seconds."""
        if not self.started:
            return False
        return self.assigned or (self.revoked is not None and now - self.revoked <= grace)

    def is_stalled(self, limit: float) -> bool:
        """Whether records wait and the node was seen not to move for more than `limit` seconds.

        While nobody can look, because the broker is down, no node becomes stalled.
        """
        return self.assigned and self.lag > 0 and self.seen - self.moved > limit


@dataclass(slots=True)
class Vitals:
    """The health of all nodes of a process, and its metrics."""

    nodes: Mapping[str, Health]
    metrics: Metrics = field(default_factory=Metrics)
    clock: Callable[[], float] = time.monotonic
    grace: float = 60.0
    stall_after: float = 300.0

    def stalled(self) -> list[str]:
        """Return the nodes that are stalled."""
        return [n for n, health in self.nodes.items() if health.is_stalled(self.stall_after)]

    def unready(self) -> list[str]:
        """Return the nodes that cannot work yet, or no longer."""
        now = self.clock()
        return [n for n, health in self.nodes.items() if not health.is_ready(now, self.grace)]


def vitals_of(names: Iterable[str], **given: Any) -> Vitals:
    """Return the vitals of nodes that have not started."""
    return Vitals({name: Health() for name in names}, **given)


# --- observing ------------------------------------------------------------------------------------


async def observe(vitals: Vitals, running: Sequence[Running]) -> None:
    """Bring every node's health and the gauges up to date."""
    lags: dict[Labels, float] = {}
    ordinals: dict[Labels, float] = {}
    stages: dict[Labels, float] = {(stage,): 0 for stage in STAGES}
    for each in running:
        name, health = each.node.name, vitals.nodes[each.node.name]
        health.note(each.subscription.is_assigned, vitals.clock())
        standing = await each.subscription.standing()
        behind = {place: end - position for place, (position, end) in standing.items()}
        position = sum(position for position, _ in standing.values())
        health.read(position, sum(behind.values()), vitals.clock())
        lags |= {(name, topic, str(part)): lag for (topic, part), lag in behind.items()}
        registry = getattr(each.state, "registry", None)
        if isinstance(registry, Registry):
            ordinals[name,] = registry.ordinal
    if (newest := _newest(running)) is not None:
        for entry in newest.entries.values():
            stages[entry.stage,] += 1
    vitals.metrics.put("kappa_lag", lags)
    vitals.metrics.put("kappa_registry_ordinal", ordinals)
    vitals.metrics.put("kappa_families", stages)


def _newest(running: Sequence[Running]) -> Registry | None:
    """Return the registry that has folded most, if any node has one."""
    found = [getattr(each.state, "registry", None) for each in running]
    registries = [registry for registry in found if isinstance(registry, Registry)]
    return max(registries, key=lambda registry: registry.ordinal, default=None)


@contextlib.asynccontextmanager
async def observing(
    vitals: Vitals, running: Sequence[Running], every: float = OBSERVED_EVERY
) -> AsyncIterator[None]:
    """Observe nodes that have started, now and again, while the block runs."""
    for each in running:
        vitals.nodes[each.node.name].begin(vitals.clock())
    async with looking(partial(observe, vitals, running), every):
        yield


# --- endpoints ------------------------------------------------------------------------------------


def health_routes(vitals: Vitals) -> list[BaseRoute]:
    """Return GET /live, /ready, /started and /metrics."""

    async def live(request: Request) -> Response:
        stalled = vitals.stalled()
        return JSONResponse({"live": not stalled, "stalled": stalled}, 503 if stalled else 200)

    async def ready(request: Request) -> Response:
        unready = vitals.unready()
        return JSONResponse({"ready": not unready, "unready": unready}, 503 if unready else 200)

    async def started(request: Request) -> Response:
        missing = [name for name, health in vitals.nodes.items() if not health.started]
        return JSONResponse({"started": not missing, "missing": missing}, 503 if missing else 200)

    async def metrics(request: Request) -> Response:
        stalled = vitals.stalled()
        vitals.metrics.put("kappa_stalled", {(name,): name in stalled for name in vitals.nodes})
        return Response(exposition(vitals.metrics), media_type=CONTENT_TYPE)

    return [
        Route("/live", live),
        Route("/ready", ready),
        Route("/started", started),
        Route("/metrics", metrics),
    ]


class _Quiet(uvicorn.Server):
    """A server that leaves the signals to the process it is in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@contextlib.asynccontextmanager
async def serving(app: Starlette, host: str, port: int) -> AsyncIterator[int]:
    """Serve an application while the block runs; give the port. Raises OSError for a taken one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family)
    config = uvicorn.Config(
        app, log_level="warning", log_config=None, lifespan="off", timeout_graceful_shutdown=5
    )
    server = _Quiet(config)
    task = asyncio.create_task(server.serve([listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listening.close()


def serving_health(
    vitals: Vitals, host: str, port: int
) -> contextlib.AbstractAsyncContextManager[int]:
    """Serve the endpoints while the block runs, as `serving` does."""
    return serving(Starlette(routes=health_routes(vitals)), host, port)

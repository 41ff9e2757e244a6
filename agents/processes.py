"""One agent as one process on a cluster: how each is run, and how it ends.

| agent      | reads the cluster by | processes                                    |
|------------|----------------------|----------------------------------------------|
| matcher    | transactions         | as many as there are partitions              |
| fallback   | transactions         | as many as there are partitions              |
| registrar  | transactions, alone  | one; the next one fences it                  |
| distiller  | Faust                | one works, others stand by; the inducer, too |
| refiner    | Faust                | one works, others stand by                   |
| auditor    | Faust                | one works, others stand by                   |
| console    | no group             | as many as you like; each knows its own asks |

A process leaves at once, without a word to the cluster, when another one has its place or when it
makes no progress; whoever supervises it starts it again, and all of its state is a fold of topics.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeVar

from agents.health import OBSERVED_EVERY, Vitals, observing
from agents.live import decide_live, spare_the_collector
from agents.node import Asker, Node
from agents.runner import Running, start
from agents.sensors import Sensor
from agents.service import now_us
from agents.window import Window
from streams.transports import Fenced, Transport
from streams.transports.kafka_connection import KafkaConnection, Probe, Timing, no_probe

_T = TypeVar("_T")

DRAIN_SECONDS = 10.0
"""How long questions in flight are waited for when the process is told to stop."""

CLOSE_SECONDS = 10.0
"""How long leaving the groups may take."""

_IDLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """How an agent is run: its nodes, who keeps its group, how long a poll may wait.

    A fallback publishes between two polls, so its polls are short.
    """

    nodes: tuple[str, ...]
    group: Literal["shared", "sole", "faust", "none"]
    poll_ms: int = 100


PROCESSES: Mapping[str, Process] = MappingProxyType(
    {
        "matcher": Process(("matcher",), "shared"),
        "fallback": Process(("fallback",), "shared", poll_ms=10),
        "registrar": Process(("registrar",), "sole"),
        "distiller": Process(("distiller", "inducer"), "faust"),
        "refiner": Process(("refiner",), "faust"),
        "auditor": Process(("auditor",), "faust"),
        "console": Process((), "none"),
    }
)


def process_of(node: str) -> str:
    """Return the agent in whose process a node runs.

    >>> process_of("inducer")
    'distiller'
    """
    return next(agent for agent, process in PROCESSES.items() if node in process.nodes)


def log_for(
    process: Process,
    connection: KafkaConnection,
    *,
    slot: str,
    timing: Timing,
    probe: Probe = no_probe,
) -> Transport:
    """Return the transport that an agent reads the cluster by; its client is imported here."""
    timing = replace(timing, poll_ms=process.poll_ms)
    if process.group == "faust":
        from streams.transports.faust_app import FaustLog

        return FaustLog(connection, slot=slot, timing=timing)
    from streams.transports.kafka import KafkaLog

    membership: Literal["shared", "sole"] = "sole" if process.group == "sole" else "shared"
    return KafkaLog(connection, slot=slot, membership=membership, timing=timing, probe=probe)


async def run_process(
    nodes: Sequence[Node],
    log: Transport,
    stopping: asyncio.Event,
    vitals: Vitals,
    sensor: Sensor,
    *,
    window: int,
    beside: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext,
) -> None:
    """Run an agent's nodes until `stopping` is set; then leave its groups.

    What goes on `beside` them begins when this process has its place.

    Raises Fenced when another process has the place or nothing moves, and whatever else the
    transport raises.
    """
    spare_the_collector()  # the families that are loaded now stay
    running = await _unless(stopping, _started(nodes, log, sensor))
    if running is not None:  # else told to stop as a standby, or in the middle of its start
        async with observing(vitals, running), beside():
            loops = [asyncio.create_task(_loop(each, stopping, window)) for each in running]
            loops.append(asyncio.create_task(_watch(vitals, stopping)))
            await _all(loops, stopping)
    with contextlib.suppress(TimeoutError):  # a cluster that does not answer is left anyway
        async with asyncio.timeout(CLOSE_SECONDS):
            await log.close()


async def _started(nodes: Sequence[Node], log: Transport, sensor: Sensor) -> list[Running]:
    return [await start(node, log, now_us, sensor=sensor) for node in nodes]


async def _unless(stopping: asyncio.Event, starting: Awaitable[_T]) -> _T | None:
    """Return what `starting` returns, or None when the process is told to stop before."""
    task, told = asyncio.ensure_future(starting), asyncio.create_task(stopping.wait())
    await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if task.done():
        return task.result()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return None


async def _all(loops: Sequence[asyncio.Task[None]], stopping: asyncio.Event) -> None:
    """Wait for the first loop that ends, which ends the others; raise what it raised."""
    try:
        await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
        stopping.set()
        await asyncio.wait(loops, timeout=DRAIN_SECONDS + 5)
    finally:
        for loop in loops:
            loop.cancel()
    for loop in loops:
        if loop.done() and not loop.cancelled():
            loop.result()


async def _loop(running: Running, stopping: asyncio.Event, window: int) -> None:
    if isinstance(running.node, Asker):
        await _ask_live(running, stopping, window)
    else:
        await decide_live(running, stopping)


async def _ask_live(running: Running, stopping: asyncio.Event, size: int) -> None:
    changed = asyncio.Event()
    window = Window(running, size, changed)
    try:
        while not stopping.is_set():
            changed.clear()
            if not await window.advance():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), _IDLE_SECONDS)
    finally:
        await window.drain(DRAIN_SECONDS)


async def _watch(vitals: Vitals, stopping: asyncio.Event) -> None:
    """Raise Fenced when a node does not move although records wait."""
    while not stopping.is_set():
        if stalled := vitals.stalled():
            raise Fenced(f"{', '.join(stalled)}: no progress for {vitals.stall_after:g} s: leaving")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), OBSERVED_EVERY)

"""The loop of a decider that is a process of its own: the client is never idle.

poll ─▶ decide, a few records at a time ─┐
 ▲      new snapshots come in between     ├─▶ publish what is decided, once the last is stored
 └────────────────────────────────────────┘

A batch is thus what came while the one before it was being stored: small and quick when little
comes, CAP when much does. Polling once and then waiting for the transaction under way made each
utterance wait for two. Only what is decided from folds alone may be decided ahead; a decider whose
state comes from what it reads has to know that its last batch is stored.

Events and records are freed by their reference counts, so the garbage collector finds nothing in a
batch and looks at all of it, and at every family, again and again: a tenth of the CPU, in pauses of
20 ms. What was loaded at the start is therefore left out of its sight, and it looks more rarely;
not never, for tracebacks and tasks refer to each other.
"""

import asyncio
import contextlib
import gc
import time
from collections.abc import Sequence
from typing import Any

from agents.node import Decider
from agents.runner import Running, all_decided, keep_up
from streams.transports import Handled, Record, TurnLost

CAP = 2000
"""Most records of one transaction; it takes what has arrived, and never waits to fill."""

_AT_A_TIME = 50
"""Records that are decided before the loop sees to the sockets, a millisecond or less."""

_YOUNG, _MIDDLE, _OLD = 100_000, 20, 50
"""The collector's thresholds: a batch in hand is some tens of thousands of objects."""


async def decide_live(running: Running, stopping: asyncio.Event) -> None:
    """Run a decider until `stopping` is set; then store what is decided.

    Raises what the transport raises. TurnLost only where the decider is rebuilt from what it reads;
    else what was in hand comes again.
    """
    node = running.node
    assert isinstance(node, Decider)
    spare_the_collector()
    if node.is_rebuilt:
        await _in_turn(running, node, stopping)
    else:
        await _ahead(running, node, stopping)


async def _in_turn(running: Running, node: Decider, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        records = await _next(running, node.batch)
        began = time.perf_counter()
        if handled := await _decided(running, node, records):
            await _publish(running, handled, began)


async def _ahead(running: Running, node: Decider, stopping: asyncio.Event) -> None:
    """Poll and decide while the last batch is being stored; what came meanwhile is the next."""
    made: list[Handled] = []
    began = 0.0
    polling: asyncio.Task[Sequence[Record]] | None = None
    publishing: asyncio.Task[None] | None = None
    try:
        while not stopping.is_set():
            if polling is None and len(made) < CAP:
                polling = asyncio.create_task(_next(running, CAP - len(made)))
            if publishing is None and made:
                publishing = asyncio.create_task(_publish(running, made, began))
                made = []
            under_way = [task for task in (polling, publishing) if task is not None]
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            try:
                if publishing is not None and publishing.done():
                    publishing.result()
                    publishing = None
                if polling is not None and polling.done():
                    records = polling.result()
                    polling = None
                    began = began if made else time.perf_counter()
                    made += await _decided(running, node, records)
            except TurnLost:
                made = []
                await _lost(polling, publishing)
                polling = publishing = None
        await _lost(polling)
        await _lost(publishing)
        if made:
            await _lost(asyncio.create_task(_publish(running, made, began)))
    finally:
        for task in (polling, publishing):
            if task is not None:
                task.cancel()


async def _lost(*tasks: asyncio.Task[Any] | None) -> None:
    """Wait for tasks whose turn may be over, and drop what they return."""
    for task in tasks:
        if task is not None:
            with contextlib.suppress(TurnLost):
                await task


async def _next(running: Running, limit: int) -> Sequence[Record]:
    """Poll, then take in what has come on the fold topics: nothing newer is known when deciding."""
    records = await running.subscription.poll(limit)
    await keep_up(running)
    return records


async def _publish(running: Running, handled: Sequence[Handled], began: float) -> None:
    await running.subscription.publish(handled)
    running.sensor.handled(running.node.name, handled, time.perf_counter() - began)


def spare_the_collector() -> None:
    """Let the garbage collector look rarely, and never again at what there is now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


async def _decided(running: Running, node: Decider, records: Sequence[Record]) -> Sequence[Handled]:
    handled: list[Handled] = []
    for first in range(0, len(records), _AT_A_TIME):
        handled += all_decided(running, node, records[first : first + _AT_A_TIME])
        await asyncio.sleep(0)
    return handled

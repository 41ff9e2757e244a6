"""The loop of a decider that is a process of its own: the client is never idle.

poll ─▶ decide, a few records at a time ─▶ publish
                                            └ the transaction of one batch beside the next one's

Only what is decided from folds alone may be decided ahead; a decider whose state comes from what it
reads has to know that its last batch is stored. A new snapshot is taken between two batches.

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

from agents.node import Decider
from agents.runner import Running, decided, keep_up
from streams.transports import Handled, Record, TurnLost

CAP = 2000
"""Most records of one transaction; it takes what has arrived, and never waits to fill."""

_AT_A_TIME = 50
"""Records that are decided before the loop sees to the sockets, a millisecond or less."""

_YOUNG, _MIDDLE, _OLD = 100_000, 20, 50
"""The collector's thresholds: a batch in hand is some tens of thousands of objects."""


async def decide_live(running: Running, stopping: asyncio.Event) -> None:
    """Run a decider until `stopping` is set; then finish the batch in hand.

    Raises what the transport raises, but for TurnLost: what was in hand then comes again.
    """
    node = running.node
    assert isinstance(node, Decider)
    under_way: asyncio.Task[None] | None = None
    _spare_the_collector()
    try:
        while not stopping.is_set():
            try:
                await keep_up(running)
                records = await running.subscription.poll(node.batch if node.is_rebuilt else CAP)
                began = time.perf_counter()
                handled = await _decided(running, node, records)
                if under_way is not None:
                    publishing, under_way = under_way, None
                    await publishing
                if handled:
                    under_way = asyncio.create_task(_publish(running, handled, began))
                    if node.is_rebuilt:
                        await under_way
            except TurnLost:
                if node.is_rebuilt:
                    raise
                if under_way is not None:
                    publishing, under_way = under_way, None
                    with contextlib.suppress(TurnLost):
                        await publishing
    finally:
        if under_way is not None:
            with contextlib.suppress(TurnLost):
                await under_way


async def _publish(running: Running, handled: Sequence[Handled], began: float) -> None:
    await running.subscription.publish(handled)
    running.sensor.handled(running.node.name, handled, time.perf_counter() - began)


def _spare_the_collector() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


async def _decided(running: Running, node: Decider, records: Sequence[Record]) -> Sequence[Handled]:
    handled: list[Handled] = []
    for first in range(0, len(records), _AT_A_TIME):
        handled += slice_decided(running, node, records[first : first + _AT_A_TIME])
        await asyncio.sleep(0)
    return handled


def slice_decided(running: Running, node: Decider, records: Sequence[Record]) -> list[Handled]:
    """Return the decisions on a few records; what the loop does not wait for."""
    return [decided(running, node, record) for record in records]

"""The loop of a decider that is a process of its own: the client is never idle.

poll ─▶ decide, a few records at a time ─▶ publish
                                            └ the transaction of one batch beside the next one's

Only what is decided from folds alone may be decided ahead; a decider whose state comes from what it
reads has to know that its last batch is stored. A new snapshot is taken between two batches.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from agents.node import Decider
from agents.runner import Running, decided, keep_up
from streams.transports import Handled, Record, TurnLost

CAP = 2000
"""Most records of one transaction; it takes what has arrived, and never waits to fill."""

_AT_A_TIME = 50
"""Records that are decided before the loop sees to the sockets, a millisecond or less."""


async def decide_live(running: Running, stopping: asyncio.Event) -> None:
    """Run a decider until `stopping` is set; then finish the batch in hand.

    Raises what the transport raises, but for TurnLost: what was in hand then comes again.
    """
    node = running.node
    assert isinstance(node, Decider)
    under_way: asyncio.Task[None] | None = None
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


async def _decided(running: Running, node: Decider, records: Sequence[Record]) -> Sequence[Handled]:
    handled: list[Handled] = []
    for first in range(0, len(records), _AT_A_TIME):
        handled += [decided(running, node, r) for r in records[first : first + _AT_A_TIME]]
        await asyncio.sleep(0)
    return handled

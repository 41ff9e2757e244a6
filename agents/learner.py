"""The learner: all nodes that learn, in a process beside the one that answers.

news ─▶ one step of one node at a time, until nothing moves ─▶ wait for news

In one interpreter a long search would hold every answer up; here it holds up nothing but learning.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from agents.node import Node
from agents.runner import Clock, Decoder, start, step
from agents.sensors import SILENT, Sensor
from streams.transports.embedded_remote import RemoteLog

_POLL_SECONDS = 0.5
"""How long to wait for news before looking anyway."""


async def learn(
    nodes: Sequence[Node], log: RemoteLog, clock: Clock, sensor: Sensor = SILENT
) -> None:
    """Run the nodes until the writer asks to leave; the step at hand is finished and published."""
    decoder = Decoder()
    running = [await start(node, log, clock, decoder.event, sensor) for node in nodes]
    log.ready()
    while not log.must_leave():
        log.news.clear()
        moved = 0
        for one in running:
            if log.must_leave():
                return
            moved += await step(one)
            await asyncio.sleep(0)  # the pipe has its turn
        if not moved:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(log.news.wait(), _POLL_SECONDS)

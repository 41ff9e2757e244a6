"""Row 4: how long no answer comes when one of three brokers is killed."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.benchmarks.bench_kafka.probing import longest_gap, probing
from tests.benchmarks.bench_kafka.races import agent
from tests.benchmarks.bench_kafka.report import Row, percentile
from tests.benchmarks.bench_kafka.sizes import Sizes
from tests.benchmarks.bench_kafka.world import World, cluster, thousand, world
from tests.benchmarks.path_stream import texts

GOAL_S = 8.0
_LEFT = 75


async def rows(sizes: Sizes, say: Callable[[str], None]) -> list[Row]:
    """Kill a broker after the other, while utterances come, and let it come back."""
    gaps: list[float] = []
    slowest: list[float] = []
    with cluster(3) as on:
        made = await world(on, thousand())
        lines = texts(random.Random("loss"), thousand())
        topics = ("matches", "fallbacks")
        async with (
            _supervised(made) as restarts,
            probing(made, lines, sizes.kill_rate, topics) as probe,
        ):
            for number in range(sizes.kills):
                await probe.flowing(60)
                await asyncio.sleep(3)
                node = on.nodes[number % len(on.nodes)].number
                started, first = time.monotonic(), len(probe.due)
                await asyncio.to_thread(on.kill, node)
                await asyncio.sleep(sizes.watched_seconds)
                seen = [each.at for each in probe.seen.values()]
                gaps.append(longest_gap(seen, started, time.monotonic()))
                late = [1000 * (s.at - probe.due[n]) for n, s in probe.seen.items() if n >= first]
                slowest.append(max(late, default=0.0) / 1000)
                say(f"  node {node}: {gaps[-1]:.1f} s without an answer, "
                    f"{len(restarts)} restarts so far")  # fmt: skip
                await asyncio.to_thread(on.restart, node)
            probe.stopping.set()
            await probe.answered(60)
    more = {
        "slowest answer s": round(percentile(slowest, 0.5), 1),
        "restarts of the matcher": len(restarts),
        "unanswered": probe.unanswered(),
    }
    what = "longest gap between answers, a broker of three killed"
    return [Row(4, what, "s", gaps, goal=f"≤ {GOAL_S:g} s", met=max(gaps) <= GOAL_S, more=more)]


@asynccontextmanager
async def _supervised(made: World) -> AsyncIterator[list[int]]:
    """Keep a matcher running as whoever deploys it would: one that left is started again."""
    restarts: list[int] = []

    async def supervise() -> None:
        while True:
            with agent("matcher", made) as (process, _):
                status = await asyncio.to_thread(process.wait)
                restarts.append(status)
                assert status == _LEFT, status

    task = asyncio.create_task(supervise())
    try:
        yield restarts
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

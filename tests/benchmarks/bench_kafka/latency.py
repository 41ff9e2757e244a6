"""Row 3: how long from an utterance to its answer, at a steady rate."""

import asyncio
import random
from collections.abc import Callable
from statistics import median

from infra.kafka.cluster import Cluster
from tests.benchmarks.bench_kafka.probing import probing
from tests.benchmarks.bench_kafka.races import go, members, ready
from tests.benchmarks.bench_kafka.report import Row, percentile
from tests.benchmarks.bench_kafka.sizes import Sizes
from tests.benchmarks.bench_kafka.world import RAW_OUT, World, thousand, world
from tests.benchmarks.path_stream import texts

P50_GOAL_MS, P99_GOAL_MS = 25, 80
_TOPICS = {"raw": (RAW_OUT,), "matcher": ("matches", "fallbacks")}


async def rows(on: Cluster, sizes: Sizes, say: Callable[[str], None]) -> list[Row]:
    """Probe the raw loop and the matcher in turn."""
    found: dict[str, list[list[float]]] = {name: [] for name in _TOPICS}
    for name in _TOPICS:  # what a broker does often is compiled
        await _probed(await world(on, thousand()), name, sizes, -1)
    for number in range(sizes.repeats):
        for name in random.Random(number).sample(list(_TOPICS), len(_TOPICS)):
            spent = await _probed(await world(on, thousand()), name, sizes, number)
            found[name].append(spent)
            say(f"  round {number + 1}: {name}: p50 {percentile(spent, 0.5):.1f} ms, "
                f"p99 {percentile(spent, 0.99):.1f} ms")  # fmt: skip
    made_rows = []
    for share, goal in ((0.5, P50_GOAL_MS), (0.99, P99_GOAL_MS)):
        of = {name: [percentile(each, share) for each in found[name]] for name in found}
        what = f"p{100 * share:.0f} from utterance to answer, {sizes.rate:,}/s"
        ratios = [own / raw for own, raw in zip(of["matcher"], of["raw"], strict=True)]
        met = median(of["matcher"]) <= goal
        made_rows.append(Row(3, f"{what}: raw", "ms", of["raw"]))
        made_rows.append(
            Row(3, f"{what}: matcher", "ms", of["matcher"], ratios, f"≤ {goal} ms", met)
        )
    return made_rows


async def _probed(made: World, name: str, sizes: Sizes, seed: int) -> list[float]:
    """Return the latencies of one probe, its first second left out."""
    lines = texts(random.Random(f"latency-{seed}-{name}"), thousand())
    with members(name, made, 1) as started:
        ready(started[0])
        go(started[0])
        async with probing(made, lines, sizes.rate, _TOPICS[name]) as probe:
            await asyncio.sleep(sizes.probe_seconds + 1)
            probe.stopping.set()
            await probe.answered(30)
        return probe.latencies_ms(since=probe.due[0] + 1)

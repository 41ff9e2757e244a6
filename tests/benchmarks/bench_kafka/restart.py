"""Row 6: how long `kappa run matcher` takes from its start to /ready."""

import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from infra.kafka.cluster import Cluster
from streams.codec import encode
from tests.benchmarks.bench_kafka.races import agent, go, heard, members
from tests.benchmarks.bench_kafka.report import Row
from tests.benchmarks.bench_kafka.sizes import Sizes
from tests.benchmarks.bench_kafka.world import append, one_by_one, world
from tests.benchmarks.path_stream import families

GOAL_S = 10.0
_LIMIT_S = 300.0


async def rows(on: Cluster, sizes: Sizes, say: Callable[[str], None]) -> list[Row]:
    """Start a matcher that has to load many families, each with change sets of its own."""
    made = await world(on, ())
    many = families(random.Random("restart"), sizes.restart_families)
    await append(made.connection, [encode(event, timestamp=0) for event in one_by_one(many)])
    spent: list[float] = []
    for _ in range(sizes.repeats):
        started = time.monotonic()
        with agent("matcher", made) as (_, address):
            while not _is_ready(f"{address}/ready"):
                assert time.monotonic() - started < _LIMIT_S
                time.sleep(0.02)
            spent.append(time.monotonic() - started)
        say(f"  {spent[-1]:.1f} s")
    with members("loading", made, 1) as [process]:
        heard(process)
        go(process, 1)
        parts = heard(process)
    more = {
        f"{name}, s of CPU": round(parts[name], 2)
        for name in ("connect", "read", "decode", "artifacts", "fold")
    }
    what = f"start to ready, {parts['families']:,} families, {2 * len(many):,} change sets"
    met = sorted(spent)[len(spent) // 2] <= GOAL_S
    return [Row(6, what, "s", spent, goal=f"≤ {GOAL_S:g} s", met=met, more=more)]


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False

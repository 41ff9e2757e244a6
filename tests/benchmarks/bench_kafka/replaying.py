"""Row 7: how fast a recorded range is decided again, against how fast it was decided."""

from collections.abc import Callable
from statistics import median

from infra.kafka.cluster import Cluster
from tests.benchmarks.bench_kafka.races import race
from tests.benchmarks.bench_kafka.report import Row
from tests.benchmarks.bench_kafka.sizes import Sizes
from tests.benchmarks.bench_kafka.throughput import filled

GOAL = 1.0


async def rows(on: Cluster, sizes: Sizes, say: Callable[[str], None]) -> list[Row]:
    """Decide, then decide again, each time in a world of its own."""
    rates: list[float] = []
    ratios: list[float] = []
    megabytes: list[float] = []
    for number in range(sizes.repeats):
        made, ends = await filled(on, sizes.replayed)
        decided = race("matcher", made, ends)
        again = race("replay", made, ends)
        assert again.events == sum(ends), (again.events, ends)
        rates.append(again.rate)
        ratios.append(again.rate / decided.rate)
        megabytes.append(again.members[0]["megabytes"])
        say(f"  round {number + 1}: {again.rate:,.0f}/s, {ratios[-1]:.2f} × the matcher")
    more = {"most memory MB": round(median(megabytes))}
    what = "replay of what the matcher decided, byte by byte"
    met = median(ratios) >= GOAL
    return [Row(7, what, "events/s", rates, ratios, f"≥ {GOAL:g} × the matcher", met, more)]

"""Row 5: how long after its change set a new version answers on every replica, under load.

Half of the utterances are of one family, which gets a new version again and again; the time runs
from before the append of the change set to when an answer by the new version was seen downstream,
committed, from each of two replicas.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator

import orjson

from infra.kafka.cluster import Cluster
from streams.codec import encode
from streams.events import Change, VersionChanged
from streams.transports.kafka import KafkaLog
from tests.agents.worlds import minutes
from tests.benchmarks.bench_kafka.probing import Seen, probing
from tests.benchmarks.bench_kafka.races import go, members, ready, stop
from tests.benchmarks.bench_kafka.report import Row, percentile
from tests.benchmarks.bench_kafka.sizes import Sizes
from tests.benchmarks.bench_kafka.world import in_bulk, thousand, world
from tests.benchmarks.path_stream import TENANT, texts

GOAL_MS = 50.0
REPLICAS = 2
_FAMILY, _FACTOR = "reloaded", 100
_LIMIT_S = 20.0


def _lines(seed: str) -> Iterator[str]:
    others = texts(random.Random(seed), thousand())
    for number, text in enumerate(others):
        yield f"{number} minutes to seconds"
        yield text


def _versions(version: int, ordinal: int) -> list[VersionChanged]:
    """Return the two change sets of a version: it enters shadow; it answers instead of the last."""
    artifact = minutes(_FACTOR + version)

    def change(number: int, digest: str, stage: str) -> Change:
        return Change.model_validate(
            {"family": _FAMILY, "version": number, "digest": digest, "stage": stage}
        )

    serving = [change(version, artifact.digest, "live")]
    if version > 1:
        serving.append(change(version - 1, minutes(_FACTOR + version - 1).digest, "retired"))
    common = {"scope": TENANT, "actor": "bench", "reason": "bench"}
    entering = (change(version, artifact.digest, "shadow"),)
    return [
        VersionChanged(
            **common, ordinal=ordinal + 1, previous=ordinal, changes=entering,
            artifacts=(dict(artifact.document),),
        ),
        VersionChanged(
            **common, ordinal=ordinal + 2, previous=ordinal + 1, changes=tuple(serving)
        ),
    ]  # fmt: skip


async def rows(on: Cluster, sizes: Sizes, say: Callable[[str], None]) -> list[Row]:
    """Append versions while two replicas answer."""
    made = await world(on, thousand())
    log = KafkaLog(made.connection)
    ordinal = len(in_bulk(thousand()))
    first: dict[tuple[int, int], float] = {}  # by version and replica
    spent: list[float] = []
    with members("matcher", made, REPLICAS) as started:
        shares = [ready(process) for process in started]
        replica_of = {number: r for r, share in enumerate(shares) for number in share}
        news = asyncio.Event()

        def told(seen: Seen) -> None:
            if b'"family":"reloaded"' in seen.value:
                version = orjson.loads(seen.value)["version"]
                if first.setdefault((version, replica_of[seen.partition]), seen.at) == seen.at:
                    news.set()

        for process in started:
            go(process)
        topics = ("matches", "fallbacks")
        async with probing(made, _lines("reload"), sizes.rate, topics) as probe:
            probe.told = told
            await probe.flowing(20)
            await asyncio.sleep(min(5.0, sizes.probe_seconds))  # what happens often is compiled
            rng = random.Random("reload")
            for version in range(1, sizes.reloads + 1):
                entering, serving = _versions(version, ordinal)
                ordinal += 2
                await log.publish([encode(entering, timestamp=0)])
                await asyncio.sleep(rng.uniform(0.05, 0.15))
                appended = time.monotonic()
                await log.publish([encode(serving, timestamp=0)])
                async with asyncio.timeout(_LIMIT_S):
                    while any((version, replica) not in first for replica in range(REPLICAS)):
                        news.clear()
                        await news.wait()
                last = max(first[version, replica] for replica in range(REPLICAS))
                spent.append(1000 * (last - appended))
            probe.stopping.set()
            await probe.answered(30)
        said = [stop(process) for process in started]
    await log.close()
    held = [each for one in said for each in one["held_ms"]]
    batch, p99 = percentile(held, 0.5), percentile(spent, 0.99)
    say(f"  p50 {percentile(spent, 0.5):.1f} ms, p99 {p99:.1f} ms, a batch {batch:.1f} ms")
    more = {
        "p50": round(percentile(spent, 0.5), 1),
        "worst": round(max(spent), 1),
        "a batch, polled to committed, p50": round(batch, 1),
        "p99 of it": round(percentile(held, 0.99), 1),
        "utterance to answer p50": round(percentile(probe.latencies_ms(), 0.5), 1),
        "reloads": len(spent),
    }
    what = f"change set to first answer by it on {REPLICAS} replicas, {sizes.rate:,}/s, p99"
    goal = f"≤ {GOAL_MS:g} ms + a batch"
    return [Row(5, what, "ms", [p99], goal=goal, met=p99 <= GOAL_MS + batch, more=more)]

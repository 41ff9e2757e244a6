"""Rows 1 and 2: how fast lies what lies there handled, by us, by raw aiokafka, by frameworks."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from infra.kafka.cluster import Cluster
from streams.transports.kafka import KafkaLog
from tests.benchmarks.bench_kafka.races import Ran, race
from tests.benchmarks.bench_kafka.report import Row
from tests.benchmarks.bench_kafka.sizes import Sizes
from tests.benchmarks.bench_kafka.world import World, append, thousand, utterances, world


@dataclass(frozen=True)
class Contender:
    """One line of the races: a member, how many of it, what it is given.

    `yard_stick` is the contender of the same round that its speed is divided by, or that is
    divided by its speed where `is_slower`.
    """

    name: str
    member: str
    count: int = 1
    cap: int = 2000
    audit_rate: float = 0.0
    confirmed: bool = False
    is_framework: bool = False
    row: int = 1
    yard_stick: str = ""
    goal: float | None = None


MATCHER = "matcher, 1 process"
CONTENDERS = (
    Contender("raw aiokafka", "raw"),
    Contender(MATCHER, "matcher", yard_stick="raw aiokafka", goal=0.5),
    Contender("matcher, 2 processes", "matcher", 2, yard_stick="raw aiokafka", goal=0.7),
    Contender(
        "matcher, 1 process, with audits", "matcher", audit_rate=0.03, yard_stick="raw aiokafka"
    ),
    Contender("raw aiokafka, ≤ 1,000", "raw", cap=1000),
    Contender(
        "matcher, 1 process, ≤ 1,000", "matcher", cap=1000, yard_stick="raw aiokafka, ≤ 1,000",
        goal=0.5,
    ),
    Contender(
        "matcher, 2 processes, ≤ 1,000", "matcher", 2, 1000, yard_stick="raw aiokafka, ≤ 1,000",
        goal=0.7,
    ),
    Contender("Faust agent", "faust", is_framework=True, row=2, yard_stick=MATCHER, goal=10),
    Contender(
        "FastStream subscriber, each send confirmed", "faststream", confirmed=True,
        is_framework=True, row=2, yard_stick=MATCHER,
    ),
    Contender(
        "FastStream subscriber, sends not waited for", "faststream", is_framework=True, row=2,
        yard_stick=MATCHER,
    ),
)  # fmt: skip


async def filled(on: Cluster, count: int) -> tuple[World, Sequence[int]]:
    """Return a world with so many utterances, and how many lie in each partition."""
    made = await world(on, thousand())
    await append(made.connection, utterances(count))
    log = KafkaLog(made.connection)
    ends = await log.ends(["utterances"])
    return made, [end for _, end in sorted(ends.items())]


async def rows(on: Cluster, sizes: Sizes, say: Callable[[str], None]) -> list[Row]:
    """Let all contenders run, in another order in each round."""
    made, ends = await filled(on, sizes.events)
    running = [each for each in CONTENDERS if sizes.frameworks or not each.is_framework]
    ran: dict[str, list[Ran]] = {contender.name: [] for contender in running}
    rng = random.Random("rounds")
    race("raw", made, ends)  # the broker's code is compiled, the files are in memory
    for number in range(sizes.repeats):
        for contender in rng.sample(running, len(running)):
            given = ends
            if contender.is_framework:
                given = [min(end, sizes.framework_events // len(ends)) for end in ends]
            found = race(
                contender.member, made, given, contender.count, cap=contender.cap,
                audit_rate=contender.audit_rate, confirmed=contender.confirmed,
            )  # fmt: skip
            ran[contender.name].append(found)
            say(f"  round {number + 1}: {contender.name}: {found.rate:,.0f}/s, "
                f"{found.cpu_us:.1f} µs, idle {found.idle:.0%}")  # fmt: skip
    return [_row(contender, ran) for contender in running]


def _row(contender: Contender, ran: dict[str, list[Ran]]) -> Row:
    own = ran[contender.name]
    ratios: list[float] = []
    if contender.yard_stick:
        pairs = zip(own, ran[contender.yard_stick], strict=True)
        ratios = [
            other.rate / one.rate if contender.is_framework else one.rate / other.rate
            for one, other in pairs
        ]
    met = None
    goal = ""
    if contender.goal is not None:
        met = sorted(ratios)[len(ratios) // 2] >= contender.goal
        goal = f"≥ {contender.goal:g} × " + ("of it by us" if contender.is_framework else "raw")
    more = {
        "client CPU µs/event": _middle([one.cpu_us for one in own]),
        "beside deciding": _middle([one.beside_us for one in own]),
        "idle": f"{100 * _middle([one.idle for one in own]):.0f} %",
        "events/batch": round(_middle([one.events / one.batches for one in own])),
    }
    if contender.member != "matcher":
        del more["beside deciding"]
    if contender.is_framework:
        del more["events/batch"]
    figures = [one.rate for one in own]
    return Row(contender.row, contender.name, "events/s", figures, ratios, goal, met, more)


def _middle(figures: Sequence[float]) -> float:
    return round(sorted(figures)[len(figures) // 2], 2)

"""How long a decision takes: `python -m tests.benchmarks.bench_matcher`.

Learns the families of the bundled log by simulation, then decides its utterances again, warm, and
prints the quantiles of the matcher's decide function in µs, hits and abstentions apart.
"""

import asyncio
import time
from pathlib import Path

from agents.judge import FileJudge
from agents.logs import Row, read_rows
from agents.matcher import decide, state_of
from agents.simulate import simulate
from artifacts.policy import policies_with
from artifacts.registry import Registry
from streams.events import AnswerGiven, UtteranceAsked
from streams.transports.embedded import EmbeddedLog

LOG = Path(__file__).resolve().parents[2] / "infra" / "demo" / "helpdesk.jsonl"


async def learned(rows: list[Row]) -> Registry:
    """Return the registry that a simulation of the rows ends with."""

    async def asked():  # type: ignore[no-untyped-def]  # an async generator of rows
        for row in rows:
            yield row

    judge = FileJudge(rows, "0", 0.1)
    registry = Registry()
    log = EmbeddedLog.open(":memory:")
    async for _, _, simulation in simulate(asked(), log, judge, policies_with()):
        registry = simulation.registry
    return registry


def shown(name: str, seconds: list[float]) -> str:
    """Return a line with count, median and 99th percentile."""
    ordered = sorted(seconds)
    p50, p99 = (1e6 * ordered[int(share * len(ordered))] for share in (0.5, 0.99))
    return f"{name:12} {len(ordered):6} decisions   p50 {p50:6.1f} µs   p99 {p99:6.1f} µs"


def main() -> None:
    """Print the table."""
    rows = [row for row in read_rows(LOG) if isinstance(row, Row)]
    state = state_of(asyncio.run(learned(rows)), policies_with(audit_rate=0.03))
    hits: list[float] = []
    misses: list[float] = []
    for index, row in enumerate([*rows, *rows]):
        asked = UtteranceAsked(utterance_id=str(index), text=row.text)
        started = time.perf_counter()
        events = decide(state, asked)[1]
        spent = time.perf_counter() - started
        if index >= len(rows):
            (hits if isinstance(events[0], AnswerGiven) else misses).append(spent)
    print(f"{state.registry.serving} serving versions, {len(rows)} utterances, second pass")
    print(shown("answered", hits))
    print(shown("abstained", misses))
    print(shown("all", hits + misses))


if __name__ == "__main__":
    main()

"""`python -m tests.benchmarks.bench_kafka [--quick] [--rows 1,3]`: the table and its JSON."""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.bench_kafka import (
    latency,
    loss,
    reload,
    replaying,
    restart,
    throughput,
)
from tests.benchmarks.bench_kafka.report import HEAD, Row, document, line
from tests.benchmarks.bench_kafka.sizes import FULL, QUICK, Sizes
from tests.benchmarks.bench_kafka.world import cluster


def say(text: str) -> None:
    """Tell of progress."""
    print(text, file=sys.stderr, flush=True)


ON_ONE = (
    ((1, 2), throughput.rows),
    ((3,), latency.rows),
    ((5,), reload.rows),
    ((6,), restart.rows),
    ((7,), replaying.rows),
)
"""Rows by number that share a cluster of one node."""


async def measured(wanted: Sequence[int], sizes: Sizes) -> list[Row]:
    """Measure the wanted rows."""
    found: list[Row] = []
    if {number for numbers, _ in ON_ONE for number in numbers} & set(wanted):
        with cluster() as on:
            for numbers, measure in ON_ONE:
                if set(numbers) & set(wanted):
                    say(f"row {', '.join(map(str, numbers))} …")
                    found += await measure(on, sizes, say)
    if 4 in wanted:
        say("row 4 …")
        found += await loss.rows(sizes, say)
    return sorted(found, key=lambda row: row.number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one repeat")
    parser.add_argument("--rows", default="1,2,3,4,5,6,7", help="which of them, as 1,3")
    parser.add_argument("--ours", action="store_true", help="no frameworks beside us")
    parser.add_argument("--json", type=Path, default=Path("bench-kafka.json"), metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER",
                        help="another size, as repeats=7")  # fmt: skip
    given = parser.parse_args(arguments)
    sizes = QUICK if given.quick else FULL
    for name, _, number in (each.partition("=") for each in given.set):
        sizes = replace(sizes, **{name: type(getattr(sizes, name))(number)})
    sizes = replace(sizes, frameworks=not given.ours)
    started = time.monotonic()
    rows = asyncio.run(measured([int(number) for number in given.rows.split(",")], sizes))
    print("\n".join([HEAD, *map(line, rows)]))
    about = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "seconds": round(time.monotonic() - started),
        "sizes": vars(sizes),
    }
    given.json.write_text(json.dumps(document(rows, about), indent=1, ensure_ascii=False))
    say(f"{about['seconds']} s; written to {given.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

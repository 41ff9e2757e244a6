"""The benchmark on Kafka still runs; what it measures is not looked at."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.bench_kafka.report import Row, line, percentile, shown

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ROWS = {1, 3, 5, 6, 7}
"""Row 2 wants a framework that is installed for the benchmark alone, row 4 three brokers."""


def test_it_runs_and_writes_every_row(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "tests.benchmarks.bench_kafka", "--quick", "--ours"]
    ran = subprocess.run(
        [*command, "--rows", ",".join(map(str, sorted(ROWS))), "--json", str(report)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert {row["number"] for row in json.loads(report.read_text())["rows"]} == ROWS
    assert ran.stdout.count("\n| ") > len(ROWS)


def test_a_row_shows_median_range_ratio_and_verdict() -> None:
    row = Row(1, "ours", "events/s", [3000, 1000, 2000], [0.5, 0.25, 0.75], "≥ 0.5", True)
    assert line(row) == (
        "| 1 | ours | 2,000 [1,000–3,000] | events/s | 0.50 [0.25–0.75] | ≥ 0.5 | met |  |"
    )
    assert shown([12.34]) == "12.3"
    assert (percentile(range(100), 0.99), percentile([7], 0.99)) == (99, 7)

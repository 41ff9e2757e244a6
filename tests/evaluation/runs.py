"""Simulated runs over the development streams: settings in, report out, kept until code changes.

A run is a stream with settings and a seed. Its result is a JSON file named by the digest of both
and of the project's sources, so that an evaluation that was stopped goes on where it stopped, and
one after a change begins anew. Runs are processes of their own, as many at a time as wished.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STREAMS = ROOT.parent / "shared" / "data" / "streams"
RESULTS = ROOT / ".eval"
ABSENT = "the development streams are not beside this repository; nothing to evaluate"
_SOURCES = ("artifacts", "streams", "agents")


@dataclass(frozen=True)
class Run:
    """A stream with the settings of `kappa simulate`."""

    stream: str
    max_risk: float = 0.01
    audit_rate: float = 0.03
    feedback_rate: float = 0.1
    teacher_noise: float = 0.0
    feedback_noise: float = 0.0
    seed: str = "0"

    @property
    def file(self) -> Path:
        """Where the result lies."""
        said = json.dumps([asdict(self), _code(), _content(self.stream)]).encode()
        return RESULTS / f"{self.stream}-{sha256(said).hexdigest()[:16]}.json"

    def arguments(self) -> list[str]:
        """Return the settings as options."""
        given = {name: value for name, value in asdict(self).items() if name != "stream"}
        return [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]


@cache
def _code() -> str:
    files = sorted(file for place in _SOURCES for file in (ROOT / place).rglob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@cache
def _content(stream: str) -> str:
    return sha256((STREAMS / f"{stream}.jsonl").read_bytes()).hexdigest()


def names() -> list[str]:
    """Return the names of all streams."""
    return sorted(file.stem for file in STREAMS.glob("*.jsonl"))


def result(run: Run) -> dict[str, Any]:
    """Return settings and report of a run; simulate where there is none yet."""
    if not run.file.exists():
        with tempfile.TemporaryDirectory() as directory:
            report = Path(directory) / "report.json"
            log = STREAMS / f"{run.stream}.jsonl"
            command = [sys.executable, "-m", "agents", "simulate", str(log), *run.arguments()]
            subprocess.run(
                [*command, "--report", str(report)], check=True, stdout=subprocess.DEVNULL, cwd=ROOT
            )
            made = {"run": asdict(run), "report": json.loads(report.read_text("utf-8"))}
        RESULTS.mkdir(exist_ok=True)
        written = run.file.with_suffix(".part")
        written.write_text(json.dumps(made, indent=1), "utf-8")
        written.rename(run.file)
    found: dict[str, Any] = json.loads(run.file.read_text("utf-8"))
    return found


def results(runs: Sequence[Run], jobs: int) -> Iterator[dict[str, Any]]:
    """Yield the results in the order of the runs; so many processes at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(result, runs)

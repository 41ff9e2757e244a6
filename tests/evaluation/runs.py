"""Simulated runs over the development streams: settings in, report out, kept until code changes.

A run is a stream with settings and a seed. Its result is a JSON file named by the digest of both
and of the project's sources, so that an evaluation that was stopped goes on where it stopped, and
one after a change begins anew. Runs are processes of their own, as many at a time as wished.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parents[2]
STREAMS = ROOT.parent / "shared" / "data" / "streams"
RESULTS = ROOT / ".eval"
ABSENT = "the development streams are not beside this repository; nothing to evaluate"
_SOURCES = ("artifacts", "streams", "agents")

Result = dict[str, Any]


class Runnable(Protocol):
    """Something with a result that is worth keeping."""

    @property
    def file(self) -> Path:
        """Where the result lies."""

    def made(self) -> Result:
        """Make the result."""


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
        return kept_at(self.stream, asdict(self), code())

    def arguments(self) -> list[str]:
        """Return the settings as options."""
        given = {name: value for name, value in asdict(self).items() if name != "stream"}
        return [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]

    def made(self) -> Result:
        """Simulate; return settings and report."""
        with tempfile.TemporaryDirectory() as directory:
            report = Path(directory) / "report.json"
            log = STREAMS / f"{self.stream}.jsonl"
            command = [sys.executable, "-m", "agents", "simulate", str(log), *self.arguments()]
            subprocess.run(
                [*command, "--report", str(report)], check=True, stdout=subprocess.DEVNULL, cwd=ROOT
            )
            return {"run": asdict(self), "report": json.loads(report.read_text("utf-8"))}


def kept_at(stream: str, settings: object, sources: str) -> Path:
    """Return where a result lies that depends on these alone, and on the stream's content."""
    said = json.dumps([settings, sources, content(stream)]).encode()
    return RESULTS / f"{stream}-{sha256(said).hexdigest()[:16]}.json"


@cache
def code() -> str:
    """Return the digest of the project's sources."""
    files = sorted(file for place in _SOURCES for file in (ROOT / place).rglob("*.py"))
    return digest_of(files)


def digest_of(files: Sequence[Path]) -> str:
    """Return the digest of files one after the other."""
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@cache
def content(stream: str) -> str:
    """Return the digest of a stream."""
    return digest_of([STREAMS / f"{stream}.jsonl"])


def names() -> list[str]:
    """Return the names of all streams."""
    return sorted(file.stem for file in STREAMS.glob("*.jsonl"))


def result(run: Runnable) -> Result:
    """Return the result of a run; make it where there is none yet."""
    if not run.file.exists():
        made = run.made()
        RESULTS.mkdir(exist_ok=True)
        written = run.file.with_suffix(".part")
        written.write_text(json.dumps(made, indent=1), "utf-8")
        written.rename(run.file)
    found: Result = json.loads(run.file.read_text("utf-8"))
    return found


def results(
    runs: Sequence[Runnable], jobs: int, make: Callable[[Runnable], Result] = result
) -> Iterator[Result]:
    """Yield the results in the order of the runs; so many processes at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(make, runs)

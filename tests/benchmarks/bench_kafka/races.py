"""Members as processes: started, told to go together, heard when they are done."""

import json
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_kafka.world import PARTITIONS, World

ROOT = Path(__file__).resolve().parents[3]
HEARD_LIMIT_S = 120.0
_PACKAGE = "tests.benchmarks.bench_kafka"


@dataclass(frozen=True)
class Ran:
    """What the members of one contender did together."""

    events: int
    seconds: float
    cpu: float
    batches: int
    members: Sequence[dict[str, Any]]

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """µs of CPU of the clients per event."""
        return 1e6 * self.cpu / self.events

    @property
    def beside_us(self) -> float:
        """µs of CPU of the clients per event, but for decoding, deciding and encoding."""
        return self.cpu_us - 1e6 * sum(each["deciding"] for each in self.members) / self.events

    @property
    def idle(self) -> float:
        """The share of the time in which the members waited."""
        return 1 - self.cpu / (self.seconds * len(self.members))


def python(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a Python of ours."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def members(
    name: str, on: World, count: int, **given: Any
) -> Iterator[list["subprocess.Popen[str]"]]:
    """Start members of a new group and wait until all are ready; kill what is left afterwards."""
    group = f"{name}-{uuid.uuid4().hex[:8]}"
    given = {
        "bootstrap": on.connection.bootstrap,
        "prefix": on.connection.prefix,
        "group": group,
        "cap": 2000,
        "share": PARTITIONS // count,
        **given,
    }
    started: list[subprocess.Popen[str]] = []
    try:
        for slot in range(count):
            arguments = json.dumps({**given, "slot": slot})
            started.append(python("-m", f"{_PACKAGE}.members", name, arguments))
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def ready(process: "subprocess.Popen[str]") -> list[int]:
    """Wait until the member is ready; return its partitions."""
    partitions: list[int] = heard(process)["ready"]
    return partitions


def go(process: "subprocess.Popen[str]", total: int = 0) -> None:
    """Tell a member to handle so many records, or all that come until `stop`."""
    assert process.stdin is not None
    process.stdin.write(f"{total}\n")
    process.stdin.flush()


def stop(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Tell a member without a total to stop; return what it did."""
    go(process)
    return heard(process)


def heard(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return what a member says next."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], HEARD_LIMIT_S)[0]:
        process.send_signal(signal.SIGUSR1)  # says on stderr where it waits
        time.sleep(1)
        raise TimeoutError(f"nothing heard from {process.args} for {HEARD_LIMIT_S:.0f} s")
    line = process.stdout.readline()
    assert line, f"{process.args} ended with status {process.wait()}"
    said: dict[str, Any] = json.loads(line)
    return said


def race(name: str, on: World, ends: Sequence[int], count: int = 1, **given: Any) -> Ran:
    """Let members of one kind handle the utterances that lie in the world, together.

    `ends` says how many lie in each partition.
    """
    with members(name, on, count, **given) as started:
        shares = [ready(process) for process in started]
        for process, share in zip(started, shares, strict=True):
            go(process, sum(ends[partition] for partition in share))
        said = [heard(process) for process in started]
    return Ran(
        sum(each["events"] for each in said),
        max(each["last"] for each in said) - min(each["first"] for each in said),
        sum(each["cpu"] for each in said),
        sum(each["batches"] for each in said),
        said,
    )


@contextmanager
def agent(name: str, on: World, slot: str = "0") -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start `kappa run NAME`; give the process and the address of its endpoints."""
    process = python(
        "-m", "agents", "run", name, "--slot", slot, "--host", "127.0.0.1", "--port", "0",
        **on.environment,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"`kappa run {name}` ended with status {process.wait()}"
        yield process, line.split()[-1].removesuffix("/ready")
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

"""A stream whose meaning changes half way: `python -m tests.evaluation.changing [NAME …]`.

Every answer of the second half is another one: numbers are one more, other texts have a suffix, and
in a list or an object that happens to the first of them. In the variant `all` this befalls every
row, in `third` the rows whose text begins with a word of a third of all words, so that two thirds
of the families stay right and are to come back. `undisturbed` is the stream itself, and says how
many alarms there are where nothing has changed.

Each variant is simulated with the detector and without it (`drift_alpha` 0). *Right* is the
share of rows that are answered rightly; *back* counts the rows from the change until the last
200 rows hold 80 % of the right answers that the undisturbed stream has there: its families come and
go, and what it answered before the change is no measure of what it could answer after it.
*Broken* counts the points of the curve, of 50, at which the certified risk was below the true one.

What is stated of recovery, at the defaults: on `logs`, where all changes, the alarm comes 31 rows
after the change, on three audits in a row, with 24 wrong answers served (315 without the detector);
80 % of the right answers are back after 695 rows (1,278). Where a third changes, three audits
found it in half a stream, too few for an alarm: each family is found by its own audits and rejects
(134 wrong, back after 975 rows). On `math`, with few answers, no audits suffice for an alarm.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from agents.commands.shared import LOG_NAME
from agents.history import records
from artifacts.comparators import same
from artifacts.values import Json, read_number, show_number
from streams.events import DriftFound
from streams.transports.embedded import EmbeddedLog
from tests.evaluation.runs import ABSENT, ROOT, STREAMS

DEFAULT = ("logs", "math")
VARIANTS = ("undisturbed", "third", "all")
SUFFIX = " (2)"
WINDOW = 200
BACK = 0.8
OFF = "drift_alpha=0.0"
HEAD = """\
| stream | variant | detector | right before | right after | wrong before | wrong after \
| alarms after | back after | broken |
|---|---|---|--:|--:|--:|--:|---|--:|--:|"""


def changed(answer: Json) -> Json:
    """Return what an answer means after the change.

    >>> changed("41"), changed({"event": "logout", "args": ["7"]}), changed(["a", "b"])
    ('42', {'event': 'logout (2)', 'args': ['7']}, ['a (2)', 'b'])
    """
    if isinstance(answer, Mapping):
        first = next(iter(answer), None)
        return {key: changed(value) if key == first else value for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [changed(value) if not place else value for place, value in enumerate(answer)]
    if isinstance(answer, bool):
        return not answer
    if isinstance(answer, int | float):
        return answer + 1
    if not isinstance(answer, str):
        return answer
    number = read_number(answer.strip())
    return answer + SUFFIX if number is None else show_number(number + 1)


def befalls(variant: str, text: str) -> bool:
    """Return whether the change of a variant befalls a text, by its first word."""
    if variant != "third":
        return variant == "all"
    first = next(iter(text.split()), "")
    return int.from_bytes(sha256(first.encode()).digest(), "big") % 3 == 0


def changing(rows: Sequence[Mapping[str, Any]], variant: str) -> list[dict[str, Any]]:
    """Return the rows of a stream whose meaning changes half way."""
    half = len(rows) // 2
    return [
        {"text": row["text"], "answer": changed(row["answer"])}
        if place >= half and befalls(variant, row["text"])
        else {"text": row["text"], "answer": row["answer"]}
        for place, row in enumerate(rows)
    ]


@dataclass(frozen=True)
class Ran:
    """What a simulation left: its rows, decisions, report, and the rows at which it alarmed."""

    rows: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    report: dict[str, Any]
    alarms: list[int]

    @property
    def half(self) -> int:
        """The first row after the change."""
        return len(self.rows) // 2

    def verdicts(self) -> list[bool | None]:
        """Return for each row whether its answer was right; None where there was none."""
        return [
            same(line["answer"], row["answer"]) if line["outcome"] == "answered" else None
            for row, line in zip(self.rows, self.decisions, strict=True)
        ]


def simulate(stream: str, variant: str, options: Sequence[str]) -> Ran:
    """Simulate a variant of a stream in a directory of its own."""
    lines = (STREAMS / f"{stream}.jsonl").read_text("utf-8").splitlines()
    rows = changing([json.loads(line) for line in lines], variant)
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        log, decisions, report, data = (place / n for n in ("log", "decisions", "report", "data"))
        log.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        files = ("--decisions", decisions, "--report", report, "--data", data)
        command = [sys.executable, "-m", "agents", "simulate", log, *files, *options]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        return Ran(
            rows,
            [json.loads(line) for line in decisions.read_text("utf-8").splitlines()],
            json.loads(report.read_text("utf-8")),
            _alarms(data),
        )


def _alarms(data: Path) -> list[int]:
    """Return the rows at which drift was found: the virtual clock counts a second for each."""

    async def found() -> list[int]:
        log = EmbeddedLog.open(data / LOG_NAME, read_only=True)
        learned = [pair async for pair in records(log, ("learning",))]
        await log.close()
        return [r.timestamp // 1_000_000 for r, event in learned if isinstance(event, DriftFound)]

    return asyncio.run(found())


def broken(ran: Ran) -> int:
    """Return at how many points of the curve the certified risk was below the true one."""
    return sum(
        point["certified_risk"] is not None and point["certified_risk"] < point["risk"]
        for point in ran.report["curve"]
    )


def back_after(ran: Ran, undisturbed: Ran) -> int | None:
    """Return the rows from the change until enough answers are right again; None for never."""
    right = [verdict is True for verdict in ran.verdicts()]
    wanted = [verdict is True for verdict in undisturbed.verdicts()]
    for end in range(ran.half + WINDOW, len(right) + 1):
        window = slice(end - WINDOW, end)
        if sum(right[window]) >= BACK * sum(wanted[window]):
            return end - ran.half
    return None


def row(stream: str, variant: str, detector: str, ran: Ran, undisturbed: Ran) -> str:
    """Return one row of the table."""
    verdicts, half = ran.verdicts(), ran.half
    before, after = verdicts[:half], verdicts[half:]
    late = [place - half for place in ran.alarms if place >= half]
    early = len(ran.alarms) - len(late)
    alarms = ", ".join(map(str, late)) or "–"
    back = back_after(ran, undisturbed)
    return (
        f"| {stream} | {variant} | {detector} | {_right(before)} | {_right(after)} "
        f"| {before.count(False)} | {after.count(False)} "
        f"| {alarms}{f' ({early} before)' if early else ''} "
        f"| {'never' if back is None else back} | {broken(ran)} |"
    )


def _right(verdicts: Sequence[bool | None]) -> str:
    return f"{100 * verdicts.count(True) / len(verdicts):.2f} %"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("streams", nargs="*", default=DEFAULT)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--teacher-noise", type=float, default=0.0)
    parser.add_argument("--feedback-rate", type=float, default=0.1)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--threshold", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args(arguments)
    if not STREAMS.is_dir():
        print(ABSENT)
        return
    options = [f"--teacher-noise={given.teacher_noise}", f"--seed={given.seed}"]
    options += [f"--feedback-rate={given.feedback_rate}"]
    options += [f"--threshold={each}" for each in given.threshold]
    print(HEAD)
    with ThreadPoolExecutor(min(given.jobs, os.cpu_count() or 1)) as pool:
        for stream in given.streams:
            keys = [(variant, on) for variant in VARIANTS for on in (True, False)]
            futures = {
                key: pool.submit(
                    simulate, stream, key[0], options + [f"--threshold={OFF}"] * (not key[1])
                )
                for key in keys
            }
            undisturbed = futures["undisturbed", False].result()
            for (variant, on), future in futures.items():
                found = row(stream, variant, "on" if on else "off", future.result(), undisturbed)
                print(found, flush=True)


if __name__ == "__main__":
    main()

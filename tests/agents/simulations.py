"""Simulations for tests: logs to run, and what `kappa simulate` leaves of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from agents.cli import main

HELPDESK = Path(__file__).parents[2] / "infra" / "demo" / "helpdesk.jsonl"


def helpdesk(count: int) -> list[dict[str, Any]]:
    """Return the first rows of the help desk's log."""
    with HELPDESK.open(encoding="utf-8") as lines:
        return [json.loads(line) for line, _ in zip(lines, range(count), strict=False)]


def write_log(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows as JSON Lines; return the path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Ran:
    """What one run of the command left."""

    status: int
    out: str
    err: str
    lines: list[str]
    report: dict[str, Any]

    @property
    def decisions(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


def kappa(*arguments: object) -> tuple[int, str, str]:
    """Run a command in this process; an exception that escapes it is the test's failure."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def simulated(directory: Path, rows: Sequence[dict[str, Any]] | bytes, *options: object) -> Ran:
    """Simulate a log of rows, or of bytes as they are, inside an empty directory."""
    directory.mkdir(exist_ok=True)
    log, decisions, report = (directory / name for name in ("log.jsonl", "D.jsonl", "R.json"))
    if isinstance(rows, bytes):
        log.write_bytes(rows)
    else:
        write_log(log, rows)
    files = ("--decisions", decisions, "--report", report)
    status, out, err = kappa("simulate", log, *files, *options)
    lines = decisions.read_text(encoding="utf-8").splitlines() if decisions.exists() else []
    figures = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    return Ran(status, out, err, lines, figures)


def answered(ran: Ran) -> Iterator[dict[str, Any]]:
    """Yield the decisions that a family answered."""
    return (line for line in ran.decisions if line["outcome"] == "answered")

"""`kappa simulate`: the whole pipeline over a log of past answers, from a file or in lockstep."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click
from pydantic import JsonValue
from rich.console import Console
from rich.progress import Progress

from agents.commands.shared import BAD_INPUT, LOG_NAME, fail, open_writer
from agents.demo import show_insides, show_simulation
from agents.judge import FileJudge, LockstepJudge, ProtocolError, with_teacher_noise
from agents.ledger import ledger
from agents.ledger_document import DecideTime, ledger_document
from agents.logs import BadRow, Row, asked_at_of, read_object, read_rows, text_of
from agents.report import Tally, decision_line
from agents.simulate import TENANT, Simulation, simulate
from artifacts.policy import DEFAULT, Policies, policies_with
from artifacts.registry import Registry
from streams.codec import sanitize_json
from streams.signing import ANYONE
from streams.transports import TransportError
from streams.transports.embedded import EmbeddedLog

_ROWS_PER_TRANSACTION = 200


@dataclass(frozen=True, slots=True)
class Options:
    """The command's options that are not about files."""

    seed: str
    feedback_rate: float
    feedback_noise: float
    policies: Policies


@dataclass(frozen=True, slots=True)
class Shown:
    """Where the figures go: a console, with the insides of the log in a demo, and a file."""

    console: Console
    insides: bool
    report: Path | None


_share = click.FloatRange(0, 1)


@click.command("simulate", epilog="Example: kappa simulate past.jsonl --data run --report R.json")
@click.argument("log", required=False, type=click.Path(path_type=Path))
@click.option("--decisions", type=click.Path(path_type=Path), help="Write a line for each row.")
@click.option("--report", type=click.Path(path_type=Path), help="Write the figures as JSON.")
@click.option("--data", type=click.Path(path_type=Path), help="Keep the log in this directory.")
@click.option("--max-risk", type=float, default=DEFAULT.max_risk, show_default=True)
@click.option("--audit-rate", type=_share, default=DEFAULT.audit_rate, show_default=True)
@click.option(
    "--threshold",
    "thresholds",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set a threshold of the policy; `kappa audit --policy` lists them.",
)
@click.option("--feedback-rate", type=_share, default=0.1, show_default=True)
@click.option("--seed", default="0", show_default=True, help="Text, used verbatim in all draws.")
@click.option("--limit", type=click.IntRange(0), help="Only the first N rows.")
@click.option("--skip-bad", is_flag=True, help="Count and list bad rows instead of stopping.")
@click.option("--teacher", type=click.Choice(["recorded"]), default="recorded", show_default=True)
@click.option("--teacher-noise", type=_share, default=0.0, help="Share of wrong teacher answers.")
@click.option("--feedback-noise", type=_share, default=0.0, help="Share of right answers rejected.")
@click.option("--lockstep", is_flag=True, help="A judge on stdin and stdout holds the answers.")
@click.option("--demo", is_flag=True, help="Show families, an explanation and a refinement, too.")
def simulate_command(
    log: Path | None,
    decisions: Path | None,
    report: Path | None,
    data: Path | None,
    max_risk: float,
    audit_rate: float,
    thresholds: tuple[str, ...],
    feedback_rate: float,
    seed: str,
    limit: int | None,
    skip_bad: bool,
    teacher: str,
    teacher_noise: float,
    feedback_noise: float,
    lockstep: bool,
    demo: bool,
) -> None:
    """Run the pipeline over LOG, a JSON Lines file of past {"text", "answer"} rows.

    Every row is decided with what earlier rows taught; then what the protocol reveals is learned.
    """
    try:
        given = {"max_risk": max_risk, "audit_rate": audit_rate} | thresholds_of(thresholds)
        policies = policies_with(**given)
    except ValueError as error:
        fail(str(error), BAD_INPUT)
    if lockstep == (log is not None):
        fail("give either LOG or --lockstep", BAD_INPUT)
    if lockstep:
        if decisions or report or limit is not None or skip_bad or demo:
            fail("--lockstep takes --audit-rate, --max-risk, --threshold, --data alone", BAD_INPUT)
        _lockstep(policies, data)
        return
    assert log is not None
    options = Options(seed, feedback_rate, feedback_noise, policies)
    rows, bad = _read(log, limit, skip_bad)
    noisy = with_teacher_noise(rows, seed, teacher_noise) if teacher_noise else rows
    console = Console()
    shown = Shown(console, demo, report)
    asyncio.run(_run(noisy, options, data, decisions, shown))
    for row in bad:
        click.echo(f"skipped {row}", err=True)
    if bad:
        click.echo(f"{len(bad)} bad rows were skipped", err=True)


def thresholds_of(given: Sequence[str]) -> dict[str, Any]:
    """Return what `NAME=VALUE` says, values as JSON; raise ValueError for another form.

    >>> thresholds_of(["min_pairs=6", "certified_only=true"])
    {'min_pairs': 6, 'certified_only': True}
    """
    found: dict[str, Any] = {}
    for each in given:
        name, _, value = each.partition("=")
        try:
            found[name] = json.loads(value)
        except ValueError:
            raise ValueError(f"threshold {each!r} is not NAME=VALUE") from None
    return found


def _read(log: Path, limit: int | None, skip_bad: bool) -> tuple[list[Row], list[BadRow]]:
    """Return the log's rows and the bad ones; stop at a bad one unless it may be skipped."""
    rows: list[Row] = []
    bad: list[BadRow] = []
    try:
        for row in read_rows(log):
            if limit is not None and len(rows) >= limit:
                break
            if isinstance(row, Row):
                rows.append(row)
            elif skip_bad:
                bad.append(row)
            else:
                fail(f"{log}, {row}; --skip-bad leaves such rows out", BAD_INPUT)
    except OSError as error:
        fail(f"{log}: {error.strerror}", BAD_INPUT)
    return rows, bad


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{path}: {error.strerror}", BAD_INPUT)


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        fail(f"{path}: {error.strerror}", BAD_INPUT)


def _transport(data: Path | None) -> EmbeddedLog:
    if data is None:
        return EmbeddedLog.open(":memory:")
    if (data / LOG_NAME).exists():
        fail(f"{data}: holds a log already; a simulation needs a new directory", BAD_INPUT)
    return open_writer(data)


async def _rows(rows: Sequence[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row


async def _run(
    rows: Sequence[Row],
    options: Options,
    data: Path | None,
    decisions: Path | None,
    shown: Shown,
) -> None:
    """Simulate, then show and write the figures, and in a demo what lies in the log."""
    transport = _transport(data)
    judge = FileJudge(rows, options.seed, options.feedback_rate, options.feedback_noise)
    tally = Tally(options.policies.of(TENANT).audit_rate)
    simulation: Simulation | None = None
    batches = _Batches(transport)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(_opened(decisions)) if decisions else None
        progress = stack.enter_context(_progress())
        task = progress.add_task("simulating", total=len(rows))
        stack.callback(batches.end)
        batches.begin()
        try:
            async for asked, simulated, simulation in simulate(
                _rows(rows), transport, judge, options.policies
            ):
                assert isinstance(asked, Row)
                tally.add(asked, simulated, simulation.registry)
                if sink is not None:
                    sink.write(decision_line(simulated) + "\n")
                progress.advance(task)
                batches.row()
                _say_progress(tally, len(rows))
        except TransportError as error:
            fail(str(error), BAD_INPUT)
    registry = simulation.registry if simulation else Registry()
    show_simulation(shown.console, tally, registry)
    if shown.insides:
        await show_insides(shown.console, tally, transport)
    if shown.report is not None:
        figures = tally.report(registry) | {"ledger": await _ledger(tally, transport)}
        _write(shown.report, json.dumps(figures, indent=2) + "\n")
    await transport.close()


async def _ledger(tally: Tally, transport: EmbeddedLog) -> dict[str, Any]:
    """Return the ledger of the log, with the time that decisions took."""
    found = await ledger(transport, ANYONE)
    decide = DecideTime(mean_us, "measured") if (mean_us := tally.decide_mean_us) else DecideTime()
    return ledger_document(found, decide, by_family=True)


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(console=console, disable=not console.is_terminal)


def _say_progress(tally: Tally, total: int) -> None:
    """Print a plain line after each tenth where there is no terminal for a bar."""
    if not sys.stderr.isatty() and tally.events % max(1, total // 10) == 0:
        shown = f"{tally.events} of {total} rows, {100 * tally.coverage:.1f} % answered"
        click.echo(shown, err=True)


class _Batches:
    """Groups the log's transactions: a simulation that is cut off is run again from its start."""

    def __init__(self, log: EmbeddedLog) -> None:
        self.log = log
        self.rows = 0
        self.open: AbstractContextManager[None] | None = None

    def begin(self) -> None:
        self.open = self.log.batch()
        self.open.__enter__()

    def end(self) -> None:
        if self.open is not None:
            held, self.open = self.open, None
            held.__exit__(None, None, None)

    def row(self) -> None:
        self.rows += 1
        if self.rows % _ROWS_PER_TRANSACTION == 0:
            self.end()
            self.begin()


@dataclass(frozen=True, slots=True)
class _Question:
    """What a lockstep judge asks: a row without its answer."""

    text: str
    id: JsonValue
    asked_at: int | None


async def _questions(source: IO[bytes]) -> AsyncIterator[_Question]:
    for line in _lines(source):
        document = read_object(line)
        if isinstance(document, str):
            raise ProtocolError(f"a row that is {document}")
        try:
            yield _Question(
                text_of(document), sanitize_json(document.get("id")), asked_at_of(document)
            )
        except ValueError as error:
            raise ProtocolError(str(error)) from error


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    while line := source.readline():
        if line.strip():
            yield line


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _lockstep(policies: Policies, data: Path | None) -> None:
    async def run() -> None:
        source = sys.stdin.buffer
        judge = LockstepJudge(source, _say)
        transport = _transport(data)
        async for _ in simulate(_questions(source), transport, judge, policies):
            pass
        await transport.close()

    try:
        asyncio.run(run())
    except ProtocolError as error:
        fail(f"lockstep: {error}", BAD_INPUT)
    except TransportError as error:
        fail(str(error), BAD_INPUT)

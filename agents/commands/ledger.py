"""`kappa ledger`: what the families cost and what they saved."""

import json
from pathlib import Path

import click
from rich.console import Console

from agents.commands.shared import (
    BAD_INPUT,
    Source,
    fail,
    json_option,
    log_options,
    print_json,
    working,
)
from agents.ledger import ledger
from agents.ledger_document import DECIDE_US, DecideTime, ledger_document
from agents.show_ledger import show_ledger


@click.command("ledger", epilog="Example: kappa ledger --by-family --report R.json --data run")
@click.option("--by-family", is_flag=True, help="Also what each family cost and saved.")
@click.option(
    "--report", type=click.Path(path_type=Path),
    help="Take the mean time of a decision from this report of a simulation.",
)  # fmt: skip
@click.option(
    "--decide-us", type=click.FloatRange(0),
    help=f"The mean time of a decision in microseconds; else {DECIDE_US:g}.",
)  # fmt: skip
@log_options
@json_option
def ledger_command(
    by_family: bool, report: Path | None, decide_us: float | None, source: Source, as_json: bool
) -> None:
    """Show calls, tokens, money and time that the families cost and saved, and what is to be had.

    An answer of a family avoids a call of the teacher; an audit or a recall of it makes the call
    after all. A family has broken even when it has given as many answers as calls were made for it:
    one that taught it, and those for recipes, retries, probes, audits and recalls. Later calls
    may undo it.
    It all reaches back as far as the log keeps its traffic.
    """
    if report is not None and decide_us is not None:
        fail("give either --report R.json or --decide-us", BAD_INPUT)
    if report is not None:
        decide = _measured(report)
    else:
        decide = DecideTime(DECIDE_US if decide_us is None else decide_us)
    trust = source.settings.trust()
    found = working(source, lambda log: ledger(log, trust))
    document = ledger_document(found, decide, by_family=by_family)
    if as_json:
        print_json(document)
    else:
        show_ledger(Console(), document)


def _measured(report: Path) -> DecideTime:
    """Return the mean time of a decision that a simulation measured."""
    try:
        document = json.loads(report.read_text(encoding="utf-8"))
        latency = document["ledger"]["latency"]
        if latency["deterministic_source"] != "measured":
            fail(f"{report}: no time of a decision was measured", BAD_INPUT)
        return DecideTime(float(latency["deterministic_mean_us"]), "measured")
    except OSError as error:
        fail(f"{report}: {error.strerror}", BAD_INPUT)
    except (ValueError, KeyError, TypeError):
        fail(f"{report}: no report with a ledger", BAD_INPUT)

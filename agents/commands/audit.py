"""`kappa audit`: what may be said about the answers that were served, and what steers serving."""

from dataclasses import asdict
from typing import Any

import click

from agents.audits import least_probability
from agents.certificates import certificates, sentence
from agents.commands.shared import (
    BAD_INPUT,
    Source,
    fail,
    json_option,
    log_options,
    print_json,
    working,
)
from artifacts.policy import DEFAULT, THRESHOLDS


@click.command("audit", epilog="Example: kappa audit --data run --audit-rate 0.03")
@click.option("--policy", "shows_policy", is_flag=True, help="Print the thresholds instead.")
@click.option(
    "--audit-rate", type=click.FloatRange(0, 1, min_open=True),
    help="The rate at which answers were audited; the setting's, if not given.",
)  # fmt: skip
@log_options
@json_option
def audit_command(
    shows_policy: bool, audit_rate: float | None, source: Source, as_json: bool
) -> None:
    """Show bounds on the share of wrong answers, for each tenant and each family version.

    The bounds hold at all times at once with 95 %. An answer that was audited with less than
    four fifths of the rate counts as wrong: give the lowest rate that was in force.
    """
    if shows_policy:
        _show_policy(as_json)
        return
    rate = source.settings.audit_rate if audit_rate is None else audit_rate
    if not rate:
        fail("nothing is audited: --audit-rate is 0", BAD_INPUT)
    document = working(source, lambda log: certificates(log, least_probability(rate))).document()
    if as_json:
        print_json(document)
        return
    for row in document["fleets"]:
        click.echo(f"tenant {row['tenant']}: {sentence(row, document)}")
    for row in document["versions"]:
        click.echo(f"{row['family']}@{row['version']}: {sentence(row, document)}")
    if not document["fleets"]:
        click.echo("no answer was served, or none is in the log any more")


def _show_policy(as_json: bool) -> None:
    values: dict[str, Any] = asdict(DEFAULT)
    if as_json:
        print_json(
            {
                name: {"value": values[name], "unit": unit, "reason": reason}
                for name, (unit, reason) in THRESHOLDS.items()
            }
        )
        return
    for name, (unit, reason) in THRESHOLDS.items():
        click.echo(f"{name} = {values[name]:g} {unit}\n    {reason}")

"""`kappa audit`: what may be said about the answers that were served, and what steers serving."""

from pathlib import Path
from typing import Any

import click

from agents.audits import least_probability
from agents.certificates import certificates, sentence
from agents.commands.expectations import show_expectations
from agents.commands.shared import (
    BAD_INPUT,
    Source,
    fail,
    json_option,
    log_options,
    print_json,
    working,
)
from agents.teaching import NEWEST
from artifacts.policy import THRESHOLDS, Policies


@click.command("audit", epilog="Example: kappa audit --data run --audit-rate 0.03")
@click.option("--policy", "shows_policy", is_flag=True, help="Print the thresholds instead.")
@click.option(
    "--audit-rate",
    type=click.FloatRange(0, 1, min_open=True),
    help="The rate at which answers were audited; the setting's, if not given.",
)
@click.option(
    "--expectations",
    "checks",
    is_flag=True,
    help="Check what is expected of the data that teaches instead.",
)
@click.option(
    "--data-docs",
    "pages",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The same, and write a report to browse.",
)
@click.option(
    "--publish",
    "publishing",
    is_flag=True,
    help="The same, and record the results: what fails stops promotions.",
)
@click.option(
    "--newest", type=click.IntRange(1), default=NEWEST, show_default=True,
    help="Replies of each tenant, and records of each topic, that are looked at.",
)  # fmt: skip
@log_options
@json_option
def audit_command(
    shows_policy: bool,
    audit_rate: float | None,
    checks: bool,
    pages: Path | None,
    publishing: bool,
    newest: int,
    source: Source,
    as_json: bool,
) -> None:
    """Show bounds on the share of wrong answers, for each tenant and each family version.

    The bounds hold at all times at once with 95 %. An answer that was audited with less than
    four fifths of the rate counts as wrong: give the lowest rate that was in force.

    Exit status with expectations: 0 all met or undecided, 1 one failed, 2 the extra `audit` is
    missing.
    """
    if shows_policy:
        _show_policy(source.settings.policies(), as_json=as_json)
        return
    if checks or publishing or pages is not None:
        show_expectations(source, newest, pages, as_json=as_json, publishing=publishing)
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


def _show_policy(policies: Policies, *, as_json: bool) -> None:
    """Print every threshold, and what tenants have of their own."""
    rows = [_threshold_row(policies, name) for name in THRESHOLDS]
    if as_json:
        print_json(rows)
    for row in () if as_json else rows:
        click.echo(f"{row['threshold']} = {row['value']:g} {row['unit']}\n    {row['reason']}")
        for tenant, value in row["own"].items():
            click.echo(f"    {tenant}: {value:g}")


def _threshold_row(policies: Policies, name: str) -> dict[str, Any]:
    threshold, value = THRESHOLDS[name], getattr(policies.default, name)
    own = {tenant: getattr(policy, name) for tenant, policy in sorted(policies.own.items())}
    return {
        "threshold": name,
        "value": value,
        "unit": threshold.unit,
        "least": threshold.least,
        "most": threshold.most,
        "reason": threshold.reason,
        "own": {tenant: theirs for tenant, theirs in own.items() if theirs != value},
    }

"""`kappa audit`: what may be said about the answers that were served, and what steers serving."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from agents.certificates import Certificates, certificates, label, prices_of, sentence
from agents.commands.expectations import show_expectations
from agents.commands.shared import (
    Source,
    json_option,
    log_options,
    print_json,
    working,
)
from agents.history import registry_at
from agents.teaching import NEWEST
from artifacts import certificate
from artifacts.certificate import DELTA, STRATA
from artifacts.policy import THRESHOLDS, Policies, Policy
from streams.transports import Log


@click.command("audit", epilog="Example: kappa audit --data run --audit-rate 0.03")
@click.option("--policy", "shows_policy", is_flag=True, help="Print the thresholds instead.")
@click.option(
    "--audit-rate",
    type=click.FloatRange(0, 1, min_open=True),
    help="The rate at which answers were audited; that of each tenant's policy, if not given.",
)
@click.option(
    "--below",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="ERROR",
    help="List the versions whose error is below this, at most 5 % of them wrongly, instead.",
)
@click.option(
    "--stratum",
    type=click.Choice(STRATA),
    default=STRATA[0],
    show_default=True,
    help="What --below is about.",
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
    below: float | None,
    stratum: str,
    checks: bool,
    pages: Path | None,
    publishing: bool,
    newest: int,
    source: Source,
    as_json: bool,
) -> None:
    """Show bounds on the share of wrong answers, and what is certified of each family version.

    The bounds hold at all times at once with 95 %. First those on the answers so far, for each
    tenant and each version, from audits alone. An answer that was audited with less than four
    fifths of the rate counts as wrong: give the lowest rate that was in force. Then the
    certificates of each version, one for each target and stratum, which hold as long as traffic
    and teacher stay what they are.

    Exit status with expectations: 0 all met or undecided, 1 one failed, 2 the extra `audit` is
    missing.
    """
    if shows_policy:
        _show_policy(source.settings.policies(), as_json=as_json)
        return
    if checks or publishing or pages is not None:
        show_expectations(source, newest, pages, as_json=as_json, publishing=publishing)
        return
    found, prices = working(source, lambda log: _read(log, source, audit_rate))
    if below is not None:
        _show_below(found, prices, below, stratum, as_json=as_json)
    elif as_json:
        print_json(found.document(prices))
    else:
        _show_certificates(found.document(prices))


Prices = dict[tuple[str, str, int], float]


async def _read(log: Log, source: Source, audit_rate: float | None) -> tuple[Certificates, Prices]:
    policies = source.settings.policies()
    if audit_rate is not None:
        policies = Policies(Policy(audit_rate=audit_rate))
    registry = await registry_at(log, source.settings.trust())
    return await certificates(log, policies), prices_of(registry)


def _show_certificates(document: Mapping[str, Any]) -> None:
    for row in document["fleets"]:
        click.echo(f"tenant {row['tenant']}: {sentence(row, document)}")
    if document["fleets"]:
        click.echo(f"  ({label(document)})")
    else:
        click.echo("no answer was served, or none is in the log any more")
    for row in document["self_noise"]:
        click.echo(f"{row['scope']}: {certificate.noise_sentence(row)}")
    lines: dict[str, list[str]] = {}
    for row in document["certificates"]:
        said = lines.setdefault(f"{row['family']}@{row['version']}", [])
        said.append(certificate.sentence(row))
        if row["stratum"] == "audit" and (of_truth := certificate.truth_sentence(row)):
            said.append(of_truth)
    for row in document["versions"]:
        said = lines.setdefault(f"{row['family']}@{row['version']}", [])
        said.append(f"{row['tenant']}: {sentence(row, document)}")
    for version, said in lines.items():
        click.echo("\n  ".join((version, *said)))
    if lines:
        click.echo("what is said of a version holds while traffic and teacher stay what they are")


def _show_below(
    found: Certificates, prices: Prices, rate: float, stratum: str, *, as_json: bool
) -> None:
    """Print the versions whose error is certified to be below a rate, together."""
    listed = found.atoms.below(rate, stratum, prices)
    rows = [
        certificate.row_of(
            subject,
            found.atoms.versions[subject],
            price=prices.get(subject[:3], 0.0),
            noise=found.atoms.noise_of(subject.scope),
        )
        for subject in listed
    ]
    if as_json:
        print_json(
            {"below": rate, "stratum": stratum, "false_discovery_rate": DELTA, "versions": rows}
        )
        return
    for row in rows:
        click.echo(f"{row['family']}@{row['version']}: {certificate.sentence(row)}")
    click.echo(
        f"{len(rows)} versions: error vs teacher {certificate.WHERE[stratum]} below "
        f"{certificate.shown_share(rate)}; of such a list at most {100 * DELTA:g} % is "
        "expected to be wrong (e-BH)"
    )


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

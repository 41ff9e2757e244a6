"""What `kappa audit` does with expectations: check them, write the report, publish the results."""

from collections.abc import Sequence
from pathlib import Path

import click

from agents.checking import publish
from agents.commands.shared import BAD_INPUT, NO, Source, fail, print_json, working
from agents.service import now_us
from agents.suites import MARKS, Limits, expectations, expected, named, observed, set_by
from agents.teaching import Batch, batches
from streams.events import ExpectationChecked
from streams.transports import Log


def show_expectations(
    source: Source, newest: int, pages: Path | None, *, as_json: bool, publishing: bool
) -> None:
    """Check every expectation and print it; leave with exit status 1 when one fails.

    Great Expectations, which is an extra, is imported only here.
    """
    try:
        from agents.expectations import check
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed: pip install 'kappa-pipeline[audit]'", BAD_INPUT)

    async def read(log: Log) -> list[Batch]:
        return await batches(log, source.settings.trust(), newest)

    found = working(source, read)
    try:
        results = check(found, pages, source.settings.expectations)
    except OSError as error:
        fail(f"{pages}: cannot be used for the report: {error.strerror}", BAD_INPUT)
    if publishing:
        working(source, lambda log: publish(log, results, now_us()), writing=True)
    if as_json:
        print_json([result.model_dump() for result in results])
    else:
        _print_lines(results, source.settings.expectations)
        if pages is not None:
            click.echo(f"report: {(pages / 'index.html').resolve().as_uri()}")
    if any(result.passed is False for result in results):
        raise SystemExit(NO)


def _print_lines(results: Sequence[ExpectationChecked], limits: Limits) -> None:
    for result in results:
        row = named(result.expectation, expectations(result.scope, limits))
        who = set_by(row, result.scope, limits)
        limit = "" if who is None else f", set for {who}"
        click.echo(
            f"{MARKS[result.passed]:9} {result.scope} {result.suite}/{result.expectation}: "
            f"{observed(result)}; expected {expected(row)}{limit} ({result.rows} rows)"
        )
        if result.passed is False:
            click.echo(f"          {row.reason}")

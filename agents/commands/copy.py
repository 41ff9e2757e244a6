"""`kappa copy`: a log from the embedded one into a cluster, or back."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from agents.commands.shared import (
    BAD_INPUT,
    NO,
    Source,
    fail,
    graph,
    json_option,
    open_log,
    print_json,
    settings_from,
    working,
)
from agents.service import now_us
from streams.copying import CannotCopy, Copied, copy, length, oldest
from streams.transports import Log
from streams.transports.kafka_connection import KafkaConnection

_SCHEME = "kafka://"


@click.command("copy", epilog="Example: kappa copy kappa-data kafka://broker:9092")
@click.argument("origin", metavar="FROM")
@click.argument("target", metavar="TO")
@json_option
def copy_command(origin: str, target: str, as_json: bool) -> None:
    """Copy the log FROM into the log TO; run again, it appends what is missing.

    Both are a directory or kafka://HOST:PORT[/PREFIX]; without a prefix that of KAPPA_KAFKA_PREFIX
    is taken, and passwords are those of the settings. Order, keys, headers and times are kept, and
    groups go on behind what they have read; stop the agents first. Exit status 1 where TO holds
    other records, or would delete what is copied because of its age.
    """
    given, wanted = _source(origin), _source(target)
    if (given.connection, given.data) == (wanted.connection, wanted.data):
        fail(f"{origin} and {target} are one log", BAD_INPUT)

    async def copied(log: Log) -> Copied:
        into = open_log(wanted, writing=True, making=True)
        try:
            if wanted.connection is not None:
                await _refuse_old(log, wanted.connection)
            with _showing(await length(log)) as advance:
                return await copy(log, into, [node.name for node in graph()], advance)
        finally:
            await into.close()

    try:
        _show(working(given, copied), as_json)
    except CannotCopy as error:
        fail(f"{target}: {error}", NO)


def _source(text: str) -> Source:
    """Return the log that an argument names; leave with exit status 2 when it names none."""
    if not text.startswith(_SCHEME):
        settings = settings_from(data=Path(text))
        return Source(settings, settings.data.resolve(), None)
    bootstrap, slash, prefix = text.removeprefix(_SCHEME).partition("/")
    settings = settings_from(kafka=bootstrap, kafka_prefix=prefix if slash else None)
    return Source(settings, Path(), settings.connection())


async def _refuse_old(log: Log, connection: KafkaConnection) -> None:
    """Raise CannotCopy where the cluster would delete records for their age."""
    from streams.transports.kafka_admin import retention  # as in open_log

    kept = await retention(connection)
    for topic, first in (await oldest(log, list(kept))).items():
        age_ms = (now_us() - first) // 1000
        if age_ms > kept[topic]:
            days = age_ms // 86_400_000 + 1
            raise CannotCopy(
                f"{connection.named(topic)} keeps records for {kept[topic] // 86_400_000} days and"
                f" would delete older ones; the oldest has {days}: set KAPPA_RETENTION_DAYS to more"
                " and run `kappa topics apply`"
            )


@contextmanager
def _showing(total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a copy is: a bar on a terminal, else a line after each tenth."""
    console = Console(stderr=True)
    done = 0
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("copying", total=total)

        def advance(count: int) -> None:
            nonlocal done
            done += count
            progress.advance(task, count)
            if not sys.stderr.isatty() and done % max(1, total // 10) == 0:
                click.echo(f"{done} of about {total} records", err=True)

        yield advance


def _show(copied: Copied, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "appended": dict(copied.appended),
                "present": dict(copied.present),
                "groups": copied.groups,
                "again": dict(+copied.again),
            }
        )
        return
    appended, present = copied.appended.total(), copied.present.total()
    click.echo(f"{appended} records copied, {present} were there")
    for group, number in (+copied.again).items():
        click.echo(f"{group} reads {number} records once more: it had not read all before them")

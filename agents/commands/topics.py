"""`kappa topics`: the topic table and the access rules, held against a cluster."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from agents.access import access_rules
from agents.commands.shared import (
    BAD_INPUT,
    NO,
    UNREACHABLE,
    fail,
    graph,
    json_option,
    print_json,
    settings_from,
)
from streams.access_rules import (
    AccessDifference,
    AccessRule,
    Missing,
    difference_lines,
    difference_row,
    rule_row,
    table_rows,
)
from streams.topic_plan import Difference, Layout, as_line, as_row, is_fixable
from streams.transports import TransportError, Unreachable
from streams.transports.kafka_connection import KafkaConnection

_T = TypeVar("_T")

_kafka = click.option("--kafka", metavar="HOST:PORT", help="The cluster; else KAPPA_KAFKA.")
_acls = click.option("--acls", is_flag=True, help="The access rules of every agent, too.")


@dataclass(frozen=True, slots=True)
class _Task:
    """A cluster, what it should have, and whether its access rules are looked at."""

    connection: KafkaConnection
    layout: Layout
    rules: tuple[AccessRule, ...]

    async def differing(self) -> "_Differing":
        """Return what differs now."""
        from streams.transports.kafka_acls import access_drift  # as in _run
        from streams.transports.kafka_admin import drift

        topics = await drift(self.connection, self.layout)
        return _Differing(
            topics, await access_drift(self.connection, self.rules) if self.rules else []
        )

    async def apply(self) -> "_Differing":
        """Mend what can be mended; return what differs then."""
        from streams.transports.kafka_acls import allow  # as in _run
        from streams.transports.kafka_admin import apply

        topics = await apply(self.connection, self.layout)
        return _Differing(topics, await allow(self.connection, self.rules) if self.rules else [])


@dataclass(frozen=True, slots=True)
class _Differing:
    topics: list[Difference]
    rules: list[AccessDifference]

    def __bool__(self) -> bool:
        return bool(self.topics or self.rules)

    def lines(self) -> list[str]:
        return [*map(as_line, self.topics), *difference_lines(self.rules)]

    def rows(self) -> list[dict[str, Any]]:
        return [*map(as_row, self.topics), *map(difference_row, self.rules)]

    def fixable(self) -> "_Differing":
        return _Differing(
            [each for each in self.topics if is_fixable(each)],
            [each for each in self.rules if isinstance(each, Missing)],
        )


@click.group("topics")
def topics_group() -> None:
    """Topics and access rules of a Kafka cluster, as the tables say.

    KAPPA_PARTITIONS, KAPPA_REPLICATION and KAPPA_RETENTION_DAYS say how topics are laid out;
    KAPPA_KAFKA_… how the cluster is reached.
    """


@topics_group.command("plan", epilog="Example: kappa topics plan --kafka broker:9092")
@_kafka
@_acls
@json_option
def topics_plan(kafka: str | None, acls: bool, as_json: bool) -> None:
    """Show what `apply` would do. Exit status 1 if there is anything to do."""
    _show(_run(_task(kafka, acls).differing()), "nothing to do", as_json)


@topics_group.command("verify", epilog="Example: kappa topics verify --kafka broker:9092 --acls")
@_kafka
@_acls
@json_option
def topics_verify(kafka: str | None, acls: bool, as_json: bool) -> None:
    """Show how the cluster differs from the tables. Exit status 1 if it does."""
    _show(_run(_task(kafka, acls).differing()), "as the tables say", as_json)


@topics_group.command("apply", epilog="Example: kappa topics apply --kafka broker:9092")
@_kafka
@_acls
@json_option
def topics_apply(kafka: str | None, acls: bool, as_json: bool) -> None:
    """Create and change what differs. Nothing is taken away; exit status 1 if something is left."""
    task = _task(kafka, acls)

    async def applied() -> tuple[_Differing, _Differing]:
        before = await task.differing()
        return before.fixable(), await task.apply() if before.fixable() else before

    done, left = _run(applied())
    if as_json:
        print_json({"applied": done.rows(), "left": left.rows()})
    else:
        for line in done.lines():
            click.echo(line)
        click.echo(f"{len(done.rows())} applied, {len(left.rows())} left")
        for line in left.lines():
            click.echo(line)
    if left:
        raise SystemExit(NO)


@topics_group.command("acls", epilog="Example: kappa topics acls --json")
@json_option
def topics_acls(as_json: bool) -> None:
    """Print the least that each agent's user must be allowed, as User:kappa-AGENT."""
    rules = access_rules(graph(), KafkaConnection("", settings_from().kafka_prefix))
    if as_json:
        print_json([rule_row(rule) for rule in rules])
        return
    table = Table("principal", "operation", "resource", "names", box=None, pad_edge=False)
    for row in table_rows(rules):
        table.add_row(*row)
    Console().print(table)


def _task(kafka: str | None, acls: bool) -> _Task:
    settings = settings_from(kafka=kafka)
    connection = settings.connection()
    if connection is None:
        fail("no cluster is named: give --kafka HOST:PORT, or set KAPPA_KAFKA", BAD_INPUT)
    return _Task(connection, settings.layout(), access_rules(graph(), connection) if acls else ())


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run what asks a cluster; imports of its client wait until here: it is an extra."""
    try:
        return asyncio.run(work)
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed: pip install 'kappa-pipeline[kafka]'", BAD_INPUT)
    except TransportError as error:
        fail(str(error), UNREACHABLE if isinstance(error, Unreachable) else BAD_INPUT)


def _show(differing: _Differing, nothing: str, as_json: bool) -> None:
    if as_json:
        print_json({"differences": differing.rows()})
    else:
        for line in differing.lines() or [nothing]:
            click.echo(line)
    if differing:
        raise SystemExit(NO)
    return

"""`kappa explain`, `families`, `replay`, `pipeline`, `schemas`, `rejected`: what lies in a log."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from agents.commands.shared import (
    BAD_INPUT,
    NO,
    data_option,
    fail,
    graph,
    json_option,
    open_reader,
    print_json,
    settings_from,
)
from agents.explain import explain
from agents.families import family_row, family_rows
from agents.history import evidence_of, records, registry_at
from agents.pipeline import as_rows, check, roles
from agents.replay import replay
from agents.show import show_explanation, show_families, show_family, show_pipeline
from streams.asyncapi import asyncapi
from streams.events import RecordRejected
from streams.schemas import json_schemas
from streams.transports import Transport, TransportError
from streams.transports.kafka_connection import KafkaConnection

_T = TypeVar("_T")


def read(data: Path, reader: Callable[[Transport], Awaitable[_T]]) -> _T:
    """Run a reader on the log of a data directory; a damaged log is exit status 2."""

    async def run() -> _T:
        log = open_reader(data)
        try:
            return await reader(log)
        finally:
            await log.close()

    try:
        return asyncio.run(run())
    except TransportError as error:
        fail(str(error), BAD_INPUT)


@click.command("explain", epilog="Example: kappa explain 17 --data run")
@click.argument("utterance_id")
@click.option("--tenant", help="Only this tenant's utterance.")
@data_option
@json_option
def explain_command(utterance_id: str, tenant: str | None, data: Path, as_json: bool) -> None:
    """Show why an utterance was answered as it was."""
    trust = settings_from().trust()
    document = read(data, lambda log: explain(log, trust, utterance_id, tenant))
    if document is None:
        fail(f"{data}: no utterance {utterance_id!r}", NO)
    if as_json:
        print_json(document)
    else:
        show_explanation(Console(), document)


@click.group("families")
def families_group() -> None:
    """List and show the families that were learned."""


@families_group.command("list", epilog="Example: kappa families list --stage live --data run")
@click.option("--stage", help="Only versions in this stage.")
@data_option
@json_option
def families_list(stage: str | None, data: Path, as_json: bool) -> None:
    """List family versions with stage, grammar and evidence."""
    trust = settings_from().trust()
    found = read(data, lambda log: family_rows(log, trust))
    rows = [row for row in found if stage in (None, row["stage"])]
    if as_json:
        print_json(rows)
    else:
        show_families(Console(), rows)


@families_group.command("show", epilog="Example: kappa families show percent-of-1a2b3c4d")
@click.argument("family")
@click.option("--version", type=int, help="The version; the last one by default.")
@data_option
@json_option
def families_show(family: str, version: int | None, data: Path, as_json: bool) -> None:
    """Show all of one family: grammar, program, examples, evidence; --json gives the artifact."""

    trust = settings_from().trust()

    async def reader(log: Transport) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        registry, evidence = await registry_at(log, trust), await evidence_of(log)
        return [
            (family_row(entry, evidence), dict(entry.artifact.document))
            for entry in registry.in_order()
            if entry.family == family and version in (None, entry.version)
        ]

    found = read(data, reader)
    if not found:
        fail(f"{data}: no family {family!r}", NO)
    row, document = found[-1]
    if as_json:
        print_json(row | {"artifact": document})
    else:
        show_family(Console(), row, document)


@click.command("replay", epilog="Example: kappa replay --data run --against 12")
@click.option("--from", "start", type=click.IntRange(0), default=0, help="First offset.")
@click.option("--to", "end", type=click.IntRange(0), help="Offset after the last.")
@click.option("--against", type=click.IntRange(0), help="Ordinal of another registry.")
@data_option
@json_option
def replay_command(
    start: int, end: int | None, against: int | None, data: Path, as_json: bool
) -> None:
    """Decide past utterances again: byte-identical, or every difference. Exit status 1 if any."""

    trust = settings_from().trust()

    async def reader(log: Transport) -> tuple[int, list[dict[str, Any]]]:
        count = 0
        differing: list[dict[str, Any]] = []
        async for again in replay(log, trust, start=start, end=end, against=against):
            count += 1
            if again.difference is not None:
                differing.append(
                    {
                        "utterance_id": again.utterance_id,
                        "text": again.text,
                        "difference": again.difference,
                    }
                )
        return count, differing

    count, differing = read(data, reader)
    if as_json:
        print_json({"decisions": count, "differences": differing})
    else:
        for row in differing:
            click.echo(f"{row['utterance_id']}: {row['difference']}")
        click.echo(f"{count} decisions, {len(differing)} differ")
    if differing:
        raise SystemExit(NO)


@click.command("pipeline", epilog="Example: kappa pipeline --json")
@json_option
def pipeline_command(as_json: bool) -> None:
    """Print the graph: who reads and writes which topic."""
    nodes = graph()
    problems = check(nodes)
    if problems:
        fail("; ".join(problems), NO)
    if as_json:
        print_json(as_rows(nodes))
    else:
        show_pipeline(Console(), as_rows(nodes))


@click.command("schemas", epilog="Example: kappa schemas build/schemas")
@click.argument("directory", type=click.Path(path_type=Path))
def schemas_command(directory: Path) -> None:
    """Write the JSON Schema of every event, and an AsyncAPI document of all topics, to DIRECTORY.

    Names, partitions and retention in asyncapi.json are those of the settings.
    """
    settings = settings_from()
    named = KafkaConnection("", settings.kafka_prefix).named
    document = asyncapi(
        roles(graph()), settings.layout(), version=version("kappa-pipeline"), named=named
    )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, schema in {**json_schemas(), "asyncapi": document}.items():
            text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
            (directory / f"{name}.json").write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{directory}: {error.strerror}", BAD_INPUT)


@click.group("rejected")
def rejected_group() -> None:
    """Records that could not be used."""


@rejected_group.command("list", epilog="Example: kappa rejected list --data run")
@data_option
@json_option
def rejected_list(data: Path, as_json: bool) -> None:
    """List rejected records with their positions and reasons."""

    async def reader(log: Transport) -> list[dict[str, Any]]:
        return [
            event.model_dump(exclude={"value"})
            async for _, event in records(log, ("rejected",))
            if isinstance(event, RecordRejected)
        ]

    rows = read(data, reader)
    if as_json:
        print_json(rows)
    for row in () if as_json else rows:
        click.echo(f"{row['topic']}/{row['partition']}/{row['offset']}: {row['reason']}")

"""`kappa explain`, `pipeline`, `schemas`: why an answer was given, and what may lie in a log."""

import json
from importlib.metadata import version
from pathlib import Path

import click
from rich.console import Console

from agents.commands.shared import (
    BAD_INPUT,
    NO,
    Source,
    fail,
    graph,
    json_option,
    log_options,
    print_json,
    settings_from,
    working,
)
from agents.explain import explain
from agents.pipeline import as_rows, check, roles
from agents.show import show_explanation, show_pipeline
from streams.asyncapi import asyncapi
from streams.schemas import json_schemas
from streams.transports.kafka_connection import KafkaConnection


@click.command("explain", epilog="Example: kappa explain 17 --data run")
@click.argument("utterance_id")
@click.option("--tenant", help="Only this tenant's utterance.")
@log_options
@json_option
def explain_command(utterance_id: str, tenant: str | None, source: Source, as_json: bool) -> None:
    """Show why an utterance was answered as it was."""
    trust = source.settings.trust()
    document = working(source, lambda log: explain(log, trust, utterance_id, tenant))
    if document is None:
        fail(f"{source}: no utterance {utterance_id!r}", NO)
    if as_json:
        print_json(document)
    else:
        show_explanation(Console(), document)


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

"""What several subcommands need: the data directory, JSON output, exit statuses."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError

from agents.fallback import hash_draw
from agents.node import Node
from agents.pipeline import pipeline
from agents.settings import Settings
from agents.teachers.scripted import ScriptedTeacher
from streams.transports import TransportError
from streams.transports.embedded import EmbeddedLog

LOG_NAME = "kappa.db"
NO, BAD_INPUT, UNDECIDED, UNREACHABLE = 1, 2, 3, 4
"""Exit statuses beside 0."""

_F = TypeVar("_F", bound=Callable[..., Any])


def data_option(function: _F) -> _F:
    """Add `--data DIR`, the directory of an embedded log."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        default=Path("kappa-data"),
        show_default=True,
        help="Directory of the embedded log.",
    )(function)


def json_option(function: _F) -> _F:
    """Add `--json`: facts as one JSON document on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def fail(message: str, status: int) -> NoReturn:
    """Say what is wrong on stderr and leave with this exit status."""
    click.echo(f"kappa: {message}", err=True)
    raise SystemExit(status)


def settings_from(**given: Any) -> Settings:
    """Return the settings of the environment, overridden by the options that were given."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        fail("; ".join(setting_problems(error)), BAD_INPUT)
    except SettingsError as error:  # a table that is not JSON
        fail(str(error), BAD_INPUT)


def setting_problems(error: ValidationError) -> list[str]:
    """Return what is wrong with each setting, without the values."""
    return [
        f"KAPPA_{'_'.join(map(str, d['loc'])).upper()}: {_said(d)}" if d["loc"] else _said(d)
        for d in error.errors(include_url=False, include_input=False)
    ]


def _said(details: Mapping[str, Any]) -> str:
    return str(details["msg"]).removeprefix("Value error, ")


def graph() -> tuple[Node, ...]:
    """Return the pipeline as a graph to look at; it is not to be run."""
    return pipeline(ScriptedTeacher({}), hash_draw(""), audit_rate=0.0, trusted=frozenset())


def open_reader(data: Path) -> EmbeddedLog:
    """Open the log of a data directory for reading, or leave with exit status 2."""
    path = data / LOG_NAME
    if not path.exists():
        fail(f"{data}: no log here ({LOG_NAME} is missing); give --data DIR", BAD_INPUT)
    try:
        return EmbeddedLog.open(path, read_only=True)
    except TransportError as error:
        fail(str(error), BAD_INPUT)


def open_writer(data: Path) -> EmbeddedLog:
    """Open the log of a data directory for writing, making the directory, or leave."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        return EmbeddedLog.open(data / LOG_NAME)
    except OSError as error:
        fail(f"{data}: cannot be used as a data directory: {error.strerror}", BAD_INPUT)
    except TransportError as error:
        fail(str(error), BAD_INPUT)


def print_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print one JSON document, indented."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))

"""What several subcommands need: the log they work on, JSON output, exit statuses."""

import asyncio
import functools
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
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
from artifacts.policy import ONE_POLICY
from streams.transports import Log, TransportError, Unreachable
from streams.transports.embedded import EmbeddedLog
from streams.transports.kafka_connection import KafkaConnection

LOG_NAME = "kappa.db"
NO, BAD_INPUT, UNDECIDED, UNREACHABLE = 1, 2, 3, 4
"""Exit statuses beside 0."""

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Source:
    """The log that a command works on: a cluster, or else a data directory."""

    settings: Settings
    data: Path
    connection: KafkaConnection | None

    def __str__(self) -> str:
        return str(self.data) if self.connection is None else self.connection.bootstrap


class FamilyVersion(click.ParamType):
    """FAMILY or FAMILY@VERSION."""

    name = "family"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, int | None]:
        if isinstance(value, tuple):
            return value
        family, _, version = str(value).rpartition("@")
        if family and version.isascii() and version.isdecimal() and len(version) < 10:
            return family, int(version)
        return str(value), None


def log_options(function: _F) -> _F:
    """Add `--data DIR` and `--kafka HOST:PORT`; the command gets what they mean as `source`."""

    @functools.wraps(function)
    def command(*arguments: Any, data: Path | None, kafka: str | None, **given: Any) -> Any:
        return function(*arguments, source=source_of(data, kafka), **given)

    command = click.option("--kafka", metavar="HOST:PORT", help="A cluster; else KAPPA_KAFKA.")(
        command
    )
    return click.option(  # type: ignore[return-value]  # click keeps no types of parameters
        "--data",
        type=click.Path(path_type=Path),
        help="Directory of an embedded log; without a cluster KAPPA_DATA, or kappa-data.",
    )(command)


def source_of(data: Path | None, kafka: str | None) -> Source:
    """Return the log that was chosen: by an option, else by the environment."""
    if data is not None and kafka is not None:
        fail("give either --data DIR or --kafka HOST:PORT", BAD_INPUT)
    settings = settings_from(data=data, kafka=kafka)
    return Source(settings, settings.data, None if data is not None else settings.connection())


def working(source: Source, work: Callable[[Log], Awaitable[_T]], *, writing: bool = False) -> _T:
    """Do some work on a log; leave with exit status 4 when unreachable, 2 when it is no good."""

    async def run() -> _T:
        log = open_log(source, writing=writing)
        try:
            return await work(log)
        finally:
            await log.close()

    try:
        return asyncio.run(run())
    except TransportError as error:
        fail_at(error)


def fail_at(error: TransportError) -> NoReturn:
    """Say what is wrong with a log, and leave with the exit status that tells it."""
    fail(str(error), UNREACHABLE if isinstance(error, Unreachable) else BAD_INPUT)


def open_log(source: Source, *, writing: bool = False, making: bool = False) -> Log:
    """Open the log of a source, made anew when there is none if that is wished.

    A cluster's client, which is an extra, is imported only here.
    """
    if source.connection is None:
        if not making:
            refuse_missing(source.data)
        return open_writer(source.data) if writing else open_reader(source.data)
    try:
        from streams.transports.kafka import KafkaLog
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed: pip install 'kappa-pipeline[kafka]'", BAD_INPUT)
    return KafkaLog(source.connection)


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
    return pipeline(ScriptedTeacher({}), hash_draw(""), policies=ONE_POLICY, trusted=frozenset())


def kappa_command(*arguments: str) -> list[str]:
    """Return the command that runs this program with these arguments.

    It finds the packages where we did: in the working directory only if we looked there.
    """
    safe = [] if os.getcwd() in sys.path else ["-P"]
    return [sys.executable, *safe, "-m", "agents", *arguments]


def refuse_missing(data: Path) -> None:
    """Leave with exit status 2 where a data directory holds no log."""
    if not (data / LOG_NAME).exists():
        fail(f"{data}: no log here ({LOG_NAME} is missing); give --data DIR", BAD_INPUT)


def open_reader(data: Path) -> EmbeddedLog:
    """Open the log of a data directory for reading, or leave with exit status 2."""
    try:
        return EmbeddedLog.open(data / LOG_NAME, read_only=True)
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

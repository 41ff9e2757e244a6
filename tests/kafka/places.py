"""Logs that commands work on, on either transport, and the commands."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from click.testing import CliRunner

from agents.cli import main
from agents.commands.shared import LOG_NAME
from streams.topic_plan import Layout
from streams.transports import Log
from streams.transports.embedded import EmbeddedLog
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_admin import apply
from streams.transports.kafka_connection import KafkaConnection

KEPT = Layout(partitions=3, replication=1, retention_days=36_500)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def kappa(*arguments: object, prefix: str = "", stdin: bytes = b"") -> Said:
    """Run a command, with a prefix of names on the cluster."""
    environment: Mapping[str, str] = {"KAPPA_KAFKA_PREFIX": prefix, "COLUMNS": "200"}
    said = CliRunner().invoke(main, [str(each) for each in arguments], env=environment, input=stdin)
    if said.exception is not None and not isinstance(said.exception, SystemExit):
        raise said.exception
    return Said(said.exit_code, said.stdout, said.stderr)


@dataclass(frozen=True, slots=True)
class OnCluster:
    """A part of a cluster that no other test uses."""

    connection: KafkaConnection

    @property
    def url(self) -> str:
        return f"kafka://{self.connection.bootstrap}/{self.connection.prefix}"

    def kappa(self, *arguments: object, stdin: bytes = b"") -> Said:
        """Run a command that reads this part."""
        where = ("--kafka", self.connection.bootstrap)
        return kappa(*arguments, *where, prefix=self.connection.prefix, stdin=stdin)

    def open(self, *, writing: bool) -> Log:
        return KafkaLog(self.connection)


@dataclass(frozen=True, slots=True)
class InDirectory:
    """An embedded log."""

    data: Path

    def kappa(self, *arguments: object, stdin: bytes = b"") -> Said:
        """Run a command that reads this log."""
        return kappa(*arguments, "--data", self.data, stdin=stdin)

    def open(self, *, writing: bool) -> Log:
        self.data.mkdir(exist_ok=True)
        return EmbeddedLog.open(self.data / LOG_NAME, read_only=not writing)


Where = OnCluster | InDirectory


def on_cluster(bootstrap: str, layout: Layout = KEPT) -> OnCluster:
    """Return a part of the cluster with all topics."""
    connection = KafkaConnection(bootstrap, prefix=f"f{uuid.uuid4().hex[:8]}.")
    assert asyncio.run(apply(connection, layout)) == []
    return OnCluster(connection)


@asynccontextmanager
async def opened(where: Where, *, writing: bool = False) -> AsyncIterator[Log]:
    """Open a log; close it with the block."""
    log = where.open(writing=writing)
    try:
        yield log
    finally:
        await log.close()


def on(where: Where, work: Callable[[Log], Awaitable[T]], *, writing: bool = False) -> T:
    """Return what some work on a log returns."""

    async def run() -> T:
        async with opened(where, writing=writing) as log:
            return await work(log)

    return asyncio.run(run())

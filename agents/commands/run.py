"""`kappa run`: one agent as one process on a cluster."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any

import click

from agents.access import CONSOLE, topics_of
from agents.checking import Checking, going_on, publish
from agents.commands.console import run_console
from agents.commands.sensing import sensing
from agents.commands.shared import (
    BAD_INPUT,
    NO,
    UNREACHABLE,
    fail,
    kappa_command,
    settings_from,
)
from agents.commands.teachers import nodes_of, teacher_named
from agents.health import Vitals, serving_health, vitals_of
from agents.node import Node
from agents.processes import PROCESSES, log_for, run_process
from agents.service import now_us
from agents.settings import Settings
from agents.teachers import Closing
from agents.teachers.scripted import ScriptedTeacher
from streams.events import ExpectationChecked
from streams.topic_plan import as_lines
from streams.topics import TOPIC_NAMES
from streams.transports import AccessRefused, Fenced, Transport, TransportError, TurnLost
from streams.transports.kafka_connection import KafkaConnection, Timing

LEFT = 75
"""Exit status of a process that left its place at once: start it again (EX_TEMPFAIL)."""


@click.command("run", epilog="Example: kappa run matcher --kafka 127.0.0.1:19092 --slot 0")
@click.argument("agent", type=click.Choice(sorted(PROCESSES)))
@click.option("--kafka", metavar="HOST:PORT", help="The cluster; else KAPPA_KAFKA.")
@click.option("--slot", help="Tells an agent's processes apart; the same after a restart.")
@click.option("--teacher", help="demo, openai, recorded:LOG.jsonl or none.")
@click.option(
    "--host", help="Address of /live, /ready, /started and /metrics; of the whole console."
)
@click.option("--port", type=click.IntRange(0, 65535), help="Their port; 0 takes a free one.")
def run_command(agent: str, **given: Any) -> None:
    """Run one agent until it is told to stop; the console serves people at its port.

    Exit status: 0 told to stop, 1 the cluster's topics differ from the table, 2 bad settings or
    access refused, 4 unreachable, 75 its place was taken, it made no progress or failed: start it
    again.
    """
    settings = settings_from(**given)
    connection = settings.connection()
    if connection is None:
        fail(
            "give --kafka HOST:PORT or KAPPA_KAFKA; the embedded log runs in `kappa up`", BAD_INPUT
        )
    timing = Timing(
        settings.session_ms,
        settings.heartbeat_ms,
        settings.transaction_ms,
        settings.transaction_scan_ms,
    )
    try:
        asyncio.run(_run(agent, settings, connection, timing))
    except AccessRefused as error:
        fail(str(error), BAD_INPUT)
    except TransportError as error:
        fail(str(error), UNREACHABLE)


def leave() -> None:
    """End the process without another word to the cluster, which may have moved on."""
    os._exit(LEFT)


async def _run(agent: str, settings: Settings, connection: KafkaConnection, timing: Timing) -> None:
    process = PROCESSES[agent]
    if agent == CONSOLE:
        await refuse_drift(connection, settings, TOPIC_NAMES)
        log = log_for(process, connection, slot=settings.slot, timing=timing)
        await run_console(settings, log, stopping_by_signal())
        return
    teacher = teacher_named(settings) if agent == "fallback" else ScriptedTeacher({})
    nodes = [node for node in nodes_of(settings, teacher) if node.name in process.nodes]
    names = {topic for node in nodes for topic in topics_of(node)}
    await refuse_drift(connection, settings, names)
    stopping = stopping_by_signal()
    vitals = vitals_of(process.nodes, stall_after=settings.stall_after)
    log = log_for(process, connection, slot=settings.slot, timing=timing)
    try:
        await _observed(agent, settings, nodes, log, stopping, vitals)
    finally:
        if isinstance(teacher, Closing):
            await teacher.close()


def checking_of(
    settings: Settings,
    log: Transport,
    place: Sequence[str],
    stored: Callable[[], None] = lambda: None,
) -> Checking | None:
    """Return what checks expectations on a log; `stored` is called when it has written to it."""
    if not settings.expectations_every:
        return None

    async def published(results: Sequence[ExpectationChecked]) -> None:
        await publish(log, results, now_us())
        stored()

    return Checking(
        kappa_command("audit", "--expectations", "--json", *place),
        dict(os.environ),
        settings.expectations_every,
        published,
        logging.getLogger("kappa.auditor").warning,
    )


async def _observed(
    agent: str,
    settings: Settings,
    nodes: Sequence[Node],
    log: Transport,
    stopping: asyncio.Event,
    vitals: Vitals,
) -> None:
    try:
        with sensing(settings, vitals, "kafka") as sensor:
            async with serving_health(vitals, settings.host, settings.port) as port:
                click.echo(f"kappa {agent} {settings.slot}: http://{settings.host}:{port}/ready")
                checking = None
                if agent == "auditor":
                    checking = checking_of(settings, log, ("--kafka", str(settings.kafka)))
                await _run_or_leave(
                    agent,
                    run_process(
                        nodes,
                        log,
                        stopping,
                        vitals,
                        sensor,
                        window=settings.window,
                        beside=partial(going_on, checking),
                    ),
                )
    except OSError as error:
        fail(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}", BAD_INPUT)


async def _run_or_leave(agent: str, running: Awaitable[None]) -> None:
    """Wait for an agent; leave where another one may have its place, and after a bug."""
    try:
        await running
    except (Fenced, TurnLost) as error:
        click.echo(f"kappa: {agent}: {error}", err=True)
        leave()
    except TransportError:
        raise
    except Exception:
        logging.getLogger(f"kappa.{agent}").exception("the agent has failed")
        leave()


async def refuse_drift(
    connection: KafkaConnection, settings: Settings, names: Collection[str]
) -> None:
    """Leave with exit status 1 where some of these topics differ from the table."""
    from streams.transports.kafka_admin import drift

    if differences := await drift(connection, settings.layout(), names):
        where = f"topics at {connection.bootstrap} differ, see `kappa topics plan`"
        fail(f"{where}:\n{as_lines(differences)}", NO)


def stopping_by_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping

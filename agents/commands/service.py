"""`kappa up`, and the commands that talk to a running service: `ask`, `feedback`."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click
import uvicorn

from agents.checking import Checking, going_on
from agents.commands.client import ENDPOINT_NAME, post
from agents.commands.run import checking_of, stopping_by_signal
from agents.commands.sensing import sensing
from agents.commands.shared import (
    BAD_INPUT,
    NO,
    UNREACHABLE,
    fail,
    json_option,
    kappa_command,
    open_writer,
    print_json,
    settings_from,
)
from agents.commands.teachers import nodes_of, teacher_named
from agents.console.app import console
from agents.fleet import Fleet, Member, members
from agents.gauges import gauging
from agents.health import Vitals, observing, vitals_of
from agents.node import Node
from agents.pipeline import ANSWERING
from agents.processes import PROCESSES
from agents.sensors import Sensor
from agents.service import Service, pumping
from agents.settings import Settings
from agents.supervisor import Supervisor, supervised
from agents.teachers import Closing, Teacher
from streams.transports import TransportError


def environment_of(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the options that were given as the environment says them."""
    return {f"KAPPA_{n.upper()}": str(value) for n, value in given.items() if value is not None}


@click.command(
    "up", epilog="Example: kappa up --teacher demo --data desk; kappa up --kafka 127.0.0.1:19092"
)
@click.option("--teacher", help="demo, openai, recorded:LOG.jsonl or none.")
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the embedded log.")
@click.option("--kafka", metavar="HOST:PORT", help="A cluster, instead of the embedded log.")
@click.option("--agents", help="On a cluster: a process for each; matcher,matcher for two of them.")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option("--audit-rate", type=click.FloatRange(0, 1), help="Share of answers audited.")
@click.option("--max-risk", type=float, help="Ceiling of the expected risk.")
def up_command(**given: Any) -> None:
    """Run every agent and the console: as one service on the embedded log, or on a cluster.

    On a cluster each agent is a process, as `kappa run` runs it, and is started again when it ends.
    """
    settings = settings_from(**given)
    if settings.kafka is not None:
        if unknown := sorted(set(settings.agents) - set(PROCESSES)):
            known = ", ".join(PROCESSES)
            fail(f"{', '.join(unknown)}: no agents; there are {known}", BAD_INPUT)
        raise SystemExit(asyncio.run(_fleet(settings, environment_of(given))))
    teacher = teacher_named(settings)
    log = open_writer(settings.data)
    nodes = nodes_of(settings, teacher)
    answering = [node for node in nodes if node.name in ANSWERING]
    vitals = vitals_of((node.name for node in answering), stall_after=settings.stall_after)
    try:
        with sensing(settings, vitals, "kappa") as sensor:
            service = Service(log, answering, settings.window, sensor)
            service.beside = supervisor = Supervisor(
                log,
                [node for node in nodes if node.name not in ANSWERING],
                kappa_command("learn", "--pipe"),
                dict(os.environ) | environment_of(given),
                stored=service.news.set,
                tell=partial(_tell_of_restart, sensor, nodes),
            )
            checking = checking_of(
                settings, log, ("--data", str(settings.data)), stored=service.news.set
            )
            asyncio.run(_serve(service, supervisor, settings, teacher, vitals, checking))
    except TransportError as error:
        fail(str(error), UNREACHABLE)


def _tell_of_restart(sensor: Sensor, nodes: Sequence[Node], trouble: str) -> None:
    """Say why the learner starts again, with all nodes that do not answer."""
    click.echo(f"kappa: {trouble}", err=True)
    for node in nodes:
        if node.name not in ANSWERING:
            sensor.restarted(node.name)


async def _fleet(settings: Settings, environment: dict[str, str]) -> int:
    """Run a process for each agent until told to stop; return the exit status."""

    def command(member: Member) -> list[str]:
        port = [] if member.agent == "console" else ["--port", "0"]
        return kappa_command("run", member.agent, "--slot", member.slot, *port)

    fleet = Fleet(
        members(settings.agents),
        command,
        dict(os.environ) | environment,
        tell=lambda what: click.echo(f"kappa: {what}", err=True),
    )
    return await fleet.run(stopping_by_signal())


async def _serve(
    service: Service,
    supervisor: Supervisor,
    settings: Settings,
    teacher: Teacher,
    vitals: Vitals,
    checking: Checking | None,
) -> None:
    app = console(service, settings.trust(), vitals, settings.policies())
    config = uvicorn.Config(
        app, host=settings.host, port=settings.port, log_level="warning", log_config=None
    )
    server = _Server(config, service, settings.data / ENDPOINT_NAME)
    try:
        async with (
            pumping(service),
            supervised(supervisor, service),
            observing(vitals, service.running),
            gauging(service.transport, settings.policies(), vitals.metrics),
            going_on(checking),
        ):
            await server.serve()
    finally:
        server.endpoint.unlink(missing_ok=True)
        await service.transport.close()
        if isinstance(teacher, Closing):
            await teacher.close()


class _Server(uvicorn.Server):
    """A server that writes down where it listens, and ends in order: when told, or with the pump.

    uvicorn raises a signal that it has handled once more, and SIGTERM would then end the process
    before the log is closed; hence `handle_exit`.
    """

    def __init__(self, config: uvicorn.Config, service: Service, endpoint: Path) -> None:
        super().__init__(config)
        self.service = service
        self.endpoint = endpoint

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self.service.failure is not None

    async def startup(self, sockets: Any = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn has said why on stderr
            fail(f"cannot listen on {self.config.host}:{self.config.port}", BAD_INPUT)
        if not self.started:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        self.endpoint.write_text(f"http://{shown}:{port}\n", encoding="utf-8")
        click.echo(f"kappa is up at http://{shown}:{port}, data in {self.endpoint.parent}")


def _client_options(function: Any) -> Any:
    function = click.option("--url", help="Address of the service, or of a console.")(function)
    function = click.option("--tenant", default="default", show_default=True)(function)
    return click.option(
        "--data", type=click.Path(path_type=Path), envvar="KAPPA_DATA",
        default=Path("kappa-data"), show_default=True, help="The service's data directory.",
    )(function)  # fmt: skip


@click.command("ask", epilog='Example: kappa ask "what is 15 % of 80" --wait 5')
@click.argument("text")
@click.option(
    "--wait", type=click.FloatRange(0, 60), default=5.0, show_default=True, help="Seconds."
)
@click.option("--session", help="Key that keeps a conversation's utterances in order.")
@_client_options
@json_option
def ask_command(
    text: str,
    wait: float,
    session: str | None,
    data: Path,
    tenant: str,
    url: str | None,
    as_json: bool,
) -> None:
    """Put one utterance in and wait for its answer. Exit status 3 when none came in time."""
    body = {"text": text, "tenant": tenant} | ({"session": session} if session else {})
    document = post(data, url, f"/ask?wait={wait}", body, wait)
    if as_json:
        print_json(document)
    elif document["outcome"] == "answered":
        shown = document["answer"]
        click.echo(shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False))
        by = (
            f"{document['family']}@{document['version']}, revision {document['revision']}"
            if document["origin"] == "family"
            else f"teacher {document['teacher']}"
        )
        click.echo(f"by {by}; explain it with: kappa explain {document['utterance_id']}", err=True)
    else:
        click.echo(
            f"{document['outcome']}: {document.get('reason', document['utterance_id'])}", err=True
        )
    if document["outcome"] == "pending":
        raise SystemExit(3)
    if document["outcome"] == "refused":
        raise SystemExit(NO)


@click.command("feedback", epilog="Example: kappa feedback 3f2a reject --correction 12.5")
@click.argument("utterance_id")
@click.argument("verdict", type=click.Choice(["accept", "reject"]))
@click.option("--correction", help="The right answer; JSON when it parses, else text.")
@click.option("--source", default="operator", show_default=True)
@click.option("--answer-ref", help="The answer's own reference; nothing is looked for then.")
@_client_options
def feedback_command(
    utterance_id: str,
    verdict: str,
    correction: str | None,
    source: str,
    answer_ref: str | None,
    data: Path,
    tenant: str,
    url: str | None,
) -> None:
    """Judge an answer. A trusted reject takes its family version out of service at once."""
    body = {
        "utterance_id": utterance_id,
        "verdict": verdict,
        "tenant": tenant,
        "source": source,
        "correction": _correction(correction),
        "answer_ref": answer_ref,
    }
    post(data, url, "/feedback", body, 0)
    click.echo("stored")


def _correction(text: str | None) -> Any:
    """Return a JSON object or list as such; everything else is the text that was typed."""
    if text is None or text[:1] not in "{[":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text

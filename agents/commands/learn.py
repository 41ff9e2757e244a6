"""`kappa learn`: the process that learns beside `kappa up`, which starts it; hidden from people."""

import asyncio
import os
import select
import signal
import socket
import threading

import click

from agents.commands.sensing import sensing
from agents.commands.shared import LOG_NAME, UNREACHABLE, fail, settings_from
from agents.commands.teachers import nodes_of
from agents.health import vitals_of
from agents.learner import learn
from agents.pipeline import ANSWERING
from agents.service import now_us
from agents.settings import Settings
from agents.teachers.scripted import ScriptedTeacher
from streams.transports import LogUnavailable, TransportError
from streams.transports.embedded_remote import RemoteLog


@click.command("learn", hidden=True)
@click.option("--pipe", type=int, required=True, help="Descriptor of the pipe to the writer.")
def learn_command(pipe: int) -> None:
    """Run what learns beside the service at the other end of the pipe."""
    settings = settings_from()
    try:
        asyncio.run(_learn(settings, connected(pipe)))
    except TransportError as error:
        fail(f"learner: {error}", UNREACHABLE)


def connected(descriptor: int) -> socket.socket:
    """Return the pipe; when its other end closes this process ends, even within a long search.

    The process holds nothing that could be lost: what it has not published it does again.
    """
    pipe = socket.socket(fileno=descriptor)
    pipe.set_inheritable(False)
    closed = select.poll()
    closed.register(os.dup(descriptor), 0)  # nothing but its end

    def leave() -> None:
        closed.poll()
        os._exit(UNREACHABLE)

    threading.Thread(target=leave, daemon=True).start()
    return pipe


async def _learn(settings: Settings, pipe: socket.socket) -> None:
    log = await RemoteLog.connect(settings.data / LOG_NAME, pipe)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, log.leave)
    every = nodes_of(settings, ScriptedTeacher({}))
    nodes = [node for node in every if node.name not in ANSWERING]
    try:
        with sensing(settings, vitals_of(node.name for node in nodes), "kappa") as sensor:
            await learn(nodes, log, now_us, sensor)
    except LogUnavailable:
        if not log.is_gone:  # else nobody is left to whom this would be a failure
            raise
    finally:
        await log.close()

"""The supervisor: keeps one learner running beside the service, as a process of its own.

start ─▶ serve its pipe until the end ─▶ wait for its exit ─▶ pause, 1 s … 30 s ─▶ start

Serving goes on meanwhile: the learner is behind, and says nothing wrong. Its successor starts when
the pipe was read to the end, so that it sees the positions of all that was stored. The learner is
started as a program of its own, never forked: a fork would hold the writer's place.
"""

import asyncio
import contextlib
import socket
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from agents.node import Node
from agents.service import Service
from streams.transports.embedded import EmbeddedLog
from streams.transports.embedded_frames import BadFrame
from streams.transports.embedded_remote import WriterEnd

FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
"""Seconds before a learner is started again; doubled each time, until one has lived so long."""

_EXIT_SECONDS = 5.0
"""How long a learner whose pipe has ended may take to exit before it is killed."""


@dataclass(slots=True)
class Supervisor:
    """Starts `command`, with the number of its pipe's descriptor as last argument, for ever.

    `nodes` are those that the command runs. `stored` is called after each of its publishes, `tell`
    with what people should know. `trouble` says why nothing is learned just now.
    """

    log: EmbeddedLog
    nodes: Sequence[Node]
    command: Sequence[str]
    environment: Mapping[str, str]
    stored: Callable[[], None]
    tell: Callable[[str], None]
    patience: float = 5.0
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    trouble: str | None = None
    process: Process | None = None
    _end: WriterEnd | None = None
    _is_stopping: bool = False

    async def run(self) -> None:
        """Keep a learner running until `stop`; raises what the log raises when it cannot write."""
        seconds = FIRST_PAUSE
        while True:
            began = self.clock()
            why = await self._once()
            if self._is_stopping:
                return
            if self.clock() - began >= LAST_PAUSE:
                seconds = FIRST_PAUSE
            self.trouble = f"the learner has ended, {why}; it starts again in {seconds:g} s"
            self.tell(self.trouble)
            await self.pause(seconds)
            seconds = min(2 * seconds, LAST_PAUSE)

    def news(self) -> None:
        """Tell the learner that records have come."""
        if self._end is not None:
            self._end.news()

    async def stop(self, task: asyncio.Task[None]) -> None:
        """Have the learner leave, and kill it after `patience` seconds; `task` is that of `run`."""
        self._is_stopping = True
        if self._end is not None:
            self._end.leave()
            await asyncio.wait((task,), timeout=self.patience)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _once(self) -> str:
        """Run one learner; return how it ended."""
        ours, theirs = socket.socketpair()
        try:
            self.process = process = await self._started(theirs)
        except OSError as error:
            ours.close()
            return f"it cannot be started: {error.strerror}"
        except BaseException:
            ours.close()
            raise
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            await self._served(reader, writer)
        except BadFrame as error:
            return f"it sent what is no frame: {error}"
        finally:
            self._end = None
            writer.close()  # a learner that still runs sees the end of its pipe, and exits
            await _exited(process)
        return f"exit status {process.returncode}"

    async def _started(self, pipe: socket.socket) -> Process:
        """Start the program at this end of the pipe, which is closed here.

        Its session is its own: Ctrl-C is for us, who then ask it to leave.
        """
        with pipe:
            number = pipe.fileno()
            return await asyncio.create_subprocess_exec(
                *self.command,
                str(number),
                pass_fds=(number,),
                stdin=DEVNULL,
                env=self.environment,
                start_new_session=True,
            )

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._end = WriterEnd(
            self.log,
            writer.transport,
            groups=frozenset(node.name for node in self.nodes),
            topics=frozenset(topic for node in self.nodes for topic in (*node.writes, "rejected")),
            stored=self.stored,
            ready=self._ready,
        )
        if self._is_stopping:
            self._end.leave()
        await self._end.serve(reader)

    def _ready(self) -> None:
        self.trouble = None


async def _exited(process: Process) -> None:
    """Wait for the exit of a process whose pipe has ended; kill it when it takes too long."""
    try:
        await asyncio.wait_for(process.wait(), _EXIT_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def supervised(supervisor: Supervisor, service: Service) -> AsyncIterator[None]:
    """Keep a learner beside the service while the block runs; it ends before the block does."""

    async def run() -> None:
        try:
            await supervisor.run()
        except Exception as error:
            service.fail(error)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        await supervisor.stop(task)

"""The service: nodes and the doors for people, in one process that writes the log.

    HTTP ─▶ publish ─▶ log ─▶ pump: one step of one node at a time, answers first ─▶ log
                        │       └▶ whoever waits is told of the terminal record
                        └▶ learners beside us are told that records have come

All state is a fold of the log, and outputs and positions are stored together: killed at any moment
and started again, the service goes on. Whoever asks a teacher does so through a window, so that no
answer waits for a slow teacher. Nodes that learn may run here or in a process beside (`learner`):
here a long search holds the answers up.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from agents.doors import TERMINAL_TOPICS, Beside, Terminal, UnknownAnswer, give_feedback
from agents.history import events_about
from agents.node import Asker, Node
from agents.runner import Decoder, Running, start, step
from agents.sensors import SILENT, Sensor
from agents.window import Window
from streams.codec import decode, encode, passthrough, sanitize
from streams.events import (
    AnswerGiven,
    CompletionGiven,
    CompletionRefused,
    UtteranceAsked,
)
from streams.transports import Headers, Outgoing, Reader, Transport, TransportError

_PAGE = 1000
_DRAIN_SECONDS = 5.0
"""How long a service that ends waits for what a teacher was asked."""


def now_us() -> int:
    """Return the time in UTC microseconds, whole milliseconds: brokers keep no finer ones."""
    return time.time_ns() // 1_000_000 * 1000


@dataclass(slots=True)
class Service:
    """Nodes on a log, pumped by one task; they are `Doors` meanwhile."""

    transport: Transport
    nodes: Sequence[Node]
    window: int = 64
    sensor: Sensor = SILENT
    beside: Beside | None = None
    running: list[Running] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    waiting: dict[tuple[str, str], list[asyncio.Future[Terminal]]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    terminals: Reader = field(init=False)
    failure: BaseException | None = None

    async def begin(self) -> None:
        """Rebuild every node's state and find the end of the log."""
        decoder = Decoder()
        for node in self.nodes:
            running = await start(node, self.transport, now_us, decoder.event, self.sensor)
            self.running.append(running)
            if isinstance(node, Asker):
                self.windows.append(Window(running, self.window, self.news))
        self.terminals = await self.transport.reader(TERMINAL_TOPICS, from_end=True)

    async def pump(self) -> None:
        """Run the nodes until something fails; what a transport raises ends the service."""
        try:
            while self.failure is None:
                self.news.clear()
                if self.beside is not None:
                    self.beside.news()
                if not await self._round():
                    await self.news.wait()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the service, of which this is the failure: whoever waits is let go."""
        if self.failure is None:
            self.failure = error
        for futures in self.waiting.values():
            for future in futures:
                future.cancel()
        self.news.set()

    async def _round(self) -> int:
        first, *others = (r for r in self.running if not isinstance(r.node, Asker))
        moved = await self._answer(first)
        for running in others:
            moved += await step(running)
            moved += await self._answer(first)
        return moved

    async def _answer(self, first: Running) -> int:
        """Let the first node, and whoever asks a teacher, go before every step of the others."""
        moved = await step(first)
        for window in self.windows:
            moved += await window.advance()
        if moved:
            await self._tell()
        await asyncio.sleep(0)  # teachers and clients have their turn
        return moved

    async def drain(self) -> None:
        """Give what the teachers were asked a bounded time; what is answered then is stored."""
        try:
            if self.failure is None:
                await asyncio.gather(*(window.drain(_DRAIN_SECONDS) for window in self.windows))
        finally:
            for window in self.windows:
                window.cancel()

    async def _tell(self) -> None:
        """Tell whoever waits of the terminal records that came since the last call."""
        while page := await self.terminals.read(_PAGE):
            for record in page:
                event = decode(record)
                if isinstance(event, AnswerGiven | CompletionGiven | CompletionRefused):
                    for future in self.waiting.pop((event.tenant, event.utterance_id), ()):
                        if not future.done():
                            future.set_result(event)

    async def ask(
        self,
        text: str,
        *,
        tenant: str,
        utterance_id: str | None = None,
        session: str | None = None,
        context: str | None = None,
        headers: Headers = (),
        wait: float = 0.0,
    ) -> tuple[str, Terminal | None]:
        """Store an utterance; wait up to `wait` seconds for its terminal record.

        `headers` are echoed on all that follows from it, if they are of those that are.
        Asking with an id that was asked before stores nothing and returns what is known of it.
        Raises ValueError for a text that no record can hold.
        """
        utterance_id = utterance_id or uuid.uuid4().hex
        asked, terminal = await self.known(tenant, utterance_id)
        if terminal is not None:
            return utterance_id, terminal
        if not asked:
            now = now_us()
            event = UtteranceAsked(
                utterance_id=utterance_id,
                tenant=tenant,
                session=session,
                text=sanitize(text),
                context=None if context is None else sanitize(context),
                asked_at=now,
            )
            await self.store(encode(event, timestamp=now, headers=passthrough(headers)))
        future: asyncio.Future[Terminal] = asyncio.get_running_loop().create_future()
        waiting = self.waiting.setdefault((tenant, utterance_id), [])
        waiting.append(future)
        try:
            return utterance_id, await asyncio.wait_for(future, wait)
        except TimeoutError:
            return utterance_id, None
        finally:
            waiting.remove(future)
            if not waiting and self.waiting.get((tenant, utterance_id)) is waiting:
                del self.waiting[tenant, utterance_id]

    async def known(self, tenant: str, utterance_id: str) -> tuple[bool, Terminal | None]:
        """Return whether the utterance was asked, and its terminal record if there is one."""
        asked, terminal = False, None
        for event in await events_about(self.transport, utterance_id, tenant):
            if isinstance(event, UtteranceAsked):
                asked = True
            elif isinstance(event, AnswerGiven | CompletionGiven | CompletionRefused):
                terminal = event
        return asked, terminal

    async def answer_ref(self, tenant: str, utterance_id: str) -> str:
        """Return the reference of a family's answer; raise UnknownAnswer where there is none."""
        _, terminal = await self.known(tenant, utterance_id)
        if not isinstance(terminal, AnswerGiven):
            raise UnknownAnswer(f"no family answered utterance {utterance_id!r} of {tenant!r}")
        return terminal.answer_ref

    async def give_feedback(
        self, utterance_id: str, verdict: str, *, tenant: str, correction: JsonValue, source: str
    ) -> None:
        """Store a verdict on a family's answer; raise UnknownAnswer where there is none."""
        await give_feedback(
            self, utterance_id, verdict, tenant=tenant, correction=correction, source=source,
            now=now_us(),
        )  # fmt: skip

    def asked_since(self, tenant: str, utterance_id: str) -> int:
        """Return 0: the log has an index."""
        return 0

    @property
    def is_ready(self) -> bool:
        """Whether the state of every node is rebuilt, and nothing has failed."""
        return len(self.running) == len(self.nodes) and self.failure is None

    async def store(self, outgoing: Outgoing) -> None:
        """Publish a record from outside; a log that refuses it ends the service."""
        try:
            await self.transport.publish([outgoing])
        except TransportError as error:
            self.fail(error)
            raise
        self.news.set()

    async def lag(self) -> int:
        """Return how many records wait for a node."""
        total = 0
        for node in (*self.nodes, *(self.beside.nodes if self.beside is not None else ())):
            positions = await self.transport.positions(node.name)
            for place, end in (await self.transport.ends(node.reads)).items():
                total += end - positions.get(place, 0)
        return total


@contextlib.asynccontextmanager
async def pumping(service: Service) -> AsyncIterator[Service]:
    """Begin the service and pump it while the block runs."""
    await service.begin()
    task = asyncio.create_task(service.pump())
    try:
        yield service
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await service.drain()
        if service.failure is not None:
            raise service.failure

"""The doors for people on a cluster: utterances in, terminal records out, without a node.

    POST /ask ─▶ utterances ─▶ the agents, wherever they run ─▶ matches, completions
                                                                    └▶ one reader ─▶ whoever waits

The reader is opened at the end of both topics before the first utterance is published, so no
terminal record is missed.

*Asked again with an id?* An embedded log finds an id by its index. A cluster has none: looking for
one reads everything. So the last ids that were asked here are remembered, within bounds, with their
terminal records. Any other id is stored once more, here or at another console, and that is all
right for who reads: a terminal record tells its (tenant, utterance_id), the first one counts, and
whatever is derived from the second has the ids of the first.
"""

import asyncio
import contextlib
import uuid
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from agents.doors import TERMINAL_TOPICS, Beside, Terminal, UnknownAnswer
from agents.metrics import Metrics
from agents.service import now_us
from streams.codec import decode, encode, passthrough, sanitize
from streams.events import AnswerGiven, CompletionGiven, CompletionRefused, UtteranceAsked
from streams.transports import (
    Headers,
    LogUnavailable,
    Outgoing,
    Reader,
    Record,
    Transport,
    TransportError,
)

MOST_IDS, MOST_BYTES = 10_000, 64 * 1_048_576
"""How many ids are remembered, and bytes of their terminal records."""

LOOK_BACK_US = 3_600_000_000
"""How far back the answer of an id that is not remembered is looked for: an hour."""

LOOK_LIMIT_S = 10.0
"""How long that may take."""

_SKEW_US = 60_000_000
_PAGE = 1000
_IDLE_S = 0.01

_Id = tuple[str, str]


@dataclass(slots=True)
class Remembered:
    """An utterance that was asked here: when, and what ended it, if that is known."""

    asked_at: int
    terminal: Terminal | None = None
    size: int = 0


@dataclass(slots=True)
class Recent:
    """The last utterances that were asked here, by tenant and id."""

    most_ids: int = MOST_IDS
    most_bytes: int = MOST_BYTES
    size: int = 0
    _kept: OrderedDict[_Id, Remembered] = field(default_factory=OrderedDict)
    _names: Counter[bytes] = field(default_factory=Counter)

    def get(self, name: _Id) -> Remembered | None:
        """Return what is remembered of an utterance."""
        return self._kept.get(name)

    def has(self, utterance_id: bytes) -> bool:
        """Whether some tenant's utterance of this id is remembered."""
        return utterance_id in self._names

    def add(self, name: _Id, asked_at: int) -> None:
        """Remember that an utterance is asked; the oldest may be forgotten for it."""
        self._kept[name] = Remembered(asked_at)
        self._names[name[1].encode()] += 1
        self._shrink()

    def end(self, name: _Id, terminal: Terminal, size: int) -> None:
        """Remember the terminal record of an utterance, the first one that comes."""
        known = self._kept.get(name)
        if known is not None and known.terminal is None:
            known.terminal, known.size = terminal, size
            self.size += size
            self._shrink()

    def forget(self, name: _Id) -> None:
        """Forget an utterance."""
        known = self._kept.pop(name, None)
        if known is not None:
            self.size -= known.size
            utterance_id = name[1].encode()
            self._names[utterance_id] -= 1
            if not self._names[utterance_id]:
                del self._names[utterance_id]

    def _shrink(self) -> None:
        while len(self._kept) > self.most_ids or self.size > self.most_bytes:
            self.forget(next(iter(self._kept)))


@dataclass(slots=True)
class ClusterDoors:
    """The `Doors` of agents that run elsewhere, on the same cluster."""

    transport: Transport
    metrics: Metrics = field(default_factory=Metrics)
    recent: Recent = field(default_factory=Recent)
    waiting: dict[_Id, list[asyncio.Future[Terminal | None]]] = field(default_factory=dict)
    terminals: Reader | None = None
    failure: BaseException | None = None
    beside: Beside | None = None

    @property
    def is_ready(self) -> bool:
        return self.terminals is not None and self.failure is None

    async def begin(self) -> None:
        """Find the ends of the topics of terminal records, and connect the producer."""
        await self.transport.publish(())
        self.terminals = await self.transport.reader(TERMINAL_TOPICS, from_end=True)

    async def listen(self) -> None:
        """Tell whoever waits of the terminal records, until something fails."""
        assert self.terminals is not None
        try:
            while self.failure is None:
                page = await self.terminals.read(_PAGE)
                for record in page:
                    self._tell(record)
                for topic, count in Counter([record.topic for record in page]).items():
                    self.metrics.count("kappa_records_total", "console", topic, by=count)
                await asyncio.sleep(0 if page else _IDLE_S)
        except TransportError as error:
            self.fail(error)

    def _tell(self, record: Record) -> None:
        """Tell of one record, which is decoded only if it may be about something asked here."""
        if not any(n == "utterance" and self.recent.has(v) for n, v in record.headers):
            return
        event = decode(record)
        if isinstance(event, AnswerGiven | CompletionGiven | CompletionRefused):
            name = (event.tenant, event.utterance_id)
            self.recent.end(name, event, len(record.value))
            for future in self.waiting.pop(name, ()):
                if not future.done():
                    future.set_result(event)

    def fail(self, error: BaseException) -> None:
        """End: this is the failure, and whoever waits is let go."""
        if self.failure is None:
            self.failure = error
        self.let_go()

    def let_go(self) -> None:
        """Tell all who wait that their answers are not there yet."""
        for futures in self.waiting.values():
            for future in futures:
                if not future.done():
                    future.set_result(None)

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

        One that was asked here not long ago is not stored again: what is known of it is returned.
        """
        utterance_id = utterance_id or uuid.uuid4().hex
        name = (tenant, utterance_id)
        known = self.recent.get(name)
        if known is not None and known.terminal is not None:
            return utterance_id, known.terminal
        future: asyncio.Future[Terminal | None] = asyncio.get_running_loop().create_future()
        waiting = self.waiting.setdefault(name, [])
        waiting.append(future)
        try:
            if known is None:
                await self._put(name, text, session, context, headers)
            return utterance_id, await asyncio.wait_for(future, wait)
        except TimeoutError:
            return utterance_id, None
        finally:
            waiting.remove(future)
            if not waiting and self.waiting.get(name) is waiting:
                del self.waiting[name]

    async def _put(
        self, name: _Id, text: str, session: str | None, context: str | None, headers: Headers
    ) -> None:
        now = now_us()
        event = UtteranceAsked(
            utterance_id=name[1],
            tenant=name[0],
            session=session,
            text=sanitize(text),
            context=None if context is None else sanitize(context),
            asked_at=now,
        )
        outgoing = encode(event, timestamp=now, headers=passthrough(headers))
        self.recent.add(name, now)
        try:
            await self.store(outgoing)
        except BaseException:
            self.recent.forget(name)
            raise

    async def store(self, outgoing: Outgoing) -> None:
        """Publish a record from outside; a cluster that refuses it ends the console."""
        if not self.is_ready:
            raise LogUnavailable(f"the console has ended or not begun: {self.failure or 'wait'}")
        try:
            await self.transport.publish([outgoing])
        except TransportError as error:
            self.fail(error)
            raise

    async def answer_ref(self, tenant: str, utterance_id: str) -> str:
        """Return the reference of a family's answer; look for it within the last hour."""
        known = self.recent.get((tenant, utterance_id))
        terminal = None if known is None else known.terminal
        if terminal is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_LIMIT_S):
                    terminal = await self._looked_for(tenant, utterance_id)
        if not isinstance(terminal, AnswerGiven):
            raise UnknownAnswer(
                f"no family's answer to utterance {utterance_id!r} of {tenant!r} was found within "
                "the last hour; give its answer_ref"
            )
        return terminal.answer_ref

    async def _looked_for(self, tenant: str, utterance_id: str) -> AnswerGiven | None:
        wanted = ("utterance", utterance_id.encode())
        async for record in self.transport.scan(("matches",), now_us() - LOOK_BACK_US):
            event = decode(record) if wanted in record.headers else None
            if isinstance(event, AnswerGiven) and event.tenant == tenant:
                return event
        return None

    def asked_since(self, tenant: str, utterance_id: str) -> int:
        """Return a time before an utterance was asked, if it was asked here not long ago."""
        known = self.recent.get((tenant, utterance_id))
        return 0 if known is None else known.asked_at - _SKEW_US

    async def lag(self) -> None:
        """Return nothing: each agent tells of its own lag."""
        return


@contextlib.asynccontextmanager
async def listening(doors: ClusterDoors) -> AsyncIterator[asyncio.Task[None]]:
    """Begin, and listen while the block runs; the task ends when the cluster fails."""
    await doors.begin()
    task = asyncio.create_task(doors.listen())
    try:
        yield task
    finally:
        doors.let_go()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

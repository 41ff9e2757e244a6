"""Simulation: the pipeline over a log of past answers, row by row, as if it had served them.

publish UtteranceAsked ─▶ matcher ─▶ decision ─▶ judge ─▶ what is revealed ─▶ drain the graph

It is the pipeline value of `kappa up`, with a virtual clock; nothing here learns or decides.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pydantic import JsonValue

from agents.judge import FEEDBACK_SOURCE, Audited, Decision, Judge, Rejected, Revealed
from agents.node import Decider, Node
from agents.pipeline import pipeline
from agents.runner import Decoder, Running, drain, start, step
from agents.teachers import Question, Refused, Reply
from agents.teachers.estimate import estimated
from artifacts.policy import Policies
from artifacts.registry import Registry
from streams.codec import encode
from streams.events import (
    AnswerGiven,
    AuditAsked,
    Event,
    FeedbackGiven,
    MatchAbstained,
    Revision,
    UtteranceAsked,
)
from streams.transports.embedded import EmbeddedLog

TENANT = "default"


class Asked(Protocol):
    """What the driver needs of a row: never its answer."""

    @property
    def text(self) -> str: ...
    @property
    def id(self) -> JsonValue: ...
    @property
    def asked_at(self) -> int | None: ...


@dataclass(slots=True)
class _Bench:
    """The teacher's seat in a simulation: answers with what the judge has revealed, no more.

    `rejected` is the row whose answer may be recalled, once.
    """

    judge: Judge
    rejected: Decision | None = None
    revealed: dict[str, JsonValue] = field(default_factory=dict)
    recalled: bool = False
    name: str = "recorded"
    prefix: str = ""

    async def answer(self, question: Question) -> Reply | Refused:
        """Return the revealed answer; for a rejected row, ask the judge for it."""
        if question.utterance_id in self.revealed:
            return estimated(question.text, self.revealed[question.utterance_id])
        rejected = self.rejected
        if rejected is None or self.recalled or question.utterance_id != str(rejected.index):
            return Refused("not revealed")
        self.recalled = True
        return estimated(question.text, self.judge.recall(rejected))

    def drawn(self, asked: AuditAsked) -> bool:
        """Return whether the judge has drawn this audit; one for a reject is the row's recall."""
        if asked.cause == "rejected":
            rejected = self.rejected
            return rejected is not None and asked.utterance_id == str(rejected.index)
        return asked.utterance_id in self.revealed


@dataclass(frozen=True, slots=True)
class Simulated:
    """One row's outcome. Times are wall-clock seconds."""

    decision: Decision
    audited: bool
    recalled: bool
    slotless: bool
    decide_seconds: float
    learn_seconds: float


@dataclass(slots=True)
class _Clock:
    now: int = 0

    def __call__(self) -> int:
        return self.now


async def _nothing() -> None:
    """Between steps a simulation has nothing else to do."""


class _Timed:
    """A decide function that keeps the time of its last utterance."""

    def __init__(self, decide: Callable[[Any, Event], tuple[Any, Sequence[Event]]]) -> None:
        self.inner, self.seconds = decide, 0.0

    def __call__(self, state: Any, event: Event) -> tuple[Any, Sequence[Event]]:
        started = time.perf_counter()
        outcome = self.inner(state, event)
        self.seconds = time.perf_counter() - started
        return outcome


@dataclass(slots=True)
class Simulation:
    """A pipeline that is fed row by row."""

    transport: EmbeddedLog
    judge: Judge
    policies: Policies
    clock: _Clock = field(default_factory=_Clock)
    index: int = 0
    sequence: int = 0
    running: list[Running] = field(default_factory=list)
    bench: _Bench = field(init=False)
    timed: _Timed = field(init=False)

    def __post_init__(self) -> None:
        self.bench = _Bench(self.judge)

    async def begin(self) -> None:
        """Start all nodes."""
        nodes = pipeline(
            self.bench,
            self.bench.drawn,
            policies=self.policies,
            trusted=frozenset({FEEDBACK_SOURCE}),
        )
        decoder = Decoder()
        for node in self._with_timer(nodes):
            self.running.append(await start(node, self.transport, self.clock, decoder.event))

    def _with_timer(self, nodes: Sequence[Node]) -> Iterator[Node]:
        for node in nodes:
            if isinstance(node, Decider) and node.name == "matcher":
                self.timed = _Timed(node.decide)
                yield replace(node, decide=self.timed)
            else:
                yield node

    @property
    def registry(self) -> Registry:
        """The snapshot that the matcher decides with."""
        registry = self.running[0].state.registry
        assert isinstance(registry, Registry)
        return registry

    async def row(self, asked: Asked) -> Simulated:
        """Put one row through the whole protocol."""
        utterance_id = str(self.index)
        now = asked.asked_at if asked.asked_at is not None else self.index * 1_000_000
        self.clock.now = now // 1000 * 1000  # brokers keep whole milliseconds
        utterance = UtteranceAsked(
            utterance_id=utterance_id, tenant=TENANT, text=asked.text, asked_at=asked.asked_at
        )
        await self.transport.publish([encode(utterance, timestamp=self.clock.now)])
        matcher = self.running[0]
        while await step(matcher):
            pass
        decided = await self._decided()
        started = time.perf_counter()
        decision = self._decision(asked, decided)
        self.bench.rejected, self.bench.recalled = None, False
        self.bench.revealed = {}
        verdict = self.judge.verdict(decision)
        match verdict:
            case Revealed(answer) | Audited(answer):
                self.bench.revealed[utterance_id] = answer
            case Rejected(source):
                self.bench.rejected = decision
                await self._reject(decided, source)
        await drain(self.running, _nothing)
        if isinstance(verdict, Rejected) and not self.bench.recalled:
            self.judge.no_recall(decision)
        self.bench.rejected = None
        self.index += 1
        return Simulated(
            decision,
            isinstance(verdict, Audited),
            self.bench.recalled,
            any(isinstance(e, AnswerGiven) and not e.slots for e in decided),
            self.timed.seconds,
            time.perf_counter() - started,
        )

    async def _decided(self) -> list[Event]:
        """Return what the matcher has just written."""
        records = await self.transport.read(("matches", "fallbacks"), self.sequence)
        self.sequence = records[-1].sequence + 1
        events = [self.running[0].decode(record) for record in records]
        return [e for e in events if isinstance(e, AnswerGiven | AuditAsked | MatchAbstained)]

    def _decision(self, asked: Asked, decided: Sequence[Event]) -> Decision:
        probability = next((e.probability for e in decided if isinstance(e, AuditAsked)), 0.0)
        match next(e for e in decided if isinstance(e, AnswerGiven | MatchAbstained)):
            case AnswerGiven() as given:
                return Decision(
                    self.index,
                    asked.id,
                    "answered",
                    given.answer,
                    given.family,
                    given.version,
                    shown_revision(given.revision),
                    None,
                    probability,
                )
            case MatchAbstained() as abstained:
                revision = shown_revision(abstained.revision)
                return Decision(
                    self.index, asked.id, "abstained", None, None, None, revision,
                    abstained.reason, 0.0,
                )  # fmt: skip

    async def _reject(self, decided: Sequence[Event], source: str) -> None:
        given = next(e for e in decided if isinstance(e, AnswerGiven))
        feedback = FeedbackGiven(answer_ref=given.answer_ref, verdict="reject", source=source)
        await self.transport.publish([encode(feedback, timestamp=self.clock.now)])


def shown_revision(revision: Revision) -> str:
    """Return a revision as people read it: ordinal, and the start of the digest."""
    return f"{revision.ordinal}-{revision.digest[:12] or 'empty'}"


async def simulate(
    rows: AsyncIterator[Asked], transport: EmbeddedLog, judge: Judge, policies: Policies
) -> AsyncIterator[tuple[Asked, Simulated, Simulation]]:
    """Yield every row with its outcome, as soon as its learning is done."""
    simulation = Simulation(transport, judge, policies)
    await simulation.begin()
    async for asked in rows:
        yield asked, await simulation.row(asked), simulation

"""One agent as `kappa run` runs it, but that it kills or freezes itself at a named point.

    python -m tests.kafka.faults.agent '{"agent": "matcher", "point": "sent", "nth": 3, …}'

The points are those of a transaction (see `Probe`) and `deciding`, before each decision or answer.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from agents.commands.run import leave, stopping_by_signal
from agents.commands.teachers import nodes_of, teacher_named
from agents.health import vitals_of
from agents.node import Decider, Node
from agents.processes import PROCESSES, log_for, run_process
from agents.sensors import SILENT
from agents.settings import Settings
from agents.teachers import Question, Refused, Reply, Teacher
from agents.teachers.demo import DemoTeacher
from streams.events import Event
from streams.transports import Fenced, TransportError, TurnLost
from streams.transports.kafka_connection import KafkaConnection, Timing


@dataclass(frozen=True)
class Given:
    """What to run, where, and at which point for the n-th time which signal strikes.

    `calls` is a file to which the demo's teacher adds its calls; `settings` may name another one.
    """

    agent: str
    bootstrap: str
    prefix: str
    slot: str = "0"
    timing: Sequence[int] = (6000, 1000, 2000, 1000)
    point: str = ""
    nth: int = 1
    sign: int = signal.SIGKILL
    calls: str = os.devnull
    window: int = 16
    settings: Mapping[str, Any] = field(default_factory=dict)


STUMBLE = 0


@dataclass
class Strike:
    """A probe that sends this process a signal at a point, once; STUMBLE raises an error there."""

    point: str
    left: int
    sign: int

    def __call__(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left == 0 and self.sign == STUMBLE:
                raise KafkaError("stumbled")
            if self.left == 0:
                os.kill(os.getpid(), self.sign)


@dataclass
class LoggedTeacher:
    """The demo's teacher; every call is a line in a file before it is answered."""

    calls: Path
    teacher: DemoTeacher
    name: str = "demo"
    prefix: str = ""

    async def answer(self, question: Question) -> Reply | Refused:
        with self.calls.open("a", encoding="utf-8") as file:
            file.write(question.utterance_id + "\n")
        await asyncio.sleep(0)
        return await self.teacher.answer(question)


def struck(node: Node, strike: Callable[[str], None]) -> Node:
    """Return the node with a point before each of its decisions."""
    if isinstance(node, Decider):

        def decide(state: Any, event: Event, decide: Any = node.decide) -> Any:
            strike("deciding")
            return decide(state, event)

        return replace(node, decide=decide)

    async def ask(event: Event, ask: Any = node.ask) -> Any:
        strike("deciding")
        return await ask(event)

    return replace(node, ask=ask)


async def run(given: Given) -> None:
    """Run the agent until it is told to stop."""
    process = PROCESSES[given.agent]
    settings = Settings(**({"audit_rate": 0.0} | given.settings))
    teacher: Teacher = LoggedTeacher(Path(given.calls), DemoTeacher(mistakes=0.0))
    if "teacher" in given.settings:
        teacher = teacher_named(settings)
    strike = Strike(given.point, given.nth, given.sign)
    nodes = [struck(n, strike) for n in nodes_of(settings, teacher) if n.name in process.nodes]
    vitals = vitals_of(process.nodes, stall_after=settings.stall_after)
    log = log_for(
        process,
        KafkaConnection(given.bootstrap, given.prefix),
        slot=given.slot,
        timing=Timing(*given.timing),
        probe=strike,
    )
    stopping = stopping_by_signal()
    try:
        await run_process(nodes, log, stopping, vitals, SILENT, window=given.window)
    except (Fenced, TurnLost) as error:
        print(f"left: {error!r}", flush=True)
        leave()


def main() -> None:
    """Run what the argument says."""
    try:
        asyncio.run(run(Given(**json.loads(sys.argv[1]))))
    except TransportError as error:
        print(f"ended: {error!r}", flush=True)
        sys.exit(4)


if __name__ == "__main__":
    main()

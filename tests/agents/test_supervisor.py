"""The supervisor: answers go on beside a long search, and a learner that ends begins again."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.fallback import fallback
from agents.matcher import matcher
from agents.service import Service, pumping
from agents.supervisor import Supervisor, supervised
from agents.teachers.scripted import ScriptedTeacher
from streams.codec import encode
from streams.events import AnswerGiven
from streams.transports.embedded import EmbeddedLog
from tests.agents.beside import searcher
from tests.agents.worlds import TENANT, UNAUDITED, minutes, registry_of

DEADLINE = 60.0


@dataclass
class Place:
    """A service with a learner beside it whose search the test holds."""

    log: EmbeddedLog
    service: Service
    supervisor: Supervisor
    begun: Path
    goes_on: Path
    stored: asyncio.Event = field(default_factory=asyncio.Event)
    troubles: list[str] = field(default_factory=list)

    async def search_begins(self) -> None:
        await asyncio.to_thread(self.begun.read_text)

    async def let_go(self) -> None:
        """Let the search go on, and wait until what it found is stored."""
        self.stored.clear()
        await asyncio.to_thread(self.goes_on.write_text, "")
        await self.stored.wait()

    async def learned(self) -> int:
        return (await self.log.ends(["learning"]))["learning", 0]


async def at_once(seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def place(directory: Path, patience: float = 30.0) -> AsyncIterator[Place]:
    path, begun, goes_on = (directory / name for name in ("kappa.db", "begun", "goes-on"))
    for fifo in (begun, goes_on):
        if not fifo.exists():
            os.mkfifo(fifo)
    log = EmbeddedLog.open(path)
    service = Service(log, [matcher(UNAUDITED), fallback(ScriptedTeacher({}), lambda _: False)])
    command = [sys.executable, "-m", "tests.agents.beside", *map(str, (path, begun, goes_on))]
    supervisor = Supervisor(
        log,
        [searcher(begun, goes_on)],
        command,
        dict(os.environ),
        stored=lambda: made.stored.set(),
        tell=lambda trouble: made.troubles.append(trouble),
        patience=patience,
        pause=at_once,
    )
    service.beside = supervisor
    made = Place(log, service, supervisor, begun, goes_on)
    try:
        async with asyncio.timeout(DEADLINE), pumping(service), supervised(supervisor, service):
            yield made
    finally:
        await log.close()


async def test_a_long_search_holds_no_answer_up(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        _, versions = registry_of(("m", minutes(), "live"))
        await here.log.publish([encode(event, timestamp=1) for event in versions])
        await here.service.ask("2 minutes to seconds", tenant=TENANT)
        await here.search_begins()
        for n in range(3, 60):
            _, answer = await here.service.ask(f"{n} minutes to seconds", tenant=TENANT, wait=30)
            assert isinstance(answer, AnswerGiven)
            assert answer.answer == str(n * 60)
        assert await here.learned() == 0
        assert await here.service.lag() == 58
        await here.let_go()
        assert await here.learned() == 1
        for _ in range(3, 60):
            await here.search_begins()
            await here.let_go()
        assert await here.service.lag() == 0
        assert here.troubles == []


async def test_a_search_that_does_not_end_is_left_and_done_again(tmp_path: Path) -> None:
    async with place(tmp_path, patience=0) as here:
        await here.service.ask("what", tenant=TENANT)
        await here.search_begins()
        process = here.supervisor.process
    assert process is not None
    assert process.returncode == 4  # it saw the end of its pipe, within the search
    async with place(tmp_path) as here:
        assert await here.learned() == 0
        await here.search_begins()
        await here.let_go()
        assert await here.learned() == 1
        assert await here.service.lag() == 0


async def test_a_service_that_ends_stores_what_its_learner_is_at(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        await here.service.ask("first", tenant=TENANT)
        await here.service.ask("second", tenant=TENANT)
        await here.search_begins()
        process = here.supervisor.process
        letting_go = asyncio.create_task(asyncio.to_thread(here.goes_on.write_text, ""))
    await letting_go
    assert process is not None
    assert process.returncode == 0
    log = EmbeddedLog.open(tmp_path / "kappa.db", read_only=True)
    assert await log.ends(["learning"]) == {("learning", 0): 1}
    assert await log.positions("searcher") == {("utterances", 0): 1}
    await log.close()


async def test_a_killed_learner_is_told_of_and_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        for n in range(3):
            await here.service.ask(f"what {n}", tenant=TENANT)
        for n in range(3):
            await here.search_begins()
            assert here.supervisor.process is not None
            here.supervisor.process.kill()
            await here.search_begins()
            await here.let_go()
            assert here.supervisor.trouble is None
            assert await here.learned() == n + 1
        assert len(here.troubles) == 3
        assert "exit status -9; it starts again in 1 s" in here.troubles[0]
        assert "it starts again in 2 s" in here.troubles[1]
        assert await here.service.lag() == 0


ENDS: list[tuple[str, list[str], str]] = [
    ("exits", [sys.executable, "-Sc", "raise SystemExit(3)"], "exit status 3"),
    ("is-no-program", ["/no/such/program"], "it cannot be started: No such file or directory"),
    (
        "talks-nonsense",
        [sys.executable, "-Sc", r"import os, sys; os.write(int(sys.argv[1]), b'\0\0\0\4junk')"],
        "it sent what is no frame: frame: Invalid JSON",
    ),
]


async def pauses_of(
    command: list[str], count: int, clock: Callable[[], float] = lambda: 0.0
) -> tuple[list[float], str | None]:
    """Return the pauses after which a command was started again, and what was told at last."""
    pauses: list[float] = []
    enough = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == count:
            enough.set()
            await asyncio.Event().wait()

    log, told = EmbeddedLog.open(":memory:"), list[str]()
    supervisor = Supervisor(
        log, [], command, {}, stored=lambda: None, tell=told.append, pause=pause, clock=clock
    )
    task = asyncio.create_task(supervisor.run())
    await asyncio.wait_for(enough.wait(), DEADLINE)
    await supervisor.stop(task)
    assert len(told) == count
    assert log.following == 0
    return pauses, supervisor.trouble


@pytest.mark.parametrize(("name", "command", "why"), ENDS, ids=[row[0] for row in ENDS])
async def test_how_a_learner_ended_is_told(name: str, command: list[str], why: str) -> None:
    pauses, trouble = await pauses_of(command, 1)
    assert pauses == [1.0]
    assert trouble is not None
    assert trouble.startswith(f"the learner has ended, {why}")
    assert trouble.endswith("; it starts again in 1 s")


async def test_pauses_double_up_to_half_a_minute() -> None:
    pauses, _ = await pauses_of(["/no/such/program"], 8)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


async def test_a_learner_that_lived_long_is_started_again_soon() -> None:
    times = iter([0.0, 1.0, 1.0, 2.0, 2.0, 40.0, 40.0, 41.0])
    pauses, _ = await pauses_of(["/no/such/program"], 4, lambda: next(times))
    assert pauses == [1.0, 2.0, 1.0, 2.0]

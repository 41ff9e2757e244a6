"""What is checked now and then: what is news is published, trouble is told, nothing else."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.checking import FIRST_PAUSE, MISSING, Checking, going_on, publish
from agents.history import records
from streams.events import ExpectationChecked, Window
from streams.transports import LogUnavailable
from streams.transports.embedded import EmbeddedLog


def result(
    passed: bool | None, expectation: str = "null-share", suite: str = "completions", until: int = 9
) -> ExpectationChecked:
    return ExpectationChecked(
        suite=suite, expectation=expectation, scope="t", passed=passed, observed=None,
        reason="because", rows=20, window=Window(since=1, until=until),
    )  # fmt: skip


def saying(text: str, status: int = 0) -> list[str]:
    """Return a program that prints a text and leaves with an exit status."""
    code = f"import sys; print({text!r}); print('so it is', file=sys.stderr); sys.exit({status})"
    return [sys.executable, "-c", code]


def results(*said: ExpectationChecked) -> list[str]:
    return saying(json.dumps([each.model_dump() for each in said]), 1)


@dataclass
class World:
    """Checks with one program after the other, and what came of it."""

    commands: Sequence[Sequence[str]]
    refusing: bool = False
    published: list[list[ExpectationChecked]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    async def run(self, every: float = 3600.0) -> None:
        checking = Checking((), {}, every, self._publish, self.told.append, self._pause)
        left = iter(self.commands)

        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)
            checking.command = next(left, ())
            if not checking.command:
                raise asyncio.CancelledError

        checking.pause = pause
        async with going_on(checking):
            await asyncio.wait_for(asyncio.shield(self._ended(checking)), 30)

    async def _ended(self, checking: Checking) -> None:
        while len(self.pauses) <= len(self.commands) and MISSING not in self.told:
            await asyncio.sleep(0.01)  # between two polls

    async def _pause(self, seconds: float) -> None:
        raise AssertionError("replaced")

    async def _publish(self, said: Sequence[ExpectationChecked]) -> None:
        if self.refusing:
            self.refusing = False
            raise LogUnavailable("the disk is full")
        self.published.append(list(said))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)


@pytest.mark.usefixtures("installed")
async def test_what_is_news_is_published_suite_by_suite() -> None:
    met, other, failed = result(True), result(True, "x", "records"), result(False, until=10)
    world = World([results(met, other), results(met, other), results(failed, other)])
    await world.run()
    assert world.published == [[met, other], [failed]]
    assert world.pauses == [FIRST_PAUSE, 3600.0, 3600.0, 3600.0]
    assert world.told == []


@pytest.mark.usefixtures("installed")
async def test_what_could_not_be_recorded_is_recorded_the_next_time() -> None:
    world = World([results(result(True)), results(result(True))], refusing=True)
    await world.run(every=5.0)
    assert world.published == [[result(True)]]
    assert world.told == ["results of expectations were not recorded: the disk is full"]
    assert world.pauses[0] == 5.0


TROUBLE = {
    "it-failed": (saying("", 2), "expectations were not checked: exit status 2, 'so it is'"),
    "it-said-no-result": (
        saying("[{}]"),
        "expectations were not checked: the check said what is no result: 8 problems",
    ),
    "it-is-not-there": (
        ["/nowhere/kappa"],
        "expectations were not checked: the check cannot be started: No such file or directory",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", TROUBLE)
async def test_trouble_is_told_and_the_next_check_is_made(name: str) -> None:
    command, said = TROUBLE[name]
    world = World([command, results(result(None))])
    await world.run()
    assert world.told == [said]
    assert world.published == [[result(None)]]


async def test_without_the_extra_that_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    world = World([results(result(True))])
    await world.run()
    assert (world.told, world.pauses) == ([MISSING], [])


async def test_what_failed_is_written_first(tmp_path: Path) -> None:
    log = EmbeddedLog.open(tmp_path / "log.db")
    given = [result(True, "a"), result(None, "b"), result(False, "c")]
    await publish(log, given, now=7)
    said = [event async for _, event in records(log, ("learning",))]
    await log.close()
    assert said == [given[2], given[0], given[1]]

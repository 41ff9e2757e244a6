"""The fleet: members are started again, and only what cannot be mended ends it."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.fleet import Fleet, Member, members

LIVES = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0) if sys.argv[4] == "polite" else None)
lives = pathlib.Path(sys.argv[1])
with lives.open("a") as file:
    file.write("life " + os.environ["KAPPA_RESTARTS"] + "\\n")
if len(lives.read_text().splitlines()) <= int(sys.argv[2]):
    sys.exit(int(sys.argv[3]))
while True:
    time.sleep(60)
"""


@dataclass
class World:
    """A fleet of programs that end `deaths` times with `status`, then live on."""

    home: Path
    deaths: int
    status: int
    manner: str = "polite"
    told: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    paused: asyncio.Event = field(default_factory=asyncio.Event)

    def fleet(self, *agents: str, stop_after: int) -> tuple[Fleet, asyncio.Event]:
        stopping = asyncio.Event()

        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)
            if len(self.pauses) == stop_after:
                stopping.set()
                await asyncio.Event().wait()

        fleet = Fleet(
            members(agents), self.command, {}, self.told.append, patience=5.0, pause=pause
        )
        return fleet, stopping

    def command(self, member: Member) -> Sequence[str]:
        lives = str(self.home / f"{member.agent}-{member.slot}")
        return (
            sys.executable, "-c", LIVES, lives, str(self.deaths), str(self.status), self.manner
        )  # fmt: skip


@pytest.mark.parametrize("status", [0, 4, 75], ids=["done", "unreachable", "left"])
async def test_a_member_that_ends_is_started_again_after_ever_longer_pauses(
    tmp_path: Path, status: int
) -> None:
    world = World(tmp_path, deaths=99, status=status)
    fleet, stopping = world.fleet("matcher", stop_after=7)
    assert await fleet.run(stopping) == 0
    assert world.pauses == [1, 2, 4, 8, 16, 30, 30]
    assert world.told[0] == (f"matcher-0 has ended, exit status {status}; it starts again in 1 s")
    assert (tmp_path / "matcher-0").read_text() == "".join(f"life {n}\n" for n in range(7))


@pytest.mark.parametrize("status", [1, 2], ids=["drift", "bad-settings"])
async def test_what_a_start_cannot_mend_ends_the_fleet(tmp_path: Path, status: int) -> None:
    world = World(tmp_path, deaths=99, status=status)
    fleet, stopping = world.fleet("matcher", stop_after=1)
    assert await fleet.run(stopping) == status
    assert world.told == [
        f"matcher-0 has ended, exit status {status}; a new start would not mend it"
    ]


@pytest.mark.parametrize(("manner", "status"), [("polite", 0), ("deaf", -9)])
async def test_all_are_told_to_stop_and_killed_when_they_do_not(
    tmp_path: Path, manner: str, status: int
) -> None:
    world = World(tmp_path, deaths=0, status=0, manner=manner)
    fleet, stopping = world.fleet("matcher", "matcher", "fallback", stop_after=0)
    fleet.patience = 5.0 if manner == "polite" else 0.2
    running = asyncio.create_task(fleet.run(stopping))
    names = [tmp_path / name for name in ("matcher-0", "matcher-1", "fallback-0")]
    async with asyncio.timeout(30):
        while not (len(fleet.processes) == 3 and all(name.exists() for name in names)):
            await asyncio.sleep(0.02)
    stopping.set()
    assert await running == 0
    assert {process.returncode for process in fleet.processes.values()} == {status}

"""The processes of a test: started, started again under the same slot, frozen, ended."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.transports.kafka_connection import KafkaConnection, Timing
from tests.kafka.faults.agent import STUMBLE

ROOT = Path(__file__).resolve().parents[3]
TOLD_TO_STOP, LEFT = 0, 75
NAMES = {STUMBLE: "abort", signal.SIGKILL: "kill -9", signal.SIGSTOP: "freeze"}
"""What a blow is called in the names of rows, and in the table."""

END_LIMIT_S = 40.0


@dataclass
class Member:
    """One process of an agent's slot."""

    agent: str
    slot: str
    process: asyncio.subprocess.Process
    said: Path

    @property
    def lives(self) -> bool:
        return self.process.returncode is None

    @property
    def is_frozen(self) -> bool:
        """Whether it has been stopped by a signal; Linux says so."""
        with contextlib.suppress(FileNotFoundError):
            state = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
            return state == "T"
        return False

    def send(self, sign: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, sign)

    async def ended(self, limit_s: float = END_LIMIT_S) -> int:
        """Wait for its end; return the exit status, negative for a signal."""
        try:
            async with asyncio.timeout(limit_s):
                return await self.process.wait()
        except TimeoutError:
            said = self.said.read_text()[-3000:]
            raise AssertionError(f"{self.agent} has not ended in {limit_s} s: {said}") from None


@dataclass
class Fleet:
    """All processes of one test on one part of a cluster; `exits` counts how they ended."""

    connection: KafkaConnection
    directory: Path
    timing: Timing
    common: dict[str, Any] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    exits: Counter[tuple[str, int]] = field(default_factory=Counter)
    _keepers: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, agent: str, slot: str = "0", **more: Any) -> Member:
        """Start a process."""
        t = self.timing
        given = {
            "agent": agent,
            "bootstrap": self.connection.bootstrap,
            "prefix": self.connection.prefix,
            "slot": slot,
            "timing": (t.session_ms, t.heartbeat_ms, t.transaction_ms, t.scan_ms),
            "calls": str(self.directory / "calls"),
        }
        said = self.directory / f"{agent}-{slot}-{len(self.members)}.log"
        with said.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.kafka.faults.agent",
                json.dumps(given | self.common | more),
                cwd=ROOT,
                stdout=file,
                stderr=asyncio.subprocess.STDOUT,
            )
        member = Member(agent, slot, process, said)
        self.members.append(member)
        return member

    def keep(self, agent: str, slot: str = "0", first: Member | None = None) -> None:
        """Start a process, and again whenever it has ended, until the fleet is ended."""

        async def keeping() -> None:
            member = first
            while True:
                member = member or await self.start(agent, slot)
                status = await member.process.wait()
                self.exits[agent, status] += 1
                if status == TOLD_TO_STOP:
                    return
                member = None

        self._keepers.append(asyncio.create_task(keeping()))

    def living(self, agent: str | None = None) -> list[Member]:
        return [m for m in self.members if m.lives and agent in (None, m.agent)]

    async def stop(self) -> None:
        """Tell all processes to stop, and wait until they have."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*map(self.told, self.living()))

    async def told(self, member: Member) -> None:
        """Tell a process to stop, and wait until it has."""
        member.send(signal.SIGTERM)
        status = await member.ended()
        was_starting = status == -signal.SIGTERM  # it had no handler yet
        said = member.said.read_text()[-3000:]
        assert status == TOLD_TO_STOP or was_starting, (member.agent, status, said)

    def end(self) -> None:
        """Kill whatever is left."""
        for keeper in self._keepers:
            keeper.cancel()
        for member in self.living():
            member.send(signal.SIGKILL)


@contextlib.asynccontextmanager
async def fleet(
    connection: KafkaConnection, directory: Path, timing: Timing, **common: Any
) -> AsyncIterator[Fleet]:
    """Have a fleet while the block runs."""
    made = Fleet(connection, directory, timing, common)
    try:
        yield made
    finally:
        made.end()
        for member in made.members:
            await member.process.wait()

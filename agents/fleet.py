"""The fleet: the processes of `kappa up` on a cluster, each started again when it ends.

start ─▶ wait for its end ─▶ pause, 1 s … 30 s ─▶ start

An agent leaves its place at once when another one may have it (status 75), and whatever else ends
it loses nothing: state is a fold of topics. Only a start that fails for what no other start would
mend ends the fleet: bad settings, and topics that differ from the table.
"""

import asyncio
import contextlib
import signal
import time
from asyncio.subprocess import DEVNULL, Process
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agents.supervisor import FIRST_PAUSE, LAST_PAUSE

PATIENCE_SECONDS = 30.0
"""How long agents may take to finish what is in hand before they are killed."""

HOPELESS = frozenset({1, 2})
"""Exit statuses that come again at every start: drift, and wrong use or settings."""


@dataclass(frozen=True, slots=True)
class Member:
    """One process of the fleet; `slot` tells it from others of its agent."""

    agent: str
    slot: str


def members(agents: Iterable[str]) -> tuple[Member, ...]:
    """Return a member for each agent named, the second of a name in the second slot.

    >>> [f"{each.agent}-{each.slot}" for each in members(["matcher", "fallback", "matcher"])]
    ['matcher-0', 'fallback-0', 'matcher-1']
    """
    seen: Counter[str] = Counter()
    made: list[Member] = []
    for agent in agents:
        made.append(Member(agent, str(seen[agent])))
        seen[agent] += 1
    return tuple(made)


@dataclass(slots=True)
class Fleet:
    """Keeps members running; `command` gives the program of one, `tell` says what happens."""

    members: Sequence[Member]
    command: Callable[[Member], Sequence[str]]
    environment: Mapping[str, str]
    tell: Callable[[str], None]
    patience: float = PATIENCE_SECONDS
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    processes: dict[Member, Process] = field(default_factory=dict)

    async def run(self, stopping: asyncio.Event) -> int:
        """Run until `stopping` is set or a start is hopeless; return the exit status."""
        keeping = [asyncio.create_task(self._keep(member)) for member in self.members]
        told = asyncio.create_task(stopping.wait())
        try:
            done, _ = await asyncio.wait({*keeping, told}, return_when=asyncio.FIRST_COMPLETED)
            return next((task.result() for task in keeping if task in done), 0)
        finally:
            for task in (*keeping, told):
                task.cancel()
            await asyncio.gather(*keeping, told, return_exceptions=True)
            await self._stop()

    async def _keep(self, member: Member) -> int:
        """Start a member again and again; return the status of a hopeless one."""
        seconds, name, restarts = FIRST_PAUSE, f"{member.agent}-{member.slot}", 0
        while True:
            began = self.clock()
            process = self.processes[member] = await self._started(member, restarts)
            status = await process.wait()
            lived = self.clock() - began
            if status in HOPELESS and lived < LAST_PAUSE:
                self.tell(f"{name} has ended, exit status {status}; a new start would not mend it")
                return status
            if lived >= LAST_PAUSE:
                seconds = FIRST_PAUSE
            self.tell(f"{name} has ended, exit status {status}; it starts again in {seconds:g} s")
            await self.pause(seconds)
            seconds, restarts = min(2 * seconds, LAST_PAUSE), restarts + 1

    async def _started(self, member: Member, restarts: int) -> Process:
        """Start a member in a session of its own: Ctrl-C is for us, who then tell it to stop."""
        return await asyncio.create_subprocess_exec(
            *self.command(member),
            stdin=DEVNULL,
            env={**self.environment, "KAPPA_RESTARTS": str(restarts)},
            start_new_session=True,
        )

    async def _stop(self) -> None:
        """Tell all to stop; kill those that take too long."""
        running = [each for each in self.processes.values() if each.returncode is None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        exits = [asyncio.create_task(process.wait()) for process in running]
        if exits:
            await asyncio.wait(exits, timeout=self.patience)
        for process in running:
            if process.returncode is None:
                process.kill()
        await asyncio.gather(*exits)

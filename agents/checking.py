"""Expectations checked now and then, beside the auditor: in a process of its own, which ends.

pause ─▶ `kappa audit --expectations --json` ─▶ results that are news ─▶ learning ─▶ pause …

Great Expectations would hold the interpreter up for seconds and keep its memory for ever: its
process lives as long as one check. It only reads; whoever starts it publishes. What is not news is
not published: a suite is told of when one of its verdicts changes, and once after a start.
"""

import asyncio
import contextlib
import importlib.util
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from streams.codec import encode
from streams.events import ExpectationChecked
from streams.transports import Transport, TransportError

FIRST_PAUSE = 60.0
"""Seconds before the first check, if not fewer lie between two."""

LONGEST = 900.0
"""Seconds after which a check is given up."""

MISSING = (
    "expectations are not checked: great_expectations is not installed, "
    "pip install 'kappa-pipeline[audit]'"
)

Verdicts = Mapping[str, bool | None]
_RESULTS = TypeAdapter(list[ExpectationChecked])


@dataclass(slots=True)
class Checking:
    """Runs `command` every so many seconds; `tell` is called with what people should know."""

    command: Sequence[str]
    environment: Mapping[str, str]
    every: float
    publish: Callable[[Sequence[ExpectationChecked]], Awaitable[None]]
    tell: Callable[[str], None]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    published: dict[tuple[str, str], Verdicts] = field(default_factory=dict)

    async def run(self) -> None:
        """Check for ever, or never where the extra is missing, which is told once."""
        if importlib.util.find_spec("great_expectations") is None:
            self.tell(MISSING)
            return
        await self.pause(min(self.every, FIRST_PAUSE))
        while True:
            found = await self._checked()
            if isinstance(found, str):
                self.tell(f"expectations were not checked: {found}")
            elif fresh := self._news(found):
                await self._published(fresh)
            await self.pause(self.every)

    async def _published(self, fresh: Sequence[ExpectationChecked]) -> None:
        try:
            await self.publish(fresh)
        except TransportError as error:  # whoever works on the log meets it, too, and decides
            self.published.clear()
            self.tell(f"results of expectations were not recorded: {error}")

    def _news(self, results: Sequence[ExpectationChecked]) -> list[ExpectationChecked]:
        """Return the results of the suites of which something is otherwise than published."""
        runs: dict[tuple[str, str], list[ExpectationChecked]] = defaultdict(list)
        for result in results:
            runs[result.scope, result.suite].append(result)
        fresh: list[ExpectationChecked] = []
        for run, said in runs.items():
            verdicts = {result.expectation: result.passed for result in said}
            if self.published.get(run) != verdicts:
                self.published[run] = verdicts
                fresh += said
        return fresh

    async def _checked(self) -> list[ExpectationChecked] | str:
        """Return the results of one check, or why there are none."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=self.environment,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return f"the check cannot be started: {error.strerror}"
        try:
            async with asyncio.timeout(LONGEST):
                said, trouble = await process.communicate()
        except TimeoutError:
            return f"the check took longer than {LONGEST:g} s"
        finally:
            await _ended(process)
        if process.returncode not in (0, 1):
            why = trouble.decode(errors="replace").strip().rpartition("\n")[2]
            return f"exit status {process.returncode}, {why!r}"
        try:
            return _RESULTS.validate_json(said)
        except ValidationError as error:
            return f"the check said what is no result: {error.error_count()} problems"


@contextlib.asynccontextmanager
async def going_on(checking: Checking | None) -> AsyncIterator[None]:
    """Check now and then while the block runs."""
    task = None if checking is None else asyncio.create_task(checking.run())
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def publish(log: Transport, results: Sequence[ExpectationChecked], now: int) -> None:
    """Write results, what failed first: a promotion between two of them is stopped as well."""
    ordered = sorted(results, key=lambda result: result.passed is not False)
    await log.publish([encode(result, timestamp=now) for result in ordered])


async def _ended(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

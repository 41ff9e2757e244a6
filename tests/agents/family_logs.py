"""Logs with a few family versions, made by the real registrar, for tests of what people do."""

from collections.abc import Sequence
from pathlib import Path

from agents.changes import PERSON
from agents.commands.shared import LOG_NAME
from agents.history import registry_at
from agents.registrar import registrar
from agents.runner import Running, start, step
from agents.service import now_us
from artifacts.artifact import Artifact
from artifacts.registry import Entry
from streams.codec import encode
from streams.events import Change, Event, VersionProposed
from streams.signing import ANYONE
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import TENANT, asked, atom, change, computing, minutes, served, shares

WIDER = computing(
    "mul", "60", "{n:integer} (minutes|mins) to seconds",
    [(f"{n} {unit} to seconds", str(60 * n))
     for n, unit in ((2, "minutes"), (5, "mins"), (5, "minutes"))],
)  # fmt: skip
RIGHT, RIVAL = minutes(), minutes(61)


class Bench:
    """An embedded log with the registrar on it, which decides whatever is put in at once."""

    def __init__(self, log: EmbeddedLog, registrar: Running) -> None:
        self.log, self._registrar = log, registrar

    @classmethod
    async def on(cls, data: Path, approval: frozenset[str] = frozenset()) -> "Bench":
        log = EmbeddedLog.open(data / LOG_NAME)
        return cls(log, await start(registrar(approval=approval), log, now_us))

    async def put(self, *events: Event) -> None:
        await self.log.publish([encode(event, timestamp=now_us()) for event in events])
        while await step(self._registrar):
            pass

    async def propose(
        self, lines: Sequence[Change], artifacts: Sequence[Artifact] = (), actor: str = "distiller"
    ) -> None:
        registry = await registry_at(self.log, ANYONE)
        documents = tuple(dict(artifact.document) for artifact in artifacts)
        await self.put(
            VersionProposed(
                scope=TENANT, actor=actor, reason="test", changes=tuple(lines),
                artifacts=documents, previous=registry.ordinal,
            )
        )  # fmt: skip

    async def entry(self, family: str, version: int = 1) -> Entry:
        entry = (await registry_at(self.log, ANYONE)).entry(TENANT, family, version)
        assert entry is not None
        return entry

    async def shadow(self, family: str, version: int, artifact: Artifact, seen: int) -> None:
        """Let a version into shadow, and let it agree so often."""
        await self.propose([change(family, version, artifact, "shadow")], [artifact])
        entry = await self.entry(family, version)
        await self.put(*(atom(entry, 100 * version + n) for n in range(seen)))


async def two_versions(data: Path, seen: int = 6, approval: frozenset[str] = frozenset()) -> None:
    """`m@1` serves and has answered; `m@2` reads more and has been seen to agree so often.

    `r@1`, with all its evidence, would clash with what `m@1` has answered; `s@1` has none.
    """
    bench = await Bench.on(data, approval)
    await bench.shadow("m", 1, RIGHT, 6)
    await bench.propose([change("m", 1, RIGHT, "live")], actor=PERSON)
    entry = await bench.entry("m")
    for n in (9, 11):
        text = f"{n} minutes to seconds"
        await bench.put(asked(text, f"u{n}"), served(entry, text, str(60 * n), f"u{n}"))
    await bench.put(asked("7 mins to seconds", "u7"), asked("9 mins to seconds", "v", "other"))
    await bench.put(asked("8 mins to seconds", "u8", context="of an hour"))
    await bench.shadow("m", 2, WIDER, seen)
    await bench.shadow("r", 1, RIVAL, 6)
    await bench.shadow("s", 1, shares(), 0)
    await bench.log.close()

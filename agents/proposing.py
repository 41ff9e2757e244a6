"""A person's proposal on its way: published once, and the registrar's decision waited for.

    VersionProposed + correlation-id ─▶ proposals ─▶ registrar ─▶ VersionChanged | ProposalRefused
                                                         └▶ RecordRejected, when it fails at it

The pipeline echoes the correlation-id on whatever follows, and on what follows from that: learners
may propose again under the same one. So a decision is the first record with it that decides on
something that a person proposed. The reader is opened before the proposal is published, so that no
decision is missed; what comes too late is found by its correlation-id.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, assert_never

from pydantic import BaseModel, ConfigDict, Field

from agents.changes import PERSON
from agents.node import Decider
from agents.runner import start, step
from agents.service import now_us
from streams.codec import decode, encode
from streams.events import (
    Change,
    CheckMade,
    ProposalRefused,
    RecordRejected,
    Share,
    Stage,
    VersionChanged,
    VersionProposed,
)
from streams.transports import Outgoing, Record, Transport

Decision = VersionChanged | ProposalRefused | RecordRejected

MAX_CHANGES = 1000
_DECIDED_ON = ("versions", "learning", "rejected")
_PAGE = 1000
_IDLE_S = 0.02


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class WantedChange(_Body):
    """One line of the change set that somebody wants."""

    family: str = Field(min_length=1, max_length=500)
    version: int = Field(ge=1, le=2**31)
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    stage: Stage
    share: Share | None = None


class Wanted(_Body):
    """What a person wants, as it comes in from outside: changes of versions that are there."""

    scope: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=2000)
    changes: tuple[WantedChange, ...] = Field(min_length=1, max_length=MAX_CHANGES)
    previous: int = Field(ge=0, le=2**53)

    def event(self) -> VersionProposed:
        """Return the proposal; its actor is always a person."""
        return VersionProposed(
            scope=self.scope,
            actor=PERSON,
            reason=self.reason,
            changes=tuple(Change(**vars(change)) for change in self.changes),
            previous=self.previous,
        )


async def propose(
    log: Transport,
    event: VersionProposed,
    *,
    store: Callable[[Outgoing], Awaitable[None]],
    turn: Callable[[], Awaitable[object]],
    wait: float,
) -> tuple[str, Decision | None]:
    """Publish a proposal; return its correlation-id, and the decision if it came in time.

    `store` publishes, `turn` is awaited between two looks at the log and lets others go on.
    """
    correlation = uuid.uuid4().hex
    reader = await log.reader(_DECIDED_ON, from_end=True)
    try:
        headers = (("correlation-id", correlation.encode()),)
        await store(encode(event, timestamp=now_us(), headers=headers))
        async with asyncio.timeout(wait):
            while True:
                for record in await reader.read(_PAGE):
                    if (decision := _decision(record, headers[0])) is not None:
                        return correlation, decision
                await turn()
    except TimeoutError:
        return correlation, None
    finally:
        await reader.close()


def _decision(record: Record, header: tuple[str, bytes]) -> Decision | None:
    if header not in record.headers:
        return None
    event = decode(record)
    match event:
        case VersionChanged() | ProposalRefused() if event.actor == PERSON:
            return event
        case RecordRejected(topic="proposals"):
            return event
        case _:
            return None


async def patience() -> None:
    """Let whoever decides go on elsewhere."""
    await asyncio.sleep(_IDLE_S)


async def propose_to(
    node: Decider, log: Transport, event: VersionProposed, *, wait: float
) -> tuple[str, Decision | None]:
    """Publish a proposal on a log that nobody runs, and let its registrar decide here.

    What waited for the registrar before is decided before.
    """
    registrar = await start(node, log, now_us)

    async def store(outgoing: Outgoing) -> None:
        await log.publish([outgoing])
        while await step(registrar):
            pass

    async def turn() -> None:
        await step(registrar)
        await asyncio.sleep(0)  # the time-out has its turn

    return await propose(log, event, store=store, turn=turn, wait=wait)


def decision_document(correlation: str, decision: Decision | None) -> dict[str, Any]:
    """Return what whoever proposed is told: `outcome` is changed, refused or pending."""
    known = {"correlation_id": correlation}
    match decision:
        case None:
            return known | {"outcome": "pending"}
        case VersionChanged():
            return known | {
                "outcome": "changed",
                "ordinal": decision.ordinal,
                "scope": decision.scope,
                "changes": [
                    change.model_dump(exclude_defaults=True) for change in decision.changes
                ],
                "checks": _checks(decision.checks),
            }
        case ProposalRefused():
            return known | {
                "outcome": "refused",
                "scope": decision.scope,
                "changes": [
                    change.model_dump(exclude_defaults=True) for change in decision.changes
                ],
                "checks": _checks(decision.checks),
            }
        case RecordRejected():
            check = CheckMade(check="registrar", passed=False, reason=decision.reason)
            return known | {"outcome": "refused", "checks": _checks((check,))}
        case _:
            assert_never(decision)


def _checks(checks: tuple[CheckMade, ...]) -> list[dict[str, Any]]:
    return [check.model_dump() for check in checks]

"""Reading back what lies in a log: events in order, and registries at any revision."""

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TypeVar

from immutables import Map

from agents.comparisons import weighed
from agents.registries import taken
from artifacts.evidence import Evidence
from artifacts.registry import Registry
from artifacts.steering import Steering
from streams.codec import Undecodable, decode
from streams.events import (
    ComparisonMade,
    Event,
    RegistryCheckpoint,
    VersionChanged,
    VersionRefused,
)
from streams.signing import Trust
from streams.topics import SUBJECT_TOPICS
from streams.transports import LogCorrupt, Record, Transport

_logger = logging.getLogger("kappa.history")

_T = TypeVar("_T")


@contextlib.asynccontextmanager
async def closed_after(stream: AsyncIterator[_T]) -> AsyncIterator[AsyncIterator[_T]]:
    """Give a stream, and close it with the block, read to its end or not."""
    try:
        yield stream
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()


async def records(
    transport: Transport, topics: Sequence[str], since: int = 0
) -> AsyncIterator[tuple[Record, Event]]:
    """Yield the decodable records of some topics in order, each with its event."""
    async with closed_after(transport.scan(topics, since)) as scanned:
        async for record in scanned:
            event = decode(record)
            if not isinstance(event, Undecodable):
                yield record, event


async def events_about(
    transport: Transport, utterance_id: str, tenant: str | None = None, since: int = 0
) -> list[Event]:
    """Return what lies in the log about an utterance of one tenant, or of any; in order.

    `since` is a time before which there is nothing, where one is known: a log without an index is
    read from there.
    """
    if since > 0:
        wanted = ("utterance", utterance_id.encode())
        scanned = transport.scan(SUBJECT_TOPICS, since)
        found = [decode(record) async for record in scanned if wanted in record.headers]
    else:
        found = [decode(record) for record in await transport.find(utterance_id)]
    return [
        event
        for event in found
        if not isinstance(event, Undecodable) and tenant in (None, vars(event).get("tenant"))
    ]


async def registry_at(transport: Transport, trust: Trust, ordinal: int | None = None) -> Registry:
    """Return the registry after the change set `ordinal`, or after the last one.

    Change sets that are refused are passed over, whatever ordinal they claim, with a warning.

    Raises LogCorrupt where the fold does not have the digest that a checkpoint recorded.
    """
    recorded = await _checkpoints(transport)
    registry = Registry()
    refused: list[VersionRefused] = []
    async with closed_after(records(transport, ("versions",))) as changes:
        async for _, event in changes:
            if isinstance(event, VersionChanged):
                if ordinal is not None and registry.ordinal >= ordinal:
                    break
                registry, why = taken(registry, event, trust, "history")
                refused += why
                _refuse_other(recorded.get(registry.ordinal), registry)
    wanted = recorded if ordinal is None else [at for at in recorded if at <= ordinal]
    missed = [at for at in wanted if at > registry.ordinal]
    _refuse_other(recorded[min(missed)] if missed else None, registry)
    if refused:
        _logger.warning(
            "%d change sets were passed over; the first of them, %d: %s",
            len(refused),
            refused[0].ordinal,
            refused[0].reason,
        )
    return registry


async def _checkpoints(transport: Transport) -> dict[int, tuple[int, RegistryCheckpoint]]:
    """Return the checkpoints by ordinal, each with its offset.

    They are read before the versions and not beside them: on a cluster there is no order between
    two topics within a millisecond, but a checkpoint never comes before its change set.
    """
    return {
        event.ordinal: (record.offset, event.model_copy(update={"families": ()}))
        async for record, event in records(transport, ("checkpoints",))
        if isinstance(event, RegistryCheckpoint)
    }


def _refuse_other(recorded: tuple[int, RegistryCheckpoint] | None, registry: Registry) -> None:
    if recorded is None:
        return
    offset, event = recorded
    if (registry.ordinal, registry.digest) != (event.ordinal, event.digest):
        raise LogCorrupt(
            f"checkpoints/{offset}: the registry is {registry.ordinal}-{registry.digest[:12]}, "
            f"recorded was {event.ordinal}-{event.digest[:12]}"
        )


async def weighed_of(transport: Transport) -> tuple[Evidence, Map[str, Steering]]:
    """Return the fold of all evidence in the log, and what it makes of admission by scope."""
    evidence, steerings = Evidence(), Map[str, Steering]()
    async for _, event in records(transport, ("evidence",)):
        if isinstance(event, ComparisonMade):
            evidence, steerings = weighed(evidence, steerings, event)
    return evidence, steerings


async def evidence_of(transport: Transport) -> Evidence:
    """Return the fold of all evidence in the log."""
    return (await weighed_of(transport))[0]

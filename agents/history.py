"""Reading back what lies in a log: events in order, and registries at any revision."""

import logging
from collections.abc import AsyncIterator, Sequence

from agents.comparisons import atom_of
from agents.registries import taken
from artifacts.evidence import Evidence, fold
from artifacts.registry import Registry
from streams.codec import Undecodable, decode
from streams.events import (
    ComparisonMade,
    Event,
    RegistryCheckpoint,
    VersionChanged,
    VersionRefused,
)
from streams.signing import Trust
from streams.transports import LogCorrupt, Record, Transport

_logger = logging.getLogger("kappa.history")


async def records(
    transport: Transport, topics: Sequence[str], since: int = 0
) -> AsyncIterator[tuple[Record, Event]]:
    """Yield the decodable records of some topics in order, each with its event."""
    async for record in transport.scan(topics, since):
        event = decode(record)
        if not isinstance(event, Undecodable):
            yield record, event


async def events_about(
    transport: Transport, utterance_id: str, tenant: str | None = None
) -> list[Event]:
    """Return what lies in the log about an utterance of one tenant, or of any; in order."""
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
    registry = Registry()
    refused: list[VersionRefused] = []
    async for record, event in records(transport, ("versions", "checkpoints")):
        if isinstance(event, VersionChanged):
            if ordinal is not None and registry.ordinal >= ordinal:
                break
            registry, why = taken(registry, event, trust, "history")
            refused += why
        elif isinstance(event, RegistryCheckpoint):
            at = (registry.ordinal, registry.digest)
            if at != (event.ordinal, event.digest):
                raise LogCorrupt(
                    f"checkpoints/{record.offset}: the registry is {at[0]}-{at[1][:12]}, "
                    f"recorded was {event.ordinal}-{event.digest[:12]}"
                )
    if refused:
        _logger.warning(
            "%d change sets were passed over; the first of them, %d: %s",
            len(refused),
            refused[0].ordinal,
            refused[0].reason,
        )
    return registry


async def evidence_of(transport: Transport) -> Evidence:
    """Return the fold of all evidence in the log."""
    evidence = Evidence()
    async for _, event in records(transport, ("evidence",)):
        if isinstance(event, ComparisonMade):
            evidence = fold(evidence, atom_of(event))
    return evidence

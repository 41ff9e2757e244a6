"""The facts of the families that lie in a log, as documents."""

import asyncio
from typing import Any

from agents.comparisons import atom_of, claim_of
from agents.history import evidence_of, registry_at
from agents.registries import folded
from artifacts.description import description_bits
from artifacts.evidence import Evidence, anytime_upper, fold, shortfall
from artifacts.grammar.textform import print_grammar
from artifacts.policy import Policies
from artifacts.program.printing import print_program
from artifacts.registry import Entry, Registry
from streams.codec import Undecodable, decode
from streams.events import ComparisonMade, Event, VersionChanged
from streams.signing import Trust
from streams.transports import Reader, Transport

_PAGE = 1000


def family_row(entry: Entry, evidence: Evidence, policies: Policies) -> dict[str, Any]:
    """Return the facts of one family version as a JSON document."""
    digest = entry.artifact.digest
    tally = evidence.tally(digest, entry.since)
    bounds = {
        stratum: {
            "samples": sampled.samples,
            "errors": sampled.errors,
            "error_bound_95": anytime_upper(sampled.errors, sampled.samples),
        }
        for stratum in ("replay", "phi", "shadow", "audit")
        if (sampled := evidence.sampled.get((digest, "teacher", stratum))) is not None
    }
    return {
        "scope": entry.scope,
        "family": entry.family,
        "version": entry.version,
        "stage": entry.stage,
        "share": entry.share,
        "digest": digest,
        "grammar": print_grammar(entry.artifact.grammar),
        "program": print_program(entry.artifact.program),
        "agreements": tally.agreements,
        "disagreements": tally.disagreements,
        "bits": round(tally.bits, 1),
        "description_bits": description_bits(entry.artifact),
        "missing": shortfall(tally, claim_of(entry), policies.of(entry.scope)),
        "returns": entry.returns,
        "suspended": entry.suspended,
        "bounds": bounds,
        "cost_bound": entry.artifact.document["cost"],
        "slotless": entry.artifact.is_slotless,
    }


async def family_rows(log: Transport, trust: Trust, policies: Policies) -> list[dict[str, Any]]:
    """Return the facts of every family version in the log, in a fixed order."""
    registry, evidence = await registry_at(log, trust), await evidence_of(log)
    return [family_row(entry, evidence, policies) for entry in registry.in_order()]


class Families:
    """The facts of every family version, kept up to date: each asking reads only what has come."""

    def __init__(self, log: Transport, trust: Trust, policies: Policies) -> None:
        self._log, self._trust, self._policies = log, trust, policies
        self._registry, self._evidence = Registry(), Evidence()
        self._reader: Reader | None = None
        self._reading = asyncio.Lock()

    async def rows(self) -> list[dict[str, Any]]:
        """Return the facts of every family version, in a fixed order."""
        async with self._reading:
            if self._reader is None:
                self._reader = await self._log.reader(("versions", "evidence"))
            while page := await self._reader.read(_PAGE):
                for record in page:
                    self._fold(decode(record))
                await asyncio.sleep(0)  # others have their turn
            entries = list(self._registry.in_order())
        return [family_row(entry, self._evidence, self._policies) for entry in entries]

    def _fold(self, event: Event | Undecodable) -> None:
        match event:
            case VersionChanged():
                self._registry = folded(self._registry, event, self._trust)
            case ComparisonMade():
                self._evidence = fold(self._evidence, atom_of(event))
            case _:
                pass

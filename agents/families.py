"""The facts of the families that lie in a log, as documents."""

from typing import Any

from agents.comparisons import claim_of
from agents.history import evidence_of, registry_at
from artifacts.evidence import Evidence, anytime_upper, shortfall
from artifacts.grammar.textform import print_grammar
from artifacts.policy import DEFAULT
from artifacts.program.printing import print_program
from artifacts.registry import Entry
from streams.signing import Trust
from streams.transports import Transport


def family_row(entry: Entry, evidence: Evidence) -> dict[str, Any]:
    """Return the facts of one family version as a JSON document."""
    digest = entry.artifact.digest
    tally = evidence.tally(digest, entry.since)
    bounds = {
        stratum: {
            "samples": sampled.samples,
            "errors": sampled.errors,
            "error_bound_95": anytime_upper(sampled.errors, sampled.samples),
        }
        for stratum in ("replay", "shadow", "audit")
        if (sampled := evidence.sampled.get((digest, stratum))) is not None
    }
    return {
        "scope": entry.scope,
        "family": entry.family,
        "version": entry.version,
        "stage": entry.stage,
        "digest": digest,
        "grammar": print_grammar(entry.artifact.grammar),
        "program": print_program(entry.artifact.program),
        "agreements": tally.agreements,
        "disagreements": tally.disagreements,
        "bits": round(tally.bits, 1),
        "missing": shortfall(tally, claim_of(entry), DEFAULT),
        "returns": entry.returns,
        "bounds": bounds,
        "cost_bound": entry.artifact.document["cost"],
        "slotless": entry.artifact.is_slotless,
    }


async def family_rows(log: Transport, trust: Trust) -> list[dict[str, Any]]:
    """Return the facts of every family version in the log, in a fixed order."""
    registry, evidence = await registry_at(log, trust), await evidence_of(log)
    return [family_row(entry, evidence) for entry in registry.in_order()]

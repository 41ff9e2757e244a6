"""Versions in shadow, and canaries: what each has shown, still lacks, and the gate said of it last.

That a version waits for a person is read from the log, where the gate has refused an agent for it,
and not from the settings of whoever looks.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from agents.changes import APPROVAL
from agents.comparisons import claim_of
from agents.history import records, registry_at, weighed_of
from artifacts.evidence import Evidence, needs, shortfall
from artifacts.policy import Policies, Policy
from artifacts.registry import Entry
from artifacts.stages import STAGES
from artifacts.steering import Steering, steered
from streams.events import ProposalRefused, VersionChanged
from streams.signing import Trust
from streams.transports import Transport

_OF_THEN = frozenset({"previous", "evidence"})
"""Checks whose reasons are outdated: what lacks now is told beside them."""

_Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Reasons by check: of those that refused and would again, and what the others have noted."""

    refused: Mapping[str, str] = field(default_factory=dict)
    noted: Mapping[str, str] = field(default_factory=dict)


async def waiting_rows(log: Transport, trust: Trust, policies: Policies) -> list[dict[str, Any]]:
    """Return the facts of every version in shadow and every canary, in a fixed order."""
    refused = await _refusals(log)
    registry, (evidence, steerings) = await registry_at(log, trust), await weighed_of(log)
    return [
        _row(
            entry,
            evidence,
            steered(policies.of(entry.scope), steerings.get(entry.scope, Steering())),
            refused.get((entry.scope, *entry.key), Refusal()),
        )
        for entry in registry.in_order()
        if STAGES[entry.stage].compared and entry.stage != "live"
    ]


def _row(entry: Entry, evidence: Evidence, policy: Policy, last: Refusal) -> dict[str, Any]:
    tally, claim = evidence.tally(entry.artifact.digest, entry.since), claim_of(entry)
    missing = shortfall(tally, claim, policy)
    return {
        "scope": entry.scope,
        "family": entry.family,
        "version": entry.version,
        "stage": entry.stage,
        "share": entry.share,
        "digest": entry.artifact.digest,
        "since": entry.since,
        "returns": entry.returns,
        "suspended": entry.suspended,
        "disagreements": tally.disagreements,
        "needs": [asdict(need) for need in needs(tally, claim, policy)],
        "missing": missing,
        "waits_for_approval": missing is None and APPROVAL in last.refused,
        "refused": dict(last.refused),
        "noted": dict(last.noted),
    }


async def _refusals(log: Transport) -> dict[_Key, Refusal]:
    """Return why each version was kept out of service the last time, since it entered shadow."""
    found: dict[_Key, Refusal] = {}
    async for _, event in records(log, ("versions", "learning")):
        match event:
            case VersionChanged():
                for change in event.changes:
                    found.pop((event.scope, change.family, change.version), None)
            case ProposalRefused():
                for change in event.changes:
                    if STAGES[change.stage].serves:
                        found[event.scope, change.family, change.version] = _refusal(event)
            case _:
                pass
    return found


def _refusal(event: ProposalRefused) -> Refusal:
    checks = [check for check in event.checks if check.check not in _OF_THEN]
    return Refusal(
        {check.check: check.reason for check in checks if not check.passed},
        {check.check: check.reason for check in checks if check.passed and check.reason},
    )

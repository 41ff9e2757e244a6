"""Change sets that move versions which are there already: promotion, retirement, rollback.

The auditor and people want the same things of the registry; what each means is written here once.
Whether it happens is the gate's business: a change set that the stage table forbids anyway is
`Unfit`, and why.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.registries import change_of
from artifacts.registry import Entry, Registry
from artifacts.stages import STAGES, StageName, may_follow
from streams.events import Change

PERSON = "person"
"""The actor of what people propose."""

APPROVAL = "approval"
"""The check of the gate that lets nobody but a person put a version into service."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why no change set can be what was asked for."""

    why: str


ChangeSet = tuple[Change, ...]


def versions_named(
    registry: Registry, family: str, scope: str | None = None
) -> tuple[Entry, ...] | Unfit:
    """Return all versions of a family, oldest first; `scope` may be left out where one has it."""
    scopes = sorted({e.scope for e in registry.in_order() if e.family == family})
    if scope is not None:
        scopes = [scope] if scope in scopes else []
    match scopes:
        case []:
            return Unfit(f"no family {family!r}" + (f" of {scope!r}" if scope else ""))
        case [only]:
            return registry.versions(only, family)
        case _:
            return Unfit(f"family {family!r} is in the scopes {', '.join(scopes)}; say which")


def version_of(versions: Sequence[Entry], version: int) -> Entry | Unfit:
    """Return the version with this number."""
    if 1 <= version <= len(versions):
        return versions[version - 1]
    return Unfit(f"{versions[0].family} has versions 1 to {len(versions)}, and no {version}")


def promotion(registry: Registry, entry: Entry) -> ChangeSet:
    """Return the change set that makes a version live and retires the older ones."""
    return (
        change_of(entry, "live"),
        *(
            change_of(other, "retired")
            for other in registry.versions(entry.scope, entry.family)
            if STAGES[other.stage].compared and other.version < entry.version
        ),
    )


def canary(entry: Entry, share: float) -> ChangeSet:
    """Return the change set that makes a version a canary; the older ones stay until it is live."""
    return (change_of(entry, "canary", share),)


def wanted_canary(
    _: Registry, versions: Sequence[Entry], version: int | None, share: float
) -> ChangeSet | Unfit:
    """Return the change set that lets a version, or the newest that may, answer a share."""
    if not share:
        return Unfit(f"canary_share of {versions[0].scope} is 0: say which share")
    entry = _chosen(versions, version, "canary")
    return entry if isinstance(entry, Unfit) else canary(entry, share)


def wanted_promotion(
    registry: Registry, versions: Sequence[Entry], version: int | None
) -> ChangeSet | Unfit:
    """Return the promotion of a version; without one, of the newest that may become live."""
    entry = _chosen(versions, version, "live")
    return entry if isinstance(entry, Unfit) else promotion(registry, entry)


def wanted_retirement(
    registry: Registry, versions: Sequence[Entry], version: int | None
) -> ChangeSet | Unfit:
    """Return the change set that retires a version; without one, all of the family."""
    if version is None:
        left = tuple(change_of(e, "retired") for e in versions if may_follow(e.stage, "retired"))
        return left or Unfit(f"{versions[0].family}: every version is retired already")
    entry = _chosen(versions, version, "retired")
    return entry if isinstance(entry, Unfit) else (change_of(entry, "retired"),)


def wanted_rollback(
    registry: Registry, versions: Sequence[Entry], version: int | None
) -> ChangeSet | Unfit:
    """Return the change set that retires the serving version and puts the one before into shadow.

    What lies in shadow already stays there, with the evidence that it has.
    """
    if version is None:
        entry = next((e for e in reversed(versions) if STAGES[e.stage].serves), None)
        if entry is None:
            return Unfit(f"{versions[0].family}: no version serves")
    else:
        found = version_of(versions, version)
        if isinstance(found, Unfit):
            return found
        if not STAGES[found.stage].serves:
            return Unfit(f"{found.family}@{version} is {found.stage} and does not serve")
        entry = found
    if entry.version == 1:
        return Unfit(f"{entry.family}@1 has no version before it; retire it instead")
    before = versions[entry.version - 2]
    back = () if STAGES[before.stage].compared else (change_of(before, "shadow"),)
    return change_of(entry, "retired"), *back


def _chosen(versions: Sequence[Entry], version: int | None, stage: StageName) -> Entry | Unfit:
    """Return a version that may enter a stage: this one, or the newest."""
    if version is None:
        newest = next((e for e in reversed(versions) if may_follow(e.stage, stage)), None)
        return newest or Unfit(f"{versions[0].family}: no version may become {stage}")
    found = version_of(versions, version)
    if isinstance(found, Entry) and not may_follow(found.stage, stage):
        return Unfit(f"{found.family}@{version} is {found.stage}; {stage} may not follow")
    return found

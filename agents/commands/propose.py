"""`kappa families promote|retire|rollback`: one proposal by a person, and the gate's decision.

    the registry in the log ─▶ change set ─▶ VersionProposed ─┬▶ port of the service on the log
                                                              ├▶ log that nobody runs: decide here
                                                              └▶ cluster ─▶ its registrar

Who runs an embedded log is told by its lock and not by the endpoint that a service writes down: a
killed service leaves its endpoint behind.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import click
from pydantic import ValidationError

from agents.changes import (
    ChangeSet,
    Unfit,
    versions_named,
    wanted_canary,
    wanted_promotion,
    wanted_retirement,
    wanted_rollback,
)
from agents.commands.client import ENDPOINT_NAME, post
from agents.commands.shared import (
    BAD_INPUT,
    LOG_NAME,
    NO,
    UNDECIDED,
    UNREACHABLE,
    FamilyVersion,
    Source,
    fail,
    fail_at,
    json_option,
    log_options,
    print_json,
    working,
)
from agents.commands.teachers import nodes_of
from agents.history import records, registry_at
from agents.node import Decider
from agents.proposing import Wanted, decision_document, patience, propose, propose_to
from agents.settings import Settings
from agents.teachers.scripted import ScriptedTeacher
from artifacts.policy import Policies
from artifacts.registry import Entry, Registry
from streams.codec import sanitize
from streams.events import VersionChanged, VersionProposed
from streams.transports import Log, Outgoing, TransportError, WriterBusy
from streams.transports.embedded import EmbeddedLog

Moved = ChangeSet | Unfit
Move = Callable[[Registry, Sequence[Entry], int | None], Moved]

_CANARY = (
    click.option("--canary", is_flag=True, help="Let it answer a share of the utterances only."),
    click.option(
        "--share",
        type=click.FloatRange(0, 1, min_open=True),
        help="The canary's share; by default the tenant's threshold canary_share.",
    ),
)


def _move_command(
    name: str, move: Move, example: str, doc: str, options: Sequence[Callable[[Any], Any]] = ()
) -> click.Command:
    @click.argument("named", metavar="FAMILY[@VERSION]", type=FamilyVersion())
    @click.option("--reason", required=True, help="Why; it is kept with the change set.")
    @click.option(
        "--wait",
        type=click.FloatRange(0, 60),
        default=10.0,
        show_default=True,
        help="Seconds until the gate must have decided.",
    )
    @click.option("--tenant", help="The scope, where several have a family of this name.")
    @log_options
    @json_option
    def command(
        named: tuple[str, int | None],
        reason: str,
        wait: float,
        tenant: str | None,
        source: Source,
        as_json: bool,
        canary: bool = False,
        share: float | None = None,
    ) -> None:
        if share is not None and not canary:
            fail("--share is that of a --canary", BAD_INPUT)
        wanted = _as_canary(source.settings.policies(), share) if canary else move
        body = working(source, partial(_body, source, wanted, named, tenant, reason))
        if isinstance(body, Unfit):
            fail(f"{source}: {body.why}", BAD_INPUT)
        try:
            event = Wanted.model_validate_json(json.dumps(body)).event()
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            fail("; ".join(f"{d['loc'][0]}: {d['msg']}" for d in details), BAD_INPUT)
        _tell(_decided(source, event, body, wait), wait, as_json)

    for option in options:
        command = option(command)
    return click.command(name, help=doc, epilog=f"Example: {example}")(command)


def _as_canary(policies: Policies, share: float | None) -> Move:
    """Return the promotion to a canary of this share, or of the one that the policy has."""

    def move(registry: Registry, versions: Sequence[Entry], version: int | None) -> Moved:
        policy = policies.of(versions[0].scope)
        return wanted_canary(
            registry, versions, version, policy.canary_share if share is None else share
        )

    return move


async def _body(
    source: Source, move: Move, named: tuple[str, int | None], tenant: str | None, reason: str,
    log: Log,
) -> dict[str, Any] | Unfit:  # fmt: skip
    """Return the proposal as it goes through the door, or why there is none to make."""
    registry = await registry_at(log, source.settings.trust())
    family, version = named
    versions = versions_named(registry, family, tenant)
    if isinstance(versions, Unfit):
        return versions
    changes = move(registry, versions, version)
    if isinstance(changes, Unfit):
        return changes
    return {
        "scope": versions[0].scope,
        "reason": sanitize(reason),
        "changes": [change.model_dump(exclude_defaults=True) for change in changes],
        "previous": registry.ordinal,
    }


def _decided(
    source: Source, event: VersionProposed, body: dict[str, Any], wait: float
) -> Mapping[str, Any]:
    """Publish the proposal where the log is; return what became of it."""
    if source.connection is not None:
        return working(source, partial(_on_cluster, event, wait), writing=True)
    try:
        log = EmbeddedLog.open(source.data / LOG_NAME)
    except WriterBusy as error:
        if not (source.data / ENDPOINT_NAME).exists():
            fail(f"{error}; it has no port to propose at", UNREACHABLE)
        document: dict[str, Any] = post(source.data, None, f"/proposals?wait={wait}", body, wait)
        return document
    except TransportError as error:
        fail_at(error)
    return asyncio.run(_here(log, source.settings, event, wait))


async def _on_cluster(event: VersionProposed, wait: float, log: Log) -> Mapping[str, Any]:
    async def store(outgoing: Outgoing) -> None:
        await log.publish([outgoing])

    return decision_document(*await propose(log, event, store=store, turn=patience, wait=wait))


async def _here(
    log: EmbeddedLog, settings: Settings, event: VersionProposed, wait: float
) -> Mapping[str, Any]:
    """Decide as the registrar of a service with these settings would; nobody else runs."""
    try:
        if settings.signer() is None and (settings.trust().keys or await _is_signed(log)):
            fail(
                f"{settings.data}: change sets are signed here; give the signing key, "
                "KAPPA_SIGNING_KEY or KAPPA_SIGNING_KEY_FILE",
                BAD_INPUT,
            )
        nodes = nodes_of(settings, ScriptedTeacher({}))
        [registrar] = [n for n in nodes if isinstance(n, Decider) and n.name == "registrar"]
        return decision_document(*await propose_to(registrar, log, event, wait=wait))
    except TransportError as error:
        fail_at(error)
    finally:
        await log.close()


async def _is_signed(log: EmbeddedLog) -> bool:
    """Whether the last change set of a log has a signature."""
    signature = None
    async for _, event in records(log, ("versions",)):
        if isinstance(event, VersionChanged):
            signature = event.signature
    return signature is not None


def _tell(document: Mapping[str, Any], wait: float, as_json: bool) -> None:
    """Print what became of a proposal; leave with the exit status that tells it."""
    outcome = document["outcome"]
    if as_json:
        print_json(document)
    elif outcome == "changed":
        lines = [f"{c['family']}@{c['version']} {c['stage']}" for c in document["changes"]]
        click.echo(f"change set {document['ordinal']}: {', '.join(lines)}")
        for check in document["checks"]:
            if check["reason"]:
                click.echo(f"note: {check['check']}: {check['reason']}")
    elif outcome == "refused":
        for check in document["checks"]:
            if not check["passed"]:
                click.echo(f"kappa: refused by {check['check']}: {check['reason']}", err=True)
    else:
        click.echo(
            f"kappa: no decision within {wait:g} s; the proposal lies in the log, to be decided "
            f"once a registrar runs (correlation-id {document['correlation_id']})",
            err=True,
        )
    if outcome != "changed":
        raise SystemExit(NO if outcome == "refused" else UNDECIDED)


_STATUS = (
    "\n\nExit status: 0 done, 1 the gate refused it, 2 no such family or version, or a stage that "
    "does not allow it, 3 not decided within --wait seconds, 4 unreachable."
)

promote_command = _move_command(
    "promote", wanted_promotion,
    'kappa families promote minutes-1a2b@2 --reason "seen by the desk" --data run',
    "Put a version into service, by default the newest that may be; the family's older versions "
    "are retired with it. The gate wants the evidence that it wants of agents; where a tenant asks "
    "for approval, this is it. With --canary it answers a share of the utterances, told by a hash "
    "of their ids, beside the older versions; it is live once it has agreed often enough, and back "
    "in shadow at the first disagreement." + _STATUS,
    _CANARY,
)  # fmt: skip
retire_command = _move_command(
    "retire", wanted_retirement,
    'kappa families retire minutes-1a2b --reason "not asked any more" --data run',
    "Retire a version, or all versions of a family. They are kept for replay and rollback."
    + _STATUS,
)  # fmt: skip
rollback_command = _move_command(
    "rollback", wanted_rollback,
    'kappa families rollback minutes-1a2b --reason "wrong for odd numbers" --data run',
    "Retire the version that serves and put the one before it back into shadow, where it gathers "
    "evidence anew; both in one change set." + _STATUS,
)  # fmt: skip

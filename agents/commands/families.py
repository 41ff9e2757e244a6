"""`kappa families`: what was learned, what it lacks, how versions differ; and moving them."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, assert_never

import click
from rich.console import Console

from agents.changes import Unfit, version_of, versions_named
from agents.commands.propose import promote_command, retire_command, rollback_command
from agents.commands.shared import (
    BAD_INPUT,
    NO,
    FamilyVersion,
    Source,
    fail,
    json_option,
    log_options,
    print_json,
    working,
)
from agents.families import family_row, family_rows
from agents.history import evidence_of, registry_at
from agents.logs import Row, read_rows
from agents.show import show_families, show_family, show_waiting
from agents.trial import Agrees, Differs, Fails, NotRead, decided_otherwise, held_against
from agents.versions_diff import diff_lines, version_lines
from agents.waiting import waiting_rows
from artifacts.registry import Entry
from streams.transports import Log


@click.group("families")
def families_group() -> None:
    """Look at the families that were learned, and move their versions through the gate."""


@families_group.command("list", epilog="Example: kappa families list --stage live --data run")
@click.option("--stage", help="Only versions in this stage.")
@log_options
@json_option
def families_list(stage: str | None, source: Source, as_json: bool) -> None:
    """List family versions with stage, grammar and evidence."""
    trust, policies = source.settings.trust(), source.settings.policies()
    found = working(source, lambda log: family_rows(log, trust, policies))
    rows = [row for row in found if stage in (None, row["stage"])]
    if as_json:
        print_json(rows)
    else:
        show_families(Console(), rows)


@families_group.command("show", epilog="Example: kappa families show percent-of-1a2b3c4d")
@click.argument("family")
@click.option("--version", type=int, help="The version; the last one by default.")
@log_options
@json_option
def families_show(family: str, version: int | None, source: Source, as_json: bool) -> None:
    """Show all of one family: grammar, program, examples, evidence; --json gives the artifact."""

    trust, policies = source.settings.trust(), source.settings.policies()

    async def reader(log: Log) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        registry, evidence = await registry_at(log, trust), await evidence_of(log)
        return [
            (family_row(entry, evidence, policies), dict(entry.artifact.document))
            for entry in registry.in_order()
            if entry.family == family and version in (None, entry.version)
        ]

    found = working(source, reader)
    if not found:
        fail(f"{source}: no family {family!r}", NO)
    row, document = found[-1]
    if as_json:
        print_json(row | {"artifact": document})
    else:
        show_family(Console(), row, document)


@families_group.command("waiting", epilog="Example: kappa families waiting --data run")
@click.option("--tenant", help="Only the versions of this scope.")
@log_options
@json_option
def families_waiting(tenant: str | None, source: Source, as_json: bool) -> None:
    """List the versions in shadow, and what each still lacks before it may serve.

    A version that lacks nothing is promoted by itself, unless its tenant asks for a person's
    approval (KAPPA_APPROVAL) or the gate has refused it: then the reason is shown.
    """
    policies = source.settings.policies()
    found = working(source, lambda log: waiting_rows(log, source.settings.trust(), policies))
    rows = [row for row in found if tenant in (None, row["scope"])]
    if as_json:
        print_json(rows)
    else:
        show_waiting(Console(), rows)


@families_group.command("diff", epilog="Example: kappa families diff percent-of-1a2b3c4d 1 2")
@click.argument("family")
@click.argument("versions", metavar="[V1 V2]", nargs=-1, type=click.IntRange(1))
@click.option("--replay", is_flag=True, help="Also what the two say to recent utterances.")
@click.option(
    "--last", type=click.IntRange(1, 1_000_000), default=1000, show_default=True,
    help="How many utterances, from the end of the log, --replay looks at.",
)  # fmt: skip
@click.option("--tenant", help="The scope, where several have a family of this name.")
@log_options
@json_option
def families_diff(
    family: str,
    versions: tuple[int, ...],
    replay: bool,
    last: int,
    tenant: str | None,
    source: Source,
    as_json: bool,
) -> None:
    """Compare two versions of a family: grammar, program, examples and evidence, as a diff.

    Without V1 and V2 these are the last two.
    """
    if len(versions) not in (0, 2):
        fail("give two versions, V1 and V2, or none", BAD_INPUT)

    trust, policies = source.settings.trust(), source.settings.policies()

    async def compared(log: Log) -> dict[str, Any] | Unfit:
        registry, evidence = await registry_at(log, trust), await evidence_of(log)
        pair = _pair(versions_named(registry, family, tenant), versions)
        if isinstance(pair, Unfit):
            return pair
        rows = [family_row(entry, evidence, policies) for entry in pair]
        before, after = (version_lines(e.artifact, row) for e, row in zip(pair, rows, strict=True))
        names = (f"{family}@{pair[0].version}", f"{family}@{pair[1].version}")
        document: dict[str, Any] = {"versions": rows, "diff": diff_lines(before, after, names)}
        if replay:
            looked, found = await decided_otherwise(log, *pair, last)
            document["utterances"] = looked
            document["decided_otherwise"] = [asdict(each) for each in found]
        return document

    document = working(source, compared)
    if isinstance(document, Unfit):
        fail(f"{source}: {document.why}", BAD_INPUT)
    if as_json:
        print_json(document)
        return
    for line in document["diff"]:
        click.echo(line)
    if replay:
        _echo_otherwise(document)


def _pair(known: tuple[Entry, ...] | Unfit, wanted: tuple[int, ...]) -> tuple[Entry, Entry] | Unfit:
    if isinstance(known, Unfit):
        return known
    if not wanted:
        if len(known) < 2:
            return Unfit(f"{known[0].family} has one version only")
        return known[-2], known[-1]
    before, after = (version_of(known, version) for version in wanted)
    if isinstance(before, Unfit):
        return before
    return after if isinstance(after, Unfit) else (before, after)


def _echo_otherwise(document: dict[str, Any]) -> None:
    found = document["decided_otherwise"]
    click.echo(f"\n{len(found)} of {document['utterances']} recent utterances decided otherwise")
    for each in found:
        click.echo(f"  {each['text']!r}: {each['before']} became {each['after']}")


@families_group.command("test", epilog="Example: kappa families test minutes-1a2b@2 pairs.jsonl")
@click.argument("named", metavar="FAMILY[@VERSION]", type=FamilyVersion())
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tenant", help="The scope, where several have a family of this name.")
@log_options
@json_option
def families_test(
    named: tuple[str, int | None], file: Path, tenant: str | None, source: Source, as_json: bool
) -> None:
    """Hold a version, the last one by default, against the texts and answers of a file.

    FILE has a JSON object a line with `text` and `answer`; where null is right the version must not
    answer. Exit status 1 when it answers something otherwise; what it does not read is counted.
    """
    family, version = named

    async def reader(log: Log) -> Entry | Unfit:
        known = versions_named(await registry_at(log, source.settings.trust()), family, tenant)
        if isinstance(known, Unfit):
            return known
        return version_of(known, len(known) if version is None else version)

    entry = working(source, reader)
    if isinstance(entry, Unfit):
        fail(f"{source}: {entry.why}", BAD_INPUT)
    document = _tested(entry, file)
    if as_json:
        print_json(document)
    else:
        _echo_tested(document)
    if document["differences"]:
        raise SystemExit(NO)


def _tested(entry: Entry, file: Path) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    differences: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for row in read_rows(file):
        if not isinstance(row, Row):
            fail(f"{file}, {row}", BAD_INPUT)
        match held_against(entry.artifact, row.text, row.right):
            case Agrees():
                counts["agreements"] += 1
            case NotRead():
                counts["not_read"] += 1
            case Fails(why):
                failed.append({"text": row.text, "right": row.right, "why": why})
            case Differs(given):
                differences.append({"text": row.text, "right": row.right, "given": given})
            case other:
                assert_never(other)
    return {
        "family": entry.family,
        "version": entry.version,
        "digest": entry.artifact.digest,
        "agreements": counts["agreements"],
        "not_read": counts["not_read"],
        "failed": failed,
        "differences": differences,
    }


def _echo_tested(document: dict[str, Any]) -> None:
    for each in document["differences"]:
        given, right = (json.dumps(each[name], ensure_ascii=False) for name in ("given", "right"))
        click.echo(f"{each['text']!r}: {given} instead of {right}")
    for each in document["failed"]:
        click.echo(f"{each['text']!r}: fails: {each['why']}")
    click.echo(
        f"{document['family']}@{document['version']}: {document['agreements']} agreements, "
        f"{len(document['differences'])} differences, {len(document['failed'])} failures, "
        f"{document['not_read']} not read"
    )


for command in (promote_command, retire_command, rollback_command):
    families_group.add_command(command)

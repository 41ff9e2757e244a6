"""What `kappa simulate` shows a person at its end.

Figures and a chart always; with `--demo` also the families, what was saved and by which rule, one
answer explained in full, and one family before and after a refinement.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from rich.console import Console
from rich.markup import escape

from agents.explain import explain
from agents.families import family_row, family_rows
from agents.history import evidence_of, records, registry_at
from agents.report import Tally
from agents.show import show_chart, show_explanation, show_families, show_family, show_figures
from agents.teachers.estimate import (
    CODE_POINTS_PER_TOKEN,
    DOLLARS_PER_MILLION_TOKENS,
    PREFIX_TOKENS,
)
from artifacts.policy import ONE_POLICY
from artifacts.registry import Entry, Registry
from streams.events import AnswerGiven, VersionChanged
from streams.signing import ANYONE
from streams.transports import Transport

_FAMILIES_SHOWN = 12


def show_simulation(console: Console, tally: Tally, registry: Registry) -> None:
    """Print the chart and the figures."""
    curve = tally.curve()
    if curve:
        show_chart(
            console,
            [point.coverage for point in curve],
            [point.risk for point in curve],
            curve[-1].events,
        )
    report = tally.report(registry)
    show_figures(console, {name: value for name, value in report.items() if name != "curve"})


async def show_insides(console: Console, tally: Tally, transport: Transport) -> None:
    """Print families, savings, an explanation and a refinement, all read back from the log."""
    uses, answered = await _uses(transport)
    rows = await family_rows(transport, ANYONE, ONE_POLICY)
    serving = [row | {"uses": uses[row["family"]]} for row in rows if row["family"] in uses]
    serving = [row for row in serving if row["stage"] in ("live", "canary")]
    serving.sort(key=lambda row: (-int(row["uses"]), str(row["family"])))
    console.rule("families that answered most")
    show_families(console, serving[:_FAMILIES_SHOWN])
    _show_savings(console, tally)
    if (chosen := _worth_explaining(answered)) is not None:
        console.rule("one answer explained")
        document = await explain(transport, ANYONE, chosen.utterance_id, chosen.tenant)
        if document is not None:
            show_explanation(console, document)
    await _show_refinement(console, transport, uses)


async def _uses(transport: Transport) -> tuple[dict[str, int], list[AnswerGiven]]:
    uses: dict[str, int] = {}
    answered: list[AnswerGiven] = []
    async for _, event in records(transport, ("matches",)):
        if isinstance(event, AnswerGiven):
            uses[event.family] = uses.get(event.family, 0) + 1
            answered.append(event)
    return uses, answered


def _show_savings(console: Console, tally: Tally) -> None:
    console.rule("what was saved")
    calls = tally.events - tally.teacher_calls
    console.print(
        f"{calls} of {tally.events} calls ({100 * calls / max(tally.events, 1):.1f} %), about "
        f"{tally.tokens_saved:,} tokens and ${tally.money_saved:.2f}.\n"
        f"Rule: {PREFIX_TOKENS} tokens of prompt prefix + 1 token per {CODE_POINTS_PER_TOKEN} "
        f"characters of question and answer, at ${DOLLARS_PER_MILLION_TOKENS} per million; "
        "audits and recalls are counted as calls. The inducer calls no model."
    )


def _worth_explaining(answered: Sequence[AnswerGiven]) -> AnswerGiven | None:
    """Return the answer with the costliest program among those with at most four slots."""
    few = [event for event in answered if 0 < len(event.slots) <= 4]
    return max(few, key=lambda event: (event.cost, event.utterance_id), default=None)


async def _show_refinement(console: Console, transport: Transport, uses: Mapping[str, int]) -> None:
    """Show the most used family of which a later version replaced one that was wrong, or narrow."""
    registry = await registry_at(transport, ANYONE)
    evidence = await evidence_of(transport)
    reasons = {
        (change.family, change.version): event.reason
        async for _, event in records(transport, ("versions",))
        if isinstance(event, VersionChanged)
        for change in event.changes
        if change.stage == "shadow"
    }
    later = [entry for entry in registry.in_order() if entry.version > 1]
    if not later:
        return

    def interest(entry: Entry) -> tuple[bool, bool, int]:
        repaired = reasons.get(entry.key, "").startswith("repairs")
        return repaired, entry.stage == "live", uses.get(entry.family, 0)

    after = max(later, key=interest)
    before = cast(Entry, registry.entry(after.scope, after.family, after.version - 1))
    console.rule("one family before and after a refinement")
    for entry in (before, after):
        row: dict[str, Any] = family_row(entry, evidence, ONE_POLICY)
        show_family(console, row, dict(entry.artifact.document))
    console.print(f"why: {escape(reasons.get(after.key, ''))}")

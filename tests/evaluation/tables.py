"""The evaluation's Markdown tables: lists of lines, from results as `runs` gives them."""

from collections.abc import Callable, Sequence
from itertools import product
from statistics import fmean
from typing import Any

from tests.evaluation.runs import Result

HEAD = (
    "| stream | rows | answered | wrong of answered | certified risk | slotless share | saving "
    "| families | learning, s | deciding p50 / p99, µs |",
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
)
CACHES_HEAD = (
    "| stream | method | threshold | hits | wrong of hits |",
    "|---|---|---|--:|--:|",
)

SWEPT = ("max_risk", "audit_rate", "feedback_rate")


def settled(results: Sequence[Result]) -> list[list[Result]]:
    """Return the results in groups that differ in their seed alone."""
    groups: dict[str, list[Result]] = {}
    for found in results:
        named = {name: value for name, value in found["run"].items() if name != "seed"}
        groups.setdefault(repr(named), []).append(found)
    return list(groups.values())


def spread(values: Sequence[float | None], shown: Callable[[float], str]) -> str:
    """Return the mean, with the range where there are several values; a dash where one is none.

    >>> spread([0.1, 0.2, 0.3], lambda value: f"{value:.1f}")
    '0.2 (0.1–0.3)'
    """
    told = [value for value in values if value is not None]
    if not told or len(told) < len(values):
        return "–"
    mean = shown(fmean(told))
    return mean if len(told) == 1 else f"{mean} ({shown(min(told))}–{shown(max(told))})"


def percent(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.2f} %"


def whole(value: float) -> str:
    """Return a number without decimals."""
    return f"{value:.0f}"


def _of(group: Sequence[Result], name: str) -> list[Any]:
    return [found["report"][name] for found in group]


def _wrong(group: Sequence[Result]) -> str:
    counts = [f"{count}" for count in _of(group, "wrong")]
    return f"{spread(_of(group, 'risk'), percent)} ({', '.join(counts)})"


def simulated(group: Sequence[Result]) -> str:
    """Return the row of a stream's simulations, one for each seed."""
    return (
        f"| {group[0]['run']['stream']} | {group[0]['report']['events']} "
        f"| {spread(_of(group, 'coverage'), percent)} | {_wrong(group)} "
        f"| {spread(_of(group, 'certified_risk'), percent)} "
        f"| {spread(_of(group, 'slotless_coverage'), percent)} "
        f"| {spread(_of(group, 'saving'), percent)} | {spread(_of(group, 'families'), whole)} "
        f"| {spread(_of(group, 'learn_seconds'), whole)} "
        f"| {spread(_of(group, 'decide_us_p50'), whole)} "
        f"/ {spread(_of(group, 'decide_us_p99'), whole)} |"
    )


def beside_kappa(group: Sequence[Result]) -> str:
    """Return a stream's simulations as a row of the table of caches."""
    run = group[0]["run"]
    return (
        f"| {run['stream']} | **kappa** | at most {100 * run['max_risk']:g} % wrong "
        f"| {spread(_of(group, 'coverage'), percent)} | {_wrong(group)} |"
    )


def cached(group: Sequence[Result]) -> list[str]:
    """Return the rows of a cache on a stream, one for each threshold."""
    lines = []
    for number, first in enumerate(group[0]["report"]["thresholds"]):
        figures = [
            found["report"]["thresholds"][number] | {"events": found["report"]["events"]}
            for found in group
        ]
        hits = [each["answered"] / each["events"] for each in figures]
        wrong = [each["wrong"] / each["answered"] if each["answered"] else 0.0 for each in figures]
        threshold = "same text" if first["threshold"] is None else f"≥ {first['threshold']:g}"
        counts = ", ".join(str(each["wrong"]) for each in figures)
        lines.append(
            f"| {group[0]['run']['stream']} | {group[0]['run']['method']} | {threshold} "
            f"| {spread(hits, percent)} | {spread(wrong, percent)} ({counts}) |"
        )
    return lines


def not_run(stream: str, method: str, why: str) -> str:
    """Return the row of a cache that could not be run here."""
    return f"| {stream} | {method} | – | – | {why} |"


def swept(results: Sequence[Result]) -> list[str]:
    """Return a table per stream: ceiling of risk and audit rate, by feedback rate.

    A cell holds the share answered / the wrong share of that. Where nothing is audited and nothing
    rejected, no wrong answer is ever found and nothing can be certified: such cells say so.
    """
    lines: list[str] = []
    groups = settled(results)
    for stream in dict.fromkeys(group[0]["run"]["stream"] for group in groups):
        here = {
            tuple(group[0]["run"][name] for name in SWEPT): group
            for group in groups
            if group[0]["run"]["stream"] == stream
        }
        risks, audits, feedback = (sorted({point[n] for point in here}) for n in range(3))
        lines += [
            f"**{stream}**: answered / wrong of answered", "",
            f"| max risk | audit rate | {' | '.join(f'feedback {f:g}' for f in feedback)} |",
            f"|--:|--:|{'--:|' * len(feedback)}",
        ]  # fmt: skip
        for risk, audit in product(risks, audits):
            cells = [_cell(here.get((risk, audit, rate))) for rate in feedback]
            lines.append(f"| {100 * risk:g} % | {audit:g} | {' | '.join(cells)} |")
        lines.append("")
    return [*lines, BLIND] if any(BLIND_MARK in line for line in lines) else lines


BLIND_MARK = "†"
BLIND = f"{BLIND_MARK} nothing is audited or rejected: no wrong answer is ever found"


def _cell(group: Sequence[Result] | None) -> str:
    if group is None:
        return "–"
    run = group[0]["run"]
    blind = run["audit_rate"] == run["feedback_rate"] == 0
    said = f"{spread(_of(group, 'coverage'), percent)} / {spread(_of(group, 'risk'), percent)}"
    return f"{said} {BLIND_MARK}" if blind else said

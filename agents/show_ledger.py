"""How a ledger looks on a terminal; facts come as its document."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_POINTS_SHOWN = 12


def show_ledger(console: Console, document: Mapping[str, Any]) -> None:
    """Print totals, costs, coverage against families, and each family where they are given."""
    if not document["utterances"]:
        console.print("no utterance was answered or fell back, or none is in the log any more")
        return
    _show_totals(console, document)
    _show_costs(console, document)
    _show_points(console, document)
    if "families" in document:
        _show_families(console, document)
    console.print(escape(f"Still to be had: {document['still_to_be_had']['meaning']}."))
    console.print(escape(f"Estimates: {document['estimates']}."))


def _show_totals(console: Console, document: Mapping[str, Any]) -> None:
    calls, spent, even = document["calls"], document["spent"], document["break_even"]
    table = Table("calls", "number", "tokens", "dollars", box=None, pad_edge=False)
    avoided = document["avoided"]
    table.add_row(
        "avoided",
        str(calls["avoided"]),
        f"{avoided['tokens_estimated']:,} estimated",
        f"{avoided['dollars_estimated']:.4f} estimated",
    )
    for name, purse in spent.items():
        table.add_row(f"made: {name}", str(purse["calls"]), *_money(purse))
    console.print(table)
    console.print(
        f"{document['answered']} of {document['utterances']} utterances were answered by families "
        f"({_percent(document['coverage'])}); saving {_percent(document['saving'])} of the calls; "
        f"{calls['taught']} completions taught, {document['searches']} searches called no model.\n"
        f"{even['broke_even']} of {even['families']} families have broken even"
        + (f" (median N* {even['median_calls']} calls)" if even["broke_even"] else "")
        + f"; {even['broke_even_with_all_lessons']} with every completion that taught them.",
        highlight=False,
    )


def _money(purse: Mapping[str, Any]) -> tuple[str, str]:
    """Return tokens and dollars of a purse, reported and estimated apart."""
    shown = []
    for unit, form in (("tokens", ",d"), ("dollars", ".4f")):
        parts = [
            f"{format(purse[f'{unit}_{source}'], form)} {source}"
            for source in ("reported", "estimated")
            if purse[f"{unit}_{source}"]
        ]
        shown.append(" + ".join(parts) or "0")
    return shown[0], shown[1]


def _show_costs(console: Console, document: Mapping[str, Any]) -> None:
    source = document["latency"]["deterministic_source"]
    table = Table(
        "an utterance costs", f"deterministic ({source})", "teacher", "expected",
        box=None, pad_edge=False,
    )  # fmt: skip
    for unit, name, form in (("us", "microseconds", ",.1f"), ("dollars", "dollars", ".3g")):
        row = document["expected_cost"][unit]
        shown = (row["deterministic"], row["teacher"], row["expected"])
        table.add_row(name, *("unknown" if x is None else format(x, form) for x in shown))
    console.print(table)


def _show_points(console: Console, document: Mapping[str, Any]) -> None:
    """Print the windows, put together to about twelve of at least a twelfth of the utterances."""
    least = document["utterances"] / _POINTS_SHOWN
    table = Table("families serving", "utterances", "coverage", box=None, pad_edge=False)
    points = document["coverage_by_families"]
    first, utterances, answered = points[0]["families"], 0, 0.0
    for number, point in enumerate(points, 1):
        if not utterances:
            first = point["families"]
        utterances += point["utterances"]
        answered += point["coverage"] * point["utterances"]
        if utterances and (utterances >= least or number == len(points)):
            last = point["families"]
            shown = str(last) if first == last else f"{first} to {last}"
            table.add_row(shown, str(utterances), _percent(answered / utterances))
            utterances, answered = 0, 0.0
    console.print(table)


def _show_families(console: Console, document: Mapping[str, Any]) -> None:
    """Print the families that answered, or had calls made for them; say how many did neither."""
    table = Table(box=None, pad_edge=False)
    table.add_column("family\n  calls spent; $ avoided − $ upkeep", overflow="fold")
    for name in ("answered", "avoided", "broke even\nafter calls"):
        table.add_column(name, justify="right")
    rows = [row for row in document["families"] if row["answered"] or row["upkeep"]["calls"]]
    if "families_beyond_limit" in document:
        rows.append(document["families_beyond_limit"] | {"family": "(all beyond the limit)"})
    for row in rows:
        even, upkeep = row["broke_even_after_calls"], row["upkeep"]
        kept = upkeep["dollars_reported"] + upkeep["dollars_estimated"]
        money = f"${row['dollars_avoided_estimated']:.4f} − ${kept:.4f}"
        table.add_row(
            escape(f"{row['family']}\n  {_spent(row)}; {money}"),
            str(row["answered"]),
            str(row["avoided"]),
            "not yet" if even is None else str(even),
        )
    console.print(table)
    if idle := len(document["families"]) - document["break_even"]["used"]:
        console.print(f"{idle} more families have neither answered nor had calls made for them")


def _spent(row: Mapping[str, Any]) -> str:
    """Return in words what was spent on a family, leaving out what was not."""
    kinds = ("taught", "recipe_calls", "retries", "audits", "recalls", "probes")
    said = [f"{row[kind]} {kind.replace('_', ' ')}" for kind in kinds if row[kind]]
    return ", ".join(said) or "nothing"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.2f} %"

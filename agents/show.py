"""How facts look on a terminal. Every function takes facts as documents and prints them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from agents.changes import APPROVAL


def show_explanation(console: Console, document: Mapping[str, Any]) -> None:
    """Print an explanation as the way from the text to the answer."""
    lines = [f"[bold]text[/]      {escape(repr(document['text']))}"]
    tokens = document["tokens"]
    shown = " ".join(repr(t) for t in tokens if t != " ") if isinstance(tokens, list) else tokens
    lines.append(f"[bold]tokens[/]    {escape(str(shown))}")
    if document.get("outcome") == "answered":
        lines += _answered(document)
    else:
        lines.append(f"[bold]abstained[/] {document.get('reason')}")
        lines += [f"            {escape(name)}" for name in document.get("candidates", ())]
    for each in document.get("canaries", ()):
        is_in = "within" if each["answers"] else "outside"
        lines.append(
            f"[bold]canary[/]    {escape(each['family'])}@{each['version']} answers "
            f"{100 * each['share']:g} % of the utterances; this one is {is_in} its share, "
            f"at {100 * each['draw']:.2f} %"
        )
    for said in document.get("teacher", ()):
        answer = said.get("answer", said.get("reason"))
        lines.append(f"[bold]teacher[/]   {said['event']}: {escape(str(answer))}")
    for said in document.get("feedback", ()):
        lines.append(f"[bold]feedback[/]  {said['verdict']} by {escape(said['source'])}")
    title = f"utterance {document['utterance_id']} of tenant {document['tenant']}"
    console.print(Panel("\n".join(lines), title=escape(title), expand=False))


def _answered(document: Mapping[str, Any]) -> list[str]:
    revision = document["revision"]
    name = f"{document['family']}@{document['version']}"
    lines = [
        f"[bold]family[/]    {escape(name)}  digest {document['digest'][:12]}  "
        f"revision {revision['ordinal']}-{revision['digest'][:12]}",
        f"[bold]grammar[/]   {escape(document.get('grammar', ''))}",
    ]
    for slot in document["slots"]:
        span = f"{slot['start']}-{slot['end']}"
        value = escape(f"{slot['text']!r} = {slot['value']!r}")
        lines.append(f"[bold]slot[/]      {slot['slot']}: {slot['kind']} at {span}  {value}")
    for step in document.get("steps", ()):
        if "failed" in step:
            continue
        call = f"{step['step']} = {step['operator']}({', '.join(step['arguments'])})"
        lines.append(f"[bold]step[/]      {escape(call)} = {escape(str(step['value']))}")
    lines.append(f"[bold]answer[/]    [green]{escape(repr(document['answer']))}[/]")
    return lines


def show_families(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print each family version with its evidence, its grammar and its program."""
    table = Table("family", "evidence", "grammar and program", box=None, pad_edge=False)
    for row in rows:
        used = f"{row['uses']} uses\n" if "uses" in row else ""
        table.add_row(
            escape(f"{row['family']}@{row['version']}\n{_stage(row)}"),
            f"{used}{row['agreements']} agree, {row['bits']:.0f} bits",
            escape(f"{row['grammar'][:200]}\n{row['program'][:300]}\n"),
        )
    console.print(table)
    console.print(f"{len(rows)} versions")


def show_waiting(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print each version that is not live yet: what it has shown, what it needs, what it lacks."""
    table = Table("family", "agreements", "bits", "values", "lacks", box=None, pad_edge=False)
    for row in rows:
        shown: dict[str, list[str]] = {"agreements": [], "bits": [], "values": []}
        for need in row["needs"]:
            column = need["what"] if need["what"] in shown else "agreements"
            of = need["slot"] or ("" if need["what"] in shown else need["what"])
            shown[column].append(f"{of} {need['seen']:.0f}/{need['needed']:.0f}".strip())
            shown[column] += [f"{bits:.0f} {part}" for part, bits in need["parts"] if bits]
        table.add_row(
            escape(f"{row['family']}@{row['version']}\nof {row['scope']}{_canary(row)}"),
            *(escape("\n".join(lines)) for lines in shown.values()),
            escape(_lacks(row)),
        )
    console.print(table)
    canaries = sum(row["stage"] == "canary" for row in rows)
    more = f", {canaries} canaries" if canaries else ""
    console.print(f"{len(rows) - canaries} versions in shadow{more}")


def _canary(row: Mapping[str, Any]) -> str:
    return f"\n{_stage(row)}" if row["stage"] == "canary" else ""


def _stage(row: Mapping[str, Any]) -> str:
    """Return a stage; that of a canary with its share."""
    return str(row["stage"]) + (f" of {100 * row['share']:g} %" if row["share"] else "")


def _lacks(row: Mapping[str, Any]) -> str:
    """Return what keeps a version from serving."""
    if row["missing"] is not None:
        return str(row["missing"])
    if row["refused"]:
        return "; ".join(
            reason if name == APPROVAL else f"{name}: {reason}"
            for name, reason in row["refused"].items()
        )
    return "nothing"


def show_family(console: Console, row: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Print one family version: what it reads, what it computes, what speaks for it."""
    lines = [
        f"[bold]stage[/]     {_stage(row)}" + (f"  ({row['missing']})" if row["missing"] else ""),
        f"[bold]grammar[/]   {escape(row['grammar'])}",
        *(
            f"[bold]{'program' if index == 0 else '       '}[/]   {escape(line)}"
            for index, line in enumerate(row["program"].splitlines())
        ),
        f"[bold]bound[/]     {row['cost_bound']['steps']} steps, "
        f"{row['cost_bound']['answer_size']} characters; "
        f"{row['description_bits']} bits of description",
        f"[bold]evidence[/]  {row['agreements']} agreements, {row['bits']:.0f} bits since shadow, "
        f"{row['returns']} returns",
    ]
    for stratum, bound in row["bounds"].items():
        lines.append(
            f"            {stratum}: error vs teacher ≤ {100 * bound['error_bound_95']:.1f} % "
            f"(95 %, anytime-valid; {bound['samples']} samples, {bound['errors']} errors)"
        )
    for example in document["examples"][:4]:
        lines.append(
            f"[bold]example[/]   {escape(repr(example['text']))} ─▶ "
            f"{escape(repr(example['answer']))}"
        )
    title = escape(f"{row['family']}@{row['version']}")
    console.print(Panel("\n".join(lines), title=title, expand=False))


def show_pipeline(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the graph, a line a node."""
    table = Table("node", "folds", "reads", "writes", "does", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            row["node"],
            " ".join(row["folds"]),
            " ".join(row["reads"]),
            " ".join(row["writes"]),
            row["doc"],
        )
    console.print(table)


_CHART_ROWS = 8
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def show_chart(
    console: Console, coverage: Sequence[float], risk: Sequence[float], events: int
) -> None:
    """Print coverage over time as bars and risk as one line of bars up to 1 % or its maximum."""
    top = max(0.1, max(coverage))
    console.rule("coverage (share answered by families) over time")
    for row in range(_CHART_ROWS, 0, -1):
        label = f"{100 * top * row / _CHART_ROWS:5.1f} %"
        console.print(f"{label} │{_bars(coverage, top, row, _CHART_ROWS)}", highlight=False)
    console.print(f"        └{'─' * len(coverage)} {events} events", highlight=False)
    worst = max(0.01, max(risk))
    console.print(
        f"risk  0–{100 * worst:.1f} %: {_bars(risk, worst, 1, 1)}  now {100 * risk[-1]:.2f} %",
        highlight=False,
    )


def _bars(values: Sequence[float], top: float, row: int, rows: int) -> str:
    """Return one row of a bar chart, a character a value."""
    filled = (8 * (value / top * rows - (row - 1)) for value in values)
    return "".join(_EIGHTHS[max(0, min(8, round(eighths)))] for eighths in filled)


def show_figures(console: Console, figures: Mapping[str, Any]) -> None:
    """Print figures by name; shares as per cent."""
    table = Table(show_header=False, box=None)
    shares = ("coverage", "risk", "slotless_coverage", "saving")
    for name, value in figures.items():
        shown = f"{100 * value:.2f} %" if name in shares else str(value)
        table.add_row(name, "not yet" if value is None else shown)
    console.print(table)

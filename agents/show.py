"""How facts look on a terminal. Every function takes facts as documents and prints them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table


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
    """Print a line for each family version."""
    table = Table("family", "stage", "agree", "bits", "grammar", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            escape(f"{row['family']}@{row['version']}"),
            row["stage"],
            str(row["agreements"]),
            f"{row['bits']:.0f}",
            escape(row["grammar"][:100]),
        )
    console.print(table)
    console.print(f"{len(rows)} versions")


def show_family(console: Console, row: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Print one family version: what it reads, what it computes, what speaks for it."""
    lines = [
        f"[bold]stage[/]     {row['stage']}" + (f"  ({row['missing']})" if row["missing"] else ""),
        f"[bold]grammar[/]   {escape(row['grammar'])}",
        *(
            f"[bold]{'program' if index == 0 else '       '}[/]   {escape(line)}"
            for index, line in enumerate(row["program"].splitlines())
        ),
        f"[bold]bound[/]     {row['cost_bound']['steps']} steps, "
        f"{row['cost_bound']['answer_size']} characters",
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

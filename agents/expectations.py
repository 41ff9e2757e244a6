"""Expectations checked with Great Expectations: the only file that imports it.

Batches ─▶ data frames ─▶ validation results ─▶ ExpectationChecked, and pages to browse

The import takes three seconds: whoever wants this imports it when it is wanted. Nothing is told to
anybody: its analytics are switched off before it is imported, its context is of this process alone,
and the pages, which would fetch styles, scripts and a picture from seven hosts, are cleared of all
that leads outside.
"""

import html
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # it reads this when it is imported

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

from agents.suites import (
    MARKS,
    SUITES,
    Expectation,
    Limits,
    Suite,
    expectations,
    expected,
    named,
    observed,
)
from agents.teaching import Batch
from artifacts.values import digest
from streams.events import ExpectationChecked

_SHOWN = 3
_DTYPES = {"text": "object", "number": "float64"}
_SITE = "kappa"
_NONE: Limits = MappingProxyType({})


def check(
    batches: Sequence[Batch], pages: Path | None = None, limits: Limits = _NONE
) -> list[ExpectationChecked]:
    """Check every expectation on every batch of its suite; write a report to `pages`, if given.

    `limits` are those of tenants, and checked. Raises OSError where the report cannot be written.
    """
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("log")
    made: list[ExpectationChecked] = []
    for batch in batches:
        suite = next(suite for suite in SUITES if suite.name == batch.suite)
        frame = frame_of(suite, batch)
        wanted = [r for r in expectations(batch.scope, limits) if r.suite == suite.name]
        told = {row.name: row for row in wanted if _values(row, frame) >= row.least_rows}
        name = f"{suite.name}-of-{_file_name(batch.scope)}"
        asset = source.add_dataframe_asset(name)
        validation = context.validation_definitions.add(
            gx.ValidationDefinition(
                name=name,
                data=asset.add_batch_definition_whole_dataframe("newest"),
                suite=context.suites.add(
                    gx.ExpectationSuite(name=name, expectations=[*map(_expectation, told.values())])
                ),
            )
        )
        results = {}
        if told:
            ran = validation.run(batch_parameters={"dataframe": frame}, result_format="BASIC")
            results = {r.expectation_config.meta["name"]: r for r in ran.results}
        made += [_event(row, batch, frame, results.get(row.name)) for row in wanted]
    if pages is not None:
        _write_pages(context, pages, made, limits)
    return made


def _file_name(scope: str) -> str:
    """Return the name of a scope in names of pages: a tenant may be called anything."""
    return scope if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", scope) else f"scope-{digest(scope)[:12]}"


def frame_of(suite: Suite, batch: Batch) -> pd.DataFrame:
    """Return the rows with the suite's columns, typed though every value were missing."""
    return pd.DataFrame(
        {
            column.name: pd.Series(
                [row.get(column.name) for row in batch.rows], dtype=_DTYPES[column.kind]
            )
            for column in suite.columns
        }
    )


def _values(row: Expectation, frame: pd.DataFrame) -> int:
    return int(frame[row.column].notna().sum())


def _expectation(row: Expectation) -> Any:
    fields = dict(row.parameters)
    if "column_list" not in fields:
        fields["column"] = row.column
    return getattr(gxe, row.kind)(**fields, meta={"name": row.name}, notes=row.reason)


def _event(
    row: Expectation, batch: Batch, frame: pd.DataFrame, result: Any | None
) -> ExpectationChecked:
    count = _values(row, frame)
    event = ExpectationChecked(
        suite=row.suite,
        expectation=row.name,
        scope=batch.scope,
        passed=None if result is None else _passed(result),
        observed=None if result is None else _observed(result),
        reason=row.reason,
        rows=count,
        window=batch.window,
    )
    if result is None:
        return event.model_copy(update={"reason": f"{count} rows, at least {row.least_rows} tell"})
    if event.passed is False:
        said = f"{observed(event)}, expected {expected(row)}. {row.reason}"
        return event.model_copy(update={"reason": said})
    return event


def _passed(result: Any) -> bool | None:
    """Return None where the expectation could not be checked."""
    return None if result.exception_info.get("raised_exception") else bool(result.success)


def _observed(result: Any) -> dict[str, Any]:
    """Return the aggregate, or the share of rows that are otherwise and some of their values."""
    if result.exception_info.get("raised_exception"):
        return {"error": str(result.exception_info.get("exception_message"))}
    found = result.result
    if "observed_value" in found:
        return {"value": _plain(found["observed_value"])}
    values = [_plain(value) for value in found.get("partial_unexpected_list", ())[:_SHOWN]]
    share = (found.get("unexpected_percent") or 0.0) / 100
    return {"otherwise": _plain(share)} | ({"such_as": values} if values else {})


def _plain(value: Any) -> Any:
    """Return a value that JSON carries."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return round(value, 6) if value == value else None
    return value if isinstance(value, int | str | bool | None) else str(value)


def _write_pages(
    context: Any, pages: Path, results: Sequence[ExpectationChecked], limits: Limits
) -> None:
    """Write the report: one page per suite and per run of it, and an index.

    It is made elsewhere first: whatever else lies in `pages` stays as it is.
    """
    with tempfile.TemporaryDirectory() as made:
        context.add_data_docs_site(
            _SITE,
            {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                "store_backend": {
                    "class_name": "TupleFilesystemStoreBackend",
                    "base_directory": made,
                },
            },
        )
        context.build_data_docs(site_names=[_SITE])
        for page in Path(made).rglob("*.html"):
            page.write_text(_cleared(page.read_text("utf-8")), "utf-8")
        shutil.rmtree(Path(made) / "static", ignore_errors=True)
        Path(made, "index.html").write_text(_index(Path(made), results, limits), "utf-8")
        shutil.copytree(made, pages, dirs_exist_ok=True)


_SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.S)
_LINK = re.compile(r"<link\b[^>]*>")
_IMAGE = re.compile(r"<img\b[^>]*>")
_OUTSIDE_HREF = re.compile(r"""href=(["'])(?:https?:)?//.*?\1""")
_OUTSIDE_URL = re.compile(r"url\([^)]*//[^)]*\)")
_HEAD = """<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; }
table { border-collapse: collapse; margin: .5em 0; width: 100%; }
th, td { border: 1px solid #bbb; padding: .3em .6em; text-align: left; vertical-align: top; }
.failed { color: #a31515; }
</style>"""


def _cleared(page: str) -> str:
    """Return a page without scripts, pictures, sheets and links from elsewhere, in plain style.

    What is left over cannot be fetched or run either: the page's own policy forbids it.
    """
    for element in (_SCRIPT, _LINK, _IMAGE, _OUTSIDE_HREF):
        page = element.sub("", page)
    return _OUTSIDE_URL.sub("none", page).replace("<head>", _HEAD, 1)


def _index(made: Path, results: Sequence[ExpectationChecked], limits: Limits) -> str:
    """Return the first page: every expectation with its result, linked to the page of its run.

    That of Great Expectations is filled in by a script from elsewhere.
    """
    pages = {page.stem: page.relative_to(made) for page in made.glob("validations/**/*.html")}
    rows = []
    for result in results:
        page = pages.get(f"log-{result.suite}-of-{_file_name(result.scope)}")
        name = html.escape(f"{result.suite}/{result.expectation}")
        cells = (
            html.escape(result.scope),
            name if page is None else f'<a href="{quote(page.as_posix())}">{name}</a>',
            MARKS[result.passed],
            html.escape(observed(result)),
            html.escape(expected(named(result.expectation, expectations(result.scope, limits)))),
            str(result.rows),
        )
        failed = ' class="failed"' if result.passed is False else ""
        rows.append(f"<tr{failed}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    titles = ("scope", "expectation", "result", "observed", "expected", "rows")
    return "\n".join(
        (
            "<!DOCTYPE html>", "<html>", _HEAD, "<title>Expectations</title></head><body>",
            "<h1>Expectations</h1><table>",
            f"<tr>{''.join(f'<th>{title}</th>' for title in titles)}</tr>",
            *rows, "</table></body></html>", "",
        )
    )  # fmt: skip

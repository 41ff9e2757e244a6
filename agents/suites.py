"""What is expected of the data that teaches and of what it teaches: one table.

A suite is about the rows of one frame (agents.teaching makes them). An expectation is one of Great
Expectations, by its name there, on a column; `parameters` are its own. It is undecided, neither met
nor failed, where the column has fewer than `least_rows` values. What fails stops promotions in its
scope, never serving: the limits say where learning on would do harm, not what would be ideal. One
parameter of an expectation may be a limit that tenants set otherwise, within its range.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from artifacts.grammar.lexer import MAX_CODE_POINTS
from artifacts.policy import EVERY_TENANT
from artifacts.registry import SHARED
from streams.events import ExpectationChecked

Kind = Literal["text", "number"]

ANSWER_TYPES = ("null", "boolean", "number", "text", "list", "object")
"""What an answer may be; texts that are plain decimals are numbers, as comparisons take them."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a suite's frame; a value may be missing."""

    name: str
    kind: Kind
    doc: str


@dataclass(frozen=True, slots=True)
class Suite:
    """The frame that a suite's expectations are about: one row per what."""

    name: str
    row: str
    columns: tuple[Column, ...]


SUITES: tuple[Suite, ...] = (
    Suite("completions", "a reply of the teacher", (
        Column("utterance_id", "text", "whose text it replies to"),
        Column("event", "text", "completion, audit or recall"),
        Column("text", "text", "what was asked"),
        Column("code_points", "number", "length of the text"),
        Column("teacher", "text", "who replied"),
        Column("answer_type", "text", "what the answer is; missing where it was refused"),
        Column("is_refused", "number", "1 where the teacher gave no answer"),
        Column("is_null", "number", "1 where no answer is reproducible; missing where refused"),
        Column("differs", "number", "1 where the same text had another answer the last time; "
               "missing where it had none, or no reproducible one"),
        Column("tokens", "number", "that it took"),
        Column("price", "number", "that it cost"),
        Column("latency_us", "number", "that it took"),
    )),
    Suite("skeletons", "a text skeleton with answers enough to compare two halves", (
        Column("skeleton", "text", "the text with every number as 0"),
        Column("answers", "number", "replies with a reproducible answer"),
        Column("drift", "number", "how far the types of the newer half of the answers are from "
               "those of the older: total variation, 0 to 1"),
    )),
    Suite("records", "a topic that teaches", (
        Column("topic", "text", "its name"),
        Column("records", "number", "its newest records"),
        Column("rejected_share", "number", "share of them that was rejected and not put back"),
    )),
    Suite("candidates", "a family version that does not serve yet", (
        Column("version", "text", "family@version"),
        Column("comparisons", "number", "atoms since it last entered shadow"),
        Column("disagreement", "number", "share of them that disagreed; missing without any"),
        Column("coverage", "number", "share of the newest completions that it was held against"),
    )),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limit:
    """A parameter that may be set otherwise: a share from `least` to `most`, both inclusive."""

    parameter: str
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Expectation:
    """One row of the table; a mostly of .99 allows one row in a hundred to be otherwise."""

    name: str
    suite: str
    column: str
    kind: str
    parameters: Mapping[str, object]
    reason: str
    least_rows: int = 1
    limit: Limit | None = None


def _row(
    name: str,
    suite: str,
    column: str,
    kind: str,
    reason: str,
    least_rows: int = 1,
    limit: Limit | None = None,
    **given: object,
) -> Expectation:
    parameters = MappingProxyType(given)
    return Expectation(name, suite, column, kind, parameters, reason, least_rows, limit)


_BETWEEN = "ExpectColumnValuesToBeBetween"
_MEAN = "ExpectColumnMeanToBeBetween"

EXPECTATIONS: tuple[Expectation, ...] = (
    _row("utterance-known", "completions", "utterance_id", "ExpectColumnValueLengthsToBeBetween",
         "An answer that belongs to no utterance can be neither replayed nor explained.",
         min_value=1),
    _row("replied-once", "completions", "utterance_id", "ExpectCompoundColumnsToBeUnique",
         "An utterance that is counted twice is evidence twice.",
         least_rows=2, column_list=["event", "utterance_id"], mostly=0.95,
         limit=Limit("mostly", 0.5, 1.0)),
    _row("text-readable", "completions", "code_points", _BETWEEN,
         "No family reads an empty text or one past the lexer's limit.",
         min_value=1, max_value=MAX_CODE_POINTS, mostly=0.99,
         limit=Limit("mostly", 0.5, 1.0)),
    _row("teacher-named", "completions", "teacher", "ExpectColumnValueLengthsToBeBetween",
         "Evidence says whose answers it was gathered against.", min_value=1),
    _row("answer-type-known", "completions", "answer_type", "ExpectColumnValuesToBeInSet",
         "A comparator is chosen by what the answers are.", value_set=list(ANSWER_TYPES)),
    _row("tokens-counted", "completions", "tokens", _BETWEEN,
         "What a family saves is told from what was spent.", min_value=0),
    _row("price-counted", "completions", "price", _BETWEEN,
         "What a family saves is told from what was spent.", min_value=0),
    _row("latency-counted", "completions", "latency_us", _BETWEEN,
         "A time before the question is a wrong clock.", min_value=0),
    _row("refused-share", "completions", "is_refused", _MEAN,
         "A teacher that refuses half of what it is asked shows an outage, not its answers.",
         least_rows=20, max_value=0.5, limit=Limit("max_value", 0.0, 1.0)),
    _row("null-share", "completions", "is_null", _MEAN,
         "Where hardly any answer is reproducible, those that look so are mostly chance.",
         least_rows=20, max_value=0.9, limit=Limit("max_value", 0.0, 1.0)),
    _row("teacher-noise", "completions", "differs", _MEAN,
         "A teacher that gives every third repeated text another answer agrees with no family for "
         "long, and with the wrong one as well as with the right one.",
         least_rows=20, max_value=0.33, limit=Limit("max_value", 0.0, 1.0)),
    _row("answer-type-steady", "skeletons", "drift", _BETWEEN,
         "Texts of one form whose answers change their type have changed their meaning, or the "
         "teacher its format: what was learned before would serve what is wrong now.",
         max_value=0.5, mostly=0.9, limit=Limit("max_value", 0.0, 1.0)),
    _row("rejected-share", "records", "rejected_share", _BETWEEN,
         "What cannot be read is missing from the evidence, and seldom by chance.",
         max_value=0.01, limit=Limit("max_value", 0.0, 1.0)),
    _row("candidate-disagreement", "candidates", "disagreement", _MEAN,
         "Where most of what candidates answer is wrong, the one that looks right was chosen among "
         "many by luck.",
         least_rows=5, max_value=0.5, limit=Limit("max_value", 0.0, 1.0)),
    _row("candidate-coverage", "candidates", "coverage", "ExpectColumnMaxToBeBetween",
         "Candidates of which none reads anything of late were learned from traffic that is no "
         "more: their evidence says nothing about today's.",
         least_rows=5, min_value=0.0, strict_min=True, limit=Limit("min_value", 0.0, 0.99)),
)  # fmt: skip


Limits = Mapping[str, Mapping[str, float]]
"""Limits by tenant and by name of the expectation; those under `*` go for all tenants."""

LIMITS: Mapping[str, Limit] = MappingProxyType(
    {row.name: row.limit for row in EXPECTATIONS if row.limit is not None}
)


def limit_problems(limits: Limits) -> list[str]:
    """Return what is wrong with limits that somebody has set, each with its tenant.

    >>> limit_problems({"acme": {"null-share": 2.0}})
    ["tenant 'acme': null-share is 2; the limit lies from 0 to 1"]
    """
    return [
        f"tenant {tenant!r}: {problem}"
        for tenant, given in limits.items()
        for name, value in given.items()
        if (problem := _problem(tenant, name, value)) is not None
    ]


def _problem(tenant: str, name: str, value: float) -> str | None:
    limit = LIMITS.get(name)
    if limit is None:
        return f"{name!r} is no limit; there are {', '.join(LIMITS)}"
    if not limit.least <= value <= limit.most:
        return f"{name} is {value:g}; the limit lies from {limit.least:g} to {limit.most:g}"
    if named(name).suite == "records" and tenant not in (EVERY_TENANT, SHARED):
        return f"{name} is about records of all tenants; set it for {EVERY_TENANT!r}"
    return None


def expectations(scope: str, limits: Limits) -> tuple[Expectation, ...]:
    """Return the table with the limits of a scope: its own, else those for all, else as written."""
    given = {**limits.get(EVERY_TENANT, {}), **limits.get(scope, {})}
    return tuple(
        row
        if row.limit is None or row.name not in given
        else replace(
            row,
            parameters=MappingProxyType({**row.parameters, row.limit.parameter: given[row.name]}),
        )
        for row in EXPECTATIONS
    )


def set_by(row: Expectation, scope: str, limits: Limits) -> str | None:
    """Return whose limit goes for an expectation in a scope; None for the table's."""
    return next((who for who in (scope, EVERY_TENANT) if row.name in limits.get(who, {})), None)


_WORDS = (
    ("min_value", "at least"),
    ("max_value", "at most"),
    ("value_set", "one of"),
    ("column_list", "once for each"),
)


def expected(row: Expectation) -> str:
    """Say what a row of the table expects of its column.

    >>> expected(next(row for row in EXPECTATIONS if row.name == "text-readable"))
    'code_points at least 1, at most 2000 in 99 % of rows'
    """
    of = {"Mean": "mean of ", "Max": "greatest ", "ValueLengths": "length of "}
    what = next((word for part, word in of.items() if f"Column{part}To" in row.kind), "")
    terms = [f"{word} {_shown(row.parameters[name])}" for name, word in _WORDS
             if name in row.parameters]  # fmt: skip
    if row.parameters.get("strict_min"):
        terms = [term.replace("at least", "more than") for term in terms]
    mostly = row.parameters.get("mostly")
    rows = f" in {100 * mostly:g} % of rows" if isinstance(mostly, float) else ""
    return f"{what}{row.column} {', '.join(terms)}{rows}"


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else f"{value:g}"


MARKS: Mapping[bool | None, str] = MappingProxyType(
    {True: "met", False: "FAILED", None: "undecided"}
)


def named(name: str, rows: Sequence[Expectation] = EXPECTATIONS) -> Expectation:
    """Return the row of the table that has this name."""
    return next(row for row in rows if row.name == name)


def observed(result: ExpectationChecked) -> str:
    """Say what was observed; where nothing was, why not."""
    match result.observed:
        case {"value": value}:
            return f"observed {value}"
        case {"otherwise": float(share) | int(share), **rest}:
            such = rest.get("such_as")
            values = f", such as {', '.join(map(repr, such))}" if isinstance(such, list) else ""
            return f"{100 * share:.3g} % of rows otherwise{values}"
        case {"error": why}:
            return f"not checked, {why}"
        case _:
            return result.reason

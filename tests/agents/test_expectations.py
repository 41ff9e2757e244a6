"""What is expected of the data that teaches: its rows, its table, what a failure stops."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.commands.shared import open_reader, open_writer
from agents.suites import (
    EXPECTATIONS,
    LIMITS,
    SUITES,
    Limits,
    expectations,
    expected,
    limit_problems,
    named,
    set_by,
)
from agents.teaching import Batch, batches
from artifacts.policy import EVERY_TENANT
from artifacts.registry import SHARED
from streams.codec import encode
from streams.events import (
    CompletionGiven,
    CompletionRefused,
    Event,
    ExpectationChecked,
    Window,
)
from streams.signing import ANYONE
from streams.transports import Outgoing
from tests.agents.simulations import kappa
from tests.agents.worlds import TENANT, Gate, atom, change, minutes

RIGHT = minutes()


def checked(passed: bool | None, until: int = 10, **more: Any) -> ExpectationChecked:
    fields: dict[str, Any] = {
        "suite": "completions", "expectation": "null-share", "scope": TENANT, "observed": None,
        "reason": "too many", "rows": 20, "window": Window(since=0, until=until),
    }  # fmt: skip
    return ExpectationChecked(passed=passed, **fields | more)


def ready() -> Gate:
    """`m@1` has all the evidence that it needs."""
    gate = Gate()
    gate.passed(gate.propose([change("m", 1, RIGHT, "shadow")], [RIGHT]))
    gate.with_evidence("m")
    return gate


STOPPING: dict[str, tuple[tuple[ExpectationChecked, ...], bool]] = {
    "nothing-was-checked": ((), False),
    "all-is-met": ((checked(True),), False),
    "one-failed": ((checked(False),), True),
    "one-of-two-failed": ((checked(False), checked(True, expectation="refused-share")), True),
    "undecided-is-no-failure": ((checked(None),), False),
    "met-since": ((checked(False), checked(True, 11)), False),
    "undecided-since": ((checked(False), checked(None, 11)), False),
    "failed-since": ((checked(True), checked(False, 11)), True),
    "an-older-run-comes-late": ((checked(False, 11), checked(True, 10)), True),
    "the-same-run-twice": ((checked(False), checked(False)), True),
    "the-same-records-under-another-limit": ((checked(False), checked(True)), False),
    "it-is-expected-no-more": ((checked(False), checked(True, 11, expectation="other")), False),
    "another-suite-is-met": ((checked(False), checked(True, 11, suite="records")), True),
    "another-tenant": ((checked(False, scope="other"),), False),
    "every-tenant": ((checked(False, scope=SHARED),), True),
}


@pytest.mark.parametrize("name", STOPPING)
def test_what_stops_a_promotion(name: str) -> None:
    results, stops = STOPPING[name]
    gate = ready()
    gate.fold(*results)
    wanted = gate.propose([change("m", 1, RIGHT, "live")])
    if stops:
        reason = f"m@1: completions/null-share of {results[0].scope}: too many"
        assert gate.refused_by(wanted) == {"expectations": reason}
    else:
        gate.passed(wanted)


def test_what_fails_stops_nothing_that_serves_and_nothing_that_leaves_service() -> None:
    gate = Gate()
    gate.serve("m", RIGHT)
    gate.fold(checked(False))
    assert gate.entry("m").stage == "live"
    other = minutes(60, (3, 4))
    gate.passed(gate.propose([change("w", 1, other, "shadow")], [other]))
    gate.passed(gate.propose([change("m", 1, RIGHT, "shadow")]))
    gate.passed(gate.propose([change("m", 1, RIGHT, "retired")]))


def reply(number: int, answer: Any, text: str = "what is it", tenant: str = "t") -> CompletionGiven:
    return CompletionGiven(
        utterance_id=f"u{number}", tenant=tenant, text=text, answer=answer, teacher="demo"
    )


def refusal(number: int) -> CompletionRefused:
    return CompletionRefused(
        utterance_id=f"u{number}", tenant="t", text="what is it", teacher="demo", reason="down"
    )


async def written(directory: Path, events: Sequence[Event], junk: Sequence[Outgoing] = ()) -> None:
    log = open_writer(directory)
    try:
        await log.publish([encode(event, timestamp=n) for n, event in enumerate(events, 1)])
        await log.publish(junk)
    finally:
        await log.close()


async def rows_of(directory: Path, newest: int = 100) -> dict[tuple[str, str], Batch]:
    log = open_reader(directory)
    try:
        return {(b.suite, b.scope): b for b in await batches(log, ANYONE, newest)}
    finally:
        await log.close()


async def test_every_scope_has_a_batch_of_every_suite(tmp_path: Path) -> None:
    await written(tmp_path, [reply(1, "a"), reply(2, "b", tenant="other")])
    found = await rows_of(tmp_path)
    assert set(found) == {
        (suite.name, scope)
        for scope in ("t", "other", SHARED)
        for suite in SUITES
        if (suite.name == "records") == (scope == SHARED)
    }
    assert found["completions", "t"].window == Window(since=1, until=2)
    names = {suite.name: {column.name for column in suite.columns} for suite in SUITES}
    assert all(set(row) <= names[b.suite] for b in found.values() for row in b.rows)


DIFFERS: dict[str, tuple[Sequence[Any], list[float | None]]] = {
    "the-same": (["7", "7"], [None, 0.0]),
    "the-same-number": (["7", "7.0"], [None, 0.0]),
    "another": (["7", "8", "8"], [None, 1.0, 0.0]),
    "no-answer-is-no-other-answer": (["7", None, "8"], [None, None, None]),
}


@pytest.mark.parametrize("name", DIFFERS)
async def test_the_same_text_with_another_answer_is_noise(tmp_path: Path, name: str) -> None:
    answers, noise = DIFFERS[name]
    await written(tmp_path, [reply(n, answer) for n, answer in enumerate(answers)])
    batch = (await rows_of(tmp_path))["completions", "t"]
    assert [row["differs"] for row in batch.rows] == noise


async def test_only_the_newest_replies_count(tmp_path: Path) -> None:
    await written(tmp_path, [reply(n, str(n)) for n in range(8)] + [refusal(8)])
    batch = (await rows_of(tmp_path, newest=3))["completions", "t"]
    assert [row["utterance_id"] for row in batch.rows] == ["u6", "u7", "u8"]
    assert [row["is_refused"] for row in batch.rows] == [0, 0, 1]
    assert (batch.window.since, batch.window.until) == (7, 9)


async def test_a_candidate_is_told_by_its_evidence(tmp_path: Path) -> None:
    gate = Gate()
    changed = gate.passed(gate.propose([change("m", 1, RIGHT, "shadow")], [RIGHT]))
    entry = gate.entry("m")
    said = [reply(n, "60", f"{n} minutes to seconds", TENANT) for n in range(4)]
    atoms = [
        atom(entry, 0, sample_id="u0"),
        atom(entry, 0, sample_id="u0"),
        atom(entry, 1, sample_id="u1", agreed=False),
        replace_since(atom(entry, 2, sample_id="u2")),
    ]
    await written(tmp_path, [changed, *said, *atoms])
    [row] = (await rows_of(tmp_path))["candidates", TENANT].rows
    assert row == {"version": "m@1", "comparisons": 2, "disagreement": 0.5, "coverage": 0.5}


def replace_since(event: Any) -> Event:
    """Return the atom of an earlier time in shadow."""
    return event.model_copy(update={"since": 0})


def test_the_table_fits_its_suites() -> None:
    columns = {(suite.name, column.name) for suite in SUITES for column in suite.columns}
    assert {(row.suite, row.column) for row in EXPECTATIONS} <= columns
    assert {row.suite for row in EXPECTATIONS} == {suite.name for suite in SUITES}
    assert len({row.name for row in EXPECTATIONS}) == len(EXPECTATIONS)
    assert all(row.reason.endswith(".") and expected(row) for row in EXPECTATIONS)


def test_every_limit_of_the_table_is_within_its_own_range() -> None:
    for row in EXPECTATIONS:
        if row.limit is not None:
            value = row.parameters[row.limit.parameter]
            assert isinstance(value, float)
            assert row.limit.least <= value <= row.limit.most, row.name
    assert set(LIMITS) >= {
        "rejected-share", "candidate-coverage", "candidate-disagreement", "teacher-noise"
    }  # fmt: skip


SET: dict[str, tuple[Limits, dict[str, tuple[object, str | None]]]] = {
    "nobody-sets-it": ({}, {TENANT: (0.9, None), EVERY_TENANT: (0.9, None)}),
    "for-one-tenant": (
        {TENANT: {"null-share": 0.2}},
        {TENANT: (0.2, TENANT), "other": (0.9, None), SHARED: (0.9, None)},
    ),
    "for-all": (
        {EVERY_TENANT: {"null-share": 0.2}},
        {
            TENANT: (0.2, EVERY_TENANT),
            EVERY_TENANT: (0.2, EVERY_TENANT),
            SHARED: (0.2, EVERY_TENANT),
        },
    ),
    "one-otherwise-than-all": (
        {EVERY_TENANT: {"null-share": 0.2}, TENANT: {"null-share": 1.0}},
        {TENANT: (1.0, TENANT), "other": (0.2, EVERY_TENANT)},
    ),
    "another-limit": ({TENANT: {"teacher-noise": 0.2}}, {TENANT: (0.9, None)}),
}


@pytest.mark.parametrize("name", SET)
def test_whose_limit_goes(name: str) -> None:
    limits, said = SET[name]
    for scope, (value, who) in said.items():
        rows = expectations(scope, limits)
        row = named("null-share", rows)
        assert (row.parameters["max_value"], set_by(row, scope, limits)) == (value, who)
        assert [r.name for r in rows] == [r.name for r in EXPECTATIONS]
        assert f"at most {value:g}" in expected(row)
    assert named("null-share").parameters["max_value"] == 0.9


REFUSED: dict[str, tuple[Limits, list[str]]] = {
    "within-its-range": ({TENANT: {"null-share": 0.0}, EVERY_TENANT: {"null-share": 1.0}}, []),
    "too-great": (
        {TENANT: {"null-share": 1.01}},
        ["tenant 'acme': null-share is 1.01; the limit lies from 0 to 1"],
    ),
    "too-small": (
        {EVERY_TENANT: {"text-readable": 0.2}},
        ["tenant '*': text-readable is 0.2; the limit lies from 0.5 to 1"],
    ),
    "no-number": (
        {TENANT: {"teacher-noise": float("nan")}},
        ["tenant 'acme': teacher-noise is nan; the limit lies from 0 to 1"],
    ),
    "unknown": (
        {TENANT: {"teacher-known": 0.5}},
        [f"tenant 'acme': 'teacher-known' is no limit; there are {', '.join(LIMITS)}"],
    ),
    "of-all-tenants": (
        {TENANT: {"rejected-share": 0.5}, EVERY_TENANT: {"rejected-share": 0.5}},
        ["tenant 'acme': rejected-share is about records of all tenants; set it for '*'"],
    ),
    "all-of-them": (
        {TENANT: {"null-share": -1}, "b": {"refused-share": 2}},
        ["tenant 'acme': null-share is -1; the limit lies from 0 to 1",
         "tenant 'b': refused-share is 2; the limit lies from 0 to 1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_limit_is_refused_with_tenant_and_range(name: str) -> None:
    limits, problems = REFUSED[name]
    assert limit_problems(limits) == problems


def test_without_the_extra_one_sentence_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "agents.expectations", raising=False)
    monkeypatch.setitem(sys.modules, "great_expectations", None)
    for option in ("--expectations", "--publish", f"--data-docs={tmp_path / 'report'}"):
        status, said, why = kappa("audit", option, "--data", tmp_path)
        assert (status, said) == (2, "")
        assert why == (
            "kappa: great_expectations is not installed: pip install 'kappa-pipeline[audit]'\n"
        )

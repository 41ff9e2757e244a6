"""Expectations checked by Great Expectations itself: each one, the report, the command."""

import asyncio
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from agents.commands.shared import open_reader
from agents.history import records
from agents.suites import EXPECTATIONS, MARKS, expected
from agents.teaching import Batch
from artifacts.registry import SHARED
from streams.events import ExpectationChecked, Window
from tests.agents.simulations import helpdesk, kappa, simulated
from tests.agents.test_expectations import RIGHT, ready, refusal, reply, written
from tests.agents.worlds import TENANT, change
from tests.end_to_end.test_service import until, up

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("great_expectations") is None, reason="needs the extra `audit`"
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of its own imports
]


def many(count: int, **values: Any) -> list[dict[str, Any]]:
    return [dict(values) for _ in range(count)]


def replies(count: int = 40, **values: Any) -> list[dict[str, Any]]:
    """Return rows that meet everything that is expected of completions, but for these values."""
    good = {
        "event": "completion", "text": "x", "code_points": 1, "teacher": "demo",
        "answer_type": "text", "is_refused": 0, "is_null": 0, "differs": 0, "tokens": 1,
        "price": 0, "latency_us": 5,
    }  # fmt: skip
    return [{"utterance_id": f"u{n}"} | good | values for n in range(count)]


def candidate(disagreement: float | None, coverage: float | None) -> dict[str, Any]:
    return {
        "version": "m@1", "comparisons": 9, "disagreement": disagreement, "coverage": coverage
    }  # fmt: skip


def topic(share: float | None) -> list[dict[str, Any]]:
    return many(1, topic="evidence", records=9, rejected_share=share)


def drifting(*drifts: float) -> list[dict[str, Any]]:
    return [{"skeleton": "x 0", "answers": 20, "drift": drift} for drift in drifts]


FAILING: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]] = {
    "utterance-known": (replies(), replies(utterance_id=""), []),
    "replied-once": (replies(), replies(utterance_id="u1"), replies(1)),
    "text-readable": (replies(), replies(code_points=0), []),
    "teacher-named": (replies(), replies(teacher=""), []),
    "answer-type-known": (replies(), replies(answer_type="picture"), replies(answer_type=None)),
    "tokens-counted": (replies(), replies(tokens=-1), replies(tokens=None)),
    "price-counted": (replies(), replies(price=-0.5), replies(price=None)),
    "latency-counted": (replies(), replies(latency_us=-1), replies(latency_us=None)),
    "refused-share": (replies(), replies(is_refused=1), replies(19, is_refused=1)),
    "null-share": (replies(), replies(is_null=1), replies(is_null=None)),
    "teacher-noise": (replies(), replies(differs=1), replies(differs=None)),
    "answer-type-steady": (drifting(0, 0.4), drifting(0, 0.6), []),
    "rejected-share": (topic(0.0), topic(0.02), topic(None)),
    "candidate-disagreement": (
        [candidate(0.1, 0.1)] * 5, [candidate(0.6, 0.1)] * 5, [candidate(None, 0.1)] * 5
    ),
    "candidate-coverage": (
        [candidate(0.1, 0.0)] * 4 + [candidate(0.1, 0.1)], [candidate(0.1, 0.0)] * 5,
        [candidate(0.1, 0.0)] * 4,
    ),
}  # fmt: skip
"""Rows by expectation: that meet it, that fail it, and that are too few to tell."""


def test_each_expectation_is_met_fails_and_is_undecided() -> None:
    from agents.expectations import check  # three seconds

    assert set(FAILING) == {row.name for row in EXPECTATIONS}
    for row in EXPECTATIONS:
        window = Window(since=1, until=2)
        scopes = ("met", "failing", "few")
        given = [
            Batch(row.suite, scope, window, rows)
            for scope, rows in zip(scopes, FAILING[row.name], strict=True)
        ]
        results = {r.scope: r for r in check(given) if r.expectation == row.name}
        verdicts = {scope: result.passed for scope, result in results.items()}
        assert verdicts == {"met": True, "failing": False, "few": None}, row.name
        assert results["met"].reason == row.reason
        assert expected(row) in results["failing"].reason
        assert results["failing"].observed is not None
        others = {r.passed for r in check(given[:1])}
        assert False not in others, row.name


OUTSIDE = re.compile(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//|url\([^)]*//|<script""", re.I)


def test_the_report_leads_nowhere_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    monkeypatch.setattr("socket.socket.connect", lambda _, address: called.append(address))
    monkeypatch.setattr("socket.getaddrinfo", lambda *given, **_: called.append(given))
    from agents.expectations import check  # three seconds

    hostile = "../../<svg onload=alert(1)>"
    window = Window(since=1, until=2)
    rows = replies(teacher="", event="<script>alert(1)</script>", utterance_id=hostile)
    pages = tmp_path / "deep" / "report"
    (tmp_path / "deep").mkdir()
    check([Batch("completions", hostile, window, rows)], pages)
    assert called == []
    assert {path.name for path in tmp_path.iterdir()} == {"deep"}
    found = {page: page.read_text("utf-8") for page in pages.rglob("*.html")}
    assert len(found) == 3
    assert all("default-src 'none'" in page for page in found.values())
    assert [path.name for path, page in found.items() if OUTSIDE.search(page)] == []
    index = found[pages / "index.html"]
    assert "&lt;svg" in index and "<svg" not in index
    (linked,) = set(re.findall(r'href="([^"]+)"', index))
    assert (pages / linked).exists()


def test_the_command_checks_a_log_and_what_it_records_stops_promotions(tmp_path: Path) -> None:
    data, report = tmp_path / "data", tmp_path / "report"
    simulated(tmp_path / "ran", helpdesk(600), "--data", data)
    status, said, _ = kappa("audit", "--expectations", "--data", data)
    lines = said.splitlines()
    assert (status, len(lines)) == (0, len(EXPECTATIONS))
    assert all(line.startswith((MARKS[True], MARKS[None])) for line in lines)

    tenant = "default"
    bad = [refusal(n).model_copy(update={"tenant": tenant}) for n in range(1000)]
    asyncio.run(written(data, bad))
    options = ("--data-docs", report, "--publish", "--json", "--data", data)
    status, said, _ = kappa("audit", *options)
    results = [ExpectationChecked.model_validate(row) for row in json.loads(said)]
    failed = [result for result in results if result.passed is False]
    assert status == 1
    assert [result.expectation for result in failed] == ["refused-share"]
    assert "refused-share" in (report / "index.html").read_text("utf-8")

    recorded = asyncio.run(learned(data))
    assert sorted(map(str, recorded)) == sorted(map(str, results))
    gate = ready()
    gate.fold(*(result.model_copy(update={"scope": TENANT}) for result in recorded))
    refused = gate.refused_by(gate.propose([change("m", 1, RIGHT, "live")]))
    assert refused["expectations"].startswith("m@1: completions/refused-share of acme: observed")


LIMITED = {
    "candidate-coverage": (0.2, "greatest coverage more than 0.2"),
    "replied-once": (0.97, "in 97 % of rows"),
    "text-readable": (1.0, "code_points at least 1, at most 2000 in 100 % of rows"),
}


def test_a_limit_of_a_tenant_is_checked_told_and_shown(tmp_path: Path) -> None:
    """A limit decides in the tenant that it is set for, and the table's elsewhere."""
    from agents.expectations import check  # three seconds

    for row in (row for row in EXPECTATIONS if row.limit is not None):
        met, window = FAILING[row.name][0], Window(since=1, until=2)
        rows = [*met[:-1], met[-1] | {"code_points": 0}] if row.name == "text-readable" else met
        rows = [*rows, rows[0]] if row.name == "replied-once" else rows
        rows = [r | {row.column: 0.005} if row.kind.endswith("MeanToBeBetween") or
                row.suite in ("skeletons", "records") else r for r in rows]  # fmt: skip
        value, said = LIMITED.get(row.name, (0.001, "at most 0.001"))
        if row.name == "text-readable":
            rows = [*rows, *replies(80)]
        scopes = ("default", "strict") if row.suite != "records" else ("default",)
        limits = {scopes[-1]: {row.name: value}}
        given = [Batch(row.suite, scope, window, rows) for scope in scopes]
        pages = tmp_path / row.name
        results = {r.scope: r for r in check(given, pages, limits) if r.expectation == row.name}
        assert results[scopes[-1]].passed is False, row.name
        assert said in results[scopes[-1]].reason
        assert all(results[scope].passed for scope in scopes[:-1]), row.name
        assert said.replace("'", "&#x27;") in (pages / "index.html").read_text("utf-8")


def test_the_command_says_whose_limit_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [*(reply(n, "1", f"{n}", "acme") for n in range(30)), reply(30, None, "x", "acme")]
    asyncio.run(written(tmp_path, said))
    limits = {"*": {"refused-share": 0.25}, "acme": {"null-share": 0.01}}
    monkeypatch.setenv("KAPPA_EXPECTATIONS", json.dumps(limits))
    status, shown, _ = kappa("audit", "--expectations", "--data", tmp_path)
    assert status == 1
    [failed] = [line for line in shown.splitlines() if line.startswith(MARKS[False])]
    assert "mean of is_null at most 0.01, set for acme (31 rows)" in failed
    assert "mean of is_refused at most 0.25, set for * (31 rows)" in shown


@pytest.mark.usefixtures("every_second")
def test_the_service_checks_beside_its_answers(tmp_path: Path) -> None:
    with up(tmp_path, "--audit-rate", 0) as service:
        service.ask("convert 5 minutes to seconds")
        recorded = until(lambda: asyncio.run(learned(tmp_path)), "expectations are checked")
        assert {result.scope for result in recorded} == {"default", SHARED}
        assert {result.expectation for result in recorded} == {row.name for row in EXPECTATIONS}
        service.settled()
        assert service.ask("convert 6 minutes to seconds")["answer"] == "360"


@pytest.fixture
def every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAPPA_EXPECTATIONS_EVERY", "1")


async def learned(data: Path) -> list[ExpectationChecked]:
    log = open_reader(data)
    try:
        return [e async for _, e in records(log, ("learning",))
                if isinstance(e, ExpectationChecked)]  # fmt: skip
    finally:
        await log.close()

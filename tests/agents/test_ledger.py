"""The ledger: read off tables of events, off a simulation's log, and off an empty one."""

import asyncio
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.ledger import Ledger, Limits
from agents.ledger_document import DecideTime, ledger_document, total_calls
from agents.teachers.estimate import estimated
from artifacts.economics import Calls, Window
from artifacts.values import digest
from streams.codec import encode
from streams.events import (
    AnswerGiven,
    AuditAnswered,
    AuditCause,
    AuditRefused,
    Change,
    CompletionGiven,
    CompletionRefused,
    Event,
    MatchAbstained,
    Pair,
    RecallAnswered,
    Revision,
    Stage,
    TeacherAsked,
    TeacherReplied,
    VersionChanged,
)
from streams.signing import ANYONE
from streams.transports import Record
from streams.transports.embedded import EmbeddedLog
from tests.agents.simulations import helpdesk, kappa, simulated

GUESS = estimated("x", "7")
"""What one call is estimated at: 301 tokens."""

REVISION = Revision(ordinal=0, digest="")
RECIPE = {"recipe": 1, "name": "doubling"}


def answer(number: int = 0, family: str = "f", tenant: str = "t") -> AnswerGiven:
    return AnswerGiven(
        utterance_id=f"u{number}", tenant=tenant, text="x", answer="7", family=family, version=1,
        digest="d", revision=REVISION, slots=(), readings=1, cost=1, answer_ref="r",
    )  # fmt: skip


def fell_back(number: int = 0) -> MatchAbstained:
    return MatchAbstained(
        utterance_id=f"u{number}", tenant="t", text="x", reason="miss", revision=REVISION
    )


def completion(text: str = "x", **said: Any) -> CompletionGiven:
    fields: dict[str, Any] = {"utterance_id": "u0", "tenant": "t", "teacher": "m", "answer": "7"}
    return CompletionGiven(**fields | said, text=text)


def audit(number: int = 0, cause: AuditCause = "served", **said: Any) -> AuditAnswered:
    return AuditAnswered(
        utterance_id=f"u{number}", tenant="t", text="x", answer="7", teacher="m", family="f",
        version=1, digest="d", served="7", probability=0.5, cause=cause, **said,
    )  # fmt: skip


def recall(number: int = 0) -> RecallAnswered:
    return RecallAnswered(
        utterance_id=f"u{number}", tenant="t", text="x", answer="a longer answer", teacher="m",
        family="f", version=1, digest="d", answer_ref="r",
    )  # fmt: skip


def asked(number: int) -> TeacherAsked:
    pair = Pair(utterance_id="u0", text="twice 4", answer="8")
    return TeacherAsked(
        question_id=f"q{number}", scope="t", method="recipe", cluster="c", pairs=(pair,), budget=9
    )


def reply(number: int, teacher: str, *recipes: Any, repairs: str | None = None) -> TeacherReplied:
    return TeacherReplied(
        question_id=f"q{number}", scope="t", method="repair" if repairs else "recipe",
        cluster=repairs or "c", teacher=teacher, recipes=recipes, taught=("u0", "u1", "u2"),
        tried=1, steps=1, family=repairs, version=1 if repairs else None,
    )  # fmt: skip


def stage(
    ordinal: int, stage: Stage, family: str = "f", version: int = 1, recipe: Any = None
) -> VersionChanged:
    artifact = {"provenance": {"recipe": digest(recipe)}}
    return VersionChanged(
        ordinal=ordinal, scope="t", actor="distiller", reason="", previous=ordinal - 1,
        changes=(Change(family=family, version=version, digest=digest(artifact), stage=stage),),
        artifacts=(artifact,) if recipe else (),
    )  # fmt: skip


AUDIT_REFUSED = AuditRefused(
    utterance_id="u0", tenant="t", text="x", teacher="m", reason="no", family="f", version=1,
    digest="d", probability=0.5,
)  # fmt: skip
REFUSED = CompletionRefused(utterance_id="u0", tenant="t", text="x", teacher="m", reason="no")


def record(event: Event, offset: int) -> Record:
    out = encode(event, timestamp=1000 * offset)
    return Record(out.topic, 0, offset, offset, out.key, out.headers, out.value, out.timestamp)


def folded(events: Sequence[Event], limits: Limits | None = None) -> Ledger:
    found = Ledger(ANYONE, limits or Limits())
    for offset, event in enumerate(events):
        found.add(record(event, offset))
    return found


LEARNED = (asked(1), reply(1, "inducer", RECIPE), stage(1, "shadow", recipe=RECIPE))

# events → the family's calls, N* with one lesson, N* with all
FAMILIES: dict[str, tuple[Sequence[Event], Calls, int | None, int | None]] = {
    "learned-and-not-used": (LEARNED, Calls(taught=3), None, None),
    "merged-by-time-the-version-came-first": (
        (LEARNED[2], LEARNED[0], LEARNED[1], answer()), Calls(1, 3), 1, None,
    ),
    "learned-by-a-model-and-the-version-came-first": (
        (LEARNED[2], asked(1), reply(1, "m", RECIPE)), Calls(0, 3, recipe_calls=1), None, None,
    ),
    "one-answer": ((*LEARNED, answer()), Calls(1, 3), 1, None),
    "as-many-answers-as-lessons": ((*LEARNED, *(answer(n) for n in range(4))), Calls(4, 3), 1, 3),
    "the-first-answer-was-audited": ((*LEARNED, answer(), audit()), Calls(1, 3, 1), None, None),
    "and-then-one-was-not": ((*LEARNED, answer(), audit(), answer(1)), Calls(2, 3, 1), 2, None),
    "an-audit-of-a-reject-counts": (
        (*LEARNED, answer(), answer(1), audit(1, "rejected")), Calls(2, 3, 1), 1, None,
    ),
    "a-refused-audit-is-a-call": ((*LEARNED, answer(), AUDIT_REFUSED), Calls(1, 3, 1), None, None),
    "a-recall": ((*LEARNED, answer(), answer(1), recall(1)), Calls(2, 3, 0, 1), 1, None),
    "a-model-wrote-the-recipe": (
        (asked(1), reply(1, "m", RECIPE), stage(1, "shadow", recipe=RECIPE), answer(), answer(1)),
        Calls(2, 3, recipe_calls=1), 2, None,
    ),
    "a-model-needed-three-calls": (
        (asked(1), reply(1, "m"), asked(2), reply(2, "m"), asked(3), reply(3, "m", RECIPE),
         stage(1, "shadow", recipe=RECIPE), *(answer(n) for n in range(4))),
        Calls(4, 3, recipe_calls=1, retries=2), 4, None,
    ),
    "a-model-repaired-it": (
        (*LEARNED, answer(), reply(2, "m", repairs="f")), Calls(1, 3, retries=1), None, None,
    ),
    "the-inducer-repaired-it": (
        (*LEARNED, answer(), reply(2, "inducer", repairs="f")), Calls(1, 3), 1, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_family_cost_and_when_it_broke_even(name: str) -> None:
    events, calls, even, even_taught = FAMILIES[name]
    found = folded(events)
    account = found.accounts[("t", "f")]
    assert (account.calls, account.broke_even, account.broke_even_taught) == (
        calls, even, even_taught,
    )  # fmt: skip
    assert account.tokens_avoided == calls.avoided * GUESS.tokens
    assert account.upkeep.calls == calls.upkeep
    assert total_calls(found) == calls


def test_calls_for_recipes_that_led_to_no_family_are_spent_in_total_alone() -> None:
    found = folded((asked(1), reply(1, "m"), reply(2, "inducer")))
    assert (found.accounts, found.searches) == ({}, 1)
    assert total_calls(found) == Calls(retries=1)
    # 300 and a quarter of "twice 4" and "\"8\"", which are 10 code points, rounded up
    assert found.recipes.tokens_estimated == 303


# completions → tokens reported, estimated, dollars reported, estimated, free calls
MONEY: dict[str, tuple[Sequence[Event], tuple[int, int, float, float, int]]] = {
    "reported": ((completion(tokens=40, price=0.5),), (40, 0, 0.5, 0.0, 0)),
    "nothing-reported": ((completion(),), (0, GUESS.tokens, 0.0, GUESS.price, 0)),
    "tokens-without-a-price": ((completion(tokens=40),), (40, 0, 0.0, 40 * 0.5e-6, 0)),
    "a-price-without-tokens": ((completion(price=0.25),), (0, GUESS.tokens, 0.25, 0.0, 0)),
    "an-equal-question-in-flight": (
        (completion(tokens=40, price=0.5), completion()), (40, 0, 0.5, 0.0, 1),
    ),
    "another-teacher-reports": (
        (completion(tokens=40, price=0.5), completion(teacher="n")),
        (40, GUESS.tokens, 0.5, GUESS.price, 0),
    ),
    "a-refusal-costs-no-tokens": ((REFUSED,), (0, 0, 0.0, 0.0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", MONEY)
def test_tokens_and_money_are_reported_or_else_estimated(name: str) -> None:
    events, expected = MONEY[name]
    purse = folded(events).completions
    assert purse.calls == len(events)
    assert (
        purse.tokens_reported, purse.tokens_estimated, purse.dollars_reported,
        purse.dollars_estimated, purse.free,
    ) == pytest.approx(expected)  # fmt: skip


def test_what_an_utterance_costs_and_what_is_still_to_be_had() -> None:
    said = {"tokens": 40, "price": 0.5, "latency_us": 9000}
    found = folded((
        fell_back(0), completion("disk 1 full", **said), fell_back(1),
        completion("disk 22 full", **said), fell_back(2), completion("hello", **said), answer(3),
    ))  # fmt: skip
    document = ledger_document(found, DecideTime(1000.0, "measured"), by_family=False)
    assert (document["utterances"], document["answered"], document["coverage"]) == (4, 1, 0.25)
    assert document["expected_cost"]["us"] == {
        "deterministic": 1000.0, "teacher": 9000.0, "expected": 7000.0,
    }  # fmt: skip
    assert document["expected_cost"]["dollars"]["expected"] == pytest.approx(0.375)
    assert document["latency"]["avoided_us"] == 8000
    rest = document["still_to_be_had"]
    assert (rest["fallbacks"], rest["skeletons"], rest["singletons"]) == (3, 2, 1)
    assert (rest["seen_before_share"], rest["known_share"]) == (0.333333, 0.666667)
    assert rest["coverage"] == 0.5
    assert "1 singletons among N = 3 fallbacks" in rest["meaning"]
    assert "families" not in document


# change sets between utterances → the windows of coverage
COVERAGE: dict[str, tuple[Sequence[Event], list[Window]]] = {
    "no-family": ((fell_back(), fell_back()), [Window(0, 2, 0)]),
    "one-family-comes": (
        (fell_back(), stage(1, "live"), answer(), fell_back()), [Window(0, 1, 0), Window(1, 2, 1)],
    ),
    "shadow-serves-nobody": ((fell_back(), stage(1, "shadow"), fell_back()), [Window(0, 2, 0)]),
    "a-second-version-is-no-second-family": (
        (stage(1, "live"), answer(), stage(2, "live", version=2), answer()), [Window(1, 2, 2)],
    ),
    "one-goes-another-comes": (
        (stage(1, "live"), answer(), stage(2, "retired"), fell_back(),
         stage(3, "canary", "g"), answer()),
        [Window(1, 1, 1), Window(0, 1, 0), Window(1, 1, 1)],
    ),
    "a-change-set-twice-is-one": (
        (stage(1, "live"), answer(), stage(2, "retired"), stage(1, "live"), fell_back()),
        [Window(1, 1, 1), Window(0, 1, 0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COVERAGE)
def test_coverage_against_the_number_of_families(name: str) -> None:
    events, windows = COVERAGE[name]
    assert folded(events).points() == windows


def test_beyond_its_limits_a_ledger_keeps_the_totals() -> None:
    events: list[Event] = []
    for number in range(12):
        events += [stage(number + 1, "live", f"f{number}"), answer(number, f"f{number}")]
    found = folded(events, Limits(families=5, recent=3, windows=4))
    assert (len(found.accounts), len(found.recent)) == (5, 3)
    assert found.others.calls == Calls(answered=7)
    assert total_calls(found) == Calls(answered=12)
    points = found.points()
    assert len(points) <= 5
    assert sum(window.utterances for window in points) == 12
    assert points[-1].families == 12
    document = ledger_document(found, DecideTime(), by_family=True)
    assert document["families_beyond_limit"]["answered"] == 7
    assert document["families_beyond_limit"]["broke_even_after_calls"] is None


def test_the_answers_of_a_shared_family_are_in_one_account() -> None:
    shared = stage(1, "shadow", recipe=RECIPE).model_copy(update={"scope": "shared"})
    found = folded((shared, answer(1, tenant="a"), answer(2, tenant="b")))
    assert {key: account.calls for key, account in found.accounts.items()} == {
        ("shared", "f"): Calls(answered=2)
    }


def test_what_cannot_be_decoded_is_counted_and_passed_over() -> None:
    found = Ledger()
    found.add(record(answer(), 0)._replace(value=b"{}"))
    assert (found.records, found.undecodable, found.utterances) == (1, 1, 0)


def test_the_ledger_of_a_simulation_agrees_with_its_report(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ran = simulated(
        tmp_path, helpdesk(900), "--data", data, "--audit-rate", 0.2, "--feedback-rate", 1,
        "--feedback-noise", 0.1,
    )  # fmt: skip
    report, ledger = ran.report, ran.report["ledger"]
    calls = ledger["calls"]
    assert calls["recalls"] > 0 and calls["audits"] > 0
    assert (ledger["utterances"], ledger["answered"]) == (report["events"], report["answered"])
    assert ledger["coverage"] == pytest.approx(report["coverage"], abs=1e-6)
    assert calls["made"] == report["teacher_calls"]
    assert ledger["saving"] == pytest.approx(report["saving"], abs=1e-6)
    assert calls["audits"] == sum(d["audited"] for d in ran.decisions)
    assert calls["recalls"] == sum(d["recalled"] for d in ran.decisions)
    assert ledger["avoided"]["tokens_estimated"] == report["tokens_saved"]
    both_rounded = 1.5e-6
    assert math.isclose(
        ledger["avoided"]["dollars_estimated"], report["money_saved"], abs_tol=both_rounded
    )
    points = ledger["coverage_by_families"]
    assert points[-1]["families"] == report["families"]
    assert sum(point["utterances"] for point in points) == report["events"]
    assert ledger["latency"]["deterministic_source"] == "measured"
    for name in ("answered", "avoided", "taught", "audits", "recalls", "retries"):
        whole = calls[name] if name in calls else ledger[name]
        assert sum(family[name] for family in ledger["families"]) == whole
    assert all(family["taught"] for family in ledger["families"] if family["answered"])

    arguments = ("ledger", "--data", data, "--report", tmp_path / "R.json", "--by-family", "--json")
    status, said, _ = kappa(*arguments)
    assert (status, json.loads(said)) == (0, ledger)
    status, said, _ = kappa("ledger", "--data", data, "--by-family")
    assert status == 0
    for shown in ("deterministic (setting)", "families have broken even", "Good, 1953", "taught"):
        assert shown in said


def test_an_empty_log_has_an_empty_ledger(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    asyncio.run(EmbeddedLog.open(tmp_path / "data" / "kappa.db").close())
    status, said, _ = kappa("ledger", "--data", tmp_path / "data", "--by-family", "--json")
    document = json.loads(said)
    assert (status, document["utterances"], document["coverage"]) == (0, 0, None)
    assert (document["families"], document["since"], document["saving"]) == ([], None, None)
    assert document["expected_cost"]["us"]["expected"] is None
    assert document["still_to_be_had"]["known_share"] is None
    status, said, _ = kappa("ledger", "--data", tmp_path / "data")
    assert (status, said.startswith("no utterance was answered")) == (0, True)


REFUSALS = [
    (("--data", "nowhere"), "no log here"),
    (("--report", "nowhere.json"), "nowhere.json"),
    (("--report", "R.json", "--decide-us", "5"), "either"),
    (("--report", __file__), "no report with a ledger"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSALS)
def test_what_the_command_refuses(arguments: tuple[str, ...], said: str) -> None:
    status, _, errors = kappa("ledger", *arguments)
    assert (status, said in errors) == (2, True)

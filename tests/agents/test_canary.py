"""Canaries from end to end: what they answer, how they come to be live, how they go back."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agents.commands.shared import LOG_NAME
from agents.history import records
from agents.pipeline import pipeline
from agents.revisions import Revisions
from agents.runner import drain, start
from agents.teachers import Reply
from agents.teachers.scripted import ScriptedTeacher
from artifacts.evidence import clean_needed
from artifacts.grammar.lexer import Tokens, lex
from artifacts.policy import DEFAULT, Policies, overridden
from artifacts.registry import Hit, canary_draw
from artifacts.stages import StageName
from streams.codec import encode
from streams.events import (
    AnswerGiven,
    AuditAsked,
    ComparisonMade,
    Event,
    MatchAbstained,
    UtteranceAsked,
    VersionChanged,
)
from streams.signing import ANYONE
from streams.transports.embedded import EmbeddedLog
from tests.agents.simulations import Ran, answered, helpdesk, kappa, simulated

pytestmark = pytest.mark.slow
SHARE = 0.2
CANARIES = ("--threshold", f"canary_share={SHARE}", "--threshold", "canary_agreements=5")
Step = tuple[StageName | None, StageName]


def read(log: EmbeddedLog, *topics: str) -> list[Event]:
    async def every() -> list[Event]:
        return [event async for _, event in records(log, topics)]

    return asyncio.run(every())


def steps(log: EmbeddedLog) -> dict[tuple[str, str, int], list[Step]]:
    """Return the stages that each version went through, pair by pair."""
    found: dict[tuple[str, str, int], list[Step]] = {}
    for event in read(log, "versions"):
        assert isinstance(event, VersionChanged)
        for change in event.changes:
            made = found.setdefault((event.scope, change.family, change.version), [])
            made.append((made[-1][1] if made else None, change.stage))
    return found


def opened(directory: Path) -> EmbeddedLog:
    return EmbeddedLog.open(directory / LOG_NAME, read_only=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canary")


@pytest.fixture(scope="module")
def ran(data: Path) -> Ran:
    run = simulated(data, helpdesk(2000), "--data", data, "--audit-rate", 0.05, *CANARIES)
    assert run.status == 0, run.err
    return run


def test_versions_become_canaries_then_live_and_the_wrong_ones_go_back(
    ran: Ran, data: Path
) -> None:
    log = opened(data)
    taken = Counter(step for made in steps(log).values() for step in made)
    assert taken["shadow", "canary"] > 30
    assert taken["canary", "live"] > 10
    assert taken["canary", "shadow"] + taken["canary", "retired"] > 0
    assert taken["shadow", "live"] == 0
    assert ran.report["risk"] <= 0.01
    for event in read(log, "versions"):
        assert isinstance(event, VersionChanged)
        for change in event.changes:
            assert (change.share == SHARE) == (change.stage == "canary")
    wrong = {
        (e.scope, e.family, e.version)
        for e in read(log, "evidence")
        if isinstance(e, ComparisonMade) and e.stage == "canary" and not e.agreed
    }
    back = {("canary", "shadow"), ("canary", "retired")}
    gone = {key for key, made in steps(log).items() if not back.isdisjoint(made)}
    assert set() < wrong <= gone  # the others were rejected


def test_a_canary_answers_its_share(ran: Ran, data: Path) -> None:
    """Where no other version serves, within four standard deviations; and just what is drawn."""
    assert ran.status == 0
    counts: Counter[str] = Counter()

    async def count() -> None:
        log = opened(data)
        revisions = Revisions(log, ANYONE)
        async for _, event in records(log, ("matches", "fallbacks")):
            if not isinstance(event, AnswerGiven | MatchAbstained):
                continue
            registry = await revisions.at(event.revision.ordinal)
            tokens = lex(event.text)
            assert registry is not None
            if not isinstance(tokens, Tokens):
                continue
            able = [
                entry
                for entry in registry.candidates(event.tenant, tokens)
                if entry.artifact.read(tokens)
            ]
            if [entry.stage for entry in able if entry.stage != "shadow"] != ["canary"]:
                continue
            whole = registry.lookup(event.tenant, tokens, max_candidates=64)
            if isinstance(whole, Hit):
                is_answered = isinstance(event, AnswerGiven)
                assert is_answered == (canary_draw(event.utterance_id) < SHARE)
                assert is_answered or getattr(event, "reason", "") == "shadow_only"
                counts["answered"] += is_answered
                counts["readable"] += 1
        await revisions.aclose()

    asyncio.run(count())
    n = counts["readable"]
    assert n > 100
    assert abs(counts["answered"] - SHARE * n) < 4 * (n * SHARE * (1 - SHARE)) ** 0.5


def test_replay_is_byte_identical_and_knows_no_policy(ran: Ran, data: Path) -> None:
    assert ran.status == 0
    status, out, _ = kappa("replay", "--data", data, "--json")
    assert (status, json.loads(out)["differ"]) == (0, 0)


def test_it_is_told_why(ran: Ran, data: Path) -> None:
    """`explain` says whether an utterance was within the share, `families` what the share is."""
    told: Counter[bool] = Counter()
    for line in ran.decisions[300:]:
        if line["reason"] == "shadow_only" or line["outcome"] == "answered":
            document = json.loads(kappa("explain", line["index"], "--json", "--data", data)[1])
            for each in document["canaries"]:
                assert each["share"] == SHARE
                assert each["answers"] == (each["draw"] < SHARE)
                told[each["answers"]] += 1
                shown = kappa("explain", line["index"], "--data", data)[1]
                assert ("within" if each["answers"] else "outside") in " ".join(shown.split())
        if min(told[True], told[False]) > 1:
            break
    assert min(told[True], told[False]) > 1
    rows = json.loads(kappa("families", "list", "--stage", "canary", "--json", "--data", data)[1])
    assert rows
    assert {row["share"] for row in rows} == {SHARE}
    assert "canary of 20 %" in " ".join(kappa("families", "list", "--data", data)[1].split())
    waiting = json.loads(kappa("families", "waiting", "--json", "--data", data)[1])
    assert {row["stage"] for row in waiting} == {"shadow", "canary"}
    needs = [need for row in waiting for need in row["needs"] if need["what"] == "canary"]
    assert len(needs) == len(rows)
    assert "canaries" in kappa("families", "waiting", "--data", data)[1]


def test_the_answers_of_canaries_are_audited_most(ran: Ran, data: Path) -> None:
    assert ran.status == 0
    sums: dict[bool, list[float]] = {True: [], False: []}
    stages: dict[tuple[str, int], str] = {}
    for event in read(opened(data), "versions", "fallbacks"):
        if isinstance(event, VersionChanged):
            stages |= {(c.family, c.version): c.stage for c in event.changes}
        elif isinstance(event, AuditAsked) and event.cause == "served":
            sums[stages[event.family, event.version] == "canary"].append(event.probability)
    canary, others = (sum(each) / len(each) for each in (sums[True], sums[False]))
    assert canary > 2 * others > 0


def doubled(count: int, since: int) -> list[dict[str, Any]]:
    """Rows whose answers are tripled numbers from a row on, and doubled ones before."""
    return [
        {"text": f"what is {n + 7} doubled", "answer": str((n + 7) * (3 if n >= since else 2))}
        for n in range(count)
    ]


def test_a_canary_that_turns_out_wrong_goes_back_at_once(tmp_path: Path) -> None:
    """The meaning changes just when the family has come into service: with a canary most of the
    utterances are not answered yet, and the first of these sends it back.
    """
    wrong = []
    for name, options in (("canary", CANARIES), ("live", ())):
        data = tmp_path / name
        run = simulated(
            data, doubled(40, 12), "--data", data, "--audit-rate", 0, "--feedback-rate", 0, *options
        )
        wrong.append(run.report["wrong"])
        [first] = [made for made in steps(opened(data)).values() if (None, "shadow") in made][:1]
        taken = ("shadow", "canary"), ("canary", "shadow")
        assert (set(taken) <= set(first)) == (name == "canary"), first
    assert wrong[0] < wrong[1] / 2
    assert wrong[1] > 10


def test_a_canary_that_is_right_becomes_live(tmp_path: Path) -> None:
    simulated(tmp_path, doubled(60, 60), "--data", tmp_path, *CANARIES)
    made = next(iter(steps(opened(tmp_path)).values()))
    assert made == [(None, "shadow"), ("shadow", "canary"), ("canary", "live")]


def test_one_tenant_has_canaries_and_the_other_has_none() -> None:
    canaries = overridden(DEFAULT, {"canary_share": 0.3, "canary_agreements": 4})
    policies = Policies(own={"left": canaries})
    texts = {f"what is {n} doubled": Reply(str(2 * n)) for n in range(7, 60)}
    shares: dict[str, list[float | None]] = {"left": [], "right": []}
    asked = 0

    async def run() -> list[Event]:
        nonlocal asked
        log = EmbeddedLog.open(":memory:")
        nodes = pipeline(
            ScriptedTeacher(texts), lambda _: False, policies=policies, trusted=frozenset()
        )
        running = [await start(node, log, lambda: 1000 * asked) for node in nodes]

        async def nothing() -> None:
            return None

        for text in texts:
            for tenant in shares:
                asked += 1
                utterance = UtteranceAsked(utterance_id=f"u{asked}", tenant=tenant, text=text)
                await log.publish([encode(utterance, timestamp=1000 * asked)])
                await drain(running, nothing)
        found = [event async for _, event in records(log, ("versions", "matches"))]
        await log.close()
        return found

    answers: Counter[str] = Counter()
    stages: dict[str, list[str]] = {"left": [], "right": []}
    for event in asyncio.run(run()):
        if isinstance(event, VersionChanged):
            stages[event.scope] += [change.stage for change in event.changes]
            shares[event.scope] += [change.share for change in event.changes]
        elif isinstance(event, AnswerGiven):
            answers[event.tenant] += 1
    assert stages == {"left": ["shadow", "canary", "live"], "right": ["shadow", "live"]}
    assert shares == {"left": [None, 0.3, None], "right": [None, None]}
    assert 20 < answers["left"] < answers["right"]


def test_certified_only_serves_nothing_before_it_is_certified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = clean_needed(0.05)
    options = ("--max-risk", 0.05, "--threshold", "certified_only=true")
    run = simulated(tmp_path, doubled(needed + 40, 999), "--data", tmp_path, *options)
    first = next(answered(run))["index"]
    assert first > needed
    assert len(list(answered(run))) == len(run.decisions) - first
    log = opened(tmp_path)
    [made] = steps(log).values()
    assert made == [(None, "shadow"), ("shadow", "live")]
    kinds = [e for e in read(log, "evidence") if isinstance(e, ComparisonMade) and e.agreed]
    assert sum(e.stratum == "shadow" and e.stage == "shadow" for e in kinds) == needed
    before = simulated(tmp_path / "b", doubled(60, 999), "--data", tmp_path / "b", *options)
    assert before.report["answered"] == 0
    policy = {"default": {"max_risk": 0.05, "certified_only": True}}
    monkeypatch.setenv("KAPPA_POLICY", json.dumps(policy))
    [row] = json.loads(kappa("families", "waiting", "--json", "--data", tmp_path / "b")[1])
    assert row["missing"].endswith(f"clean comparisons in shadow of {needed}")
    assert f"/{needed}" in kappa("families", "waiting", "--data", tmp_path / "b")[1]

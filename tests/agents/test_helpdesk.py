"""The bundled help desk log: its bytes, its statistics, and that the rules stand behind it."""

import itertools
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest
from pydantic import JsonValue

from agents.teachers import Question, Reply
from agents.teachers.demo import DemoTeacher
from agents.teachers.helpdesk import RULES, Rule, readings, recognise
from agents.teachers.helpdesk_log import rows

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "infra" / "demo" / "helpdesk.jsonl"
LOG = [json.loads(line) for line in BUNDLED.read_text(encoding="utf-8").splitlines()]
COVERED = [row for row in LOG if recognise(row["text"])]


def right_answer(row: dict[str, JsonValue]) -> JsonValue:
    return row.get("truth", row["answer"])


def is_prose(row: dict[str, JsonValue]) -> bool:
    """Return whether the right answer is none of a rule's: null, or longer than all of those."""
    answer = right_answer(row)
    return answer is None or (isinstance(answer, str) and len(answer) > 50)


def shown(answer: JsonValue) -> str:
    return json.dumps(answer, sort_keys=True)


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_generating_again_gives_the_bundled_bytes(hash_seed: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "agents.teachers.helpdesk_log"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    )
    assert run.stdout == BUNDLED.read_bytes()


def test_the_seed_is_text() -> None:
    assert list(rows(11, 50)) == list(rows("11", 50)) != list(rows(12, 50))


def test_a_shorter_log_is_as_varied() -> None:
    assert {row["id"] for row in rows("short", 200)} == {f"help-{i:05d}" for i in range(200)}
    assert len({recognise(str(row["text"])) is None for row in rows("short", 200)}) == 2


async def test_the_demo_teacher_answers_every_covered_row() -> None:
    teacher = DemoTeacher(mistakes=0)
    for row in COVERED:
        reply = await teacher.answer(Question("default", row["id"], row["text"]))
        assert isinstance(reply, Reply)
        assert reply.answer == right_answer(row), row


def test_the_rows_are_well_formed() -> None:
    assert [row["id"] for row in LOG] == [f"help-{i:05d}" for i in range(4000)]
    assert all(
        list(row)
        in (["id", "text", "answer", "asked_at"], ["id", "text", "answer", "truth", "asked_at"])
        for row in LOG
    )
    assert all(a["asked_at"] < b["asked_at"] for a, b in itertools.pairwise(LOG))


def test_one_text_has_one_right_answer() -> None:
    answers = defaultdict(set)
    for row in LOG:
        answers[row["text"]].add(shown(right_answer(row)))
    assert [text for text, different in answers.items() if len(different) > 1] == []


def test_shares() -> None:
    prose = [row for row in LOG if is_prose(row)]
    mistaken = [row for row in LOG if "truth" in row]
    misspelt = [row for row in LOG if not is_prose(row) and not recognise(row["text"])]
    assert BUNDLED.stat().st_size <= 1_000_000
    assert 0.08 <= sum(row["answer"] is None for row in LOG) / len(LOG) <= 0.20
    assert 0.13 <= len(prose) / len(LOG) <= 0.17
    assert 0.015 <= len(mistaken) / len(LOG) <= 0.025
    assert 0.015 <= len(misspelt) / len(LOG) <= 0.04


def test_a_mistake_is_a_wrong_answer_of_the_same_kind() -> None:
    for row in LOG:
        if "truth" in row:
            assert row["answer"] != row["truth"]
            assert type(row["answer"]) is type(row["truth"])


def test_prose_never_repeats() -> None:
    prose = [row for row in LOG if is_prose(row)]
    free = [row["answer"] for row in prose if row["answer"] is not None]
    assert not any(recognise(row["text"]) for row in prose)
    assert len({row["text"] for row in prose}) == len(prose)
    assert len(set(free)) == len(free) > 50


def test_rules_arrive_over_time_and_recur_unevenly() -> None:
    seen: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(LOG):
        reading = recognise(row["text"])
        if reading:
            seen[reading.rule.name].append(index)
    first = sorted(places[0] / len(LOG) for places in seen.values())
    sizes = sorted((len(places) for places in seen.values()), reverse=True)
    assert set(seen) == {rule.name for rule in RULES}
    assert first[9] < 0.02
    assert 0.55 < first[-1] < 0.65
    assert sizes[0] > 10 * sizes[-1] > 100


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_every_phrasing_has_one_reading(rule: Rule) -> None:
    rng = Random(f"one reading of {rule.name}")
    for phrasing in rule.phrasings:
        for _ in range(10):
            slots = {name: kind.sample(rng) for name, kind in rule.slots.items()}
            found = readings(phrasing.format_map(slots))
            assert [(reading.rule.name, reading.slots) for reading in found] == [(rule.name, slots)]

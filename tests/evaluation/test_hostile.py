"""Teachers and sources that err or lie, on the help desk's log: the promises of the evaluation."""

from dataclasses import replace

import pytest

from agents.logs import Row
from artifacts.policy import DEFAULT
from tests.agents.simulations import helpdesk
from tests.evaluation.hostile import CASES, UNDISTURBED, Case, simulated

ROWS = [
    Row(row["text"], row["answer"], row.get("id"), None, row.get("truth"), "truth" in row)
    for row in helpdesk(700)
]


REJECTS = [case for case in CASES if not case.teacher_noise]


@pytest.mark.slow
@pytest.mark.parametrize("case", REJECTS, ids=lambda case: case.name)
async def test_right_families_are_back_within_no_event(case: Case) -> None:
    plain = await simulated(UNDISTURBED, ROWS)
    ((family, count),) = plain["most_answers"]
    figures = await simulated(case, ROWS, family)
    assert figures["rejected_though_right"] >= 5
    assert figures["recalled"] > 0
    assert (figures["back_after"], figures["not_back"]) == (0, 0)
    assert figures["answered"] >= 0.9 * plain["answered"], "the log's teacher errs in recalls, too"
    assert figures["risk"] <= max(plain["risk"], DEFAULT.max_risk)
    budget = DEFAULT.reject_audit_rate * figures["answered"] + DEFAULT.reject_audits_ahead
    confirmed = figures["wrong"]
    assert figures["recalled"] <= 8 + budget + confirmed
    if case.rejects == "family":
        assert figures["answers_of_family"] >= 0.97 * count


@pytest.mark.slow
async def test_the_same_case_gives_the_same_figures() -> None:
    case = replace(REJECTS[0], name="again")
    first, second = [await simulated(each, ROWS[:300]) for each in (REJECTS[0], case)]
    assert first == second

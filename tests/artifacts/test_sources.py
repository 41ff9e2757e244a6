"""What a source's rejects are worth, and how many are looked into."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.sources import ODDS, RejectBudget, Standing, judged


def after(verdicts: str) -> Standing:
    """Return the standing after rejects that were confirmed (c) or refuted (r)."""
    standing = Standing()
    for verdict in verdicts:
        standing = judged(standing, confirmed=verdict == "c")
    return standing


ROWS = [
    ("nothing-known", "", True),
    ("seven-refuted", "r" * 7, True),
    ("eight-refuted", "r" * 8, False),
    ("right-before-is-no-credit", "c" * 1000 + "r" * 8, False),
    ("mostly-refuted", "rrrc" * 20, False),
    ("as-often-right-as-wrong", "rc" * 500, True),
    ("two-of-three-right", "ccr" * 500, True),
    ("once-more-right", "r" * 8 + "c" * 7, False),
    ("mostly-right-again", "r" * 8 + "c" * 8, True),
    ("wrong-for-long-is-no-debt", "r" * 1000 + "c" * 8, True),
    ("right-at-times", "r" * 8 + "crrr" * 200, False),
]


@pytest.mark.parametrize(("name", "verdicts", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_who_is_believed(name: str, verdicts: str, expected: bool) -> None:
    standing = after(verdicts)
    assert standing.is_believed is expected
    assert (standing.confirmed, standing.refuted) == (verdicts.count("c"), verdicts.count("r"))
    assert 1 <= standing.doubt < ODDS


@pytest.mark.parametrize(("share", "least"), [(0.5, ODDS), (0.3, 200), (0.1, 1_900)])
def test_a_source_that_is_mostly_right_is_believed_for_long(share: float, least: float) -> None:
    """The mean number of rejects until a source that errs in this share is believed no more."""
    random, most = Random(7), 2_000
    lengths = []
    for _ in range(100):
        standing, length = Standing(), 0
        while standing.is_believed and length < most:
            standing, length = judged(standing, confirmed=random.random() >= share), length + 1
        lengths.append(length)
    assert sum(lengths) / len(lengths) >= least


def test_a_source_that_mostly_errs_is_found_out() -> None:
    random = Random(7)
    for _ in range(200):
        standing = Standing()
        for _ in range(100):
            standing = judged(standing, confirmed=random.random() < 0.1)
            if not standing.is_believed:
                break
        assert not standing.is_believed


def test_a_budget_holds_and_no_source_uses_up_anothers() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(st.sampled_from(["answer", "a", "a", "a", "a", "b", "c"]), max_size=150),
        st.sampled_from([0.0, 0.02, 0.3, 1.0]),
        st.sampled_from([0, 4, 10]),
    )
    def check(steps: list[str], rate: float, ahead: int) -> None:
        budget, asked = RejectBudget(), Counter[str]()
        for step in steps:
            if step == "answer":
                budget = budget.answered()
                continue
            left = budget.spend(step, rate, ahead)
            seen["left out" if left is None else "asked"] += 1
            if left is not None:
                budget, asked = left, asked + Counter([step])
            most = rate * budget.answers + ahead
            assert budget.spent == sum(asked.values()) <= most
            assert dict(budget.by_source) == dict(asked)
            if len(asked) == 1 and most >= 2:
                assert budget.spend("newcomer", rate, ahead) is not None
                seen["room for a newcomer"] += 1

    check()
    assert min(seen[k] for k in ("left out", "asked", "room for a newcomer")) > 20, seen


def test_two_loud_sources_share_what_is_left() -> None:
    budget, asked = RejectBudget(answers=1_000), Counter[str]()
    for _ in range(100):
        left = budget.spend("a", 0.02, 10)
        budget, asked["a"] = (budget, asked["a"]) if left is None else (left, asked["a"] + 1)
    for _ in range(1_000):
        budget = budget.answered()
        for source in ("a", "b"):
            if (left := budget.spend(source, 0.02, 10)) is not None:
                budget, asked[source] = left, asked[source] + 1
    assert asked == {"a": 16, "b": 16}, "a third of fifty each, and a third for others"

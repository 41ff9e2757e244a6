"""Where what texts mean has changed: the cut between two ages, and none where there is none."""

import random

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from artifacts.learning.ages import age_began

LEAST = 8


@pytest.mark.parametrize(
    ("name", "agreed", "began"),
    [
        ("all-changed", "." * 20 + "x" * 12, 20),
        ("the-newest-are-too-few", "." * 20 + "x" * 7, None),
        ("the-old-are-too-few", "." * 7 + "x" * 30, None),
        ("it-was-right-and-is-wrong-now", "x" * 20 + "." * 20, None),
        ("one-mistake-of-a-teacher-since", "." * 20 + "xxxxxx.xxxxx", 20),
        ("one-chance-agreement-before", "." * 10 + "x" + "." * 10 + "x" * 12, 21),
        ("right-on-half", ".x" * 30, None),
        ("right-on-every-fifth", "....x" * 12, None),
        ("three-ages-the-middle-one-wrong", "x" * 12 + "." * 12 + "x" * 12, None),
        ("nothing", "", None),
    ],
)
def test_where_an_age_began(name: str, agreed: str, began: int | None) -> None:
    assert age_began([one == "x" for one in agreed], 0.1, LEAST) == began


@given(st.lists(st.booleans(), max_size=80), st.floats(0, 0.3), st.integers(1, 10))
def test_an_age_is_one(agreed: list[bool], share: float, least: int) -> None:
    began = age_began(agreed, share, least)
    event("an age" if began is not None else "none")
    if began is not None:
        old, new = agreed[:began], agreed[began:]
        assert old.count(False) >= least
        assert new.count(True) >= least
        assert old.count(True) <= share * len(old)
        assert new.count(False) <= share * len(new)


def test_a_recipe_that_reads_too_much_hardly_ever_looks_like_one_of_a_new_age() -> None:
    """Mistakes that lie among right answers, at any share, in any order."""
    rng = random.Random("interleaved")
    runs = [[rng.random() < share / 10 for _ in range(60)] for share in range(1, 10)
            for _ in range(500)]  # fmt: skip
    assert sum(age_began(run, 0.1, LEAST) is not None for run in runs) == 0
    assert age_began([False] * 30 + [True] * 30, 0.1, LEAST) == 30

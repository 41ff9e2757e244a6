"""Streams whose meaning changes half way: what is made of them, and what is said of it."""

import pytest

from tests.evaluation import changing

CHANGING = [{"text": f"{word} {n}", "answer": str(n)} for n in range(30) for word in ("on", "up")]


@pytest.mark.parametrize(("variant", "changed"), [("undisturbed", 0), ("third", 15), ("all", 30)])
def test_the_meaning_of_a_stream_changes_in_its_second_half(variant: str, changed: int) -> None:
    made = changing.changing(CHANGING, variant)
    assert [row["text"] for row in made] == [row["text"] for row in CHANGING]
    assert made[:30] == CHANGING[:30]
    differing = [(a, b) for a, b in zip(CHANGING, made, strict=True) if a != b]
    assert len(differing) == changed
    assert all(int(b["answer"]) == int(a["answer"]) + 1 for a, b in differing)


def test_a_stream_is_back_when_the_last_rows_are_right_often_enough() -> None:
    rows = [{"text": "t", "answer": "1"}] * 2000

    def ran(wrong: range) -> changing.Ran:
        lines = [{"outcome": "answered", "answer": "2" if place in wrong else "1"}
                 for place in range(2000)]  # fmt: skip
        return changing.Ran(rows, lines, {"curve": []}, [])

    undisturbed = ran(range(0))
    assert changing.back_after(undisturbed, undisturbed) == changing.WINDOW
    assert changing.back_after(ran(range(1000, 1300)), undisturbed) == 460
    assert changing.back_after(ran(range(1000, 2000)), undisturbed) is None

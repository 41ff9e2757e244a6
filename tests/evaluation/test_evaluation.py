"""The evaluation still runs, and its runs are kept; skipped where the streams are absent."""

import json
from pathlib import Path

import numpy as np
import pytest

from agents.logs import Row
from tests.evaluation import baselines, changing, runs, streams
from tests.evaluation.runs import ABSENT, STREAMS, Run

needs_streams = pytest.mark.skipif(not STREAMS.is_dir(), reason=ABSENT)


@needs_streams
@pytest.mark.slow
def test_a_run_is_made_once_and_its_figures_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runs, "RESULTS", tmp_path / "kept")
    streams.main(["recognizers", "--json", str(tmp_path / "first.json"), "--seed", "7"])
    [kept] = (tmp_path / "kept").iterdir()
    marked = json.loads(kept.read_text("utf-8"))
    marked["report"]["wrong"] = 12345
    kept.write_text(json.dumps(marked), "utf-8")
    streams.main(["recognizers", "--seed", "7"])
    [found] = json.loads((tmp_path / "first.json").read_text("utf-8"))
    assert found["run"]["seed"] == "7"
    assert found["report"]["events"] == 1409
    assert capsys.readouterr().out.count("(12345)") == 1


@needs_streams
@pytest.mark.parametrize(
    "other",
    [Run("logs", seed="1"), Run("logs", max_risk=0.02), Run("math"), Run("logs", 0.01, 0.1)],
)
def test_other_settings_are_another_run(other: Run) -> None:
    assert other.file != Run("logs").file == Run("logs").file


def test_the_sweep_has_every_point_once() -> None:
    swept = streams.swept([Run("logs"), Run("math")])
    assert len(set(swept)) == len(swept) == 2 * 4 * 3 * 3


def test_the_exact_cache_and_the_nearest_neighbour() -> None:
    rows = [Row(text, answer, None) for text, answer in
            [("a", "1"), ("a", "1"), ("b", "2"), ("a", "3"), ("b", "2")]]  # fmt: skip
    assert baselines.exact(rows) == (3, 1)
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0.9, 0.1], [0, 1]])
    found = list(baselines.nearest(rows, vectors, lambda one, other: one @ other.T, (0.5, 0.95)))
    assert found == [(0.5, 3, 1), (0.95, 2, 0)]


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

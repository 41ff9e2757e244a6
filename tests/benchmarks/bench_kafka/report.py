"""Rows of figures, as a Markdown table and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of the table: figures of one kind, one for each round.

    `ratios` are to a yard-stick of the same round. `met` is None where there is no goal.
    """

    number: int
    what: str
    unit: str
    figures: Sequence[float]
    ratios: Sequence[float] = ()
    goal: str = ""
    met: bool | None = None
    more: dict[str, Any] = field(default_factory=dict)


def percentile(figures: Sequence[float], share: float) -> float:
    """Return the figure below which this share of them lies."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def shown(figures: Sequence[float]) -> str:
    """Return the median and, of several, the range."""
    digits = 0 if median(figures) >= 1000 else 1 if median(figures) >= 10 else 2
    middle = f"{median(figures):,.{digits}f}"
    if len(figures) < 2:
        return middle
    return f"{middle} [{min(figures):,.{digits}f}–{max(figures):,.{digits}f}]"


def line(row: Row) -> str:
    """Return the row of the table."""
    met = {None: "", True: "met", False: "**not met**"}[row.met]
    ratio = shown(row.ratios) if row.ratios else ""
    more = "; ".join(f"{name} {value}" for name, value in row.more.items())
    cells = (row.number, row.what, shown(row.figures), row.unit, ratio, row.goal, met, more)
    return "| " + " | ".join(map(str, cells)) + " |"


HEAD = (
    "| | what | median [range] | unit | ratio | goal | | more |\n|---|---|---|---|---|---|---|---|"
)


def document(rows: Sequence[Row], about: dict[str, Any]) -> dict[str, Any]:
    """Return everything as one JSON object."""
    return {"about": about, "rows": [asdict(row) for row in rows]}

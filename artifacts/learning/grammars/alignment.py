"""Alignment of phrasings: what two rows of cells have in common stays, the rest varies.

The alignment is the best one of Needleman and Wunsch (1970) under a small table of scores; a shared
word weighs most, and a blank is only ever aligned with a blank, so that no slot starts or ends in
the middle of one. What is left over next to a varying place belongs to it: `play [jazz] in` and
`play [hard rock] in` differ in one place, of one word and of two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from artifacts.learning.pieces import MASKED, Piece

Run = tuple[Piece, ...]
"""What one text has at a varying place; no pieces where it has nothing there."""

_SHARED = {"word": 8, "name": 8, "mark": 4, "blank": 2}
_SHARED_VALUE = 5
_SAME_KIND, _OTHER_KIND, _LEFT_OVER = 2, -2, -3
_IMPOSSIBLE = -(10**9)


@dataclass(frozen=True, slots=True)
class Fixed:
    """A piece that all texts have."""

    piece: Piece


@dataclass(frozen=True, slots=True)
class Varying:
    """A place where texts differ: per text, in the order of the texts, what stands there."""

    runs: tuple[Run, ...]


Cell = Fixed | Varying
Cells = tuple[Cell, ...]


def cells_of(pieces: Sequence[Piece]) -> Cells:
    """Return the cells of one text: numbers and quoted texts vary already."""
    return tuple(Varying(((piece,),)) if piece.kind in MASKED else Fixed(piece) for piece in pieces)


def merged(left: Cells, right: Cells, counts: tuple[int, int]) -> Cells:
    """Return the cells that cover the texts of both, those of `left` first.

    `counts` are the numbers of their texts. Time is the product of the lengths.
    """
    return _joined(_aligned(left, right, counts))


def _score(a: Cell, b: Cell) -> int:
    if isinstance(a, Fixed) and isinstance(b, Fixed):
        if a.piece.key == b.piece.key:
            return _SHARED.get(a.piece.kind, _SHARED_VALUE)
        if "blank" in (a.piece.kind, b.piece.kind):
            return _IMPOSSIBLE
        return _SAME_KIND if a.piece.kind == b.piece.kind != "mark" else _OTHER_KIND
    kinds = _kinds(a), _kinds(b)
    if {"blank"} in kinds:
        return _IMPOSSIBLE
    return _SAME_KIND if kinds[0] & kinds[1] else _OTHER_KIND


def _kinds(cell: Cell) -> set[str]:
    if isinstance(cell, Fixed):
        return {cell.piece.kind}
    return {run[0].kind for run in cell.runs if run}


def _aligned(left: Cells, right: Cells, counts: tuple[int, int]) -> list[Cell]:
    width = len(right) + 1
    scores = [[_LEFT_OVER * column for column in range(width)]]
    for row, a in enumerate(left, 1):
        above, here = scores[-1], [_LEFT_OVER * row]
        for column, b in enumerate(right, 1):
            here.append(
                max(
                    above[column - 1] + _score(a, b),
                    above[column] + _LEFT_OVER,
                    here[column - 1] + _LEFT_OVER,
                )
            )
        scores.append(here)
    found: list[Cell] = []
    row, column = len(left), len(right)
    while row or column:
        best = scores[row][column]
        if row and column:
            a, b = left[row - 1], right[column - 1]
            if best == scores[row - 1][column - 1] + _score(a, b):
                found.append(_both(a, b, counts))
                row, column = row - 1, column - 1
                continue
        if row and best == scores[row - 1][column] + _LEFT_OVER:
            found.append(Varying((*_runs(left[row - 1], counts[0]), *((),) * counts[1])))
            row -= 1
        else:
            found.append(Varying((*((),) * counts[0], *_runs(right[column - 1], counts[1]))))
            column -= 1
    return found[::-1]


def _both(a: Cell, b: Cell, counts: tuple[int, int]) -> Cell:
    if isinstance(a, Fixed) and isinstance(b, Fixed) and a.piece.key == b.piece.key:
        return a
    return Varying((*_runs(a, counts[0]), *_runs(b, counts[1])))


def _runs(cell: Cell, count: int) -> tuple[Run, ...]:
    return cell.runs if isinstance(cell, Varying) else ((cell.piece,),) * count


def _joined(cells: Sequence[Cell]) -> Cells:
    """Join varying places that touch; and those with a mark or a blank between, if one is empty.

    Where something is missing on one side, the marks around it are no landmarks.
    """
    found: list[Cell] = []
    for cell in cells:
        found.append(cell)
        while (size := _to_join(found)) > 0:
            tail = found[-size:]
            found[-size:] = [_one(tail)]
    return tuple(found)


def _to_join(cells: Sequence[Cell]) -> int:
    """Return how many of the last cells are one varying place; 0 for none."""
    if len(cells) < 2 or not isinstance(cells[-1], Varying):
        return 0
    if isinstance(cells[-2], Varying):
        return 2
    start = len(cells) - 2
    while start >= 0 and isinstance(cell := cells[start], Fixed):
        if cell.piece.kind not in ("mark", "blank"):
            return 0
        start -= 1
    if start < 0:
        return 0
    first, last = cells[start], cells[-1]
    assert isinstance(first, Varying) and isinstance(last, Varying)
    return len(cells) - start if () in first.runs or () in last.runs else 0


def _one(cells: Sequence[Cell]) -> Varying:
    count = next(len(cell.runs) for cell in cells if isinstance(cell, Varying))
    rows = [_runs(cell, count) for cell in cells]
    return Varying(tuple(sum((row[text] for row in rows), ()) for text in range(count)))

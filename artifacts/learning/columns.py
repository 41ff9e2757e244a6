"""Anti-unification (Plotkin 1970) of texts: what is the same stays literal, what varies is a slot.

The texts of one cluster have equally many chunks; chunk by chunk their pieces are aligned. A column
is one place that varies, with its value in every text and the narrowest slot kind that holds all.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from artifacts.grammar.kinds import IDENTIFIER_MARKS, kind_of
from artifacts.grammar.lexer import literal_keys, normalize
from artifacts.grammar.syntax import Literal, Node, Slot, sequence
from artifacts.learning.pieces import MASKED, NUMBERS, Chunk, Piece
from artifacts.values import Value

MAX_COLUMNS = 32
MAX_NOVELTY = 0.1
"""Good–Turing: at most this share of values seen once makes a slot closed (enumerated)."""


@dataclass(frozen=True, slots=True)
class Column:
    """One slot: name, kind, and per text its spelling and typed value."""

    slot: Slot
    spellings: tuple[str, ...]
    values: tuple[Value, ...]

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return kind_of(self.slot).type == "number"


@dataclass(frozen=True, slots=True)
class Aligned:
    """The grammar that the texts share, its columns, and how many chunks hold a literal."""

    grammar: Node
    columns: tuple[Column, ...]
    literal_chunks: int
    chunk_count: int


def align(texts: Sequence[Sequence[Chunk]], *, narrow: bool) -> Aligned | None:
    """Return the least general grammar of the texts, or None where no slot kind holds a column.

    With `narrow`, numbers that hardly vary are closed slots of the values seen, as other slots are:
    nothing is known of what a new value would do.
    """
    count = len(texts[0])
    if any(len(chunks) != count for chunks in texts):
        return None
    builder = _Builder(narrow)
    for position in range(count):
        if position:
            builder.literal(" ")
        if not builder.chunk([chunks[position] for chunks in texts]):
            return None
        if len(builder.columns) > MAX_COLUMNS:
            return None
    return Aligned(sequence(*builder.parts), tuple(builder.columns), builder.literal_chunks, count)


class _Builder:
    def __init__(self, narrow: bool) -> None:
        self.narrow = narrow
        self.parts: list[Node] = []
        self.columns: list[Column] = []
        self.literal_chunks = 0

    def literal(self, key: str) -> None:
        self.parts.append(Literal(literal_keys(key)))

    def chunk(self, alternatives: Sequence[Chunk]) -> bool:
        """Add one chunk position; False when it has no slot kind."""
        first = alternatives[0]
        if all(_same_shape(first, chunk) for chunk in alternatives):
            return self.pieces(alternatives)
        return self.middle(alternatives)

    def pieces(self, alternatives: Sequence[Chunk]) -> bool:
        has_literal = False
        for index, piece in enumerate(alternatives[0]):
            column = [chunk[index] for chunk in alternatives]
            if all(other.key == piece.key for other in column):
                self.literal(piece.key)
                has_literal |= piece.kind not in NUMBERS
            elif not self.slot(column):
                return False
        self.literal_chunks += has_literal
        return True

    def middle(self, alternatives: Sequence[Chunk]) -> bool:
        """Add a chunk whose ends may be shared and whose middle varies in shape."""
        shortest = min(map(len, alternatives))
        start = _shared(alternatives, shortest - 1)
        end = _shared([chunk[::-1] for chunk in alternatives], shortest - 1 - start)
        for piece in alternatives[0][:start]:
            self.literal(piece.key)
        middles = [chunk[start : len(chunk) - end] for chunk in alternatives]
        merged = [
            middle[0]
            if len(middle) == 1
            else Piece("name", "".join(p.key for p in middle), "".join(p.spelling for p in middle))
            for middle in middles
        ]
        if not self.slot(merged):
            return False
        for piece in alternatives[0][len(alternatives[0]) - end :]:
            self.literal(piece.key)
        self.literal_chunks += any(p.kind == "word" for p in alternatives[0][:start])
        return True

    def slot(self, column: Sequence[Piece]) -> bool:
        made = _column(f"s{len(self.columns) + 1}", column, narrow=self.narrow)
        if made is None:
            return False
        self.columns.append(made)
        self.parts.append(made.slot)
        return True


def _same_shape(first: Chunk, other: Chunk) -> bool:
    """Return whether the chunks differ only in numbers, dotted numbers and quoted texts."""
    return len(first) == len(other) and all(
        a.key == b.key or (a.kind in MASKED and a.mask == b.mask)
        for a, b in zip(first, other, strict=True)
    )


def _shared(chunks: Sequence[Chunk], most: int) -> int:
    """Return how many leading pieces all chunks share, at most `most`."""
    size = 0
    while size < most and all(
        chunk[size].key == chunks[0][size].key and chunk[size].kind not in NUMBERS
        for chunk in chunks
    ):
        size += 1
    return size


def _column(name: str, column: Sequence[Piece], *, narrow: bool) -> Column | None:
    kinds = {piece.kind for piece in column}
    spellings = tuple(piece.spelling for piece in column)
    if (narrow or not kinds <= NUMBERS) and (closed := _closed_values(column)):
        return _typed(Slot(name, "enumeration", closed), spellings)
    if kinds <= NUMBERS:
        return _typed(Slot(name, "decimal" if "decimal" in kinds else "integer"), spellings)
    if kinds == {"quoted"}:
        return _typed(Slot(name, "quoted"), spellings)
    if all(_is_word(piece) for piece in column):
        return _typed(Slot(name, "word"), spellings)
    if all(_is_identifier(piece) for piece in column):
        return _typed(Slot(name, "identifier"), spellings)
    return None


def _typed(slot: Slot, spellings: tuple[str, ...]) -> Column | None:
    parsed = [kind_of(slot).parse(spelling) for spelling in spellings]
    values = tuple(value for value in parsed if value is not None)
    return Column(slot, spellings, values) if len(values) == len(spellings) else None


def _closed_values(column: Sequence[Piece]) -> tuple[str, ...]:
    """Return the values of a closed slot, or none where new values are to be expected."""
    counts = Counter(normalize(piece.key) for piece in column)
    return tuple(sorted(counts)) if has_closed_values(counts) else ()


def has_closed_values(counts: Counter[str]) -> bool:
    """Return whether several values were seen, and so often that new ones are not to be expected.

    >>> has_closed_values(Counter(on=6, off=5)), has_closed_values(Counter(on=6, off=1))
    (True, False)
    """
    once = sum(count == 1 for count in counts.values())
    return len(counts) > 1 and once <= MAX_NOVELTY * counts.total() and "" not in counts


def _is_word(piece: Piece) -> bool:
    return piece.kind in ("word", "name") and all(
        part.isalpha() for part in piece.spelling.replace("’", "'").replace("-", "'").split("'")
    )


def _is_identifier(piece: Piece) -> bool:
    return piece.kind not in ("mark", "quoted") and all(
        mark.isalnum() or mark in IDENTIFIER_MARKS for mark in piece.spelling
    )

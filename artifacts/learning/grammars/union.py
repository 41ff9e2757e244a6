"""A grammar from texts: phrasings by anti-unification (Plotkin 1970), and their union.

    texts ──► groups that differ ──► the best pair is merged, ──► (phrasing | phrasing | …)
              in numbers alone       again and again
                                     (alignment, choice, guards)

Agglomerative: of all pairs of phrasings the one whose merging shortens the description most is
merged, as long as the result is no wider than texts allow: it reads every text that it was made
from, keeps enough literals and words with content, and reads no rejected text, if need be with a
slot that is narrowed. What does not merge stays a phrasing of its own. One phrasing for all texts
was tried before: on free paraphrases it did not read all that it was made from, and read one text
of other families in nine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from artifacts.grammar.lexer import literal_keys
from artifacts.grammar.nfa import GrammarTooLarge
from artifacts.grammar.syntax import (
    Literal,
    Node,
    Restricted,
    alternatives,
    replaced,
    sequence,
    slots,
)
from artifacts.learning.grammars.alignment import Cells, Fixed, cells_of, merged
from artifacts.learning.grammars.changes import combined, slot_changes
from artifacts.learning.grammars.choice import choose, text_bits
from artifacts.learning.grammars.language import reads_text
from artifacts.learning.pieces import Piece, pieces_of

MIN_LITERAL_SHARE = 0.4
"""Of the pieces of an average text, blanks apart."""
MAX_PIECES = 300
MAX_PHRASINGS = 64
MAX_STEPS = 20_000_000
"""Pairs of cells that are compared."""
PHRASING_BITS = 8.0
_CONTENT_WORDS_BESIDE = {
    "phrase": 2,
    "word": 1,
    "identifier": 1,
    "phrases": 2,
    "words": 1,
    "identifiers": 1,
}
"""How many words with content stand in a phrasing for each slot of a kind that holds any words."""
_MIN_CONTENT_LETTERS = 3
_FUNCTION_WORDS = frozenset(
    literal_keys(
        "a an and any are as at be but by can could did do does for from had has have he her his "
        "how i if in is it its let me my no not of on or our please she should so some than that "
        "the their them then there these they this those to us was we were what when where which "
        "who whose why will with would you your"
    )
)
"""Words that any request may have; the other words say what a text is about."""


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One phrasing, the texts (by index) that it was made from, and its description length."""

    cells: Cells
    texts: tuple[int, ...]
    grammar: Node
    bits: float
    says_enough: bool
    """Whether enough of a text is literal, with a word that says what it is about.

    Beside a slot that holds any words there must be words with content: else it is the slot that
    says what the text is about.
    """


@dataclass(frozen=True, slots=True)
class Learned:
    """The union of the phrasings, or None without any; and the texts (by index) of no phrasing."""

    grammar: Node | None
    phrasings: tuple[Phrasing, ...]
    left_out: tuple[int, ...]
    steps: int


def learn(
    accepted: Sequence[str], rejected: Sequence[str] = (), *, max_steps: int = MAX_STEPS
) -> Learned:
    """Return a grammar for the accepted texts that reads none of the rejected ones.

    Deterministic; the work is bounded by `max_steps` compared pairs of cells. Slots are `s1`, `s2`
    and so on through all phrasings.

    >>> from artifacts.grammar.textform import print_grammar
    >>> learned = learn(["open door 7", "open door 12", "weather in Rome", "weather in Oslo"])
    >>> print_grammar(learned.grammar)
    'open door {s1:integer}|weather in {s2:word}'
    """
    learner = _Learner(tuple(accepted), tuple(rejected), max_steps)
    current = learner.union(learner.groups())
    kept, numbered = list[Phrasing](), 1
    for phrasing in current:
        if (good := learner.guarded(phrasing)) is not None:
            kept.append(replace(good, grammar=_numbered(good.grammar, numbered)))
            numbered += len(set(slots(good.grammar)))
    covered = {index for phrasing in kept for index in phrasing.texts}
    return Learned(
        alternatives(*(phrasing.grammar for phrasing in kept)) if kept else None,
        tuple(kept),
        tuple(index for index in range(len(accepted)) if index not in covered),
        learner.steps,
    )


@dataclass(slots=True)
class _Learner:
    accepted: tuple[str, ...]
    rejected: tuple[str, ...]
    max_steps: int
    steps: int = 0
    tried: dict[tuple[tuple[int, ...], tuple[int, ...]], Phrasing | None] = field(
        default_factory=dict
    )

    def groups(self) -> list[Phrasing]:
        """Return a phrasing for all texts that differ in numbers and quoted texts alone."""
        groups: dict[tuple[str, ...], list[tuple[int, Cells]]] = {}
        for index, text in enumerate(self.accepted):
            pieces = pieces_of(text)
            if 0 < len(pieces) <= MAX_PIECES:
                masks = tuple(piece.mask for piece in pieces)
                groups.setdefault(masks, []).append((index, cells_of(pieces)))
        made: list[Phrasing | None] = []
        for members in groups.values():
            cells = members[0][1]
            for count, (_, more) in enumerate(members[1:], 1):
                cells = self.aligned(cells, more, (count, 1))
            made.append(described(cells, tuple(index for index, _ in members)))
        return [phrasing for phrasing in made if phrasing is not None][:MAX_PHRASINGS]

    def union(self, current: list[Phrasing]) -> list[Phrasing]:
        """Merge the best pair that may be merged, until there is none."""
        while True:
            pairs = [
                (left, right, both)
                for index, left in enumerate(current)
                for right in current[index + 1 :]
                if (both := self.both(left, right)) is not None
            ]
            pairs.sort(key=lambda pair: pair[2].bits - pair[0].bits - pair[1].bits)
            for left, right, both in pairs:
                good = self.guarded(both)
                if good is not None and good.bits < left.bits + right.bits:
                    current = [p for p in current if p is not left and p is not right]
                    current.append(good)
                    break
                self.tried[left.texts, right.texts] = None
            else:
                return current

    def both(self, left: Phrasing, right: Phrasing) -> Phrasing | None:
        """Return the merged phrasing when it is described in fewer bits."""
        key = (left.texts, right.texts)
        if key not in self.tried:
            self.tried[key] = None
            if self.steps + len(left.cells) * len(right.cells) <= self.max_steps:
                counts = len(left.texts), len(right.texts)
                cells = self.aligned(left.cells, right.cells, counts)
                made = described(cells, left.texts + right.texts)
                if made is not None and made.bits < left.bits + right.bits:
                    self.tried[key] = made
        return self.tried[key]

    def aligned(self, left: Cells, right: Cells, counts: tuple[int, int]) -> Cells:
        self.steps += len(left) * len(right)
        return merged(left, right, counts)

    def guarded(self, phrasing: Phrasing) -> Phrasing | None:
        """Return the phrasing, narrowed where it reads a rejected text; None when it may not be."""
        if not phrasing.says_enough:
            return None
        texts = [self.accepted[index] for index in phrasing.texts]
        try:
            if not all(reads_text(phrasing.grammar, text) for text in texts):
                return None
            inside = [text for text in self.rejected if reads_text(phrasing.grammar, text)]
            if not inside:
                return phrasing
            found = [
                change
                for change in slot_changes(phrasing.grammar, texts, inside)
                if not change.by.values
            ]
            grammar, chosen, rest = combined(phrasing.grammar, found, inside)
        except GrammarTooLarge:
            return None
        if rest or isinstance(grammar, Restricted):
            return None
        bits = phrasing.bits + sum(change.bits for change in chosen)
        return replace(phrasing, grammar=grammar, bits=bits)


def described(cells: Cells, texts: tuple[int, ...]) -> Phrasing | None:
    """Return the shortest description of the cells, or None where a place has none."""
    parts: list[Node] = []
    bits, literal, pieces = PHRASING_BITS, 0.0, 0.0
    for cell in cells:
        if isinstance(cell, Fixed):
            made: Node = Literal(literal_keys(cell.piece.key))
            bits += text_bits(cell.piece.key)
            size = float(cell.piece.kind != "blank")
        else:
            choice = choose(f"s{len(parts)}", ["".join(p.spelling for p in r) for r in cell.runs])
            if choice is None:
                return None
            made, bits = choice.node, bits + choice.bits
            size = sum(p.kind != "blank" for run in cell.runs for p in run) / len(cell.runs)
        parts.append(made)
        pieces += size
        literal += size if isinstance(made, Literal) else 0
    content = sum(isinstance(cell, Fixed) and _has_content(cell.piece) for cell in cells)
    wanted = sum(_CONTENT_WORDS_BESIDE.get(s.kind, 0) for part in parts for s in slots(part))
    says_enough = content >= max(1, wanted) and literal >= MIN_LITERAL_SHARE * pieces
    return Phrasing(cells, texts, sequence(*parts), bits, says_enough)


def _numbered(node: Node, first: int) -> Node:
    """Return the phrasing with its slots numbered from `first` on, in the order of the text."""
    by = {
        slot: replace(slot, name=f"s{number}")
        for number, slot in enumerate(dict.fromkeys(slots(node)), first)
    }
    return replaced(node, by)


def _has_content(piece: Piece) -> bool:
    return (
        piece.kind == "word"
        and len(piece.key) >= _MIN_CONTENT_LETTERS
        and piece.key not in _FUNCTION_WORDS
    )

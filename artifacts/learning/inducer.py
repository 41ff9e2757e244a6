"""The offline inducer: recipes from (text, answer) pairs, without any LLM.

It tries groups of pairs, the most alike first: the texts that equal the newest but for numbers and
quoted texts; all; those that share one more chunk with the newest. A group becomes a recipe when
its texts anti-unify into a grammar with enough literals and one program of the class ladder answers
all but a few of its pairs. Candidates come in that order with their description length; the budget
is counted steps. The same pairs give the same recipes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from artifacts.compiler import constants_equal_to_slots
from artifacts.grammar.nfa import Bound
from artifacts.grammar.syntax import Literal, Node
from artifacts.grammar.syntax import Sequence as Concatenation
from artifacts.grammar.textform import print_grammar
from artifacts.learning.answers import Written, write_program
from artifacts.learning.clusters import Member
from artifacts.learning.columns import Aligned, Column, align
from artifacts.learning.pieces import Chunk, chunks, pieces_of
from artifacts.program.jsonform import program_to_json
from artifacts.program.program import AnswerConstant, Program, slots_used
from artifacts.values import Json

MIN_LITERAL_SHARE = 0.4
MIN_LITERAL_SHARE_OF_CONSTANT = 0.7
MAX_EXAMPLES = 6
_TAUGHT = 4
_SPLITS = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """One recipe with its description length, the pairs it was made from, and what it cost."""

    recipe: dict[str, Json]
    bits: float
    taught: tuple[str, ...]
    tried: int
    steps: int


@dataclass(frozen=True, slots=True)
class _Group:
    members: tuple[Member, ...]
    texts: tuple[tuple[Chunk, ...], ...]


def induce(members: Sequence[Member], *, budget: int, min_pairs: int) -> Iterator[Candidate]:
    """Yield recipes that cover the last of `members`, until `budget` steps are spent.

    Every candidate's `tried` and `steps` count all that was tried before it, too.
    """
    texts = {m.utterance_id: chunks(pieces_of(m.text)) for m in members}
    tried = steps = 0
    for group in _groups(members, texts, min_pairs):
        if steps >= budget:
            return
        for aligned in _alignments(group):
            tried += 1
            for taught in _teaching_sets(group):
                written = _written(aligned, group, taught, budget - steps)
                tried += written.tried
                steps += written.spent + len(group.members)
                if written.program is not None and _may_serve(aligned, written.program):
                    recipe = _recipe(aligned, group, taught, written.program)
                    ids = tuple(group.members[index].utterance_id for index in taught)
                    yield Candidate(recipe, written.bits, ids, tried, steps)
                    break
                if steps >= budget:
                    return


def _alignments(group: _Group) -> Iterator[Aligned]:
    """Yield the grammar with closed number slots where they hardly vary, then without."""
    narrow = align(group.texts, narrow=True)
    if narrow is None or not _has_literals(narrow):
        return
    yield narrow
    if any(column.slot.values for column in narrow.columns):
        wide = align(group.texts, narrow=False)
        if wide is not None and wide.grammar != narrow.grammar:
            yield wide


def _groups(
    members: Sequence[Member], texts: dict[str, tuple[Chunk, ...]], min_pairs: int
) -> Iterator[_Group]:
    newest = members[-1]
    seen: set[tuple[str, ...]] = set()

    def group(chosen: Sequence[Member]) -> Iterator[_Group]:
        ids = tuple(m.utterance_id for m in chosen)
        if ids not in seen:
            seen.add(ids)
            yield _Group(tuple(chosen), tuple(texts[i] for i in ids))

    alike = [m for m in members if m.masks == newest.masks]
    if len({m.normalized for m in alike}) >= min_pairs:
        yield from group(alike)
    same = [m for m in members if m.normalized == newest.normalized]
    if len(same) >= 2:
        yield from group(same)
    if len({m.normalized for m in members}) < min_pairs:
        return
    yield from group(members)
    for position in _split_positions(members):
        chosen = [m for m in members if m.masks[position] == newest.masks[position]]
        if min_pairs <= len({m.normalized for m in chosen}) < len(members):
            yield from group(chosen)


def _split_positions(members: Sequence[Member]) -> list[int]:
    """Return the chunk positions with the fewest different masks, those that vary at all."""
    counts = [
        (len({m.masks[position] for m in members}), position)
        for position in range(len(members[0].masks))
    ]
    return [position for count, position in sorted(counts) if count > 1][:_SPLITS]


def _has_literals(aligned: Aligned) -> bool:
    return aligned.literal_chunks >= MIN_LITERAL_SHARE * aligned.chunk_count


def _may_serve(aligned: Aligned, program: Program) -> bool:
    """Refuse an answer that never changes beside slots that take much of the text."""
    if isinstance(program.answer, AnswerConstant) and aligned.columns:
        return aligned.literal_chunks >= MIN_LITERAL_SHARE_OF_CONSTANT * aligned.chunk_count
    return True


def _teaching_sets(group: _Group) -> Iterator[tuple[int, ...]]:
    """Yield index sets to search on: the first pairs, the last ones, two thirds."""
    size = len(group.members)
    if len({m.normalized for m in group.members}) == 1:
        yield (0,)
        return
    sets = [
        tuple(range(min(_TAUGHT, size))),
        tuple(range(max(0, size - _TAUGHT), size)),
        tuple(range(max(_TAUGHT, (2 * size + 2) // 3))) if size > _TAUGHT else (),
    ]
    yield from dict.fromkeys(chosen for chosen in sets if chosen)


def _written(aligned: Aligned, group: _Group, taught: tuple[int, ...], budget: int) -> Written:
    columns = [_restricted(column, taught) for column in aligned.columns]
    answers = [group.members[index].answer for index in taught]
    return write_program(columns, answers, budget=budget)


def _restricted(column: Column, rows: Sequence[int]) -> Column:
    return Column(
        column.slot,
        tuple(column.spellings[row] for row in rows),
        tuple(column.values[row] for row in rows),
    )


def _recipe(
    aligned: Aligned, group: _Group, taught: tuple[int, ...], program: Program
) -> dict[str, Json]:
    document = program_to_json(program)
    used = slots_used(program)
    first = taught[0]
    bindings = {
        c.slot.name: Bound(c.slot.name, c.slot.kind, 0, 0, c.spellings[first], c.values[first])
        for c in aligned.columns
    }
    examples = [group.members[index] for index in taught[:MAX_EXAMPLES]]
    return {
        "recipe": 1,
        "name": slug(aligned.grammar),
        "phrasings": [print_grammar(aligned.grammar)],
        "steps": document["steps"],
        "answer": document["answer"],
        "constants": sorted(constants_equal_to_slots(program, bindings)),
        "dont_care": sorted(c.slot.name for c in aligned.columns if c.slot.name not in used),
        "examples": [{"text": m.text, "answer": m.answer} for m in examples],
    }


def slug(grammar: Node) -> str:
    """Return a readable name from the first words of a grammar."""
    words: list[str] = []
    parts = grammar.parts if isinstance(grammar, Concatenation) else (grammar,)
    for part in parts:
        if isinstance(part, Literal):
            words.extend(key for key in part.keys if key.isascii() and key.isalpha())
    return "-".join(words[:5])[:40].strip("-") or "family"

"""Programs from examples: how the answers of a cluster follow from the columns of its texts.

The weakest class that fits comes first: constant, copy and text made of copies, arithmetic, lookup
over a closed slot. Answers with parts are solved part by part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

from artifacts.learning.arithmetic import (
    Applied,
    ConstantLeaf,
    Expression,
    SlotLeaf,
    description_bits,
    solve,
)
from artifacts.learning.columns import Column
from artifacts.learning.pieces import pieces_of
from artifacts.program.operators import lower, upper
from artifacts.program.program import (
    Answer,
    AnswerConstant,
    AnswerList,
    AnswerObject,
    AnswerValue,
    Argument,
    Constant,
    Program,
    SlotValueOf,
    SpellingOf,
    Step,
    StepValue,
    Table,
)
from artifacts.values import (
    Json,
    Number,
    canonical_json,
    decimal_places,
    read_number,
    show_number,
    whole,
)

_MIN_LOOKUP_REPEATS = 2
_MAX_PIECES = 200


@dataclass(slots=True)
class Writer:
    """Collects the steps of one program, its description length and the search steps spent."""

    columns: Sequence[Column]
    budget: int
    steps: list[Step] = field(default_factory=list)
    bits: float = 0.0
    spent: int = 0
    tried: int = 0

    def step(self, operator: str, *arguments: Argument) -> Argument:
        """Add a step, or find the equal one, and return its value."""
        made = Step(operator, arguments)
        if made not in self.steps:
            self.steps.append(made)
            self.bits += 3
        return StepValue(self.steps.index(made))

    def expression(self, expression: Expression, numbers: Sequence[Column]) -> Argument:
        """Add the steps of an arithmetic expression."""
        match expression:
            case SlotLeaf(column):
                return SlotValueOf(numbers[column].slot.name)
            case ConstantLeaf(value):
                return Constant(value)
            case Applied(operator, left, right):
                return self.step(
                    operator, self.expression(left, numbers), self.expression(right, numbers)
                )


@dataclass(frozen=True, slots=True)
class Written:
    """A program that answers all examples, its description length in bits, the search's cost."""

    program: Program | None
    bits: float
    spent: int
    tried: int


def write_program(columns: Sequence[Column], answers: Sequence[Json], *, budget: int) -> Written:
    """Return the first program found; None where none of the classes fits."""
    writer = Writer(columns, budget)
    answer = _answer(writer, list(answers), is_top=True)
    program = None if answer is None else Program(tuple(writer.steps), answer)
    return Written(program, writer.bits, writer.spent, writer.tried)


def _answer(writer: Writer, answers: list[Json], *, is_top: bool) -> Answer | None:
    first = answers[0]
    writer.tried += 1
    if all(canonical_json(answer) == canonical_json(first) for answer in answers):
        writer.bits += 8 * len(canonical_json(first)) if not is_top else 0
        return AnswerConstant(first)
    if all(isinstance(answer, str) for answer in answers):
        return _text(writer, cast(list[str], answers), is_top=is_top)
    if all(isinstance(answer, Mapping) for answer in answers):
        return _object(writer, cast(list[Mapping[str, Json]], answers))
    if all(isinstance(answer, list) for answer in answers):
        return _list(writer, cast(list[list[Json]], answers))
    if all(type(answer) in (int, float) for answer in answers):
        numbers = [whole(Fraction(str(answer))) for answer in answers]
        found = _number(writer, numbers)
        return None if found is None else AnswerValue(found)
    return None


def _object(writer: Writer, answers: list[Mapping[str, Json]]) -> Answer | None:
    names = sorted(answers[0])
    if any(sorted(answer) != names for answer in answers):
        return None
    fields: list[tuple[str, Answer]] = []
    for name in names:
        part = _answer(writer, [answer[name] for answer in answers], is_top=False)
        if part is None:
            return None
        fields.append((name, part))
    return AnswerObject(tuple(fields))


def _list(writer: Writer, answers: list[list[Json]]) -> Answer | None:
    size = len(answers[0])
    if any(len(answer) != size for answer in answers):
        return None
    items: list[Answer] = []
    for index in range(size):
        part = _answer(writer, [answer[index] for answer in answers], is_top=False)
        if part is None:
            return None
        items.append(part)
    return AnswerList(tuple(items))


def _text(writer: Writer, answers: list[str], *, is_top: bool) -> Answer | None:
    argument = _copy(writer, answers) or _shown_number(writer, answers, is_top=is_top)
    argument = argument or _joined(writer, answers) or None
    if argument is not None:
        return AnswerValue(argument)
    return _lookup(writer, answers)


def _copy(writer: Writer, answers: Sequence[str]) -> Argument | None:
    """Find a slot whose spelling, value, or spelling in one case is the answer."""
    for column in writer.columns:
        writer.tried += 1
        writer.spent += len(answers)
        name = column.slot.name
        if all(a == b for a, b in zip(column.spellings, answers, strict=True)):
            writer.bits += 3
            return SpellingOf(name)
        if not column.is_number and all(
            a == b for a, b in zip(column.values, answers, strict=True)
        ):
            writer.bits += 4
            return SlotValueOf(name)
    for column in writer.columns:
        for operator, changed in (("lower", lower), ("upper", upper)):
            if all(changed(a) == b for a, b in zip(column.spellings, answers, strict=True)):
                return writer.step(operator, SpellingOf(column.slot.name))
    return None


def _number(writer: Writer, target: Sequence[Number]) -> Argument | None:
    numbers = [column for column in writer.columns if column.is_number]
    if not numbers or len(set(target)) < 2:
        return None
    rows = [
        tuple(cast(Number, column.values[index]) for column in numbers)
        for index in range(len(target))
    ]
    left = writer.budget - writer.spent
    if left <= 0:
        return None
    solved = solve(rows, target, budget=left)
    writer.spent += solved.steps
    if not solved.expressions:
        return None
    best = solved.expressions[0]
    writer.tried += len(solved.expressions)
    writer.bits += description_bits(best)
    return writer.expression(best, numbers)


def _shown_number(writer: Writer, answers: Sequence[str], *, is_top: bool) -> Argument | None:
    """Find an expression whose printed form is the answer; at the top the form may differ."""
    fractions = [_read_fraction(answer) for answer in answers]
    target = [value for value in fractions if value is not None]
    if len(target) < len(answers):
        return None
    form = _form(answers, target, is_top=is_top)
    if form is None:
        return None
    found = _number(writer, target)
    if found is None:
        return None
    operator, places = form
    return writer.step(operator, found, *((Constant(places),) if operator == "fixed" else ()))


def _read_fraction(text: str) -> Number | None:
    top, slash, bottom = text.partition("/")
    if not slash:
        return read_number(text)
    a, b = read_number(top), read_number(bottom)
    return whole(Fraction(a, b)) if isinstance(a, int) and isinstance(b, int) and b else None


def _form(
    answers: Sequence[str], target: Sequence[Number], *, is_top: bool
) -> tuple[str, int] | None:
    """Return the operator that prints all targets as the answers do, with its places."""
    if any("/" in answer for answer in answers):
        shown = [
            str(value) if isinstance(value, int) else f"{value.numerator}/{value.denominator}"
            for value in target
        ]
        return ("fraction", 0) if shown == list(answers) else None
    if any(decimal_places(value) is None for value in target):
        return None
    if [show_number(value) for value in target] == list(answers):
        return "show", 0
    places = {len(answer.partition(".")[2]) for answer in answers}
    if len(places) == 1:
        return "fixed", places.pop()
    return ("show", 0) if is_top else None


def _joined(writer: Writer, answers: Sequence[str]) -> Argument | None:
    """Find a text made of constants, copies and numbers, piece by piece."""
    for segmented in (_as_pieces(answers), _with_copies(writer.columns, answers)):
        if segmented is None:
            continue
        steps, bits = list(writer.steps), writer.bits
        argument = _concatenated(writer, segmented)
        if argument is not None:
            return argument
        writer.steps, writer.bits = steps, bits
    return None


_Segment = str | Column
"""A piece of an answer: its characters, or the column that it copies."""


def _as_pieces(answers: Sequence[str]) -> list[list[_Segment]] | None:
    rows: list[list[_Segment]] = []
    for answer in answers:
        spelled = [piece.spelling for piece in pieces_of(answer)]
        if "".join(spelled) != answer or len(spelled) > _MAX_PIECES:
            return None
        rows.append(list(spelled))
    return rows if len({len(row) for row in rows}) == 1 and len(rows[0]) > 1 else None


def _with_copies(columns: Sequence[Column], answers: Sequence[str]) -> list[list[_Segment]] | None:
    """Cut each answer at whole slot values, the longest first."""
    rows: list[list[_Segment]] = []
    for index, answer in enumerate(answers):
        spelled = sorted(
            ((column.spellings[index], column) for column in columns if not column.is_number),
            key=lambda item: -len(item[0]),
        )
        row: list[_Segment] = [answer]
        for spelling, column in spelled:
            row = [part for piece in row for part in _cut(piece, spelling, column)]
        rows.append([part for piece in row for part in _split(piece)])
        if len(rows[-1]) > _MAX_PIECES:
            return None
    sizes = {len(row) for row in rows}
    return rows if len(sizes) == 1 and any(isinstance(part, Column) for part in rows[0]) else None


def _cut(piece: _Segment, spelling: str, column: Column) -> list[_Segment]:
    if not isinstance(piece, str) or len(spelling) < 2 or spelling not in piece:
        return [piece]
    before, _, after = piece.partition(spelling)
    if before[-1:].isalnum() or after[:1].isalnum():
        return [piece]
    return [*([before] if before else []), column, *_cut(after, spelling, column)]


def _split(piece: _Segment) -> list[_Segment]:
    if not isinstance(piece, str):
        return [piece]
    spelled: list[_Segment] = [part.spelling for part in pieces_of(piece)]
    inner = "".join(str(part) for part in spelled)
    if not inner:
        return [piece] if piece else []
    before, _, after = piece.partition(inner)
    return [*([before] if before else []), *spelled, *([after] if after else [])]


def _concatenated(writer: Writer, rows: list[list[_Segment]]) -> Argument | None:
    arguments: list[Argument] = []
    for index in range(len(rows[0])):
        segments = [row[index] for row in rows]
        argument = _segment(writer, segments)
        if argument is None:
            return None
        last = arguments[-1] if arguments else None
        if isinstance(argument, Constant) and isinstance(last, Constant):
            arguments[-1] = Constant(f"{last.value}{argument.value}")
        else:
            arguments.append(argument)
    if len(arguments) > 60:
        return None
    return writer.step("concat", *arguments)


def _segment(writer: Writer, segments: Sequence[_Segment]) -> Argument | None:
    first = segments[0]
    if isinstance(first, Column):
        same = all(isinstance(part, Column) and part is first for part in segments)
        return SpellingOf(first.slot.name) if same else None
    texts = [part for part in segments if isinstance(part, str)]
    if len(texts) < len(segments):
        return None
    if all(text == first for text in texts):
        writer.bits += 2 * len(first)
        return Constant(first)
    return _copy(writer, texts) or _shown_number(writer, texts, is_top=False)


def _lookup(writer: Writer, answers: Sequence[str]) -> Answer | None:
    """Find a closed slot that determines the answer; every entry was seen at least twice."""
    for column in writer.columns:
        if not column.slot.values:
            continue
        writer.tried += 1
        entries: dict[str, set[str]] = {}
        counts: dict[str, int] = {}
        for value, answer in zip(column.values, answers, strict=True):
            entries.setdefault(str(value), set()).add(answer)
            counts[str(value)] = counts.get(str(value), 0) + 1
        if any(len(given) > 1 for given in entries.values()):
            continue
        sure = {
            value: given.pop()
            for value, given in sorted(entries.items())
            if counts[value] >= _MIN_LOOKUP_REPEATS
        }
        if len(sure) < 2:
            continue
        writer.bits += sum(8.0 * len(answer) for answer in sure.values())
        table = Table(cast(Mapping[str, Json], sure))
        return AnswerValue(writer.step("lookup", SlotValueOf(column.slot.name), table))
    return None

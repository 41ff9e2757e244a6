"""Programs: SSA steps over slots, constants and earlier steps, and an answer made of them.

Nothing loops, so every program terminates; `cost_bound` says before running how many steps it may
take and how large its answer may get, and the evaluator counts the same steps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from artifacts.grammar.kinds import SlotType
from artifacts.grammar.lexer import MAX_CODE_POINTS
from artifacts.problems import Problem
from artifacts.program.operators import (
    MAX_NUMBER_DIGITS,
    MAX_TEXT,
    OPERATORS,
    TRUTH_SIZE,
    Type,
)
from artifacts.values import MAX_DIGITS, MAX_ITEMS, Json, Number, canonical_json, show_number

MAX_STEPS = 200
MAX_ANSWER_DEPTH = 40
_ITEM_MARKS: Mapping[Type, int] = {"numbers": 26, "texts": 3, "mixed": 26}
"""What an item of a list takes in JSON beyond its size: the text of a float, or quotes; a comma."""


@dataclass(frozen=True, slots=True)
class SlotValueOf:
    """The typed value bound to a slot."""

    slot: str


@dataclass(frozen=True, slots=True)
class SpellingOf:
    """The original characters bound to a slot."""

    slot: str


@dataclass(frozen=True, slots=True)
class StepValue:
    """The value of an earlier step."""

    step: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, text or truth that stands in the program."""

    value: Number | str | bool


@dataclass(frozen=True, slots=True)
class Table:
    """A lookup table from normalized text."""

    entries: Mapping[str, Json]


Argument = SlotValueOf | SpellingOf | StepValue | Constant | Table


@dataclass(frozen=True, slots=True)
class Step:
    """One application of an operator of the table."""

    operator: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class AnswerValue:
    """A leaf of the answer that is computed."""

    argument: Argument


@dataclass(frozen=True, slots=True)
class AnswerConstant:
    """A part of the answer that is always the same."""

    value: Json


@dataclass(frozen=True, slots=True)
class AnswerList:
    """A JSON list."""

    items: tuple["Answer", ...]


@dataclass(frozen=True, slots=True)
class AnswerObject:
    """A JSON object."""

    fields: tuple[tuple[str, "Answer"], ...]


Answer = AnswerValue | AnswerConstant | AnswerList | AnswerObject


@dataclass(frozen=True, slots=True)
class Program:
    """Steps and the answer."""

    steps: tuple[Step, ...]
    answer: Answer


@dataclass(frozen=True, slots=True)
class CostBound:
    """At most so many steps, and an answer of at most so many characters."""

    steps: int
    answer_size: int


def answer_arguments(answer: Answer) -> Iterator[Argument]:
    """Yield the arguments at the leaves of an answer, left to right."""
    match answer:
        case AnswerValue(argument):
            yield argument
        case AnswerConstant():
            return
        case AnswerList(items):
            for item in items:
                yield from answer_arguments(item)
        case AnswerObject(fields):
            for _, item in fields:
                yield from answer_arguments(item)


def arguments(program: Program) -> Iterator[Argument]:
    """Yield every argument of the steps and the answer."""
    for step in program.steps:
        yield from step.arguments
    yield from answer_arguments(program.answer)


def slots_used(program: Program) -> frozenset[str]:
    """Return the slots on which the answer can depend."""
    return frozenset(
        argument.slot
        for argument in arguments(program)
        if isinstance(argument, SlotValueOf | SpellingOf)
    )


@dataclass(frozen=True, slots=True)
class _Typed:
    type: Type
    size: int


def check(program: Program, types: Mapping[str, SlotType]) -> CostBound | tuple[Problem, ...]:
    """Return the cost bound of a program over slots of these types, or all its problems."""
    problems: list[Problem] = []
    if len(program.steps) > MAX_STEPS:
        return (
            Problem(
                "program-too-large",
                "steps",
                f"{len(program.steps)} steps; the limit is {MAX_STEPS}",
            ),
        )
    typed: list[_Typed | None] = []
    for index, step in enumerate(program.steps):
        typed.append(_check_step(step, f"steps[{index}]", types, typed, problems))
    size = _answer_size(program.answer, "answer", types, typed, problems)
    if size > MAX_TEXT and not problems:
        problems.append(
            Problem(
                "program-too-large", "answer", f"up to {size} characters; the limit is {MAX_TEXT}"
            )
        )
    if problems:
        return tuple(problems)
    return CostBound(sum(OPERATORS[step.operator].steps for step in program.steps), size)


def _check_step(
    step: Step,
    place: str,
    types: Mapping[str, SlotType],
    typed: list[_Typed | None],
    problems: list[Problem],
) -> _Typed | None:
    operator = OPERATORS.get(step.operator)
    if operator is None:
        problems.append(Problem("unknown-operator", place, f"{step.operator!r}"))
        return None
    wanted = operator.parameters_for(len(step.arguments))
    if len(step.arguments) != len(wanted):
        problems.append(
            Problem(
                "bad-argument",
                place,
                f"{operator.name} takes {len(wanted)} arguments, not {len(step.arguments)}",
            )
        )
        return None
    sizes: list[int] = []
    for index, (argument, parameter) in enumerate(zip(step.arguments, wanted, strict=True)):
        given = _typed(argument, f"{place}.args[{index}]", types, typed, problems)
        if given is None:
            return None
        if given.type != parameter and not (given.type == "json" and parameter == "text"):
            problems.append(
                Problem(
                    "bad-argument",
                    f"{place}.args[{index}]",
                    f"{operator.name} takes a {parameter} here, not a {given.type}",
                )
            )
            return None
        sizes.append(given.size)
    size = operator.size(sizes)
    limit = MAX_NUMBER_DIGITS if operator.result == "number" else MAX_TEXT
    if size > limit:
        problems.append(Problem("program-too-large", place, f"size up to {size}; limit {limit}"))
        return None
    return _Typed(operator.result, size)


def _typed(
    argument: Argument,
    place: str,
    types: Mapping[str, SlotType],
    typed: list[_Typed | None],
    problems: list[Problem],
) -> _Typed | None:
    match argument:
        case SlotValueOf(slot) | SpellingOf(slot):
            if slot not in types:
                problems.append(Problem("unknown-slot", place, f"no phrasing binds {slot!r}"))
                return None
            type = types[slot] if isinstance(argument, SlotValueOf) else "text"
            return _Typed(type, MAX_DIGITS if type == "number" else MAX_CODE_POINTS)
        case StepValue(step):
            if not 0 <= step < len(typed):
                problems.append(
                    Problem("bad-argument", place, f"step {step} is not an earlier step")
                )
                return None
            return typed[step]
        case Constant(value):
            return _typed_constant(value)
        case Table(entries):
            return _Typed("table", len(canonical_json(dict(entries))))
        case _:
            assert_never(argument)


def _typed_constant(value: Number | str | bool) -> _Typed:
    if isinstance(value, bool):
        return _Typed("truth", TRUTH_SIZE)
    if isinstance(value, str):
        return _Typed("text", len(value))
    return _Typed("number", len(show_number(value)))


def _answer_size(
    answer: Answer,
    place: str,
    types: Mapping[str, SlotType],
    typed: list[_Typed | None],
    problems: list[Problem],
) -> int:
    match answer:
        case AnswerConstant(value):
            return len(canonical_json(value))
        case AnswerValue(argument):
            given = _typed(argument, place, types, typed, problems)
            if given is not None and given.type == "table":
                problems.append(Problem("bad-argument", place, "an answer is not a table"))
            if given is None:
                return 0
            return given.size + 2 + MAX_ITEMS * _ITEM_MARKS.get(given.type, 0)
        case AnswerList(items):
            return 2 + sum(
                1 + _answer_size(item, f"{place}[{index}]", types, typed, problems)
                for index, item in enumerate(items)
            )
        case AnswerObject(fields):
            return 2 + sum(
                len(name) + 4 + _answer_size(item, f"{place}.{name}", types, typed, problems)
                for name, item in fields
            )
        case _:
            assert_never(answer)

"""The JSON form of programs, which recipes and artifacts carry."""

from collections.abc import Mapping
from fractions import Fraction
from typing import assert_never, cast

from artifacts.problems import Problem
from artifacts.program.program import (
    MAX_ANSWER_DEPTH,
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
from artifacts.values import MAX_DIGITS, Json, Number, whole


def argument_to_json(argument: Argument) -> Json:
    """Return the JSON form of one argument."""
    match argument:
        case SlotValueOf(slot):
            return {"slot": slot}
        case SpellingOf(slot):
            return {"spelling": slot}
        case StepValue(step):
            return {"step": step}
        case Constant(value):
            return _constant_to_json(value)
        case Table(entries):
            return {"table": dict(entries)}
        case _:
            assert_never(argument)


def _constant_to_json(value: Number | str | bool) -> Json:
    if isinstance(value, bool):
        return {"truth": value}
    if isinstance(value, str):
        return {"text": value}
    return {"number": str(value)}


def _answer_to_json(answer: Answer) -> Json:
    match answer:
        case AnswerValue(argument):
            return {"value": argument_to_json(argument)}
        case AnswerConstant(value):
            return {"constant": value}
        case AnswerList(items):
            return {"list": [_answer_to_json(item) for item in items]}
        case AnswerObject(fields):
            return {"object": {name: _answer_to_json(item) for name, item in fields}}
        case _:
            assert_never(answer)


def program_to_json(program: Program) -> dict[str, Json]:
    """Return the JSON form: `{"steps": [{"op", "args"}], "answer": …}`."""
    return {
        "steps": [
            {"op": step.operator, "args": [argument_to_json(a) for a in step.arguments]}
            for step in program.steps
        ],
        "answer": _answer_to_json(program.answer),
    }


class _Malformed(Exception):
    """Leaves the reader below; never leaves this module."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem("bad-document", place, message)


def program_from_json(steps: Json, answer: Json) -> Program | Problem:
    """Return the program in JSON form, or the first problem with its place."""
    try:
        if not isinstance(steps, list):
            raise _Malformed("steps", "expected a list")
        read = tuple(_read_step(step, f"steps[{index}]") for index, step in enumerate(steps))
        return Program(read, _read_answer(answer, "answer", 1))
    except _Malformed as malformed:
        return malformed.problem


def _read_step(document: Json, place: str) -> Step:
    match document:
        case {"op": str() as operator, "args": list() as given, **rest} if not rest:
            read = (_read_argument(item, f"{place}.args[{i}]") for i, item in enumerate(given))
            return Step(operator, tuple(read))
    raise _Malformed(place, 'expected {"op": …, "args": […]}')


def _read_argument(document: Json, place: str) -> Argument:
    if isinstance(document, Mapping) and len(document) == 1:
        match document:
            case {"slot": str() as slot}:
                return SlotValueOf(slot)
            case {"spelling": str() as slot}:
                return SpellingOf(slot)
            case {"step": int() as step} if not isinstance(step, bool):
                return StepValue(step)
            case {"truth": bool() as truth}:
                return Constant(truth)
            case {"text": str() as text}:
                return Constant(text)
            case {"number": str() as number}:
                return Constant(_read_constant(number, place))
            case {"table": dict() as entries}:
                return Table(cast(Mapping[str, Json], entries))
    raise _Malformed(place, "expected one of slot, spelling, step, number, text, truth, table")


def _read_constant(text: str, place: str) -> Number:
    top, slash, bottom = text.partition("/")
    digits = (top.removeprefix("-"), bottom if slash else "1")
    if len(text) > MAX_DIGITS or not all(d.isascii() and d.isdigit() for d in digits):
        raise _Malformed(place, f"{text[:40]!r} is not a number as a or a/b")
    if int(digits[1]) == 0:
        raise _Malformed(place, "a denominator is 0")
    return whole(Fraction(int(top), int(digits[1])))


def _read_answer(document: Json, place: str, depth: int) -> Answer:
    if depth > MAX_ANSWER_DEPTH:
        raise _Malformed(place, "the answer is nested too deeply")
    if isinstance(document, Mapping) and len(document) == 1:
        match document:
            case {"value": argument}:
                return AnswerValue(_read_argument(argument, place))
            case {"constant": constant}:
                return AnswerConstant(constant)
            case {"list": list() as items}:
                read = (_read_answer(x, f"{place}[{i}]", depth + 1) for i, x in enumerate(items))
                return AnswerList(tuple(read))
            case {"object": dict() as fields}:
                return AnswerObject(
                    tuple(
                        (str(name), _read_answer(fields[name], f"{place}.{name}", depth + 1))
                        for name in sorted(fields)
                    )
                )
    raise _Malformed(place, "expected one of value, constant, list, object")

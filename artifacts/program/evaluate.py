"""Evaluation: a program as closures made once; no source is generated.

Measured alternatives for five steps: tree walk 1.2 µs, register machine 0.8, closures 0.7,
generated source 0.4; the last is not worth an `exec`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, assert_never

from artifacts.grammar.nfa import Bindings
from artifacts.program.operators import LAZY, MAX_NUMBER_DIGITS, OPERATORS, Failure
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
from artifacts.values import Json, decimal_places

# The closures pass values of all operator types; their types were checked by `program.check`.
_Getter = Callable[[Bindings, list[Any]], Any]
_TEXT_OR_FAILURE = (str, Failure)
_MAX_BITS = MAX_NUMBER_DIGITS * 4


@dataclass(frozen=True, slots=True)
class Computed:
    """An answer, the value of each step, and the cost in steps."""

    answer: Json
    steps: tuple[object, ...]
    cost: int


Run = Callable[[Bindings], Computed | Failure]


def _getter(argument: Argument) -> _Getter:
    match argument:
        case SlotValueOf(slot):

            def slot_value(bindings: Bindings, values: list[Any]) -> Any:
                bound = bindings.get(slot)
                return Failure(f"slot {slot!r} is not bound") if bound is None else bound.value

            return slot_value
        case SpellingOf(slot):

            def spelling(bindings: Bindings, values: list[Any]) -> Any:
                bound = bindings.get(slot)
                return Failure(f"slot {slot!r} is not bound") if bound is None else bound.spelling

            return spelling
        case StepValue(step):

            def step_value(bindings: Bindings, values: list[Any]) -> Any:
                return values[step]

            return step_value
        case Constant(value):

            def constant(bindings: Bindings, values: list[Any]) -> Any:
                return value

            return constant
        case Table(entries):

            def table(bindings: Bindings, values: list[Any]) -> Any:
                return entries

            return table
        case _:
            assert_never(argument)


def _step(step: Step) -> _Getter:
    operator = OPERATORS[step.operator]
    getters = tuple(map(_getter, step.arguments))
    apply, lazy = operator.apply, step.operator in LAZY
    needed = 1 if lazy else len(getters)
    parameters = operator.parameters_for(len(getters))
    texts = [index for index, parameter in enumerate(parameters) if parameter == "text"]
    is_number = operator.result == "number"

    def run(bindings: Bindings, values: list[Any]) -> Any:
        arguments = [getter(bindings, values) for getter in getters]
        for argument in arguments[:needed]:
            if argument.__class__ is Failure:
                return argument
        for index in texts:
            if arguments[index].__class__ not in _TEXT_OR_FAILURE:
                return Failure(f"{operator.name} of a value that is not text")
        result: Any = apply(*arguments)
        if is_number and result.__class__ is not Failure and _bits(result) > _MAX_BITS:
            return Failure("the number is too large")
        return result

    return run


def _bits(number: int | Fraction) -> int:
    return max(number.numerator.bit_length(), number.denominator.bit_length())


def _json_number(number: int | Fraction) -> Json | Failure:
    if isinstance(number, int):
        return number
    if decimal_places(number) is None:
        return Failure("the number has no finite decimal form")
    try:
        nearest = float(number)
    except OverflowError:
        return Failure("the number has no exact JSON form")
    if Fraction(Decimal(str(nearest))) != number:
        return Failure("the number has no exact JSON form")
    return nearest


def _answer(answer: Answer) -> _Getter:
    match answer:
        case AnswerConstant(value):

            def constant(bindings: Bindings, values: list[Any]) -> Any:
                return value

            return constant
        case AnswerValue(argument):
            get = _getter(argument)

            def computed(bindings: Bindings, values: list[Any]) -> Any:
                value = get(bindings, values)
                if isinstance(value, int | Fraction) and not isinstance(value, bool):
                    return _json_number(value)
                return value

            return computed
        case AnswerList(items):
            parts = tuple(map(_answer, items))

            def listed(bindings: Bindings, values: list[Any]) -> Any:
                made = [part(bindings, values) for part in parts]
                return next((item for item in made if isinstance(item, Failure)), made)

            return listed
        case AnswerObject(fields):
            named = tuple((name, _answer(item)) for name, item in fields)

            def mapped(bindings: Bindings, values: list[Any]) -> Any:
                made = {name: part(bindings, values) for name, part in named}
                return next((x for x in made.values() if isinstance(x, Failure)), made)

            return mapped
        case _:
            assert_never(answer)


def compile_program(program: Program) -> Run:
    """Return a function from bindings to the answer; the program must have passed `check`."""
    steps = tuple(map(_step, program.steps))
    answer = _answer(program.answer)
    cost = sum(OPERATORS[step.operator].steps for step in program.steps)

    def run(bindings: Bindings) -> Computed | Failure:
        values: list[Any] = []
        for step in steps:
            values.append(step(bindings, values))
        result = answer(bindings, values)
        return result if isinstance(result, Failure) else Computed(result, tuple(values), cost)

    return run

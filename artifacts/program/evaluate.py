"""Evaluation: a program is made ready to run once; no source is generated.

Two runners, of which a test holds one against the other. The *quick* one is a register machine that
knows no failure: one list takes constants, slots and the value of each step, and steps are pairs of
places in it. Where anything is amiss (a failed step, a slot that is not bound, a number that may be
too large) it gives up, and the *careful* one, closures that look at every argument, starts anew.
Programs are total and have no effects, so starting anew costs time only.

Measured for three steps: closures 2.1 µs, registers 0.9; generated source is half of that and not
worth an `exec`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from typing import Any, assert_never

from msgspec import Struct

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
    arguments,
)
from artifacts.values import Json, Scalar, decimal_places

# The closures pass values of all operator types; their types were checked by `program.check`.
_Getter = Callable[[Bindings, list[Any]], Any]
_TEXT_OR_FAILURE = (str, Failure)
_MAX_BITS = MAX_NUMBER_DIGITS * 4


class Computed(Struct, frozen=True, gc=False):
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


def _json_list(items: tuple[Scalar, ...]) -> Json | Failure:
    made: list[Json] = []
    for item in items:
        shown = _json_number(item) if isinstance(item, Fraction) else item
        if isinstance(shown, Failure):
            return shown
        made.append(shown)
    return made


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
                if isinstance(value, tuple):
                    return _json_list(value)
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
    return _quick(program, careful_run(program))


def careful_run(program: Program) -> Run:
    """Return the same function, which looks at every argument of every step."""
    steps = tuple(map(_step, program.steps))
    answer = _answer(program.answer)
    cost = _cost(program)

    def run(bindings: Bindings) -> Computed | Failure:
        values: list[Any] = []
        for step in steps:
            values.append(step(bindings, values))
        result = answer(bindings, values)
        return result if isinstance(result, Failure) else Computed(result, tuple(values), cost)

    return run


def _cost(program: Program) -> int:
    return sum(OPERATORS[step.operator].steps for step in program.steps)


def _quick(program: Program, careful: Run) -> Run:
    """Return a runner that asks `careful` where something is amiss."""
    if any(_takes_json(step, program) for step in program.steps):
        return careful
    used = list(arguments(program))
    constants = [_constant(a) for a in used if isinstance(a, Constant | Table)]
    valued = tuple(dict.fromkeys(a.slot for a in used if isinstance(a, SlotValueOf)))
    spelled = tuple(dict.fromkeys(a.slot for a in used if isinstance(a, SpellingOf)))
    place = _Places(used, valued, spelled).place
    steps = tuple(
        (OPERATORS[step.operator].apply, _taken([*map(place, step.arguments)]))
        for step in program.steps
    )
    first_step = len(constants) + len(valued) + len(spelled)
    answer = _quick_answer(program.answer, place)
    cost = _cost(program)

    def run(bindings: Bindings) -> Computed | Failure:
        registers = constants.copy()
        try:
            for slot in valued:
                registers.append(bindings[slot].value)
            for slot in spelled:
                registers.append(bindings[slot].spelling)
        except KeyError:
            return careful(bindings)
        for apply, taken in steps:
            value: Any = apply(*taken(registers))
            kind = value.__class__
            if kind is int:
                if value.bit_length() > _MAX_BITS:
                    return careful(bindings)
            elif kind is Failure or (kind is Fraction and _bits(value) > _MAX_BITS):
                return careful(bindings)
            registers.append(value)
        result = answer(registers)
        if result.__class__ is Failure:
            return careful(bindings)
        return Computed(result, tuple(registers[first_step:]), cost)

    return run


def _takes_json(step: Step, program: Program) -> bool:
    """Return whether an argument is an entry of a table, of which only running tells the type."""
    return any(
        isinstance(argument, StepValue)
        and OPERATORS[program.steps[argument.step].operator].result == "json"
        for argument in step.arguments
    )


def _constant(argument: Constant | Table) -> object:
    return argument.value if isinstance(argument, Constant) else argument.entries


@dataclass(frozen=True, slots=True)
class _Places:
    """Where arguments stand in the registers: constants, slot values, spellings, steps."""

    used: Sequence[Argument]
    valued: Sequence[str]
    spelled: Sequence[str]

    def place(self, argument: Argument) -> int:
        constants = [id(a) for a in self.used if isinstance(a, Constant | Table)]
        match argument:
            case Constant() | Table():  # by identity: 1 equals True and unreduced fractions
                return constants.index(id(argument))
            case SlotValueOf(slot):
                return len(constants) + self.valued.index(slot)
            case SpellingOf(slot):
                return len(constants) + len(self.valued) + self.spelled.index(slot)
            case StepValue(step):
                return len(constants) + len(self.valued) + len(self.spelled) + step
            case _:
                assert_never(argument)


def _taken(places: Sequence[int]) -> Callable[[list[Any]], Sequence[Any]]:
    """Return a function that takes these places out of the registers."""
    if len(places) == 1:
        return itemgetter(slice(places[0], places[0] + 1))
    return itemgetter(*places)


def _quick_answer(answer: Answer, place: Callable[[Argument], int]) -> Callable[[list[Any]], Any]:
    match answer:
        case AnswerConstant(value):

            def constant(registers: list[Any]) -> Any:
                return value

            return constant
        case AnswerValue(argument):
            at = place(argument)

            def computed(registers: list[Any]) -> Any:
                found = registers[at]
                if found.__class__ is tuple:
                    return _json_list(found)
                return _json_number(found) if found.__class__ is Fraction else found

            return computed
        case AnswerList(items):
            parts = tuple(_quick_answer(item, place) for item in items)

            def listed(registers: list[Any]) -> Any:
                made = [part(registers) for part in parts]
                for item in made:
                    if item.__class__ is Failure:
                        return item
                return made

            return listed
        case AnswerObject(fields):
            named = tuple((name, _quick_answer(item, place)) for name, item in fields)

            def mapped(registers: list[Any]) -> Any:
                made = {name: part(registers) for name, part in named}
                for item in made.values():
                    if item.__class__ is Failure:
                        return item
                return made

            return mapped
        case _:
            assert_never(answer)

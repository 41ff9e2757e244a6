"""Programs as people read them: one line a step, then the answer."""

import json
from typing import assert_never

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
    StepValue,
    Table,
)


def print_argument(argument: Argument) -> str:
    """Return an argument: a slot, 'a slot as it was spelled', a step, or a constant.

    >>> print_argument(SpellingOf("user")), print_argument(Constant("to "))
    ('spelling(user)', '"to "')
    """
    match argument:
        case SlotValueOf(slot):
            return slot
        case SpellingOf(slot):
            return f"spelling({slot})"
        case StepValue(step):
            return f"t{step}"
        case Constant(value):
            if isinstance(value, str | bool):
                return json.dumps(value, ensure_ascii=False)
            return str(value)
        case Table(entries):
            return json.dumps(dict(entries), ensure_ascii=False)
        case _:
            assert_never(argument)


def _print_answer(answer: Answer) -> str:
    match answer:
        case AnswerValue(argument):
            return print_argument(argument)
        case AnswerConstant(value):
            return json.dumps(value, ensure_ascii=False)
        case AnswerList(items):
            return f"[{', '.join(map(_print_answer, items))}]"
        case AnswerObject(fields):
            inside = (f"{json.dumps(name)}: {_print_answer(item)}" for name, item in fields)
            return f"{{{', '.join(inside)}}}"
        case _:
            assert_never(answer)


def print_program(program: Program) -> str:
    """Return the program, a line a step."""
    lines = [
        f"t{index} = {step.operator}({', '.join(map(print_argument, step.arguments))})"
        for index, step in enumerate(program.steps)
    ]
    return "\n".join([*lines, f"answer {_print_answer(program.answer)}"])

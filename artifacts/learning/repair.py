"""Repairs that need no search: a version made narrower, or with an exception that somebody gave.

Both start from the version that was wrong and give a recipe, which κ, the accepted pairs and the
gate still have to pass.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from artifacts.artifact import Artifact
from artifacts.compiler import Given, answer_of
from artifacts.grammar.lexer import normalize
from artifacts.grammar.nfa import Bindings
from artifacts.grammar.syntax import (
    Grammar,
    Restricted,
    Slot,
    replaced,
    slots,
)
from artifacts.grammar.textform import print_grammar
from artifacts.program.jsonform import argument_to_json, program_to_json
from artifacts.program.program import (
    AnswerValue,
    Argument,
    Constant,
    Program,
    SlotValueOf,
    SpellingOf,
    Step,
    StepValue,
)
from artifacts.values import Json

_CLOSABLE = frozenset({"word", "identifier", "phrase"})
_MIN_VALUES = 2
MAX_EXAMPLES = 60

Pairs = Sequence[tuple[str, Json]]


def narrowed(artifact: Artifact, accepted: Pairs, rejected: Pairs) -> dict[str, Json] | None:
    """Return a recipe with one open text slot closed to its accepted values, or None.

    The slot is the first whose closing keeps every accepted text and no rejected one.
    """
    bound = [b for text, _ in accepted if (b := _bindings(artifact, text)) is not None]
    wrong = [b for text, _ in rejected if (b := _bindings(artifact, text)) is not None]
    for slot in dict.fromkeys(artifact.nfa.slots):
        if slot.kind not in _CLOSABLE:
            continue
        values = {normalize(b[slot.name].spelling) for b in bound if slot.name in b}
        if len(values) < _MIN_VALUES or len(bound) < len(accepted):
            continue
        if all(slot.name in b and normalize(b[slot.name].spelling) not in values for b in wrong):
            closed = Slot(slot.name, "enumeration", tuple(sorted(values)))
            document = program_to_json(artifact.program)
            return _recipe(
                artifact,
                _with_slot(artifact.grammar, closed),
                _spelled(document["steps"], slot.name),
                _spelled(document["answer"], slot.name),
                (),
            )
    return None


def _bindings(artifact: Artifact, text: str) -> Bindings | None:
    given = answer_of(artifact, text)
    return given.bindings if isinstance(given, Given) else None


def _with_slot(grammar: Grammar, slot: Slot) -> Grammar:
    if isinstance(grammar, Restricted):
        return Restricted(_with_slot(grammar.part, slot), grammar.by, grammar.keep)
    return replaced(grammar, {old: slot for old in slots(grammar) if old.name == slot.name})


def _spelled(document: Json, slot: str) -> Json:
    """Return program JSON that takes the slot's characters: a closed slot's value is folded."""
    if document == {"slot": slot}:
        return {"spelling": slot}
    if isinstance(document, Mapping):
        return {key: _spelled(value, slot) for key, value in document.items()}
    if isinstance(document, list):
        return [_spelled(item, slot) for item in document]
    return document


def with_exception(artifact: Artifact, text: str, answer: Json) -> dict[str, Json] | None:
    """Return a recipe that answers `answer` where the slots are bound as in `text`, or None.

    Only a program whose answer is one text, and an answer that is text, can have an exception.
    """
    program, bindings = artifact.program, _bindings(artifact, text)
    if bindings is None or not bindings or not isinstance(answer, str):
        return None
    if not isinstance(program.answer, AnswerValue):
        return None
    steps = list(program.steps)

    def add(operator: str, *arguments: Argument) -> Argument:
        steps.append(Step(operator, arguments))
        return StepValue(len(steps) - 1)

    condition: Argument | None = None
    for bound in bindings.values():
        if isinstance(bound.value, bool | tuple):
            return None
        if isinstance(bound.value, str):
            test = add("same", SpellingOf(bound.slot), Constant(bound.spelling))
        else:
            test = add("eq", SlotValueOf(bound.slot), Constant(bound.value))
        condition = test if condition is None else add("and", condition, test)
    if condition is None:
        return None
    chosen = add("choose_text", condition, Constant(answer), program.answer.argument)
    document = program_to_json(Program(tuple(steps), program.answer))
    return _recipe(
        artifact,
        artifact.grammar,
        document["steps"],
        {"value": argument_to_json(chosen)},
        [(text, answer)],
        [bound.spelling for bound in bindings.values()] + [answer],
    )


def _recipe(
    artifact: Artifact,
    grammar: Grammar,
    steps: Json,
    answer: Json,
    added: Pairs,
    constants: Sequence[str] = (),
) -> dict[str, Json]:
    before = artifact.document
    told = {text for text, _ in added}
    kept = [pair for pair in artifact.examples() if pair[0] not in told]
    return {
        "recipe": 1,
        "name": before["name"],
        "phrasings": [print_grammar(grammar)],
        "steps": steps,
        "answer": answer,
        "comparator": artifact.comparator,
        "constants": sorted({*cast(list[str], before["constants"]), *constants}),
        "dont_care": before["dont_care"],
        "examples": [{"text": t, "answer": a} for t, a in [*kept, *added][-MAX_EXAMPLES:]],
        "counterexamples": before["counterexamples"],
    }

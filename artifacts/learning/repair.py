"""Repairs that need no search: a version made narrower, or with an exception that somebody gave.

Both start from the version that was wrong and give a recipe, which κ, the accepted pairs and the
gate still have to pass.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from artifacts.artifact import Artifact
from artifacts.comparators import same
from artifacts.compiler import Given, answer_of
from artifacts.grammar.lexer import normalize
from artifacts.grammar.nfa import Bindings
from artifacts.grammar.syntax import Grammar, Restricted, Slot, replaced, slots
from artifacts.grammar.textform import print_grammar
from artifacts.learning.columns import has_closed_values
from artifacts.learning.grammars.narrowing import narrowings
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

MAX_EXAMPLES = 60

Pairs = Sequence[tuple[str, Json]]


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A recipe with the program of the version for fewer texts, one of `considered` narrowings."""

    recipe: dict[str, Json]
    considered: int


def narrowed(artifact: Artifact, accepted: Pairs, rejected: Pairs) -> Iterator[Narrowed]:
    """Yield recipes that keep the accepted texts and exclude those answered wrongly, best first.

    Only rules that say something of other texts: no single texts are listed, no tokens excluded,
    which is nearly the same. Of the texts still to come the version would read what it did, and be
    wrong as often. (It gave more coverage under teachers that err; whether more wrong answers, one
    stream each could not tell: 72 against 70. So the careful choice was taken.) A slot is closed
    only where its accepted values say that there are no others: closed to values of which
    each was seen once, the version would read nothing that is still to come.
    """
    wrong = [text for text, answer in rejected if not _is_right(artifact, text, answer)]
    if not wrong:
        return
    kept = [text for text, _ in accepted]
    for found in narrowings(artifact.grammar, kept, wrong):
        if found.is_finite or _excludes_tokens(artifact, found.value):
            continue
        new = _newly_closed(artifact, found.value)
        if all(has_closed_values(_counted(artifact, kept, name)) for name in new):
            yield Narrowed(_closed(artifact, found.value), found.considered)


def _excludes_tokens(artifact: Artifact, grammar: Grammar) -> bool:
    """Return whether a slot lost a token."""
    before = {slot.without for slot in slots(artifact.grammar)}
    return any(slot.without not in before for slot in slots(grammar))


def narrowed_to(artifact: Artifact, values: Mapping[str, Sequence[str]]) -> dict[str, Json]:
    """Return a recipe whose slots of these names have these values alone."""
    grammar = artifact.grammar
    for name, seen in values.items():
        listed = tuple(sorted(set(map(normalize, seen))))
        grammar = _with_slot(grammar, Slot(name, "enumeration", listed))
    return _closed(artifact, grammar)


def _is_right(artifact: Artifact, text: str, answer: Json) -> bool:
    given = answer_of(artifact, text)
    return not isinstance(given, Given) or same(given.answer, answer, artifact.comparator)


def _closed(artifact: Artifact, grammar: Grammar) -> dict[str, Json]:
    """Return a recipe with a narrower grammar, whose program takes what a closed slot was spelled:
    the value of a closed slot is folded.
    """
    document = program_to_json(artifact.program)
    steps, answer = document["steps"], document["answer"]
    for name in _newly_closed(artifact, grammar):
        steps, answer = _spelled(steps, name), _spelled(answer, name)
    return _recipe(artifact, grammar, steps, answer, ())


def _newly_closed(artifact: Artifact, grammar: Grammar) -> tuple[str, ...]:
    """Return the slots that list their values in the grammar, and did not before."""
    before = {slot.name for slot in slots(artifact.grammar) if slot.values}
    names = dict.fromkeys(slot.name for slot in slots(grammar) if slot.values)
    return tuple(name for name in names if name not in before)


def _counted(artifact: Artifact, texts: Sequence[str], slot: str) -> Counter[str]:
    bound = [b for text in texts if (b := _bindings(artifact, text)) is not None]
    return Counter(normalize(b[slot].spelling) for b in bound if slot in b)


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

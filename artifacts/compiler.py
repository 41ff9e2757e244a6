"""The compiler κ: from a recipe's bytes to an artifact, or to all its problems with places.

κ is total and deterministic: any bytes give an artifact or problems, never an exception; no clock,
chance, network or model takes part; the same bytes give the same artifact on any machine.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import ValidationError

from artifacts.artifact import (
    ARTIFACT_FORMAT,
    Artifact,
    check_grammar,
    cost_document,
    load_artifact,
    tables_for,
)
from artifacts.comparators import COMPARATORS, same
from artifacts.grammar.jsonform import grammar_to_json
from artifacts.grammar.kinds import SlotType, kind_of
from artifacts.grammar.lexer import Tokens, lex, literal_keys
from artifacts.grammar.nfa import Bindings, TooManyReadings
from artifacts.grammar.rendering import render
from artifacts.grammar.restricted import read
from artifacts.grammar.syntax import (
    Grammar,
    Node,
    Phrase,
    Restricted,
    Slot,
    alternatives,
    core,
    slots,
)
from artifacts.grammar.textform import parse_grammar
from artifacts.problems import Problem
from artifacts.program.jsonform import program_from_json, program_to_json
from artifacts.program.operators import Failure
from artifacts.program.program import (
    Answer,
    AnswerConstant,
    AnswerList,
    AnswerObject,
    AnswerValue,
    Constant,
    Program,
    arguments,
    check,
    slots_used,
)
from artifacts.recipe import MAX_RECIPE_BYTES, Recipe
from artifacts.values import (
    MAX_ITEMS,
    Json,
    Number,
    canonical_json,
    read_number,
    show_number,
)


def compile_recipe(recipe: bytes) -> Artifact | tuple[Problem, ...]:
    """Return the artifact of a recipe, or every problem found.

    Checked: the grammar and the program by themselves; every example is answered and every
    counterexample refused; G(φ(θ)) = θ for the examples' θ; constants that equal a slot value of
    the teaching example are declared, and so are slots on which no answer depends.
    """
    document = _read(recipe)
    if isinstance(document, tuple):
        return document
    problems: list[Problem] = []
    grammar = _grammar(document, problems)
    program = program_from_json(document.steps, document.answer)
    if isinstance(program, Problem):
        problems.append(program)
    if document.comparator not in COMPARATORS:
        problems.append(Problem("unknown-comparator", "comparator", f"{document.comparator!r}"))
    if not document.examples:
        problems.append(Problem("no-example", "examples", "the list is empty"))
    if problems or grammar is None or isinstance(program, Problem):
        return tuple(problems)
    phi = document.phi or document.phrasings[0]
    artifact = _artifact(document, grammar, program, phi, hashlib.sha256(recipe).hexdigest())
    if isinstance(artifact, tuple):
        return artifact
    problems.extend(_example_problems(document, artifact))
    problems.extend(phi_problems(artifact))
    problems.extend(_declaration_problems(document, artifact))
    return tuple(problems) or artifact


def _read(recipe: bytes) -> Recipe | tuple[Problem, ...]:
    if len(recipe) > MAX_RECIPE_BYTES:
        message = f"{len(recipe)} bytes; the limit is {MAX_RECIPE_BYTES}"
        return (Problem("bad-document", "recipe", message),)
    try:
        document = Recipe.model_validate_json(recipe)
        canonical_json(document.model_dump())
        return document
    except ValidationError as error:
        return tuple(
            Problem(
                "not-json" if detail["type"] == "json_invalid" else "bad-document",
                ".".join(map(str, detail["loc"])) or "recipe",
                detail["msg"],
            )
            for detail in error.errors(include_url=False, include_input=False)
        )
    except (ValueError, RecursionError) as error:
        return (Problem("bad-document", "recipe", f"no canonical JSON: {error}"),)


def _grammar(document: Recipe, problems: list[Problem]) -> Grammar | None:
    options: list[Node] = []
    restricted: Grammar | None = None
    for index, phrasing in enumerate(document.phrasings):
        option = parse_grammar(phrasing)
        if isinstance(option, Problem):
            place = f"phrasings[{index}], {option.place}"
            problems.append(Problem(option.code, place, option.message))
        elif not isinstance(option, Restricted):
            options.append(option)
        elif len(document.phrasings) == 1:
            restricted = option
        else:
            message = "`except` and `only` restrict a whole grammar: expected a single phrasing"
            problems.append(Problem("grammar-syntax", f"phrasings[{index}]", message))
    if problems:
        return None
    grammar = restricted or alternatives(*options)
    reader = check_grammar(grammar, "phrasings")
    if isinstance(reader, tuple):
        problems.extend(reader)
        return None
    return grammar


def _artifact(
    document: Recipe, grammar: Grammar, program: Program, phi: str, recipe_digest: str
) -> Artifact | tuple[Problem, ...]:
    kinds = {slot.name: slot for slot in slots(grammar)}
    bound = check(program, {name: kind_of(slot).type for name, slot in kinds.items()})
    if isinstance(bound, tuple):
        return bound
    grammar_document, program_document = grammar_to_json(grammar), program_to_json(program)
    return load_artifact(
        {
            "format": ARTIFACT_FORMAT,
            "name": document.name,
            "grammar": grammar_document,
            "program": program_document,
            "schemas": {
                "slots": {name: _slot_schema(slot) for name, slot in kinds.items()},
                "answer": answer_schema(program.answer),
            },
            "binding": document.binding,
            "comparator": document.comparator,
            "constants": sorted(document.constants),
            "dont_care": sorted(document.dont_care),
            "examples": [example.model_dump() for example in document.examples],
            "counterexamples": list(document.counterexamples),
            "phi": phi,
            "provenance": {"recipe": recipe_digest},
            "tables": tables_for(grammar_document, program_document["steps"]),
            "cost": cost_document(bound),
        }
    )


_JSON_TYPES: Mapping[SlotType, Mapping[str, Json]] = {
    "number": {"type": "number"},
    "text": {"type": "string"},
    "mixed": {"type": ["string", "number"]},
    "numbers": {"type": "array", "items": {"type": "number"}, "maxItems": MAX_ITEMS},
    "texts": {"type": "array", "items": {"type": "string"}, "maxItems": MAX_ITEMS},
}


def _slot_schema(slot: Slot) -> dict[str, Json]:
    kind = kind_of(slot)
    schema = dict(_JSON_TYPES[kind.type])
    if kind.type == "mixed" and slot.phrase and _holds_lists(slot.phrase):
        schema["type"] = ["string", "number", "array"]
    if slot.values:
        schema["enum"] = list(slot.values)
    return schema | {"description": kind.doc}


def _holds_lists(phrase: Phrase) -> bool:
    return any(
        kind_of(slot).type in ("numbers", "texts") or (slot.phrase and _holds_lists(slot.phrase))
        for option in phrase.options
        for slot in slots(option.part)
    )


def answer_schema(answer: Answer) -> dict[str, Json]:
    """Return the JSON Schema of everything the answer can be."""
    match answer:
        case AnswerConstant(value):
            return {"const": value}
        case AnswerValue():
            return {"type": ["string", "number", "boolean", "object", "array"]}
        case AnswerList(items):
            return {
                "type": "array",
                "prefixItems": [answer_schema(item) for item in items],
                "minItems": len(items),
                "maxItems": len(items),
            }
        case AnswerObject(fields):
            return {
                "type": "object",
                "properties": {name: answer_schema(item) for name, item in fields},
                "required": [name for name, _ in fields],
                "additionalProperties": False,
            }


def _example_problems(document: Recipe, artifact: Artifact) -> Iterator[Problem]:
    for index, example in enumerate(document.examples):
        place = f"examples[{index}]"
        given = answer_of(artifact, example.text)
        if given is None:
            yield Problem("example-wrong", place, f"{example.text!r} is not in the grammar")
        elif isinstance(given, Failure):
            code = "example-ambiguous" if given is AMBIGUOUS else "example-wrong"
            yield Problem(code, place, f"{example.text!r}: {given.reason}")
        elif not same(given.answer, example.answer, artifact.comparator):
            message = f"{example.text!r} gives {given.answer!r}, not {example.answer!r}"
            yield Problem("example-wrong", place, message)
    answered = {text for text, _ in answered_counterexamples(artifact)}
    for index, text in enumerate(document.counterexamples):
        if text in answered:
            yield Problem("counterexample-matched", f"counterexamples[{index}]", f"{text!r}")


def answered_counterexamples(artifact: Artifact) -> Iterator[tuple[str, Json]]:
    """Yield the counterexamples that the artifact answers, with what it says; it should not."""
    for text in map(str, cast(list[Json], artifact.document["counterexamples"])):
        given = answer_of(artifact, text)
        if isinstance(given, Given):
            yield text, given.answer


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that all readings of a text agree on, with the first reading's bindings."""

    answer: Json
    bindings: Bindings


AMBIGUOUS = Failure("its readings have different answers")


def answer_of(artifact: Artifact, text: str) -> Given | Failure | None:
    """Return what one artifact alone says about a text; None when it is not in the grammar."""
    tokens = lex(text)
    return None if isinstance(tokens, str) else answer_of_tokens(artifact, tokens)


def answer_of_tokens(artifact: Artifact, tokens: Tokens) -> Given | Failure | None:
    """Return what `answer_of` returns, for a text that was lexed already."""
    found = artifact.read(tokens)
    if isinstance(found, TooManyReadings):
        return AMBIGUOUS
    first: Given | None = None
    for reading in found:
        if isinstance(reading.outcome, Failure):
            return reading.outcome if len(found) == 1 else AMBIGUOUS
        if first is None:
            first = Given(reading.outcome.answer, reading.bindings)
        elif not same(first.answer, reading.outcome.answer):
            return AMBIGUOUS
    return first


def answers_all(artifact: Artifact, pairs: Iterable[tuple[str, Json]]) -> bool:
    """Return whether the artifact answers each text as the pair says."""
    for text, answer in pairs:
        given = answer_of(artifact, text)
        if not isinstance(given, Given):
            return False
        if not same(given.answer, answer, artifact.comparator):
            return False
    return True


def phi_problems(artifact: Artifact) -> Iterator[Problem]:
    """Yield where G(φ(θ)) = θ does not hold for the θ of an example."""
    tree = parse_grammar(str(artifact.document["phi"]))
    if isinstance(tree, Problem):
        yield Problem(tree.code, f"phi, {tree.place}", tree.message)
        return
    names = {slot.name for slot in slots(tree)}
    for name in sorted(names - set(artifact.slot_names)):
        yield Problem("unknown-slot", "phi", f"no phrasing binds {name!r}")
    for index, (example, _) in enumerate(artifact.examples()):
        given = answer_of(artifact, example)
        if not isinstance(given, Given):
            continue
        theta = {name: bound.value for name, bound in given.bindings.items() if name in names}
        text = render(core(tree), theta)
        if text is None:
            continue
        tokens = lex(text)
        found = () if isinstance(tokens, str) else read(artifact.reader, tokens)
        if isinstance(found, TooManyReadings) or not any(
            all(name in b and b[name].value == value for name, value in theta.items())
            for b in found
        ):
            message = f"φ renders {text!r}, in which the grammar does not find {theta!r}"
            yield Problem("phi-round-trip", f"examples[{index}]", message)


def constants_equal_to_slots(program: Program, bindings: Bindings) -> frozenset[str]:
    """Return the spellings of slot values that also stand in the program as constants."""
    numbers: set[Number] = set()
    words: set[tuple[str, ...]] = set()
    for argument in arguments(program):
        if isinstance(argument, Constant):
            if isinstance(argument.value, str):
                words.add(literal_keys(argument.value))
            elif not isinstance(argument.value, bool):
                numbers.add(argument.value)
    for text in _constant_texts(program.answer):
        words.add(literal_keys(text))
    found: set[str] = set()
    for bound in bindings.values():
        spelled = literal_keys(bound.spelling)
        if isinstance(bound.value, tuple):
            found.update(show_number(item) for item in numbers.intersection(bound.value))
        elif bound.value in numbers and not isinstance(bound.value, str):
            found.add(bound.spelling)
        if any(_stands_in(spelled, keys) for keys in words):
            found.add(bound.spelling)
    return frozenset(found)


def _stands_in(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    size = len(part)
    return any(whole[i : i + size] == part for i in range(len(whole) - size + 1)) if size else False


def _constant_texts(answer: Answer) -> Iterator[str]:
    match answer:
        case AnswerConstant(value):
            yield from _texts(value)
        case AnswerList(items):
            for item in items:
                yield from _constant_texts(item)
        case AnswerObject(fields):
            for _, item in fields:
                yield from _constant_texts(item)
        case AnswerValue():
            return


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _declaration_problems(document: Recipe, artifact: Artifact) -> Iterator[Problem]:
    given = answer_of(artifact, document.examples[0].text)
    if isinstance(given, Given):
        declared = set(document.constants)
        declared_numbers = {read_number(text) for text in declared} - {None}
        for spelling in sorted(constants_equal_to_slots(artifact.program, given.bindings)):
            if spelling not in declared and read_number(spelling) not in declared_numbers:
                message = f"{spelling!r} stands in the program and is a slot value of the example"
                yield Problem("undeclared-constant", "constants", message)
    unused = set(artifact.slot_names) - slots_used(artifact.program)
    for name in sorted(unused - set(document.dont_care)):
        yield Problem("undeclared-dont-care", "dont_care", f"no answer depends on slot {name!r}")

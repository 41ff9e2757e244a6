"""Tables grow, and artifacts do not change for it; families with slots of every kind."""

import json
from collections.abc import Mapping
from typing import cast

import pytest

from artifacts.artifact import TABLES, Artifact, load_artifact, tables_for
from artifacts.compiler import Given, answer_of
from artifacts.grammar.kinds import KINDS
from artifacts.program.operators import OPERATORS
from artifacts.values import Json, canonical_json
from tests.artifacts.kind_rows import TAKEN
from tests.artifacts.recipes import compiled

SUM: Mapping[str, Json] = {
    "name": "sum",
    "phrasings": ["add up {xs:decimals}"],
    "steps": [{"op": "sum", "args": [{"slot": "xs"}]}],
    "answer": {"value": {"step": 0}},
    "examples": [
        {"text": "Add up 3, 4.5 and 5", "answer": 12.5},
        {"text": "add up 7", "answer": 7},
    ],
    "counterexamples": ["add up 1,234", "add up 3 or 4"],
}
WORDS = {
    "name": "in-order",
    "phrasings": ["sort {xs:words}"],
    "steps": [
        {"op": "sort_texts", "args": [{"slot": "xs"}]},
        {"op": "join", "args": [{"step": 0}, {"text": " < "}]},
    ],
    "answer": {"object": {"text": {"value": {"step": 1}}, "list": {"value": {"step": 0}}}},
    "examples": [{"text": "sort b, c and a", "answer": {"text": "a < b < c", "list": [*"abc"]}}],
    "counterexamples": ["sort b c"],
}


def tables(artifact: Artifact) -> Mapping[str, Json]:
    return cast(Mapping[str, Json], artifact.document["tables"])


def test_an_artifact_names_the_first_tables_that_have_all_it_uses() -> None:
    assert tables(compiled()) == {**TABLES, "kinds": 1, "operators": 1}
    assert tables(compiled(**SUM)) == {**TABLES, "kinds": 2, "operators": 2}


def test_a_digest_does_not_change_when_tables_grow() -> None:
    digest = "3002587aad0cfac9ae67cd51b4204cf9c60ab409163bdaf40f8e28347c09bc26"
    assert compiled().digest == digest  # made when both tables had their first version


MISNAMED = {
    "older-kinds-than-used": (SUM, "kinds", 1),
    "older-operators-than-used": (SUM, "operators", 1),
    "newer-kinds-than-used": ({}, "kinds", 2),
    "kinds-from-the-future": (SUM, "kinds", 3),
}


@pytest.mark.parametrize("name", MISNAMED)
def test_misnamed_tables_do_not_load(name: str) -> None:
    changes, table, version = MISNAMED[name]
    document = json.loads(canonical_json(compiled(**changes).document))
    assert isinstance(load_artifact(document), Artifact)
    document["tables"][table] = version
    problems = load_artifact(document)
    assert isinstance(problems, tuple)
    assert (problems[0].code, problems[0].place) == ("bad-document", "artifact.tables")


INSIDE: dict[str, tuple[Json, Json, int, int]] = {
    "a-phrase": (
        {"phrases": {"p": [{"part": {"slot": "d", "kind": "date"}}]}, "grammar": []}, [], 2, 1,
    ),
    "a-restriction": (
        {"of": {"slot": "d", "kind": "word"}, "except": [{"slot": "d", "kind": "month"}]}, [], 2, 1,
    ),
    "a-phrase-with-the-name-of-a-field": ({"phrases": {"kind": ["date"]}}, [], 1, 1),
    "what-nobody-knows": ({"slot": "d", "kind": "colour"}, [{"op": "root"}, {"op": []}, 1], 1, 1),
    "nothing": (None, None, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", INSIDE)
def test_tables_are_found_inside(name: str) -> None:
    grammar, steps, kinds, operators = INSIDE[name]
    assert tables_for(grammar, steps) == {**TABLES, "kinds": kinds, "operators": operators}


def test_the_newest_versions_are_those_of_the_newest_rows() -> None:
    assert TABLES["kinds"] == max(kind.since for kind in KINDS.values())
    assert TABLES["operators"] == max(operator.since for operator in OPERATORS.values())


def test_lists_are_read_computed_and_answered() -> None:
    added = answer_of(compiled(**SUM), "add up 1, 2 and 0.25")
    assert isinstance(added, Given)
    assert added.answer == 3.25
    ordered = answer_of(compiled(**WORDS), "Sort Zed, ann")
    assert isinstance(ordered, Given)
    assert ordered.answer == {"text": "Zed < ann", "list": ["Zed", "ann"]}


@pytest.mark.parametrize("kind", TAKEN)
def test_a_family_with_a_slot_of_each_kind(kind: str) -> None:
    spelling, value = TAKEN[kind][0]
    artifact = compiled(
        name="tell",
        phrasings=[f"tell {{x:{kind}}} now"],
        steps=[],
        answer={"value": {"spelling": "x"}},
        examples=[{"text": f"tell {spelling} now", "answer": spelling}],
        counterexamples=["tell , now"],
        constants=[],
    )
    given = answer_of(artifact, f"TELL  {spelling} now")
    assert isinstance(given, Given)
    assert given.bindings["x"].value == value
    schema = cast(dict[str, dict[str, dict[str, Json]]], artifact.document["schemas"])["slots"]["x"]
    assert schema["description"] == KINDS[kind].doc
    assert (schema["type"] == "array") == isinstance(value, tuple)
    assert (schema["type"] == "string") == isinstance(value, str)


def test_a_closed_kind_is_still_to_be_seen_with_several_values() -> None:
    artifact = compiled(
        name="plan",
        phrasings=["plan {d:weekday} {p=am|pm}"],
        steps=[],
        answer={"list": [{"value": {"slot": "d"}}, {"value": {"slot": "p"}}]},
        examples=[{"text": "plan Mon am", "answer": ["monday", "am"]}],
        counterexamples=[],
    )
    assert KINDS["weekday"].closed
    assert artifact.open_slot_names == ("d",)


def test_a_constant_that_equals_an_item_of_a_list_is_to_be_declared() -> None:
    with pytest.raises(AssertionError, match="undeclared-constant"):
        compiled(
            **{
                **SUM,
                "steps": [*cast(list[Json], SUM["steps"]),
                          {"op": "mul", "args": [{"step": 0}, {"number": "3"}]}],
                "answer": {"value": {"step": 1}},
                "examples": [{"text": "Add up 3, 4.5 and 5", "answer": 37.5}],
            }
        )  # fmt: skip


def test_a_phrase_of_a_list_or_a_word_says_so() -> None:
    artifact = compiled(
        name="rooms",
        phrasings=["<where> = {xs:words} | everywhere => 0\nlight {w:<where>}"],
        steps=[],
        answer={"value": {"slot": "w"}},
        examples=[
            {"text": "light hall, attic", "answer": ["hall", "attic"]},
        ],
        counterexamples=["light 5"],
    )
    schema = cast(dict[str, dict[str, dict[str, Json]]], artifact.document["schemas"])["slots"]["w"]
    assert schema["type"] == ["string", "number", "array"]

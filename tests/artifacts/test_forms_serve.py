"""Phrases, excluded tokens and restrictions on their way: recipe, artifact, registry."""

import json
from collections.abc import Mapping

import pytest

from artifacts.artifact import Artifact, load_artifact
from artifacts.compiler import compile_recipe
from artifacts.grammar.nfa import assignments, compile_nfa
from artifacts.grammar.rows import way
from artifacts.values import Json
from tests.artifacts.recipes import compiled, recipe
from tests.artifacts.test_matching import grammar
from tests.artifacts.test_registry import decision, filled, lexed

SIZES = "<size> = (small|tiny) => s | (large|big) => l | size {n:integer} | tiny => t\n"
SERVED: Mapping[str, Json] = {
    "name": "order",
    "phrasings": [
        SIZES + "(order {s:<size>} {what:word without it}){except order big deal}"
        "{only order {x:phrase}}"
    ],
    "steps": [],
    "answer": {"list": [{"value": {"slot": "s"}}, {"value": {"slot": "what"}}]},
    "examples": [{"text": "order small pizza", "answer": ["s", "pizza"]}],
    "counterexamples": ["order big deal", "order big it", "order tiny pizza"],
}


def order(**changes: Json) -> Artifact:
    return compiled(**{**SERVED, **changes})


ANSWERED: dict[str, object] = {
    "order small pizza": ("hit", "order", ["s", "pizza"], 1),
    "order big pizza": ("hit", "order", ["l", "pizza"], 1),
    "order big deal": ("Miss", []),
    "order BIG  Deals": ("hit", "order", ["l", "Deals"], 1),
    "order size 12 pizzas": ("hit", "order", [12, "pizzas"], 1),
    "order size 007 pizzas": ("hit", "order", [7, "pizzas"], 1),
    "order size ٣ pizzas": ("Miss", []),
    "order size 12 it": ("Miss", []),
    "order size -12 pizzas": ("Miss", []),  # no phrase has the mark
    "order tiny pizza": ("Clash", ["order"]),  # s or t
    "order small and": ("Miss", []),  # no phrase has the connector
}


def test_a_registry_serves_them_the_second_time_as_the_first() -> None:
    registry = filled(("t", "order", order(), "live"))
    for _ in range(3):
        assert {text: decision(registry, text) for text in ANSWERED} == ANSWERED


def test_a_restriction_is_asked_the_text_itself_and_not_its_shape() -> None:
    except_odd = order(
        phrasings=["(run {what:identifier}){except run {n:integer}}"],
        answer={"value": {"slot": "what"}},
        examples=[{"text": "run a", "answer": "a"}],
        counterexamples=["run 12"],
    )
    registry = filled(("t", "run", except_odd, "live"))
    for _ in range(2):
        assert decision(registry, "run 12") == ("Miss", [])
        assert decision(registry, "run ٣") == ("hit", "run", "٣", 1)  # is no integer


def test_a_shape_has_no_way_of_its_own_through_a_phrase() -> None:
    nfa = compile_nfa(grammar(SIZES + "order {s:<size>}"))
    tokens = lexed("order small")
    (only,) = assignments(nfa, tokens.keys)  # type: ignore[misc]  # one, not too many
    assert way(nfa, only, tokens) is None
    plain = compile_nfa(grammar("order {s:word without it}"))
    found = way(plain, only, lexed("order small"))
    assert found is not None


def test_an_artifact_says_all_that_it_needs() -> None:
    artifact = order()
    loaded = load_artifact(json.loads(json.dumps(artifact.document)))
    assert isinstance(loaded, Artifact)
    assert (loaded.digest, loaded.grammar) == (artifact.digest, artifact.grammar)
    assert artifact.slot_names == ("s", "what")
    assert artifact.required == {"order"}
    schemas = artifact.document["schemas"]
    assert isinstance(schemas, dict)
    assert schemas["slots"]["s"]["type"] == ["string", "number"]


def test_a_restriction_binds_nothing_and_its_slots_may_have_any_names() -> None:
    artifact = order(
        phrasings=["(run {what:word}){except run {what:integer} {what:word}}"],
        answer={"value": {"slot": "what"}},
        examples=[{"text": "run a", "answer": "a"}],
        counterexamples=[],
    )
    assert artifact.slot_names == ("what",)
    found = compile_recipe(
        recipe(**{**SERVED, "phrasings": ["(order {what:word}){only order {s:word}}"]})
    )
    assert isinstance(found, tuple)
    assert [problem.code for problem in found] == ["unknown-slot"]


BAD: dict[str, tuple[Mapping[str, Json], list[tuple[str, str]]]] = {
    "a-restriction-beside-another-phrasing": (
        {"phrasings": ["(order {what:word}){except order it}", "get {what:word}"]},
        [("grammar-syntax", "phrasings[0]")],
    ),
    "two-definitions-of-a-phrase": (
        {"phrasings": [SIZES + "order {s:<size>} {what:word}", "<size> = a\na order {s:<size>}"]},
        [("slot-conflict", "phrasings"), ("slot-conflict", "phrasings")],
    ),
    "a-mixed-phrase-is-no-number": (
        {"steps": [{"op": "add", "args": [{"slot": "s"}, {"number": "1"}]}]},
        [("bad-argument", "steps[0].args[0]")],
    ),
    "a-counterexample-that-is-not-excepted": (
        {"counterexamples": ["order big deals"]},
        [("counterexample-matched", "counterexamples[0]")],
    ),
    "an-example-that-is-excepted": (
        {"examples": [{"text": "order big deal", "answer": ["l", "deal"]}]},
        [("example-wrong", "examples[0]")],
    ),
    "an-example-with-two-values": (
        {
            "examples": [{"text": "order tiny pizza", "answer": ["s", "pizza"]}],
            "counterexamples": [],
        },
        [("example-ambiguous", "examples[0]")],
    ),
    "too-many-positions": (
        {"phrasings": ["order {s:word} {what:word}" + "( a b c d){16,16}" * 60]},
        [("grammar-too-large", "phrasings")],
    ),
    "too-many-positions-of-restrictions": (
        {"phrasings": ["(order {s:word} {what:word}){except (((a b ){16,16}){16,16})}" * 1
                       + "{except ((a b c ){16,16}){16,16}}" * 8]},
        [("grammar-too-large", "phrasings")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_problems(name: str) -> None:
    changes, expected = BAD[name]
    found = compile_recipe(recipe(**{**SERVED, **changes}))
    assert isinstance(found, tuple), found
    assert [(problem.code, problem.place) for problem in found] == expected


def test_limits_are_told_with_number_and_limit() -> None:
    found = compile_recipe(recipe(**{**SERVED, **BAD["too-many-positions"][0]}))
    assert isinstance(found, tuple)
    assert found[0].message == "the grammar needs 7701 positions; the limit is 6000"


def test_phi_renders_phrases_and_what_is_restricted() -> None:
    phi = SIZES + "order {s:<size>} {what:word}"
    assert order(phi=phi).document["phi"] == phi
    wrong = compile_recipe(recipe(**{**SERVED, "phi": "<size> = s\norder {s:<size>} {what:word}"}))
    assert isinstance(wrong, tuple)
    assert [problem.code for problem in wrong] == ["phi-round-trip"]

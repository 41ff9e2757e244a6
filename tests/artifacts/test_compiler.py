"""The compiler κ: total, deterministic, and strict about what a recipe declares."""

import json
import os
import random
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.artifact import TABLES, Artifact, load_artifact
from artifacts.compiler import Given, answer_of, compile_recipe
from artifacts.problems import CODES
from artifacts.program.operators import Failure
from artifacts.recipe import MAX_RECIPE_BYTES
from artifacts.values import Json, canonical_json, digest
from tests.artifacts.recipes import PERCENT, compiled, recipe

SLOT_N: Json = {"value": {"slot": "n"}}
MANY = [f"{{s{n}:word}}" for n in range(65)]
TIMES_15: list[Json] = [
    {"op": "mul", "args": [{"number": "3/20"}, {"slot": "n"}]},
    {"op": "add", "args": [{"step": 0}, {"slot": "p"}]},
    {"op": "sub", "args": [{"step": 1}, {"slot": "p"}]},
]
ONE: Json = [{"text": "what is 15% of 80", "answer": 12}]

# what is changed in the recipe, and the problems as (code, place)
BAD: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "no-bytes": (b"", [("not-json", "recipe")]),
    "no-utf-8": (b"\xff", [("not-json", "recipe")]),
    "too-many-bytes": (b" " * (MAX_RECIPE_BYTES + 1), [("bad-document", "recipe")]),
    "no-object": (b"[]", [("bad-document", "recipe")]),
    "a-field-unknown": (recipe(x=1), [("bad-document", "x")]),
    "a-field-missing": (recipe(name=None), [("bad-document", "name")]),
    "a-field-of-another-type": (
        recipe(examples=[{"text": 1, "answer": 1}]),
        [("bad-document", "examples.0.text")],
    ),
    "another-format": (recipe(recipe=2), [("bad-document", "recipe")]),
    "a-name-with-blanks": (recipe(name="a b"), [("bad-document", "name")]),
    "a-constant-that-is-no-number": (
        recipe(answer={"list": [{"constant": float("nan")}]}),
        [("bad-document", "recipe")],
    ),
    "an-infinite-example": (
        recipe(binding={"limit": float("inf")}),
        [("bad-document", "recipe")],
    ),
    "a-syntax-error-in-each-phrasing": (
        recipe(phrasings=["(a", "b {n}"]),
        [
            ("grammar-syntax", "phrasings[0], line 1, column 3"),
            ("grammar-syntax", "phrasings[1], line 1, column 5"),
        ],
    ),
    "a-kind-unknown": (
        recipe(phrasings=["a {n:float}"]),
        [("unknown-kind", "phrasings[0], line 1, column 6")],
    ),
    "too-many-slots": (
        recipe(phrasings=["go " + " ".join(MANY)]),
        [("grammar-too-large", "phrasings")],
    ),
    "too-many-positions": (
        recipe(phrasings=["((((a ){16,16}){16,16}){16,16}){16,16}b"]),
        [("grammar-too-large", "phrasings")],
    ),
    "the-empty-text": (
        recipe(phrasings=["[a]"]),
        [("no-required-literal", "phrasings"), ("grammar-nullable", "phrasings")],
    ),
    "slots-alone": (
        recipe(phrasings=["{p:percent} {n:decimal}"]),
        [("no-required-literal", "phrasings")],
    ),
    "phrasings-without-a-common-literal": (
        recipe(phrasings=["add {n:decimal}", "sum {n:decimal}"]),
        [("no-required-literal", "phrasings")],
    ),
    "two-kinds": (
        recipe(phrasings=["of {n:decimal}", "of {n:word}"]),
        [("slot-conflict", "phrasings")],
    ),
    "bound-twice": (
        recipe(phrasings=["of {n:decimal} {n:decimal}"]),
        [("slot-conflict", "phrasings")],
    ),
    "bound-in-a-repeat": (
        recipe(phrasings=["of ({n:decimal} ){1,2}x"]),
        [("slot-conflict", "phrasings")],
    ),
    "a-slot-unknown": (
        recipe(answer={"value": {"slot": "z"}}),
        [("unknown-slot", "answer")],
    ),
    "a-slot-of-phi-unknown": (
        recipe(phi="what is {p:percent} of {z:decimal}"),
        [("unknown-slot", "phi")],
    ),
    "an-operator-unknown": (
        recipe(steps=[{"op": "root", "args": []}]),
        [("unknown-operator", "steps[0]")],
    ),
    "an-argument-of-another-type": (
        recipe(steps=[{"op": "mul", "args": [{"slot": "p"}, {"text": "n"}]}]),
        [("bad-argument", "steps[0].args[1]")],
    ),
    "an-answer-that-may-grow-too-long": (
        recipe(answer={"list": [{"value": {"spelling": "n"}}] * 11}),
        [("program-too-large", "answer")],
    ),
    "a-comparator-unknown": (recipe(comparator="fuzzy"), [("unknown-comparator", "comparator")]),
    "an-example-out-of-grammar": (
        recipe(examples=[{"text": "15% from 80", "answer": 12}]),
        [("example-wrong", "examples[0]")],
    ),
    "an-example-with-another-answer": (
        recipe(examples=[{"text": "15% of 80", "answer": 13}]),
        [("example-wrong", "examples[0]")],
    ),
    "an-example-with-null": (
        recipe(examples=[{"text": "15% of 80", "answer": None}]),
        [("example-wrong", "examples[0]")],
    ),
    "an-example-that-fails": (
        recipe(
            steps=[{"op": "div", "args": [{"slot": "n"}, {"slot": "p"}]}],
            examples=[{"text": "0% of 80", "answer": 0}],
        ),
        [("example-wrong", "examples[0]")],
    ),
    "an-example-with-two-answers": (
        recipe(
            phrasings=["say {x:phrase} {y:phrase}"],
            steps=[],
            dont_care=["y"],
            answer={"value": {"slot": "x"}},
            examples=[{"text": "say a b c", "answer": "a"}],
        ),
        [("example-ambiguous", "examples[0]")],
    ),
    "a-counterexample-in-the-grammar": (
        recipe(counterexamples=["what is 1% of 2", "1% off 2"]),
        [("counterexample-matched", "counterexamples[0]")],
    ),
    "phi-out-of-grammar": (
        recipe(phi="how much is {p:percent} of {n:decimal}"),
        [("phi-round-trip", "examples[0]"), ("phi-round-trip", "examples[1]")],
    ),
    "phi-that-swaps-the-slots": (
        recipe(
            phrasings=["from {a:integer} to {b:integer}"],
            phi="from {b:integer} to {a:integer}",
            steps=[{"op": "sub", "args": [{"slot": "a"}, {"slot": "b"}]}],
            counterexamples=[],
            examples=[{"text": "from 5 to 3", "answer": 2}],
        ),
        [("phi-round-trip", "examples[0]")],
    ),
    "phi-with-a-syntax-error": (recipe(phi="{"), [("grammar-syntax", "phi, line 1, column 2")]),
    "a-number-of-the-example-in-the-program": (
        recipe(steps=TIMES_15, answer={"value": {"step": 2}}, examples=ONE),
        [("undeclared-constant", "constants")],
    ),
    "a-word-of-the-example-in-the-answer": (
        recipe(
            phrasings=["light {r:word} on"],
            steps=[],
            dont_care=["r"],
            counterexamples=[],
            answer={"object": {"light": {"constant": "the Hall lamp"}}},
            examples=[{"text": "light hall on", "answer": {"light": "the Hall lamp"}}],
        ),
        [("undeclared-constant", "constants")],
    ),
    "a-slot-without-use": (
        recipe(steps=[], answer=SLOT_N, examples=[{"text": "what is 15% of 80", "answer": 80}]),
        [("undeclared-dont-care", "dont_care")],
    ),
    "no-example": (recipe(examples=[]), [("no-example", "examples")]),
    "the-shape-comes-first": (
        recipe(phrasings=["("], steps={}, comparator="x", examples=[]),
        [("bad-document", "steps")],
    ),
    "all-problems-of-the-second-look": (
        recipe(phrasings=["("], answer={}, comparator="x", examples=[]),
        [
            ("grammar-syntax", "phrasings[0], line 1, column 2"),
            ("bad-document", "answer"),
            ("unknown-comparator", "comparator"),
            ("no-example", "examples"),
        ],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_problems(name: str) -> None:
    bytes_, expected = BAD[name]
    found = compile_recipe(bytes_)
    assert isinstance(found, tuple)
    assert [(problem.code, problem.place) for problem in found] == expected


def test_every_problem_code_has_a_row() -> None:
    importers_alone = {"not-expressible"}
    shown = {code for _, problems in BAD.values() for code, _ in problems}
    assert shown == CODES.keys() - importers_alone


DECLARED: dict[str, bytes] = {
    "the-recipe-itself": recipe(),
    "a-constant-declared": recipe(
        steps=TIMES_15, answer={"value": {"step": 2}}, examples=ONE, constants=["15%"]
    ),
    "a-slot-declared-without-use": recipe(
        steps=[],
        answer=SLOT_N,
        dont_care=["p"],
        examples=[{"text": "what is 15% of 80", "answer": 80}],
    ),
    "phi-in-another-phrasing": recipe(phi="{p:percent} of {n:decimal}"),
}


@pytest.mark.parametrize("name", DECLARED)
def test_declared(name: str) -> None:
    assert isinstance(compile_recipe(DECLARED[name]), Artifact)


def test_what_one_artifact_says_about_a_text() -> None:
    artifact = compiled()
    given_ = answer_of(artifact, " 20 % OF 5  please ")
    assert isinstance(given_, Given)
    assert (given_.answer, {k: b.value for k, b in given_.bindings.items()}["n"]) == (1, 5)
    assert answer_of(artifact, "20 % of five") is None
    assert answer_of(artifact, "20 % of \ufffd") is None
    endless = answer_of(
        compiled(
            steps=[{"op": "div", "args": [{"slot": "p"}, {"slot": "n"}]}],
            examples=[{"text": "50% of 5", "answer": 0.1}],
        ),
        "1% of 3",
    )
    assert endless == Failure("the number has no finite decimal form")


def test_the_artifact_is_its_document_and_the_document_its_digest() -> None:
    artifact = compiled()
    assert artifact.digest == digest(artifact.document)
    loaded = load_artifact(json.loads(canonical_json(artifact.document)))
    assert isinstance(loaded, Artifact)
    assert (loaded.digest, loaded.grammar, loaded.program, loaded.cost_bound) == (
        artifact.digest,
        artifact.grammar,
        artifact.program,
        artifact.cost_bound,
    )
    assert loaded.examples() == (("What is 15% of 80", 12), ("5 % of 9.5 please", "0.475"))


def test_another_recipe_for_the_same_program_has_another_digest() -> None:
    assert compiled().digest == compiled().digest != compiled(name="other").digest


def with_field(path: str, value: Json) -> Json:
    document = json.loads(canonical_json(compiled().document))
    *parents, last = path.split(".")
    inside = document
    for parent in parents:
        inside = inside[parent]
    inside[last] = value
    changed: Json = document
    return changed


UNFIT: dict[str, tuple[Json, str, str]] = {
    **{
        f"tables.{table}": (with_field(f"tables.{table}", "0"), "bad-document", "artifact.tables")
        for table in TABLES
    },
    "a-table-more": (with_field("tables.colours", 1), "bad-document", "artifact.tables"),
    "another-format": (with_field("format", 2), "bad-document", "artifact"),
    "a-program-that-is-none": (with_field("program", []), "bad-document", "artifact.program"),
    "steps-that-are-none": (with_field("program.steps", None), "bad-document", "steps"),
    "an-operator-unknown": (
        with_field("program.steps", [{"op": "root", "args": []}]),
        "unknown-operator",
        "steps[0]",
    ),
    "a-comparator-unknown": (
        with_field("comparator", "fuzzy"),
        "unknown-comparator",
        "artifact.comparator",
    ),
    "a-comparator-that-is-a-list": (
        with_field("comparator", []),
        "unknown-comparator",
        "artifact.comparator",
    ),
    "a-grammar-that-is-none": (with_field("grammar", {}), "bad-document", "grammar"),
    "an-empty-grammar": (
        with_field("grammar", {"alternatives": []}),
        "bad-document",
        "grammar.alternatives",
    ),
    "not-a-number": (with_field("binding", float("nan")), "bad-document", "artifact"),
    "half-a-character": (with_field("name", "\ud800"), "bad-document", "artifact"),
    "no-document": (None, "bad-document", "artifact"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_unfit_document_does_not_load(name: str) -> None:
    document, code, place = UNFIT[name]
    problems = load_artifact(document)
    assert isinstance(problems, tuple)
    assert (problems[0].code, problems[0].place) == (code, place)


JUNK: st.SearchStrategy[Json] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["what is {p:percent} of {n:decimal}[", "of {p=a|b}", "1/0", "p", "add"]),
        st.sampled_from([{"slot": "p"}, {"step": 0}, {"constant": 1}, {"text": "a"}]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["op", "args", "slot", "text", "answer", "list", "value", "table"]),
            inner,
            max_size=2,
        ),
    ),
    max_leaves=5,
)


def mutated(value: Json, chance: random.Random, junk: Json) -> Json:
    """Replace, drop or repeat one random part of a document."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(sorted(value))
        if chance.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: mutated(value[key], chance, junk)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        part = mutated(value[at], chance, junk)
        return [*value[:at], *([part] * chance.choice((1, 1, 1, 2))), *value[at + 1 :]]
    if isinstance(value, str) and value and chance.random() < 0.5:
        at = chance.randrange(len(value))
        return (
            value[:at] + chance.choice("(){}[]|\\ ax0\u0338") + value[at + chance.choice((0, 1)) :]
        )
    return junk


def test_any_bytes_compile_to_an_artifact_or_to_problems() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=100)
    @given(st.binary(max_size=60))
    def random_bytes(data: bytes) -> None:
        found = compile_recipe(data)
        assert isinstance(found, tuple)
        assert found

    @settings(max_examples=300)
    @given(JUNK, st.integers(0, 2**32), st.integers(0, 3), st.booleans())
    def mutations(junk: Json, seed: int, times: int, cut: bool) -> None:
        document: Json = dict(PERCENT)
        chance = random.Random(seed)
        for _ in range(times):
            document = mutated(document, chance, junk)
        data = json.dumps(document).encode()
        found = compile_recipe(data[: chance.randrange(len(data))] if cut and times == 3 else data)
        if isinstance(found, Artifact):
            seen["artifact"] += 1
            assert isinstance(load_artifact(found.document), Artifact)
        else:
            assert found
            seen.update(problem.code for problem in found)

    random_bytes()
    mutations()
    assert seen["artifact"] > 0
    assert len(seen) > 3, seen


SCRIPT = """
import sys
from artifacts.compiler import compile_recipe
from artifacts.values import canonical_json
artifact = compile_recipe(sys.stdin.buffer.read())
sys.stdout.buffer.write(artifact.digest.encode() + canonical_json(artifact.document))
"""


def test_the_same_bytes_give_the_same_artifact_under_any_hash_seed() -> None:
    artifact = compiled()
    expected = artifact.digest.encode() + canonical_json(artifact.document)
    for seed in ("0", "1"):
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=recipe(),
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert run.stdout == expected

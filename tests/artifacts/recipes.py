"""A recipe that compiles, and the ways to change it."""

import json
from collections.abc import Mapping

from artifacts.artifact import Artifact
from artifacts.compiler import compile_recipe
from artifacts.values import Json

PERCENT: Mapping[str, Json] = {
    "recipe": 1,
    "name": "percent-of",
    "phrasings": ["what is {p:percent} of {n:decimal}", "{p:percent} of {n:decimal}[ please]"],
    "steps": [{"op": "mul", "args": [{"slot": "p"}, {"slot": "n"}]}],
    "answer": {"value": {"step": 0}},
    "examples": [
        {"text": "What is 15% of 80", "answer": 12},
        {"text": "5 % of 9.5 please", "answer": "0.475"},
    ],
    "counterexamples": ["what is 15% off 80"],
}


def recipe(**changes: Json) -> bytes:
    """The bytes of the recipe with these fields changed; a field that is None is left out."""
    fields = {**PERCENT, **changes}
    return json.dumps({k: v for k, v in fields.items() if v is not None}).encode()


def compiled(**changes: Json) -> Artifact:
    """The artifact of the recipe with these fields changed."""
    artifact = compile_recipe(recipe(**changes))
    assert isinstance(artifact, Artifact), artifact
    return artifact


def constant(grammar: str, text: str, answer: Json) -> Artifact:
    """A family that answers always the same, with one text of its grammar."""
    return compiled(
        name="constant",
        phrasings=[grammar],
        steps=[],
        answer={"constant": answer},
        examples=[{"text": text, "answer": answer}],
        counterexamples=[],
    )

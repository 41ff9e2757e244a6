"""Repairs without a search: what a narrower version keeps, and what it reads no more."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.artifact import Artifact
from artifacts.compiler import answer_of, answers_all, compile_recipe
from artifacts.learning.repair import narrowed, narrowed_to
from artifacts.values import Json, canonical_json

seen: Counter[str] = Counter()


def compiled(recipe: dict[str, Any]) -> Artifact:
    artifact = compile_recipe(canonical_json(recipe))
    assert isinstance(artifact, Artifact), artifact
    return artifact


def naming(*phrasings: str, text: str = "tell Rome of 3") -> Artifact:
    """Return a family that answers with the characters of its slot `w`."""
    return compiled(
        {
            "recipe": 1,
            "name": "naming",
            "phrasings": list(phrasings),
            "answer": {"value": {"slot": "w"}},
            "dont_care": ["n"],
            "examples": [{"text": text, "answer": "Rome"}],
        }
    )


TELL = naming("tell {w:word} of {n:integer}")
ASK = naming("tell {w:word} of {n:integer}", "ask {w:word} of {n:integer}")

ROWS: dict[str, tuple[Artifact, list[tuple[str, Json]], list[tuple[str, Json]], str | None]] = {
    "closed-where-no-value-is-new": (
        TELL,
        [(f"tell {w} of {n}", w) for n in range(6) for w in ("Rome", "Oslo")],
        [("tell me of 3", None)],
        "tell {w=oslo|rome} of {n:integer}",
    ),
    "a-narrower-kind": (
        naming("tell {w:word} of {n:decimal}"),
        [("tell Rome of 1", "Rome"), ("tell Oslo of 2", "Oslo"), ("tell Bonn of 3", "Bonn")],
        [("tell Bonn of 3.5", None)],
        "tell {w:word} of {n:integer}",
    ),
    "tokens-are-not-excluded": (
        TELL,
        [("tell Rome of 1", "Rome"), ("tell Oslo of 2", "Oslo"), ("tell Bonn of 3", "Bonn")],
        [("tell me of 3", None)],
        None,
    ),
    "all-phrasings-at-once": (
        ASK,
        [(f"tell {w} of {n}", w) for n in range(6) for w in ("Rome", "Oslo")],
        [("ask me of 3", None)],
        "tell {w=oslo|rome} of {n:integer}|ask {w=oslo|rome} of {n:integer}",
    ),
    "single-texts-are-not-listed": (
        TELL,
        [(f"tell Rome of {n}", "Rome") for n in range(6)],
        [("tell Rome of 9", "Oslo")],
        None,
    ),
    "what-is-right-is-not-excluded": (TELL, [], [("tell Rome of 9", "Rome")], None),
    "nor-what-is-not-read": (TELL, [], [("say Rome", None)], None),
}


@pytest.mark.parametrize("name", ROWS)
def test_narrowed(name: str) -> None:
    artifact, accepted, rejected, expected = ROWS[name]
    found = [compiled(one.recipe) for one in narrowed(artifact, accepted, rejected)]
    phrasings = [one.recipe["phrasings"] for one in narrowed(artifact, accepted, rejected)]
    assert next(iter(phrasings), [None]) == [expected]
    for one in found:
        assert answers_all(one, accepted)
        assert not any(answer_of(one, text) for text, _ in rejected)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(("Rome", "Oslo", "me", "you")), st.integers(0, 9)),
             min_size=2, max_size=24, unique=True),
    st.sampled_from((TELL, ASK)),
)  # fmt: skip
def _keeps_and_excludes(told: list[tuple[str, int]], artifact: Artifact) -> None:
    accepted: list[tuple[str, Json]] = [
        (f"tell {w} of {n}", w) for w, n in told if w in ("Rome", "Oslo")
    ]
    accepted += artifact.examples()
    rejected: list[tuple[str, Json]] = [
        (f"tell {w} of {n}", None) for w, n in told if w not in ("Rome", "Oslo")
    ]
    for one in narrowed(artifact, accepted, rejected):
        child = compiled(one.recipe)
        assert one.considered >= 1
        assert answers_all(child, accepted)
        assert not any(answer_of(child, text) for text, _ in rejected)
        seen["closed"] += "=" in str(one.recipe["phrasings"])
    seen["excluded"] += bool(rejected)


def test_a_narrower_version_keeps_what_was_accepted_and_refuses_what_was_not() -> None:
    seen.clear()
    _keeps_and_excludes()
    assert min(seen["closed"], seen["excluded"]) >= 3, seen


def test_a_closed_slot_still_gives_the_characters_of_the_text() -> None:
    child = compiled(narrowed_to(TELL, {"w": ("Rome", "OSLO", "rome")}))
    assert child.open_slot_names == ("n",)
    assert answers_all(child, [("tell Rome of 3", "Rome"), ("tell OSLO of 4", "OSLO")])
    assert answer_of(child, "tell Bonn of 3") is None

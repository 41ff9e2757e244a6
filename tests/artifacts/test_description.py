"""Descriptions: a prefix code, shown by reading it back, and what is long in it."""

import itertools
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.artifact import Artifact
from artifacts.compiler import compile_recipe
from artifacts.description import Known, description, description_bits, known_of
from artifacts.learning.clusters import member
from artifacts.learning.inducer import induce
from artifacts.prefix_code import gamma, index_code
from artifacts.values import Json, canonical_json
from tests.artifacts.descriptions import Reader, renumbered
from tests.artifacts.recipes import compiled, constant


def mapped(grammar: str, text: str, table: dict[str, Json], answer: Json) -> Artifact:
    """A family that looks its only slot up."""
    step = {"op": "lookup", "args": [{"spelling": "s"}, {"table": table}]}
    return compiled(
        phrasings=[grammar],
        steps=[step],
        answer={"value": {"step": 0}},
        examples=[{"text": text, "answer": answer}],
        counterexamples=[],
    )


def answered(answer: Json, example: Json, steps: list[Json] | None = None) -> Artifact:
    """A family over two numbers with this answer."""
    return compiled(
        phrasings=["add {a:integer} to {b:integer}"],
        steps=steps or [],
        answer=answer,
        examples=[{"text": "add 2 to 40", "answer": example}],
        counterexamples=[],
        dont_care=["a", "b"],
        constants=["2", "40"],
    )


A, B = {"value": {"spelling": "a"}}, {"value": {"slot": "b"}}
DESCRIBED: dict[str, Artifact] = {
    "percent": compiled(),
    "constant": constant("[please ]stop", "stop", "stopped"),
    "constant-unlike-the-example-s": constant("stop", "stop", "stopped "),
    "a-constant-structure": constant("stop", "stop", {"do": ["stop", 1, 2.5, True, None, False]}),
    "a-word-that-no-example-has": constant("stop(, now|, at once){0,3}", "stop", "ok"),
    "an-enumeration": mapped(
        "capital of {s=peru|chad|mali}", "capital of chad", {"peru": "Lima", "chad": ["N", -1]},
        ["N", -1],
    ),
    "a-list-like-the-example-s": answered({"list": [A, B, {"constant": None}]}, ["2", 40, None]),
    "an-object": answered({"object": {"a": A, "n": {"list": [B]}}}, {"a": "2", "n": [40]}),
    "a-fraction": answered(
        {"value": {"step": 1}}, -39,
        [
            {"op": "mul", "args": [{"slot": "b"}, {"number": "-1/2"}]},
            {"op": "sub", "args": [{"step": 0}, {"number": "19"}]},
        ],
    ),
    "joined": answered(
        {"value": {"step": 0}}, "2 é 40",
        [{"op": "concat", "args": [{"spelling": "a"}, {"text": " é "}, {"spelling": "b"}]}],
    ),
    "a-slot-in-two-places": compiled(
        phrasings=["{p:percent} of {n:decimal}", "of {n:decimal} {p:percent}"],
        examples=[{"text": "15% of 80", "answer": 12}], counterexamples=[],
    ),
    "a-phrase": compiled(
        phrasings=[
            "<size> = (small|tiny) => s | size {n:integer}\n"
            "<order> = {a:<size>} and {b:<size>} => 2 | {a:<size>} alone\n"
            "send {s:<size>}, then {t:<order>}, {n:<size>}"
        ],
        steps=[], answer={"value": {"spelling": "s"}}, dont_care=["t", "n"],
        examples=[{"text": "send tiny, then small alone, size 4", "answer": "tiny"}],
        counterexamples=[],
    ),
    "restricted": compiled(
        phrasings=["(order {what:word}){except (order (that|it)){only order it}}"],
        steps=[], answer={"value": {"spelling": "what"}},
        examples=[{"text": "order tea", "answer": "tea"}], counterexamples=["order it"],
    ),
    "without": compiled(
        phrasings=["turn {s:word without up|down}"], steps=[], answer={"value": {"spelling": "s"}},
        examples=[{"text": "turn left", "answer": "left"}], counterexamples=[],
    ),
}  # fmt: skip


def known(artifact: Artifact) -> Known:
    tables = artifact.document["tables"]
    return known_of(artifact.examples(), tables["kinds"], tables["operators"])  # type: ignore[call-overload,index]  # a document's


def read_back(artifact: Artifact) -> None:
    """What is described is read back, and nothing of what follows is needed to see its end."""
    for more in ("", "0", "1", "01101"):
        reader = Reader(description(artifact) + more, known(artifact))
        assert reader.artifact() == (
            *renumbered(artifact.grammar, artifact.program),
            artifact.comparator,
        )
        assert reader.at == description_bits(artifact)


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_description_is_read_back(name: str) -> None:
    read_back(DESCRIBED[name])


def test_no_description_begins_another() -> None:
    """Of those that are read with the same examples."""
    texts = ["stop", "stop[ now]", "stop[ or halt]", "[please ]stop", "[so ]stop[ now|then]"]
    computed: Json = {"value": {"step": 0}}
    programs: list[tuple[Json, list[Json]]] = [
        ({"constant": "a"}, []),
        ({"value": {"text": "a"}}, []),
        (computed, [{"op": "lower", "args": [{"text": "A"}]}]),
        (computed, [{"op": "lower", "args": [{"text": "a"}]}]),
        (computed, [{"op": "concat", "args": [{"text": "a"}]}]),
        (computed, [{"op": "concat", "args": [{"text": "a"}, {"text": ""}]}]),
    ]
    found = [
        description(
            compiled(
                phrasings=[text],
                steps=steps,
                answer=answer,
                examples=[{"text": "stop", "answer": "a"}],
                counterexamples=[],
            )
        )
        for text, (answer, steps) in itertools.product(texts, programs)
    ]
    assert not any(b.startswith(a) for a, b in itertools.permutations(found, 2))
    assert sum(2.0 ** -len(bits) for bits in found) <= 1


@given(st.integers(1, 10**40))
def test_gamma_is_as_long_as_it_says(number: int) -> None:
    assert len(gamma(number)) == 2 * (number.bit_length() - 1) + 1


def test_codes_leave_no_more_than_there_is() -> None:
    """Kraft's inequality, over the first of the integers and over one of n things."""
    assert sum(2.0 ** -len(gamma(n)) for n in range(1, 2**12)) == pytest.approx(1, abs=1e-3)
    for size in range(1, 70):
        codes = [index_code(index, size) for index in range(size)]
        assert len({*codes}) == size and sum(2.0 ** -len(code) for code in codes) <= 1


STEP: Json = {"op": "add", "args": [{"step": 0}, {"slot": "a"}]}
FIRST: Json = {"op": "add", "args": [{"slot": "a"}, {"slot": "b"}]}


def added(number: str) -> Json:
    """The step that adds a number to the first slot."""
    return {"op": "add", "args": [{"slot": "a"}, {"number": number}]}


# the shorter one, the longer one
LONGER: dict[str, tuple[Artifact, Artifact]] = {
    "one-step-more": (
        answered({"value": {"step": 0}}, 42, [FIRST]),
        answered({"value": {"step": 1}}, 44, [FIRST, STEP]),
    ),
    "a-larger-constant": (
        answered({"value": {"step": 0}}, 5, [added("3")]),
        answered({"value": {"step": 0}}, 303, [added("301")]),
    ),
    "one-word-more-that-no-example-has": (
        constant("stop", "stop", "x"), constant("stop[ immediately]", "stop", "x"),
    ),
    "what-the-example-does-not-say": (
        constant("stop the engine", "stop the engine", "x"),
        constant("(stop|halt) the engine", "stop the engine", "x"),
    ),
    "one-value-more": (
        mapped("to {s=up|down}", "to up", {"up": "1", "down": "2"}, "1"),
        mapped("to {s=up|down|left}", "to up", {"up": "1", "down": "2", "left": "3"}, "1"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LONGER)
def test_what_is_more_is_longer(name: str) -> None:
    shorter, longer = LONGER[name]
    assert description_bits(shorter) < description_bits(longer)


def test_what_the_example_says_costs_little() -> None:
    long = "please stop the engine of the second ship from the left at once and tell the others"
    assert description_bits(constant(long, long, long.upper())) < 40
    assert description_bits(constant(f"stop[ {long}]", "stop", "x")) > 8 * len(long)


ANSWERED: dict[str, Callable[[int, int], Json]] = {
    "product": lambda a, b: a * b,
    "words": lambda a, b: f"{b} of {a}",
    "structure": lambda a, b: {"n": str(a), "to": [str(b)]},
    "constant": lambda a, b: "ok",
}
TEXTS = ("move {} to {}", "what is {} times {}", "book {} seats in row {} please")
PAIRS = st.tuples(st.integers(0, 999), st.integers(0, 99))


def test_what_was_learned_is_read_back() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=25)
    @given(
        st.sampled_from(TEXTS),
        st.lists(PAIRS, min_size=6, max_size=12, unique=True),
        st.sampled_from(sorted(ANSWERED)),
    )
    def check(text: str, pairs: list[tuple[int, int]], name: str) -> None:
        made = (
            member(str(index), text.format(*pair), ANSWERED[name](*pair))
            for index, pair in enumerate(pairs)
        )
        members = [m for m in made if m is not None]
        for candidate in itertools.islice(induce(members, budget=2000, min_pairs=4), 2):
            artifact = compile_recipe(canonical_json(candidate.recipe))
            if isinstance(artifact, Artifact):
                seen[name] += 1
                read_back(artifact)

    check()
    assert seen.keys() == ANSWERED.keys()

"""Bits: what an agreement earns under a baseline that was fixed beforehand."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.bits import (
    MAX_ANSWERS,
    MAX_FORM_BITS,
    MAX_KEY,
    Baseline,
    answer_bits,
    answer_key,
    baseline,
    form_bits,
)
from artifacts.comparators import COMPARATORS, same
from artifacts.values import Json

# comparator, answer, how many different answers are known, bits
FORMS: dict[str, tuple[str, Json, int, float]] = {
    "a-truth": ("public", True, 0, 1.0),
    "a-truth-in-words": ("public", " Yes ", 0, 1.0),
    "null": ("public", None, 0, 1.0),
    "one-digit-is-soon-guessed": ("public", 7, 0, 1 + math.log2(10)),
    "two-digits": ("number", "42", 0, 3 + 2 * math.log2(10)),
    "marks-are-no-digits": ("public", "-4.5 %", 0, 3 + 2 * math.log2(10)),
    "a-long-number-is-one-agreement": ("number", 31415926535, 0, 20.0),
    "a-label": ("public", "(A)", 0, 2.0),
    "a-word-of-nine": ("text", "nine-char", 0, 4.5),
    "a-long-text": ("public", "x" * 100, 0, 20.0),
    "a-short-list": ("public", [1], 0, 1 + math.log2(10)),
    "an-empty-list": ("json", [], 0, 4.0),
    "an-object-is-its-values": ("json", {"light": "on", "n": 1}, 0, 3 + math.log2(10)),
    "a-long-list": ("public", [1000] * 50, 0, 20.0),
    "the-order-of-a-set-earns-nothing": ("set", ["aaaa", "bbbb", "cccc"], 0, 6 - math.log2(6)),
    "no-choice-known-it-could-be-one-of-two": ("choice", "a long choice", 0, 1.0),
    "a-choice-is-one-of-those-known-or-another": ("choice", "a long choice", 7, 3.0),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_form_alone(name: str) -> None:
    comparator, answer, answers, bits = FORMS[name]
    assert form_bits(answer, comparator, answers) == pytest.approx(bits)


# comparator, what the cluster was answered, the answer, its share by form and in the cluster
KNOWN: dict[str, tuple[str, list[Json], Json, float, float]] = {
    "nothing-known": ("public", [], "(A)", 1 / 4, 1 / 4),
    "nine-of-ten-say-yes": ("public", ["yes"] * 9 + ["no"], "yes", 1 / 2, 9.5 / 11.5),
    "one-of-ten-says-no": ("public", ["yes"] * 9 + ["no"], "no", 1 / 2, 1.5 / 11.5),
    "always-the-same-long-text": ("text", ["x" * 100] * 30, "x" * 100, 2**-20, 30.5 / 31),
    "a-text-never-seen": ("text", ["x" * 100] * 30, "y" * 100, 2**-20, 0.5 / 31 * 2**-20),
    "numbers-are-known-as-numbers": ("number", ["4.0", 4, "4"], 4, 1 / 20, 3.5 / 4),
    "choices-are-known-in-any-case": ("choice", ["On", "ON", "off"], "on", 1 / 3, 2.5 / 4.5),
    "a-null-is-no-answer": ("public", [None, None], "yes", 1 / 2, 1 / 2),
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_the_cluster_was_answered(name: str) -> None:
    comparator, answers, answer, by_form, by_cluster = KNOWN[name]
    bits = answer_bits(answer, comparator, baseline(answers, comparator))
    assert bits == pytest.approx(-math.log2((by_form + by_cluster) / 2))


def test_the_texts_own_answer_is_taken_out() -> None:
    known = baseline(["yes", "no", "no"])
    assert known.without(answer_key("no", "public")) == baseline(["yes", "no"])
    assert known.without(answer_key("yes", "public")) == baseline(["no", "no"])
    assert Baseline().without("x") == Baseline()


def test_a_baseline_is_bounded_and_names_the_commonest() -> None:
    answers: list[Json] = [f"{'long ' * 40}{i}" for i in range(20) for _ in range(i + 1)]
    known = baseline(answers)
    assert (known.texts, known.answers, len(known.counts)) == (210, 20, MAX_ANSWERS)
    assert [count for _, count in known.counts] == list(range(20, 4, -1))
    assert all(len(key) <= MAX_KEY for key, _ in known.counts)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, width=32)
ANSWERS: st.SearchStrategy[Json] = st.recursive(
    LEAVES.filter(lambda leaf: leaf not in (math.inf, -math.inf))
    | st.sampled_from(["yes", "No", "4.0", "4", "-0", "a", "A", "é", "1" * 90, "x" * 300]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=5,
)
NAMES = st.sampled_from(sorted(COMPARATORS))


@given(NAMES, st.lists(ANSWERS, max_size=30), ANSWERS)
def test_bits_are_never_negative_and_never_far_above_the_form(
    comparator: str, answers: list[Json], answer: Json
) -> None:
    known = baseline(answers, comparator)
    bits = answer_bits(answer, comparator, known)
    form = form_bits(answer, comparator, known.answers)
    assert 0 <= bits <= form + 1 <= MAX_FORM_BITS + 1 or comparator == "choice"
    assert bits == answer_bits(answer, comparator, baseline(answers, comparator))


def test_equal_answers_have_one_key_and_others_have_not() -> None:
    seen: Counter[bool] = Counter()

    @given(NAMES, ANSWERS, ANSWERS)
    def check(comparator: str, one: Json, other: Json) -> None:
        if one is None or other is None:
            return
        is_same = same(one, other, comparator)
        seen[is_same] += 1
        assert (answer_key(one, comparator) == answer_key(other, comparator)) == is_same

    check()
    assert seen[True] and seen[False]


@given(st.integers(1, 40), st.integers(1, 40))
def test_what_is_said_oftener_earns_less(often: int, seldom: int) -> None:
    known = baseline(["left"] * (often + seldom) + ["east"] * seldom)
    assert answer_bits("left", "public", known) < answer_bits("east", "public", known)
    more = baseline(["left"] * (often + seldom + 1) + ["east"] * seldom)
    assert answer_bits("left", "public", more) < answer_bits("left", "public", known)


@given(st.lists(st.integers(0, 99), max_size=60))
def test_all_numbers_of_two_digits_are_one_answer_at_most(numbers: list[int]) -> None:
    known = baseline(numbers)
    total = sum(2 ** -answer_bits(number, "public", known) for number in range(100))
    assert total <= 1 + 1e-9

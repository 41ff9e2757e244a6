"""The comparator table, against an independent statement of the public comparison."""

import re
import unicodedata
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.comparators import COMPARATORS, same
from artifacts.values import Json

PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)\Z")


def canon(value: Json, top: bool = True) -> object:
    """The public comparison, as whoever scores a simulation writes it down."""
    if isinstance(value, bool) or value is None:
        return ("lit", value)
    if isinstance(value, int | float):
        return ("num", Decimal(str(value)).normalize() + 0)
    if isinstance(value, str):
        text = unicodedata.normalize("NFC", value).strip()
        if top and PLAIN.match(text):
            return ("num", Decimal(text).normalize() + 0)
        return ("text", text)
    if isinstance(value, dict):
        return ("obj", tuple(sorted((k, canon(x, False)) for k, x in value.items())))
    return ("list", tuple(canon(x, False) for x in value))  # type: ignore[union-attr]  # a list


# left, right, the comparators that call them the same
ROWS: dict[str, tuple[Json, Json, set[str]]] = {
    "equal-texts": ("yes", " yes\n", {*COMPARATORS}),
    "null-equals-nothing": (None, None, set()),
    "null-is-no-text": (None, "null", set()),
    "plain-decimals-are-numbers": ("4.0", 4, {"public", "number", "set"}),
    "and-so-are-two-texts": ("+4.", "4.00", {"public", "number", "set"}),
    "half": (".5", "0.50", {"public", "number", "set"}),
    "an-exponent-is-text": ("4e0", 4, set()),
    "a-float-is-its-shortest-decimal": (0.1, "0.1", {"public", "number", "set"}),
    "numbers": (2, 2.0, {*COMPARATORS}),
    "minus-zero": (-0.0, 0, {*COMPARATORS}),
    "truths-are-no-numbers": (True, 1, set()),
    "truths-are-no-texts": (True, "true", set()),
    "case": ("Yes", "yes", {"choice"}),
    "composed": ("cafe\u0301", "café", {*COMPARATORS}),
    "composed-in-another-case": ("CAFE\u0301", "café", {"choice"}),
    "numbers-inside-are-numbers": ([1.0], [1], {*COMPARATORS}),
    "texts-inside-are-text": (["1.0"], ["1"], set()),
    "texts-inside-are-trimmed": ([" a"], ["a"], {*COMPARATORS}),
    "nulls-inside-are-equal": ([None], [None], {*COMPARATORS}),
    "order-of-a-list": ([1, 2], [2, 1], {"set"}),
    "repeats-in-a-list": ([1, 1], [1], {"set"}),
    "order-of-fields": ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {*COMPARATORS}),
    "a-field-more": ({"a": 1}, {"a": 1, "b": None}, set()),
    "an-empty-list-is-no-empty-object": ([], {}, set()),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_rows(name: str) -> None:
    left, right, expected = ROWS[name]
    assert {c for c in COMPARATORS if same(left, right, c)} == expected
    assert {c for c in COMPARATORS if same(right, left, c)} == expected


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([" a", "a", "A", "1", "1.0", "+1", "01.", "-0", ".5", "0.5", "1e0"]),
    st.sampled_from(["é", "e\u0301"]),
    st.text(max_size=3),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=5,
)


def rewritten(value: Json) -> st.SearchStrategy[Json]:
    """Values that may well be the same by the public comparison."""
    if isinstance(value, str):
        return st.sampled_from([f" {value}\n", unicodedata.normalize("NFD", value), value])
    if isinstance(value, int) and not isinstance(value, bool):
        return st.sampled_from([float(value), str(value), f"{value}.0"])
    if isinstance(value, list):
        return st.tuples(*map(rewritten, value)).map(list)
    return st.just(value)


def test_the_public_comparison_is_that_of_the_scorer() -> None:
    seen: Counter[bool] = Counter()

    @given(VALUES.flatmap(lambda v: st.tuples(st.just(v), st.one_of(VALUES, rewritten(v)))))
    def check(pair: tuple[Json, Json]) -> None:
        served, target = pair
        expected = served is not None and target is not None and canon(served) == canon(target)
        assert same(served, target) is expected
        seen[expected] += 1

    check()
    assert seen[True] > 10 < seen[False]


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_every_value_but_null_is_the_same_as_itself(comparator: str) -> None:
    seen: Counter[str] = Counter()

    @given(VALUES)
    def check(value: Json) -> None:
        assert same(value, value, comparator) is (value is not None)
        seen["null" if value is None else "value"] += 1

    check()
    assert seen["null"] > 0 < seen["value"]

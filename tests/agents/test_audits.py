"""Where audits are placed: within the budget whatever is answered, and where they tell most."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.audits import ALLOWANCE, FIRST, LONGEST, VALUES, Audits, Placed, least_probability
from artifacts.grammar.nfa import Bindings, Bound
from artifacts.policy import policies_with


def bound(*values: str) -> Bindings:
    """Return what slots a, b, … are bound to."""
    names = "abcdefgh"[: len(values)]
    return {
        name: Bound(name, "word", 0, len(value), value, value)
        for name, value in zip(names, values, strict=True)
    }


answers = st.lists(
    st.tuples(
        st.sampled_from("fgh"),
        st.lists(st.sampled_from(["x", "y", "z", *map(str, range(40))]), max_size=2),
        st.booleans(),
    ),
    max_size=120,
)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.03, 0.2, 0.5, 1.0])
def test_whatever_is_answered_the_budget_holds(rate: float) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None)
    @given(answers)
    def check(answered: Sequence[tuple[str, Sequence[str], bool]]) -> None:
        placed, spent = Placed(rate), 0.0
        for number, (digest, values, is_canary) in enumerate(answered, 1):
            probability = placed.place(digest, bound(*values), is_canary=is_canary)
            spent += probability
            assert spent <= rate * number + ALLOWANCE + 1e-9
            assert (least_probability(rate) <= probability <= 1) if rate else probability == 0
            seen["least" if probability <= least_probability(rate) else "more"] += 1

    check()
    assert seen["more"] > 0 or rate in (0.0, 0.5, 1.0)
    assert seen["least"] > 0 or rate in (0.01, 0.03, 0.2)


def heavy(rate: float = 0.01) -> Placed:
    """A version that has answered two values a thousand times, so that the budget has room."""
    placed = Placed(rate)
    for number in range(1000):
        placed.place("f", bound("on" if number % 2 else "off"))
    placed.answered += 1000
    return placed


def test_an_unusual_value_is_worth_more_than_the_thousandth_of_a_usual_one() -> None:
    usual, unusual, again = (
        placed.place("f", bound(value))
        for placed in [heavy()]
        for value in ("on", "dimmed", "dimmed")
    )
    assert unusual == pytest.approx(FIRST / 3**0.5)
    for less in (usual, again):
        assert less == pytest.approx(FIRST / 1001**0.5, rel=0.01)


def test_a_value_is_that_of_a_slot_and_a_version() -> None:
    placed = heavy()
    assert placed.place("g", bound("on")) == FIRST
    assert placed.place("f", {"b": bound("on")["a"]}) == pytest.approx(FIRST / 3**0.5)


def test_a_canary_has_all_that_the_budget_allows() -> None:
    placed = Placed(0.03)
    found = [placed.place("f", bound(), is_canary=True) for _ in range(40)]
    assert found[:9] == [1.0] * 9
    assert found[0] > found[10] > found[39] >= least_probability(0.03)
    assert sum(found) <= 0.03 * 40 + ALLOWANCE + 1e-9


def test_what_is_remembered_is_bounded() -> None:
    """What is not remembered stays new: the last value counts as unusual, the first does not."""
    placed = Placed(0.03)
    for number in range(2 * VALUES):
        placed.place("f", bound(f"v{number}"))
    placed.place("g", bound("x" * (LONGEST + 1)))
    kept = placed.by_digest["f"]
    assert (len(kept.values["a"]), kept.room, kept.unusual) == (VALUES, 0, 2 * VALUES)
    assert placed.by_digest["g"].values == {}
    placed.place("f", bound(f"v{2 * VALUES - 1}"))
    placed.place("f", bound("v0"))
    assert (kept.unusual, kept.count) == (2 * VALUES + 1, 2 * VALUES + 2)
    placed.room = 0
    placed.place("h", bound("y"))
    assert placed.by_digest["h"].values == {}


def test_each_tenant_has_a_budget_and_values_of_its_own() -> None:
    audits = Audits(policies_with(audit_rate=0.03))
    for _ in range(50):
        audits.place("left", "f", bound("on"))
    assert audits.place("right", "f", bound("on")) == FIRST

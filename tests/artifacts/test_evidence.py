"""Evidence: bounds that hold at all times, and folds that do not care for order."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from immutables import Map

from artifacts.evidence import (
    Claim,
    Comparison,
    Evidence,
    Need,
    Sampled,
    Tally,
    answer_bits,
    anytime_upper,
    fold,
    needs,
    shortfall,
)
from artifacts.policy import DEFAULT
from artifacts.values import Json

# samples, errors, the anytime-valid bound at δ = .05, rounded as published
BOUNDS = [
    (20, 0, 0.158, 3), (50, 0, 0.067, 3), (50, 1, 0.147, 3),
    (100, 0, 0.0340, 4), (100, 1, 0.0764, 4), (100, 2, 0.0970, 4), (100, 5, 0.1481, 4),
    (300, 0, 0.0115, 4), (300, 1, 0.0261, 4), (300, 2, 0.0333, 4), (300, 5, 0.0512, 4),
    (1000, 0, 0.0035, 4), (1000, 1, 0.0079, 4), (1000, 5, 0.0156, 4),
    (3000, 0, 0.0012, 4), (3000, 1, 0.0026, 4), (3000, 5, 0.0052, 4),
    (10000, 0, 0.00035, 5),
]  # fmt: skip
# rate, the clean samples that show it, and those that the bet on "no errors" alone would need
CLEAN = [
    (0.1, 33, 36), (0.05, 68, 72), (0.02, 171, 183),
    (0.01, 344, 368), (0.005, 690, 736), (0.001, 3454, 3688),
]  # fmt: skip


@pytest.mark.parametrize(("samples", "errors", "expected", "places"), BOUNDS)
def test_the_bound(samples: int, errors: int, expected: float, places: int) -> None:
    assert anytime_upper(errors, samples) == pytest.approx(expected, abs=10**-places)


@pytest.mark.parametrize(("rate", "samples", "alone"), CLEAN)
def test_how_many_clean_samples_show_a_rate(rate: float, samples: int, alone: int) -> None:
    assert math.ceil(math.log(2 / 0.05) / -math.log1p(-rate)) == alone
    assert anytime_upper(0, samples) <= rate < anytime_upper(0, samples - 1)


def test_without_samples_nothing_is_known_and_surety_costs() -> None:
    assert anytime_upper(0, 0) == 1.0
    assert anytime_upper(50, 50) == 1.0
    assert anytime_upper(0, 100, delta=0.01) > anytime_upper(0, 100, delta=0.05)


BITS: dict[str, tuple[Json, float]] = {
    "a-truth": (True, 1.0),
    "a-truth-in-words": (" Yes ", 1.0),
    "null": (None, 1.0),
    "a-number": (4.5, 10.0),
    "a-number-in-text": ("-4.50 %", 10.0),
    "a-label": ("(A)", 2.0),
    "a-word-of-nine": ("nine-char", 4.5),
    "a-long-text": ("x" * 100, 20.0),
    "a-short-list": ([1], 4.0),
    "an-object": ({"light": "on", "n": 1}, 5.0),
    "a-long-list": ([1000] * 50, 20.0),
}


@pytest.mark.parametrize("name", BITS)
def test_bits(name: str) -> None:
    answer, bits = BITS[name]
    assert answer_bits(answer) == bits


def atom(sample: str, agreed: bool = True, **changes: object) -> Comparison:
    fields: dict[str, object] = {
        "digest": "d",
        "since": 1,
        "stratum": "shadow",
        "target": "teacher",
        "bits": 10.0,
        "values": {"n": sample},
    }
    return Comparison(sample_id=sample, agreed=agreed, **{**fields, **changes})  # type: ignore[arg-type]  # fields of a row


def folded(*atoms: Comparison) -> Evidence:
    evidence = Evidence()
    for one in atoms:
        evidence = fold(evidence, one)
    return evidence


def test_repeats_of_one_binding_count_once() -> None:
    atoms = [atom(str(sample), values={"n": "5"}) for sample in range(4)]
    tally = folded(*atoms, atom("x", values={"n": "6"})).tally("d", 1)
    assert (tally.bits, tally.agreements, tally.disagreements) == (20.0, 2, 0)
    assert tally.distinct == Map({"n": frozenset("56")})


def test_repeats_of_a_text_without_slots_count_each() -> None:
    tally = folded(*(atom(str(sample), values={}, bits=2.0) for sample in range(3))).tally("d", 1)
    assert tally == Tally(bits=6.0, agreements=3)


def test_a_disagreement_earns_nothing() -> None:
    tally = folded(atom("a"), atom("b", agreed=False)).tally("d", 1)
    assert (tally.bits, tally.agreements, tally.disagreements) == (10.0, 1, 1)


def test_versions_returns_and_strata_are_kept_apart() -> None:
    evidence = folded(
        atom("a"),
        atom("b", agreed=False),
        atom("a", stratum="audit", agreed=False),
        atom("a", digest="e"),
        atom("c", since=9),
    )
    assert dict(evidence.sampled) == {
        ("d", "shadow"): Sampled(3, 1),
        ("d", "audit"): Sampled(1, 1),
        ("e", "shadow"): Sampled(1, 0),
    }
    assert evidence.tally("d", 9).disagreements == 0
    assert evidence.tally("d", 1).disagreements == 2
    assert evidence.tally("d", 2) == Tally()


ATOMS = st.lists(
    st.builds(
        lambda value, agreed, since, stratum: (value, agreed, since, stratum),
        st.integers(0, 4),
        st.booleans(),
        st.integers(1, 2),
        st.sampled_from(["shadow", "audit"]),
    ),
    max_size=12,
)


def test_folding_twice_or_in_another_order_changes_nothing() -> None:
    seen: Counter[str] = Counter()

    @given(ATOMS, st.randoms(use_true_random=False))
    def check(rows: list[tuple[int, bool, int, str]], chance: object) -> None:
        atoms = [
            atom(str(i), agreed, since=since, stratum=stratum, values={"n": str(value)})
            for i, (value, agreed, since, stratum) in enumerate(rows)
        ]
        shuffled = atoms * 2
        chance.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
        assert folded(*shuffled) == folded(*atoms)
        seen["same order" if shuffled[: len(atoms)] == atoms else "another order"] += 1
        seen["repeats"] += len({value for value, *_ in rows}) < len(rows)

    check()
    assert seen["another order"] > 0 < seen["repeats"]


OPEN = Claim(("n",), ("n",), price=4.0, returns=0)
ENOUGH = Tally(80.0, 5, 0, Map({"n": frozenset("123")}))
SHORTFALLS: dict[str, tuple[Tally, Claim, str | None]] = {
    "nothing-is-missing": (ENOUGH, OPEN, None),
    "disagreements-come-first": (
        Tally(0.0, 0, 2), OPEN, "2 disagreements since it entered shadow",
    ),
    "agreements": (Tally(80.0, 4, 0, ENOUGH.distinct), OPEN, "4 agreements of 5"),
    "repeats-of-a-text-without-slots": (
        Tally(80.0, 2), Claim((), (), 0.0, 0), "2 agreements of 3",
    ),
    "three-repeats-suffice": (Tally(36.0, 3), Claim((), (), 0.0, 0), None),
    "bits-pay-the-price-of-the-search": (
        Tally(39.0, 5, 0, ENOUGH.distinct), OPEN, "39 bits of 40",
    ),
    "each-return-costs": (ENOUGH, Claim(("n",), ("n",), 4.0, 2), "80 bits of 120"),
    "each-open-slot-must-vary": (
        Tally(80.0, 5, 0, Map({"n": frozenset("12")})), OPEN,
        "slot 'n' was seen with 2 values of 3",
    ),
    "a-slot-never-seen": (
        ENOUGH, Claim(("n", "m"), ("n", "m"), 0.0, 0), "slot 'm' was seen with 0 values of 3",
    ),
    "a-closed-slot-need-not-vary": (
        Tally(80.0, 5), Claim(("n",), (), 0.0, 0), None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHORTFALLS)
def test_shortfall(name: str) -> None:
    tally, claim, expected = SHORTFALLS[name]
    assert shortfall(tally, claim, DEFAULT) == expected


def test_needs_say_of_everything_how_much_there_is() -> None:
    assert needs(Tally(39.0, 5, 2, ENOUGH.distinct), OPEN, DEFAULT) == (
        Need("agreements", 5, 5),
        Need("bits", 39.0, 40.0),
        Need("values", 3, 3, "n"),
    )


def test_each_doubling_of_the_candidates_tried_costs_a_bit() -> None:
    assert [DEFAULT.search_price(tried) for tried in (0, 1, 3, 1023)] == [0, 1, 2, 10]

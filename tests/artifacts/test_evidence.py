"""Evidence: bounds that hold at all times, and folds that do not care for order."""

import math
from collections import Counter
from dataclasses import replace

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
    agreements_needed,
    anytime_upper,
    clean_needed,
    fold,
    needs,
    shortfall,
)
from artifacts.policy import DEFAULT, Policy

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
    assert tally == Tally(bits=6.0, agreements=3, clean=3)


def test_a_disagreement_earns_nothing() -> None:
    tally = folded(atom("a"), atom("b", agreed=False)).tally("d", 1)
    assert (tally.bits, tally.agreements, tally.disagreements) == (10.0, 1, 1)


def test_versions_returns_targets_and_strata_are_kept_apart() -> None:
    evidence = folded(
        atom("a"),
        atom("b", agreed=False),
        atom("a", stratum="audit", agreed=False),
        atom("a", target="truth"),
        atom("a", digest="e"),
        atom("c", since=9),
    )
    assert dict(evidence.sampled) == {
        ("d", "teacher", "shadow"): Sampled(3, 1),
        ("d", "truth", "shadow"): Sampled(1, 0),
        ("d", "teacher", "audit"): Sampled(1, 1),
        ("e", "teacher", "shadow"): Sampled(1, 0),
    }
    assert evidence.tally("d", 9).disagreements == 0
    assert evidence.tally("d", 1).disagreements == 2
    assert evidence.tally("d", 2) == Tally()


CONTRADICTORY = {
    # atoms as (sample, agreed, since), then agreements and disagreements by since
    "the-same-twice": ([("a", True, 1), ("a", True, 1)], {1: (1, 0)}),
    "first-yes-then-no": ([("a", True, 1), ("a", False, 1)], {1: (0, 1)}),
    "first-no-then-yes": ([("a", False, 1), ("a", True, 1)], {1: (0, 1)}),
    "a-late-one-of-an-old-stay": ([("a", True, 9), ("a", True, 1)], {1: (1, 0)}),
    "the-same-pair-after-a-return": ([("a", True, 1), ("a", True, 9)], {1: (1, 0)}),
    "no-after-a-return": ([("a", True, 1), ("a", False, 9)], {9: (0, 1)}),
    "no-in-both-stays": ([("a", False, 9), ("a", False, 1)], {9: (0, 1)}),
    "yes-after-a-return": ([("a", False, 1), ("a", True, 9)], {1: (0, 1)}),
    "another-sample-holds-the-binding": (
        [("a", True, 1), ("b", True, 1), ("a", False, 1)], {1: (1, 1)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTORY)
def test_a_sample_counts_once_and_as_a_disagreement_if_it_ever_was_one(name: str) -> None:
    rows, expected = CONTRADICTORY[name]
    evidence = folded(*(atom(s, yes, since=since, values={"n": "5"}) for s, yes, since in rows))
    tallies = {since: tally for (_, since), tally in evidence.tallies.items()}
    assert {at: (t.agreements, t.disagreements) for at, t in tallies.items()} == expected
    assert all(len(t.distinct.get("n", ())) == t.agreements for t in tallies.values())
    samples = {sample for sample, _, _ in rows}
    errors = {sample for sample, agreed, _ in rows if not agreed}
    assert evidence.sampled["d", "teacher", "shadow"] == Sampled(len(samples), len(errors))


def test_beyond_the_most_bindings_samples_still_count_once() -> None:
    atoms = [atom(f"s{n}", values={"n": f"{n}"}) for n in range(300)]
    evidence = folded(*atoms, *atoms, atom("s299", agreed=False, values={"n": "299"}))
    tally = evidence.tally("d", 1)
    assert evidence.sampled["d", "teacher", "shadow"] == Sampled(300, 1)
    assert (tally.agreements, tally.disagreements, tally.bits) == (256, 1, 2560.0)


ATOMS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(0, 3),
        st.sampled_from([True, True, False]),
        st.integers(1, 2),
        st.sampled_from(["shadow", "audit"]),
        st.sampled_from([2.0, 10.0]),
    ),
    max_size=12,
)


def test_folding_twice_or_in_another_order_changes_nothing() -> None:
    """Also where atoms of one sample contradict each other, in any of what they say."""
    seen: Counter[str] = Counter()

    @given(ATOMS, st.randoms(use_true_random=False))
    def check(rows: list[tuple[str, int, bool, int, str, float]], chance: object) -> None:
        atoms = [
            atom(
                sample, agreed, since=since, stratum=stratum, bits=bits,
                values={"n": str(value)} if value else {},
            )
            for sample, value, agreed, since, stratum, bits in rows
        ]  # fmt: skip
        shuffled = atoms * 2
        chance.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
        evidence = folded(*atoms)
        assert folded(*shuffled) == evidence
        verdicts: dict[tuple[str, str], set[bool]] = {}
        for one in atoms:
            verdicts.setdefault((one.sample_id, one.stratum), set()).add(one.agreed)
        for stratum in ("shadow", "audit"):
            of_stratum = [agreed for (_, where), agreed in verdicts.items() if where == stratum]
            counted = evidence.sampled.get(("d", "teacher", stratum), Sampled())
            assert counted == Sampled(len(of_stratum), sum(False in each for each in of_stratum))
        seen["same order" if shuffled[: len(atoms)] == atoms else "another order"] += 1
        seen["repeats"] += len({value for _, value, *_ in rows}) < len(rows)
        seen["contradictory"] += any(len(each) == 2 for each in verdicts.values())
        seen["another stay"] += any(
            a.sample_id == b.sample_id and a.stratum == b.stratum and a.since != b.since
            for a in atoms for b in atoms
        )  # fmt: skip

    check()
    assert min(seen[what] for what in ("another order", "repeats", "contradictory")) > 10
    assert seen["another stay"] > 10


OPEN = Claim(("n",), ("n",), price=4.0, returns=0, description=300.0)
ENOUGH = Tally(80.0, 5, 0, Map({"n": frozenset("123")}))
SHORTFALLS: dict[str, tuple[Tally, Claim, str | None]] = {
    "nothing-is-missing": (ENOUGH, OPEN, None),
    "disagreements-come-first": (
        Tally(0.0, 0, 2), OPEN, "2 disagreements since it entered shadow",
    ),
    "agreements": (Tally(80.0, 4, 0, ENOUGH.distinct), OPEN, "4 agreements of 5"),
    "repeats-of-a-text-without-slots": (
        Tally(80.0, 2), Claim((), (), 0.0, 0, 0.0), "2 agreements of 3",
    ),
    "three-repeats-suffice": (Tally(20.0, 3), Claim((), (), 0.0, 0, 0.0), None),
    "bits-pay-for-the-search-and-the-description": (
        Tally(29.0, 5, 0, ENOUGH.distinct), OPEN, "29 bits of 30",
    ),
    "a-shorter-description-asks-for-less": (
        Tally(29.0, 5, 0, ENOUGH.distinct), Claim(("n",), ("n",), 4.0, 0, 100.0), None,
    ),
    "each-return-costs": (ENOUGH, Claim(("n",), ("n",), 4.0, 2, 300.0), "80 bits of 110"),
    "each-open-slot-must-vary": (
        Tally(80.0, 5, 0, Map({"n": frozenset("12")})), OPEN,
        "slot 'n' was seen with 2 values of 3",
    ),
    "a-slot-never-seen": (
        ENOUGH, Claim(("n", "m"), ("n", "m"), 0.0, 0, 0.0), "slot 'm' was seen with 0 values of 3",
    ),
    "a-closed-slot-need-not-vary": (
        Tally(80.0, 5), Claim(("n",), (), 0.0, 0, 0.0), None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHORTFALLS)
def test_shortfall(name: str) -> None:
    tally, claim, expected = SHORTFALLS[name]
    assert shortfall(tally, claim, DEFAULT) == expected


CERTIFIED = replace(DEFAULT, certified_only=True)
CANARY = Claim((), (), 0.0, 0, is_canary=True)
# what a policy asks for more: the tally, the claim, the policy, what is missing
MORE: dict[str, tuple[Tally, Claim, Policy, str | None]] = {
    "not-yet-certified": (
        Tally(80.0, 5, clean=343), Claim((), (), 0.0, 0), CERTIFIED,
        "343 clean comparisons in shadow of 344",
    ),
    "certified": (Tally(80.0, 5, clean=344), Claim((), (), 0.0, 0), CERTIFIED, None),
    "certified-of-a-larger-risk": (
        Tally(80.0, 5, clean=68), Claim((), (), 0.0, 0), replace(CERTIFIED, max_risk=0.05), None,
    ),
    "certified-with-a-disagreement": (
        Tally(80.0, 5, 1, clean=9999), Claim((), (), 0.0, 0), CERTIFIED,
        "1 disagreements since it entered shadow",
    ),
    "nobody-asks-for-it": (Tally(80.0, 5), Claim((), (), 0.0, 0), DEFAULT, None),
    "a-canary-needs-more": (Tally(80.0, 5), CANARY, DEFAULT, "0 agreements as a canary of 10"),
    "a-canary-has-more": (Tally(80.0, 5, canary=10), CANARY, DEFAULT, None),
    "a-canary-has-what-its-policy-asks": (
        Tally(80.0, 5, canary=2), CANARY, replace(DEFAULT, canary_agreements=2), None,
    ),
    "and-no-disagreement": (
        Tally(80.0, 5, 1, canary=99), CANARY, DEFAULT, "1 disagreements since it entered shadow",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MORE)
def test_what_a_policy_asks_for_more(name: str) -> None:
    tally, claim, policy, expected = MORE[name]
    assert shortfall(tally, claim, policy) == expected


@pytest.mark.parametrize(
    ("changes", "clean", "canary"),
    [
        ({}, 3, 0),
        ({"stage": "canary"}, 3, 3),
        ({"stage": "shadow"}, 3, 0),
        ({"stage": "canary", "stratum": "audit"}, 0, 3),
        ({"target": "truth"}, 0, 0),
        ({"stratum": "replay"}, 0, 0),
        ({"agreed": False, "stage": "canary"}, 0, 0),
        ({"values": {}, "stage": "canary"}, 3, 3),
    ],
)
def test_what_counts_as_clean_and_as_a_canarys(
    changes: dict[str, object], clean: int, canary: int
) -> None:
    """Three samples with one binding, each folded twice."""
    atoms = [atom(str(n), **{"values": {"n": "1"}, **changes}) for n in range(3)]  # type: ignore[arg-type]  # fields of a row
    tally = folded(*atoms, *atoms).tally("d", 1)
    assert (tally.clean, tally.canary) == (clean, canary)


@pytest.mark.parametrize(("rate", "samples", "alone"), CLEAN)
def test_clean_needed_is_the_least_number(rate: float, samples: int, alone: int) -> None:
    assert clean_needed(rate) == samples
    assert agreements_needed(replace(DEFAULT, max_risk=rate)) == DEFAULT.min_agreements
    assert agreements_needed(replace(CERTIFIED, max_risk=rate)) == samples


PARTS = (("margin", 20.0), ("description", 6.0), ("price", 4.0), ("returns", 0.0))


def test_needs_say_of_everything_how_much_there_is() -> None:
    assert needs(Tally(39.0, 5, 2, ENOUGH.distinct), OPEN, DEFAULT) == (
        Need("agreements", 5, 5),
        Need("bits", 39.0, 30.0, parts=PARTS),
        Need("values", 3, 3, "n"),
    )


def test_each_doubling_of_the_candidates_tried_costs_a_bit() -> None:
    assert [DEFAULT.search_price(tried) for tried in (0, 1, 3, 1023)] == [0, 1, 2, 10]

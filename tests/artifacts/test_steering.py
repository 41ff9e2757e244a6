"""What steers admission: the fold, the estimate, and the ceiling of risk in simulated fleets."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.evidence import Comparison
from artifacts.policy import DEFAULT, Policy, policy_for
from artifacts.steering import MOST_AGREEMENTS, WINDOW, Steering, learned, steered
from tests.artifacts.fleets import CHANGES, Fleet, Rule

FLEETS = {0.005: 25, 0.01: 45, 0.02: 55}
"""Fleets of each sort by ceiling of risk; there are eight sorts."""

FEEDBACKS = (0.0, 0.1)


def steering_rule(max_risk: float) -> Rule:
    """Admission as it is in service."""
    policy = policy_for(max_risk)
    return lambda steering: steered(policy, steering)


def policy_alone(max_risk: float) -> Rule:
    """The policy whatever the fleet has shown."""
    policy = policy_for(max_risk)
    return lambda _: policy


def no_evidence(max_risk: float) -> Rule:
    """One agreement is enough."""
    policy = replace(
        policy_for(max_risk), min_agreements=1, min_repeats=1, required_bits=1.0, min_distinct=1
    )
    return lambda _: policy


RULES = {rule.__name__: rule for rule in (steering_rule, policy_alone, no_evidence)}


@dataclass(frozen=True)
class Served:
    """What is kept of a fleet."""

    answered: int
    wrong: int


def fleets(rule: str, max_risk: float, number: int) -> list[Served]:
    """Return so many fleets of each sort, each from a seed of its own."""
    made = []
    for change in CHANGES:
        for feedback in FEEDBACKS:
            for index in range(number):
                rng = random.Random(f"{change.__name__} {feedback} {index}")
                fleet = Fleet(rng, RULES[rule](max_risk), change, feedback)
                fleet.run()
                made.append(Served(fleet.answered, fleet.wrong))
    return made


def share_above(made: Sequence[Served], max_risk: float) -> float:
    return sum(fleet.wrong > max_risk * fleet.answered for fleet in made) / len(made)


@pytest.mark.slow
@pytest.mark.parametrize("max_risk", FLEETS)
def test_realised_risk_is_above_the_ceiling_in_five_percent_of_fleets_at_most(
    max_risk: float,
) -> None:
    made = fleets("steering_rule", max_risk, FLEETS[max_risk])
    assert share_above(made, max_risk) <= 0.05
    assert all(fleet.answered > 5000 for fleet in made)
    assert sum(fleet.wrong > 0 for fleet in made) > 0.95 * len(made)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "max_risk"), [("policy_alone", 0.005), ("policy_alone", 0.01), ("no_evidence", 0.01)]
)
def test_without_steering_it_is_above_more_often(rule: str, max_risk: float) -> None:
    assert share_above(fleets(rule, max_risk, 6), max_risk) > 0.05


def test_there_are_a_thousand_fleets() -> None:
    assert len(CHANGES) * len(FEEDBACKS) * sum(FLEETS.values()) >= 1000


def atom(number: int, version: int, stratum: str = "shadow", agreed: bool = True) -> Comparison:
    return Comparison(
        str(number), f"version {version}", version, stratum, "teacher", agreed, 1.0, {}
    )


def after(atoms: Sequence[Comparison], text: str = "", expected: bytes = b"1") -> Steering:
    """Fold atoms, each about a text of its own unless one is given."""
    steering = Steering()
    for each in atoms:
        steering = learned(steering, each, text or each.sample_id, expected)
    return steering


ATOMS = st.lists(
    st.builds(
        atom,
        st.integers(0, 40),
        st.integers(0, WINDOW + 40),
        st.sampled_from(["replay", "shadow", "audit", "rejected"]),
        st.booleans(),
    ),
    max_size=40,
)


def test_the_order_of_atoms_does_not_matter() -> None:
    window = [atom(1000 + version, version) for version in range(20, WINDOW + 20)]
    failed: set[bool] = set()
    forgot: set[bool] = set()

    @settings(max_examples=15)
    @given(ATOMS, st.randoms(use_true_random=False))
    def folded(atoms: list[Comparison], rng: random.Random) -> None:
        shuffled = [*window, *atoms]
        rng.shuffle(shuffled)
        steering = after([*window, *atoms])
        assert steering == after(shuffled)
        failed.add(steering.failed > 0)
        forgot.add(len(steering.trials) == WINDOW and (20, "version 20") not in steering.trials)

    folded()
    assert failed == forgot == {True, False}


def test_what_was_begun_long_ago_is_forgotten() -> None:
    bad = [atom(number, number, agreed=False) for number in range(50)]
    good = [atom(100 + number, 100 + number) for number in range(WINDOW)]
    assert after(bad).agreements_for(0.01) > 20
    assert after([*bad, *good]).agreements_for(0.01) <= 5


@pytest.mark.parametrize(
    ("name", "atoms", "least", "most"),
    [
        ("nothing was compared", [], 5, 5),
        ("all agree", [atom(n, n % 9) for n in range(90)], 1, 4),
        ("every second fails at once", [atom(n, n, agreed=n % 2 > 0) for n in range(80)], 60, 256),
        ("audits count", [atom(n, n, "audit", agreed=False) for n in range(20)], 60, 256),
        ("rejected ones do not", [atom(n, n, "rejected", agreed=False) for n in range(20)], 5, 5),
        ("replay tells nothing", [atom(n, n, "replay") for n in range(80)], 5, 5),
        ("one version fails but once", [atom(n, 1, agreed=False) for n in range(80)], 6, 20),
    ],
)
def test_agreements_asked_for(name: str, atoms: list[Comparison], least: int, most: int) -> None:
    needed = after(atoms).agreements_for(0.01)
    assert least <= needed <= most, name
    assert after(atoms).agreements_for(1e-4) <= MOST_AGREEMENTS


def test_a_teacher_that_contradicts_itself_is_not_held_against_versions() -> None:
    """One text asked again and again: the tenth answer is another, and a version disagrees."""
    noisy = Steering()
    for number in range(200):
        is_noise = number % 10 == 9
        answer = b"2" if is_noise else b"1"
        noisy = learned(noisy, atom(number, number // 10, agreed=not is_noise), "one text", answer)
    assert noisy.teacher_noise == pytest.approx(0.1, abs=0.01)
    assert noisy.agreements_for(0.01) <= 5
    steadfast = after([atom(n, n // 10, agreed=n % 10 < 9) for n in range(200)], "one text")
    assert steadfast.teacher_noise == 0
    assert steadfast.agreements_for(0.01) > 5


@pytest.mark.parametrize("policy", [DEFAULT, policy_for(0.002), policy_for(0.05)])
def test_steering_never_asks_for_less(policy: Policy) -> None:
    bad = after([atom(number, number, agreed=False) for number in range(30)])
    for steering in (Steering(), after([atom(n, 1) for n in range(50)]), bad):
        found = steered(policy, steering)
        assert found.min_agreements >= policy.min_agreements
        assert found.min_repeats >= policy.min_repeats
    assert steered(policy, bad).min_repeats > policy.min_repeats

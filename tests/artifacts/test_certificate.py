"""Certificates: what is said of a version, how little is said, and saying it of many at once."""

import math
import random
from typing import Any

import pytest

from artifacts.certificate import (
    NOTHING,
    Samples,
    Subject,
    error_bound,
    log_e_value,
    noise_row,
    noise_sentence,
    row_of,
    sentence,
    shown_share,
    truth_bound,
    truth_sentence,
)
from artifacts.evidence import Sampled, anytime_upper
from artifacts.multiplicity import discoveries, share_of_delta


def subject(stratum: str = "audit", target: str = "teacher") -> Subject:
    return Subject("acme", "minutes", 3, "d", target, stratum)


def samples(count: int, errors: int = 0, *probabilities: float) -> Samples:
    made = Samples()
    for number in range(count):
        made.add(
            f"u{number}", agreed=number >= errors, time=number, teacher="gpt",
            probability=probabilities[number % len(probabilities)] if probabilities else 1.0,
        )  # fmt: skip
    return made


SENTENCES: dict[str, tuple[dict[str, Any], str]] = {
    "audits-of-live-traffic": (
        row_of(subject(), samples(312, 0, 0.02)),
        "error vs teacher on live traffic ≤ 1.11 % "
        "(95 %, anytime-valid; 312 audits, 0 errors; π = 2 %)",
    ),
    "audits-placed-unevenly": (
        row_of(subject(), samples(312, 1, 0.02, 0.5)),
        "error vs teacher on live traffic ≤ 2.51 % "
        "(95 %, anytime-valid; 312 audits, 1 errors; π ≥ 2 %)",
    ),
    "shadow": (
        row_of(subject("shadow"), samples(100)),
        "error vs teacher on what falls back ≤ 3.4 % "
        "(95 %, anytime-valid; 100 comparisons, 0 errors)",
    ),
    "truth": (
        row_of(subject("shadow", "truth"), samples(20)),
        "error vs truth on what falls back ≤ 15.84 % "
        "(95 %, anytime-valid; 20 comparisons, 0 errors)",
    ),
    "phi": (
        row_of(subject("phi"), samples(50)),
        "error vs teacher on texts that φ renders ≤ 6.68 % "
        "(95 %, anytime-valid; 50 probes, 0 errors)",
    ),
    "a-searched-candidate-pays": (
        row_of(subject("replay"), samples(100), price=10.0),
        "error vs teacher on logged pairs ≤ 10 % "
        "(95 %, anytime-valid; 100 comparisons, 0 errors; 10 bits paid for the search)",
    ),
    "never-below-the-teacher-s-own-noise": (
        row_of(subject(), samples(312, 0, 0.02), noise=Sampled(100, 5)),
        "error vs teacher on live traffic ≤ 5 % "
        "(95 %, anytime-valid; 312 audits, 0 errors; π = 2 %)",
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_what_is_said(name: str) -> None:
    row, expected = SENTENCES[name]
    assert sentence(row) == expected
    assert "correct" not in sentence(row) and "accura" not in sentence(row)


def test_only_replay_pays_for_the_search() -> None:
    for stratum, price in (("audit", 0.0), ("shadow", 0.0), ("phi", 0.0), ("replay", 10.0)):
        row = row_of(subject(stratum), samples(100), price=10.0)
        assert row["error_bound"] == anytime_upper(0, 100, 0.05 * 2.0**-price)
        assert (row["price_bits"], row["samples"], row["errors"]) == (10.0, 100, 0)


def test_what_a_certificate_holds() -> None:
    row = row_of(subject(), samples(40, 2, 0.1, 0.5))
    assert {key: row[key] for key in row if key not in ("error_bound", "truth_bound")} == {
        "scope": "acme", "family": "minutes", "version": 3, "digest": "d", "target": "teacher",
        "stratum": "audit", "samples": 40, "errors": 2, "method": "e-process grid", "delta": 0.05,
        "price_bits": 0.0, "since": 0, "until": 39, "teachers": ["gpt"],
        "least_probability": 0.1, "most_probability": 0.5,
    }  # fmt: skip


def test_of_the_truth_nothing_is_said_before_the_teacher_was_asked_twice() -> None:
    assert truth_bound(Sampled(1000, 0), NOTHING) is None
    assert truth_sentence(row_of(subject(), samples(1000))) is None
    noise = Sampled(400, 8)
    bound = truth_bound(Sampled(1000, 0), noise)
    assert bound == anytime_upper(0, 1000, 0.025) + anytime_upper(8, 400, 0.025)
    said = truth_sentence(row_of(subject(), samples(1000), noise=noise))
    assert said == (
        f"error vs truth on live traffic ≤ {shown_share(bound)}, if what the teacher says more "
        "often than not is the truth"
    )
    assert truth_sentence(row_of(subject("audit", "truth"), samples(9), noise=noise)) is None
    assert truth_bound(Sampled(1, 1), noise) == 1.0


def test_the_noise_of_a_teacher() -> None:
    row = noise_row("acme", "gpt", samples(100, 2))
    assert row["error_bound"] == error_bound(Sampled(100, 2))
    assert noise_sentence(row) == (
        "gpt disagrees with itself in ≤ 9.7 % of the texts that it is asked twice "
        "(95 %, anytime-valid; 100 pairs of answers, 2 differ)"
    )


def test_no_bound_is_rounded_down() -> None:
    for share in (0.0100001, 0.01, 0.33333, 1e-9, 1.0):
        assert float(shown_share(share).split()[0]) / 100 >= share - 1e-9


DISCOVERIES: dict[str, tuple[list[float], int]] = {
    "nothing-is-known": ([0.0] * 5, 0),
    "one-of-one-needs-1/level": ([20.0], 1),
    "one-of-one-with-less": ([19.9], 0),
    "one-of-ten-needs-ten-times-more": ([199.0, *[0.0] * 9], 0),
    "it-may-be-that-good": ([201.0, *[0.0] * 9], 1),
    "many-together-need-less-each": ([41.0] * 5 + [0.0] * 5, 5),
    "the-largest-k-counts": ([30.0, 30.0, 30.0, 30.0, 0.0], 4),
    "none": ([], 0),
}


@pytest.mark.parametrize("name", DISCOVERIES)
def test_discoveries(name: str) -> None:
    values, count = DISCOVERIES[name]
    log_e = {number: math.log(value) if value else -math.inf for number, value in enumerate(values)}
    assert discoveries(log_e, 0.05) == frozenset(range(count))


def test_bounds_at_shares_of_delta_hold_at_once() -> None:
    assert sum(share_of_delta(0.05, number) for number in range(1, 10_000)) < 0.05
    assert share_of_delta(0.05, 1) > share_of_delta(0.05, 2)


def errors_of(rate: float, count: int, chance: random.Random) -> int:
    """Return how many of so many samples are errors, drawn from one error to the next."""
    at, errors = 0, -1
    while at <= count and rate:
        at += 1 + int(math.log(1 - chance.random()) / math.log1p(-rate))
        errors += 1
    return max(errors, 0)


def test_of_a_list_few_are_wrong_and_it_is_not_empty() -> None:
    """Most families err in just 1 %, ten hardly ever; the list is of those below 1 %.

    A list of all that are below by themselves has a wrong one far more often.
    """
    chance = random.Random(5)
    rates = [0.01] * 40 + [0.0, 0.001] * 5
    shares: list[float] = []
    found = wrong_alone = 0
    for _ in range(200):
        looked = [chance.choice((400, 800, 1600)) for _ in rates]
        sampled = [
            Sampled(count, errors_of(rate, count, chance))
            for rate, count in zip(rates, looked, strict=True)
        ]
        log_e = {number: log_e_value(each, 0.01) for number, each in enumerate(sampled)}
        listed = discoveries(log_e, 0.05)
        wrong = sum(rates[number] == 0.01 for number in listed)
        shares.append(wrong / len(listed) if listed else 0.0)
        found += len(listed) - wrong
        wrong_alone += any(log_e[n] >= math.log(20) for n in range(40))
    assert sum(shares) / len(shares) <= 0.05
    assert found > 200
    assert wrong_alone / 200 > 0.1

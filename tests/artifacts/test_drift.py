"""The promise of the drift detector, in simulated streams of audits whose truth is known."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import count
from statistics import mean

import pytest

from artifacts.drift import Audit, Watch, likelihood_ratio, watched
from artifacts.policy import DEFAULT, Policy

P0 = DEFAULT.drift_p0
PROMISED = round(1 / DEFAULT.drift_alpha)
RUNS = 80
CAP = 5_000
"""Samples of a run at most: a mean over shorter runs is the lesser."""

Alarms = Callable[[bool], bool]
"""Takes whether a sample is an error; says whether that is an alarm."""


def detector(policy: Policy = DEFAULT) -> Alarms:
    """The e-detector itself."""
    watch, numbers = Watch(), count()

    def see(is_error: bool) -> bool:
        nonlocal watch
        sample = Audit(str(next(numbers)), "d", not is_error)
        watch, alarm = watched(replace(watch, counted=Watch().counted), sample, policy)
        return alarm is not None

    return see


def two_of_twenty() -> Alarms:
    """A rule of thumb: two errors in the last twenty samples."""
    last: list[bool] = []

    def see(is_error: bool) -> bool:
        last.append(is_error)
        return sum(last[-20:]) >= 2

    return see


def wald_again() -> Alarms:
    """Wald's test at 5 % and 5 %, begun again whenever it finds nothing."""
    likelihood = 1.0

    def see(is_error: bool) -> bool:
        nonlocal likelihood
        likelihood *= likelihood_ratio(DEFAULT, agreed=not is_error)
        if likelihood <= 0.05 / 0.95:
            likelihood = 1.0
        return likelihood >= 0.95 / 0.05

    return see


def cumulative_sum() -> Alarms:
    """Page's sum against 1/0.05, as if it looked once."""
    likelihood = 1.0

    def see(is_error: bool) -> bool:
        nonlocal likelihood
        likelihood = max(1.0, likelihood) * likelihood_ratio(DEFAULT, agreed=not is_error)
        return likelihood >= 20

    return see


def steady(rng: random.Random, rate: float) -> Iterator[bool]:
    """Yield errors at one rate."""
    while True:
        yield rng.random() < rate


def chosen(rng: random.Random) -> Iterator[bool]:
    """Yield errors whose probability, at most p₀, depends on the errors before: they come in heaps.

    So do the probabilities of audits: more after an error, which a sample alone cannot show.
    """
    after_error = 0
    while True:
        rate = P0 if after_error else P0 / 3
        if rng.random() >= (0.5 if after_error else 0.1):  # no audit of this answer
            continue
        is_error = rng.random() < rate
        after_error = 10 if is_error else max(0, after_error - 1)
        yield is_error


def samples_until_alarm(alarms: Alarms, errors: Iterator[bool]) -> int:
    return next((n for n, e in zip(range(1, CAP), errors, strict=False) if alarms(e)), CAP)


@cache
def mean_time(rule: Callable[[], Alarms], rate: float) -> float:
    return mean(
        samples_until_alarm(rule(), steady(random.Random(f"{rule.__name__} {n}"), rate))
        for n in range(RUNS)
    )


@pytest.mark.slow
def test_the_mean_time_to_a_false_alarm_is_at_least_what_is_promised() -> None:
    assert mean_time(detector, P0) >= PROMISED
    times = [samples_until_alarm(detector(), chosen(random.Random(n))) for n in range(RUNS // 4)]
    assert mean(times) >= PROMISED
    assert min(times) < PROMISED  # some run alarms before: the promise is about the mean
    assert mean_time(detector, 2 * P0) < PROMISED  # and about errors within p₀


@pytest.mark.parametrize("rule", [two_of_twenty, wald_again, cumulative_sum])
def test_what_we_do_not_use_alarms_sooner_than_promised(rule: Callable[[], Alarms]) -> None:
    assert mean_time(rule, P0) < PROMISED / 2


DELAYS = {1.0: 3, 0.5: 9, 0.33: 18, 0.1: 350}
"""Samples from a jump to the alarm at the defaults, in the mean, at most; by the share of errors.
At 5 % nothing has happened, by definition."""


@pytest.mark.parametrize(("rate", "most"), DELAYS.items())
def test_how_soon_drift_is_found_after_a_jump(rate: float, most: float) -> None:
    delays = []
    for number in range(60):
        rng, alarms = random.Random(number), detector(DEFAULT)
        quiet = [alarms(rng.random() < 0.005) for _ in range(100)]
        if not any(quiet):
            delays.append(samples_until_alarm(alarms, steady(rng, rate)))
    assert len(delays) > 50
    assert mean(delays) <= most


def test_the_likelihood_ratio_bets_fairly_at_the_boundary_and_loses_below() -> None:
    error, agreement = (likelihood_ratio(DEFAULT, agreed=a) for a in (False, True))
    assert P0 * error + (1 - P0) * agreement == pytest.approx(1)
    assert P0 / 2 * error + (1 - P0 / 2) * agreement < 1


def watched_all(outcomes: str, policy: Policy = DEFAULT) -> tuple[Watch, list[str]]:
    """Return the detector after audits (`x` an error) of versions of their own, and its alarms."""
    watch, found = Watch(), list[str]()
    for number, outcome in enumerate(outcomes):
        sample = Audit(f"u{number}", f"d{number}", outcome == ".")
        watch, alarm = watched(watch, sample, policy)
        found += [str(alarm)] if alarm else []
    return watch, found


@pytest.mark.parametrize(
    ("outcomes", "alarms"),
    [
        ("." * 50, []),
        ("." * 50 + "xx", []),
        ("xx" + "." * 9 + "x", []),
        ("." * 50 + "xxx", ["drift: 3 of 3 audits failed, M 2221"]),
        ("." * 50 + "x.x.x.x", ["drift: 4 of 7 audits failed, M 3596"]),
        ("x" + "." * 20 + "xx.x", ["drift: 3 of 4 audits failed, M 1179"]),
        ("xxx" * 2, ["drift: 3 of 3 audits failed, M 1110"] * 2),
    ],
)
def test_alarms_of_short_streams(outcomes: str, alarms: list[str]) -> None:
    assert watched_all(outcomes)[1] == alarms


def test_a_sample_counts_once_and_without_alpha_none_does() -> None:
    sample = Audit("u", "d", False)
    once, _ = watched(Watch(), sample, DEFAULT)
    assert watched(once, sample, DEFAULT) == (once, None)
    off = replace(DEFAULT, drift_alpha=0.0)
    assert watched_all("x" * 100, off) == (Watch(), [])


def test_an_alarm_knows_who_was_right_since_drift_began() -> None:
    watch = Watch()
    outcomes = [("old", ".")] * 9 + [("a", "x"), ("right", "."), ("b", "x"), ("right", "."),
                ("c", "x"), ("right", "."), ("d", "x"), ("once", "."), ("e", "x")]  # fmt: skip
    found = []
    for number, (digest, outcome) in enumerate(outcomes):
        watch, alarm = watched(watch, Audit(str(number), digest, outcome == "."), DEFAULT)
        found += [alarm] if alarm else []
    (alarm,) = found
    assert dict(alarm.agreed) == {"right": 3}
    assert alarm.has_confirmed("right", DEFAULT)
    assert not alarm.has_confirmed("old", DEFAULT)

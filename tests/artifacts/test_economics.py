"""What families cost and save, as arithmetic."""

import random
from collections import Counter

import pytest

from artifacts.economics import (
    Calls,
    SkeletonCounts,
    Window,
    break_even,
    expected_cost,
    known_share,
    merged,
)

# calls, lessons charged → calls avoided, calls spent, N*
CALLS = {
    "nothing-answered": (Calls(taught=4), 1, 0, 4, None),
    "one-answer-pays-one-lesson": (Calls(answered=1, taught=4), 1, 1, 4, 1),
    "one-answer-does-not-pay-four": (Calls(answered=1, taught=4), 4, 1, 4, None),
    "a-family-somebody-wrote-still-costs-one": (Calls(answered=1), 0, 1, 0, 1),
    "an-audit-is-counted-once": (Calls(answered=2, taught=1, audits=1), 1, 1, 2, 2),
    "every-answer-audited-never-pays": (Calls(answered=9, taught=1, audits=9), 1, 0, 10, None),
    "recipes-and-retries": (Calls(6, 1, 1, 1, 1, 2), 1, 4, 6, 6),
    "one-short-of-it": (Calls(5, 1, 1, 1, 1, 2), 1, 3, 6, None),
    "asked-about-twice": (Calls(answered=1, taught=1, audits=2), 1, -1, 3, None),
}


@pytest.mark.parametrize("name", CALLS)
def test_when_a_family_has_broken_even(name: str) -> None:
    calls, lessons, avoided, spent, even = CALLS[name]
    assert (calls.avoided, calls.spent, break_even(calls, lessons)) == (avoided, spent, even)


@pytest.mark.parametrize(
    ("coverage", "expected"), [(0.0, 800.0), (0.25, 602.5), (0.5, 405.0), (1.0, 10.0)]
)
def test_what_an_utterance_costs(coverage: float, expected: float) -> None:
    assert expected_cost(coverage, 10, 800) == expected


# how often each skeleton was seen → N, singletons, the share that is known
SKELETONS = {
    "nothing": ((), 0, 0, None),
    "once-each": ((1, 1, 1), 3, 3, 0.0),
    "all-twice": ((2, 2), 4, 0, 1.0),
    "mixed": ((5, 2, 1), 8, 1, 0.875),
}


@pytest.mark.parametrize("name", SKELETONS)
def test_how_much_of_what_comes_was_seen_before(name: str) -> None:
    often, utterances, singletons, share = SKELETONS[name]
    counts = SkeletonCounts()
    for number, times in enumerate(often):
        for _ in range(times):
            counts.add(number)
    assert (counts.utterances, counts.singletons) == (utterances, singletons)
    assert known_share(counts) == share


def test_beyond_the_limit_skeletons_are_sampled_and_those_held_are_counted_whole() -> None:
    draws = random.Random(0)
    hashes = [draws.getrandbits(64) for _ in range(3000)]
    stream = [hashes[int(3000 * draws.random() ** 3)] for _ in range(20_000)]
    counts, every = SkeletonCounts(most=500), Counter(stream)
    for skeleton in stream:
        counts.add(skeleton)
        assert len(counts.seen) <= 500
    assert counts.bits >= 2
    mask = (1 << counts.bits) - 1
    assert counts.seen == {h: n for h, n in every.items() if not h & mask}
    whole = known_share(SkeletonCounts(seen=dict(every)))
    sampled = known_share(counts)
    assert whole is not None and sampled is not None
    assert abs(whole - sampled) < 0.05


def test_merged_windows_keep_every_utterance() -> None:
    windows = [Window(1, 10, 2), Window(2, 5, 3), Window(3, 4, 4)]
    assert merged(windows) == [Window(2, 15, 5), Window(3, 4, 4)]
    assert (Window(1, 10, 2).coverage, Window(1).coverage) == (0.2, 0.0)

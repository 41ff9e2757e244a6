"""Pairs of another age: where what texts mean has changed, the old pairs refuse what is right now.

A recipe is held against all pairs that it reads. One that was learned of the new meaning is wrong
on nearly all of the old ones, and right on nearly all since; the pairs before the change then say
nothing about it. A recipe whose mistakes lie between its right answers has no such cut: it reads
too much, and is refused.
"""

from collections.abc import Sequence
from itertools import accumulate


def age_began(agreed: Sequence[bool], max_outlier_share: float, least: int) -> int | None:
    """Return the first place of the age in which a recipe is right; None where there is none.

    `agreed` says of each pair, oldest first, whether the recipe answers it rightly. It is an age
    where at least `least` pairs before are wrong and at least `least` since are right, each but for
    the share of outliers. Of several places it is the one that leaves the fewest outliers.

    >>> age_began([False] * 5 + [True] * 6, 0.1, 4), age_began([False, True] * 8, 0.1, 4)
    (5, None)
    """
    right_before = list(accumulate(agreed, initial=0))
    count, right = len(agreed), right_before[-1]
    best: tuple[int, int] | None = None
    for place in range(least, count - least + 1):
        old_right = right_before[place]
        old_wrong, new_right = place - old_right, right - old_right
        new_wrong = count - place - new_right
        if old_wrong < least or new_right < least:
            continue
        if old_right > place * max_outlier_share:
            continue
        if new_wrong > (count - place) * max_outlier_share:
            continue
        found = old_right + new_wrong, place
        best = found if best is None else min(best, found)
    return None if best is None else best[1]

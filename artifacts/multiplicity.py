"""Saying something of many families at once: bounds that all hold, and lists with few mistakes.

*All hold*: the n-th of them is computed at δ·6/(πn)², whose sum over all n is δ; how many there
will be need not be known. *Few mistakes*: the e-Benjamini–Hochberg procedure (Wang & Ramdas, "False
discovery rate control with e-values", arXiv 2009.02824) takes one e-value for each hypothesis,
however they depend on each other, and lists as many as it can so that the expected share of wrong
ones on the list stays within the level.
"""

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

_K = TypeVar("_K", bound=Hashable)


def share_of_delta(delta: float, number: int) -> float:
    """Return the share of δ of the n-th bound, from 1: Σ 6/(πn)² = 1.

    >>> round(sum(share_of_delta(0.05, number) for number in range(1, 100_000)), 4)
    0.05
    """
    return delta * 6 / (math.pi * number) ** 2


def discoveries(log_e: Mapping[_K, float], level: float) -> frozenset[_K]:
    """Return the hypotheses that are refused at a false discovery rate of at most `level`.

    Every hypothesis has to be given, also those without any evidence, whose log E is 0. Of K the k
    with the largest e-values are refused, k being the largest for which they all are ≥ K/(level·k).

    >>> sorted(discoveries({"a": 9.0, "b": 3.5, "c": 0.0}, 0.05))
    ['a', 'b']
    """
    ordered = sorted(log_e, key=lambda key: -log_e[key])
    refused = 0
    for count, key in enumerate(ordered, 1):
        if log_e[key] >= math.log(len(ordered) / (level * count)):
            refused = count
    return frozenset(ordered[:refused])

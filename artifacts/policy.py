"""The policy table: every threshold of learning, admission and quarantine, with its reason."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any


def _threshold(default: Any, unit: str, doc: str) -> Any:
    return field(default=default, metadata={"unit": unit, "doc": doc})


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds of one tenant; each field says its unit and its reason (THRESHOLDS).

    Bits are −log₂ P₀(answer) under `answer_bits`.
    """

    min_pairs: int = _threshold(
        4,
        "pairs",
        "A cluster is tried from so many different pairs on; with fewer, almost any program fits.",
    )
    required_bits: float = _threshold(
        36.0,
        "bits",
        "What held-out agreements must earn, after the price of the candidates "
        "tried, before a version may serve. Three numbers (30 bits) are not enough, four are.",
    )
    description_share: float = _threshold(
        0.1,
        "bits per bit",
        "What each bit of a version's description adds to required_bits.",
    )
    min_agreements: int = _threshold(
        5,
        "agreements",
        "Held-out agreements on different slot values that a version needs, "
        "however many bits each earns.",
    )
    min_repeats: int = _threshold(
        3,
        "agreements",
        "The same for a slotless family, whose text can only repeat.",
    )
    min_distinct: int = _threshold(
        3,
        "values",
        "Different values that each open slot must have been seen with; a program "
        "that rests on a slot that hardly varied is the main source of wrong answers.",
    )
    return_surcharge: float = _threshold(
        40.0,
        "bits",
        "What each return to shadow adds to required_bits.",
    )
    max_returns: int = _threshold(
        2,
        "returns",
        "Returns to shadow after which a version is retired.",
    )
    max_families: int = _threshold(
        20_000,
        "versions",
        "Versions in shadow or serving that one scope may hold; beyond, none is added.",
    )
    max_candidates: int = _threshold(
        64,
        "automata",
        "Run for one utterance; beyond, abstain `too_many_candidates`.",
    )
    patience: int = _threshold(
        2,
        "times min_agreements",
        "Agreements in shadow after which a version that still may not "
        "serve no longer keeps its cluster from being learned anew.",
    )
    search_steps: int = _threshold(
        40_000,
        "steps",
        "Counted steps of one search for a recipe.",
    )
    max_outlier_share: float = _threshold(
        0.1,
        "share",
        "Of a cluster's pairs that a recipe reads, so many may disagree (teachers "
        "err) before it is refused.",
    )
    outlier_bits: float = _threshold(20.0, "bits", "What each of these costs.")

    def search_price(self, tried: int) -> float:
        """Return the bits that a recipe owes for the candidates tried before it was found."""
        return math.log2(tried + 1)


THRESHOLDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {each.name: (each.metadata["unit"], each.metadata["doc"]) for each in fields(Policy)}
)
"""Unit and reason of every threshold."""

DEFAULT = Policy()
DEFAULT_MAX_RISK = 0.01


def policy_for(max_risk: float) -> Policy:
    """Return the policy whose admission aims below `max_risk`, the ceiling of the expected risk.

    Half the risk asks for twice the agreements and ten bits more.

    >>> policy_for(0.01) == DEFAULT, policy_for(0.002).min_agreements
    (True, 25)
    """
    if not 0 < max_risk < 1:
        raise ValueError(f"max_risk {max_risk!r} is not between 0 and 1")
    factor = DEFAULT_MAX_RISK / max_risk
    return replace(
        DEFAULT,
        min_agreements=max(3, math.ceil(DEFAULT.min_agreements * factor)),
        required_bits=max(30.0, DEFAULT.required_bits + 10 * math.log2(factor)),
    )

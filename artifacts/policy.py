"""The policy table: every threshold of shadow, canary, live and quarantine, and why it is so.

A tenant may have a policy of its own; what it does not set is that of all others.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, NamedTuple

EVERY_TENANT = "*"
"""Stands for all of them where something is set by tenant."""


class Threshold(NamedTuple):
    """What a threshold counts in, why it is as it is, and the least and the most it may be."""

    unit: str
    reason: str
    least: float
    most: float

    def problem_of(self, value: object) -> str | None:
        """Return what is wrong with a value, or None."""
        if isinstance(self.least, bool):
            return None if isinstance(value, bool) else "is neither true nor false"
        is_whole = isinstance(self.least, int)
        if isinstance(value, bool) or not isinstance(value, int if is_whole else int | float):
            return "is no whole number" if is_whole else "is no number"
        if not self.least <= value <= self.most:  # NaN is in no range
            return f"is not within {self.least:g} and {self.most:g}"
        return None


def _threshold(default: Any, unit: str, least: float, most: float, doc: str) -> Any:
    return field(default=default, metadata={"threshold": Threshold(unit, doc, least, most)})


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds of one tenant; each field says its unit, reason and range (THRESHOLDS).

    Bits are −log₂ P₀(answer) under `answer_bits`. Raises ValueError, which names the threshold, for
    a value out of its range.
    """

    max_risk: float = _threshold(
        0.01,
        "share",
        1e-4,
        0.99,
        "Ceiling of the expected share of wrong answers among those served. Half of it asks for "
        "twice the agreements and ten bits more, where a policy does not set them itself.",
    )
    certified_only: bool = _threshold(
        False,
        "yes or no",
        False,
        True,
        "Whether a version serves only once its comparisons in shadow bound its error by max_risk "
        "(95 %, anytime-valid): 344 without a disagreement at 1 %.",
    )
    audit_rate: float = _threshold(
        0.03,
        "share",
        0.0,
        1.0,
        "Of the answers served so many are audited: what certified_risk and quarantine rest on.",
    )
    repeat_rate: float = _threshold(
        0.0,
        "share",
        0.0,
        1.0,
        "Of the teacher's completions so many are asked a second time: does it agree with itself? "
        "None in a simulation, whose protocol forbids it; services ask one in a hundred.",
    )
    phi_samples: int = _threshold(
        0,
        "texts",
        0,
        1_000,
        "Rendered by φ from values drawn over all that a new version reads, and asked of the "
        "teacher when it first enters shadow. Each is a call of the teacher.",
    )
    canary_share: float = _threshold(
        0.0,
        "share",
        0.0,
        0.5,
        "Of its utterances that a version answers as a canary, before it is live; 0: no canaries.",
    )
    canary_agreements: int = _threshold(
        10,
        "agreements",
        1,
        10_000,
        "Beyond those that shadow asks for, before a canary is live; repeated bindings count.",
    )
    min_pairs: int = _threshold(
        4,
        "pairs",
        2,
        1_000,
        "A cluster is tried from so many different pairs on; with fewer, almost any program fits.",
    )
    required_bits: float = _threshold(
        20.0,
        "bits",
        0.0,
        10_000.0,
        "The margin that held-out agreements must earn beyond the description and the candidates "
        "tried before a version may serve: by chance one in a million would.",
    )
    description_share: float = _threshold(
        0.02,
        "bits per bit",
        0.0,
        1.0,
        "What each bit of a version's description adds to required_bits. The pairs that taught it "
        "have paid for most: in full, two thirds of the word problems served would not be.",
    )
    min_agreements: int = _threshold(
        5,
        "agreements",
        1,
        100_000,
        "Held-out agreements on different slot values that a version needs, "
        "however many bits each earns.",
    )
    min_repeats: int = _threshold(
        3,
        "agreements",
        1,
        100_000,
        "The same for a slotless family, whose text can only repeat.",
    )
    min_distinct: int = _threshold(
        3,
        "values",
        1,
        16,
        "Different values that each open slot must have been seen with; a program "
        "that rests on a slot that hardly varied is the main source of wrong answers.",
    )
    return_surcharge: float = _threshold(
        40.0,
        "bits",
        0.0,
        10_000.0,
        "What each return to shadow adds to required_bits.",
    )
    max_returns: int = _threshold(
        2,
        "returns",
        0,
        1_000,
        "Returns to shadow after which a version is retired.",
    )
    reject_audit_rate: float = _threshold(
        0.02,
        "share",
        0.0,
        1.0,
        "Of the answers served so many may be asked about again because a source that is not "
        "trusted, or not believed any more, rejects them; no source may use up another's part.",
    )
    reject_audits_ahead: int = _threshold(
        10,
        "answers",
        0,
        10_000,
        "Of these, so many may be asked about before answers have earned them.",
    )
    drift_alpha: float = _threshold(
        0.001,
        "share of audits",
        0.0,
        0.1,
        "While seasoned versions err no more often than drift_p0, the mean time to a false alarm "
        "of drift is at least one over it; 0: no alarms.",
    )
    drift_p0: float = _threshold(
        0.05,
        "share",
        0.001,
        0.25,
        "Of the audits of seasoned versions so many may fail where nothing has changed: their own "
        "rare faults, and a teacher's.",
    )
    drift_p1: float = _threshold(
        0.5,
        "share",
        0.3,
        0.95,
        "Drift that makes so many of them fail is found soonest.",
    )
    drift_seasoned: int = _threshold(
        3,
        "agreements",
        0,
        10_000,
        "Since it last entered shadow, before a version's audits count for drift: that a younger "
        "one is wrong says that it was learned wrongly.",
    )
    recheck_agreements: int = _threshold(
        3,
        "agreements",
        1,
        10_000,
        "Without a disagreement, before a version that drift put into shadow serves again: it has "
        "shown what it is worth, and only whether that is still so is open.",
    )
    max_families: int = _threshold(
        20_000,
        "versions",
        1,
        10_000_000,
        "Versions in shadow or serving that one scope may hold; beyond, none is added.",
    )
    max_candidates: int = _threshold(
        64,
        "automata",
        1,
        10_000,
        "Run for one utterance; beyond, abstain `too_many_candidates`.",
    )
    patience: int = _threshold(
        2,
        "times min_agreements",
        1,
        1_000,
        "Agreements in shadow after which a version that still may not "
        "serve no longer keeps its cluster from being learned anew.",
    )
    search_steps: int = _threshold(
        40_000,
        "steps",
        1,
        100_000_000,
        "Counted steps of one search for a recipe.",
    )
    max_outlier_share: float = _threshold(
        0.1,
        "share",
        0.0,
        0.5,
        "Of a cluster's pairs that a recipe reads, so many may disagree (teachers "
        "err) before it is refused.",
    )
    outlier_bits: float = _threshold(20.0, "bits", 0.0, 10_000.0, "What each of these costs.")

    def __post_init__(self) -> None:
        for name, threshold in THRESHOLDS.items():
            problem = threshold.problem_of(getattr(self, name))
            if problem is not None:
                raise ValueError(f"{name} {getattr(self, name)!r} {problem}")

    def search_price(self, tried: int) -> float:
        """Return the bits that a recipe owes for the candidates tried before it was found."""
        return math.log2(tried + 1)


THRESHOLDS: Mapping[str, Threshold] = MappingProxyType(
    {each.name: each.metadata["threshold"] for each in fields(Policy)}
)
"""Every threshold by name."""

DEFAULT = Policy()


def policy_for(max_risk: float, base: Policy = DEFAULT) -> Policy:
    """Return the policy whose admission aims below `max_risk`, the ceiling of the expected risk.

    Half the risk asks for twice the agreements and ten bits more.

    >>> policy_for(0.01) == DEFAULT, policy_for(0.002).min_agreements
    (True, 25)
    """
    problem = THRESHOLDS["max_risk"].problem_of(max_risk)
    if problem is not None:
        raise ValueError(f"max_risk {max_risk!r} {problem}")
    factor = DEFAULT.max_risk / max_risk
    return replace(
        base,
        max_risk=max_risk,
        min_agreements=max(3, math.ceil(DEFAULT.min_agreements * factor)),
        required_bits=max(14.0, DEFAULT.required_bits + 10 * math.log2(factor)),
    )


@dataclass(frozen=True, slots=True)
class Policies:
    """The policy of each scope: its own, or the one of all others."""

    default: Policy = DEFAULT
    own: Mapping[str, Policy] = field(default_factory=dict)

    def of(self, scope: str) -> Policy:
        """Return the policy of a tenant, or of `shared`."""
        return self.own.get(scope, self.default)


ONE_POLICY = Policies()
"""The default's, for every scope."""


def policies_with(**thresholds: Any) -> Policies:
    """Return policies that are the default's but for these thresholds, for every scope.

    >>> policies_with(audit_rate=0.1).of("acme").audit_rate
    0.1
    """
    return Policies(overridden(DEFAULT, thresholds))


def overridden(base: Policy, given: Mapping[str, Any]) -> Policy:
    """Return a policy with some thresholds of its own; raise ValueError for what is none.

    What follows from `max_risk` follows from the one that is given here.

    >>> overridden(DEFAULT, {"max_risk": 0.005, "min_repeats": 9}).min_agreements
    10
    >>> overridden(DEFAULT, {"min_pairs": 0})
    Traceback (most recent call last):
    ValueError: min_pairs 0 is not within 2 and 1000
    """
    unknown = sorted(given.keys() - THRESHOLDS.keys())
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no threshold; there are {', '.join(THRESHOLDS)}")
    if "max_risk" in given:
        base = policy_for(given["max_risk"], base)
    return replace(base, **given)

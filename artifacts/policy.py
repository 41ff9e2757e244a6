"""The policy table: every threshold of learning, admission and quarantine, with its reason."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds of one tenant. Bits are −log₂ P₀(answer) under `answer_bits`.

    min_pairs: a cluster is tried from this many different pairs on; with fewer, almost any
        program fits.
    required_bits: what held-out agreements must earn, after the price of the candidates tried,
        before a version may serve. Three numbers (30 bits) are not enough, four are.
    min_agreements: held-out agreements on different slot values, however many bits each earns.
    min_repeats: the same for a slotless family, whose text can only repeat.
    min_distinct: different values that each open slot must have been seen with; a program that
        rests on a slot that hardly varied is the main source of wrong answers.
    return_surcharge: bits that each return to shadow adds to `required_bits`.
    max_returns: returns to shadow after which a version is retired.
    max_families: versions in shadow or serving that one scope may hold; beyond, none is added.
    max_candidates: automata run for one utterance; beyond, abstain `too_many_candidates`.
    patience: agreements in shadow, as a multiple of min_agreements, after which a version that may
        still not serve no longer keeps its cluster from being learned anew.
    search_steps: counted steps of one search for a recipe.
    max_outlier_share: of a cluster's pairs that a recipe reads, so many may disagree (teachers err)
        before it is refused; each costs outlier_bits.
    """

    min_pairs: int = 4
    required_bits: float = 36.0
    min_agreements: int = 5
    min_repeats: int = 3
    min_distinct: int = 3
    return_surcharge: float = 40.0
    max_returns: int = 2
    max_families: int = 20_000
    max_candidates: int = 64
    patience: int = 2
    search_steps: int = 40_000
    max_outlier_share: float = 0.1
    outlier_bits: float = 20.0

    def search_price(self, tried: int) -> float:
        """Return the bits that a recipe owes for the candidates tried before it was found."""
        return math.log2(tried + 1)


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

"""Where audits tell most: the young versions, within a budget.

Each answer has a probability π of being audited, known before anything is drawn. All have the
least; a version's first answers have more, falling with the root of their number: to learn the most
about all families from so many audits, each is to have audits as the root of its weight
(Neyman 1934), and so answers π as one over it. The sum of π stays within the budget:

    Σ π ≤ audit_rate × answers so far + ALLOWANCE

The budget is a tenant's. A process that starts again begins a new count. Probabilities are recorded
with every audit, and no answer depends on them.
"""

import math
from dataclasses import dataclass, field

from artifacts.policy import Policies

LEAST_SHARE = 0.8
"""The least probability, as a share of the audit rate; the rest of the budget is for the young. The
fleet's certified risk is as wide as this is small."""

FIRST = 0.5
"""The probability of a version's first answer."""

ALLOWANCE = 9.99
"""What may be spent ahead: ten, but for what additions round."""


def least_probability(audit_rate: float) -> float:
    """Return the probability that no answer goes below.

    >>> least_probability(0.05), least_probability(1.0)
    (0.04000000000000001, 1.0)
    """
    return audit_rate if audit_rate >= FIRST else LEAST_SHARE * audit_rate


@dataclass(slots=True)
class Placed:
    """The answers that one tenant was given, by digest of their version, and what is spent."""

    audit_rate: float
    answered: int = 0
    spent: float = 0.0
    by_digest: dict[str, int] = field(default_factory=dict)

    def place(self, digest: str) -> float:
        """Return the probability of auditing the next answer, which is one of this version."""
        rate = self.audit_rate
        if rate <= 0:
            return 0.0
        self.answered += 1
        count = self.by_digest[digest] = self.by_digest.get(digest, 0) + 1
        left = rate * self.answered + ALLOWANCE - self.spent
        wanted = max(least_probability(rate), min(FIRST / math.sqrt(count), left))
        probability = min(1.0, wanted)
        self.spent += probability
        return probability


@dataclass(slots=True)
class Audits:
    """Where audits are placed: a budget for each tenant, at the rate of its policy."""

    policies: Policies
    by_tenant: dict[str, Placed] = field(default_factory=dict)

    def place(self, tenant: str, digest: str) -> float:
        """Return the probability of auditing the next answer of this tenant by this version."""
        placed = self.by_tenant.get(tenant)
        if placed is None:
            placed = self.by_tenant[tenant] = Placed(self.policies.of(tenant).audit_rate)
        return placed.place(digest)

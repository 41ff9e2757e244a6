"""Where audits tell most: canaries, young versions, unusual slot values, within a budget.

Each answer has a probability π of being audited, known before anything is drawn. All have the
least; a version's first answers have more, falling with the root of their number: to learn the most
about all families from so many audits, each is to have audits as the root of its weight
(Neyman 1934), and so answers π as one over it. An answer with a slot value that its version has not
had before is counted among those alone; one of a canary has all that the budget allows. The sum of
π stays within it:

    Σ π ≤ audit_rate × answers so far + ALLOWANCE

The budget is a tenant's. A process that starts again begins a new count, and all values are new to
it. Probabilities are recorded
with every audit, and no answer depends on them.
"""

import math
from dataclasses import dataclass, field

from artifacts.grammar.nfa import Bindings
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


VALUES, ALL_VALUES, LONGEST = 256, 100_000, 64
"""Slot values that are remembered of one version, of a tenant's in all, and the code points of
each; what is not remembered stays new."""


@dataclass(slots=True)
class _Answers:
    """The answers of one version: how many, how many with a new value, and the values by slot."""

    count: int = 0
    unusual: int = 0
    room: int = VALUES
    values: dict[str, set[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Placed:
    """The answers that one tenant was given, by digest of their version, and what is spent."""

    audit_rate: float
    answered: int = 0
    spent: float = 0.0
    room: int = ALL_VALUES
    by_digest: dict[str, _Answers] = field(default_factory=dict)
    least: float = field(init=False)

    def __post_init__(self) -> None:
        self.least = least_probability(self.audit_rate)

    def place(self, digest: str, bindings: Bindings, *, is_canary: bool = False) -> float:
        """Return the probability of auditing the next answer, which is one of this version."""
        rate = self.audit_rate
        if rate <= 0:
            return 0.0
        self.answered += 1
        answers = self.by_digest.get(digest)
        if answers is None:
            answers = self.by_digest[digest] = _Answers()
        answers.count = count = answers.count + 1
        values, is_unusual = answers.values, False
        for slot, bound in bindings.items():
            known = values.get(slot)
            if known is None or bound.spelling not in known:
                is_unusual = True
                if answers.room:
                    self._remember(answers, slot, bound.spelling)
        if is_unusual:
            answers.unusual = count = answers.unusual + 1
        left = rate * self.answered + ALLOWANCE - self.spent
        likely = 1.0 if is_canary else FIRST / math.sqrt(count)
        probability = min(1.0, max(self.least, likely * min(1.0, left)))
        self.spent += probability
        return probability

    def _remember(self, answers: _Answers, slot: str, value: str) -> None:
        if self.room and len(value) <= LONGEST:
            answers.values.setdefault(slot, set()).add(value)
            answers.room -= 1
            self.room -= 1


@dataclass(slots=True)
class Audits:
    """Where audits are placed: a budget for each tenant, at the rate of its policy."""

    policies: Policies
    by_tenant: dict[str, Placed] = field(default_factory=dict)

    def place(
        self, tenant: str, digest: str, bindings: Bindings, *, is_canary: bool = False
    ) -> float:
        """Return the probability of auditing the next answer of this tenant by this version."""
        placed = self.by_tenant.get(tenant)
        if placed is None:
            placed = self.by_tenant[tenant] = Placed(self.policies.of(tenant).audit_rate)
        return placed.place(digest, bindings, is_canary=is_canary)

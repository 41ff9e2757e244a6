"""What a source's rejects are worth: how often the teacher confirmed them, how often it refuted.

A reject is confirmed where the teacher, asked again, answers otherwise than the family did, and
refuted where it agrees. A trusted source is believed until "at most half of its rejects are
refuted" is no longer to be believed, and again once "at most half are confirmed" is not: each
verdict multiplies the evidence against what is believed by 1 + BET or 1 − BET, it never falls
below 1, and at ODDS the belief changes sides. From a clean record that takes eight in a row. It is
the CUSUM form of an e-detector (Page 1954; Shin, Ramdas, Rinaldo, arXiv 2203.03532): a source that
is right in half of its rejects makes on average at least ODDS of them before it is believed no
more, one that is mostly right very many. It forgets on purpose: by a share over a whole life (a
Beta posterior) an old account could pay for a thousand wrong rejects.

Nothing here makes a source trusted that the settings do not name.
"""

from dataclasses import dataclass, field, replace

from immutables import Map

BET = 0.5
ODDS = 20.0


@dataclass(frozen=True, slots=True)
class Standing:
    """One source's record with one tenant: `doubt` is the evidence against what is believed of it.

    `confirmed` and `refuted` count all of its rejects that were looked into.
    """

    is_believed: bool = True
    doubt: float = 1.0
    confirmed: int = 0
    refuted: int = 0


def judged(standing: Standing, *, confirmed: bool) -> Standing:
    """Return the standing after one more reject that was confirmed or refuted.

    >>> standing = Standing()
    >>> for _ in range(8):
    ...     standing = judged(standing, confirmed=False)
    >>> standing.is_believed, standing.refuted
    (False, 8)
    """
    speaks_against = confirmed != standing.is_believed
    doubt = max(1.0, standing.doubt * (1 + BET if speaks_against else 1 - BET))
    changes = doubt >= ODDS
    return Standing(
        standing.is_believed != changes,
        1.0 if changes else doubt,
        standing.confirmed + confirmed,
        standing.refuted + (not confirmed),
    )


@dataclass(frozen=True, slots=True)
class RejectBudget:
    """How many rejects of one tenant the teacher was asked about, by source, for so many answers.

    At most rate × answers + ahead in all. Of that the k-th source may have one part in k + 1 while
    there are k, so that a part is left for one that is not heard of yet; and everybody's first is
    only up to what is left in all. Names that are invented are not told from others: who may give
    feedback is decided at the door.
    """

    answers: int = 0
    spent: int = 0
    by_source: Map[str, int] = field(default_factory=Map)

    def answered(self) -> "RejectBudget":
        """Return the budget after one more answer was served."""
        return replace(self, answers=self.answers + 1)

    def spend(self, source: str, rate: float, ahead: int) -> "RejectBudget | None":
        """Return the budget after one more question on behalf of a source; None where none is left.

        >>> budget = RejectBudget(answers=100)
        >>> while (after := budget.spend("loud", 0.02, 4)) is not None:
        ...     budget = after
        >>> budget.spent, budget.spend("another", 0.02, 4) is not None
        (3, True)
        """
        own = self.by_source.get(source, 0)
        sources = len(self.by_source) + (own == 0)
        most = rate * self.answers + ahead
        if self.spent + 1 > most or (own and own + 1 > most / (sources + 1)):
            return None
        return replace(self, spent=self.spent + 1, by_source=self.by_source.set(source, own + 1))

"""Certificates: what atoms of evidence say of the error of one family version, and how it is said.

A certificate is about one version, against one target (teacher, truth, judged) on one stratum; no
two strata are pooled, for they are other distributions of texts and other errors. Every part of the
fold is a minimum, a maximum or a set, so that neither the order of atoms nor their repetition
matters; of a sample with contradictory atoms the disagreement counts (artifacts.evidence).

| stratum | is drawn from                                                     | may be said of    |
|---------|-------------------------------------------------------------------|-------------------|
| replay  | logged pairs that were held out; the candidate was chosen on them  | these pairs       |
| phi     | texts that φ renders of values drawn over all that it reads        | all that it reads |
| shadow  | utterances that fell back while it read them                       | what falls back   |
| audit   | answers that it gave, drawn with a probability                     | live traffic      |

The bound is `anytime_upper`: for one version, whose digest never changes, as long as traffic and
teacher stay what they are, and as long as the probability of an audit does not depend on the text.
Where they change, what is left is the exact bound on the answers so far (artifacts.fleet_risk).
Replay pays for the search: of N candidates the bound is that at δ/N, N being 2 to its price in
bits. Pairs that a candidate was admitted in spite of are not among them, and are in the price.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from artifacts.evidence import Sampled, anytime_upper, log_e

DELTA: Final = 0.05
METHOD: Final = "e-process grid"

NOTHING: Final = Sampled()
"""No sample."""

STRATA: Final = ("audit", "shadow", "phi", "replay")
"""The strata of certificates, in the order shown; `rejected` and `inherited` are none."""

WHERE = {
    "audit": "on live traffic",
    "shadow": "on what falls back",
    "phi": "on texts that φ renders",
    "replay": "on logged pairs",
}
_NOUN = {"audit": "audits", "shadow": "comparisons", "phi": "probes", "replay": "comparisons"}


class Subject(NamedTuple):
    """What a certificate is about."""

    scope: str
    family: str
    version: int
    digest: str
    target: str
    stratum: str


@dataclass(slots=True)
class Samples:
    """A fold of atoms about one thing; whether each sample agreed, and what is known of them all.

    Times are of the records that held the atoms.
    """

    agreed: dict[str, bool] = field(default_factory=dict)
    errors: int = 0
    first: int | None = None
    last: int | None = None
    least: float = 1.0
    most: float = 0.0
    teachers: set[str] = field(default_factory=set)

    def add(
        self,
        sample_id: str,
        *,
        agreed: bool,
        time: int,
        probability: float = 1.0,
        teacher: str | None = None,
    ) -> None:
        """Take one atom."""
        before = self.agreed.get(sample_id, True)
        self.agreed[sample_id] = before and agreed
        self.errors += before and not agreed
        self.first = time if self.first is None else min(self.first, time)
        self.last = time if self.last is None else max(self.last, time)
        self.least, self.most = min(self.least, probability), max(self.most, probability)
        if teacher is not None:
            self.teachers.add(teacher)

    @property
    def sampled(self) -> Sampled:
        """How many samples there are, and how many of them disagreed at least once."""
        return Sampled(len(self.agreed), self.errors)


def error_bound(sampled: Sampled, delta: float = DELTA, price: float = 0.0) -> float:
    """Return the bound on the error rate, at δ over the candidates that were tried.

    >>> round(error_bound(Sampled(312, 0)), 4), round(error_bound(Sampled(312, 0), price=8.0), 4)
    (0.011, 0.0288)
    """
    return anytime_upper(sampled.errors, sampled.samples, delta * 2.0**-price)


def truth_bound(sampled: Sampled, noise: Sampled, delta: float = DELTA) -> float | None:
    """Return a bound on the error against the truth; None where nothing is known of self-noise.

    Where what a teacher says more often than not is the truth, it errs no more often than it
    disagrees with itself: ε_truth ≤ U(δ/2) + η_U(δ/2). Nothing here sees a teacher that is wrong in
    the same way each time.
    """
    if not noise.samples:
        return None
    return min(1.0, error_bound(sampled, delta / 2) + error_bound(noise, delta / 2))


def log_e_value(sampled: Sampled, rate: float, price: float = 0.0) -> float:
    """Return the log of the evidence that the error is below `rate`, less what the search costs."""
    return log_e(sampled.errors, sampled.samples, rate) - price * math.log(2)


def paid(subject: Subject, price: float) -> float:
    """Return the part of a version's price that a certificate pays: samples that came after the
    version was fixed owe nothing.
    """
    return price if subject.stratum == "replay" else 0.0


def row_of(
    subject: Subject, samples: Samples, *, price: float = 0.0, noise: Sampled = NOTHING
) -> dict[str, Any]:
    """Return a certificate as a document; times are those of the records, in microseconds.

    `noise` is how often the teacher disagreed with itself: no bound is claimed below that share.
    """
    sampled = samples.sampled
    bound = error_bound(sampled, price=paid(subject, price))
    is_taught = subject.target == "teacher"
    if is_taught and noise.samples:
        bound = max(bound, noise.errors / noise.samples)
    return subject._asdict() | {
        "samples": sampled.samples,
        "errors": sampled.errors,
        "error_bound": bound,
        "truth_bound": truth_bound(sampled, noise) if is_taught else None,
        "method": METHOD,
        "delta": DELTA,
        "price_bits": price,
        "since": samples.first,
        "until": samples.last,
        "teachers": sorted(samples.teachers),
        "least_probability": samples.least,
        "most_probability": samples.most,
    }


def noise_row(scope: str, teacher: str, samples: Samples) -> dict[str, Any]:
    """Return how often a teacher disagrees with itself, as a document."""
    sampled = samples.sampled
    return {
        "scope": scope,
        "teacher": teacher,
        "samples": sampled.samples,
        "errors": sampled.errors,
        "error_bound": error_bound(sampled),
        "method": METHOD,
        "delta": DELTA,
        "since": samples.first,
        "until": samples.last,
    }


# --- how it is said -------------------------------------------------------------------------------


def shown_share(share: float) -> str:
    """Return a bound in per cent, never rounded down.

    >>> shown_share(0.01107), shown_share(1.0), shown_share(0.02)
    ('1.11 %', '100 %', '2 %')
    """
    return f"{math.ceil(share * 1e4 - 1e-7) / 100:g} %"


def sentence(row: Mapping[str, Any]) -> str:
    """Say what a certificate says, no more: never that a family is right.

    >>> audits = Samples(dict.fromkeys("abc", True), least=0.02, most=0.02)
    >>> sentence(row_of(Subject("acme", "minutes", 3, "d", "teacher", "audit"), audits))
    'error vs teacher on live traffic ≤ 67.79 % (95 %, anytime-valid; 3 audits, 0 errors; π = 2 %)'
    """
    stratum = row["stratum"]
    said = (
        f"error vs {row['target']} {WHERE[stratum]} ≤ {shown_share(row['error_bound'])} "
        f"({_surety(row)}; {row['samples']} {_NOUN[stratum]}, {row['errors']} errors"
    )
    if stratum == "audit":
        least, most = row["least_probability"], row["most_probability"]
        said += f"; π = {_shown(least)}" if least == most else f"; π ≥ {_shown(least)}"
    if stratum == "replay":
        said += f"; {row['price_bits']:.3g} bits paid for the search"
    return said + ")"


def noise_sentence(row: Mapping[str, Any]) -> str:
    """Say how often a teacher disagrees with itself."""
    return (
        f"{row['teacher']} disagrees with itself in ≤ {shown_share(row['error_bound'])} of the "
        f"texts that it is asked twice ({_surety(row)}; {row['samples']} pairs of answers, "
        f"{row['errors']} differ)"
    )


def truth_sentence(row: Mapping[str, Any]) -> str | None:
    """Say what follows for the truth, and when; None where it is not known."""
    if row["truth_bound"] is None:
        return None
    return (
        f"error vs truth {WHERE[row['stratum']]} ≤ {shown_share(row['truth_bound'])}, if what the "
        "teacher says more often than not is the truth"
    )


def _surety(row: Mapping[str, Any]) -> str:
    return f"{100 * (1 - row['delta']):g} %, anytime-valid"


def _shown(probability: float) -> str:
    return f"{100 * probability:.3g} %"

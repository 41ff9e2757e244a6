"""Has the world changed? An e-detector over the audits of versions that were right until now.

    M ← (M + 1) · L      L = p₁/p₀ for an error, (1 − p₁)/(1 − p₀) for an agreement

with an alarm at M ≥ 1/α: the Shiryaev–Roberts e-detector of Shin, Ramdas & Rinaldo (E-detectors,
arXiv 2203.03532). Nothing has changed while each counted sample is wrong with a probability of at
most p₀, given all before it. Then, as p₁ > p₀, E[L | before] ≤ 1 and M less the number of samples
is a supermartingale: at the alarm E[samples] ≥ E[M] ≥ 1/α. That is the promise: the mean time to a
false alarm is at least 1/α samples, however often one looks, and nothing is promised of a share of
runs without one (in the long run each has one).

Assumed is that what decides whether a sample counts is known before its outcome: which answers are
audited and how probably, which versions are seasoned. So audits need no weights where their
probabilities differ, but p₀ must hold for every answer that may be drawn, not only in the mean.
A version leaves service at its first error, hence it adds one error at most: that a single version
is wrong is no drift, and a few errors in a row are errors of a few versions.

What would not do: a cumulative sum (M ← max(1, M) · L) against 1/α stays below M and is slower for
nothing; against 20, as if it looked once, it has a false alarm each 150 samples where p₀ = .05;
Wald's test at 5 %, begun again whenever it finds nothing, each 320; the rule "two errors in the
last twenty" each 55.

The statistic depends on the order of the samples: it is that of the log, the same at each replay.
"""

from dataclasses import dataclass, field

from immutables import Map

from artifacts.policy import Policy


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit of a seasoned version: of which answer, of which version, and whether it agreed."""

    sample_id: str
    digest: str
    agreed: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """The detector of one scope.

    Samples, errors and agreements by digest are those of the run that may end in an alarm: since
    drift began, if it has. It is over when the likelihood of the run, page ← max(1, page) · L, is
    back at 1 (Page 1954).
    """

    statistic: float = 0.0
    page: float = 1.0
    samples: int = 0
    errors: int = 0
    agreed: Map[str, int] = field(default_factory=Map)
    counted: Map[str, None] = field(default_factory=Map)


@dataclass(frozen=True, slots=True)
class Alarm:
    """Drift was found: the statistic, the run's samples and errors, its agreements by digest."""

    statistic: float
    samples: int
    errors: int
    agreed: Map[str, int]

    def has_confirmed(self, digest: str, policy: Policy) -> bool:
        """Return whether the version was right often enough since the drift began."""
        return self.agreed.get(digest, 0) >= policy.recheck_agreements

    def __str__(self) -> str:
        return f"drift: {self.errors} of {self.samples} audits failed, M {self.statistic:.0f}"


def likelihood_ratio(policy: Policy, *, agreed: bool) -> float:
    """Return L, whose mean is at most 1 where the probability of an error is at most p₀."""
    p0, p1 = policy.drift_p0, policy.drift_p1
    return (1 - p1) / (1 - p0) if agreed else p1 / p0


def watched(watch: Watch, audit: Audit, policy: Policy) -> tuple[Watch, Alarm | None]:
    """Add one audit; after an alarm the detector begins anew. Adding it twice changes nothing."""
    sample = f"{audit.sample_id}|{audit.digest}"
    if sample in watch.counted or not policy.drift_alpha:
        return watch, None
    counted = watch.counted.set(sample, None)
    ratio = likelihood_ratio(policy, agreed=audit.agreed)
    statistic, page = (watch.statistic + 1) * ratio, watch.page * ratio
    if page <= 1:
        return Watch(statistic, counted=counted), None
    agreed = watch.agreed
    if audit.agreed:
        agreed = agreed.set(audit.digest, agreed.get(audit.digest, 0) + 1)
    samples, errors = watch.samples + 1, watch.errors + (not audit.agreed)
    if statistic * policy.drift_alpha >= 1:
        return Watch(counted=counted), Alarm(statistic, samples, errors, agreed)
    return Watch(statistic, page, samples, errors, agreed, counted), None

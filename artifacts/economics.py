"""What families cost and save, as arithmetic: calls, break-even, expected cost, what is still new.

The yardstick is asking the teacher about every utterance. Against it an answer of a family saves a
call, and an audit or a recall of that answer spends it after all: it is counted once, so that

    avoided = answered − audits − recalls
    answered ≥ 1 + retries + recipe calls + audits + recalls + probes

are the calls that were not made, and the condition under which a family has broken even. The same
condition says that the calls avoided cover the lesson, the recipe calls, the retries and the
probes. An answer that the teacher was asked about twice takes two calls from what was avoided.
"""

from dataclasses import dataclass, field
from typing import Final

MAX_SKELETONS: Final = 100_000
_HASH_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Calls:
    """How often one family, or a fleet, answered and had the teacher called.

    `taught` are the completions that it was learned from; each was somebody's answer as well.
    `retries` are the calls for a recipe after the first one, repairs included. `probes` are calls
    about texts that nobody asked, or asked once already.
    """

    answered: int = 0
    taught: int = 0
    audits: int = 0
    recalls: int = 0
    recipe_calls: int = 0
    retries: int = 0
    probes: int = 0

    @property
    def avoided(self) -> int:
        """Calls that were not made: answers, without those that the teacher was asked about."""
        return self.answered - self.audits - self.recalls

    @property
    def upkeep(self) -> int:
        """Calls that were made for the family's sake alone."""
        return self.audits + self.recalls + self.recipe_calls + self.retries + self.probes

    @property
    def spent(self) -> int:
        """Calls that went into the family: the completions that taught it, and its upkeep."""
        return self.taught + self.upkeep


def break_even(calls: Calls, lessons: int = 1) -> int | None:
    """Return the calls spent [N*] once as many answers were given; None before that.

    `lessons` are the completions that are charged:
    one, without which there is no family, or all that taught it.

    >>> break_even(Calls(answered=3, audits=2)), break_even(Calls(answered=3, audits=3))
    (3, None)
    """
    cost = max(1, lessons) + calls.upkeep
    return cost if calls.answered >= cost else None


def expected_cost(coverage: float, deterministic: float, teacher: float) -> float:
    """Return E[C] = cov·c_det + (1 − cov)·c_M, in the unit of the two costs.

    >>> expected_cost(0.75, 100, 900_000)
    225075.0
    """
    return coverage * deterministic + (1 - coverage) * teacher


@dataclass(slots=True)
class SkeletonCounts:
    """How often each text skeleton was seen, by a 64-bit hash of it.

    At most `most` skeletons are held. Beyond, half of them, by one more low bit of the hash, are
    dropped and passed over from then on: what is held are all utterances of a sample of the
    skeletons, drawn by hash and not by frequency (Gibbons, VLDB 2001), so that shares among them
    stay estimates of the shares among all. The lowest `bits` of their hashes are zero.
    """

    most: int = MAX_SKELETONS
    bits: int = 0
    seen: dict[int, int] = field(default_factory=dict)

    def add(self, skeleton_hash: int) -> None:
        """Count one utterance with this skeleton."""
        if skeleton_hash & ((1 << self.bits) - 1):
            return
        self.seen[skeleton_hash] = self.seen.get(skeleton_hash, 0) + 1
        while len(self.seen) > self.most and self.bits < _HASH_BITS:
            self.bits += 1
            mask = (1 << self.bits) - 1
            self.seen = {known: n for known, n in self.seen.items() if not known & mask}

    @property
    def utterances(self) -> int:
        """Utterances [N] whose skeletons are held."""
        return sum(self.seen.values())

    @property
    def singletons(self) -> int:
        """Skeletons [n₁] that were seen once."""
        return sum(count == 1 for count in self.seen.values())


def known_share(counts: SkeletonCounts) -> float | None:
    """Return 1 − n₁/N: the estimated chance that the next skeleton was seen before (Good, 1953).

    None where nothing was seen. It takes the next utterance to be drawn like those so far.

    >>> known_share(SkeletonCounts(seen={1: 1, 2: 3}))
    0.75
    """
    seen = counts.utterances
    return 1 - counts.singletons / seen if seen else None


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of utterances while this many families served; of a merged one, at its end."""

    families: int
    utterances: int = 0
    answered: int = 0

    @property
    def coverage(self) -> float:
        """Share of the window's utterances that families answered."""
        return self.answered / self.utterances if self.utterances else 0.0


def merged(windows: list[Window]) -> list[Window]:
    """Return the windows with neighbours put together, half as many."""
    pairs = [windows[start : start + 2] for start in range(0, len(windows), 2)]
    return [
        Window(pair[-1].families, sum(w.utterances for w in pair), sum(w.answered for w in pair))
        for pair in pairs
    ]

"""The accounts of a ledger: what calls took, and what one family cost and saved."""

from dataclasses import dataclass, field

from agents.teachers.estimate import estimated, estimated_price
from artifacts.economics import Calls, break_even
from streams.events import AuditAnswered, CompletionGiven, ProbeAnswered, RecallAnswered

Completion = CompletionGiven | AuditAnswered | RecallAnswered | ProbeAnswered


@dataclass(slots=True)
class Purse:
    """Calls that were made, with their tokens, their dollars, and their latency in microseconds.

    `free` calls are those of a question that was in flight already. Dollars of reported tokens
    whose price is not reported are estimated from the tokens.
    """

    calls: int = 0
    refused: int = 0
    free: int = 0
    tokens_reported: int = 0
    tokens_estimated: int = 0
    dollars_reported: float = 0.0
    dollars_estimated: float = 0.0
    latency_us: int = 0
    latencies_estimated: int = 0

    def refuse(self) -> None:
        """Take a call that brought no answer."""
        self.calls += 1
        self.refused += 1

    def estimate(self, tokens: int) -> None:
        """Take a call that reports nothing."""
        self.calls += 1
        self.tokens_estimated += tokens
        self.dollars_estimated += estimated_price(tokens)

    def add(self, said: Completion, *, is_free: bool) -> None:
        """Take a completion; `is_free` where it came with another one's call."""
        self.calls += 1
        if said.tokens:
            self.tokens_reported += said.tokens
        elif is_free:
            self.free += 1
        guess = estimated(said.text, said.answer)
        if not said.tokens and not is_free:
            self.tokens_estimated += guess.tokens
        if said.price:
            self.dollars_reported += said.price
        elif not is_free:
            self.dollars_estimated += estimated_price(said.tokens or guess.tokens)
        self.latency_us += said.latency_us or guess.latency_us
        self.latencies_estimated += not said.latency_us

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.tokens_reported + self.tokens_estimated

    @property
    def dollars(self) -> float:
        """All dollars."""
        return self.dollars_reported + self.dollars_estimated

    @property
    def answered(self) -> int:
        """Calls that brought an answer."""
        return self.calls - self.refused


@dataclass(slots=True)
class Account:
    """One family: its calls, what its upkeep took, the tokens it saved, when it broke even.

    `broke_even` are the calls spent [N*] when it had, since when it always has; it counts one
    lesson, `broke_even_taught` every completion that taught it. Tokens avoided are estimated.
    """

    calls: Calls = field(default_factory=Calls)
    upkeep: Purse = field(default_factory=Purse)
    searches: int = 0
    tokens_avoided: int = 0
    broke_even: int | None = None
    broke_even_taught: int | None = None

    def settle(self) -> None:
        """Note when the family has broken even, and forget it when that is no longer so.

        An audit often follows on the answer with which a family seemed to have broken even.
        """
        self.broke_even = _first(self.broke_even, break_even(self.calls))
        taught = break_even(self.calls, self.calls.taught)
        self.broke_even_taught = _first(self.broke_even_taught, taught)


def _first(before: int | None, now: int | None) -> int | None:
    return before if before is not None and now is not None else now


@dataclass(slots=True)
class Tries:
    """Replies about a cluster that have not led to a family yet."""

    upkeep: Purse = field(default_factory=Purse)
    searches: int = 0

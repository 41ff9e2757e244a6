"""What keeps a teacher from being asked too often: retries, a circuit breaker, a token budget.

    persistently(attempt)
        breaker open? ─▶ TeacherPaused
        attempt ─▶ reply | error ─▶ retriable? ─▶ wait, with full jitter ─▶ again

Any teacher may use them. Clock, sleep and draw are arguments; nothing here reads time by itself.

Why every attempt counts for the breaker and not every question: a window of questions is in flight
at once, and counting questions would let each of them try several times before the first one
reports. Why an attempt reserves the most it may cost before it asks and settles afterwards:
counting only what was used lets the whole window start on the budget's last token.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from agents.teachers import QuestionRejected, TeacherError, TeacherPaused, TeacherUnavailable

T = TypeVar("T")
Clock = Callable[[], float]
"""Seconds, monotonic, from any start."""
Sleep = Callable[[float], Awaitable[None]]
Draw = Callable[[], float]
"""A number from 0 inclusive to 1 exclusive."""


@dataclass(frozen=True, slots=True)
class Retries:
    """At most `attempts` in all; waits are bounded by `cap`, in seconds."""

    attempts: int = 4
    base: float = 0.5
    cap: float = 30.0

    def wait(self, failures: int, draw: float, asked: float | None = None) -> float:
        """Return the seconds to wait after so many failures (1 or more).

        Exponential with full jitter, but not less than was `asked` for; never more than `cap`.

        >>> [Retries(base=1, cap=5).wait(failures, 0.5) for failures in (1, 2, 3, 4)]
        [0.5, 1.0, 2.0, 2.5]
        >>> [Retries(base=1, cap=5).wait(1, 0.5, asked) for asked in (0.1, 3, 3600)]
        [0.5, 3, 5]
        """
        ceiling = min(self.cap, self.base * 2.0 ** min(failures - 1, 60))
        return max(draw * ceiling, min(asked or 0.0, self.cap))


@dataclass(slots=True)
class Breaker:
    """Closed, until `failures` attempts in a row have failed; then open for `seconds`.

    After that it is half-open: one attempt is let through, and another each `seconds`, until one
    succeeds. (One, not one at a time: an attempt that never reports must not keep it open.)
    """

    failures: int
    seconds: float
    clock: Clock
    _failed: int = field(default=0, init=False)
    _open_until: float = field(default=0.0, init=False)

    def is_open(self) -> bool:
        """Return whether an attempt made now would be refused."""
        return self._failed >= self.failures and self.clock() < self._open_until

    def admits(self) -> bool:
        """Return whether an attempt may be made now; when half-open, this takes the one place."""
        if self.is_open():
            return False
        self._open_until = self.clock() + self.seconds
        return True

    def succeeded(self) -> None:
        """Note that the teacher lives."""
        self._failed = 0

    def failed(self) -> None:
        """Note one more failure in a row."""
        self._failed += 1
        self._open_until = self.clock() + self.seconds


@dataclass(frozen=True, slots=True)
class Reservation:
    """Tokens set aside in one window of a budget."""

    window: int
    tokens: int


@dataclass(slots=True)
class Budget:
    """At most `tokens` in each window of `seconds`; windows are cut from the clock's zero.

    >>> budget = Budget(tokens=100, seconds=60, clock=lambda: 0)
    >>> reservation = budget.reserve(80)
    >>> budget.settle(reservation, used=30)
    >>> budget.left()
    70
    """

    tokens: int
    seconds: float
    clock: Clock
    _window: int = field(default=0, init=False)
    _spent: int = field(default=0, init=False)

    def left(self) -> int:
        """Return how many tokens of the current window are neither used nor reserved."""
        window = int(self.clock() // self.seconds)
        if window != self._window:
            self._window, self._spent = window, 0
        return max(0, self.tokens - self._spent)

    def reserve(self, tokens: int) -> Reservation:
        """Set `tokens` aside, or raise TeacherPaused when fewer are left."""
        left = self.left()
        if tokens > left:
            raise TeacherPaused(
                f"budget: a question may cost {tokens} tokens; "
                f"{left} of {self.tokens} per {self.seconds:g} s are left"
            )
        self._spent += tokens
        return Reservation(self._window, tokens)

    def settle(self, reservation: Reservation, used: int) -> None:
        """Count what was `used` in place of what was reserved; a past window stays as it is."""
        self.left()
        if reservation.window == self._window:
            self._spent += used - reservation.tokens


async def persistently(
    attempt: Callable[[], Awaitable[T]],
    *,
    retries: Retries,
    breaker: Breaker,
    sleep: Sleep,
    draw: Draw,
) -> T:
    """Return what `attempt` returns; ask again after retriable errors, else raise the last one."""
    failures = 0
    while True:
        if not breaker.admits():
            raise TeacherPaused(f"breaker: {breaker.failures} attempts in a row have failed")
        try:
            result = await attempt()
        except TeacherPaused:
            raise
        except QuestionRejected:
            breaker.succeeded()
            raise
        except TeacherError as error:
            failures += 1
            breaker.failed()
            if not error.retriable or failures >= retries.attempts or breaker.is_open():
                raise
            asked = error.wait if isinstance(error, TeacherUnavailable) else None
        else:
            breaker.succeeded()
            return result
        await sleep(retries.wait(failures, draw(), asked))

"""Limits: what is waited for, when a breaker lets through, what a budget has left."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from agents.teachers import (
    QuestionRejected,
    TeacherError,
    TeacherMisconfigured,
    TeacherPaused,
    TeacherSilent,
    TeacherUnavailable,
)
from agents.teachers.limits import Breaker, Budget, Retries, persistently

RETRIES = Retries(attempts=3, base=1.0, cap=10.0)


@dataclass(slots=True)
class Time:
    """A clock that only sleeping moves, and every sleep it was asked for."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass(slots=True)
class Attempts:
    """Ends as its outcomes say, one after the other: text is returned, an error raised."""

    outcomes: Sequence[str | TeacherError]
    made: int = 0

    async def __call__(self) -> str:
        outcome = self.outcomes[self.made]
        self.made += 1
        if isinstance(outcome, TeacherError):
            raise outcome
        return outcome


BUSY = TeacherUnavailable("busy")
SILENT = TeacherSilent("silent")
PATIENT = TeacherUnavailable("later", wait=4.0)
WRONG = TeacherMisconfigured("wrong key")
ODD = QuestionRejected("too odd")
SPENT = TeacherPaused("budget")

PERSISTED: dict[str, tuple[list[str | TeacherError], str | TeacherError, list[float]]] = {
    "at-once": (["yes"], "yes", []),
    "after-two-failures": ([BUSY, SILENT, "yes"], "yes", [0.5, 1.0]),
    "as-late-as-asked": ([PATIENT, "yes"], "yes", [4.0]),
    "the-last-error-counts": ([SILENT, SILENT, BUSY, "never"], BUSY, [0.5, 1.0]),
    "not-with-a-wrong-key": ([WRONG, "never"], WRONG, []),
    "not-with-an-odd-question": ([ODD, "never"], ODD, []),
    "not-without-budget": ([BUSY, SPENT, "never"], SPENT, [0.5]),
}


@pytest.mark.parametrize(("outcomes", "end", "slept"), PERSISTED.values(), ids=PERSISTED)
async def test_asks_again_only_where_that_may_help(
    outcomes: list[str | TeacherError], end: str | TeacherError, slept: list[float]
) -> None:
    time, attempts = Time(), Attempts(outcomes)
    said: str | TeacherError
    try:
        said = await persistently(
            attempts,
            retries=RETRIES,
            breaker=Breaker(100, 60.0, time.clock),
            sleep=time.sleep,
            draw=lambda: 0.5,
        )
    except TeacherError as error:
        said = error
    assert said == end
    assert time.slept == slept
    assert attempts.made == len(slept) + 1


async def test_an_open_breaker_ends_the_retries_with_the_error_that_opened_it() -> None:
    time, attempts = Time(), Attempts([BUSY, BUSY, BUSY])
    breaker = Breaker(2, 60.0, time.clock)

    async def ask() -> str:
        return await persistently(
            attempts, retries=RETRIES, breaker=breaker, sleep=time.sleep, draw=lambda: 0.0
        )

    with pytest.raises(TeacherUnavailable, match="busy"):
        await ask()
    with pytest.raises(TeacherPaused, match="2 attempts in a row have failed"):
        await ask()
    assert attempts.made == 2


async def test_a_rejected_question_shows_that_the_teacher_lives() -> None:
    time = Time()
    breaker = Breaker(2, 60.0, time.clock)
    breaker.failed()
    with pytest.raises(QuestionRejected):
        await persistently(
            Attempts([ODD]), retries=RETRIES, breaker=breaker, sleep=time.sleep, draw=lambda: 0.0
        )
    breaker.failed()
    assert breaker.admits()


def test_every_wait_is_within_its_cap() -> None:
    waits = [RETRIES.wait(n, 1.0, asked) for n in (1, 5, 5_000) for asked in (None, 0.0, 1e9)]
    assert waits == [1.0, 1.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0]


def test_the_breaker_opens_after_failures_in_a_row_and_closes_on_success() -> None:
    time = Time()
    breaker = Breaker(2, 60.0, time.clock)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.admits()
    breaker.failed()
    assert [breaker.admits() for _ in range(2)] == [False, False]
    time.now = 59.9
    assert not breaker.admits()
    time.now = 60.0
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    time.now = 120.0  # the one that was let through never reported
    assert [breaker.admits() for _ in range(2)] == [True, False]
    breaker.succeeded()
    assert [breaker.admits() for _ in range(3)] == [True, True, True]


def test_a_half_open_breaker_opens_again_on_the_first_failure() -> None:
    time = Time()
    breaker = Breaker(2, 60.0, time.clock)
    breaker.failed()
    breaker.failed()
    time.now = 60.0
    assert breaker.admits()
    time.now = 70.0
    breaker.failed()
    time.now = 129.9
    assert not breaker.admits()
    time.now = 130.0
    assert breaker.admits()


def test_a_budget_is_never_promised_twice() -> None:
    time = Time()
    budget = Budget(100, 60.0, time.clock)
    first, _ = budget.reserve(40), budget.reserve(60)
    with pytest.raises(TeacherPaused, match="may cost 1 tokens; 0 of 100 per 60 s are left"):
        budget.reserve(1)
    budget.settle(first, used=10)
    assert budget.left() == 30


def test_a_window_begins_anew_and_late_news_of_the_last_one_change_nothing() -> None:
    time = Time(now=59.0)
    budget = Budget(100, 60.0, time.clock)
    late = budget.reserve(80)
    time.now = 60.0
    assert budget.left() == 100
    budget.settle(late, used=5)
    assert budget.left() == 100


def test_a_reply_dearer_than_reserved_is_counted_in_full() -> None:
    budget = Budget(100, 60.0, Time().clock)
    budget.settle(budget.reserve(50), used=120)
    assert budget.left() == 0

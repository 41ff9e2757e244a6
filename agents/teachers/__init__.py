"""The teacher protocol: whoever answers what no family answers.

    TeacherError
    ├── TeacherUnavailable       no answer now: rate limit, 5xx, no connection     retriable
    │   └── TeacherSilent        asked, but no reply came; may have cost tokens    retriable
    ├── TeacherPaused            not asked: breaker open, budget spent             retriable, later
    ├── TeacherMisconfigured     no answer ever: wrong key, unknown model          not retriable
    └── QuestionRejected         no answer to this question: the teacher cannot
                                 read it                                           not retriable

A refusal is an answer of its own kind (`Refused`), not an exception.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from pydantic import JsonValue


class TeacherError(Exception):
    """Base of everything a teacher raises."""

    retriable: ClassVar[bool] = False


class TeacherUnavailable(TeacherError):
    """The teacher cannot answer now; `wait` is how many seconds it asks us to leave it alone."""

    retriable: ClassVar[bool] = True

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class TeacherSilent(TeacherUnavailable):
    """The question went out and no whole reply came back."""


class TeacherPaused(TeacherError):
    """Our own limits kept the question back; asking again at once is useless, later is not."""

    retriable: ClassVar[bool] = True


class TeacherMisconfigured(TeacherError):
    """The teacher will never answer as it is set up."""


class QuestionRejected(TeacherError):
    """The teacher takes this question for malformed; others may fare better."""


@dataclass(frozen=True, slots=True)
class Question:
    """One utterance put to a teacher."""

    tenant: str
    utterance_id: str
    text: str
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A teacher's answer; `None` means that no reproducible answer exists. Price in dollars.

    `wording` is what the teacher would say to a person; it is shown, never compared. `in_flight`:
    the question was not asked, an equal one was being answered.
    """

    answer: JsonValue
    tokens: int = 0
    price: float = 0.0
    latency_us: int = 0
    wording: str | None = None
    in_flight: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The teacher declines to answer; `reason` is for people."""

    reason: str


class Teacher(Protocol):
    """Answers utterances. `prefix` is the digest of the prompt prefix π, empty without one."""

    name: str
    prefix: str

    async def answer(self, question: Question) -> Reply | Refused:
        """Return the answer to `question`, or raise a TeacherError."""


@runtime_checkable
class Closing(Protocol):
    """A teacher that holds connections, and lets them go when told."""

    async def close(self) -> None:
        """Close every connection; the teacher answers no more."""

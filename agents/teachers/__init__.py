"""The teacher protocol: whoever answers what no family answers.

    TeacherError
    ├── TeacherUnavailable   no answer now: time-out, rate limit, 5xx      retriable
    └── TeacherMisconfigured no answer ever: wrong key, unknown model      not retriable

A refusal is an answer of its own kind (`Refused`), not an exception.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from pydantic import JsonValue


class TeacherError(Exception):
    """Base of everything a teacher raises."""

    retriable: ClassVar[bool] = False


class TeacherUnavailable(TeacherError):
    """The teacher cannot answer now."""

    retriable: ClassVar[bool] = True


class TeacherMisconfigured(TeacherError):
    """The teacher will never answer as it is set up."""


@dataclass(frozen=True, slots=True)
class Question:
    """One utterance put to a teacher."""

    tenant: str
    utterance_id: str
    text: str
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A teacher's answer; `None` means that no reproducible answer exists. Price in dollars."""

    answer: JsonValue
    tokens: int = 0
    price: float = 0.0
    latency_us: int = 0


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

"""The judge of a simulation: holds the answers and the draws, and reveals what the protocol allows.

No node may import it (a contract): what was never revealed cannot be used. `FileJudge` holds a log;
`LockstepJudge` speaks with a judge at the other end of stdin and stdout.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import IO, Protocol

from pydantic import JsonValue

from agents.logs import Row, read_object
from artifacts.comparators import public_form, same
from artifacts.values import draw_of
from streams.codec import sanitize_json

FEEDBACK_SOURCE = "simulation"


@dataclass(frozen=True, slots=True)
class Decision:
    """A line of D.jsonl, before the judge's verdict."""

    index: int
    id: JsonValue
    outcome: str
    answer: JsonValue
    family: str | None
    version: int | None
    revision: str
    reason: str | None
    probability: float

    @property
    def is_answered(self) -> bool:
        """Whether a family answered."""
        return self.outcome == "answered"

    def line(self, **more: JsonValue) -> str:
        """Return the JSON line, fields in a fixed order."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields | more, ensure_ascii=True)


@dataclass(frozen=True, slots=True)
class Revealed:
    """The row was abstained on, and its answer is revealed."""

    answer: JsonValue


@dataclass(frozen=True, slots=True)
class Audited:
    """The answer was drawn for an audit, and the teacher's is revealed."""

    answer: JsonValue


@dataclass(frozen=True, slots=True)
class Rejected:
    """A source rejects the answer, without a correction; that of the protocol is trusted."""

    source: str = FEEDBACK_SOURCE


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing is revealed."""


Verdict = Revealed | Audited | Rejected | Silent


class ProtocolError(Exception):
    """The other side of a lockstep simulation broke the protocol."""


class Judge(Protocol):
    """Reveals what the protocol allows for one row after another."""

    def verdict(self, decision: Decision) -> Verdict:
        """Return what is revealed after a decision."""

    def recall(self, decision: Decision) -> JsonValue:
        """Return the answer of a rejected row; asked at most once."""

    def no_recall(self, decision: Decision) -> None:
        """Say that a rejected row's answer is not asked for."""


def draw(seed: str, what: str, index: int) -> float:
    """Return the protocol's uniform draw in [0, 1) for a row."""
    return draw_of(f"{seed}|{what}|{index}")


def with_teacher_noise(rows: Sequence[Row], seed: str, noise: float) -> list[Row]:
    """Return the rows with drawn answers replaced by the latest earlier one that differs."""
    noisy: list[Row] = []
    last: Row | None = None
    other: Row | None = None
    for index, row in enumerate(rows):
        if last is not None and _differ(last.answer, row.answer):
            other = last
        wrong = last if last is not None and _differ(last.answer, row.answer) else other
        if wrong is not None and draw(seed, "teacher", index) < noise:
            noisy.append(replace(row, answer=wrong.answer, truth=row.right, has_truth=True))
        else:
            noisy.append(row)
        last = row
    return noisy


def _differ(a: JsonValue, b: JsonValue) -> bool:
    return public_form(a) != public_form(b)


@dataclass(frozen=True, slots=True)
class FileJudge:
    """Judges by a log's rows and hashed draws."""

    rows: Sequence[Row]
    seed: str
    feedback_rate: float
    feedback_noise: float = 0.0

    def verdict(self, decision: Decision) -> Verdict:
        """Return what is revealed after a decision."""
        row, index = self.rows[decision.index], decision.index
        if not decision.is_answered:
            return Revealed(row.answer)
        if draw(self.seed, "audit", index) < decision.probability:
            return Audited(row.answer)
        if not same(decision.answer, row.right):
            rejected = draw(self.seed, "feedback", index) < self.feedback_rate
        else:
            rejected = draw(self.seed, "noise", index) < self.feedback_noise
        return Rejected() if rejected else Silent()

    def recall(self, decision: Decision) -> JsonValue:
        """Return the answer of a rejected row."""
        return self.rows[decision.index].answer

    def no_recall(self, decision: Decision) -> None:
        """Do nothing: the log knows."""


@dataclass(frozen=True, slots=True)
class LockstepJudge:
    """Speaks the protocol's JSON lines; `written` sees every decision line."""

    source: IO[bytes]
    sink: Callable[[str], None]

    def verdict(self, decision: Decision) -> Verdict:
        """Send the decision and return what the judge says."""
        self.sink(decision.line())
        reply = self._read(decision)
        if not decision.is_answered:
            return Revealed(self._answer(reply, decision))
        if reply.get("audited") is True:
            return Audited(self._answer(reply, decision))
        return Rejected() if reply.get("rejected") is True else Silent()

    def recall(self, decision: Decision) -> JsonValue:
        """Ask for the answer of a rejected row."""
        self.sink(json.dumps({"recall": True}))
        return self._answer(self._read(decision), decision)

    def no_recall(self, decision: Decision) -> None:
        """Say that a rejected row's answer is not asked for."""
        self.sink(json.dumps({"recall": False}))

    def _read(self, decision: Decision) -> dict[str, JsonValue]:
        line = self.source.readline()
        if not line:
            raise ProtocolError(f"row {decision.index}: the input ended before the verdict")
        document = read_object(line)
        if isinstance(document, str):
            raise ProtocolError(f"row {decision.index}: {document}")
        return dict(document)

    def _answer(self, reply: dict[str, JsonValue], decision: Decision) -> JsonValue:
        if "answer" not in reply:
            raise ProtocolError(f"row {decision.index}: a verdict without the field 'answer'")
        try:
            return sanitize_json(reply["answer"])
        except ValueError as error:
            raise ProtocolError(f"row {decision.index}: {error}") from error

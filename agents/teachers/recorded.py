"""A teacher that repeats what a log of past answers says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from agents.teachers import Question, Refused, Reply


@dataclass(slots=True)  # not frozen: the protocol's `name` and `prefix` are settable
class RecordedTeacher:
    """Answers exactly the texts of `answers`, free of charge; null is an answer like any other."""

    answers: Mapping[str, JsonValue]
    name: str = field(default="recorded", init=False)
    prefix: str = field(default="", init=False)

    async def answer(self, question: Question) -> Reply | Refused:
        """Return the recorded answer, or refuse a text that the log does not hold."""
        if question.text not in self.answers:
            return Refused(f"not in the log: {question.text!r}")
        return Reply(self.answers[question.text])


def recorded(rows: Iterable[Mapping[str, JsonValue]]) -> RecordedTeacher:
    """Return the teacher of a log: rows with `text` and `answer`; of equal texts the latest counts.

    Raises ValueError at a row whose text is not a string or whose answer is missing.
    """
    answers: dict[str, JsonValue] = {}
    for index, row in enumerate(rows):
        text = row.get("text")
        if not isinstance(text, str) or "answer" not in row:
            raise ValueError(f"row {index} needs a text and an answer: {dict(row)!r}")
        answers[text] = row["answer"]
    return RecordedTeacher(answers)

"""Logs of past answers: the one door through which their rows come in."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

from streams.codec import sanitize, sanitize_json

MAX_LINE_BYTES = 8 * 1024 * 1024
MAX_TEXT_BYTES = 1_000_000
"""Most bytes of a text as JSON, inclusive: below the limit of a record, with room for the rest."""


@dataclass(frozen=True, slots=True)
class Row:
    """One past question with the teacher's answer; `truth` is for scoring only.

    `has_truth` tells a truth of null from none. `asked_at` is UTC microseconds.
    """

    text: str
    answer: JsonValue
    id: JsonValue = None
    asked_at: int | None = None
    truth: JsonValue = None
    has_truth: bool = False

    @property
    def right(self) -> JsonValue:
        """The answer that counts as right."""
        return self.truth if self.has_truth else self.answer


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that is no row: its number from 1, and what is wrong."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"row {self.line}: {self.reason}"


def read_rows(path: Path) -> Iterator[Row | BadRow]:
    """Yield the rows of a JSON Lines file in order; blank lines are passed over."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                yield BadRow(number, f"longer than {MAX_LINE_BYTES} bytes")
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE_BYTES)
            elif line.strip():
                yield read_row(line, number)


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is not JSON")


def read_row(line: bytes, number: int) -> Row | BadRow:
    """Return the row of one line, or what is wrong with it."""
    document = read_object(line)
    if isinstance(document, str):
        return BadRow(number, document)
    if "answer" not in document:
        return BadRow(number, "the field 'answer' is missing (null is an answer)")
    try:
        return Row(
            text_of(document),
            sanitize_json(document["answer"]),
            sanitize_json(document.get("id")),
            asked_at_of(document),
            sanitize_json(document.get("truth")),
            "truth" in document,
        )
    except ValueError as error:
        return BadRow(number, str(error))


def read_object(line: bytes) -> Mapping[str, JsonValue] | str:
    """Return the JSON object of one line, or what is wrong with it."""
    try:
        document = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start}"
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return document if isinstance(document, dict) else "not a JSON object"


def text_of(document: Mapping[str, JsonValue]) -> str:
    """Return the sanitized text of a row; raise ValueError where there is none."""
    text = document.get("text")
    if not isinstance(text, str):
        raise ValueError("the field 'text' is missing or no string")
    text = sanitize(text)
    size = len(json.dumps(text, ensure_ascii=False).encode()) - 2
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"the field 'text' has {size} bytes; the limit is {MAX_TEXT_BYTES}")
    return text


def asked_at_of(document: Mapping[str, JsonValue]) -> int | None:
    """Return `asked_at` in UTC microseconds: a whole number, or an ISO 8601 time with a zone."""
    given = document.get("asked_at")
    if given is None:
        return None
    if isinstance(given, int) and not isinstance(given, bool) and abs(given) < 2**62:
        return given
    if isinstance(given, str):
        moment = datetime.fromisoformat(given)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1_000_000)
    raise ValueError(f"asked_at {given!r} is neither microseconds nor an ISO 8601 time")

"""A teacher without an LLM: it knows the rules of the help desk, errs a little, refuses the rest.

Tokens, price and latency are estimates that depend on the lengths of the texts alone, so that a run
is reproducible: tokens = 300 (a prompt prefix) + a quarter of the code points of the text and of
the answer's JSON, rounded up.
"""

import json
from dataclasses import dataclass, field

from pydantic import JsonValue

from agents.teachers import Question, Refused, Reply
from agents.teachers.helpdesk import is_drawn, recognise, slip

PREFIX_TOKENS = 300
CODE_POINTS_PER_TOKEN = 4
# Of the order of what a small hosted model cost in 2025, prompt and answer averaged.
DOLLARS_PER_MILLION_TOKENS = 0.5
LATENCY_US = 400_000
LATENCY_US_PER_ANSWER_CODE_POINT = 5_000


@dataclass(slots=True)  # not frozen: the protocol's `name` and `prefix` are settable
class DemoTeacher:
    """Answers the help desk's rules; a share `mistakes` of the texts gets a wrong answer.

    Which texts is decided by their SHA-256: the same text always gets the same reply.
    """

    mistakes: float = 0.02
    name: str = field(default="demo", init=False)
    prefix: str = field(default="", init=False)

    async def answer(self, question: Question) -> Reply | Refused:
        """Return the rule's answer, or refuse a text that no rule's phrasing fits."""
        reading = recognise(question.text)
        if reading is None:
            return Refused("the demo teacher knows only the help desk's requests")
        if is_drawn(f"mistake|{question.text}", self.mistakes):
            return estimated(question.text, slip(reading, question.text))
        return estimated(question.text, reading.answer())


def estimated(text: str, answer: JsonValue) -> Reply:
    """Return the reply with its estimated tokens, price and latency."""
    answer_length = len(json.dumps(answer, ensure_ascii=False))
    tokens = PREFIX_TOKENS - -(len(text) + answer_length) // CODE_POINTS_PER_TOKEN
    return Reply(
        answer,
        tokens=tokens,
        price=tokens * DOLLARS_PER_MILLION_TOKENS / 1_000_000,
        latency_us=LATENCY_US + LATENCY_US_PER_ANSWER_CODE_POINT * answer_length,
    )

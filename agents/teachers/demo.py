"""A teacher without an LLM: it knows the rules of the help desk, errs a little, refuses the rest.

Tokens, price and latency are estimates (see `estimate`), so that a run is reproducible.
"""

from dataclasses import dataclass, field

from agents.teachers import Question, Refused, Reply
from agents.teachers.estimate import estimated
from agents.teachers.helpdesk import is_drawn, recognise, slip


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

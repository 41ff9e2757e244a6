"""A teacher that replies from a script, for tests and dry runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.teachers import Question, Refused, Reply, TeacherError


@dataclass(slots=True)  # not frozen: the protocol's `name` and `prefix` are settable
class ScriptedTeacher:
    """Replies to each text as `replies` says; an error in the script is raised."""

    replies: Mapping[str, Reply | Refused | TeacherError]
    name: str = field(default="scripted", init=False)
    prefix: str = field(default="", init=False)

    async def answer(self, question: Question) -> Reply | Refused:
        """Return the scripted reply to the text, or refuse a text outside the script."""
        match self.replies.get(question.text):
            case None:
                return Refused(f"not in the script: {question.text!r}")
            case TeacherError() as error:
                raise error
            case reply:
                return reply

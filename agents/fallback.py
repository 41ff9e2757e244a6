"""The fallback: asks the teacher about everything on the work list.

MatchAbstained ─▶ CompletionGiven | CompletionRefused        (terminal)
AuditAsked     ─▶ drawn? ─▶ AuditAnswered | nothing
RecallAsked    ─▶ RecallAnswered | nothing

The draw of an audit is made here, after the answer was decided, so that nothing that decides can
know it.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agents.node import Asker
from agents.teachers import Question, Refused, Reply, Teacher, TeacherError
from streams.codec import REASON_LIMIT, encode, sanitize, sanitize_json
from streams.events import (
    AuditAnswered,
    AuditAsked,
    CompletionGiven,
    CompletionRefused,
    Event,
    MatchAbstained,
    RecallAnswered,
    RecallAsked,
)

Draw = Callable[[AuditAsked], bool]


def hash_draw(seed: str) -> Draw:
    """Return a draw by the SHA-256 of the utterance's id: the same id is drawn the same way."""

    def draw(asked: AuditAsked) -> bool:
        name = f"{seed}|audit|{asked.tenant}|{asked.utterance_id}".encode()
        return int.from_bytes(hashlib.sha256(name).digest(), "big") / 2**256 < asked.probability

    return draw


@dataclass(frozen=True, slots=True)
class _Asking:
    teacher: Teacher
    draw: Draw

    async def about(self, event: Event) -> Sequence[Event]:
        match event:
            case MatchAbstained():
                return (await self.completion(event),)
            case AuditAsked():
                return await self.audit(event) if self.draw(event) else ()
            case RecallAsked():
                return await self.recall(event)
            case _:
                return ()

    async def asked(
        self, event: MatchAbstained | AuditAsked | RecallAsked
    ) -> dict[str, Any] | Refused:
        """Return the fields that all completions share."""
        context = event.context if isinstance(event, MatchAbstained) else None
        question = Question(event.tenant, event.utterance_id, event.text, context)
        try:
            reply = await self.teacher.answer(question)
            if isinstance(reply, Refused):
                return reply
            return self.fields(event, reply)
        except TeacherError as error:
            return Refused(f"{type(error).__name__}: {error}")
        except ValueError as error:
            return Refused(f"the reply cannot be recorded: {error}")
        except Exception as error:  # a teacher's bug is one utterance's misfortune, not the end
            return Refused(f"the teacher failed: {type(error).__name__}: {error}")

    def fields(
        self, event: MatchAbstained | AuditAsked | RecallAsked, reply: Reply
    ) -> dict[str, Any]:
        return {
            "utterance_id": event.utterance_id,
            "tenant": event.tenant,
            "text": event.text,
            "answer": sanitize_json(reply.answer),
            "teacher": self.teacher.name,
            "prefix": self.teacher.prefix,
            "tokens": reply.tokens,
            "price": reply.price,
            "latency_us": reply.latency_us,
            "wording": None if reply.wording is None else sanitize(reply.wording),
        }

    async def completion(self, event: MatchAbstained) -> CompletionGiven | CompletionRefused:
        fields = await self.asked(event)
        if not isinstance(fields, Refused):
            try:
                given = CompletionGiven(**fields, session=event.session)
                encode(given, timestamp=0)
                return given
            except ValueError as error:
                fields = Refused(f"the reply cannot be recorded: {error}")
        return CompletionRefused(
            utterance_id=event.utterance_id,
            tenant=event.tenant,
            session=event.session,
            text=event.text,
            teacher=self.teacher.name,
            reason=sanitize(fields.reason)[:REASON_LIMIT],
        )

    async def audit(self, event: AuditAsked) -> Sequence[Event]:
        fields = await self.asked(event)
        if isinstance(fields, Refused):
            return ()
        return (
            AuditAnswered(
                **fields,
                family=event.family,
                version=event.version,
                digest=event.digest,
                served=event.answer,
                probability=event.probability,
            ),
        )

    async def recall(self, event: RecallAsked) -> Sequence[Event]:
        fields = await self.asked(event)
        if isinstance(fields, Refused):
            return ()
        return (
            RecallAnswered(
                **fields,
                family=event.family,
                version=event.version,
                digest=event.digest,
                answer_ref=event.answer_ref,
            ),
        )


def fallback(teacher: Teacher, draw: Draw) -> Asker:
    """Return the fallback node; a teacher's error or refusal ends in a stated event."""
    ask: Callable[[Event], Awaitable[Sequence[Event]]] = _Asking(teacher, draw).about
    return Asker(
        name="fallback",
        reads=("fallbacks",),
        writes=("completions",),
        ask=ask,
        doc="Asks the teacher about everything on the work list.",
    )

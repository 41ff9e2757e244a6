"""The fallback: asks the teacher about everything on the work list.

MatchAbstained ─▶ CompletionGiven | CompletionRefused        (terminal)
AuditAsked     ─▶ drawn? ─▶ AuditAnswered | nothing
RecallAsked    ─▶ RecallAnswered | RecallRefused
ProbeAsked     ─▶ ProbeAnswered | ProbeRefused

The draw of an audit is made here, after the answer was decided, so that nothing that decides can
know it.

Equal questions that are in flight together are asked once: whoever asks second waits for the reply
to the first, and its tokens and price are counted there. Every utterance still gets its own event.
Nothing is kept after the reply: a cache of a teacher's answers would be a family without evidence.
A probe is always asked by itself: the reply to another question would agree with itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agents.node import Asker
from agents.teachers import Question, Refused, Reply, Teacher, TeacherError
from artifacts.values import draw_of
from streams.codec import REASON_LIMIT, encode, sanitize, sanitize_json
from streams.events import (
    AuditAnswered,
    AuditAsked,
    AuditRefused,
    CompletionGiven,
    CompletionRefused,
    Event,
    MatchAbstained,
    ProbeAnswered,
    ProbeAsked,
    ProbeRefused,
    RecallAnswered,
    RecallAsked,
    RecallRefused,
)

Draw = Callable[[AuditAsked], bool]

Same = tuple[str, str, str | None]
"""Tenant, text and context: questions that share them are one question."""


def hash_draw(seed: str) -> Draw:
    """Return a draw by the SHA-256 of the utterance's id: the same id is drawn the same way."""

    def draw(asked: AuditAsked) -> bool:
        name = f"{seed}|audit|{asked.tenant}|{asked.utterance_id}"
        return draw_of(name) < asked.probability

    return draw


@dataclass(frozen=True, slots=True)
class _Asking:
    teacher: Teacher
    draw: Draw
    in_flight: dict[Same, asyncio.Future[Reply | Refused]] = field(default_factory=dict)

    async def about(self, event: Event) -> Sequence[Event]:
        match event:
            case MatchAbstained():
                return (await self.completion(event),)
            case AuditAsked():
                return await self.audit(event) if self.draw(event) else ()
            case RecallAsked():
                return await self.recall(event)
            case ProbeAsked():
                return (await self.probe(event),)
            case _:
                return ()

    async def asked(
        self, event: MatchAbstained | AuditAsked | RecallAsked | ProbeAsked
    ) -> dict[str, Any] | Refused:
        """Return the fields that all completions share."""
        context = event.context if isinstance(event, MatchAbstained) else None
        question = Question(event.tenant, event.utterance_id, event.text, context)
        try:
            is_probe = isinstance(event, ProbeAsked)
            reply = await (self.said(question) if is_probe else self.reply(question))
            if isinstance(reply, Refused):
                return reply
            return self.fields(event, reply)
        except ValueError as error:
            return Refused(f"the reply cannot be recorded: {error}")
        except Exception as error:  # a teacher's bug is one utterance's misfortune, not the end
            return _failed(error)

    async def reply(self, question: Question) -> Reply | Refused:
        """Return the teacher's reply, or that to an equal question in flight, free of charge.

        When whoever asked is cancelled, so is its question; the next one who waits asks again.
        """
        same = (question.tenant, question.text, question.context)
        while (first := self.in_flight.get(same)) is not None:
            await asyncio.wait((first,))
            if not first.cancelled():
                reply = first.result()
                if isinstance(reply, Refused):
                    return reply
                return replace(reply, tokens=0, price=0.0, in_flight=True)
        asking = self.in_flight[same] = asyncio.get_running_loop().create_future()
        try:
            reply = await self.said(question)
            asking.set_result(reply)
            return reply
        finally:
            asking.cancel()  # nothing once it has its result
            del self.in_flight[same]

    async def said(self, question: Question) -> Reply | Refused:
        """Return what the teacher says; what it raises is a refusal."""
        try:
            return await self.teacher.answer(question)
        except TeacherError as error:
            return Refused(f"{type(error).__name__}: {error}")
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return Refused("the teacher failed: it cancelled its own question")
        except Exception as error:
            return _failed(error)

    def fields(
        self, event: MatchAbstained | AuditAsked | RecallAsked | ProbeAsked, reply: Reply
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
            "in_flight": reply.in_flight,
        }

    def refusal(
        self, event: MatchAbstained | AuditAsked | RecallAsked | ProbeAsked, refused: Refused
    ) -> dict[str, str]:
        """Return the fields that all refusals share."""
        return {
            "utterance_id": event.utterance_id,
            "tenant": event.tenant,
            "text": event.text,
            "teacher": self.teacher.name,
            "reason": sanitize(refused.reason)[:REASON_LIMIT],
        }

    async def completion(self, event: MatchAbstained) -> CompletionGiven | CompletionRefused:
        fields = await self.asked(event)
        if not isinstance(fields, Refused):
            try:
                in_context = event.context is not None
                given = CompletionGiven(**fields, session=event.session, in_context=in_context)
                encode(given, timestamp=0)
                return given
            except ValueError as error:
                fields = Refused(f"the reply cannot be recorded: {error}")
        return CompletionRefused(**self.refusal(event, fields), session=event.session)

    async def audit(self, event: AuditAsked) -> Sequence[Event]:
        fields = await self.asked(event)
        if isinstance(fields, Refused):
            return (
                AuditRefused(
                    **self.refusal(event, fields),
                    family=event.family,
                    version=event.version,
                    digest=event.digest,
                    probability=event.probability,
                    cause=event.cause,
                ),
            )
        return (
            AuditAnswered(
                **fields,
                family=event.family,
                version=event.version,
                digest=event.digest,
                served=event.answer,
                probability=event.probability,
                cause=event.cause,
            ),
        )

    async def recall(self, event: RecallAsked) -> Sequence[Event]:
        fields = await self.asked(event)
        if isinstance(fields, Refused):
            return (
                RecallRefused(
                    **self.refusal(event, fields),
                    family=event.family,
                    version=event.version,
                    digest=event.digest,
                    answer_ref=event.answer_ref,
                ),
            )
        return (
            RecallAnswered(
                **fields,
                family=event.family,
                version=event.version,
                digest=event.digest,
                answer_ref=event.answer_ref,
            ),
        )

    async def probe(self, event: ProbeAsked) -> ProbeAnswered | ProbeRefused:
        about = {name: getattr(event, name) for name in ("cause", "family", "version", "digest")}
        if event.teacher not in (None, self.teacher.name):
            fields: dict[str, Any] | Refused = Refused(f"it was a question to {event.teacher}")
        else:
            fields = await self.asked(event)
        if not isinstance(fields, Refused):
            return ProbeAnswered(**fields, held_against=event.answer, **about)
        return ProbeRefused(
            **self.refusal(event, fields),
            **about,
        )


def _failed(error: Exception) -> Refused:
    return Refused(f"the teacher failed: {type(error).__name__}: {error}")


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

"""Why an utterance was answered as it was, from the log alone.

source text ─▶ tokens ─▶ family@version ─▶ spans and typed values ─▶ steps ─▶ answer
"""

from collections.abc import Sequence
from typing import Any

from agents.history import events_about, records, registry_at
from agents.matcher import shown
from artifacts.artifact import Artifact, Reading
from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.nfa import TooManyReadings
from artifacts.grammar.textform import print_grammar
from artifacts.program.evaluate import Computed
from artifacts.program.operators import OPERATORS
from artifacts.program.printing import print_argument, print_program
from artifacts.registry import canary_draw, is_within
from artifacts.values import Scalar
from streams.events import (
    AnswerGiven,
    AuditAnswered,
    CompletionGiven,
    CompletionRefused,
    FeedbackGiven,
    MatchAbstained,
    RecallAnswered,
    UtteranceAsked,
)
from streams.signing import Trust
from streams.transports import Transport

_UNREAD = frozenset({"miss", "context", "over_limit", "unknown_character"})
"""Reasons to abstain where no canary has read the text."""


async def explain(
    transport: Transport,
    trust: Trust,
    utterance_id: str,
    tenant: str | None = None,
    since: int = 0,
) -> dict[str, Any] | None:
    """Return the explanation as a document, or None where the log has no such utterance.

    `since` is a time before which nothing lies about it, in UTC microseconds, where one is known.
    """
    events = await events_about(transport, utterance_id, tenant, since)
    asked = next((e for e in events if isinstance(e, UtteranceAsked)), None)
    if asked is None:
        return None
    document: dict[str, Any] = {
        "utterance_id": asked.utterance_id,
        "tenant": asked.tenant,
        "text": asked.text,
    }
    tokens = lex(asked.text)
    document["tokens"] = list(tokens.keys) if isinstance(tokens, Tokens) else tokens
    for event in events:
        match event:
            case AnswerGiven():
                document |= await _answered(transport, trust, event)
                document["canaries"] = await _canaries(transport, trust, event)
                document["feedback"] = await _feedback(transport, event, since)
            case MatchAbstained():
                document |= {
                    "outcome": "abstained",
                    "reason": event.reason,
                    "candidates": list(event.candidates),
                    "revision": event.revision.model_dump(),
                }
                if event.reason not in _UNREAD:
                    document["canaries"] = await _canaries(transport, trust, event)
            case CompletionGiven() | AuditAnswered() | RecallAnswered():
                document.setdefault("teacher", []).append(
                    {
                        "event": type(event).__name__,
                        "teacher": event.teacher,
                        "answer": event.answer,
                        "tokens": event.tokens,
                        "price": event.price,
                    }
                )
            case CompletionRefused():
                document.setdefault("teacher", []).append(
                    {"event": "CompletionRefused", "reason": event.reason}
                )
            case _:
                continue
    return document


async def _canaries(
    transport: Transport, trust: Trust, event: AnswerGiven | MatchAbstained
) -> list[dict[str, Any]]:
    """Return every canary that read the text, and whether the utterance was within its share."""
    tokens = lex(event.text)
    if not isinstance(tokens, Tokens):
        return []
    registry = await registry_at(transport, trust, event.revision.ordinal)
    return [
        {
            "family": entry.family,
            "version": entry.version,
            "share": 1.0 if entry.share is None else entry.share,
            "draw": canary_draw(event.utterance_id),
            "answers": is_within(entry, event.utterance_id),
        }
        for entry in registry.candidates(event.tenant, tokens)
        if entry.stage == "canary" and entry.artifact.read(tokens)
    ]


async def _answered(transport: Transport, trust: Trust, event: AnswerGiven) -> dict[str, Any]:
    registry = await registry_at(transport, trust, event.revision.ordinal)
    entry = registry.entry_for(event.tenant, event.family, event.version)
    document: dict[str, Any] = {
        "outcome": "answered",
        "answer": event.answer,
        "answer_ref": event.answer_ref,
        "family": event.family,
        "version": event.version,
        "digest": event.digest,
        "revision": event.revision.model_dump(),
        "slots": [slot.model_dump() for slot in event.slots],
        "readings": event.readings,
        "cost": event.cost,
    }
    if entry is not None:
        document |= {
            "grammar": print_grammar(entry.artifact.grammar),
            "program": print_program(entry.artifact.program),
            "steps": _steps(entry.artifact, event.text),
        }
    return document


def _steps(artifact: Artifact, text: str) -> list[dict[str, Any]]:
    """Return each step with the values that went in and came out, for the first reading."""
    tokens = lex(text)
    if not isinstance(tokens, Tokens):
        return []
    read = artifact.read(tokens)
    if isinstance(read, TooManyReadings) or not read:
        return []
    return list(_traced(artifact, read[0]))


def _traced(artifact: Artifact, reading: Reading) -> Sequence[dict[str, Any]]:
    outcome = reading.outcome
    if not isinstance(outcome, Computed):
        return [{"failed": outcome.reason}]
    return [
        {
            "step": f"t{index}",
            "operator": step.operator,
            "arguments": [print_argument(argument) for argument in step.arguments],
            "doc": OPERATORS[step.operator].doc,
            "value": _shown(value),
        }
        for index, (step, value) in enumerate(
            zip(artifact.program.steps, outcome.steps, strict=True)
        )
    ]


def _shown(value: object) -> object:
    return shown(value) if isinstance(value, Scalar | tuple) else value


async def _feedback(transport: Transport, answer: AnswerGiven, since: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async for _, event in records(transport, ("feedback",), since):
        if isinstance(event, FeedbackGiven) and event.answer_ref == answer.answer_ref:
            found.append(event.model_dump(exclude={"answer_ref"}))
    return found

"""Replay: decides past utterances again, against the recorded revisions or another one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from agents.history import records, registry_at
from agents.matcher import decide, state_of
from agents.registries import folded
from artifacts.policy import DEFAULT
from artifacts.registry import Registry
from streams.codec import encode
from streams.events import AnswerGiven, Event, MatchAbstained, UtteranceAsked, VersionChanged
from streams.signing import Trust
from streams.transports import Record, Transport


@dataclass(frozen=True, slots=True)
class Replayed:
    """One utterance decided again; `difference` is None when nothing differs."""

    utterance_id: str
    text: str
    difference: str | None


async def replay(
    transport: Transport,
    trust: Trust,
    *,
    start: int = 0,
    end: int | None = None,
    against: int | None = None,
) -> AsyncIterator[Replayed]:
    """Yield every decision with offset `start` ≤ offset < `end` of the utterances topic.

    Without `against` the recorded revision decides, and the bytes must be the recorded ones; with
    it the registry at that ordinal decides, and outcome and answer are compared.
    """
    asked: dict[tuple[str, str], UtteranceAsked] = {}
    async for record, event in records(transport, ("utterances",)):
        if isinstance(event, UtteranceAsked) and start <= record.offset:
            if end is not None and record.offset >= end:
                break
            asked[event.tenant, event.utterance_id] = event
    registries = _Registries(transport, trust)
    fixed = await registry_at(transport, trust, against) if against is not None else None
    async for record, event in records(transport, ("matches", "fallbacks")):
        if not isinstance(event, AnswerGiven | MatchAbstained):
            continue
        utterance = asked.get((event.tenant, event.utterance_id))
        if utterance is None:
            continue
        registry = fixed or await registries.at(event.revision.ordinal)
        again = decide(state_of(registry, 0.0, DEFAULT), utterance)[1][0]
        difference = (
            _bytes_differ(record, again) if fixed is None else _outcomes_differ(event, again)
        )
        yield Replayed(utterance.utterance_id, utterance.text, difference)


class _Registries:
    """Folds versions forward only: decisions lie in the order of their revisions."""

    def __init__(self, transport: Transport, trust: Trust) -> None:
        self.transport, self.trust = transport, trust
        self.registry = Registry()
        self.changes: list[VersionChanged] | None = None
        self.read = 0

    async def at(self, ordinal: int) -> Registry:
        if self.changes is None:
            self.changes = [
                event
                async for _, event in records(self.transport, ("versions",))
                if isinstance(event, VersionChanged)
            ]
        if ordinal < self.registry.ordinal:
            self.registry, self.read = Registry(), 0
        while self.registry.ordinal < ordinal and self.read < len(self.changes):
            self.registry = folded(self.registry, self.changes[self.read], self.trust)
            self.read += 1
        return self.registry


def _bytes_differ(record: Record, again: Event) -> str | None:
    made = encode(again, timestamp=record.timestamp)
    if made.value == record.value:
        return None
    return f"recorded {record.value[:200]!r}, now {made.value[:200]!r}"


def _outcomes_differ(before: AnswerGiven | MatchAbstained, again: Event) -> str | None:
    old, new = _outcome(before), _outcome(again)
    return None if old == new else f"{old} became {new}"


def _outcome(event: Event) -> str:
    match event:
        case AnswerGiven():
            return f"{event.family}@{event.version} answered {event.answer!r}"
        case MatchAbstained():
            return f"abstained ({event.reason})"
    return type(event).__name__

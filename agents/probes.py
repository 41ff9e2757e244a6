"""What a teacher says twice, and what it is asked on purpose: the auditor's part of both.

completions that say a text again ─▶ TeacherRepeated                        (self-noise)
CompletionGiven, drawn            ─▶ ProbeAsked (repeat) ─▶ TeacherRepeated
VersionChanged (new in shadow)    ─▶ ProbeAsked (phi)    ─▶ ComparisonMade, stratum phi

A repeat is a sample of the teacher's noise, of one pair of answers each: an answer that was held
against another is forgotten, so that samples are independent. Neither is one what was asked with a
context, nor the reply to an equal question in flight, which is one answer. What depends on the time
of asking counts as noise: the bound is then too high, never too low. The memory is bounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, cast

from immutables import Map
from pydantic import JsonValue

from agents.comparisons import compared
from artifacts.comparators import same
from artifacts.compiler import Given, answer_of
from artifacts.grammar.lexer import normalize
from artifacts.phi import phi_samples
from artifacts.policy import Policies
from artifacts.registry import Registry
from artifacts.values import draw_of
from streams.events import (
    AuditAnswered,
    CompletionGiven,
    Event,
    ProbeAnswered,
    ProbeAsked,
    RecallAnswered,
    TeacherRepeated,
    VersionChanged,
)

REMEMBERED: Final = 20_000
"""Answers that are remembered, the newest, of all tenants; between one and two times as many."""

Key = tuple[str, str, str, str]
"""Tenant, teacher, its prefix, normalized text."""


class Said(NamedTuple):
    """What a teacher said, and when: to which utterance."""

    utterance_id: str
    answer: JsonValue


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest answers of teachers, in two halves: when one is full the older one is dropped."""

    young: Map[Key, Said | None] = field(default_factory=Map)
    old: Map[Key, Said | None] = field(default_factory=Map)

    def of(self, key: Key) -> Said | None:
        """Return what was said last, and not held against anything since."""
        return self.young[key] if key in self.young else self.old.get(key)

    def with_said(self, key: Key, said: Said | None) -> "Heard":
        """Return the memory with one more answer, or with one that is forgotten."""
        young = self.young.set(key, said)
        return Heard(Map(), young) if len(young) >= REMEMBERED else Heard(young, self.old)


def heard(
    memory: Heard, event: CompletionGiven | AuditAnswered | RecallAnswered
) -> tuple[Heard, Sequence[TeacherRepeated]]:
    """Remember what a teacher said; hold it against what it said to the same text before."""
    if event.in_flight or (isinstance(event, CompletionGiven) and event.in_context):
        return memory, ()
    key = (event.tenant, event.teacher, event.prefix, normalize(event.text))
    before = memory.of(key)
    if before is None:
        return memory.with_said(key, Said(event.utterance_id, event.answer)), ()
    if before.utterance_id == event.utterance_id:  # one answer, stored twice
        return memory, ()
    return memory.with_said(key, None), _repeated(event, event.utterance_id, before.answer, None)


def _repeated(
    event: CompletionGiven | AuditAnswered | RecallAnswered | ProbeAnswered,
    sample_id: str,
    first: JsonValue,
    cause: Literal["repeat"] | None,
) -> Sequence[TeacherRepeated]:
    """Return the atom; that nothing reproducible is right was said twice is no answer at all."""
    if first is None and event.answer is None:
        return ()
    atom = TeacherRepeated(
        sample_id=sample_id,
        scope=event.tenant,
        teacher=event.teacher,
        cause=cause,
        text=event.text,
        first=first,
        second=event.answer,
        agreed=same(first, event.answer),
    )
    return (atom,)


def repeat_probes(policies: Policies, event: CompletionGiven) -> Sequence[ProbeAsked]:
    """Ask for a completion once more, where its id is drawn."""
    rate = policies.of(event.tenant).repeat_rate
    if event.in_context or event.in_flight or not rate or _drawn(event) >= rate:
        return ()
    probe = ProbeAsked(
        utterance_id=f"repeat|{event.utterance_id}",
        tenant=event.tenant,
        text=event.text,
        answer=event.answer,
        cause="repeat",
        teacher=event.teacher,
    )
    return (probe,)


def _drawn(event: CompletionGiven) -> float:
    return draw_of(f"repeat|{event.tenant}|{event.utterance_id}")


def phi_probes(
    policies: Policies, registry: Registry, event: VersionChanged
) -> Sequence[ProbeAsked]:
    """Ask about texts of each version that is new in shadow, as many as the policy wants."""
    number = policies.of(event.scope).phi_samples
    made: list[ProbeAsked] = []
    for change in event.changes if number else ():
        entry = registry.entry(event.scope, change.family, change.version)
        if entry is None or entry.stage != "shadow" or entry.returns:
            continue
        made += [
            ProbeAsked(
                utterance_id=f"phi|{change.digest}|{index}",
                tenant=event.scope,
                text=sample.text,
                answer=cast(JsonValue, sample.answer),
                cause="phi",
                family=change.family,
                version=change.version,
                digest=change.digest,
            )
            for index, sample in enumerate(phi_samples(entry.artifact, number))
        ]
    return made


def probed(registry: Registry, event: ProbeAnswered) -> Sequence[Event]:
    """Return the atom that the teacher's answer to a probe makes; of an unknown version, none."""
    if event.cause == "repeat":
        sample_id = event.utterance_id.removeprefix("repeat|")
        return _repeated(event, sample_id, event.held_against, "repeat")
    if event.family is None or event.version is None:
        return ()
    entry = registry.entry(event.tenant, event.family, event.version)
    if entry is None or entry.artifact.digest != event.digest:
        return ()
    given = answer_of(entry.artifact, event.text)
    if not isinstance(given, Given):
        return ()
    return (
        compared(
            entry, event.utterance_id, event.text, event.answer, given, "phi",
            teacher=event.teacher,
        ),
    )  # fmt: skip

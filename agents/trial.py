"""Versions held against texts outside of any registry: what one says, where two say otherwise."""

import json
from collections import deque
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass
from typing import assert_never

from artifacts.artifact import Artifact
from artifacts.comparators import COMPARATORS, same
from artifacts.compiler import Given, answer_of
from artifacts.program.operators import Failure
from artifacts.registry import SHARED, Entry
from artifacts.values import Json
from streams.codec import decode
from streams.events import UtteranceAsked
from streams.transports import Log, Record

_TOPIC = "utterances"


@dataclass(frozen=True, slots=True)
class Agrees:
    """The version's answer counts as the right one."""


@dataclass(frozen=True, slots=True)
class Differs:
    """The version answers otherwise."""

    given: Json


@dataclass(frozen=True, slots=True)
class Fails:
    """The version reads the text and has no answer, so that it would abstain."""

    why: str


@dataclass(frozen=True, slots=True)
class NotRead:
    """The text is not in the grammar."""


Verdict = Agrees | Differs | Fails | NotRead


def held_against(artifact: Artifact, text: str, right: Json) -> Verdict:
    """Return what a version's answer to a text is worth; where null is right, any answer differs.

    The version's own comparator decides.
    """
    match answer_of(artifact, text):
        case None:
            return NotRead()
        case Failure(reason):
            return Fails(reason)
        case Given(answer, _):
            agrees = same(answer, right, artifact.comparator)
            return Agrees() if agrees else Differs(answer)
        case other:
            assert_never(other)


def said(artifact: Artifact, text: str) -> str:
    """Return what a version says to a text, as people read it."""
    match answer_of(artifact, text):
        case None:
            return "not read"
        case Failure(reason):
            return f"fails: {reason}"
        case Given(answer, _):
            return json.dumps(answer, ensure_ascii=False)
        case other:
            assert_never(other)


@dataclass(frozen=True, slots=True)
class DecidedOtherwise:
    """A text of the log to which two versions say different things."""

    utterance_id: str
    tenant: str
    text: str
    before: str
    after: str


async def decided_otherwise(
    log: Log, before: Entry, after: Entry, count: int
) -> tuple[int, list[DecidedOtherwise]]:
    """Hold two versions against the last `count` utterances of the log.

    Returns how many of them are of the versions' scope and may be answered at all, and those to
    which the two say different things, oldest first. One with a context is answered by no family.
    """
    looked, found = 0, list[DecidedOtherwise]()
    for record in await _latest(log, count):
        event = decode(record)
        if not isinstance(event, UtteranceAsked) or event.context is not None:
            continue
        if after.scope not in (event.tenant, SHARED):
            continue
        looked += 1
        text = event.text
        if _form(before.artifact, text) != _form(after.artifact, text):
            pair = said(before.artifact, text), said(after.artifact, text)
            found.append(DecidedOtherwise(event.utterance_id, event.tenant, text, *pair))
    return looked, found


def _form(artifact: Artifact, text: str) -> Hashable:
    """Return a key of what a version says: answers that count as the same have one key."""
    match answer_of(artifact, text):
        case None:
            return "not read"
        case Failure():
            return "fails"
        case Given(answer, _):
            return "answers", COMPARATORS[artifact.comparator](answer)
        case other:
            assert_never(other)


async def _latest(log: Log, count: int) -> list[Record]:
    """Return the last records of the utterances, oldest first; no partition is read further."""
    firsts = await log.first_offsets((_TOPIC,))
    ends = await log.ends((_TOPIC,))
    starts = {place: max(firsts[place], end - count) for place, end in ends.items()}
    found: list[Record] = []
    async with log.walking(starts) as walks:
        for walk in walks.values():
            found += await _last(walk, count)
    return sorted(found, key=lambda record: record.sequence)[-count:]


async def _last(walk: AsyncIterator[Record], count: int) -> deque[Record]:
    kept: deque[Record] = deque(maxlen=count)
    async for record in walk:
        kept.append(record)
    return kept

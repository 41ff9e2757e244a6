"""Replay: decides past utterances again, against the recorded revisions or another registry.

    utterances of a range ─▶ scratch table ─────────┐
    matches, fallbacks, in order of time ───────────┴─▶ decide again ─▶ Identical | Differs |
    utterances of which no decision was found ────────▶ Waiting         Unjudged

Why a table between the two that goes on on disk: a decision may lie any distance behind its
utterance (a backlog, one partition behind another, a retention time that has taken one of the two),
so a join in memory alone grows with the log or gives up on some.

What cannot be judged is its own answer, never counted as identical: an utterance that retention has
taken, a revision whose change sets are not there. Of a range that begins or ends within the log the
decisions outside of it are told from decisions without an utterance by their times.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field

from agents.differences import bytes_differ, outcomes_differ, shown_outcome
from agents.history import closed_after, registry_at
from agents.matcher import State, decide, state_of
from agents.ranges import EVERYTHING, TOPIC, AtTime, Range, offsets_of
from agents.revisions import Revisions
from artifacts.policy import policies_with
from artifacts.registry import Registry
from streams.codec import Undecodable, decode, encode
from streams.events import AnswerGiven, MatchAbstained, Revision, UtteranceAsked
from streams.scratch import Row, Scratch
from streams.signing import Trust
from streams.transports import Log, Record

_CLOCKS_APART_US = 3_600_000_000
"""How much earlier than its utterance a decision may be stamped: an hour."""

_PAGE = 500
"""Utterances, decisions that are looked up at a time."""

_NO_UTTERANCE = "its utterance is not in the log, or no longer"

Decision = AnswerGiven | MatchAbstained
_DECISIONS = frozenset({("event", b"AnswerGiven"), ("event", b"MatchAbstained")})


@dataclass(frozen=True, slots=True)
class Identical:
    """Decided the same again: to the byte, or with the same outcome as by another registry."""


@dataclass(frozen=True, slots=True)
class Differs:
    """Decided otherwise; `reasons` say what made the difference."""

    before: str
    after: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unjudged:
    """There is a decision, and it could not be made again."""

    why: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """No decision on the utterance lies in the log: not made yet, rejected, or taken."""


Verdict = Identical | Differs | Unjudged | Waiting


@dataclass(frozen=True, slots=True)
class Replayed:
    """One utterance decided again."""

    utterance_id: str
    text: str
    verdict: Verdict


class UnknownRevision(ValueError):
    """The registry that replay is to decide with is not in the log."""


async def replay(
    log: Log, trust: Trust, *, within: Range = EVERYTHING, against: int | None = None
) -> AsyncIterator[Replayed]:
    """Yield every decision on the utterances of a range; then the utterances that have none.

    Without `against` the recorded revision decides, and the bytes must be the recorded ones; with
    it the registry at that ordinal decides, and outcome and answer are compared. Memory does not
    grow with the log. Raises ValueError for a range that cannot be, and UnknownRevision.
    """
    fixed = None if against is None else await _registry(log, trust, against)
    with contextlib.closing(Scratch()) as scratch:
        part = await _utterances(log, within, scratch)
        judge = _Judge(Revisions(log, trust), fixed)
        found = log.scan(("matches", "fallbacks"), part.since)
        async with (
            contextlib.aclosing(judge.revisions),
            closed_after(found) as decisions,
            contextlib.aclosing(_paged(decisions)) as pages,
        ):
            async for page in pages:
                async with contextlib.aclosing(_replayed(page, scratch, part, judge)) as replayed:
                    async for one in replayed:
                        yield one
                if part.is_closed and not scratch.unused:
                    break
        for asked in map(UtteranceAsked.model_validate_json, scratch.left()):
            yield Replayed(asked.utterance_id, asked.text, Waiting())


async def _paged(found: AsyncIterator[Record]) -> AsyncGenerator[list[Record], None]:
    """Yield the records that say they are decisions, some at a time."""
    page: list[Record] = []
    async for record in found:
        if not _DECISIONS.isdisjoint(record.headers):
            page.append(record)
            if len(page) == _PAGE:
                yield page
                page = []
    yield page


async def _replayed(
    page: Sequence[Record], scratch: Scratch, part: "_Part", judge: "_Judge"
) -> AsyncGenerator[Replayed, None]:
    """Yield what became of the decisions of a page.

    Nearly all have one utterance and are repeated to the byte by the registry that has decided the
    one before; such a record need not even be decoded.
    """
    rows = scratch.rows([_subject(record) for record in page])
    taken: list[Row] = []
    for record in page:
        found = rows.get(_subject(record), [])
        if len(found) == 1 and not found[0].used:
            row, utterance = _parsed(found[0])
            if judge.is_repeated(record, utterance):
                row.used = True
                taken.append(row)
                yield Replayed(utterance.utterance_id, utterance.text, Identical())
                continue
        event = decode(record)
        if not isinstance(event, AnswerGiven | MatchAbstained):
            continue
        fitting = _fitting(found, event)
        if fitting is None:
            if part.should_hold(record):
                yield Replayed(event.utterance_id, event.text, Unjudged(_NO_UTTERANCE))
            continue
        row, utterance = fitting
        if not row.used:
            row.used = True  # for the next decision of this page
            taken.append(row)
        yield Replayed(event.utterance_id, event.text, await judge.judged(record, event, utterance))
    scratch.mark(taken)


async def _registry(log: Log, trust: Trust, ordinal: int) -> Registry:
    registry = await registry_at(log, trust, ordinal)
    if registry.ordinal != ordinal:
        raise UnknownRevision(f"no registry {ordinal}: the change sets lead to {registry.ordinal}")
    return registry


# --- the utterances of the range ------------------------------------------------------------------


@dataclass(slots=True)
class _Part:
    """What a range left out: at its start, and at its end from these times on, by partition."""

    since: int
    is_closed: bool
    cut: frozenset[int]
    ends: dict[int, int]
    partition: int | None

    def should_hold(self, record: Record) -> bool:
        """Whether the utterance of a decision would be in the range if it were in the log."""
        if self.partition not in (None, record.partition) or record.partition in self.cut:
            return False
        end = self.ends.get(record.partition)
        return record.timestamp >= self.since and (end is None or record.timestamp < end)


async def _utterances(log: Log, within: Range, scratch: Scratch) -> _Part:
    """Put the utterances of a range into the table."""
    offsets = await offsets_of(log, within)
    firsts = await log.first_offsets((TOPIC,))
    cut = frozenset(p for p, (start, _) in offsets.items() if start > firsts[TOPIC, p])
    earliest: int | None = None
    ends: dict[int, int] = {}
    page: list[tuple[bytes, bytes]] = []
    async with log.walking({(TOPIC, p): start for p, (start, _) in offsets.items()}) as walks:
        for (_, partition), walk in walks.items():
            async for record in walk:
                if record.offset >= offsets[partition][1]:
                    ends[partition] = record.timestamp
                    break
                event = decode(record)
                if not isinstance(event, Undecodable):
                    assert isinstance(event, UtteranceAsked)
                    page.append((event.utterance_id.encode(), record.value))
                    time = record.timestamp
                    earliest = time if earliest is None else min(earliest, time)
                    if len(page) == _PAGE:
                        scratch.put(page)
                        page.clear()
    scratch.put(page)
    since = 0 if earliest is None or not cut else max(0, earliest - _CLOCKS_APART_US)
    if isinstance(within.start, AtTime) and not cut:
        since = max(0, within.start.time)
    return _Part(since, within.end is not None, cut, ends, within.partition)


def _subject(record: Record) -> bytes:
    """Return the utterance's id, which every record about one has among its headers."""
    return next((value for name, value in record.headers if name == "utterance"), b"")


def _fitting(rows: Sequence[Row], decision: Decision) -> tuple[Row, UtteranceAsked] | None:
    """Return the utterance that was decided, as far as there is one.

    Of several with one id it is the one with the decision's text; first those nobody has taken.
    """
    utterances = [
        (row, utterance)
        for row, utterance in map(_parsed, sorted(rows, key=lambda row: row.used))
        if utterance.tenant == decision.tenant
    ]
    same_text = (each for each in utterances if each[1].text == decision.text)
    return next(same_text, utterances[0] if utterances else None)


def _parsed(row: Row) -> tuple[Row, UtteranceAsked]:
    return row, UtteranceAsked.model_validate_json(row.value)


# --- deciding again -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Judge:
    """Decides with the recorded revisions, or with one registry."""

    revisions: Revisions
    fixed: Registry | None
    state: State = field(default_factory=lambda: _state(Registry()))
    """Of the registry that has decided last; the next decision is nearly always by the same."""

    def decided(self, registry: Registry, utterance: UtteranceAsked) -> Decision:
        """Return what the matcher decides with a registry."""
        if self.state.registry is not registry:
            self.state = _state(registry)
        event = decide(self.state, utterance)[1][0]
        assert isinstance(event, AnswerGiven | MatchAbstained)
        return event

    def is_repeated(self, record: Record, utterance: UtteranceAsked) -> bool:
        """Whether the registry that has decided last makes the very record of the utterance.

        Its bytes name the revision, the tenant and the text: nothing else can be meant.
        """
        if self.fixed is not None:
            return False
        again = self.decided(self.state.registry, utterance)
        return encode(again, timestamp=record.timestamp).value == record.value

    async def judged(self, record: Record, event: Decision, utterance: UtteranceAsked) -> Verdict:
        if self.fixed is not None:
            return await self._against(self.fixed, event, utterance)
        registry = await self.revisions.at(event.revision.ordinal)
        if registry is None:
            return Unjudged(_missing(event.revision, self.revisions.last))
        again = self.decided(registry, utterance)
        reasons = bytes_differ(record, event, again, registry)
        return _verdict(event, again, reasons)

    async def _against(
        self, fixed: Registry, event: Decision, utterance: UtteranceAsked
    ) -> Verdict:
        again = self.decided(fixed, utterance)
        if shown_outcome(again) == shown_outcome(event):
            return Identical()
        recorded = await self.revisions.at(event.revision.ordinal)
        if recorded is None:
            why = _missing(event.revision, self.revisions.last)
            return _verdict(event, again, (why,))
        same_code = shown_outcome(self.decided(recorded, utterance)) == shown_outcome(event)
        return _verdict(event, again, outcomes_differ(event, again, recorded, fixed, same_code))


def _verdict(before: Decision, after: Decision, reasons: tuple[str, ...]) -> Verdict:
    if not reasons:
        return Identical()
    return Differs(shown_outcome(before), shown_outcome(after), reasons)


def _missing(revision: Revision, last: int) -> str:
    return f"change set {revision.ordinal} is missing; those that are folded lead to {last}"


def _state(registry: Registry) -> State:
    return state_of(registry, policies_with(audit_rate=0.0))

"""The data that teaches, as rows: what the teacher replied, what was rejected, what was learned.

completions                       ─▶ rows of `completions` and `skeletons`          of each scope
versions, evidence, completions   ─▶ rows of `candidates`                           of each scope
completions, feedback, evidence, rejected ─▶ rows of `records`               of all: scope `shared`

Only the newest counts, so that what was mended is forgotten: so many replies of each scope, and as
many records of each topic. Every suite has rows for every scope, be they none: a run in which there
was nothing to see takes the place of one that failed.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from agents.history import records, registry_at
from agents.rejected import position_of, rejected_records
from artifacts.comparators import same
from artifacts.grammar.lexer import normalize, skeleton
from artifacts.registry import SHARED, Entry
from artifacts.stages import STAGES
from artifacts.values import read_number
from streams.codec import Undecodable, decode
from streams.events import (
    AuditAnswered,
    AuditRefused,
    ComparisonMade,
    CompletionGiven,
    CompletionRefused,
    RecallAnswered,
    RecallRefused,
    Window,
)
from streams.signing import Trust
from streams.transports import Transport

NEWEST = 5_000
"""Replies of each scope, and records of each topic, that are looked at."""

TEACHING = ("completions", "feedback", "evidence")
"""Topics whose rejected records are missing from what is learned."""

_LEAST_ANSWERS = 20
"""Of a skeleton, before halves of them are compared."""

Refusal = CompletionRefused | AuditRefused | RecallRefused
Reply = CompletionGiven | AuditAnswered | RecallAnswered | Refusal
Row = Mapping[str, str | float | None]
Since = tuple[str, int]
"""Digest of a family version, and the ordinal at which it last entered shadow."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows that a suite is checked on, and which records they were read off."""

    suite: str
    scope: str
    window: Window
    rows: Sequence[Row]


@dataclass(slots=True)
class _Read:
    """What was read off a log; positions are (partition, offset)."""

    newest: int
    replies: dict[str, deque[tuple[int, Reply]]] = field(default_factory=dict)
    positions: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)
    rejected: set[tuple[str, int, int]] = field(default_factory=set)
    atoms: dict[Since, dict[tuple[str, str, str], bool]] = field(default_factory=dict)
    until: int = 0


async def batches(log: Transport, trust: Trust, newest: int = NEWEST) -> list[Batch]:
    """Return the rows of every suite, scope by scope; what goes for all scopes comes last."""
    read = _Read(newest)
    await _read_records(log, read)
    registry = await registry_at(log, trust)
    candidates: dict[str, list[Entry]] = defaultdict(list)
    for entry in registry.in_order():
        stage = STAGES[entry.stage]
        candidates[entry.scope] += [entry] if stage.compared and not stage.serves else []
    found: list[Batch] = []
    for scope in sorted({*read.replies, *candidates}):
        replies = read.replies.get(scope, deque())
        window = Window(since=replies[0][0] if replies else read.until, until=read.until)
        said = [reply for _, reply in replies]
        asked = _asked(read, scope)
        tried = [_candidate(entry, read, asked) for entry in candidates.get(scope, ())]
        found += [
            Batch("completions", scope, window, list(_completions(said))),
            Batch("skeletons", scope, window, list(_skeletons(said))),
            Batch("candidates", scope, window, tried),
        ]
    every = Window(since=0, until=read.until)
    return [*found, Batch("records", SHARED, every, [_topic(name, read) for name in TEACHING])]


async def _read_records(log: Transport, read: _Read) -> None:
    async for refused, is_replayed in rejected_records(log):
        if not is_replayed:
            read.rejected.add(position_of(refused))
    async for record in log.scan(TEACHING):
        read.until = max(read.until, record.timestamp)
        places = read.positions.setdefault(record.topic, deque(maxlen=read.newest))
        places.append((record.partition, record.offset))
        event = decode(record)
        if isinstance(event, Undecodable):
            continue
        if isinstance(event, Reply):
            replies = read.replies.setdefault(event.tenant, deque(maxlen=read.newest))
            replies.append((record.timestamp, event))
        elif isinstance(event, ComparisonMade):
            atoms = read.atoms.setdefault((event.digest, event.since), {})
            sample = (event.sample_id, event.stratum, event.target)
            atoms[sample] = atoms.get(sample, True) and event.agreed
    async for record, _ in records(log, ("versions", "rejected")):
        read.until = max(read.until, record.timestamp)


def answer_type(answer: JsonValue) -> str:
    """Return what an answer is, one of ANSWER_TYPES.

    >>> answer_type("-2.50"), answer_type("two"), answer_type(None)
    ('number', 'text', 'null')
    """
    match answer:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text" if read_number(answer.strip()) is None else "number"
        case list():
            return "list"
        case _:
            return "object"


_EVENTS = {
    CompletionGiven: "completion",
    CompletionRefused: "completion",
    AuditAnswered: "audit",
    AuditRefused: "audit",
    RecallAnswered: "recall",
    RecallRefused: "recall",
}


def _completions(replies: Sequence[Reply]) -> Iterator[Row]:
    before: dict[str, JsonValue] = {}
    for reply in replies:
        row: dict[str, str | float | None] = {
            "utterance_id": reply.utterance_id,
            "event": _EVENTS[type(reply)],
            "text": reply.text,
            "code_points": len(reply.text),
            "teacher": reply.teacher,
            "is_refused": 1,
        }
        if not isinstance(reply, Refusal):
            text = normalize(reply.text)
            row |= {
                "answer_type": answer_type(reply.answer),
                "is_refused": 0,
                "is_null": float(reply.answer is None),
                "differs": _differs(before.get(text), reply.answer),
                "tokens": reply.tokens,
                "price": reply.price,
                "latency_us": reply.latency_us,
            }
            before[text] = reply.answer
        yield row


def _differs(before: JsonValue, answer: JsonValue) -> float | None:
    return None if before is None or answer is None else float(not same(answer, before))


def _skeletons(replies: Sequence[Reply]) -> Iterator[Row]:
    types: dict[str, list[str]] = defaultdict(list)
    for reply in replies:
        if isinstance(reply, Refusal) or reply.answer is None:
            continue
        types[skeleton(reply.text)].append(answer_type(reply.answer))
    for form, seen in types.items():
        if len(seen) >= _LEAST_ANSWERS:
            yield {"skeleton": form, "answers": len(seen), "drift": drift(seen)}


def drift(types: Sequence[str]) -> float:
    """Return the total variation between the older and the newer half, each in shares.

    >>> drift(["number", "text", "number", "text"]), drift(["text", "text", "list", "list"])
    (0.0, 1.0)
    """
    half = len(types) // 2
    older, newer = Counter(types[:half]), Counter(types[half:])
    return sum(
        abs(older[kind] / half - newer[kind] / (len(types) - half)) for kind in {*older, *newer}
    ) / 2  # fmt: skip


def _asked(read: _Read, scope: str) -> frozenset[str]:
    """Return the ids of the newest utterances that a scope's candidates may have read."""
    scopes = read.replies if scope == SHARED else (scope,)
    return frozenset(
        reply.utterance_id
        for each in scopes
        for _, reply in read.replies.get(each, ())
        if isinstance(reply, CompletionGiven)
    )


def _candidate(entry: Entry, read: _Read, asked: frozenset[str]) -> Row:
    atoms = read.atoms.get((entry.artifact.digest, entry.since), {})
    held = asked & {sample for sample, _, _ in atoms}
    return {
        "version": f"{entry.family}@{entry.version}",
        "comparisons": len(atoms),
        "disagreement": list(atoms.values()).count(False) / len(atoms) if atoms else None,
        "coverage": len(held) / len(asked) if asked else None,
    }


def _topic(name: str, read: _Read) -> Row:
    places = read.positions.get(name, deque())
    rejected = sum((name, *place) in read.rejected for place in places)
    return {
        "topic": name,
        "records": len(places),
        "rejected_share": rejected / len(places) if places else None,
    }

"""Replay: identical, different, not to be judged, without a decision; each told from the others."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from agents.matcher import decide, state_of
from agents.ranges import AtOffset, AtTime, Range, read_bound
from agents.replay import Differs, Identical, Replayed, Unjudged, Verdict, Waiting, replay
from artifacts.registry import Registry
from streams.codec import encode
from streams.events import AnswerGiven, Event, MatchAbstained, UtteranceAsked, VersionChanged
from streams.signing import ANYONE
from streams.transports import Outgoing
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import UNAUDITED, asked, minutes, registry_of

MS = 1000
LIVE, CHANGES = registry_of(("m", minutes(), "live"))
OTHER, _ = registry_of(("m", minutes(61), "live"))


@pytest.fixture
async def log() -> AsyncIterator[EmbeddedLog]:
    made = EmbeddedLog.open(":memory:")
    yield made
    await made.close()


def decided(registry: Registry, utterance: UtteranceAsked) -> AnswerGiven | MatchAbstained:
    event = decide(state_of(registry, UNAUDITED), utterance)[1][0]
    assert isinstance(event, AnswerGiven | MatchAbstained)
    return event


def at(time: int, *events: Event) -> list[Outgoing]:
    return [encode(event, timestamp=time * MS) for event in events]


async def verdicts(log: EmbeddedLog, **given: object) -> dict[str, Verdict]:
    found: list[Replayed] = [
        again
        async for again in replay(log, ANYONE, **given)  # type: ignore[arg-type]  # a table's
    ]
    assert len({again.utterance_id for again in found}) == len(found)
    return {again.utterance_id: again.verdict for again in found}


ONE = asked("3 minutes to seconds", "one")
TWO = asked("what is the time", "two")


@dataclass(frozen=True, slots=True)
class Case:
    """What lies in a log, and the verdict on the decision about ONE."""

    name: str
    changes: Sequence[VersionChanged]
    decisions: Sequence[Event]
    verdict: Verdict
    utterances: Sequence[UtteranceAsked] = (ONE,)


GIVEN = decided(LIVE, ONE)
CASES = [
    Case("the same bytes", CHANGES, [GIVEN], Identical()),
    Case(
        "another answer was recorded",
        CHANGES,
        [GIVEN.model_copy(update={"answer": "7"})],
        Differs('m@1 answered "7"', 'm@1 answered "180"', ('answer: "7" became "180"',)),
    ),
    Case(
        "the log's change sets are not those that decided",
        CHANGES,
        [decided(OTHER, ONE)],
        Differs(
            'm@1 answered "183"',
            'm@1 answered "180"',
            (
                f"the change sets up to 2 give the registry {LIVE.digest[:12]}, "
                f"recorded is {OTHER.digest[:12]}",
                'answer: "183" became "180"',
                f'digest: "{minutes(61).digest}" became "{minutes().digest}"',
                "answer_ref: …",
            ),
        ),
    ),
    Case(
        "a change set of its revision is missing",
        CHANGES[:1],
        [GIVEN],
        Unjudged("change set 2 is missing; those that are folded lead to 1"),
    ),
    Case(
        "its utterance is gone",
        CHANGES,
        [GIVEN],
        Unjudged("its utterance is not in the log, or no longer"),
        utterances=(TWO,),
    ),
    Case("no decision yet", CHANGES, [], Waiting()),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_every_verdict_has_its_own_name(log: EmbeddedLog, case: Case) -> None:
    await log.publish([out for e in case.changes for out in at(1, e)])
    await log.publish([out for e in (*case.utterances, *case.decisions) for out in at(2, e)])
    verdict = (await verdicts(log))["one"]
    match verdict, case.verdict:
        case Differs(before, after, reasons), Differs(wanted_before, wanted_after, wanted):
            assert (before, after) == (wanted_before, wanted_after)
            assert [r for r in reasons if not r.startswith("answer_ref")] == [
                r for r in wanted if not r.startswith("answer_ref")
            ]
        case _:
            assert verdict == case.verdict


async def test_a_producers_retry_is_two_decisions_with_one_id(log: EmbeddedLog) -> None:
    again = asked("4 minutes to seconds", "one")
    await log.publish([out for e in CHANGES for out in at(1, e)])
    events = (ONE, again, decided(LIVE, ONE), decided(LIVE, again), decided(LIVE, ONE))
    await log.publish([out for e in events for out in at(2, e)])
    found = [each.verdict async for each in replay(log, ANYONE)]
    assert found == [Identical()] * 3


async def test_a_decision_may_lie_far_behind_its_utterance(log: EmbeddedLog) -> None:
    many = [asked(f"{n} minutes to seconds", str(n)) for n in range(3000)]
    await log.publish([out for e in CHANGES for out in at(1, e)])
    await log.publish([out for e in many for out in at(2, e)])
    await log.publish([out for e in reversed(many[:2990]) for out in at(9, decided(LIVE, e))])
    found = list((await verdicts(log)).values())
    assert found == [Identical()] * 2990 + [Waiting()] * 10


async def test_another_registry_tells_which_version_made_the_difference(log: EmbeddedLog) -> None:
    await log.publish([out for e in CHANGES for out in at(1, e)])
    events = (ONE, decided(LIVE, ONE), TWO, decided(LIVE, TWO))
    await log.publish([out for e in events for out in at(2, e)])
    answered = 'm@1 answered "180"'
    rows: list[tuple[int, str, str]] = [
        (0, "abstained (miss)", "m@1: live at 2, absent at 0, by change set 2"),
        (1, "abstained (shadow_only)", "m@1: live at 2, shadow at 1, by change set 2"),
    ]
    for against, after, reason in rows:
        found = await verdicts(log, against=against)
        assert found == {"one": Differs(answered, after, (reason,)), "two": Identical()}
    assert set((await verdicts(log, against=2)).values()) == {Identical()}
    with pytest.raises(ValueError, match="no registry 3: the change sets lead to 2"):
        await verdicts(log, against=3)


# --- ranges ---------------------------------------------------------------------------------------

RANGES: list[tuple[str, Range, set[int]]] = [
    ("all", Range(), set(range(10))),
    ("from-an-offset", Range(AtOffset(7)), {7, 8, 9}),
    ("to-an-offset", Range(None, AtOffset(2)), {0, 1}),
    ("between-offsets", Range(AtOffset(3), AtOffset(5)), {3, 4}),
    ("from-a-time", Range(AtTime(107 * MS)), {7, 8, 9}),
    ("from-a-time-between-two", Range(AtTime(106 * MS + 1)), {7, 8, 9}),
    ("to-a-time", Range(None, AtTime(102 * MS)), {0, 1}),
    ("a-time-and-an-offset", Range(AtTime(103 * MS), AtOffset(5)), {3, 4}),
    ("before-everything", Range(AtTime(1), AtTime(2)), set()),
    ("after-everything", Range(AtOffset(99)), set()),
    ("nothing", Range(AtOffset(4), AtOffset(4)), set()),
    ("one-partition", Range(partition=0), set(range(10))),
]


@pytest.mark.parametrize(("name", "within", "numbers"), RANGES, ids=[row[0] for row in RANGES])
async def test_a_range_has_the_decisions_on_its_utterances_and_no_others(
    log: EmbeddedLog, name: str, within: Range, numbers: set[int]
) -> None:
    await log.publish([out for e in CHANGES for out in at(1, e)])
    for n in range(10):
        utterance = asked(f"{n} minutes to seconds", str(n))
        await log.publish(at(100 + n, utterance, decided(LIVE, utterance)))
    found = await verdicts(log, within=within)
    assert found == {str(n): Identical() for n in numbers}


NO_BOUNDS = [
    "",
    "yesterday",
    "offset:",
    "offset:-1",
    "offset:x",
    "12:30",
    "2026-13-01",
    "٣",
    "1" * 19,
]


@pytest.mark.parametrize("text", NO_BOUNDS)
def test_what_is_no_bound_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is neither offset:N nor an ISO 8601 time"):
        read_bound(text)


BOUNDS = [
    ("2026-01-02T03:04:05Z", AtTime(1_767_323_045_000_000)),
    ("2026-01-02T03:04:05.678901Z", AtTime(1_767_323_045_678_901)),
    ("2026-01-02T04:04:05+01:00", AtTime(1_767_323_045_000_000)),
    ("2026-01-02 03:04:05", AtTime(1_767_323_045_000_000)),
    ("2026-01-02", AtTime(1_767_312_000_000_000)),
    ("20260102", AtOffset(20_260_102)),
    ("offset:0", AtOffset(0)),
]


@pytest.mark.parametrize(("text", "bound"), BOUNDS, ids=[row[0] for row in BOUNDS])
def test_a_bound_is_a_time_in_utc_or_an_offset(text: str, bound: object) -> None:
    assert read_bound(text) == bound

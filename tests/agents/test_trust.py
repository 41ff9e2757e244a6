"""Signed change sets through the real pipeline: a forged one changes nothing and blocks nobody."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from agents.distiller import distiller
from agents.fallback import hash_draw
from agents.history import registry_at
from agents.matcher import matcher
from agents.node import Decider
from agents.pipeline import pipeline
from agents.registries import taken
from agents.replay import Identical, replay
from agents.runner import Decoder, Running, drain, start, step
from agents.teachers.scripted import ScriptedTeacher
from artifacts.registry import Registry
from streams.codec import VALUE_LIMIT, decode, encode
from streams.events import AnswerGiven, Event, VersionChanged, VersionRefused
from streams.signing import ANYONE, SigningKey, Trust, sign
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import UNAUDITED, asked, change, changed, minutes, proposal, registry_of

OURS, THEIRS, OLD = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
TRUST = Trust((OURS.public,))
FOLDERS = {"matcher", "refiner", "registrar", "auditor", "distiller"}
RIGHT, WRONG = minutes(), minutes(61)
_, UNSIGNED = registry_of(("m", RIGHT, "live"))


@pytest.fixture
async def log() -> EmbeddedLog:
    return EmbeddedLog.open(":memory:")


async def nothing() -> None:
    """Nothing runs between two steps."""


async def put(log: EmbeddedLog, *events: Event) -> None:
    await log.publish([encode(event, timestamp=1) for event in events])


async def said(log: EmbeddedLog, *topics: str) -> list[Event]:
    decoded = [decode(record) for record in await log.read(topics, 0, 100_000)]
    assert all(isinstance(event, Event) for event in decoded)
    return [event for event in decoded if isinstance(event, Event)]


async def world(log: EmbeddedLog, trust: Trust, signer: SigningKey | None) -> list[Running]:
    nodes = pipeline(
        ScriptedTeacher({}), hash_draw(""), policies=UNAUDITED, trusted=frozenset(),
        trust=trust, signer=signer,
    )  # fmt: skip
    decoder = Decoder()
    return [await start(node, log, lambda: 7, decoder.event) for node in nodes]


def registries(nodes: Sequence[Running]) -> dict[str, Registry]:
    return {n.node.name: n.state.registry for n in nodes if n.node.name in FOLDERS}


def as_signed(events: Sequence[VersionChanged], key: SigningKey = OURS) -> list[VersionChanged]:
    return [sign(event, key) for event in events]


def tampered(**fields: Any) -> list[VersionChanged]:
    """The shadow change set as signed, then a live one that somebody altered."""
    first, second = as_signed(UNSIGNED)
    return [first, second.model_copy(update=fields)]


def with_another_artifact() -> list[VersionChanged]:
    first, second = as_signed(UNSIGNED)
    return [first.model_copy(update={"artifacts": (dict(WRONG.document),)}), second]


def replayed() -> list[VersionChanged]:
    """The signature of the first change set stands under the second."""
    first, second = as_signed(UNSIGNED)
    return [first, second.model_copy(update={"signature": first.signature})]


def unloadable() -> list[VersionChanged]:
    first, second = UNSIGNED
    bad = second.model_copy(update={"artifacts": ({"not": "an artifact"},)})
    return as_signed([first, bad])


@dataclass(frozen=True)
class Row:
    """Change sets that come in live: how far every fold gets, and why no farther."""

    name: str
    written: Callable[[], Sequence[VersionChanged]]
    reached: int
    refused: dict[int, str]
    trust: Trust = TRUST


ROWS = (
    Row("signed", lambda: as_signed(UNSIGNED), 2, {}),
    Row("unsigned", lambda: UNSIGNED, 0, {1: "it is not signed", 2: "it is not signed"}),
    Row("wrong-key", lambda: as_signed(UNSIGNED, THEIRS), 0, {1: "not trusted", 2: "not trusted"}),
    Row("tampered-reason", lambda: tampered(reason="forged"), 1, {2: "does not fit"}),
    Row("tampered-scope", lambda: tampered(scope="shared"), 1, {2: "does not fit"}),
    Row("tampered-artifact", with_another_artifact, 0,
        {1: "does not fit", 2: "ordinal 2 after 0"}),
    Row("replayed-signature", replayed, 1, {2: "does not fit"}),
    Row("rotated-keys", lambda: [sign(UNSIGNED[0], OLD), sign(UNSIGNED[1], OURS)], 2, {},
        Trust((OURS.public, OLD.public))),
    Row("key-rotated-out", lambda: [sign(UNSIGNED[0], OURS), sign(UNSIGNED[1], OLD)], 1,
        {2: "not trusted"}),
    Row("no-key-configured", lambda: UNSIGNED, 2, {}, ANYONE),
    Row("older-than-the-keys", lambda: [UNSIGNED[0], sign(UNSIGNED[1], OURS)], 2, {},
        Trust((OURS.public,), since=2)),
    Row("forged-then-valid",
        lambda: [*UNSIGNED[:1], *as_signed(UNSIGNED[:1]), *as_signed(UNSIGNED[1:], THEIRS),
                 *as_signed(UNSIGNED[1:])], 2, {1: "it is not signed", 2: "not trusted"}),
    Row("forged-after-valid", lambda: [*as_signed(UNSIGNED), *UNSIGNED], 2, {}),
    Row("folded-twice", lambda: [*as_signed(UNSIGNED), *as_signed(UNSIGNED)], 2, {}),
    Row("a-gap", lambda: as_signed(UNSIGNED[1:]), 0, {2: "ordinal 2 after 0"}),
    Row("bad-artifact", unloadable, 1, {2: "bad-document"}),
    Row("an-ordinal-from-afar", lambda: [*as_signed(UNSIGNED[:1]),
        UNSIGNED[1].model_copy(update={"ordinal": 10**30}), *as_signed(UNSIGNED[1:])], 2,
        {10**30: "it is not signed"}),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_every_fold_takes_what_it_may_and_tells_of_the_rest(
    log: EmbeddedLog, row: Row
) -> None:
    nodes = await world(log, row.trust, OURS)
    await put(log, *row.written())
    await drain(nodes, nothing)
    found = registries(nodes)
    assert {name: registry.ordinal for name, registry in found.items()} == dict.fromkeys(
        FOLDERS, row.reached
    )
    assert len({registry.digest for registry in found.values()}) == 1
    refusals = [e for e in await said(log, "learning") if isinstance(e, VersionRefused)]
    assert {(e.node, e.ordinal) for e in refusals} == {
        (node, ordinal) for node in FOLDERS for ordinal in row.refused
    }
    assert len(refusals) == len(FOLDERS) * len(row.refused)
    assert all(row.refused[e.ordinal] in e.reason for e in refusals)
    assert await said(log, "rejected") == []
    assert (await registry_at(log, row.trust)).digest == found["matcher"].digest


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_start_folds_the_same_and_says_nothing(log: EmbeddedLog, row: Row) -> None:
    await put(log, *row.written())
    running = await world(log, row.trust, OURS)
    nodes = [each for each in running if isinstance(each.node, Decider) and each.node.folds]
    assert [each.node.name for each in nodes] == ["matcher", "registrar"]
    assert {node.state.registry.ordinal for node in nodes} == {row.reached}
    await drain(nodes, nothing)
    assert await said(log, "learning") == []


async def test_the_registrar_signs_and_a_forger_takes_no_ordinal(log: EmbeddedLog) -> None:
    """The registrar's own change set gets the ordinal that a forged one has claimed."""
    nodes = await world(log, TRUST, OURS)
    await put(log, changed(1, proposal([change("w", 1, WRONG, "shadow")], [WRONG])))
    await put(log, proposal([change("m", 1, RIGHT, "shadow")], [RIGHT]))
    await drain(nodes, nothing)
    forged, ours = await said(log, "versions")
    assert isinstance(forged, VersionChanged) and isinstance(ours, VersionChanged)
    assert (forged.ordinal, ours.ordinal, forged.signature) == (1, 1, None)
    assert str(ours.signature).startswith(f"{OURS.public.name}:")
    for registry in registries(nodes).values():
        assert [entry.family for entry in registry.in_order()] == ["m"]


async def test_a_refused_change_set_leaves_the_last_good_registry_serving(
    log: EmbeddedLog,
) -> None:
    nodes = await world(log, TRUST, OURS)
    await put(log, *as_signed(UNSIGNED))
    retired = changed(3, proposal([change("m", 1, RIGHT, "retired")]))
    await put(log, retired, sign(retired, THEIRS), asked("9 minutes to seconds"))
    await drain(nodes, nothing)
    (answer,) = await said(log, "matches")
    assert isinstance(answer, AnswerGiven)
    assert (answer.answer, answer.revision.ordinal) == ("540", 2)
    assert [again.verdict async for again in replay(log, TRUST)] == [Identical()]


async def test_replay_and_history_pass_over_forged_change_sets(
    log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a later change set of the same ordinal nor one from afar ends the reading."""
    nodes = await world(log, TRUST, OURS)
    first, second = UNSIGNED
    far = first.model_copy(update={"ordinal": 99})
    await put(log, far, sign(first, OURS), sign(second, OURS), asked("9 minutes to seconds"))
    await drain(nodes, nothing)
    await put(log, changed(2, proposal([change("m", 1, RIGHT, "retired")])))
    assert (await registry_at(log, TRUST, 1)).ordinal == 1
    assert caplog.messages == [
        "1 change sets were passed over; the first of them, 99: it is not signed"
    ]
    assert (await registry_at(log, TRUST, 2)).serving == 1
    assert [again.verdict async for again in replay(log, TRUST)] == [Identical()]
    assert [again.verdict async for again in replay(log, TRUST, against=2)] == [Identical()]


async def test_a_refusal_is_small_whatever_was_refused(log: EmbeddedLog) -> None:
    """A forged scope as long as a record may be does not make the report too long to be written."""
    decoder = Decoder()
    running = await start(matcher(UNAUDITED, trust=TRUST), log, lambda: 7, decoder.event)
    empty = len(encode(UNSIGNED[1], timestamp=0).value)
    await put(log, UNSIGNED[1].model_copy(update={"scope": "\x01" * ((VALUE_LIMIT - empty) // 6)}))
    await step(running)
    (refused,) = await said(log, "learning")
    assert isinstance(refused, VersionRefused)
    assert len(refused.scope) == 200


def test_the_distiller_learns_nothing_from_a_refused_change_set() -> None:
    node = distiller(trust=TRUST)
    state, made = node.decide(node.initial, UNSIGNED[0])
    assert state is node.initial
    assert [type(event) for event in made] == [VersionRefused]


def test_trust_is_part_of_what_is_remembered() -> None:
    """The snapshot that one node may make is not handed to another that may not."""
    event = UNSIGNED[0]
    empty = Registry()
    assert taken(empty, event, ANYONE, "x")[0].ordinal == 1
    assert taken(empty, event, TRUST, "x")[0] is empty
    assert taken(empty, event, ANYONE, "x")[0].ordinal == 1

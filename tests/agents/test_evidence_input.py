"""Bad evidence: twice, late, out of order, contradictory, of gone versions; two registrars.

| what comes                                | what becomes of it                                   |
|-------------------------------------------|------------------------------------------------------|
| an atom twice                             | counts once                                          |
| a late atom, of an earlier stay in shadow | counts for that stay alone, and for the certificate  |
| atoms in another order                    | the same evidence, the same certificates             |
| contradictory atoms of one sample         | one sample, a disagreement; nothing is promoted      |
| an atom of an unknown digest              | a certificate by that digest; nothing is promoted    |
| an audit of a retired version             | a sample of its certificate; nothing changes stage   |
| an audit of an unknown version            | no atom; the answer was served and counts as audited |
| a second registrar, embedded              | cannot open the log                                  |
| a second registrar, Kafka                 | fences the first: tests/kafka/test_transport.py,     |
|                                           | `test_a_sole_member_has_every_partition_and_fences…` |
| two change sets of one ordinal            | the second is refused by every folder, with an event |
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from immutables import Map

from agents import auditor, distiller, matcher, refiner, registrar
from agents.certificates import Atoms, Certificates
from artifacts.evidence import Sampled
from artifacts.policy import ONE_POLICY, policies_with
from artifacts.registry import Registry
from streams.codec import encode
from streams.events import (
    AuditAnswered,
    AuditAsked,
    ComparisonMade,
    Event,
    TeacherRepeated,
    VersionChanged,
    VersionProposed,
    VersionRefused,
)
from streams.transports import Record, WriterBusy
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import TENANT, atom, change, changed, minutes, proposal, registry_of

SHADOW, (CHANGED,) = registry_of(("m", minutes(), "shadow"))
ENTRY = next(SHADOW.in_order())
CLEAN = [atom(ENTRY, n) for n in range(20)]
LATE = [one.model_copy(update={"since": 0}) for one in CLEAN]
DENIED = CLEAN[3].model_copy(update={"agreed": False})
UNKNOWN = [one.model_copy(update={"digest": "0" * 64, "family": "x"}) for one in CLEAN]
REJECTED = [one.model_copy(update={"stratum": "rejected"}) for one in CLEAN]

# atoms, samples and errors in shadow, and whether the auditor proposes to promote, where this is
# about shadow
ROWS: dict[str, tuple[list[ComparisonMade], Sampled, bool | None]] = {
    "each-once": (CLEAN, Sampled(20, 0), True),
    "each-twice": ([*CLEAN, *CLEAN], Sampled(20, 0), True),
    "each-ten-times-but-few": (CLEAN[:3] * 10, Sampled(3, 0), False),
    "the-last-first": (CLEAN[::-1], Sampled(20, 0), True),
    "late-ones-of-an-earlier-stay": (LATE, Sampled(20, 0), False),
    "one-denied-at-first": ([DENIED, *CLEAN], Sampled(20, 1), False),
    "one-denied-early": ([*CLEAN[:4], DENIED, *CLEAN[4:]], Sampled(20, 1), False),
    "of-an-unknown-digest": (UNKNOWN, Sampled(), False),
    "of-rejects": (REJECTED, Sampled(), None),
}


def state_of(registry: Registry = SHADOW) -> auditor.State:
    return auditor.State(ONE_POLICY, frozenset(), registry)


@pytest.mark.parametrize("name", ROWS)
def test_what_becomes_of_evidence(name: str) -> None:
    atoms, expected, is_promoted = ROWS[name]
    state, proposed, found = state_of(), 0, Atoms()
    for number, one in enumerate(atoms):
        state, made = auditor.decide(state, one)
        proposed += sum(isinstance(event, VersionProposed) for event in made)
        found.add(one, number)
    digest = ENTRY.artifact.digest
    assert state.evidence.sampled.get((digest, "teacher", "shadow"), Sampled()) == expected
    rows = [row for row in found.rows({}) if row["digest"] == digest]
    assert [(row["samples"], row["errors"]) for row in rows] == (
        [(expected.samples, expected.errors)] if expected.samples else []
    )
    assert all(row["stratum"] != "rejected" for row in found.rows({}))
    assert is_promoted in (None, proposed > 0)
    if name == "of-an-unknown-digest":
        (row,) = found.rows({})
        assert (row["family"], row["samples"]) == ("x", 20)
    if name == "late-ones-of-an-earlier-stay":
        assert state.evidence.tally(digest, 0).agreements == 20
        assert state.evidence.tally(digest, ENTRY.since).agreements == 0


ATOM = st.builds(
    lambda sample, agreed, since, stratum, target, pi: atom(
        ENTRY, sample, agreed=agreed, since=since, stratum=stratum, target=target,
        probability=pi, teacher="gpt" if pi > 0.5 else None,
    ),
    st.integers(0, 3), st.booleans(), st.integers(1, 2),
    st.sampled_from(["shadow", "audit", "rejected"]), st.sampled_from(["teacher", "truth"]),
    st.sampled_from([0.1, 1.0]),
)  # fmt: skip
NOISE = st.builds(
    lambda sample, agreed: TeacherRepeated(
        sample_id=str(sample), scope=TENANT, teacher="gpt", cause=None, text="x", first="a",
        second="a" if agreed else "b", agreed=agreed,
    ),
    st.integers(0, 3), st.booleans(),
)  # fmt: skip


def test_certificates_are_those_of_the_topic_in_any_order_and_however_often() -> None:
    seen: Counter[str] = Counter()

    @given(st.lists(st.tuples(ATOM | NOISE, st.integers(0, 9)), max_size=12), st.randoms())
    def check(timed: list[tuple[Any, int]], chance: Any) -> None:
        shuffled = timed * 2
        chance.shuffle(shuffled)
        first, second = Atoms(), Atoms()
        for one, time in timed:
            first.add(one, time)
        for one, time in shuffled:
            second.add(one, time)
        assert first.rows({}) == second.rows({})
        assert first.noise_of(TENANT) == second.noise_of(TENANT)
        for rate in (0.1, 0.9):
            assert first.below(rate, "shadow", {}) == second.below(rate, "shadow", {})
        seen["certificates"] += bool(first.versions)
        seen["noise"] += bool(first.noise)
        seen["errors"] += any(row["errors"] for row in first.rows({}))
        seen["several"] += len(first.versions) > 1

    check()
    assert min(seen[what] for what in ("certificates", "noise", "errors", "several")) > 10


# --- audits of versions that are gone -------------------------------------------------------------


def audited(utterance_id: str, version: int = 1, answer: str = "180") -> AuditAnswered:
    return AuditAnswered(
        utterance_id=utterance_id, tenant=TENANT, text="3 minutes to seconds", answer=answer,
        teacher="gpt", family="m", version=version, digest=minutes().digest, served="180",
        probability=0.25,
    )  # fmt: skip


def asked(utterance_id: str, version: int = 1) -> AuditAsked:
    return AuditAsked(
        utterance_id=utterance_id, tenant=TENANT, text="3 minutes to seconds", answer="180",
        family="m", version=version, digest=minutes().digest, probability=0.25,
    )  # fmt: skip


def record(event: Event, offset: int) -> Record:
    out = encode(event, timestamp=offset)
    return Record(out.topic, 0, offset, offset, out.key, out.headers, out.value, out.timestamp)


def certificates(*events: Event) -> Certificates:
    found = Certificates(policies_with(audit_rate=0.25))
    for offset, event in enumerate(events):
        found.add(record(event, offset))
    return found


@pytest.mark.parametrize("answer", ["180", "181"])
def test_an_audit_of_a_retired_version_is_a_sample_and_moves_nothing(answer: str) -> None:
    registry, _ = registry_of(("m", minutes(), "retired"))
    event = audited("u1", answer=answer)
    state, made = auditor.decide(state_of(registry), event)
    (one,) = made
    assert isinstance(one, ComparisonMade)
    assert (one.stratum, one.agreed) == ("audit", answer == "180")
    state, made = auditor.decide(state, one)
    assert (made, state.registry) == ((), registry)
    _, made = refiner.decide(refiner.State(ONE_POLICY, frozenset(), registry), one)
    assert made == ()
    found = certificates(asked("u1"), event, one)
    (row,) = found.document()["certificates"]
    (fleet,) = found.document()["fleets"]
    assert (row["samples"], row["errors"]) == (1, answer != "180")
    assert (fleet["answered"], fleet["audited"], fleet["errors"]) == (1, 1, answer != "180")


def test_an_audit_of_an_unknown_version_is_no_atom_but_the_answer_was_served() -> None:
    wrong = audited("u1").model_copy(update={"digest": "0" * 64})
    for event in (audited("u1", version=9), wrong):
        state, made = auditor.decide(state_of(), event)
        assert (made, state.evidence.sampled) == ((), Map())
    (fleet,) = certificates(asked("u1", 9), audited("u1", 9, "181")).document()["fleets"]
    assert (fleet["answered"], fleet["audited"], fleet["errors"]) == (1, 1, 1)


AUDITS: dict[str, tuple[list[Event], tuple[int, int, int]]] = {
    "once": ([asked("1"), asked("2"), audited("1")], (2, 1, 0)),
    "twice": ([asked("1"), asked("2"), audited("1"), audited("1"), asked("1")], (2, 1, 0)),
    "the-reply-first": ([audited("1"), asked("2"), asked("1")], (2, 1, 0)),
    "contradictory": ([asked("1"), audited("1"), audited("1", answer="9")], (1, 1, 1)),
    "contradictory-the-other-way": (
        [asked("1"), audited("1", answer="9"), audited("1")], (1, 1, 1),
    ),
    "wrong-twice": (
        [asked("1"), audited("1", answer="9"), audited("1", answer="8")], (1, 1, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AUDITS)
def test_no_audit_is_counted_twice(name: str) -> None:
    events, expected = AUDITS[name]
    found = certificates(*events)
    (fleet,) = found.document()["fleets"]
    assert (fleet["answered"], fleet["audited"], fleet["errors"]) == expected
    ordered = certificates(*sorted(events, key=lambda e: isinstance(e, AuditAnswered)))
    assert fleet == ordered.document()["fleets"][0]


# --- two registrars -------------------------------------------------------------------------------


async def test_a_second_registrar_cannot_open_an_embedded_log(tmp_path: Path) -> None:
    first = EmbeddedLog.open(tmp_path / "kappa.log")
    try:
        with pytest.raises(WriterBusy):
            EmbeddedLog.open(tmp_path / "kappa.log")
    finally:
        await first.close()


OTHER = changed(1, proposal([change("n", 1, minutes(61), "shadow")], [minutes(61)]))
SAME_VERSION = changed(1, proposal([change("m", 1, minutes(61), "shadow")], [minutes(61)]))
RETIRED = changed(1, proposal([change("m", 1, minutes(), "retired")]))
FOLDERS: dict[str, Any] = {
    "matcher": matcher.matcher(ONE_POLICY),
    "auditor": auditor.auditor(frozenset()),
    "refiner": refiner.refiner(frozenset()),
    "distiller": distiller.distiller(),
    "registrar": registrar.registrar(),
}


@pytest.mark.parametrize("other", [OTHER, SAME_VERSION, RETIRED], ids=["n", "digest", "stage"])
@pytest.mark.parametrize("name", FOLDERS)
def test_of_two_change_sets_with_one_ordinal_the_second_is_refused(
    name: str, other: VersionChanged
) -> None:
    node = FOLDERS[name]
    state, said = node.decide(node.initial, CHANGED)
    assert not said
    for _ in range(2):  # folding the first one twice is not worth a word
        state, said = node.decide(state, CHANGED)
        assert not said
    registry = state.registry
    state, (refused,) = node.decide(state, other)
    assert isinstance(refused, VersionRefused)
    assert (refused.ordinal, refused.node) == (1, name)
    assert refused.reason == "ordinal 1 is taken by another change set"
    assert state.registry is registry and registry.ordinal == 1
    assert [entry.key for entry in registry.in_order()] == [("m", 1)]


def test_an_old_change_set_that_has_been_moved_on_since_is_not_refused() -> None:
    registry, events = registry_of(("m", minutes(), "live"), ("n", minutes(61), "shadow"))
    state = state_of(registry)
    for event in events:
        state, said = auditor.decide(state, event)
        assert not said
    assert state.registry is registry

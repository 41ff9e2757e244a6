"""Self-noise and φ: what a teacher says twice, and what it is asked on purpose."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import probes
from agents.auditor import State, decide
from agents.fallback import fallback, hash_draw
from agents.ledger import ledger
from agents.ledger_document import DecideTime, ledger_document
from agents.pipeline import pipeline
from agents.probes import Heard, Said, heard, phi_probes, probed, repeat_probes
from agents.runner import Decoder, drain, start
from agents.teachers import Question, Refused, Reply
from agents.teachers.scripted import ScriptedTeacher
from artifacts.compiler import Given, answer_of
from artifacts.phi import phi_samples
from artifacts.policy import ONE_POLICY, policies_with
from streams.codec import decode, encode
from streams.events import (
    AuditAnswered,
    ComparisonMade,
    CompletionGiven,
    Event,
    ProbeAnswered,
    ProbeAsked,
    ProbeRefused,
    RecallAnswered,
    TeacherRepeated,
)
from streams.signing import ANYONE
from streams.transports.embedded import EmbeddedLog
from tests.agents.simulations import helpdesk, kappa, simulated
from tests.agents.worlds import (
    TENANT,
    asked,
    change,
    compiled,
    minutes,
    proposal,
    registry_of,
    shares,
)

TEXT = "who is on call"
VERSION: dict[str, Any] = {"family": "m", "version": 1, "digest": "d"}


def said(answer: Any, utterance_id: str, text: str = TEXT, **more: Any) -> CompletionGiven:
    fields = {"tenant": TENANT, "teacher": "gpt"} | more
    return CompletionGiven(utterance_id=utterance_id, text=text, answer=answer, **fields)


def audited(answer: Any, utterance_id: str) -> AuditAnswered:
    return AuditAnswered(
        utterance_id=utterance_id, tenant=TENANT, text=TEXT, answer=answer, teacher="gpt",
        served="x", probability=0.1, **VERSION
    )  # fmt: skip


def recalled(answer: Any, utterance_id: str) -> RecallAnswered:
    return RecallAnswered(
        utterance_id=utterance_id, tenant=TENANT, text=TEXT, answer=answer, teacher="gpt",
        answer_ref="r", **VERSION
    )  # fmt: skip


Answered = CompletionGiven | AuditAnswered | RecallAnswered
# what is said, one after the other, and the atoms that it makes: sample and verdict
REPEATS: dict[str, tuple[list[Answered], list[tuple[str, bool]]]] = {
    "said-once": ([said("ann", "1")], []),
    "the-same-again": ([said("ann", "1"), said("ann", "2")], [("2", True)]),
    "the-same-in-public": ([said("7", "1"), said(7.0, "2")], [("2", True)]),
    "something-else": ([said("ann", "1"), said("bob", "2")], [("2", False)]),
    "in-capitals-and-spaced": (
        [said("a", "1"), said("a", "2", " WHO  is on call ")],
        [("2", True)],
    ),
    "another-text": ([said("ann", "1"), said("ann", "2", "who was")], []),
    "an-answer-is-in-one-pair": (
        [said("a", "1"), said("a", "2"), said("b", "3"), said("a", "4")],
        [("2", True), ("4", False)],
    ),
    "audits-and-recalls-are-askings": (
        [said("a", "1"), audited("a", "2"), recalled("a", "3"), said("b", "4")],
        [("2", True), ("4", False)],
    ),
    "one-answer-stored-twice": ([said("a", "1"), said("a", "1")], []),
    "reproducible-once": ([said("a", "1"), said(None, "2")], [("2", False)]),
    "nothing-reproducible-twice": ([said(None, "1"), said(None, "2")], []),
    "in-a-context": ([said("a", "1", in_context=True), said("b", "2")], []),
    "the-reply-to-an-equal-question": ([said("a", "1"), said("a", "2", in_flight=True)], []),
    "another-tenant": ([said("a", "1"), said("b", "2", tenant="else")], []),
    "another-teacher": ([said("a", "1"), said("b", "2", teacher="another")], []),
    "another-prefix": ([said("a", "1"), said("b", "2", prefix="0f")], []),
}


@pytest.mark.parametrize("name", REPEATS)
def test_what_is_a_sample_of_self_noise(name: str) -> None:
    events, expected = REPEATS[name]
    state, atoms = State(ONE_POLICY, frozenset()), list[tuple[str, bool]]()
    for event in events:
        state, made = decide(state, event)
        for atom in made:
            assert isinstance(atom, TeacherRepeated)
            assert (atom.scope, atom.teacher, atom.cause) == (TENANT, "gpt", None)
            atoms.append((atom.sample_id, atom.agreed))
    assert atoms == expected


def test_only_the_newest_answers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "REMEMBERED", 10)
    memory = Heard()
    for number in range(100):
        memory, _ = heard(memory, said("a", str(number), f"text {number}"))
        assert len(memory.young) + len(memory.old) <= 20
    key = (TENANT, "gpt", "", "text 99")
    assert memory.of(key) == Said("99", "a")
    assert memory.of((*key[:3], "text 89")) is None
    assert memory.of((*key[:3], "text 90")) is not None


def test_so_many_completions_are_asked_again() -> None:
    policies = policies_with(repeat_rate=0.1)
    made = [probe for n in range(4000) for probe in repeat_probes(policies, said("a", str(n)))]
    assert 340 < len(made) < 460
    assert made[0].cause == "repeat" and made[0].answer == "a" and made[0].teacher == "gpt"
    assert made == [p for n in range(4000) for p in repeat_probes(policies, said("a", str(n)))]
    always = policies_with(repeat_rate=1.0)
    assert repeat_probes(always, said("a", "1"))
    assert not repeat_probes(always, said("a", "1", in_context=True))
    assert not repeat_probes(always, said("a", "1", in_flight=True))
    assert not repeat_probes(ONE_POLICY, said("a", "1"))


PROBE = ProbeAsked(
    utterance_id="repeat|1", tenant=TENANT, text=TEXT, answer="ann", cause="repeat", teacher="gpt"
)
FIELDS = {"utterance_id": "repeat|1", "tenant": TENANT, "text": TEXT, "cause": "repeat"}


def named(script: dict[str, Reply | Refused], name: str = "gpt") -> ScriptedTeacher:
    teacher = ScriptedTeacher(dict(script))
    teacher.name = name
    return teacher


async def test_a_probe_ends_in_an_answer_or_a_refusal() -> None:
    (given,) = await fallback(named({TEXT: Reply("bob", tokens=3)}), hash_draw("")).ask(PROBE)
    assert given == ProbeAnswered.model_validate(
        FIELDS | {"answer": "bob", "held_against": "ann", "teacher": "gpt", "tokens": 3}
    )
    (refused,) = await fallback(named({TEXT: Refused("no")}), hash_draw("")).ask(PROBE)
    assert refused == ProbeRefused.model_validate(FIELDS | {"teacher": "gpt", "reason": "no"})
    (other,) = await fallback(ScriptedTeacher({TEXT: Reply("ann")}), hash_draw("")).ask(PROBE)
    assert other == ProbeRefused.model_validate(
        FIELDS | {"teacher": "scripted", "reason": "it was a question to gpt"}
    )


def answered(probe: ProbeAsked, answer: Any) -> ProbeAnswered:
    fields = probe.model_dump(exclude={"answer", "teacher"})
    return ProbeAnswered.model_validate(
        fields | {"answer": answer, "held_against": probe.answer, "teacher": "gpt"}
    )


def test_a_repeat_is_one_atom_of_the_utterance_it_repeats() -> None:
    (atom,) = probed(registry_of()[0], answered(PROBE, "bob"))
    assert isinstance(atom, TeacherRepeated)
    assert (atom.sample_id, atom.cause, atom.agreed) == ("1", "repeat", False)
    assert probed(registry_of()[0], answered(PROBE, None)) != ()
    nothing = PROBE.model_copy(update={"answer": None})
    assert probed(registry_of()[0], answered(nothing, None)) == ()


def test_phi_renders_texts_that_the_family_answers_with_other_values_each() -> None:
    found = phi_samples(minutes(), 20)
    assert len(found) == 20 == len({sample.text for sample in found})
    for sample in found:
        given = answer_of(minutes(), sample.text)
        assert isinstance(given, Given) and given.answer == sample.answer
        assert sample.text.endswith(" minutes to seconds")
    assert found == phi_samples(minutes(), 20)
    assert found != phi_samples(minutes(61), 20)


def test_where_there_are_few_texts_there_are_few_samples() -> None:
    one = compiled(
        {
            "recipe": 1, "name": "hours", "phrasings": ["(your ){0,1}opening hours"], "steps": [],
            "answer": {"constant": "9 to 5"},
            "examples": [{"text": "opening hours", "answer": "9 to 5"}],
        }
    )  # fmt: skip
    assert [sample.answer for sample in phi_samples(one, 5)] == ["9 to 5"]
    for sample in phi_samples(shares(), 30):  # those by zero fail
        assert isinstance(answer_of(shares(), sample.text), Given)


def test_a_version_that_is_new_in_shadow_is_probed_once() -> None:
    policies = policies_with(phi_samples=5)
    registry, (event,) = registry_of(("m", minutes(), "shadow"))
    made = phi_probes(policies, registry, event)
    assert [probe.utterance_id for probe in made] == [
        f"phi|{minutes().digest}|{index}" for index in range(5)
    ]
    state = replace(State(policies, frozenset()), trust=ANYONE)
    _, said_to_it = decide(state, event)
    assert list(said_to_it) == list(made)
    assert phi_probes(ONE_POLICY, registry, event) == []
    live, events = registry_of(("m", minutes(), "live"))
    assert phi_probes(policies, live, events[-1]) == []


def test_a_probe_of_phi_is_an_atom_of_its_own_stratum() -> None:
    policies = policies_with(phi_samples=2)
    registry, (event,) = registry_of(("m", minutes(), "shadow"))
    first, second = phi_probes(policies, registry, event)
    (right,) = probed(registry, answered(first, first.answer))
    (wrong,) = probed(registry, answered(second, "another"))
    assert isinstance(right, ComparisonMade) and isinstance(wrong, ComparisonMade)
    assert (right.stratum, right.agreed, right.teacher) == ("phi", True, "gpt")
    assert (wrong.stratum, wrong.agreed, wrong.since) == ("phi", False, 1)
    unknown = answered(first, "1").model_copy(update={"version": 7})
    assert probed(registry, unknown) == ()
    assert probed(registry, unknown.model_copy(update={"version": 1, "digest": "x"})) == ()


class Counting(ScriptedTeacher):
    """Says what minutes are in seconds, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__({})
        self.heard: list[str] = []

    async def answer(self, question: Question) -> Reply | Refused:
        self.heard.append(question.utterance_id)
        number = question.text.split()[0]
        if not number.isdigit():
            return Refused("I do not know")
        return Reply(str(int(number) * 60), tokens=10)


async def nothing() -> None:
    """Nothing runs between two steps."""


async def test_probes_run_through_the_pipeline_and_are_calls_of_the_ledger() -> None:
    log, teacher = EmbeddedLog.open(":memory:"), Counting()
    nodes = pipeline(
        teacher, hash_draw(""), trusted=frozenset(),
        policies=policies_with(repeat_rate=1.0, phi_samples=6, audit_rate=0.0),
    )  # fmt: skip
    decoder = Decoder()
    running = [await start(node, log, lambda: 7, decoder.event) for node in nodes]
    wanted = proposal([change("m", 1, minutes(), "shadow")], [minutes()])
    await log.publish([encode(wanted, timestamp=1)])
    await drain(running, nothing)
    for number in (3, 4):
        utterance = asked(f"{number} hours to days", str(number))
        await log.publish([encode(utterance, timestamp=2)])
        await drain(running, nothing)
    events: list[Event] = []
    for record in await log.read(("completions", "evidence"), 0, 100_000):
        event = decode(record)
        assert isinstance(event, Event)
        events.append(event)
    found = [e for e in events if isinstance(e, ProbeAnswered)]
    refused = [e for e in events if isinstance(e, ProbeRefused)]
    phi = [e for e in events if isinstance(e, ComparisonMade) and e.stratum == "phi"]
    repeated = [e for e in events if isinstance(e, TeacherRepeated)]
    assert len([e for e in found if e.cause == "phi"]) == len(phi)
    assert len(phi) + len(refused) == 6 and phi
    assert [(e.sample_id, e.agreed) for e in repeated] == [("3", True), ("4", True)]
    assert len(teacher.heard) == 2 + 2 + 6
    document = ledger_document(await ledger(log, ANYONE), DecideTime(), by_family=True)
    assert document["calls"]["probes"] == 8 == document["spent"]["probes"]["calls"]
    assert document["calls"]["saved"] <= -8
    (family,) = [row for row in document["families"] if row["family"] == "m"]
    assert (family["probes"], family["upkeep"]["calls"]) == (6, 6)


@pytest.mark.slow
def test_a_simulation_reveals_nothing_to_probes(tmp_path: Path) -> None:
    """The teacher's seat refuses them: decisions are the same, and so is what was asked."""
    plain = simulated(tmp_path / "plain", helpdesk(150))
    probing = simulated(
        tmp_path / "probing", helpdesk(150), "--threshold", "repeat_rate=1",
        "--threshold", "phi_samples=3", "--data", tmp_path / "data",
    )  # fmt: skip
    assert probing.decisions == plain.decisions
    assert probing.report["teacher_calls"] == plain.report["teacher_calls"]
    status, out, _ = kappa("ledger", "--data", tmp_path / "data", "--json")
    probes = json.loads(out)["spent"]["probes"]
    assert status == 0
    assert probes["calls"] == probes["refused"] > 100

"""The gate: one row for every check that refuses, and what it lets pass."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from agents.registrar import CHECKS
from artifacts.artifact import Artifact, load_artifact
from artifacts.registry import SHARED
from artifacts.stages import STAGES
from streams.events import ExpectationChecked, VersionChanged, VersionProposed, Window
from tests.agents.worlds import (
    TENANT,
    Gate,
    atom,
    change,
    minutes,
    proposal,
    served,
    shares,
    with_policy,
)

RIGHT, OTHER, WRONG = minutes(), minutes(60, (3, 4)), minutes(61)


def empty() -> Gate:
    return Gate()


def shadow() -> Gate:
    """`m@1` lies in shadow without evidence."""
    gate = Gate()
    gate.passed(gate.propose([change("m", 1, RIGHT, "shadow")], [RIGHT]))
    return gate


def shared_shadow() -> Gate:
    """`m@1` lies in shadow for every tenant, put there by people."""
    gate = Gate()
    gate.passed(gate.propose([change("m", 1, RIGHT, "shadow")], [RIGHT], scope=SHARED))
    return gate


def live() -> Gate:
    """`m@1` serves."""
    gate = Gate()
    gate.serve("m", RIGHT)
    return gate


def rival() -> Gate:
    """`m@1` has answered a text; `w@1`, with enough evidence, would answer it otherwise."""
    gate = live()
    gate.fold(served(gate.entry("m"), "9 minutes to seconds", "540"))
    gate.passed(gate.propose([change("w", 1, WRONG, "shadow")], [WRONG]))
    gate.with_evidence("w")
    return gate


def disagreed() -> Gate:
    gate = shadow()
    gate.with_evidence("m", count=20)
    gate.fold(atom(gate.entry("m"), 200, agreed=False))
    return gate


def full() -> Gate:
    return with_policy(shadow(), max_families=1)


def doubted() -> Gate:
    """`m@1` has enough evidence, gathered from replies that are not as expected."""
    gate = shadow()
    gate.with_evidence("m")
    gate.fold(
        ExpectationChecked(
            suite="completions", expectation="null-share", scope=TENANT, passed=False,
            observed=None, reason="too many", rows=20, window=Window(since=1, until=2),
        )
    )  # fmt: skip
    return gate


def next_version(artifact: Artifact, previous: int = 100, **more: object) -> VersionProposed:
    return proposal([change("m", 2, artifact, "shadow")], [artifact], previous, **more)


@dataclass(frozen=True)
class Row:
    """A proposal that one check refuses, and a part of the reason."""

    name: str
    check: str
    gate: Callable[[], Gate]
    wanted: VersionProposed
    reason: str


PROMOTION = proposal([change("m", 1, RIGHT, "live")], previous=100)
REFUSED = (
    Row("artifact-is-no-document", "artifacts", empty,
        proposal([change("m", 1, RIGHT, "shadow")]).model_copy(update={"artifacts": ("x",)}),
        "bad-document"),
    Row("artifact-has-one-more-field", "stages", empty,
        proposal([change("m", 1, RIGHT, "shadow")]).model_copy(
            update={"artifacts": ({**RIGHT.document, "name": "other"},)}),
        "no artifact"),
    Row("agents-do-not-learn-for-all", "scope", empty,
        proposal([change("m", 1, RIGHT, "shadow")], [RIGHT], scope=SHARED, actor="distiller"),
        "for one tenant"),
    Row("nor-does-the-refiner", "scope", empty,
        proposal([change("m", 1, RIGHT, "shadow")], [RIGHT], scope=SHARED, actor="refiner"),
        "for one tenant"),
    Row("stale-promotion", "previous", disagreed,
        proposal([change("m", 1, RIGHT, "live")], previous=0), "m changed at 1, after 0"),
    Row("stale-next-version", "previous", shadow, next_version(OTHER, previous=0),
        "m changed at 1, after 0"),
    Row("new-into-live", "stages", empty,
        proposal([change("m", 1, RIGHT, "live")], [RIGHT]), "live may not follow None"),
    Row("live-into-canary", "stages", live,
        proposal([change("m", 1, RIGHT, "canary")], previous=100), "canary may not follow live"),
    Row("no-artifact", "stages", empty, proposal([change("m", 1, RIGHT, "shadow")]),
        "no artifact"),
    Row("a-version-is-left-out", "stages", empty,
        proposal([change("m", 2, RIGHT, "shadow")], [RIGHT]), "the next version is 1"),
    Row("another-digest", "stages", shadow,
        proposal([change("m", 1, OTHER, "retired")], previous=100), "another digest"),
    Row("twice-in-one-set", "stages", live,
        proposal([change("m", 1, RIGHT, "shadow"), change("m", 1, RIGHT, "retired")],
                 previous=100), "changed twice"),
    Row("loses-an-example", "regressions", shadow, next_version(shares()),
        "loses an example of version 1"),
    Row("answers-an-example-otherwise", "regressions", shadow, next_version(minutes(61, (3,))),
        "loses an example of version 1"),
    Row("no-evidence", "evidence", shadow, PROMOTION, "0 agreements of 5"),
    Row("a-disagreement", "evidence", disagreed, PROMOTION, "1 disagreements"),
    Row("would-clash", "lost-hits", rival,
        proposal([change("w", 1, WRONG, "live")], previous=100),
        "clashes on '9 minutes to seconds'"),
    Row("learned-from-bad-data", "expectations", doubted, PROMOTION,
        "m@1: completions/null-share of acme: too many"),
    Row("no-room", "capacity", full,
        proposal([change("s", 1, shares(), "shadow")], [shares()], 100), "1 versions of 1"),
)  # fmt: skip


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)
def test_the_gate_refuses(row: Row) -> None:
    gate = row.gate()
    before = gate.registry
    reasons = gate.refused_by(row.wanted)
    assert row.reason in reasons[row.check]
    assert gate.registry is before


def test_an_example_that_is_not_answered_as_it_says_is_refused() -> None:
    document = dict(RIGHT.document) | {"examples": [{"text": "2 minutes to seconds", "answer": 1}]}
    lying = load_artifact(document)
    assert isinstance(lying, Artifact)
    wanted = proposal([change("m", 1, lying, "shadow")], [lying])
    assert "an example is not answered" in Gate().refused_by(wanted)["examples"]


def test_every_check_has_a_row() -> None:
    assert {row.check for row in REFUSED} | {"examples"} == {*CHECKS, "artifacts", "scope"}


ACCEPTED = (
    ("new", empty, proposal([change("m", 1, RIGHT, "shadow")], [RIGHT])),
    ("by-people-for-all", empty,
     proposal([change("m", 1, RIGHT, "shadow")], [RIGHT], scope=SHARED)),
    ("agents-may-withdraw-for-all", shared_shadow,
     proposal([change("m", 1, RIGHT, "retired")], scope=SHARED, actor="refiner", previous=100)),
    ("quarantine-though-stale", live, proposal([change("m", 1, RIGHT, "shadow")], previous=0)),
    ("retirement-though-stale", live, proposal([change("m", 1, RIGHT, "retired")], previous=0)),
    ("next-version", shadow, next_version(OTHER)),
    ("mended-example", shadow,
     next_version(minutes(61, (3,)), mended=("2 minutes to seconds", "5 minutes to seconds"))),
    ("a-clash-with-what-leaves", rival,
     proposal([change("w", 1, WRONG, "live"), change("m", 1, RIGHT, "shadow")], previous=100)),
    ("a-full-scope-may-still-retire", full,
     proposal([change("m", 1, RIGHT, "retired")], previous=100)),
)  # fmt: skip


@pytest.mark.parametrize(("name", "make", "wanted"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_the_gate_accepts(name: str, make: Callable[[], Gate], wanted: VersionProposed) -> None:
    gate = make()
    made = gate.passed(wanted)
    assert (made.changes, made.artifacts) == (wanted.changes, wanted.artifacts)
    assert [check.check for check in made.checks] == ["artifacts", *CHECKS]
    for line in wanted.changes:
        entry = gate.entry(line.family, line.version, wanted.scope)
        assert entry.stage == line.stage


def test_a_change_set_is_atomic() -> None:
    """One bad line refuses the good ones beside it."""
    gate = shadow()
    gate.with_evidence("m")
    lines = [change("m", 1, RIGHT, "live"), change("s", 1, shares(), "live")]
    assert "stages" in gate.refused_by(gate.propose(lines, [shares()]))
    assert gate.entry("m").stage == "shadow"
    assert gate.registry.entry(gate.entry("m").scope, "s", 1) is None


def test_ordinals_follow_one_another_past_refusals() -> None:
    gate = Gate()
    ordinals = []
    for number in range(6):
        made = gate.decide(gate.propose([change(f"m{number}", 1, RIGHT, "shadow")], [RIGHT]))
        assert isinstance(made, VersionChanged)
        ordinals.append(made.ordinal)
        gate.refused_by(gate.propose([change("none", 7, RIGHT, "shadow")], [RIGHT]))
    assert ordinals == [1, 2, 3, 4, 5, 6]


def test_a_stale_quarantine_does_not_bring_a_retired_version_back() -> None:
    gate = live()
    seen = gate.registry.ordinal
    gate.passed(gate.propose([change("m", 1, RIGHT, "retired")]))
    back = proposal([change("m", 1, RIGHT, "shadow")], previous=seen)
    assert set(gate.refused_by(back)) == {"previous"}
    gate.passed(gate.propose([change("m", 1, RIGHT, "shadow")], reason="rollback"))
    assert gate.entry("m").stage == "shadow"


def test_evidence_from_before_a_return_does_not_count() -> None:
    gate = live()
    gate.passed(gate.propose([change("m", 1, RIGHT, "shadow")]))
    assert gate.refused_by(gate.propose([change("m", 1, RIGHT, "live")]))["evidence"]
    entry = gate.entry("m")
    assert entry.returns == 1
    gate.fold(*(atom(entry, 300 + n) for n in range(6)))
    assert (
        "bits of 76" in gate.refused_by(gate.propose([change("m", 1, RIGHT, "live")]))["evidence"]
    )
    gate.fold(*(atom(entry, 400 + n) for n in range(6)))
    gate.passed(gate.propose([change("m", 1, RIGHT, "live")]))


def test_the_same_atom_counts_once() -> None:
    gate = shadow()
    once = atom(gate.entry("m"), 1)
    gate.fold(*[once] * 20)
    assert "1 agreements of 5" in gate.refused_by(PROMOTION)["evidence"]


def test_stages_that_serve_are_the_ones_the_gate_guards() -> None:
    assert {name for name, stage in STAGES.items() if stage.serves} == {"canary", "live"}
    gate = shadow()
    assert "evidence" in gate.refused_by(gate.propose([change("m", 1, RIGHT, "canary")]))

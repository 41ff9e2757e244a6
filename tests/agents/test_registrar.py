"""The gate: one row for every check that refuses, and what it lets pass."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from agents.changes import PERSON
from agents.gate import CHECKS
from artifacts.artifact import Artifact, load_artifact
from artifacts.policy import EVERY_TENANT
from artifacts.registry import SHARED
from artifacts.stages import STAGES
from streams.events import ExpectationChecked, VersionChanged, VersionProposed, Window
from tests.agents.worlds import (
    TENANT,
    Gate,
    atom,
    change,
    compiled,
    computing,
    minutes,
    proposal,
    served,
    shares,
    with_policy,
)

RIGHT, OTHER, WRONG = minutes(), minutes(60, (3, 4)), minutes(61)


def doctored(**fields: object) -> Artifact:
    """The right artifact with other fields, as it may come from anywhere; it loads."""
    found = load_artifact({**RIGHT.document, **fields})  # type: ignore[dict-item]  # JSON
    assert isinstance(found, Artifact)
    return found


def new(artifact: Artifact) -> VersionProposed:
    return proposal([change("m", 1, artifact, "shadow")], [artifact])


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
    gate.fold(BAD_DATA)
    return gate


BAD_DATA = ExpectationChecked(
    suite="completions", expectation="null-share", scope=TENANT, passed=False,
    observed=None, reason="too many", rows=20, window=Window(since=1, until=2),
)  # fmt: skip


def asking() -> Gate:
    """`m@1` has its evidence, and the tenant wants a person to promote it."""
    gate = shadow()
    gate.with_evidence("m")
    return Gate(replace(gate.state, approval=frozenset({TENANT})))


def asking_of_all() -> Gate:
    """One tenant wants a person to promote; `m@1` would answer for all."""
    gate = shared_shadow()
    gate.fold(*(atom(gate.entry("m", 1, SHARED), n) for n in range(6)))
    return Gate(replace(gate.state, approval=frozenset({TENANT})))


def asking_for_all() -> Gate:
    gate = asking()
    return Gate(replace(gate.state, approval=frozenset({EVERY_TENANT})))


def asking_elsewhere() -> Gate:
    gate = asking()
    return Gate(replace(gate.state, approval=frozenset({"other"})))


def asking_of_what_serves() -> Gate:
    return Gate(replace(live().state, approval=frozenset({TENANT})))


def canary() -> Gate:
    """`m@1` answers a fifth; it has shown what a canary needs, but for one agreement."""
    gate = with_policy(shadow(), canary_share=0.2, canary_agreements=3)
    gate.with_evidence("m")
    gate.passed(gate.propose([change("m", 1, RIGHT, "canary", 0.2)]))
    gate.fold(*(atom(gate.entry("m"), n, stage="canary") for n in range(2)))
    return gate


def proven_canary() -> Gate:
    gate = canary()
    gate.fold(atom(gate.entry("m"), 2, stage="canary"))
    return gate


def failed_canary() -> Gate:
    gate = proven_canary()
    gate.fold(atom(gate.entry("m"), 3, stage="canary", stratum="audit", agreed=False))
    return gate


def asking_of_a_canary() -> Gate:
    return Gate(replace(proven_canary().state, approval=frozenset({TENANT})))


def uncertified() -> Gate:
    gate = with_policy(shadow(), certified_only=True, max_risk=0.05)
    gate.with_evidence("m", count=67)
    return gate


def certified() -> Gate:
    gate = uncertified()
    gate.fold(atom(gate.entry("m"), 1))
    return gate


def rival_of_a_canary() -> Gate:
    """`m@1` answers a fifth, and has answered; `w@1` would answer otherwise."""
    gate = canary()
    gate.fold(served(gate.entry("m"), "9 minutes to seconds", "540"))
    gate.passed(gate.propose([change("w", 1, WRONG, "shadow")], [WRONG]))
    gate.with_evidence("w")
    return gate


def suspended() -> Gate:
    gate = live()
    gate.passed(gate.propose([SUSPENSION]))
    return gate


def badly_taught() -> Gate:
    gate = suspended()
    gate.fold(BAD_DATA)
    return Gate(replace(gate.state, approval=frozenset({TENANT})))


def suspended_and_wrong() -> Gate:
    gate = suspended()
    gate.fold(atom(gate.entry("m"), 50, agreed=False))
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
SUSPENSION = change("m", 1, RIGHT, "shadow").model_copy(update={"suspended": True})
RETURN = proposal([change("m", 1, RIGHT, "live")], actor="refiner")
REFUSED = (
    Row("artifact-is-no-document", "compile", empty,
        proposal([change("m", 1, RIGHT, "shadow")]).model_copy(update={"artifacts": ("x",)}),
        "bad-document"),
    Row("artifact-has-one-more-field", "stages", empty,
        proposal([change("m", 1, RIGHT, "shadow")]).model_copy(
            update={"artifacts": ({**RIGHT.document, "name": "other"},)}),
        "no artifact"),
    Row("states-another-cost", "compile", empty,
        new(doctored(cost={"steps": 1, "answer_size": 1})),
        "states {'answer_size': 1, 'steps': 1}; it is {"),
    Row("of-an-operator-table-that-nobody-has", "compile", empty,
        new(RIGHT).model_copy(update={"artifacts": (
            {**RIGHT.document, "tables": {**RIGHT.document["tables"], "operators": 999}},)}),
        "artifact.tables: made for"),
    Row("without-examples", "compile", empty, new(doctored(examples=[])), "the list is empty"),
    Row("examples-are-none", "compile", empty, new(doctored(examples=[1])), "texts with answers"),
    Row("without-counterexamples", "compile", empty, new(doctored(counterexamples=None)),
        "artifact.counterexamples: expected texts"),
    Row("phi-is-another-familys", "round-trip", empty,
        new(doctored(phi="{n:integer} hours to seconds")),
        "φ renders '2 hours to seconds', in which the grammar does not find {'n': 2}"),
    Row("phi-is-no-grammar", "round-trip", empty, new(doctored(phi="{n:")), "phi, "),
    Row("answers-a-counterexample", "counterexamples", empty,
        new(doctored(counterexamples=["what now", "4 minutes to seconds"])),
        "a counterexample is answered: \"4 minutes to seconds\": \"240\""),
    Row("share-of-what-is-no-canary", "stages", shadow,
        proposal([change("m", 1, RIGHT, "live", 0.2)], previous=100), "live has no share"),
    Row("canary-without-evidence", "evidence", shadow,
        proposal([change("m", 1, RIGHT, "canary", 0.2)], previous=100), "0 agreements of 5"),
    Row("canary-has-not-agreed-enough", "evidence", canary, PROMOTION,
        "2 agreements as a canary of 3"),
    Row("canary-has-disagreed", "evidence", failed_canary, PROMOTION, "1 disagreements"),
    Row("nobody-has-approved-of-more-than-a-share", "approval", asking_of_a_canary,
        proposal([change("m", 1, RIGHT, "live")], previous=100, actor="auditor"),
        "waits for approval"),
    Row("nobody-has-approved-of-a-share", "approval", asking,
        proposal([change("m", 1, RIGHT, "canary", 0.2)], previous=100, actor="auditor"),
        "waits for approval"),
    Row("a-canary-is-held-as-if-it-answered-all", "lost-hits", rival,
        proposal([change("w", 1, WRONG, "canary", 0.001)], previous=100),
        "1 of the last answers would be lost"),
    Row("and-so-is-what-comes-beside-it", "lost-hits", rival_of_a_canary,
        proposal([change("w", 1, WRONG, "live")], previous=100),
        "1 of the last answers would be lost"),
    Row("not-certified", "evidence", uncertified, PROMOTION,
        "67 clean comparisons in shadow of 68"),
    Row("nor-as-a-canary", "evidence", uncertified,
        proposal([change("m", 1, RIGHT, "canary", 0.2)], previous=100),
        "67 clean comparisons in shadow of 68"),
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
    Row("suspended-in-shadow", "stages", shadow, proposal([SUSPENSION], previous=100),
        "only what serves is suspended"),
    Row("suspended-twice", "stages", suspended, proposal([SUSPENSION], previous=100),
        "only what serves is suspended"),
    Row("back-before-the-reject-is-judged", "suspended", suspended,
        proposal([change("m", 1, RIGHT, "live")], previous=100, actor="auditor"),
        "a reject of its answer is being looked into"),
    Row("wrong-while-suspended", "evidence", suspended_and_wrong, RETURN, "1 disagreements"),
    Row("no-evidence", "evidence", shadow, PROMOTION, "0 agreements of 5"),
    Row("a-disagreement", "evidence", disagreed, PROMOTION, "1 disagreements"),
    Row("would-clash", "lost-hits", rival,
        proposal([change("w", 1, WRONG, "live")], previous=100),
        "1 of the last answers would be lost, 0 change: '9 minutes to seconds' of acme: "
        '"540" would be a clash of '),
    Row("learned-from-bad-data", "expectations", doubted, PROMOTION,
        "m@1: completions/null-share of acme: too many"),
    Row("nobody-has-approved", "approval", asking,
        proposal([change("m", 1, RIGHT, "live")], previous=100, actor="auditor"),
        "waits for approval"),
    Row("nor-for-all-where-one-asks", "approval", asking_of_all,
        proposal([change("m", 1, RIGHT, "live")], scope=SHARED, previous=100, actor="auditor"),
        "waits for approval"),
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
    refusing = CHECKS.keys() - {"overlaps"}  # which tells, and never refuses
    assert {row.check for row in REFUSED} | {"examples"} == refusing


ACCEPTED = (
    ("new", empty, proposal([change("m", 1, RIGHT, "shadow")], [RIGHT])),
    ("by-people-for-all", empty,
     proposal([change("m", 1, RIGHT, "shadow")], [RIGHT], scope=SHARED)),
    ("agents-may-withdraw-for-all", shared_shadow,
     proposal([change("m", 1, RIGHT, "retired")], scope=SHARED, actor="refiner", previous=100)),
    ("quarantine-though-stale", live, proposal([change("m", 1, RIGHT, "shadow")], previous=0)),
    ("retirement-though-stale", live, proposal([change("m", 1, RIGHT, "retired")], previous=0)),
    ("suspension-though-stale", live, proposal([SUSPENSION], previous=0)),
    ("back-though-stale-unapproved-badly-taught", badly_taught, RETURN),
    ("quarantine-of-what-is-suspended", suspended,
     proposal([change("m", 1, RIGHT, "shadow")], previous=0, actor="refiner")),
    ("a-person-ends-a-suspension", suspended,
     proposal([change("m", 1, RIGHT, "live")], previous=100, actor=PERSON)),
    ("next-version", shadow, next_version(OTHER)),
    ("mended-example", shadow,
     next_version(minutes(61, (3,)), mended=("2 minutes to seconds", "5 minutes to seconds"))),
    ("a-clash-with-what-leaves", rival,
     proposal([change("w", 1, WRONG, "live"), change("m", 1, RIGHT, "shadow")], previous=100)),
    ("a-person-approves", asking,
     proposal([change("m", 1, RIGHT, "live")], previous=100, actor=PERSON)),
    ("a-person-approves-where-all-ask", asking_for_all,
     proposal([change("m", 1, RIGHT, "live")], previous=100, actor=PERSON)),
    ("nobody-asks-here", asking_elsewhere,
     proposal([change("m", 1, RIGHT, "live")], previous=100, actor="auditor")),
    ("leaving-service-needs-no-approval", asking_of_what_serves,
     proposal([change("m", 1, RIGHT, "shadow")], previous=100, actor="refiner")),
    ("new-versions-need-no-approval", asking,
     proposal([change("s", 1, shares(), "shadow")], [shares()], 100, actor="distiller")),
    ("a-canary", asking_elsewhere,
     proposal([change("m", 1, RIGHT, "canary", 0.2)], previous=100, actor="auditor")),
    ("a-canary-that-is-proven", proven_canary, PROMOTION),
    ("a-person-approves-of-more", asking_of_a_canary,
     proposal([change("m", 1, RIGHT, "live")], previous=100, actor=PERSON)),
    ("a-canary-that-failed-goes-back", failed_canary,
     proposal([change("m", 1, RIGHT, "shadow")], previous=0, actor="refiner")),
    ("certified", certified, PROMOTION),
    ("a-full-scope-may-still-retire", full,
     proposal([change("m", 1, RIGHT, "retired")], previous=100)),
)  # fmt: skip


@pytest.mark.parametrize(("name", "make", "wanted"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_the_gate_accepts(name: str, make: Callable[[], Gate], wanted: VersionProposed) -> None:
    gate = make()
    made = gate.passed(wanted)
    assert (made.changes, made.artifacts) == (wanted.changes, wanted.artifacts)
    assert [check.check for check in made.checks] == [*CHECKS]
    for line in wanted.changes:
        entry = gate.entry(line.family, line.version, wanted.scope)
        assert entry.stage == line.stage


def test_what_does_not_compile_is_checked_no_further() -> None:
    made = Gate().decide(new(doctored(cost=None)))
    assert [check.check for check in made.checks] == ["compile"]


def test_the_gate_finds_nothing_in_what_the_compiler_lets_through() -> None:
    for artifact in (RIGHT, OTHER, WRONG, shares()):
        made = Gate().passed(new(artifact))
        assert not any(check.reason for check in made.checks)


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
        "bits of 61" in gate.refused_by(gate.propose([change("m", 1, RIGHT, "live")]))["evidence"]
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


def note(made: VersionChanged, check: str) -> str:
    """Return what a check that passed has noted."""
    [found] = [each for each in made.checks if each.check == check]
    assert found.passed
    return found.reason


def test_every_answer_that_would_change_is_listed_up_to_a_bound() -> None:
    """Twenty-five texts of `m@1` are answered otherwise by the version that replaces it."""
    gate = live()
    texts = [f"{n} minutes to seconds" for n in range(50, 75)]
    for n, text in enumerate((*texts, texts[0])):  # a text counts once
        gate.fold(served(gate.entry("m"), text, str(60 * (50 + n % 25))))
    mended = tuple(text for text, _ in RIGHT.examples())
    gate.passed(gate.propose([change("m", 2, WRONG, "shadow")], [WRONG], mended=mended))
    gate.with_evidence("m", 2)
    promotion = [change("m", 2, WRONG, "live"), change("m", 1, RIGHT, "retired")]
    reason = note(gate.passed(gate.propose(promotion)), "lost-hits")
    assert reason.startswith(
        "25 of the last answers would change: '50 minutes to seconds' of acme: "
        '"3000" would be "3050"; '
    )
    assert reason.count("would be") == 20
    assert reason.endswith("; and 5 more")


def test_what_refuses_is_listed_before_what_only_changes() -> None:
    """`w@1` clashes with `s@1`, and would answer alone what `m@1` has answered."""
    gate = live()
    phrasing = "{n:integer} hours to seconds"
    hours = computing("mul", "3600", phrasing, [("2 hours to seconds", "7200")])
    both = computing(
        "mul", "61", "{n:integer} (minutes|hours) to seconds", [("2 hours to seconds", "122")]
    )
    gate.serve("h", hours)
    for n in range(30, 60):
        gate.fold(served(gate.entry("m"), f"{n} minutes to seconds", str(60 * n)))
    gate.fold(served(gate.entry("h"), "3 hours to seconds", "10800"))
    gate.passed(gate.propose([change("w", 1, both, "shadow")], [both]))
    gate.with_evidence("w")
    lines = [change("w", 1, both, "live"), change("m", 1, RIGHT, "retired")]
    reason = gate.refused_by(gate.propose(lines))["lost-hits"]
    assert reason.startswith(
        "1 of the last answers would be lost, 30 change: '3 hours to seconds' of acme: "
        '"10800" would be a clash of '
    )
    assert reason.endswith("; and 11 more")


def test_a_failure_beside_an_answer_is_a_loss() -> None:
    """Two families share texts: one divides by what the other only shows."""
    gate = Gate()
    text = "8 shared by 0"
    calm = computing("mul", "1", "{n:integer} shared by 0", [(text, "8")])
    gate.serve("calm", calm)
    gate.fold(served(gate.entry("calm"), text, "8"))
    gate.passed(gate.propose([change("s", 1, shares(), "shadow")], [shares()]))
    gate.fold(*(atom(gate.entry("s"), n, values={"n": str(n), "k": str(n)}) for n in range(8)))
    reason = gate.refused_by(gate.propose([change("s", 1, shares(), "live")]))["lost-hits"]
    assert "1 of the last answers would be lost" in reason


def test_a_shared_version_is_held_against_the_traffic_of_all_tenants() -> None:
    gate = rival()
    other = served(gate.entry("m"), "7 minutes to seconds", "420")
    gate.fold(other.model_copy(update={"tenant": "zeta"}))  # has no family that would answer it
    line = [change("g", 1, WRONG, "shadow")]
    gate.passed(gate.propose(line, [WRONG], scope=SHARED))
    entry = gate.entry("g", 1, SHARED)
    gate.fold(*(atom(entry, 500 + n) for n in range(6)))
    wanted = gate.propose([change("g", 1, WRONG, "live")], scope=SHARED)
    reason = gate.refused_by(wanted)["lost-hits"]
    assert "1 of the last answers would be lost, 0 change: '9 minutes to seconds' of acme" in reason
    gate.passed(gate.propose([change("m", 1, RIGHT, "retired")]))
    assert note(gate.passed(wanted.model_copy(update={"previous": 100})), "lost-hits") == ""


def test_what_a_new_grammar_shares_with_others_is_told_with_a_text() -> None:
    """`w@1` shares texts with `m@1` and reads some in two ways; `s@1` neither; `m@2` is of `m`."""
    gate = live()
    both = compiled(
        {
            "recipe": 1,
            "name": "either",
            "phrasings": ["({n:integer}|{k:integer}) (minutes|hours) to seconds"],
            "steps": [],
            "answer": {"value": {"text": "some"}},
            "examples": [{"text": "3 minutes to seconds", "answer": "some"}],
            "dont_care": ["n", "k"],
        }
    )
    reason = note(gate.passed(gate.propose([change("w", 1, both, "shadow")], [both])), "overlaps")
    shared, _, ambiguous = reason.partition("; ")
    assert re.fullmatch(r"w@1 shares texts with m@1 \('-?\d+ minutes to seconds'\)", shared)
    assert re.fullmatch(r"reads '-?\d+ (minutes|hours) to seconds' in more than one way", ambiguous)
    apart = note(gate.passed(gate.propose([change("s", 1, shares(), "shadow")], [shares()])),
                 "overlaps")  # fmt: skip
    assert apart == ""
    gate.passed(gate.propose([change("w", 1, both, "retired")]))
    mended = tuple(text for text, _ in RIGHT.examples())
    after = gate.passed(gate.propose([change("m", 2, WRONG, "shadow")], [WRONG], mended=mended))
    assert note(after, "overlaps") == ""

"""What follows from drift: who is looked at again, at what price, and what is forgotten."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from agents import auditor, distiller, refiner
from agents.registries import change_of, folded
from artifacts.policy import DEFAULT, ONE_POLICY, Policies
from artifacts.registry import Entry, Registry
from artifacts.stages import StageName
from streams.events import (
    ComparisonMade,
    DriftFound,
    Event,
    VersionChanged,
    VersionProposed,
)
from streams.signing import ANYONE
from tests.agents.test_distiller import NUMBERS, completion, fed
from tests.agents.worlds import TENANT, Gate, atom, change, changed, minutes, registry_of, shares

FAMILIES = ("a", "b", "c", "d")


def fleet(stages: Sequence[StageName] = ("live",) * 4, scope: str = TENANT) -> Registry:
    artifacts = (minutes(60 + place) for place in range(len(FAMILIES)))
    return registry_of(*zip(FAMILIES, artifacts, stages, strict=True), scope=scope)[0]


def audit(entry: Entry, n: int, *, agreed: bool) -> ComparisonMade:
    return atom(entry, n, agreed=agreed, stratum="audit", probability=0.03)


def seasoned(state: auditor.State, count: int = DEFAULT.drift_seasoned) -> auditor.State:
    """Return the auditor after so many agreements of every version."""
    for entry in state.registry.in_order():
        for n in range(count):
            state, _ = auditor.decide(state, atom(entry, 100 + n))
    return state


def alarmed(state: auditor.State, events: Sequence[Event]) -> list[Event]:
    found: list[Event] = []
    for event in events:
        state, made = auditor.decide(state, event)
        found += made
    return found


def first(registry: Registry, count: int = 3) -> list[Entry]:
    return list(registry.in_order())[:count]


def world(registry: Registry, policies: Policies = ONE_POLICY) -> auditor.State:
    return auditor.State(policies, frozenset(), registry)


def test_three_versions_wrong_in_a_row_send_the_scopes_others_back() -> None:
    registry = fleet()
    other, _ = registry_of(("z", shares(), "live"), scope="other", before=registry)
    state = seasoned(world(other))
    failed = [audit(entry, n, agreed=False) for n, entry in enumerate(first(registry))]
    drift, wanted = alarmed(state, failed)
    assert isinstance(drift, DriftFound)
    assert isinstance(wanted, VersionProposed)
    assert (drift.scope, drift.samples, drift.errors, drift.families) == (TENANT, 3, 3, 3)
    assert wanted.reason == "drift: 3 of 3 audits failed, M 1110"
    assert (wanted.scope, wanted.actor, wanted.previous) == (TENANT, "auditor", other.ordinal)
    assert [(c.family, c.stage, c.recheck) for c in wanted.changes] == [
        ("a", "shadow", True), ("b", "shadow", True), ("d", "shadow", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "seasoning", "stages", "more"),
    [
        ("young", DEFAULT.drift_seasoned - 1, ("live",) * 4, {}),
        ("not-serving", 5, ("shadow",) * 4, {}),
        ("compared-in-shadow", 5, ("live",) * 4, {"stratum": "shadow"}),
        ("audited-because-rejected", 5, ("live",) * 4, {"stratum": "rejected"}),
        ("from-before-it-entered-shadow", 5, ("live",) * 4, {"since": 0}),
        ("one-version-again-and-again", 5, ("live",) * 4, {"family": "a"}),
    ],
)
def test_what_is_no_sample_raises_no_alarm(
    name: str, seasoning: int, stages: Sequence[StageName], more: dict[str, Any]
) -> None:
    registry = fleet(stages)
    if "family" in more:
        entry = first(registry)[0]
        events = [audit(entry, n, agreed=False) for n in range(9)]
    else:
        events = [
            audit(e, n, agreed=False).model_copy(update=more)
            for n, e in enumerate(registry.in_order())
        ]
    found = alarmed(seasoned(world(registry), seasoning), events)
    assert not any(isinstance(event, DriftFound) for event in found)


def test_the_same_audits_again_and_a_policy_without_alpha_raise_no_alarm() -> None:
    registry = fleet()
    a, b, c = (audit(entry, n, agreed=False) for n, entry in enumerate(first(registry)))
    assert alarmed(seasoned(world(registry)), [a, a, a, b, b, a]) == []
    off = Policies(replace(DEFAULT, drift_alpha=0.0))
    assert alarmed(seasoned(world(registry, off)), [a, b, c]) == []


def test_who_was_confirmed_since_drift_began_stays() -> None:
    registry = fleet()
    a, b, c, d = registry.in_order()
    events = [audit(a, 1, agreed=False), audit(b, 2, agreed=False)]
    events += [audit(d, 3 + n, agreed=True) for n in range(DEFAULT.recheck_agreements)]
    more = registry_of(("e", minutes(70), "live"), ("f", minutes(71), "live"), before=registry)[0]
    state = seasoned(world(more))
    e, f = list(more.in_order())[-2:]
    events += [audit(c, 7, agreed=False), audit(e, 8, agreed=False), audit(f, 9, agreed=False)]
    _, wanted = alarmed(state, events)
    assert isinstance(wanted, VersionProposed)
    assert "d" not in {c.family for c in wanted.changes}


# --- the gate and the registry --------------------------------------------------------------------


def rechecked(gate: Gate, family: str) -> None:
    line = change_of(gate.entry(family), "shadow", recheck=True)
    gate.passed(gate.propose([line]))


def test_a_version_that_served_comes_back_without_blame_on_a_few_fresh_agreements() -> None:
    gate = Gate()
    gate.serve("a", minutes())
    before = gate.entry("a")
    rechecked(gate, "a")
    after = gate.entry("a")
    assert (after.stage, after.returns, after.recheck) == ("shadow", before.returns, True)
    assert after.since == after.ordinal > before.since
    back = change_of(after, "live")
    gate.fold(*(atom(after, 200 + n, bits=1.0) for n in range(DEFAULT.recheck_agreements - 1)))
    assert gate.refused_by(gate.propose([back])) == {"evidence": "a@1: 2 agreements of 3"}
    gate.fold(atom(after, 300, bits=1.0))
    gate.passed(gate.propose([back]))
    assert not gate.entry("a").recheck


def test_a_version_in_shadow_begins_anew_and_one_disagreement_keeps_it_there() -> None:
    gate = Gate()
    gate.passed(gate.propose([change("a", 1, minutes(), "shadow")], [minutes()]))
    gate.with_evidence("a", count=4)
    rechecked(gate, "a")
    young = gate.entry("a")
    assert (young.recheck, young.returns) == (False, 0)
    gate.fold(*(atom(young, 200 + n) for n in range(3)))
    assert "evidence" in gate.refused_by(gate.propose([change_of(young, "live")]))
    gate.serve("b", minutes(61))
    rechecked(gate, "b")
    rechecked(gate, "b")  # a second alarm forgets nothing
    assert gate.entry("b").recheck
    gate.fold(*(atom(gate.entry("b"), 200 + n, agreed=n > 0) for n in range(9)))
    assert "evidence" in gate.refused_by(gate.propose([change_of(gate.entry("b"), "live")]))


def test_an_ordinary_return_is_counted_and_ends_the_recheck() -> None:
    gate = Gate()
    gate.serve("a", minutes())
    rechecked(gate, "a")
    gate.passed(gate.propose([change_of(gate.entry("a"), "shadow")]))
    assert (gate.entry("a").returns, gate.entry("a").recheck) == (1, False)


def test_the_digest_tells_a_recheck_from_a_return() -> None:
    registry = fleet()
    entry = first(registry)[0]
    after = [
        folded(registry, changed(registry.ordinal + 1, wanted), ANYONE).digest
        for recheck in (False, True)
        for wanted in [
            VersionProposed(
                scope=TENANT, actor="x", reason="", previous=0,
                changes=(change_of(entry, "shadow", recheck=recheck),),
            )
        ]
    ]  # fmt: skip
    assert len(set(after)) == 2


# --- what is learned ------------------------------------------------------------------------------

DRIFT = DriftFound(scope=TENANT, statistic=1110.0, samples=3, errors=3, families=1)


def test_pairs_from_before_the_alarm_are_no_lesson() -> None:
    state, _ = fed(distiller.State(ONE_POLICY), *map(completion, NUMBERS[:3]))
    other, _ = fed(state, completion(5, tenant="other"))
    after, made = fed(other, DRIFT)
    assert made == []
    assert not after.clusters[TENANT].by_id
    assert after.clusters["other"] == other.clusters["other"]
    _, questions = fed(after, *map(completion, NUMBERS[3:]))
    assert questions == []
    _, questions = fed(other, *map(completion, NUMBERS[3:]))
    assert questions


def test_a_version_that_fails_its_recheck_is_retired_without_a_repair() -> None:
    registry = fleet()
    entry = first(registry)[0]
    line = change_of(entry, "shadow", recheck=True)
    wanted = VersionProposed(scope=TENANT, actor="x", reason="", changes=(line,), previous=0)
    event: VersionChanged = changed(registry.ordinal + 1, wanted)
    registry = folded(registry, event, ANYONE)
    entry = first(registry)[0]
    state = refiner.State(ONE_POLICY, frozenset(), registry)
    _, made = refiner.decide(state, atom(entry, 1, agreed=False))
    (retired,) = made
    assert isinstance(retired, VersionProposed)
    assert [(c.family, c.stage) for c in retired.changes] == [("a", "retired")]

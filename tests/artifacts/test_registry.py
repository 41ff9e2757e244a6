"""The registry: an atomic fold of change sets, and one decision for each utterance."""

import hashlib
from dataclasses import dataclass

import pytest

from artifacts.artifact import Artifact
from artifacts.grammar.lexer import Tokens, lex
from artifacts.problems import Problem
from artifacts.registry import (
    SHARED,
    AllFailed,
    Clash,
    Hit,
    Lookup,
    Miss,
    Registry,
    TooMany,
    canary_draw,
    changed,
)
from artifacts.stages import STAGES, StageName, may_follow
from artifacts.values import digest
from tests.artifacts.recipes import compiled, constant


@dataclass(frozen=True)
class Change:
    family: str
    version: int
    digest: str
    stage: StageName
    share: float | None = None
    suspended: bool = False
    recheck: bool = False


ON = constant("lamp on", "lamp on", "on")
ON_TOO = constant("(lamp|the lamp) on", "lamp on", " on ")
OFF = constant("lamp [is ]on", "lamp on", "off")
INVERSE = compiled(
    name="inverse",
    phrasings=["lamp {n:decimal}", "lamp on[ at {n:decimal}]"],
    steps=[{"op": "div", "args": [{"number": "1"}, {"slot": "n"}]}],
    answer={"value": {"step": 0}},
    examples=[{"text": "lamp 4", "answer": 0.25}],
    counterexamples=[],
)
PHRASES = compiled(
    name="phrases",
    phrasings=["lamp {a:phrase} {b:phrase} {c:phrase} {d:phrase}"],
    steps=[],
    answer={"constant": "many"},
    dont_care=["a", "b", "c", "d"],
    examples=[{"text": "lamp x x x x", "answer": "many"}],
    counterexamples=[],
)
Line = tuple[str, str, Artifact, StageName]
"""Scope, family, artifact, stage."""


def filled(*lines: Line) -> Registry:
    """A registry with version 1 of each family, led through shadow to its stage."""
    registry = Registry()
    for scope, family, artifact, stage in lines:
        path: list[StageName] = ["shadow"] if stage == "shadow" else ["shadow", stage]
        for step in path:
            registry = following(
                registry, scope, Change(family, 1, artifact.digest, step), artifact
            )
    return registry


def following(registry: Registry, scope: str, change: Change, *artifacts: Artifact) -> Registry:
    after = changed(registry, registry.ordinal + 1, scope, [change], artifacts)
    assert isinstance(after, Registry), after
    return after


def lexed(text: str) -> Tokens:
    tokens = lex(text)
    assert isinstance(tokens, Tokens)
    return tokens


def decision(
    registry: Registry,
    text: str,
    tenant: str = "t",
    max_candidates: int = 64,
    utterance_id: str | None = None,
) -> object:
    """What a lookup decided, as plain values."""
    found: Lookup = registry.lookup(
        tenant, lexed(text), max_candidates=max_candidates, utterance_id=utterance_id
    )
    match found:
        case Hit(credited, computed, readings):
            return ("hit", credited.entry.family, computed.answer, readings)
        case Miss(entries) | Clash(entries) | AllFailed(entries):
            return (type(found).__name__, sorted(entry.family for entry in entries))
        case TooMany():
            return "TooMany"


CREDITED = ("hit", "on", "on", 2) if ON.digest < ON_TOO.digest else ("hit", "too", " on ", 2)
DECISIONS: dict[str, tuple[list[Line], str, object]] = {
    "an-empty-registry-misses": ([], "lamp on", ("Miss", [])),
    "a-live-family-hits": ([("t", "on", ON, "live")], " Lamp  ON ", ("hit", "on", "on", 1)),
    "so-does-a-canary": ([("t", "on", ON, "canary")], "lamp on", ("hit", "on", "on", 1)),
    "another-text-misses": ([("t", "on", ON, "live")], "lamp on now", ("Miss", [])),
    "a-shadow-is-told-but-does-not-serve": (
        [("t", "on", ON, "shadow")],
        "lamp on",
        ("Miss", ["on"]),
    ),
    "a-shadow-takes-no-part-in-a-clash": (
        [("t", "on", ON, "live"), ("t", "off", OFF, "shadow")],
        "lamp on",
        ("hit", "on", "on", 1),
    ),
    "a-retired-family-is-gone": ([("t", "on", ON, "retired")], "lamp on", ("Miss", [])),
    "different-answers-clash": (
        [("t", "on", ON, "live"), ("t", "off", OFF, "live")],
        "lamp on",
        ("Clash", ["off", "on"]),
    ),
    "equal-answers-are-credited-to-the-lowest-digest": (
        [("t", "on", ON, "live"), ("t", "too", ON_TOO, "live")],
        "lamp on",
        CREDITED,
    ),
    "in-whatever-order-they-came": (
        [("t", "too", ON_TOO, "live"), ("t", "on", ON, "live")],
        "lamp on",
        CREDITED,
    ),
    "one-artifact-twice-is-credited-to-the-first-name": (
        [("t", "z", ON_TOO, "live"), ("t", "a", ON_TOO, "live"), ("t", "m", ON_TOO, "live")],
        "the lamp on",
        ("hit", "a", " on ", 3),
    ),
    "one-failed-program-fails": ([("t", "i", INVERSE, "live")], "lamp 0", ("AllFailed", ["i"])),
    "a-failure-beside-an-answer-clashes": (
        [("t", "i", INVERSE, "live"), ("t", "on", ON, "live")],
        "lamp on",
        ("Clash", ["i", "on"]),
    ),
    "failures-alone-fail": (
        [("t", "i", INVERSE, "live"), ("t", "j", INVERSE, "live")],
        "lamp on",
        ("AllFailed", ["i", "j"]),
    ),
    "too-many-readings-are-too-many": (
        [("t", "p", PHRASES, "live"), ("t", "on", ON, "live")],
        "lamp w w w w w w w w",
        "TooMany",
    ),
    "but-not-those-of-a-shadow": (
        [("t", "p", PHRASES, "shadow"), ("t", "on", ON, "live")],
        "lamp w w w w w w w w",
        ("Miss", []),
    ),
    "the-shared-scope-answers-all": (
        [(SHARED, "on", ON, "live")],
        "lamp on",
        ("hit", "on", "on", 1),
    ),
    "the-shared-scope-may-clash-with-the-tenants": (
        [(SHARED, "on", ON, "live"), ("t", "off", OFF, "live")],
        "lamp on",
        ("Clash", ["off", "on"]),
    ),
    "another-tenants-family-does-not-answer": ([("u", "on", ON, "live")], "lamp on", ("Miss", [])),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_decisions(name: str) -> None:
    lines, text, expected = DECISIONS[name]
    assert decision(filled(*lines), text) == expected


def test_two_tenants_with_the_same_texts_never_see_each_others_answers() -> None:
    registry = filled(("t", "f", ON, "live"), ("u", "f", OFF, "live"), ("u", "g", OFF, "shadow"))
    assert decision(registry, "lamp on", "t") == ("hit", "f", "on", 1)
    assert decision(registry, "lamp on", "u") == ("hit", "f", "off", 1)
    assert decision(registry, "lamp on", "v") == ("Miss", [])
    assert [registry.compared_count(scope) for scope in "tuv"] == [1, 2, 0]
    entry = registry.entry("t", "f", 1)
    assert entry is not None
    assert (entry.artifact, registry.entry("v", "f", 1)) == (ON, None)


IN, OUT = "in-8", "out-3"
"""Ids of utterances within a share of a fifth, and outside it."""
# the other lines; what is decided within the share of the canary `on`, and outside of it
SHARES: dict[str, tuple[list[Line], str, object, object]] = {
    "alone": ([], "lamp on", ("hit", "on", "on", 1), ("Miss", ["on"])),
    "a-text-that-it-does-not-read": ([], "lamp off", ("Miss", []), ("Miss", [])),
    "beside-a-shadow": (
        [("t", "off", OFF, "shadow")], "lamp on", ("hit", "on", "on", 1), ("Miss", ["off", "on"]),
    ),
    "against-a-live-one": (
        [("t", "off", OFF, "live")], "lamp on", ("Clash", ["off", "on"]), ("hit", "off", "off", 1),
    ),
    "beside-one-that-agrees": (
        [("t", "too", ON_TOO, "live")], "lamp on", CREDITED, ("hit", "too", " on ", 1),
    ),
    "beside-one-that-fails": (
        [("t", "i", INVERSE, "live")], "lamp on", ("Clash", ["i", "on"]), ("AllFailed", ["i"]),
    ),
    "of-all-tenants": ([], "lamp on", ("hit", "on", "on", 1), ("Miss", ["on"])),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("looked_before", [False, True])
def test_outside_its_share_a_canary_is_a_shadow(name: str, looked_before: bool) -> None:
    lines, text, within, outside = SHARES[name]
    assert canary_draw(IN) < 0.2 < canary_draw(OUT)
    scope = SHARED if name == "of-all-tenants" else "t"
    registry = filled(*lines, (scope, "on", ON, "shadow"))
    registry = following(registry, scope, Change("on", 1, ON.digest, "canary", 0.2))
    for _ in range(2 if looked_before else 1):  # the second time from the memo of shapes
        assert decision(registry, text, utterance_id=OUT) == outside
        assert decision(registry, text, utterance_id=IN) == within
        assert decision(registry, text) == within  # any utterance: as if it answered all
    live = following(registry, scope, Change("on", 1, ON.digest, "live"))
    assert decision(live, text, utterance_id=OUT) == within
    back = following(registry, scope, Change("on", 1, ON.digest, "shadow"))
    assert decision(back, text, utterance_id=IN) == outside


def test_a_canary_with_too_many_readings_is_no_shadow_within_its_share() -> None:
    registry = filled(("t", "p", PHRASES, "shadow"))
    registry = following(registry, "t", Change("p", 1, PHRASES.digest, "canary", 0.2))
    text = "lamp w w w w w w w w"
    assert decision(registry, text, utterance_id=IN) == "TooMany"
    assert decision(registry, text, utterance_id=OUT) == ("Miss", [])


def test_the_draws_of_canaries_are_even_and_say_nothing_of_the_draws_of_audits() -> None:
    """Counts of 20,000 ids; one standard deviation of a count of 4,000 is 57."""
    ids = [f"u{n}" for n in range(20_000)]
    drawn = [canary_draw(each) for each in ids]
    assert all(0 <= draw < 1 for draw in drawn)
    fifths = [sum(low / 5 <= draw < (low + 1) / 5 for draw in drawn) for low in range(5)]
    assert all(abs(count - 4000) < 4 * 57 for count in fifths)
    audited = [
        int.from_bytes(hashlib.sha256(f"canary|audit|{each}".encode()).digest()) / 2**256 < 0.2
        for each in ids
    ]  # with the seed that comes nearest
    both = sum(draw < 0.2 and audit for draw, audit in zip(drawn, audited, strict=True))
    assert abs(both - 800) < 4 * 28


def test_candidates_beyond_the_limit_are_too_many() -> None:
    registry = filled(("t", "on", ON, "live"), ("t", "too", ON_TOO, "live"))
    assert decision(registry, "lamp on", max_candidates=1) == "TooMany"
    assert decision(registry, "lamp on", max_candidates=2) != "TooMany"


START = filled(("t", "on", ON, "live"))
MISFITS: dict[str, tuple[int, list[Change], list[Artifact], str]] = {
    "an-ordinal-left-out": (4, [Change("on", 1, ON.digest, "shadow")], [], "ordinal 4 after 2"),
    "an-ordinal-seen-before": (2, [Change("on", 1, ON.digest, "shadow")], [], "ordinal 2 after 2"),
    "an-unknown-artifact": (
        3,
        [Change("off", 1, OFF.digest, "shadow")],
        [ON],
        f"no artifact {OFF.digest[:12]}",
    ),
    "a-new-version-that-serves-at-once": (
        3,
        [Change("off", 1, OFF.digest, "live")],
        [OFF],
        "stage live may not follow None",
    ),
    "a-stage-that-may-not-follow": (
        3,
        [Change("on", 1, ON.digest, "canary")],
        [],
        "stage canary may not follow live",
    ),
    "a-share-of-what-is-no-canary": (
        3,
        [Change("on", 1, ON.digest, "shadow", 0.2)],
        [],
        "stage shadow has no share 0.2",
    ),
    "another-digest-for-a-version": (
        3,
        [Change("on", 1, OFF.digest, "shadow")],
        [OFF],
        f"digest {OFF.digest[:12]} is not {ON.digest[:12]}",
    ),
    "a-suspension-into-nothing": (
        3,
        [Change("on", 1, ON.digest, "retired", suspended=True)],
        [],
        "only what serves is suspended, into shadow; not from live to retired",
    ),
    "a-new-version-suspended": (
        3,
        [Change("off", 1, OFF.digest, "shadow", suspended=True)],
        [OFF],
        "only what serves is suspended, into shadow; not from None to shadow",
    ),
    "one-bad-line-among-good-ones": (
        3,
        [Change("on", 1, ON.digest, "retired"), Change("off", 1, "0" * 64, "shadow")],
        [],
        "no artifact 000000000000",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_change_set_that_does_not_fit_changes_nothing(name: str) -> None:
    ordinal, changes, artifacts, message = MISFITS[name]
    before = (START.ordinal, START.digest, list(START.in_order()), decision(START, "lamp on"))
    problem = changed(START, ordinal, "t", changes, artifacts)
    assert isinstance(problem, Problem)
    assert (problem.code, problem.message) == ("bad-document", message)
    after = (START.ordinal, START.digest, list(START.in_order()), decision(START, "lamp on"))
    assert after == before


def test_a_change_set_is_atomic_and_leaves_the_snapshot_before_it() -> None:
    swap = [Change("on", 1, ON.digest, "retired"), Change("off", 1, OFF.digest, "shadow")]
    after = changed(START, 3, "t", swap, [OFF], price=4.5)
    assert isinstance(after, Registry)
    assert decision(START, "lamp on") == ("hit", "on", "on", 1)
    assert decision(after, "lamp on") == ("Miss", ["off"])
    assert {(e.family, e.stage, e.price) for e in after.in_order()} == {
        ("on", "retired", 0.0),
        ("off", "shadow", 4.5),
    }


def test_the_same_change_sets_give_the_same_digest_and_others_another() -> None:
    again = filled(("t", "on", ON, "live"))
    assert (again.ordinal, again.digest) == (START.ordinal, START.digest)
    others = {filled(("u", "on", ON, "live")).digest, filled(("t", "on", ON, "canary")).digest}
    assert len({START.digest, *others}) == 3


def test_a_share_is_in_the_digest_and_without_one_it_is_that_of_logs_that_know_none() -> None:
    shadow = filled(("t", "on", ON, "shadow"))
    lines = [["on", 1, ON.digest, "canary"], ["on", 1, ON.digest, "canary", 0.2]]
    for share, line in zip((None, 0.2), lines, strict=True):
        after = following(shadow, "t", Change("on", 1, ON.digest, "canary", share))
        assert after.digest == digest([shadow.digest, 2, "t", [line]])
        (entry,) = after.versions("t", "on")
        assert (entry.share, entry.since) == (share, 1)


def test_each_entry_knows_since_when_and_how_often_it_is_in_shadow() -> None:
    registry = Registry()
    told = []
    for stage in ("shadow", "live", "shadow", "shadow", "canary", "live", "retired", "shadow"):
        registry = following(registry, "t", Change("on", 1, ON.digest, stage), ON)  # type: ignore[arg-type]  # a stage
        (entry,) = registry.versions("t", "on")
        told.append((entry.ordinal, entry.since, entry.returns))
    assert told == [
        (1, 1, 0),
        (2, 1, 0),
        (3, 3, 1),
        (4, 4, 2),
        (5, 4, 2),
        (6, 4, 2),
        (7, 4, 2),
        (8, 8, 3),
    ]


@pytest.mark.parametrize("stage", ["canary", "live"])
def test_a_suspension_keeps_what_was_shown_and_is_no_return(stage: StageName) -> None:
    registry = filled(("t", "on", ON, stage))
    told = []
    for change in (
        Change("on", 1, ON.digest, "shadow", suspended=True),
        Change("on", 1, ON.digest, stage),
        Change("on", 1, ON.digest, "shadow", suspended=True),
        Change("on", 1, ON.digest, "shadow"),
    ):
        registry = following(registry, "t", change)
        (entry,) = registry.versions("t", "on")
        told.append((entry.stage, entry.suspended, entry.since, entry.returns, registry.serving))
    assert told == [
        ("shadow", stage, 1, 0, 0),
        (stage, None, 1, 0, 1),
        ("shadow", stage, 1, 0, 0),
        ("shadow", None, 6, 1, 0),
    ]
    once_more = Change("on", 1, ON.digest, "shadow", suspended=True)
    assert isinstance(changed(registry, 7, "t", [once_more], []), Problem)


# Rows: before; columns: after.
MAY_FOLLOW: dict[StageName | None, set[StageName]] = {
    None: {"shadow"},
    "shadow": {"shadow", "canary", "live", "retired"},
    "canary": {"shadow", "live", "retired"},
    "live": {"shadow", "retired"},
    "retired": {"shadow"},
}


@pytest.mark.parametrize("before", MAY_FOLLOW)
def test_which_stage_may_follow_which(before: StageName | None) -> None:
    assert {stage for stage in STAGES if may_follow(before, stage)} == MAY_FOLLOW[before]


def test_what_serves_is_compared() -> None:
    assert {stage.name for stage in STAGES.values() if stage.serves} == {"canary", "live"}
    assert {stage.name for stage in STAGES.values() if stage.compared} == {
        "shadow",
        "canary",
        "live",
    }

"""The matcher: one row for every way to answer or to abstain; tenants never see each other."""

import base64
import pickle
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.answer_ref import AnswerRef, read_answer_ref, write_answer_ref
from agents.audits import Audits, least_probability
from agents.matcher import decide, matcher, state_of
from artifacts.artifact import Artifact
from artifacts.grammar.lexer import MAX_CODE_POINTS
from artifacts.policy import policies_with
from artifacts.registry import SHARED, Registry
from artifacts.stages import StageName
from artifacts.values import canonical_json
from streams.codec import decode, encode
from streams.events import AbstainReason, AnswerGiven, AuditAsked, CompletionGiven, MatchAbstained
from tests.agents.worlds import TENANT, UNAUDITED, asked, minutes, registry_of, shares
from tests.streams.examples import lying

Families = tuple[tuple[str, Artifact, StageName], ...]
TEXT = "3 minutes to seconds"


@dataclass(frozen=True)
class Row:
    """An utterance put to some families: the reason to abstain and its candidates, or the answer.

    `reason` is None where a family answers.
    """

    name: str
    families: Families
    text: str
    reason: str | None
    expected: Any
    limits: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    share: float | None = None


LIVE: Families = (("m", minutes(), "live"),)
ROWS = (
    Row("hit", LIVE, TEXT, None, "180"),
    Row("hit-in-other-case-and-spaces", LIVE, "  3 MINUTES  to seconds ", None, "180"),
    Row("hit-of-400-digits", LIVE, "1" + "0" * 396 + " minutes to seconds", None, "6" + "0" * 397),
    Row("hit-beside-a-shadow-that-differs",
        (*LIVE, ("w", minutes(61), "shadow")), TEXT, None, "180"),
    Row("hit-of-two-that-agree", (*LIVE, ("m2", minutes(60, (3, 4)), "live")), TEXT, None, "180"),
    Row("canary-serves", (("m", minutes(), "canary"),), TEXT, None, "180"),
    Row("canary-serves-its-share", (("m", minutes(), "canary"),), TEXT, None, "180", share=0.9),
    Row("canary-outside-its-share", (("m", minutes(), "canary"),), TEXT, "shadow_only", ("m@1",),
        share=0.1),
    Row("hit-outside-the-share-of-one-that-differs", (*LIVE, ("w", minutes(61), "canary")), TEXT,
        None, "180", share=0.1),
    Row("clash-within-it", (*LIVE, ("w", minutes(61), "canary")), TEXT, "clash", {"m@1", "w@1"},
        share=0.9),
    Row("miss-without-families", (), TEXT, "miss", ()),
    Row("miss", LIVE, "three minutes to seconds", "miss", ()),
    Row("miss-of-the-empty-text", LIVE, "", "miss", ()),
    Row("miss-of-more-than-400-digits", LIVE, "1" * 1980 + " minutes to seconds", "miss", ()),
    Row("retired-is-a-miss", (("m", minutes(), "retired"),), TEXT, "miss", ()),
    Row("shadow-only", (("m", minutes(), "shadow"),), TEXT, "shadow_only", ("m@1",)),
    Row("clash", (*LIVE, ("w", minutes(61), "live")), TEXT, "clash", {"m@1", "w@1"}),
    Row("failed", (("s", shares(), "live"),), "8 shared by 0", "failed", ("s@1",)),
    Row("over-limit", LIVE, TEXT + " " * 10 + "x" * MAX_CODE_POINTS, "over_limit", ()),
    Row("unknown-character", LIVE, TEXT + "\U0001e4d0", "unknown_character", ()),
    Row("context", LIVE, TEXT, "context", (), more={"context": "he asked before"}),
    Row("empty-context-is-context", LIVE, TEXT, "context", (), more={"context": ""}),
    Row("too-many-candidates", (*LIVE, ("m2", minutes(60, (3, 4)), "live")), TEXT,
        "too_many_candidates", (), limits={"max_candidates": 1}),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_matcher(row: Row, rate: float) -> None:
    registry, _ = registry_of(*row.families, share=row.share)
    state = state_of(registry, policies_with(audit_rate=rate, **row.limits))
    after, made = decide(state, asked(row.text, **row.more))
    assert after is state
    first = made[0]
    if row.reason is None:
        assert isinstance(first, AnswerGiven)
        assert first.answer == row.expected
        assert first.family == "m"
        audits = [event for event in made[1:] if isinstance(event, AuditAsked)]
        first_of_version = Audits(policies_with(audit_rate=rate)).place(
            "t", first.digest, {}, is_canary=row.families[0][2] == "canary"
        )
        assert [audit.probability for audit in audits] == ([first_of_version] if rate else [])
        assert len(made) == 1 + len(audits)
        for audit in audits:
            assert (audit.answer, audit.family, audit.digest) == (
                first.answer,
                first.family,
                first.digest,
            )
        return
    assert isinstance(first, MatchAbstained)
    assert len(made) == 1
    assert first.reason == row.reason
    assert type(row.expected)(first.candidates) == row.expected
    assert (first.text, first.context) == (row.text, row.more.get("context"))
    assert first.revision.ordinal == registry.ordinal


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_events_that_were_not_validated_are_those_that_validation_makes(row: Row) -> None:
    registry, _ = registry_of(*row.families, share=row.share)
    state = state_of(registry, policies_with(audit_rate=0.25, **row.limits))
    for event in decide(state, asked(row.text, **row.more))[1]:
        parts = [event, *(event.slots if isinstance(event, AnswerGiven) else ())]
        for part in parts:
            same = type(part)(**{name: getattr(part, name) for name in part.model_fields_set})
            assert part == same == type(part).model_validate(part.model_dump())
            assert part.model_fields_set == same.model_fields_set
            assert (list(vars(part)), repr(part)) == (list(vars(same)), repr(same))
            assert pickle.loads(pickle.dumps(part)) == part  # noqa: S301  # our own bytes
            assert type(part.model_copy().model_fields_set) is set
        assert decode(lying(encode(event, timestamp=0))) == event
        assert encode(event, timestamp=0).value == event.model_dump_json().encode()


def test_every_reason_has_a_row() -> None:
    assert {row.reason for row in ROWS} - {None} == set(get_args(AbstainReason))


def test_an_answer_says_where_it_comes_from() -> None:
    registry, _ = registry_of(*LIVE)
    text = "  3 minutes to seconds"
    (given,) = decide(state_of(registry, UNAUDITED), asked(text, "u7", session="s"))[1]
    assert isinstance(given, AnswerGiven)
    (slot,) = given.slots
    assert (slot.slot, slot.kind, slot.text, slot.value) == ("n", "integer", "3", "3")
    assert text[slot.start : slot.end] == "3"
    assert (given.session, given.origin, given.hat, given.readings) == ("s", "family", False, 1)
    assert (given.revision.ordinal, given.revision.digest) == (2, registry.digest)
    assert read_answer_ref(given.answer_ref) == AnswerRef(
        TENANT, "u7", "m", 1, minutes().digest, text
    )


def test_a_clash_credits_nobody_and_agreement_the_lowest_digest() -> None:
    first, second = minutes(), minutes(60, (3, 4))
    registry, _ = registry_of(("a", first, "live"), ("b", second, "live"))
    (given,) = decide(state_of(registry, UNAUDITED), asked(TEXT))[1]
    assert isinstance(given, AnswerGiven)
    assert given.digest == min(first.digest, second.digest)
    assert given.readings == 2


@given(st.text(max_size=30), st.integers(1, 2**70))
def test_an_answer_ref_is_canonical_json_in_base64(text: str, version: int) -> None:
    ref = AnswerRef("t", text[::-1], "f", version, "d", text)
    fields = [1, "t", text[::-1], "f", version, "d", text]
    document = base64.urlsafe_b64encode(canonical_json(fields)).decode().rstrip("=")
    assert write_answer_ref(ref) == document
    assert read_answer_ref(document) == ref


# --- folding --------------------------------------------------------------------------------------


def test_versions_are_folded_in_order_and_once() -> None:
    registry, events = registry_of(*LIVE)
    state = matcher(UNAUDITED).initial
    for event in events:
        state, made = decide(state, event)
        assert made == ()
    assert state.registry.digest == registry.digest
    again, _ = decide(state, events[-1])
    assert again.registry is state.registry
    skipped, _ = decide(matcher(UNAUDITED).initial, events[-1])
    assert skipped.registry.ordinal == 0


def test_a_bad_artifact_never_replaces_a_good_one() -> None:
    registry, _ = registry_of(*LIVE)
    _, later = registry_of(("other", shares(), "shadow"), before=registry)
    broken = later[0].model_copy(update={"artifacts": ({"format": 1}, "no document")})
    state, _ = decide(state_of(registry, UNAUDITED), broken)
    assert state.registry is registry


def test_other_events_change_nothing() -> None:
    state = matcher(policies_with(audit_rate=0.5)).initial
    completion = CompletionGiven(utterance_id="u", tenant="t", text="x", answer=1, teacher="t")
    assert decide(state, completion) == (state, ())


# --- tenants --------------------------------------------------------------------------------------


def two_tenants() -> Registry:
    registry, _ = registry_of(("m", minutes(60), "live"), scope="left")
    registry, _ = registry_of(("m", minutes(61), "live"), scope="right", before=registry)
    registry, _ = registry_of(("s", shares(), "live"), scope=SHARED, before=registry)
    return registry


@pytest.mark.parametrize(
    ("tenant", "text", "expected"),
    [
        ("left", TEXT, "180"),
        ("right", TEXT, "183"),
        ("third", TEXT, "miss"),
        ("Left", TEXT, "miss"),
        ("left ", TEXT, "miss"),
        ("", TEXT, "miss"),
        (SHARED, TEXT, "miss"),
        ("left", "8 shared by 4", "2"),
        ("right", "8 shared by 4", "2"),
        ("third", "8 shared by 4", "2"),
    ],
)
def test_a_tenant_sees_its_own_families_and_the_shared_ones(
    tenant: str, text: str, expected: str
) -> None:
    (made,) = decide(state_of(two_tenants(), UNAUDITED), asked(text, tenant=tenant))[1]
    assert isinstance(made, AnswerGiven | MatchAbstained)
    assert made.tenant == tenant
    assert (made.answer if isinstance(made, AnswerGiven) else made.reason) == expected


def test_a_shared_family_that_differs_makes_a_clash_and_not_a_choice() -> None:
    registry, _ = registry_of(("m", minutes(60), "live"), scope="left")
    registry, _ = registry_of(("w", minutes(61), "live"), scope=SHARED, before=registry)
    (left,) = decide(state_of(registry, UNAUDITED), asked(TEXT, tenant="left"))[1]
    (other,) = decide(state_of(registry, UNAUDITED), asked(TEXT, tenant="other"))[1]
    assert isinstance(left, MatchAbstained)
    assert left.reason == "clash"
    assert isinstance(other, AnswerGiven)
    assert other.answer == "183"


# --- the budget of audits, and any text -----------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.03, 1.0])
def test_audits_stay_within_their_budget(rate: float) -> None:
    registry, _ = registry_of(*LIVE)
    state, answers, placed = state_of(registry, policies_with(audit_rate=rate)), 0, list[float]()
    for n in range(2000):
        text = f"{n} minutes to {'seconds' if n % 3 else 'hours'}"
        for event in decide(state, asked(text, str(n)))[1]:
            answers += isinstance(event, AnswerGiven)
            placed += [event.probability] if isinstance(event, AuditAsked) else []
        assert sum(placed) <= rate * answers + 10
    assert 1000 < answers < 2000
    assert len(placed) == (answers if rate else 0)
    assert all(least_probability(rate) <= probability <= 1 for probability in placed)
    assert placed == sorted(placed, reverse=True)


hostile = st.text(
    st.characters(exclude_categories=["Cs"])
    | st.sampled_from("0123456789 mintueso\u200f\u202e\u0301\u0345\ufeff\x00\x1b\u1e9e\u0130")
)


@given(hostile, st.sampled_from(["", " minutes to seconds"]))
def test_any_text_ends_in_exactly_one_terminal_event(head: str, tail: str) -> None:
    registry, _ = registry_of(*LIVE)
    made = decide(state_of(registry, UNAUDITED), asked(head + tail))[1]
    assert [type(event) for event in made] in ([AnswerGiven], [MatchAbstained])
    assert decide(state_of(registry, UNAUDITED), asked(head + tail))[1] == made

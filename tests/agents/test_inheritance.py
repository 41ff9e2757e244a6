"""What a narrower version inherits: its parent's window in its own language, and nothing more."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import refiner
from agents.comparisons import atom_of, compared
from agents.families import family_row
from agents.inheritance import (
    MAX_INHERITED,
    Inheritance,
    noted,
    price_of_choice,
    with_parent,
)
from artifacts.artifact import Artifact, load_artifact
from artifacts.certificate import STRATA
from artifacts.compiler import Given, answer_of
from artifacts.evidence import Evidence, fold
from artifacts.policy import DEFAULT, ONE_POLICY
from artifacts.registry import Entry
from streams.events import (
    ComparisonMade,
    Event,
    Stratum,
    TeacherAsked,
    TeacherReplied,
    VersionChanged,
    VersionProposed,
)
from tests.agents.worlds import TENANT, change, changed, compiled, proposal, registry_of

WORDS = ("add", "put", "sum", "take")
seen: Counter[str] = Counter()


def sums(slot: str = "{w:word}", examples: Sequence[tuple[str, int, int]] = ()) -> Artifact:
    """Return the family that adds two numbers, whatever it is called."""
    told = examples or (("add", 1, 5), ("put", 2, 6))
    return compiled(
        {
            "recipe": 1,
            "name": "sums",
            "phrasings": [f"{slot} together {{a:integer}} and {{b:integer}}"],
            "steps": [
                {"op": "add", "args": [{"slot": "a"}, {"slot": "b"}]},
                {"op": "show", "args": [{"step": 0}]},
            ],
            "answer": {"value": {"step": 1}},
            "dont_care": ["w"],
            "examples": [{"text": told_as(*one), "answer": str(one[1] + one[2])} for one in told],
        }
    )


def told_as(word: str, a: int, b: int) -> str:
    return f"{word} together {a} and {b}"


WIDE = sums()
NARROW = sums("{w=add|put}")


@dataclass
class World:
    """A refiner with one family, the events that it was sent and those that it made."""

    state: refiner.State

    @classmethod
    def of(cls, artifact: Artifact = WIDE, stage: Any = "shadow") -> "World":
        world = cls(refiner.State(ONE_POLICY, frozenset({"operator"})))
        _, events = registry_of(("m", artifact, stage))
        for event in events:
            assert world.sent(event) == []
        return world

    def sent(self, event: Event) -> list[Event]:
        self.state, made = refiner.decide(self.state, event)
        return list(made)

    def through(self, wanted: VersionProposed) -> tuple[VersionChanged, list[Event]]:
        """Let a proposal pass as if the gate had said yes."""
        event = changed(self.state.registry.ordinal + 1, wanted)
        return event, self.sent(event)

    def entry(self, version: int = 1) -> Entry:
        entry = self.state.registry.entry(TENANT, "m", version)
        assert entry is not None
        return entry

    def compared(
        self, n: int, word: str, expected: str | None = None, stratum: Stratum = "shadow"
    ) -> list[Event]:
        """Compare the first version on the n-th sum."""
        text = told_as(word, n, n + 4)
        told = answer_of(WIDE, text)
        assert isinstance(told, Given)
        answer = str(2 * n + 4) if expected is None else expected
        return self.sent(compared(self.entry(), f"c{n}", text, answer, told, stratum))

    def mended(self, *recipes: Any) -> list[Event]:
        """Have the teacher answer a question for a repair of the first version."""
        return self.sent(
            TeacherReplied(
                question_id="q", scope=TENANT, method="repair", cluster="m", teacher="t",
                recipes=recipes, tried=3, steps=1, family="m", version=1,
            )
        )  # fmt: skip


def shown(atoms: Sequence[Event]) -> list[tuple[str, bool, int, str]]:
    made = [one for one in atoms if isinstance(one, ComparisonMade)]
    assert len(made) == len(atoms)
    return [(one.sample_id, one.agreed, one.version, one.stratum) for one in made]


def artifact_of(wanted: VersionProposed) -> Artifact:
    artifact = load_artifact(wanted.artifacts[0])
    assert isinstance(artifact, Artifact)
    return artifact


def adopted(world: World, artifact: Artifact = NARROW) -> list[Event]:
    """Put a second version into shadow that follows on the first."""
    inheritance = with_parent(world.state.inheritance, world.entry(), 2, artifact)
    world.state = refiner.replace(world.state, inheritance=inheritance)
    return world.through(proposal([change("m", 2, artifact, "shadow")], [artifact]))[1]


# --- what is inherited ----------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 90),
            st.sampled_from(WORDS),
            st.sampled_from(("replay", "shadow", "audit", "rejected")),
        ),
        min_size=20,
        max_size=150,
        unique_by=lambda one: (one[0], one[2]),
    )
)
def _the_window_filtered_by_the_language(told: list[tuple[int, str, Stratum]]) -> None:
    world = World.of()
    for n, word, stratum in told:
        for _ in range(1 + n % 2):
            assert world.compared(n, word, stratum=stratum) == [] or world.state.inheritance.closed
    window = told[-MAX_INHERITED:]
    expected = [f"c{n}" for n, word, _ in window if word in ("add", "put")]
    made = adopted(world)
    assert [(sample, True, 2, "inherited") for sample in expected] == shown(made)
    for atom in made:
        assert isinstance(atom, ComparisonMade)
        assert atom.since == world.entry(2).since
        assert atom.digest == NARROW.digest
        assert atom.values.keys() == {"w", "a", "b"}
    seen["inherited"] += bool(made)
    seen["left out"] += len(made) < len(window)
    seen["beyond the window"] += len(told) > MAX_INHERITED


def test_the_heirs_comparisons_are_the_parents_window_filtered_by_its_language() -> None:
    seen.clear()
    _the_window_filtered_by_the_language()
    assert min(seen["inherited"], seen["left out"], seen["beyond the window"]) >= 3, seen


def test_disagreements_are_inherited_as_they_came() -> None:
    world = World.of()
    world.compared(1, "add")
    world.compared(2, "put", "wrong")
    world.compared(3, "take", "wrong")
    assert [agreed for _, agreed, _, _ in shown(adopted(world))] == [True, False]


def test_telling_twice_changes_nothing() -> None:
    world = World.of()
    for n in (1, 2, 2, 1):
        world.compared(n, "add")
    wanted = proposal([change("m", 2, NARROW, "shadow")], [NARROW])
    heirs = with_parent(world.state.inheritance, world.entry(), 2, NARROW)
    world.state = refiner.replace(world.state, inheritance=heirs)
    event, made = world.through(wanted)
    assert [sample for sample, *_ in shown(made)] == ["c1", "c2"]
    before = world.state
    assert world.sent(event) == []
    assert world.state is before
    for atom in made * 2:
        assert world.sent(atom) == []
    assert len(world.state.inheritance.window(world.entry(2))) == 2
    evidence = Evidence()
    for atom in [*made, *reversed(made)]:
        assert isinstance(atom, ComparisonMade)
        evidence = fold(evidence, atom_of(atom))
    assert evidence.tally(NARROW.digest, world.entry(2).since).agreements == 2


def test_what_is_inherited_counts_for_admission_and_in_no_certificate() -> None:
    world = World.of()
    for n in range(1, 9):
        world.compared(n, WORDS[n % 2])
    entry_atoms = adopted(world)
    child, evidence = world.entry(2), Evidence()
    for atom in entry_atoms:
        assert isinstance(atom, ComparisonMade)
        evidence = fold(evidence, atom_of(atom))
    tally = evidence.tally(NARROW.digest, child.since)
    bits = sum(atom.bits for atom in entry_atoms if isinstance(atom, ComparisonMade))
    assert bits > 60
    assert (tally.agreements, tally.bits, tally.disagreements) == (8, pytest.approx(bits), 0)
    row = family_row(child, evidence, ONE_POLICY)
    assert (row["bounds"], row["agreements"], row["missing"]) == ({}, 8, None)
    assert not evidence.sampled
    assert "inherited" not in STRATA


def test_a_version_that_nobody_follows_on_leaves_nothing() -> None:
    world = World.of()
    world.compared(1, "add")
    assert world.through(proposal([change("m", 2, NARROW, "shadow")], [NARROW]))[1] == []
    world.through(proposal([change("m", 1, WIDE, "retired")]))
    assert not world.state.inheritance.window(world.entry())


PRICES: dict[str, tuple[Artifact, list[tuple[int, str, bool]], int, float | None]] = {
    "all-is-read": (NARROW, [(1, "add", True), (2, "put", True)], 1, 0.0),
    "two-were-considered": (NARROW, [(1, "add", True)], 2, 1.0),
    "one-of-four-left-out": (
        NARROW,
        [(1, "add", True), (2, "take", False), (3, "put", True), (4, "add", True)],
        8,
        5.0,
    ),
    "nothing-is-read": (NARROW, [(1, "take", True)], 1, None),
    "nothing-was-compared": (NARROW, [], 1, None),
    "it-would-be-wrong-as-well": (NARROW, [(1, "add", True), (2, "put", False)], 1, None),
}


@pytest.mark.parametrize("name", PRICES)
def test_the_price_of_a_choice(name: str) -> None:
    artifact, told, considered, expected = PRICES[name]
    world = World.of()
    for n, word, agrees in told:
        world.compared(n, word, None if agrees else "wrong")
    window = world.state.inheritance.window(world.entry())
    assert price_of_choice(artifact, window, considered) == expected


# --- repairs --------------------------------------------------------------------------------------


def failed_on(world: World, word: str, *numbers: int) -> None:
    """Let the first version agree on some sums, and fail on one of a word of its own."""
    for n in numbers:
        world.compared(n, WORDS[n % 2])
    quarantine, question = world.compared(99, word, "wrong")
    assert isinstance(quarantine, VersionProposed)
    assert isinstance(question, TeacherAsked)
    world.through(quarantine)


def test_a_version_narrowed_by_a_rule_inherits_at_its_price() -> None:
    world = World.of(stage="live")
    failed_on(world, "take", *range(1, 11))
    (wanted,) = world.mended()
    assert isinstance(wanted, VersionProposed)
    assert [(c.version, c.stage) for c in wanted.changes] == [(2, "shadow"), (1, "retired")]
    child = artifact_of(wanted)
    assert answer_of(child, told_as("take", 99, 103)) is None
    assert child.document["program"] == WIDE.document["program"]
    least = world.entry().price + DEFAULT.return_surcharge
    assert least < wanted.price_bits < least + 12
    _, made = world.through(wanted)
    assert shown(made) == [(f"c{n}", True, 2, "inherited") for n in range(1, 11)]


@pytest.mark.parametrize(
    ("name", "agreed", "returns"),
    [("nothing-to-inherit", 0, 0), ("too-many-returns", 10, DEFAULT.max_returns)],
)
def test_a_version_is_not_narrowed(name: str, agreed: int, returns: int) -> None:
    world = World.of(stage="live")
    for _ in range(returns):
        world.through(proposal([change("m", 1, WIDE, "shadow")]))
    for n in range(1, agreed + 1):
        world.compared(n, WORDS[n % 2])
    (quarantine, _) = world.compared(99, "take", "wrong")
    assert isinstance(quarantine, VersionProposed)
    if returns < DEFAULT.max_returns:
        world.through(quarantine)
    else:
        world.through(proposal([change("m", 1, WIDE, "shadow")]))
    (wanted,) = world.mended()
    assert isinstance(wanted, VersionProposed)
    assert [(c.version, c.stage) for c in wanted.changes] == [(1, "retired")]


def test_a_program_that_changed_starts_anew() -> None:
    world = World.of(stage="live")
    failed_on(world, "take", 1, 2, 3)
    other = sums("{w=add|put}", (("add", 1, 5), ("put", 2, 6)))
    recipe = {
        "recipe": 1, "name": "sums", "phrasings": ["{w=add|put} together {a:integer} and {b}"],
        "steps": [{"op": "add", "args": [{"slot": "b"}, {"slot": "a"}]},
                  {"op": "show", "args": [{"step": 0}]}],
        "answer": {"value": {"step": 1}}, "dont_care": ["w"],
        "examples": [{"text": t, "answer": a} for t, a in other.examples()],
    }  # fmt: skip
    recipe["phrasings"] = ["{w=add|put} together {a:integer} and {b:integer}"]
    (wanted,) = world.mended(recipe)
    assert isinstance(wanted, VersionProposed)
    assert wanted.price_bits == DEFAULT.search_price(3) + DEFAULT.return_surcharge
    assert world.through(wanted)[1] == []


# --- slots that hardly vary -----------------------------------------------------------------------

LEAST = DEFAULT.patience * DEFAULT.min_agreements


def test_a_slot_that_hardly_varies_is_closed_once_and_the_wider_version_goes_on() -> None:
    world = World.of()
    made = [one for n in range(1, LEAST + 9) for one in world.compared(n, WORDS[n % 2])]
    (wanted,) = made
    assert isinstance(wanted, VersionProposed)
    assert [(c.version, c.stage) for c in wanted.changes] == [(2, "shadow")]
    assert wanted.reason == "closes w of m@1"
    assert artifact_of(wanted).open_slot_names == ("a", "b")
    assert wanted.price_bits == 3.0, "three open slots, each closed or not"
    _, inherited = world.through(wanted)
    assert len(inherited) == LEAST + 8
    assert world.entry().stage == "shadow"
    assert world.compared(90, "sum") == [], "the wider one still gathers"


SKEWED: dict[str, list[tuple[str, bool]]] = {
    "too-few": [("add", True)] * (LEAST - 1),
    "a-disagreement": [("add", True)] * 3 + [("put", False)] + [("add", True)] * LEAST,
    "enough-values": [("add", True), ("put", True), ("sum", True)] * LEAST,
    "more-is-to-come": [("add", True)] * (LEAST - 3) + [("put", True)],
}


@pytest.mark.parametrize("name", SKEWED)
def test_no_slot_is_closed(name: str) -> None:
    world = World.of()
    made = []
    for n, (word, agrees) in enumerate(SKEWED[name], 1):
        made += world.compared(n, word, None if agrees else "wrong")
    proposals = [one for one in made if isinstance(one, VersionProposed)]
    assert not [one for one in proposals if one.reason.startswith("closes")]


def test_windows_are_bounded() -> None:
    entry, inheritance = World.of().entry(), Inheritance()
    told = answer_of(WIDE, told_as("add", 1, 5))
    assert isinstance(told, Given)
    for n in range(3 * MAX_INHERITED):
        event = compared(entry, str(n), told_as("add", 1, 5), "6", told, "shadow")
        inheritance = noted(inheritance, event)
    window = inheritance.window(entry)
    assert [event.sample_id for event in window] == [
        str(n) for n in range(2 * MAX_INHERITED, 3 * MAX_INHERITED)
    ]

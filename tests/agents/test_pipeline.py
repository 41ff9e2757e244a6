"""The graph as a value: it fits, and `check` finds each way in which one does not."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from agents.fallback import hash_draw
from agents.node import Decider, Node
from agents.pipeline import ANSWERING, as_rows, check, pipeline
from agents.teachers.scripted import ScriptedTeacher
from artifacts.policy import policies_with
from streams.events import Event

NODES = pipeline(
    ScriptedTeacher({}), hash_draw(""), policies=policies_with(audit_rate=0.1), trusted=frozenset()
)


def nothing(state: object, event: Event) -> tuple[object, Sequence[Event]]:
    return state, ()


def node(name: str, reads: tuple[str, ...] = (), writes: tuple[str, ...] = ()) -> Decider:
    return Decider(name, (), reads, writes, None, nothing, False, "A node of a test.")


def without(name: str) -> list[Node]:
    return [node for node in NODES if node.name != name]


def test_the_pipeline_fits() -> None:
    assert check(NODES) == []


def test_whoever_learns_beside_the_service_writes_no_utterance_and_no_answer() -> None:
    learning = [node for node in NODES if node.name not in ANSWERING]
    assert len(NODES) - len(learning) == len(ANSWERING)
    written = {topic for node in learning for topic in node.writes}
    assert written
    assert written.isdisjoint({"utterances", "feedback", "matches", "completions"})


PROBLEMS: list[tuple[str, Callable[[], Sequence[Node]], list[str]]] = [
    ("same-name", lambda: [*NODES, node("matcher")], ["two nodes are named 'matcher'"]),
    (
        "unknown-topic",
        lambda: [*NODES, node("x", ("gossip",), ("gossip",))],
        ["topic 'gossip' is not in the topic table"],
    ),
    ("nobody-writes", lambda: without("fallback"),
     ["nobody writes 'completions'", "nobody reads 'fallbacks'"]),
    (
        "nobody-reads",
        lambda: [replace(n, reads=("matches", "evidence")) if n.name == "registrar" else n
                 for n in NODES if isinstance(n, Decider)] + [n for n in NODES
                 if not isinstance(n, Decider)],
        ["nobody reads 'proposals'"],
    ),
    (
        "two-writers-of-versions",
        lambda: [*NODES, node("second", (), ("versions",))],
        ["versions must have exactly one writer"],
    ),
    (
        "no-writer-of-versions",
        lambda: without("registrar"),
        ["nobody writes 'versions'", "nobody reads 'proposals'",
         "versions must have exactly one writer"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "problems"), PROBLEMS, ids=[row[0] for row in PROBLEMS])
def test_check_finds(name: str, make: Callable[[], Sequence[Node]], problems: list[str]) -> None:
    assert check(make()) == problems


def test_rows_say_all_of_a_node() -> None:
    rows = as_rows(NODES)
    assert [row["node"] for row in rows][:2] == ["matcher", "fallback"]
    assert {row["kind"] for row in rows} == {"asker", "decider"}
    assert all(str(row["doc"]).endswith(".") for row in rows)

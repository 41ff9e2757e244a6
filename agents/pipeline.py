"""The pipeline as a value: which nodes there are, and what they read and write.

The same graph runs in `kappa up` and in `kappa simulate`, on any transport; `check` finds what
does not fit before anything runs.
"""

from collections.abc import Sequence

from agents.auditor import auditor
from agents.distiller import distiller, inducer
from agents.fallback import Draw, fallback
from agents.matcher import matcher
from agents.node import Asker, Decider, Node
from agents.refiner import refiner
from agents.registrar import registrar
from agents.teachers import Teacher
from artifacts.policy import Policies
from streams.asyncapi import Role
from streams.signing import ANYONE, SigningKey, Trust
from streams.topics import TOPIC_NAMES

OUTSIDE = frozenset({"utterances", "feedback"})
"""Topics that the services beside us write."""

ANSWERING = frozenset({"matcher", "fallback"})
"""Nodes that an answer waits for; the others learn, and may run in a process beside them."""

TERMINAL = frozenset({"rejected", "checkpoints"})
"""Topics that no node reads."""


def pipeline(
    teacher: Teacher,
    draw: Draw,
    *,
    policies: Policies,
    trusted: frozenset[str],
    trust: Trust = ANYONE,
    signer: SigningKey | None = None,
    approval: frozenset[str] = frozenset(),
) -> tuple[Node, ...]:
    """Return the nodes in the order in which a single process runs them: answers first."""
    return (
        matcher(policies, trust),
        fallback(teacher, draw),
        refiner(trusted, policies, trust),
        registrar(policies, trust, signer, approval),
        auditor(trusted, policies, trust),
        distiller(policies, trust),
        inducer(policies),
    )


def check(nodes: Sequence[Node]) -> list[str]:
    """Return what is wrong with a graph; an empty list when nothing is.

    Every topic is in the table, is written before it is read, and read unless it is terminal; node
    names, which are reader groups, differ; versions have one writer.
    """
    problems: list[str] = []
    names = [node.name for node in nodes]
    problems += [
        f"two nodes are named {name!r}" for name in {n for n in names if names.count(n) > 1}
    ]
    read = {topic for node in nodes for topic in (*node.reads, *_folds(node))}
    written = {topic for node in nodes for topic in node.writes}
    for topic in sorted(read | written):
        if topic not in TOPIC_NAMES:
            problems.append(f"topic {topic!r} is not in the topic table")
    problems += [f"nobody writes {topic!r}" for topic in sorted(read - written - OUTSIDE)]
    problems += [f"nobody reads {topic!r}" for topic in sorted(written - read - TERMINAL)]
    if sum("versions" in node.writes for node in nodes) != 1:
        problems.append("versions must have exactly one writer")
    return problems


def _folds(node: Node) -> tuple[str, ...]:
    return node.folds if isinstance(node, Decider) else ()


def roles(nodes: Sequence[Node]) -> tuple[Role, ...]:
    """Return the graph as the AsyncAPI document tells of it."""
    return tuple(
        Role(node.name, (*_folds(node), *node.reads), (*node.writes, "rejected"), node.doc)
        for node in nodes
    )


def as_rows(nodes: Sequence[Node]) -> list[dict[str, object]]:
    """Return the graph as rows that can be printed: node, kind, folds, reads, writes, doc."""
    return [
        {
            "node": node.name,
            "kind": "asker" if isinstance(node, Asker) else "decider",
            "folds": list(_folds(node)),
            "reads": list(node.reads),
            "writes": list(node.writes),
            "doc": node.doc,
        }
        for node in nodes
    ]

"""Who may do what on a cluster: the least that each agent needs, read off the pipeline's graph.

An agent logs in as `kappa-<agent>`, with all nodes that run in its process. It reads what they read
and fold, writes what they write and the rejected topic, holds their groups and the transactional
ids that begin with its name. It may describe every topic of the table (the transport counts their
partitions; that shows no record) and read the configuration of those that it touches (the drift
check at its start). Nobody but the registrar may write versions.

Two users are no nodes: the *console* puts utterances, feedback and people's proposals in and looks
at everything; the *operator* runs `kappa topics apply`. Whoever applies these rules needs Alter on
the cluster, which is in nobody's row: that stays with the cluster's own administrators.
"""

from collections.abc import Sequence

from agents.node import Decider, Node
from agents.processes import process_of
from streams.access_rules import AccessRule, Operation
from streams.topics import TOPIC_NAMES
from streams.transports.kafka_connection import KafkaConnection

CONSOLE, OPERATOR = "console", "operator"
CONSOLE_WRITES = ("utterances", "feedback", "proposals")
"""What `kappa ask`, `kappa feedback` and `kappa families promote` and its kin put in."""

CHECKED = ("checkpoints", "rejected")
"""What a check of expectations reads beside what the auditor does, in whose process it starts."""

_ADMINISTERS: tuple[Operation, ...] = (
    "alter", "alter-configs", "create", "describe", "describe-configs",
)  # fmt: skip


def principal(agent: str) -> str:
    """Return the user of an agent as the cluster names it.

    >>> principal("matcher")
    'User:kappa-matcher'
    """
    return f"User:kappa-{agent}"


def topics_of(node: Node) -> tuple[str, ...]:
    """Return the topics that a node touches, in the order of the table."""
    folds = node.folds if isinstance(node, Decider) else ()
    touched = {*node.reads, *folds, *node.writes, "rejected"}
    return tuple(name for name in TOPIC_NAMES if name in touched)


def access_rules(nodes: Sequence[Node], connection: KafkaConnection) -> tuple[AccessRule, ...]:
    """Return every rule that the pipeline needs, with the names that things have in the cluster."""
    rules: list[AccessRule] = []
    for node in nodes:
        folds = node.folds if isinstance(node, Decider) else ()
        reads, writes = (*folds, *node.reads), (*node.writes, "rejected")
        agent = process_of(node.name)
        rules += _agent(connection, agent, reads, writes, topics_of(node))
        rules.append(AccessRule(principal(agent), "read", "group", connection.named(node.name)))
    rules += [_rule(connection, "auditor", "read", name) for name in CHECKED]
    rules += _agent(connection, CONSOLE, TOPIC_NAMES, CONSOLE_WRITES, TOPIC_NAMES)
    rules += [
        _rule(connection, OPERATOR, operation, name)
        for operation in _ADMINISTERS
        for name in TOPIC_NAMES
    ]
    return tuple(dict.fromkeys(rules))


def _agent(
    connection: KafkaConnection,
    agent: str,
    reads: Sequence[str],
    writes: Sequence[str],
    checks: Sequence[str],
) -> list[AccessRule]:
    wishes: tuple[tuple[Operation, Sequence[str]], ...] = (
        ("read", reads),
        ("write", writes),
        ("describe", [name for name in TOPIC_NAMES if name not in (*reads, *writes)]),
        ("describe-configs", checks),
    )
    rules = [
        _rule(connection, agent, operation, name) for operation, names in wishes for name in names
    ]
    transactions = connection.named(f"{agent}-")
    rules.append(
        AccessRule(principal(agent), "write", "transactional-id", transactions, is_prefix=True)
    )
    return rules


def _rule(connection: KafkaConnection, agent: str, operation: Operation, topic: str) -> AccessRule:
    return AccessRule(principal(agent), operation, "topic", connection.named(topic))

"""Kafka's own protocol over a plain socket: is a cluster ready, and who may do what there.

An open port is not enough: the first group and the first transaction wait for internal topics
that are made when they are first asked for. Ready is: every node names all nodes, and every
partition of both internal topics has a coordinator. A client library would answer the same in
0.2 s of imports and hide the reasons; the tools in the jars would take two seconds of JVM. Access
rules are made here because aiokafka's client cannot make them.
"""

import socket
import struct
from dataclasses import dataclass

from infra.kafka.java import BrokerError

ANSWER_LIMIT_S = 5.0

RESOURCES = {"topic": 2, "group": 3, "cluster": 4, "transactional-id": 5}
OPERATIONS = {
    "all": 2,
    "read": 3,
    "write": 4,
    "create": 5,
    "delete": 6,
    "alter": 7,
    "describe": 8,
    "describe-configs": 10,
    "alter-configs": 11,
    "idempotent-write": 12,
}

_METADATA, _FIND_COORDINATOR, _DESCRIBE_RULES, _CREATE_RULES = 3, 10, 29, 30
_LITERAL, _PREFIX, _ALLOW = 3, 4, 3
_GROUP, _TRANSACTION = 0, 1
# Their hash codes fall on the four partitions of the internal topics.
_KEYS = ("a", "b", "c", "d")


def missing(ports: dict[int, int]) -> str | None:
    """What is not ready yet of the nodes {number: port}, or None when all is.

    >>> missing({1: 1})
    'node 1 does not answer on port 1'
    """
    for node, port in ports.items():
        try:
            if lacking := set(ports) - _nodes(port):
                return f"node {node} does not know {sorted(lacking)}"
        except (OSError, struct.error):
            return f"node {node} does not answer on port {port}"
    port = next(iter(ports.values()))
    for kind, name in ((_GROUP, "group"), (_TRANSACTION, "transaction")):
        for key in _KEYS:
            try:
                error = _coordinator_error(port, key, kind)
            except (OSError, struct.error):
                return f"no node answers on port {port}"
            if error:
                return f"{name} {key!r} has no coordinator (error {error})"
    return None


@dataclass(frozen=True, slots=True)
class Rule:
    """Allow a user one operation on a resource: keys of RESOURCES and OPERATIONS.

    `name` may end in a star: every name that begins so. The name of the cluster is
    'kafka-cluster'.
    """

    user: str
    operation: str
    resource: str
    name: str

    def pattern(self) -> tuple[str, int]:
        """The name as the broker wants it, and how it is to be matched.

        >>> Rule("kappa", "read", "topic", "orders-*").pattern()
        ('orders-', 4)
        >>> Rule("kappa", "read", "topic", "*").pattern()
        ('*', 3)
        """
        if self.name != "*" and self.name.endswith("*"):
            return self.name[:-1], _PREFIX
        return self.name, _LITERAL


def add_rule(port: int, rule: Rule) -> None:
    """Make an access rule through the node at `port`, where everything is allowed."""
    name, kind = rule.pattern()
    answer = _ask(
        port,
        _CREATE_RULES,
        struct.pack(">ib", 1, RESOURCES[rule.resource])
        + _text(name)
        + struct.pack(">b", kind)
        + _text(f"User:{rule.user}")
        + _text("*")
        + struct.pack(">bb", OPERATIONS[rule.operation], _ALLOW),
    )
    (error,) = struct.unpack_from(">h", answer, 8)
    if error:
        raise BrokerError(f"{rule} was refused with error {error}.")


def has_rule(port: int, rule: Rule) -> bool:
    """Whether the node at `port` follows the rule already."""
    name, kind = rule.pattern()
    answer = _ask(
        port,
        _DESCRIBE_RULES,
        struct.pack(">b", RESOURCES[rule.resource])
        + _text(name)
        + struct.pack(">b", kind)
        + _text(f"User:{rule.user}")
        + _text("*")
        + struct.pack(">bb", OPERATIONS[rule.operation], _ALLOW),
    )
    error, length = struct.unpack_from(">hh", answer, 4)
    if error:
        raise BrokerError(f"Asking for {rule} failed with error {error}.")
    (count,) = struct.unpack_from(">i", answer, 8 + max(length, 0))
    return bool(count)


def _nodes(port: int) -> set[int]:
    """The numbers of the brokers that the one at `port` knows."""
    answer = _ask(port, _METADATA, struct.pack(">i", 0))
    (count,) = struct.unpack_from(">i", answer)
    place, found = 4, set()
    for _ in range(count):
        node, length = struct.unpack_from(">ih", answer, place)
        place += 6 + length + 4
        (rack,) = struct.unpack_from(">h", answer, place)
        place += 2 + max(rack, 0)
        found.add(node)
    return found


def _coordinator_error(port: int, key: str, kind: int) -> int:
    answer = _ask(port, _FIND_COORDINATOR, _text(key) + struct.pack(">b", kind))
    (error,) = struct.unpack_from(">h", answer, 4)
    return int(error)


def _ask(port: int, api: int, body: bytes) -> bytes:
    """The answer to a request of version 1, without its header."""
    request = struct.pack(">hhi", api, 1, 7) + _text("ready") + body
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_LIMIT_S) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:
            (length,) = struct.unpack(">i", stream.read(4))
            return stream.read(length)[4:]


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()

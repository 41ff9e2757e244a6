"""Whether a cluster is ready, asked in Kafka's own protocol over a plain socket.

An open port is not enough: the first group and the first transaction wait for internal topics
that are made when they are first asked for. Ready is: every node names all nodes, and every
partition of both internal topics has a coordinator. A client library would answer the same in
0.2 s of imports and hide the reasons; the tools in the jars would take two seconds of JVM.
"""

import socket
import struct

ANSWER_LIMIT_S = 5.0

_METADATA, _FIND_COORDINATOR = 3, 10
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

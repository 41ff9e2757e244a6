"""Nodes, users, and the properties of a node, filled into the files beside this one."""

import random
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
DEFAULT_PORT = 19092
AGENTS = (
    "matcher", "fallback", "refiner", "registrar", "auditor", "distiller", "console", "operator",
)  # fmt: skip
"""The users of `kappa topics acls`; a test holds the two against each other."""

# Below the ports that systems give to outgoing connections, which could take a free one from us.
_FREE_PORTS = range(20_000, 30_000)


@dataclass(frozen=True, slots=True)
class Node:
    """One broker and its ports on 127.0.0.1; the last two are None without passwords."""

    number: int
    port: int
    controller_port: int
    sasl_port: int | None
    tls_port: int | None


@dataclass(frozen=True, slots=True)
class User:
    """Who may log in; a superuser needs no access rules."""

    name: str
    password: str
    is_super: bool


def planned_nodes(count: int, port: int | None, *, sasl: bool) -> tuple[Node, ...]:
    """`count` nodes with consecutive ports from `port` on, 100 apart; free ones when None."""
    free = free_ports()
    nodes = []
    for number in range(1, count + 1):
        if port is None:
            ports = [next(free) for _ in range(4)]
        else:
            ports = [port + 100 * (number - 1) + extra for extra in range(4)]
        nodes.append(
            Node(number, ports[0], ports[1], ports[2] if sasl else None, ports[3] if sasl else None)
        )
    return tuple(nodes)


def new_users() -> tuple[User, ...]:
    """A superuser, one for whom the tests make rules, one without any, and one for each agent.

    `kappa topics apply --acls` makes the agents' rules. The passwords are fresh.
    """
    names = ("admin", "kappa", "stranger", *(f"kappa-{agent}" for agent in AGENTS))
    return tuple(User(name, secrets.token_hex(8), name == "admin") for name in names)


def free_ports() -> Iterator[int]:
    """Yield ports on which nobody listens now, no one twice."""
    for port in random.sample(_FREE_PORTS, len(_FREE_PORTS)):
        if is_free(port):
            yield port


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def properties(
    node: Node, nodes: tuple[Node, ...], users: tuple[User, ...], records: Path, keystore: Path
) -> str:
    """The text of a node's server.properties."""
    names = ["node.properties"]
    if len(nodes) > 1:
        names.append("three-nodes.properties")
    if users:
        names.append("sasl.properties")
    more = f",SASL_PLAINTEXT://127.0.0.1:{node.sasl_port},SASL_SSL://127.0.0.1:{node.tls_port}"
    template = Template("".join((HERE / name).read_text() for name in names))
    return template.substitute(
        node=node.number,
        voters=",".join(f"{other.number}@127.0.0.1:{other.controller_port}" for other in nodes),
        port=node.port,
        controller_port=node.controller_port,
        more_listeners=more if users else "",
        records=records,
        keystore=keystore,
        copies=min(3, len(nodes)),
        in_sync=2 if len(nodes) > 2 else 1,
        plain_users=" ".join(f'user_{user.name}="{user.password}"' for user in users),
        super_users=";".join(f"User:{user.name}" for user in users if user.is_super),
    )

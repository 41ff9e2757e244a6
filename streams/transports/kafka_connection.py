"""How a cluster is reached, what is ours there, and how long is waited for what."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from streams.transports import AccessRefused

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Address, credentials and name prefix of one cluster's part that is ours.

    `prefix` stands before every topic, group and transactional id, so that several Kappas can
    share a cluster. The password is not part of the printed form.
    """

    bootstrap: str
    prefix: str = ""
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def client(self) -> dict[str, Any]:
        """Return the arguments that every client of the cluster takes.

        Raises AccessRefused when `ca_file` cannot be used.
        """
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            arguments["ssl_context"] = self._trusting()
        if self.security_protocol.startswith("SASL"):
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return arguments

    def _trusting(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(
                cafile=None if self.ca_file is None else str(self.ca_file)
            )
        except OSError as error:
            raise AccessRefused(
                f"{str(self.ca_file)!r} cannot be used as the authority of TLS brokers "
                f"({error.strerror or error}): set KAPPA_KAFKA_CA_FILE to its PEM file"
            ) from error

    def named(self, name: str) -> str:
        """Return what a topic, group or transactional id of ours is called in the cluster."""
        return f"{self.prefix}{name}"

    def ours(self, name: str) -> str:
        """Return our name of a topic of the cluster."""
        return name.removeprefix(self.prefix)


@dataclass(frozen=True, slots=True)
class Timing:
    """The time-outs of a group member, in milliseconds.

    `scan_ms` is how often the brokers look for transactions that timed out
    (`transaction.abort.timed.out.transaction.cleanup.interval.ms`). Raises ValueError where a
    frozen member could lose its partitions before it is fenced.
    """

    session_ms: int = 30_000
    heartbeat_ms: int = 3_000
    transaction_ms: int = 10_000
    scan_ms: int = 10_000
    poll_ms: int = 100

    def __post_init__(self) -> None:
        needed = self.transaction_ms + self.scan_ms + self.heartbeat_ms
        if needed > self.session_ms:
            raise ValueError(
                f"transaction time-out {self.transaction_ms} + scan {self.scan_ms} + heartbeat "
                f"{self.heartbeat_ms} = {needed} ms; the limit is the session time-out, "
                f"{self.session_ms} ms"
            )


Probe = Callable[[str], None]
"""Is told of each point of a transaction: begun, sending, sent, offsets-sent, committing, …"""


def no_probe(point: str) -> None:
    """Nothing watches the points of a transaction."""


DEFAULT_TIMING = Timing()

"""How a cluster is reached, and what our topics, groups and transactions are called there."""

import ssl
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

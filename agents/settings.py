"""Settings, from the environment (`KAPPA_…`) alone; command-line options override them."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from streams.topic_plan import Layout
from streams.transports.kafka_connection import KafkaConnection, SaslMechanism, SecurityProtocol


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class Settings(BaseSettings):
    """Everything that can be set. Secrets are masked when printed."""

    model_config = SettingsConfigDict(env_prefix="KAPPA_", frozen=True)

    data: Path = Field(Path("kappa-data"), description="Directory of the embedded log.")
    host: str = Field("127.0.0.1", description="Address that the service listens on.")
    port: int = Field(8642, ge=0, le=65535, description="Port; 0 takes a free one.")
    teacher: str = Field("demo", description="`demo`, `recorded:LOG.jsonl` or `none`.")
    max_risk: float = Field(0.01, gt=0, lt=1, description="Ceiling of the expected risk.")
    audit_rate: float = Field(0.03, ge=0, le=1, description="Share of answers that are audited.")
    audit_seed: SecretStr = Field(
        SecretStr("kappa"), description="Seed of the audit draws; whoever knows it knows them."
    )
    trusted_sources: Annotated[frozenset[str], NoDecode, BeforeValidator(_split)] = Field(
        frozenset({"operator"}), description="Sources whose rejects quarantine at once."
    )
    kafka: str | None = Field(None, description="HOST:PORT[,…] of a cluster; else embedded.")
    kafka_prefix: str = Field(
        "",
        pattern="^[A-Za-z0-9._-]{0,200}$",
        description="Stands before every topic, group and transaction.",
    )
    kafka_security: SecurityProtocol = Field("PLAINTEXT", description="How clients connect.")
    kafka_mechanism: SaslMechanism = Field("SCRAM-SHA-512", description="SASL mechanism.")
    kafka_username: str | None = Field(None, description="SASL user.")
    kafka_password: SecretStr | None = Field(
        None, validate_default=True, description="SASL password."
    )
    kafka_ca_file: Path | None = Field(None, description="PEM of the authority of TLS brokers.")

    partitions: int = Field(
        4, ge=1, le=10_000, description="Partitions of each topic that has a record per utterance."
    )
    replication: int = Field(
        3, ge=1, le=100, description="Copies of each partition; all but one must be in sync."
    )
    retention_days: int = Field(
        30, ge=1, le=36_500, description="How long traffic is kept, and replay reaches back."
    )

    @field_validator("kafka")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        for address in () if value is None else value.split(","):
            host, _, port = address.rpartition(":")
            if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
                raise ValueError(f"{address!r} is not HOST:PORT")
        return value

    @field_validator("kafka_password")
    @classmethod
    def _is_complete(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        security = info.data.get("kafka_security", "")
        if security.startswith("SASL") and not (value and info.data.get("kafka_username")):
            raise ValueError(f"{security} needs KAPPA_KAFKA_USERNAME and KAPPA_KAFKA_PASSWORD")
        return value

    def layout(self) -> Layout:
        """Return how topics are to be spread, copied and kept."""
        return Layout(self.partitions, self.replication, self.retention_days)

    def connection(self) -> KafkaConnection | None:
        """Return how the cluster is reached; None where the embedded log is used."""
        if self.kafka is None:
            return None
        return KafkaConnection(
            self.kafka,
            self.kafka_prefix,
            self.kafka_security,
            self.kafka_mechanism,
            self.kafka_username,
            None if self.kafka_password is None else self.kafka_password.get_secret_value(),
            self.kafka_ca_file,
        )

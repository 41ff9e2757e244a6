"""Settings, from the environment (`KAPPA_…`) alone; command-line options override them."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

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
    window: int = Field(64, ge=1, le=10_000, description="Questions to the teacher at once.")
    max_risk: float = Field(0.01, gt=0, lt=1, description="Ceiling of the expected risk.")
    audit_rate: float = Field(0.03, ge=0, le=1, description="Share of answers that are audited.")
    audit_seed: SecretStr = Field(
        SecretStr("kappa"), description="Seed of the audit draws; whoever knows it knows them."
    )
    trusted_sources: Annotated[frozenset[str], NoDecode, BeforeValidator(_split)] = Field(
        frozenset({"operator"}), description="Sources whose rejects quarantine at once."
    )
    kafka: str | None = Field(None, description="HOST:PORT[,…] of a cluster; else embedded.")
    kafka_prefix: str = Field("", description="Stands before every topic, group and transaction.")
    kafka_security: SecurityProtocol = Field("PLAINTEXT", description="How clients connect.")
    kafka_mechanism: SaslMechanism = Field("SCRAM-SHA-512", description="SASL mechanism.")
    kafka_username: str | None = Field(None, description="SASL user.")
    kafka_password: SecretStr | None = Field(None, description="SASL password.")
    kafka_ca_file: Path | None = Field(None, description="PEM of the authority of TLS brokers.")

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

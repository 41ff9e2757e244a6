"""Settings, from the environment (`KAPPA_…`) alone; command-line options override them."""

import base64
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic.functional_validators import AfterValidator, BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from streams.signing import PublicKey, SigningKey, Trust, read_key
from streams.transports.kafka_connection import KafkaConnection, SaslMechanism, SecurityProtocol

PREFIX = "KAPPA_"


def _split(value: object) -> object:
    """Return the parts of a list; an empty text, which is how a variable is unset, has none."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def _private(secret: SecretStr) -> SecretStr:
    read_key(secret.get_secret_value())
    return secret


def _private_file(path: Path) -> Path:
    read_key_file(path)
    return path


def _collector(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds credentials; give them in OTEL_EXPORTER_OTLP_HEADERS")
    return url


def _public(keys: tuple[str, ...]) -> tuple[str, ...]:
    for number, key in enumerate(keys, 1):
        try:
            read_key(key)
        except ValueError as error:
            raise ValueError(f"key {number} of {len(keys)}: {error}") from None
    return keys


def read_key_file(path: Path) -> SigningKey:
    """Return the private key in a file; raise ValueError, which names the file, for any other."""
    try:
        return SigningKey(read_key(path.read_text(encoding="ascii")))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"{path}: holds no Ed25519 key in base64") from None


class Settings(BaseSettings):
    """Everything that can be set. Secrets are masked when printed."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True)

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
    kafka_prefix: str = Field("", description="Stands before every topic, group and transaction.")
    kafka_security: SecurityProtocol = Field("PLAINTEXT", description="How clients connect.")
    kafka_mechanism: SaslMechanism = Field("SCRAM-SHA-512", description="SASL mechanism.")
    kafka_username: str | None = Field(None, description="SASL user.")
    kafka_password: SecretStr | None = Field(None, description="SASL password.")
    kafka_ca_file: Path | None = Field(None, description="PEM of the authority of TLS brokers.")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="What is said on stderr: this level and above."
    )
    otlp_endpoint: Annotated[str, AfterValidator(_collector)] | None = Field(
        None, description="URL of an OTLP/HTTP collector of traces; /v1/traces is added."
    )
    stall_after: float = Field(
        300, gt=0, description="Seconds without progress before records make a node not alive."
    )
    signing_key: Annotated[SecretStr, AfterValidator(_private)] | None = Field(
        None, description="Ed25519 key, base64 of 32 bytes: the registrar signs with it."
    )
    signing_key_file: Annotated[Path, AfterValidator(_private_file)] | None = Field(
        None, description="File that holds the signing key, instead of KAPPA_SIGNING_KEY."
    )
    verify_keys: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_public)
    ] = Field((), description="Public keys, base64: only change sets signed with one are folded.")
    signed_from: int = Field(
        1, ge=1, description="Ordinal of the first change set that has to be signed."
    )

    @model_validator(mode="after")
    def _keys_fit(self) -> "Settings":
        """Refuse a signing key whose change sets nobody here would fold."""
        if self.signing_key is not None and self.signing_key_file is not None:
            raise ValueError("KAPPA_SIGNING_KEY and KAPPA_SIGNING_KEY_FILE: give one of them")
        signer = self.signer()
        if signer is not None and signer.public not in self.trust().keys:
            raise ValueError(
                f"KAPPA_VERIFY_KEYS lacks {signer.public.text}, the public key of the signing key"
            )
        return self

    def secrets(self) -> list[str]:
        """Return the values that must be shown nowhere."""
        given = [value for _, value in self if isinstance(value, SecretStr)]
        signer = self.signer()
        kept = [] if signer is None else [base64.b64encode(signer.raw).decode()]
        return [secret.get_secret_value() for secret in given] + kept

    def signer(self) -> SigningKey | None:
        """Return the key that the registrar signs with, if there is one."""
        if self.signing_key is not None:
            return SigningKey(read_key(self.signing_key.get_secret_value()))
        return None if self.signing_key_file is None else read_key_file(self.signing_key_file)

    def trust(self) -> Trust:
        """Return whose change sets are folded: by default those of our own signing key."""
        keys = tuple(PublicKey(read_key(key)) for key in self.verify_keys)
        signer = self.signer()
        if not keys and signer is not None:
            keys = (signer.public,)
        return Trust(keys, self.signed_from)

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

"""Settings, from the environment (`KAPPA_…`) alone; command-line options override them."""

import base64
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.functional_validators import AfterValidator, BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agents.suites import limit_problems
from artifacts.policy import DEFAULT, EVERY_TENANT, Policies, Policy, overridden
from streams.signing import PublicKey, SigningKey, Trust, read_key
from streams.topic_plan import Layout
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


def _unless_empty(value: object) -> object:
    return None if value == "" else value


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("must be http://HOST… or https://HOST…")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password, query or fragment")
    return url


class Price(BaseModel):
    """What a model cost on a day, in dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: date
    input_per_million: float = Field(ge=0, allow_inf_nan=False)
    output_per_million: float = Field(ge=0, allow_inf_nan=False)


class Settings(BaseSettings):
    """Everything that can be set. Secrets are masked when printed."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True)

    data: Path = Field(Path("kappa-data"), description="Directory of the embedded log.")
    host: str = Field("127.0.0.1", description="Address that the service listens on.")
    port: int = Field(8642, ge=0, le=65535, description="Port; 0 takes a free one.")
    teacher: str = Field("demo", description="`demo`, `openai`, `recorded:LOG.jsonl` or `none`.")
    window: int = Field(64, ge=1, le=10_000, description="Questions to the teacher at once.")
    max_risk: float = Field(0.01, gt=0, lt=1, description="Ceiling of the expected risk.")
    audit_rate: float = Field(0.03, ge=0, le=1, description="Share of answers that are audited.")
    repeat_rate: float = Field(
        0.01, ge=0, le=1, description="Share of completions that the teacher is asked once more."
    )
    policy: dict[str, dict[str, bool | int | float]] = Field(
        {},
        description="JSON: tenant (* is all) to {threshold: value}; the rest is as for all.",
    )
    audit_seed: SecretStr = Field(
        SecretStr("kappa"), description="Seed of the audit draws; whoever knows it knows them."
    )
    trusted_sources: Annotated[frozenset[str], NoDecode, BeforeValidator(_split)] = Field(
        frozenset({"operator"}), description="Sources whose rejects quarantine at once."
    )
    approval: Annotated[frozenset[str], NoDecode, BeforeValidator(_split)] = Field(
        frozenset(),
        description="Tenants (* is all) for whom nobody but a person promotes.",
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
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="What is said on stderr: this level and above."
    )
    otlp_endpoint: Annotated[str, AfterValidator(_collector)] | None = Field(
        None, description="URL of an OTLP/HTTP collector of traces; /v1/traces is added."
    )
    agents: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        ("matcher", "fallback", "registrar", "distiller", "refiner", "auditor", "console"),
        description="Processes that `kappa up` runs on a cluster, one for each name.",
    )
    restarts: int = Field(
        0, ge=0, description="How often this process has been started again; `kappa up` says it."
    )
    slot: str = Field(
        "0",
        pattern="^[A-Za-z0-9._-]{1,100}$",
        description="Tells the processes of one agent apart; the same after a restart.",
    )
    session_ms: int = Field(30_000, ge=1000, description="Until a silent group member is out.")
    heartbeat_ms: int = Field(3_000, ge=100, description="Between two signs of life.")
    transaction_ms: int = Field(10_000, ge=1000, description="Until an open transaction is undone.")
    transaction_scan_ms: int = Field(
        10_000, ge=10, description="How often the brokers look for such transactions."
    )
    stall_after: float = Field(
        300, gt=0, description="Seconds without progress before records make a node not alive."
    )
    expectations_every: float = Field(
        3600, ge=0, description="Seconds between two checks of the data that teaches; 0: none."
    )
    expectations: dict[str, dict[str, float]] = Field(
        {},
        description="JSON: tenant (default: all) to limits by name, else as in agents/suites.py.",
    )
    partitions: int = Field(
        4, ge=1, le=10_000, description="Partitions of each topic that has a record per utterance."
    )
    replication: int = Field(
        3, ge=1, le=100, description="Copies of each partition; all but one must be in sync."
    )
    retention_days: int = Field(
        30, ge=1, le=36_500, description="How long traffic is kept, and replay reaches back."
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
    openai_base_url: Annotated[str, AfterValidator(_endpoint)] = Field(
        "https://api.openai.com/v1", description="Any endpoint that speaks chat completions."
    )
    openai_model: str = Field("", description="Pinned model; there is no default.")
    openai_api_key: SecretStr = Field(SecretStr(""), description="Empty where none is needed.")
    openai_prompt: Path | None = Field(None, description="File with another prompt prefix.")
    openai_temperature: Annotated[float | None, BeforeValidator(_unless_empty)] = Field(
        0.0, ge=0, le=2, description="Empty: not sent, for models that refuse it."
    )
    openai_max_text: int = Field(
        8_000, ge=1, le=200_000, description="Most code points of a text, and of its context."
    )
    openai_max_tokens: int = Field(2_000, ge=1, description="Most tokens of a reply.")
    openai_max_tokens_name: Literal["max_completion_tokens", "max_tokens"] = Field(
        "max_completion_tokens", description="What the endpoint calls that limit."
    )
    openai_max_reply_bytes: int = Field(
        262_144, ge=1, le=16_777_216, description="A longer reply is refused unread."
    )
    openai_connect_timeout: float = Field(5.0, gt=0, description="Seconds.")
    openai_timeout: float = Field(60.0, gt=0, description="Seconds for one attempt, all in all.")
    openai_attempts: int = Field(4, ge=1, le=20, description="Per question, the first included.")
    openai_max_wait: float = Field(30.0, ge=0, description="Most seconds between two attempts.")
    openai_failures: int = Field(10, ge=1, description="In a row; then the breaker opens.")
    openai_pause: float = Field(30.0, gt=0, description="Seconds that the breaker stays open.")
    openai_tokens_per_hour: int = Field(
        1_000_000, ge=1, description="Budget of this process; then texts are refused."
    )
    prices: dict[str, Price] = Field(
        {}, description="JSON: model to as_of, input_per_million, output_per_million, in dollars."
    )

    @field_validator("kafka")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        for address in () if value is None else value.split(","):
            host, _, port = address.rpartition(":")
            if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
                raise ValueError(f"{address!r} is not HOST:PORT")
        return value

    @field_validator("expectations")
    @classmethod
    def _is_in_range(cls, value: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        if problems := limit_problems(value):
            raise ValueError("; ".join(problems))
        return value

    @field_validator("kafka_password")
    @classmethod
    def _is_complete(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        security = info.data.get("kafka_security", "")
        if security.startswith("SASL") and not (value and info.data.get("kafka_username")):
            raise ValueError(f"{security} needs KAPPA_KAFKA_USERNAME and KAPPA_KAFKA_PASSWORD")
        return value

    @model_validator(mode="after")
    def _policies_fit(self) -> "Settings":
        """Refuse thresholds that are none, or out of their range."""
        self.policies()
        return self

    def policies(self) -> Policies:
        """Return the policy of each tenant."""
        every = {name: getattr(self, name) for name in ("max_risk", "audit_rate", "repeat_rate")}
        default = self._policy_of(EVERY_TENANT, overridden(DEFAULT, every))
        own = {name: self._policy_of(name, default) for name in self.policy}
        return Policies(default, {n: policy for n, policy in own.items() if n != EVERY_TENANT})

    def _policy_of(self, tenant: str, base: Policy) -> Policy:
        try:
            return overridden(base, self.policy.get(tenant, {}))
        except ValueError as error:
            raise ValueError(f"KAPPA_POLICY: tenant {tenant!r}: {error}") from None

    @model_validator(mode="after")
    def _times_fit(self) -> "Settings":
        """Refuse time-outs with which a frozen member is fenced too late."""
        needed = self.transaction_ms + self.transaction_scan_ms + self.heartbeat_ms
        if needed > self.session_ms:
            raise ValueError(
                "KAPPA_TRANSACTION_MS + KAPPA_TRANSACTION_SCAN_MS + KAPPA_HEARTBEAT_MS are "
                f"{needed} ms; the limit is KAPPA_SESSION_MS, {self.session_ms} ms"
            )
        return self

    def layout(self) -> Layout:
        """Return how topics are to be spread, copied and kept."""
        return Layout(self.partitions, self.replication, self.retention_days)

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

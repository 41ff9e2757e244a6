"""Settings, from the environment (`KAPPA_…`) alone; command-line options override them."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


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

    model_config = SettingsConfigDict(env_prefix="KAPPA_", frozen=True)

    data: Path = Field(Path("kappa-data"), description="Directory of the embedded log.")
    host: str = Field("127.0.0.1", description="Address that the service listens on.")
    port: int = Field(8642, ge=0, le=65535, description="Port; 0 takes a free one.")
    teacher: str = Field("demo", description="`demo`, `openai`, `recorded:LOG.jsonl` or `none`.")
    max_risk: float = Field(0.01, gt=0, lt=1, description="Ceiling of the expected risk.")
    audit_rate: float = Field(0.03, ge=0, le=1, description="Share of answers that are audited.")
    audit_seed: SecretStr = Field(
        SecretStr("kappa"), description="Seed of the audit draws; whoever knows it knows them."
    )
    trusted_sources: Annotated[frozenset[str], NoDecode, BeforeValidator(_split)] = Field(
        frozenset({"operator"}), description="Sources whose rejects quarantine at once."
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

"""An LLM as a teacher, behind any endpoint that speaks chat completions. The only file with openai.

    answer ─▶ too long? ─▶ persistently(reserve ─▶ post ─▶ read_reply ─▶ settle) ─▶ Reply | Refused

Why not let the client do it: its retries know no breaker and no budget, and end in the middle of
neither; its time-out is per read, so that a server which drips a byte a second is never late; it
reads replies of any size into memory, those of errors too. Hence one attempt per call, a deadline
around each, bytes that are counted as they come, and a hook that turns an error status into our own
error before the client reads on. A compressed reply could be small on the wire and huge in memory:
none is asked for, none is read. A redirect is not followed: texts go where the settings say.
"""

import asyncio
import email.utils
import json
import math
import random
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
import openai
from pydantic import SecretStr

from agents.settings import Settings
from agents.teachers import (
    Question,
    QuestionRejected,
    Refused,
    Reply,
    TeacherError,
    TeacherMisconfigured,
    TeacherSilent,
    TeacherUnavailable,
)
from agents.teachers.chat import (
    PROMPTS,
    RESPONSE_FORMAT,
    Heard,
    Usage,
    digest,
    messages,
    read_reply,
    shown,
    tokens_at_most,
)
from agents.teachers.limits import (
    Breaker,
    Budget,
    Clock,
    Draw,
    Retries,
    Sleep,
    persistently,
)

MAX_PROMPT_BYTES = 65_536
MAX_ERROR_BYTES = 8_192
BUDGET_SECONDS = 3_600.0

TRY_AGAIN = frozenset({408, 409, 425, 429})
"""Statuses below 500 that say: not now."""
BAD_QUESTION = frozenset({400, 413, 422})
"""Statuses that are about this request and say nothing about the next."""

_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_BROKEN = (httpx2.RequestError, ssl.SSLError, anyio.EndOfStream, anyio.BrokenResourceError)


@dataclass(slots=True)  # not frozen: the protocol's `name` and `prefix` are settable
class OpenAIChat:
    """Answers with what the model of the settings says."""

    settings: Settings
    prompt: str = field(repr=False)
    client: openai.AsyncOpenAI = field(repr=False)
    retries: Retries
    breaker: Breaker
    budget: Budget
    clock: Clock = field(repr=False)
    sleep: Sleep = field(repr=False)
    draw: Draw = field(repr=False)
    name: str = field(init=False)
    prefix: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = f"openai:{self.settings.openai_model}"
        self.prefix = digest(self.prompt)

    async def answer(self, question: Question) -> Reply | Refused:
        """Return the model's canonical answer, or why there is none; raise a TeacherError."""
        if refused := self._too_long(question):
            return refused
        said = messages(self.prompt, question)

        async def attempt() -> Heard | Refused:
            return await self._attempt(said)

        started = self.clock()
        heard = await persistently(
            attempt, retries=self.retries, breaker=self.breaker, sleep=self.sleep, draw=self.draw
        )
        if isinstance(heard, Refused):
            return heard
        if isinstance(heard.said, Refused):
            return heard.said
        return Reply(
            heard.said.answer,
            tokens=heard.usage.total if heard.usage else 0,
            price=self._price(heard.usage),
            latency_us=round((self.clock() - started) * 1_000_000),
            wording=heard.said.wording,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.client.close()

    def _too_long(self, question: Question) -> Refused | None:
        limit = self.settings.openai_max_text
        for name, text in (("text", question.text), ("context", question.context or "")):
            if len(text) > limit:
                return Refused(f"the {name} has {len(text)} code points; the limit is {limit}")
        return None

    def _price(self, usage: Usage | None) -> float:
        price = self.settings.prices.get(self.settings.openai_model)
        if usage is None or price is None:
            return 0.0
        dollars = (
            usage.prompt_tokens * price.input_per_million
            + usage.completion_tokens * price.output_per_million
        )
        return dollars / 1_000_000

    async def _attempt(self, said: list[dict[str, str]]) -> Heard | Refused:
        """Ask once, within the budget: an unknown cost counts as the most that it can be."""
        most = tokens_at_most(said) + self.settings.openai_max_tokens
        reservation = self.budget.reserve(most)
        try:
            body = await self._post(said)
        except TeacherSilent:
            raise
        except TeacherError:
            self.budget.settle(reservation, used=0)
            raise
        if isinstance(body, Refused):
            return body
        heard = read_reply(body)
        if heard.usage is not None:
            self.budget.settle(reservation, used=heard.usage.total)
        return heard

    async def _post(self, said: list[dict[str, str]]) -> bytes | Refused:
        """Return the body of a good reply; every other end is a TeacherError without secrets."""
        seconds = self.settings.openai_timeout
        create = self.client.chat.completions.with_streaming_response.create
        try:
            async with asyncio.timeout(seconds), create(**self._request(said)) as response:
                return await _within(response.iter_bytes(), self.settings.openai_max_reply_bytes)
        except (openai.APIConnectionError, TimeoutError, *_BROKEN) as error:
            raise _broken(error, seconds) from None

    def _request(self, said: list[dict[str, str]]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.settings.openai_model,
            "messages": said,
            "response_format": dict(RESPONSE_FORMAT),
            self.settings.openai_max_tokens_name: self.settings.openai_max_tokens,
        }
        if self.settings.openai_temperature is not None:
            request["temperature"] = self.settings.openai_temperature
        return request


def openai_chat(
    settings: Settings,
    *,
    clock: Clock = time.monotonic,
    sleep: Sleep = asyncio.sleep,
    draw: Draw = random.random,
) -> OpenAIChat:
    """Return the teacher of the settings; raise TeacherMisconfigured where they cannot work."""
    if not settings.openai_model:
        raise TeacherMisconfigured("KAPPA_OPENAI_MODEL is not set; name the model to pin")
    return OpenAIChat(
        settings,
        prompt=_prompt(settings),
        client=_client(settings),
        retries=Retries(attempts=settings.openai_attempts, cap=settings.openai_max_wait),
        breaker=Breaker(settings.openai_failures, settings.openai_pause, clock),
        budget=Budget(settings.openai_tokens_per_hour, BUDGET_SECONDS, clock),
        clock=clock,
        sleep=sleep,
        draw=draw,
    )


def _prompt(settings: Settings) -> str:
    path = settings.openai_prompt
    if path is None:
        return PROMPTS["answer"]
    try:
        with path.open("rb") as file:
            read = file.read(MAX_PROMPT_BYTES + 1)
        text = read.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise TeacherMisconfigured(f"prompt {str(path)!r}: {error}") from None
    if not text.strip() or len(read) > MAX_PROMPT_BYTES:
        raise TeacherMisconfigured(f"prompt {str(path)!r}: must hold 1 to {MAX_PROMPT_BYTES} bytes")
    return text


def _client(settings: Settings) -> openai.AsyncOpenAI:
    """Return a client that takes nothing but its proxies from the environment."""
    secret = SecretStr(settings.openai_api_key.get_secret_value().strip())
    key = secret.get_secret_value() or "none"  # the client insists on one
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise TeacherMisconfigured("KAPPA_OPENAI_API_KEY holds a sign that no header can carry")
    timeout = openai.Timeout(
        settings.openai_timeout,
        connect=min(settings.openai_connect_timeout, settings.openai_timeout),
    )

    async def check(response: httpx2.Response) -> None:
        await _check(response, secret)

    http = openai.DefaultAsyncHttpxClient(
        timeout=timeout, follow_redirects=False, event_hooks={"response": [check]}
    )
    client = openai.AsyncOpenAI(
        base_url=settings.openai_base_url,
        api_key=key,
        max_retries=0,
        timeout=timeout,
        default_headers={"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"},
        http_client=http,
    )
    client.organization = client.project = None  # of the environment's account, not of this key
    return client


# --- replies --------------------------------------------------------------------------------------


async def _within(chunks: AsyncIterator[bytes], limit: int) -> bytes | Refused:
    """Return all bytes, or a refusal as soon as there are more than `limit`."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            return Refused(f"the reply has more than {limit} bytes")
    return bytes(body)


async def _check(response: httpx2.Response, secret: SecretStr) -> None:
    """Raise the error of a bad status, with what the endpoint says about it."""
    if not response.is_success:
        body = await _error_body(response)
        raise _status_error(response.status_code, response.headers, body, secret)
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise TeacherMisconfigured(
            f"the reply is encoded as {shown(encoding)}, which was not asked for"
        )


async def _error_body(response: httpx2.Response) -> bytes:
    try:
        body = await _within(response.aiter_raw(), MAX_ERROR_BYTES)
    except _BROKEN:
        return b""
    return b"" if isinstance(body, Refused) else body


def _status_error(
    status: int, headers: Mapping[str, str], body: bytes, secret: SecretStr
) -> TeacherError:
    message, code = _complaint(body)
    if key := secret.get_secret_value():
        message = message.replace(key, "***")
    reason = f"HTTP {status}: {shown(message)}" if message else f"HTTP {status}"
    if code == "insufficient_quota":  # a 429 that no waiting mends
        return TeacherMisconfigured(reason)
    if status in TRY_AGAIN or status >= 500:
        return TeacherUnavailable(reason, asked_wait(headers))
    if status in BAD_QUESTION:
        return QuestionRejected(reason)
    return TeacherMisconfigured(reason)


def _complaint(body: bytes) -> tuple[str, str]:
    """Return the message and the code of an error's body, empty where it has none."""
    try:
        error = json.loads(body)["error"]
        message, code = error.get("message"), error.get("code")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "", ""
    return message if isinstance(message, str) else "", code if isinstance(code, str) else ""


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of Retry-After; a date counts from the reply's own Date.

    >>> asked_wait({"retry-after": "2.5"})
    2.5
    >>> dates = ["Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:09 GMT"]
    >>> asked_wait({"date": dates[0], "retry-after": dates[1]})
    9.0
    """
    asked = headers.get("retry-after", "")
    try:
        seconds = float(asked)
    except ValueError:
        try:
            until = email.utils.parsedate_to_datetime(asked)
            now = email.utils.parsedate_to_datetime(headers.get("date", ""))
            seconds = (until - now).total_seconds()
        except (ValueError, TypeError, OverflowError):  # TypeError: one with a zone, one without
            return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _broken(error: BaseException, seconds: float) -> TeacherUnavailable:
    """Return our error for a connection that broke or was late; its own text may hold secrets."""
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
    kind = type(cause or error).__name__
    if isinstance(cause, _NOT_SENT):
        return TeacherUnavailable(f"no connection: {kind}")
    if isinstance(cause, TimeoutError | httpx2.TimeoutException):
        return TeacherSilent(f"no whole reply within {seconds:g} s")
    return TeacherSilent(f"the connection broke: {kind}")

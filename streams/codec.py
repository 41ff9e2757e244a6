"""The one door between bytes on a topic and events.

    event ──encode──▶ Outgoing ──transport──▶ Record ──decode──▶ event | Undecodable
    foreign text or JSON ──sanitize, sanitize_json──▶ what an event may hold

Key order of JSON objects is kept, not sorted: an answer comes back as its author wrote it, and
encoding a decoded record gives its bytes again when those bytes came from `encode`.

Every utterance of a matcher passes here, so that microseconds count. Bytes are written by orjson:
the same bytes as pydantic's in a quarter of the time (a test holds the two together), and what it
refuses pydantic writes or refuses. Bytes are read by pydantic: msgspec with instances filled by
hand was measured to win 0.2 of 1.1 µs, and is a second reader. The rest is not looking twice: what
a field's type rules out is not looked for, and the headers that `encode` writes are known.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter

import orjson
from pydantic import JsonValue, ValidationError
from pydantic_core import PydanticSerializationError

from streams.carried import (
    DEPTH_LIMIT,
    INEXACT,
    NUMERIC,
    json_problem,
    part_problem,
    shown,
)
from streams.events import Event, Header, RecordRejected, Trusted
from streams.topics import EVENT_TYPES, TOPIC_OF, Key
from streams.transports import Headers, Outgoing, Record

VALUE_LIMIT = 1_048_576
"""Most bytes of one record's value, inclusive: 1 MiB, a broker's usual limit."""

REJECTED_LIMIT = 720 * 1024
"""Most bytes of a rejected value that are kept: as base64 they fit into VALUE_LIMIT."""

CAUSE_LIMIT = 32 * 1024
"""Most bytes, as JSON, of the key and headers that are kept with a rejected value."""

REASON_LIMIT = 500
"""Most code points of the reason of an Undecodable."""

ECHOED = ("correlation-id", "reply-topic", "traceparent", "tracestate")
"""Headers that go from a record to whatever follows from it."""

_LONGEST_REASON = 2000
_ECHOED = frozenset(ECHOED)
_OWN = frozenset(("event", "schema", "utterance"))
_PROBLEMS_SHOWN = 3
_SHORT = 4000
"""A record of fewer bytes holds no whole number above WHOLE_NUMBER_BITS: they have 4,215 digits."""


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Why a record is no event: at most REASON_LIMIT code points, without its values."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Form:
    """What `encode` and `decode` know of an event type beforehand."""

    name: str
    topic: str
    key: Key
    event: tuple[str, bytes]
    schema: tuple[str, bytes]
    validate: Callable[..., Event]
    is_exact: bool


_FORMS: Mapping[type[Event], _Form] = {
    kind: _Form(
        kind.__name__,
        topic.name,
        topic.key,
        ("event", kind.__name__.encode()),
        ("schema", str(kind.schema_version).encode()),
        kind.__pydantic_validator__.validate_json,
        not INEXACT[kind],
    )
    for kind, topic in TOPIC_OF.items()
}
_WRITTEN: Mapping[tuple[object, ...], _Form] = {
    (form.topic, form.event, form.schema): form for form in _FORMS.values()
}
"""Event types by their topic and the two headers with which `encode` begins a record."""

_dumps = orjson.dumps
_fields = attrgetter("__dict__")
"""Gives orjson the fields of a Part inside an event."""


def encode(event: Event, *, timestamp: int, headers: Headers = ()) -> Outgoing:
    """Return the record of `event`: its topic, its key, its headers and compact UTF-8 JSON.

    `timestamp` is UTC microseconds. `headers` follow the codec's own, unchanged. The same event
    gives the same bytes, always.

    Raises ValueError for what `decode` would refuse (a number that is not finite, a lone
    surrogate, too deep, too long) and for `headers` that repeat one of the codec's own; TypeError
    for an event type that is on no topic.
    """
    form = _FORMS.get(event.__class__)
    if form is None:
        raise TypeError(f"{type(event).__name__} is on no topic")
    for name, _ in headers:
        if name in _OWN:
            clashing = [name for name, _ in headers if name in _OWN]
            raise ValueError(f"headers {clashing!r} are the codec's own; pass passthrough(headers)")
    fields = event.__dict__
    if event.__pydantic_fields_set__.__class__ is not Trusted:
        _raise(form, part_problem(event, INEXACT))
    try:
        value = _dumps(fields, _fields)
    except TypeError:  # a whole number beyond 64 bits, a lone surrogate
        value = _pydantic_json(event, form)
    if len(value) > VALUE_LIMIT:
        raise ValueError(
            f"{form.name} cannot be encoded: {len(value)} bytes; the limit is {VALUE_LIMIT}"
        )
    subject = fields.get("utterance_id")
    if subject is None:
        own: Headers = (form.event, form.schema, *headers)
    else:
        own = (form.event, form.schema, ("utterance", subject.encode()), *headers)
    return Outgoing(form.topic, form.key(event), own, value, timestamp)


def _pydantic_json(event: Event, form: _Form) -> bytes:
    _raise(form, part_problem(event, NUMERIC))
    try:
        return event.__pydantic_serializer__.to_json(event)
    except PydanticSerializationError as error:
        raise ValueError(f"{form.name} cannot be encoded: {error}") from error


def _raise(form: _Form, problem: str | None) -> None:
    if problem:
        raise ValueError(f"{form.name} cannot be encoded: {problem}")


def decode(record: Record) -> Event | Undecodable:
    """Return the event that `record` carries, or why it carries none; never raises.

    Fields must have their types exactly (no "5" for 5); unknown fields are ignored. Of a repeated
    header the first counts.
    """
    headers = record.headers
    for given, _ in headers:
        if not given.isascii() and sanitize(given) != given:
            return Undecodable(f"the name of a header is not UTF-8: {shown(given)}")
    form = _WRITTEN.get((record.topic, headers[0], headers[1])) if len(headers) > 1 else None
    size = len(record.value)
    if form is None or size > VALUE_LIMIT:
        named = _named(record)
        if isinstance(named, Undecodable):
            return named
        form = named
    try:
        event = form.validate(record.value, strict=True)
    except ValidationError as error:
        return Undecodable(_explained(form.name, error))
    if form.is_exact and size < _SHORT:
        return event
    if problem := part_problem(event, INEXACT if size < _SHORT else NUMERIC):
        return Undecodable(_cut(f"{form.name}: {problem}"))
    return event


def _named(record: Record) -> _Form | Undecodable:
    """Return the form of the event type that the headers name, or why the record is no event."""
    name = _text(record.headers, "event")
    if isinstance(name, Undecodable):
        return name
    kind = EVENT_TYPES.get(name)
    if kind is None:
        return Undecodable(f"unknown event type {shown(name)}")
    form = _FORMS[kind]
    if form.topic != record.topic:
        return Undecodable(f"{name} belongs on {form.topic!r}, not on {shown(record.topic)}")
    schema = _text(record.headers, "schema")
    if isinstance(schema, Undecodable):
        return schema
    if not is_readable(schema, kind.schema_version):
        return Undecodable(
            f"schema {shown(schema)} of {name} is not readable; known is {kind.schema_version}"
        )
    if len(record.value) > VALUE_LIMIT:
        return Undecodable(f"value has {len(record.value)} bytes; the limit is {VALUE_LIMIT}")
    return form


def is_readable(schema: str, known: int) -> bool:
    """Whether a reader of schema version `known` reads `schema`: that version or the one before.

    >>> [is_readable(schema, 3) for schema in ("1", "2", "3", "4", "three", "+3")]
    [False, True, True, False, False, False]
    """
    return schema in (str(version) for version in (known, known - 1) if version >= 1)


def passthrough(headers: Headers) -> Headers:
    """Return the headers that are echoed on whatever follows from a record, in their order."""
    echoed: Headers = ()
    for header in headers:
        if header[0] in _ECHOED:
            echoed += (header,)
    return echoed


def rejected(record: Record, reason: str) -> RecordRejected:
    """Return the dead letter of `record`: its position, the reason, its key, headers and value.

    A value above REJECTED_LIMIT is cut to it, key and headers above CAUSE_LIMIT are left out, and
    the reason says so: the whole of it still lies at its position.
    """
    size, reason = len(record.value), sanitize(reason)[:_LONGEST_REASON]
    if size > REJECTED_LIMIT:
        reason = f"{reason} (kept here: the first {REJECTED_LIMIT} of {size} bytes)"
    key, headers = _cause(record)
    if headers is None:
        reason = f"{reason} (key and headers are above {CAUSE_LIMIT} bytes and not kept here)"
    return RecordRejected(
        topic=sanitize(record.topic),
        partition=record.partition,
        offset=record.offset,
        reason=reason,
        value=base64.b64encode(record.value[:REJECTED_LIMIT]).decode(),
        size=size,
        key=key,
        headers=headers,
    )


def _cause(record: Record) -> tuple[str | None, tuple[Header, ...] | None]:
    """Return key and headers as a dead letter holds them; nothing when they are too long."""
    key = None if record.key is None else sanitize(record.key)
    headers = tuple(
        Header(name=sanitize(name), value=base64.b64encode(value).decode())
        for name, value in record.headers
    )
    # a character may take six bytes as JSON, a header as much again for its names
    size = 6 * len(key or "") + sum(6 * len(h.name) + len(h.value) + 30 for h in headers)
    return (key, headers) if size <= CAUSE_LIMIT else (None, None)


def sanitize(text: str) -> str:
    """Return `text` as UTF-8 can carry it: each lone surrogate becomes U+FFFD, pairs are joined.

    >>> sanitize("caf\\ud800 \\ud83d\\ude00") == "caf\\ufffd \\U0001f600"
    True
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def sanitize_json(value: object) -> JsonValue:
    """Return `value` as an event may hold it, every text and key in it sanitized.

    This is the door for values that were not read by `decode`: a teacher's reply, a row of a file.
    Raises ValueError, with the place, for what JSON cannot carry: NaN and infinities, anything
    that is not null, bool, number, text, list or dict by text, nesting deeper than DEPTH_LIMIT,
    whole numbers above WHOLE_NUMBER_BITS, two keys that would become one.
    """
    if problem := json_problem(value, DEPTH_LIMIT):
        raise ValueError(f"value{problem}")
    return _sanitized(value)


def _sanitized(value: object) -> JsonValue:
    match value:
        case str():
            return sanitize(value)
        case list():
            return [_sanitized(item) for item in value]
        case dict():
            clean = {sanitize(key): _sanitized(item) for key, item in value.items()}
            if len(clean) != len(value):
                raise ValueError("two keys differ only in lone surrogates and would become one")
            return clean
        case None | bool() | int() | float():
            return value
    raise AssertionError(f"_json_problem let {value!r} pass")


def _text(headers: Headers, name: str) -> str | Undecodable:
    """Return the text of the first header `name`."""
    for given, value in headers:
        if given == name:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return Undecodable(f"header {name!r} is not UTF-8")
    return Undecodable(f"header {name!r} is missing")


def _explained(name: str, error: ValidationError) -> str:
    """Return what is wrong with the fields, without their values."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        return _cut(f"value of {name} is not JSON: {problems[0]['msg']}")
    shown = "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'value'}: {problem['msg']}"
        for problem in problems[:_PROBLEMS_SHOWN]
    )
    return _cut(f"{len(problems)} invalid fields of {name}: {shown}")


def _cut(reason: str) -> str:
    return reason if len(reason) <= REASON_LIMIT else f"{reason[: REASON_LIMIT - 1]}…"

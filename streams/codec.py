"""The one door between bytes on a topic and events.

    event ──encode──▶ Outgoing ──transport──▶ Record ──decode──▶ event | Undecodable
    foreign text or JSON ──sanitize, sanitize_json──▶ what an event may hold

Why the codec looks at numbers and depth itself: pydantic reads `NaN`, `Infinity` and `1e999` into a
JSON field without complaint and writes all three as `null`, so that a record would come back as
another event; it writes whole numbers and nestings that it refuses to read. Therefore `encode`,
`decode` and `sanitize_json` ask the same question of every value, and a value that passed one of
them passes the others.

Key order of JSON objects is kept, not sorted: an answer comes back as its author wrote it, and
encoding a decoded record gives its bytes again when those bytes came from `encode`.
"""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue, ValidationError
from pydantic_core import PydanticSerializationError

from streams.events import Event, Header, Part, RecordRejected
from streams.topics import EVENT_TYPES, TOPIC_OF
from streams.transports import Headers, Outgoing, Record

VALUE_LIMIT = 1_048_576
"""Most bytes of one record's value, inclusive: 1 MiB, a broker's usual limit."""

REJECTED_LIMIT = 720 * 1024
"""Most bytes of a rejected value that are kept: as base64 they fit into VALUE_LIMIT."""

CAUSE_LIMIT = 32 * 1024
"""Most bytes, as JSON, of the key and headers that are kept with a rejected value."""

DEPTH_LIMIT = 64
"""Most lists and objects inside one another in a JSON field; events may nest such fields again."""

WHOLE_NUMBER_BITS = 14_000
"""Most bits of a whole number; Python and pydantic read no more than 4,300 digits."""

REASON_LIMIT = 500
"""Most code points of the reason of an Undecodable."""

ECHOED = ("correlation-id", "reply-topic", "traceparent", "tracestate")
"""Headers that go from a record to whatever follows from it."""

_LONGEST_REASON = 2000
_OWN = ("event", "schema", "utterance")
_PROBLEMS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Why a record is no event: at most REASON_LIMIT code points, without its values."""

    reason: str


def encode(event: Event, *, timestamp: int, headers: Headers = ()) -> Outgoing:
    """Return the record of `event`: its topic, its key, its headers and compact UTF-8 JSON.

    `timestamp` is UTC microseconds. `headers` follow the codec's own, unchanged. The same event
    gives the same bytes, always.

    Raises ValueError for what `decode` would refuse (a number that is not finite, a lone
    surrogate, too deep, too long) and for `headers` that repeat one of the codec's own; TypeError
    for an event type that is on no topic.
    """
    kind = type(event)
    topic = TOPIC_OF.get(kind)
    if topic is None:
        raise TypeError(f"{kind.__name__} is on no topic")
    if clashing := [name for name, _ in headers if name in _OWN]:
        raise ValueError(f"headers {clashing!r} are the codec's own; pass passthrough(headers)")
    if problem := _event_problem(event):
        raise ValueError(f"{kind.__name__} cannot be encoded: {problem}")
    try:
        value = event.model_dump_json().encode()
    except PydanticSerializationError as error:
        raise ValueError(f"{kind.__name__} cannot be encoded: {error}") from error
    if len(value) > VALUE_LIMIT:
        raise ValueError(
            f"{kind.__name__} cannot be encoded: {len(value)} bytes; the limit is {VALUE_LIMIT}"
        )
    own: Headers = (
        ("event", kind.__name__.encode()),
        ("schema", str(kind.schema_version).encode()),
    )
    subject = getattr(event, "utterance_id", None)
    if subject is not None:
        own += (("utterance", subject.encode()),)
    return Outgoing(topic.name, topic.key(event), own + headers, value, timestamp)


def decode(record: Record) -> Event | Undecodable:
    """Return the event that `record` carries, or why it carries none; never raises.

    Fields must have their types exactly (no "5" for 5); unknown fields are ignored. Of a repeated
    header the first counts.
    """
    for given, _ in record.headers:
        if not given.isascii() and sanitize(given) != given:
            return Undecodable(f"the name of a header is not UTF-8: {_shown(given)}")
    name = _text(record.headers, "event")
    if isinstance(name, Undecodable):
        return name
    kind = EVENT_TYPES.get(name)
    if kind is None:
        return Undecodable(f"unknown event type {_shown(name)}")
    topic = TOPIC_OF[kind].name
    if topic != record.topic:
        return Undecodable(f"{name} belongs on {topic!r}, not on {_shown(record.topic)}")
    schema = _text(record.headers, "schema")
    if isinstance(schema, Undecodable):
        return schema
    if not is_readable(schema, kind.schema_version):
        return Undecodable(
            f"schema {_shown(schema)} of {name} is not readable; known is {kind.schema_version}"
        )
    if len(record.value) > VALUE_LIMIT:
        return Undecodable(f"value has {len(record.value)} bytes; the limit is {VALUE_LIMIT}")
    try:
        event = kind.model_validate_json(record.value, strict=True)
    except ValidationError as error:
        return Undecodable(_explained(name, error))
    if problem := _event_problem(event):
        return Undecodable(_cut(f"{name}: {problem}"))
    return event


def is_readable(schema: str, known: int) -> bool:
    """Whether a reader of schema version `known` reads `schema`: that version or the one before.

    >>> [is_readable(schema, 3) for schema in ("1", "2", "3", "4", "three", "+3")]
    [False, True, True, False, False, False]
    """
    return schema in (str(version) for version in (known, known - 1) if version >= 1)


def passthrough(headers: Headers) -> Headers:
    """Return the headers that are echoed on whatever follows from a record, in their order."""
    return tuple(header for header in headers if header[0] in ECHOED)


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
    if problem := _json_problem(value, DEPTH_LIMIT):
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


def _event_problem(part: Part) -> str | None:
    """Say where and why `part` holds a value that JSON cannot carry; None when it holds none."""
    for name, value in part.__dict__.items():
        if value.__class__ is not str and (problem := _field_problem(value)):
            return f"{name}{problem}"
    return None


def _field_problem(value: object) -> str | None:
    if isinstance(value, Part):
        problem = _event_problem(value)
        return problem and f".{problem}"
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            if problem := _field_problem(item):
                return f"[{index}]{problem}"
        return None
    return _json_problem(value, DEPTH_LIMIT)


def _json_problem(value: object, room: int) -> str | None:
    """Say where and why JSON cannot carry `value` within `room` levels, as `[2].key: why`."""
    match value:
        case None | str() | bool():
            return None
        case int():
            fits = value.bit_length() <= WHOLE_NUMBER_BITS
            return None if fits else f": more than {WHOLE_NUMBER_BITS} bits"
        case float():
            return None if math.isfinite(value) else ": not a finite number"
        case list() | dict() if room == 0:
            return f": nested deeper than {DEPTH_LIMIT}"
        case list():
            for index, item in enumerate(value):
                if problem := _json_problem(item, room - 1):
                    return f"[{index}]{problem}"
            return None
        case dict():
            return _object_problem(value, room)
    return f": {type(value).__name__} is not a JSON type"


def _object_problem(value: Mapping[object, object], room: int) -> str | None:
    for key, item in value.items():
        if not isinstance(key, str):
            return f": key {_shown(str(key))} is not text"
        if problem := _json_problem(item, room - 1):
            return f".{key[:40]}{problem}"
    return None


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


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 60 else f"{text[:60]}…")


def _cut(reason: str) -> str:
    return reason if len(reason) <= REASON_LIMIT else f"{reason[: REASON_LIMIT - 1]}…"

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

Every utterance of a matcher passes here, so that microseconds count. Bytes are written by orjson:
the same bytes as pydantic's in a quarter of the time (a test holds the two together), and what it
refuses pydantic writes or refuses. Bytes are read by pydantic: msgspec with instances filled by
hand was measured to win 0.2 of 1.1 µs, and is a second reader. The rest is not looking twice: what
a field's type rules out is not looked for, and the headers that `encode` writes are known.
"""

import base64
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any, Literal, Union, cast, get_args, get_origin

import orjson
from pydantic import JsonValue, ValidationError
from pydantic_core import PydanticSerializationError

from streams.events import Event, Part, RecordRejected
from streams.topics import EVENT_TYPES, TOPIC_OF, Key
from streams.transports import Headers, Outgoing, Record

VALUE_LIMIT = 1_048_576
"""Most bytes of one record's value, inclusive: 1 MiB, a broker's usual limit."""

REJECTED_LIMIT = 720 * 1024
"""Most bytes of a rejected value that are kept: as base64 they fit into VALUE_LIMIT."""

DEPTH_LIMIT = 64
"""Most lists and objects inside one another in a JSON field; events may nest such fields again."""

WHOLE_NUMBER_BITS = 14_000
"""Most bits of a whole number; Python and pydantic read no more than 4,300 digits."""

REASON_LIMIT = 500
"""Most code points of the reason of an Undecodable."""

ECHOED = ("correlation-id", "reply-topic", "traceparent", "tracestate")
"""Headers that go from a record to whatever follows from it."""

_ECHOED = frozenset(ECHOED)
_OWN = frozenset(("event", "schema", "utterance"))
_PROBLEMS_SHOWN = 3
_PLAIN, _NESTED = (str, bool), (dict, list)
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


_FORMS: Mapping[type[Event], _Form] = {
    kind: _Form(
        kind.__name__,
        topic.name,
        topic.key,
        ("event", kind.__name__.encode()),
        ("schema", str(kind.schema_version).encode()),
        kind.__pydantic_validator__.validate_json,
    )
    for kind, topic in TOPIC_OF.items()
}
_WRITTEN: Mapping[tuple[object, ...], _Form] = {
    (form.topic, form.event, form.schema): form for form in _FORMS.values()
}
"""Event types by their topic and the two headers with which `encode` begins a record."""

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
    kind = event.__class__
    form = _FORMS.get(kind)
    if form is None:
        raise TypeError(f"{kind.__name__} is on no topic")
    for name, _ in headers:
        if name in _OWN:
            clashing = [name for name, _ in headers if name in _OWN]
            raise ValueError(f"headers {clashing!r} are the codec's own; pass passthrough(headers)")
    value = _json_of(event)
    if len(value) > VALUE_LIMIT:
        raise ValueError(
            f"{kind.__name__} cannot be encoded: {len(value)} bytes; the limit is {VALUE_LIMIT}"
        )
    subject = event.__dict__.get("utterance_id")
    if subject is None:
        own: Headers = (form.event, form.schema, *headers)
    else:
        own = (form.event, form.schema, ("utterance", subject.encode()), *headers)
    return Outgoing(form.topic, form.key(event), own, value, timestamp)


def _json_of(event: Event) -> bytes:
    """Return the JSON of an event, or raise ValueError."""
    if not (problem := _part_problem(event, _INEXACT)):
        try:
            return orjson.dumps(event.__dict__, _fields)
        except TypeError:  # a whole number beyond 64 bits, a lone surrogate, too deep
            problem = _part_problem(event, _NUMERIC)
    if not problem:
        try:
            return event.__pydantic_serializer__.to_json(event)
        except PydanticSerializationError as error:
            problem = str(error)
    raise ValueError(f"{event.__class__.__name__} cannot be encoded: {problem}")


def decode(record: Record) -> Event | Undecodable:
    """Return the event that `record` carries, or why it carries none; never raises.

    Fields must have their types exactly (no "5" for 5); unknown fields are ignored. Of a repeated
    header the first counts.
    """
    headers = record.headers
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
    if problem := _part_problem(event, _INEXACT if size < _SHORT else _NUMERIC):
        return Undecodable(_cut(f"{form.name}: {problem}"))
    return event


def _named(record: Record) -> _Form | Undecodable:
    """Return the form of the event type that the headers name, or why the record is no event."""
    name = _text(record.headers, "event")
    if isinstance(name, Undecodable):
        return name
    kind = EVENT_TYPES.get(name)
    if kind is None:
        return Undecodable(f"unknown event type {_shown(name)}")
    form = _FORMS[kind]
    if form.topic != record.topic:
        return Undecodable(f"{name} belongs on {form.topic!r}, not on {_shown(record.topic)}")
    schema = _text(record.headers, "schema")
    if isinstance(schema, Undecodable):
        return schema
    if not is_readable(schema, kind.schema_version):
        return Undecodable(
            f"schema {_shown(schema)} of {name} is not readable; known is {kind.schema_version}"
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
    return tuple([header for header in headers if header[0] in _ECHOED])


def rejected(record: Record, reason: str) -> RecordRejected:
    """Return the dead letter of `record`: its position, the reason and its value as base64.

    A value above REJECTED_LIMIT is cut to it, and the reason says so: the whole of it still lies
    at its position.
    """
    size = len(record.value)
    if size > REJECTED_LIMIT:
        reason = f"{reason} (kept here: the first {REJECTED_LIMIT} of {size} bytes)"
    return RecordRejected(
        topic=sanitize(record.topic),
        partition=record.partition,
        offset=record.offset,
        reason=sanitize(reason),
        value=base64.b64encode(record.value[:REJECTED_LIMIT]).decode(),
    )


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


_LookedAt = Mapping[type[Part], tuple[str, ...]]
"""The fields of each part that may hold a value which JSON cannot carry."""


@cache
def _looked_at(part: type[Part], plain: frozenset[object]) -> tuple[str, ...]:
    """Return the fields of `part` whose types have other values than those of `plain` types."""
    return tuple(
        name for name, field in part.model_fields.items() if not _is_plain(field.annotation, plain)
    )


def _is_plain(annotation: Any, plain: frozenset[object]) -> bool:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType, tuple, dict):
        return all(_is_plain(each, plain) for each in arguments if each is not ...)
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return not _looked_at(annotation, plain)
    return origin is Literal or annotation in plain


def _parts(annotation: Any) -> Iterator[type[Part]]:
    """Yield every part that a value of this type may be or hold."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _parts(field.annotation)
    for each in get_args(annotation):
        yield from _parts(each)


_TEXTS = frozenset((str, bool, type(None)))
_PARTS = frozenset(part for kind in TOPIC_OF for part in _parts(kind))
_NUMERIC: _LookedAt = {part: _looked_at(part, _TEXTS) for part in _PARTS}
_INEXACT: _LookedAt = {part: _looked_at(part, _TEXTS | {int}) for part in _PARTS}
"""Without whole numbers, where their size is beyond doubt."""


def _part_problem(part: Part, looked_at: _LookedAt) -> str | None:
    """Say where and why `part` holds a value that JSON cannot carry; None when it holds none."""
    fields = part.__dict__
    for name in looked_at[part.__class__]:
        value = fields[name]
        if value.__class__ is not str and (problem := _field_problem(value, looked_at)):
            return f"{name}{problem}"
    return None


def _field_problem(value: object, looked_at: _LookedAt) -> str | None:
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            if item.__class__ in looked_at:  # asking the metaclass of models takes a microsecond
                if problem := _part_problem(item, looked_at):
                    return f"[{index}].{problem}"
            elif problem := _field_problem(item, looked_at):
                return f"[{index}]{problem}"
        return None
    if value.__class__ in looked_at:
        problem = _part_problem(cast(Part, value), looked_at)
        return problem and f".{problem}"
    return _json_problem(value, DEPTH_LIMIT)


def _json_problem(value: object, room: int) -> str | None:
    """Say where and why JSON cannot carry `value` within `room` levels, as `[2].key: why`.

    Questions in the order of what answers are; a `match` takes thrice the time.
    """
    if value is None or isinstance(value, _PLAIN):
        return None
    if isinstance(value, _NESTED):
        if not room:
            return f": nested deeper than {DEPTH_LIMIT}"
        if isinstance(value, dict):
            return _object_problem(value, room - 1)
        return _list_problem(value, room - 1)
    if isinstance(value, float):
        return None if math.isfinite(value) else ": not a finite number"
    if isinstance(value, int):
        fits = value.bit_length() <= WHOLE_NUMBER_BITS
        return None if fits else f": more than {WHOLE_NUMBER_BITS} bits"
    return f": {type(value).__name__} is not a JSON type"


def _list_problem(value: Sequence[object], room: int) -> str | None:
    for index, item in enumerate(value):
        if item.__class__ is not str and (problem := _json_problem(item, room)):
            return f"[{index}]{problem}"
    return None


def _object_problem(value: Mapping[object, object], room: int) -> str | None:
    for key, item in value.items():
        if not isinstance(key, str):
            return f": key {_shown(str(key))} is not text"
        if item.__class__ is not str and (problem := _json_problem(item, room)):
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

"""What JSON can carry, and what a field's type rules out beforehand.

Why we look at numbers and depth ourselves: pydantic reads `NaN`, `Infinity` and `1e999` into a
JSON field without complaint and writes all three as `null`, so that a record would come back as
another event; it writes whole numbers and nestings that it refuses to read. Therefore `encode`,
`decode` and `sanitize_json` ask the same question of every value, and a value that passed one of
them passes the others.

Every utterance of a matcher comes by here, so that nothing is looked for that a type rules out: an
event of texts and times has nothing to look at.
"""

import math
import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from streams.events import Part
from streams.topics import TOPIC_OF

DEPTH_LIMIT = 64
"""Most lists and objects inside one another in a JSON field; events may nest such fields again."""

WHOLE_NUMBER_BITS = 14_000
"""Most bits of a whole number; Python and pydantic read no more than 4,300 digits."""

LookedAt = Mapping[type[Part], tuple[str, ...]]
"""The fields of each part that may hold a value which JSON cannot carry."""


@cache
def _looked_at(part: type[Part], plain: frozenset[object]) -> tuple[str, ...]:
    """Return the fields of `part` whose types have other values than those of `plain` types."""
    return tuple(
        name
        for name, field in part.model_fields.items()
        if not _admits_only(field.annotation, plain)
    )


def _admits_only(annotation: Any, plain: frozenset[object]) -> bool:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType, tuple, dict):
        return all(_admits_only(each, plain) for each in arguments if each is not ...)
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
NUMERIC: LookedAt = {part: _looked_at(part, _TEXTS) for part in _PARTS}
INEXACT: LookedAt = {part: _looked_at(part, _TEXTS | {int}) for part in _PARTS}
"""Without whole numbers, where their size is beyond doubt."""


def part_problem(part: Part, looked_at: LookedAt) -> str | None:
    """Say where and why `part` holds a value that JSON cannot carry; None when it holds none."""
    fields = part.__dict__
    for name in looked_at[part.__class__]:
        value = fields[name]
        if value.__class__ is not str and (problem := _field_problem(value, looked_at)):
            return f"{name}{problem}"
    return None


def _field_problem(value: object, looked_at: LookedAt) -> str | None:
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            if problem := _field_problem(item, looked_at):
                return f"[{index}]{problem}"
        return None
    if isinstance(value, Part):
        problem = part_problem(value, looked_at)
        return problem and f".{problem}"
    return json_problem(value, DEPTH_LIMIT)


def json_problem(value: object, room: int) -> str | None:
    """Say where and why JSON cannot carry `value` within `room` levels, as `[2].key: why`.

    Questions in the order of what answers are; a `match` takes thrice the time.
    """
    if value is None or isinstance(value, (str, bool)):
        return None
    if isinstance(value, (dict, list)):
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
        if item.__class__ is not str and (problem := json_problem(item, room)):
            return f"[{index}]{problem}"
    return None


def _object_problem(value: Mapping[object, object], room: int) -> str | None:
    for key, item in value.items():
        if not isinstance(key, str):
            return f": key {shown(str(key))} is not text"
        if item.__class__ is not str and (problem := json_problem(item, room)):
            return f".{key[:40]}{problem}"
    return None


def shown(text: str) -> str:
    """Return a text from outside as it may stand in a message: ASCII, and not long."""
    return ascii(text if len(text) <= 60 else f"{text[:60]}…")

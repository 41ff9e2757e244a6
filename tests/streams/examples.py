"""Strategies for every event and every record, made from the models' own fields."""

import types
from collections.abc import Coroutine
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from hypothesis import strategies as st
from pydantic import JsonValue

from streams.events import Event, Part
from streams.topics import EVENT_TYPES, TOPIC_NAMES
from streams.transports import Headers, Outgoing, Record

T = TypeVar("T")

texts = st.text(max_size=20)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def values(annotation: Any, metadata: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Values of one field; an annotation that no case knows is an error, not a gap."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    least: Any = next((bound.ge for bound in metadata if isinstance(bound, Ge)), None)
    above: Any = next((bound.gt for bound in metadata if isinstance(bound, Gt)), None)
    most: Any = next((bound.le for bound in metadata if isinstance(bound, Le)), None)
    if annotation is JsonValue:
        return json_values
    if annotation is str:
        return texts
    if annotation is bool:
        return st.booleans()
    if annotation is type(None):
        return st.none()
    if annotation is int:
        return st.integers(min_value=least, max_value=most)
    if annotation is float:
        bounds = {"min_value": least, "max_value": most}
        if above is not None:
            bounds |= {"min_value": above, "exclude_min": True}
        return st.floats(**bounds, allow_nan=False, allow_infinity=False)
    if origin is Annotated:
        return values(arguments[0], tuple(arguments[1].metadata))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([values(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(texts, values(arguments[1]), max_size=3)
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return parts(annotation)
    raise NotImplementedError(f"no strategy for {annotation!r}")


def parts(kind: type[Part]) -> st.SearchStrategy[Any]:
    fields = {
        name: values(field.annotation, tuple(field.metadata))
        for name, field in kind.model_fields.items()
    }
    return st.builds(kind, **fields)


EVENTS: dict[str, st.SearchStrategy[Event]] = {
    name: parts(kind) for name, kind in EVENT_TYPES.items()
}
"""A strategy for each event type, by name."""

headers: st.SearchStrategy[Headers] = st.lists(
    st.tuples(
        st.sampled_from(["event", "schema", "utterance", "correlation-id"]) | texts,
        st.binary(max_size=8) | st.sampled_from([*(n.encode() for n in EVENT_TYPES), b"1", b"2"]),
    ),
    max_size=5,
).map(tuple)

outgoing: st.SearchStrategy[Outgoing] = st.builds(
    Outgoing,
    topic=st.sampled_from(TOPIC_NAMES[:3]),
    key=st.none() | texts,
    headers=headers,
    value=st.binary(max_size=40),
    timestamp=st.integers(-(2**63), 2**63 - 1),
)


def lying(record: Outgoing, offset: int = 0, sequence: int = 0) -> Record:
    """`record` as it lies in a log."""
    return Record(
        record.topic,
        0,
        offset,
        sequence,
        record.key,
        record.headers,
        record.value,
        record.timestamp,
    )


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that must not suspend."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # StopIteration.value is Any
    coroutine.close()
    raise AssertionError("the coroutine suspended")

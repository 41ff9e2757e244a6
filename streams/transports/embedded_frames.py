"""What goes through the pipe between the writer of an embedded log and a process beside it.

    beside ──Ready, Publish…──▶ writer ──Stored | NotStored, News, Leave──▶ beside

A frame is four bytes of length and JSON, bytes as base64. It is checked at this door: whoever is at
the other end, it can make nothing but a frame. Why not pickle: it makes whatever the sender wants.

A publish may be longer than a frame: it goes in parts, and is stored with its last one.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from streams.transports import Outgoing

FRAME_LIMIT = 16 * 1024 * 1024
"""Most bytes of a frame's JSON, inclusive."""

PUBLISH_LIMIT = 256 * 1024 * 1024
"""Most bytes of the frames of one publish, inclusive: the writer keeps them in memory."""

_PART = 1024 * 1024
"""A part of a publish ends with the record that fills so many bytes."""

_LENGTH = 4


class BadFrame(ValueError):
    """What came is no frame: too long, or not what a frame holds."""


class _Frame(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, ser_json_bytes="base64", val_json_bytes="base64"
    )


class Ready(_Frame):
    """All nodes beside the writer are rebuilt."""

    kind: Literal["ready"] = "ready"


class Part(_Frame):
    """Records of the publish that the next Publish ends."""

    kind: Literal["part"] = "part"
    outgoing: tuple[Outgoing, ...]


class Publish(_Frame):
    """The end of a publish: all its records, and the group's positions, or neither."""

    kind: Literal["publish"] = "publish"
    number: int
    outgoing: tuple[Outgoing, ...]
    group: str | None
    positions: dict[str, int] | None


class Stored(_Frame):
    """The publish `number` is on the disk."""

    kind: Literal["stored"] = "stored"
    number: int


class NotStored(_Frame):
    """Nothing of the publish `number` was stored; `error` names what was raised."""

    kind: Literal["not-stored"] = "not-stored"
    number: int
    error: Literal["ValueError", "LogUnavailable", "LogCorrupt", "WriterBusy"]
    message: str


class News(_Frame):
    """Records have come."""

    kind: Literal["news"] = "news"


class Leave(_Frame):
    """Finish what you are at, publish it and go."""

    kind: Literal["leave"] = "leave"


Frame = Ready | Part | Publish | Stored | NotStored | News | Leave
_FRAMES: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="kind")])


def packed(frame: Frame) -> bytes:
    """Return the bytes of a frame; raises ValueError for what no frame can hold."""
    try:
        body = frame.__pydantic_serializer__.to_json(frame)
    except PydanticSerializationError as error:
        raise ValueError(f"a record cannot go through the pipe: {error}") from error
    if len(body) > FRAME_LIMIT:
        raise ValueError(
            f"a record cannot go through the pipe: {len(body)} bytes; the limit is {FRAME_LIMIT}"
        )
    return len(body).to_bytes(_LENGTH, "big") + body


def packed_publish(
    number: int,
    outgoing: Sequence[Outgoing],
    group: str | None,
    positions: Mapping[str, int] | None,
) -> bytes:
    """Return the frames of a publish; raises ValueError when they are beyond the limits."""
    *parts, last = _parts(outgoing)
    whole = b"".join([packed(Part(outgoing=part)) for part in parts])
    moved = None if positions is None else dict(positions)
    whole += packed(Publish(number=number, outgoing=last, group=group, positions=moved))
    if len(whole) > PUBLISH_LIMIT:
        raise ValueError(f"a publish has {len(whole)} bytes; the limit is {PUBLISH_LIMIT}")
    return whole


def _parts(outgoing: Sequence[Outgoing]) -> Iterator[tuple[Outgoing, ...]]:
    part: list[Outgoing] = []
    size = 0
    for record in outgoing:
        part.append(record)
        size += len(record.value) + sum(len(value) for _, value in record.headers)
        if size >= _PART:
            yield tuple(part)
            part, size = [], 0
    yield tuple(part)


def unpacked(body: bytes) -> Frame:
    """Return the frame that `body` holds; raises BadFrame when it holds none."""
    try:
        return _FRAMES.validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"])) or "frame"
        raise BadFrame(f"{place}: {problem['msg']}") from None


async def received(reader: asyncio.StreamReader) -> tuple[Frame, int] | None:
    """Return the next frame and its length; None at the end of the pipe, which may cut a frame."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
        if length > FRAME_LIMIT:
            raise BadFrame(f"a frame of {length} bytes; the limit is {FRAME_LIMIT}")
        return unpacked(await reader.readexactly(length)), length
    except (asyncio.IncompleteReadError, ConnectionError):
        return None

"""A chat completions endpoint on a free loopback port: it does what its turns say, and takes notes.

It speaks real HTTP, so that what a client of it does with time-outs, broken connections and floods
of bytes is what it does in earnest.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

DRIP_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply. `hangs` never begins; `drips` and `floods` never end; `breaks` ends too early."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Literal["whole", "hangs", "drips", "floods", "breaks"] = "whole"


@dataclass(slots=True)
class Endpoint:
    """Takes its turns in order, the last one for ever; keeps every request it was sent."""

    turns: Sequence[Turn]
    url: str
    bodies: list[bytes] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def reply(self, request: Request) -> Response:
        turn = self.turns[min(len(self.bodies), len(self.turns) - 1)]
        self.bodies.append(await request.body())
        self.headers.append(request.headers)
        headers = {"content-type": "application/json", **turn.headers}
        match turn.manner:
            case "whole":
                return Response(turn.body, turn.status, headers)
            case "hangs":
                await self.over.wait()
                return Response(turn.body, turn.status, headers)
            case "drips":
                return StreamingResponse(self.drops(), turn.status, headers)
            case "floods":
                return StreamingResponse(self.flood(request), turn.status, headers)
            case "breaks":
                headers["content-length"] = str(len(turn.body) + 1)
                return Response(turn.body, turn.status, headers)

    async def flood(self, request: Request) -> AsyncIterator[bytes]:
        while not await request.is_disconnected():
            yield b" " * 65_536

    async def drops(self) -> AsyncIterator[bytes]:
        while not self.over.is_set():
            yield b" "
            try:  # the pause is what this turn is about: no read is ever late
                await asyncio.wait_for(self.over.wait(), DRIP_SECONDS)
            except TimeoutError:
                continue


@dataclass(slots=True)
class ChatServer:
    """Serves any number of endpoints, each under a path of its own."""

    url: str
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def taking(self, turns: Sequence[Turn]) -> Endpoint:
        """Return a new endpoint that takes these turns."""
        name = str(len(self.endpoints))
        self.endpoints[name] = Endpoint(turns, f"{self.url}/{name}/v1")
        return self.endpoints[name]

    async def reply(self, request: Request) -> Response:
        return await self.endpoints[request.path_params["name"]].reply(request)


def loopback() -> socket.socket:
    """Return a listening socket on a free loopback port."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return listening


def address(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


@asynccontextmanager
async def running() -> AsyncIterator[ChatServer]:
    """Serve until the block ends; connections made at once wait in the backlog."""
    listening = loopback()
    chat = ChatServer(address(listening))
    app = Starlette(routes=[Route("/{name}/v1/chat/completions", chat.reply, methods=["POST"])])
    config = uvicorn.Config(app, log_config=None, lifespan="off", date_header=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield chat
    finally:
        for endpoint in chat.endpoints.values():
            endpoint.over.set()
        server.should_exit = True
        await task


@asynccontextmanager
async def hanging_up() -> AsyncIterator[Endpoint]:
    """Accept connections, keep what comes first, and close them without a word."""
    listening = loopback()
    endpoint = Endpoint((), f"{address(listening)}/v1")

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        endpoint.bodies.append(await reader.read(1))
        writer.close()

    async with await asyncio.start_server(hang_up, sock=listening):
        yield endpoint


def completion(content: Any, **more: Any) -> bytes:
    """Return a chat completion with this content: text, or an object that becomes JSON text.

    `finish_reason`, `refusal` and `usage` may be given; usage is 20 tokens in and 10 out.
    """
    text = content if content is None or isinstance(content, str) else json.dumps(content)
    message = {"role": "assistant", "content": text, "refusal": more.get("refusal")}
    finish = more.get("finish_reason", "stop")
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "pinned-1",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": more.get("usage", {"prompt_tokens": 20, "completion_tokens": 10}),
    }
    return json.dumps(document).encode()


def failure(message: str, code: str | None = None) -> bytes:
    """Return the body of an error as endpoints send it."""
    return json.dumps({"error": {"message": message, "type": "error", "code": code}}).encode()

"""The console's HTTP endpoints: ask, feedback, explain, families, health.

POST /ask?wait=S            {"text", "tenant"?, "utterance_id"?, "session"?, "context"?}
POST /feedback              {"utterance_id", "verdict", "tenant"?, "correction"?, "source"?}
GET  /explain/{id}?tenant=  the explanation as JSON
GET  /families              every version with its stage and evidence
GET  /live, /ready          is the pump alive and every node moving; are all nodes rebuilt; why
                            nothing is learned, if so
GET  /started, /metrics     with vitals: as agents.health has them
"""

import asyncio
from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agents.explain import explain
from agents.families import family_rows
from agents.health import Vitals, health_routes
from agents.service import Service, UnknownAnswer
from streams.events import AnswerGiven, CompletionGiven, CompletionRefused
from streams.signing import ANYONE, Trust
from streams.transports import Headers, TransportError

MAX_BODY = 256 * 1024
MAX_WAIT = 60.0


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    tenant: str = Field("default", min_length=1, max_length=200)


class Ask(_Body):
    """The body of POST /ask."""

    text: str
    utterance_id: str | None = Field(None, min_length=1, max_length=200)
    session: str | None = Field(None, max_length=200)
    context: str | None = None


class Feedback(_Body):
    """The body of POST /feedback."""

    utterance_id: str
    verdict: str = Field(pattern="^(accept|reject)$")
    correction: JsonValue = None
    source: str = Field("anonymous", max_length=200)


def terminal_document(
    utterance_id: str, terminal: AnswerGiven | CompletionGiven | CompletionRefused | None
) -> dict[str, Any]:
    """Return what a client is told of its utterance."""
    match terminal:
        case None:
            return {"utterance_id": utterance_id, "outcome": "pending"}
        case AnswerGiven():
            return {
                "utterance_id": utterance_id,
                "outcome": "answered",
                "answer": terminal.answer,
                "origin": "family",
                "hat": False,
                "family": terminal.family,
                "version": terminal.version,
                "revision": terminal.revision.ordinal,
                "answer_ref": terminal.answer_ref,
            }
        case CompletionGiven():
            return {
                "utterance_id": utterance_id,
                "outcome": "answered",
                "answer": terminal.answer,
                "origin": "fallback",
                "hat": True,
                "teacher": terminal.teacher,
            }
        case CompletionRefused():
            return {
                "utterance_id": utterance_id,
                "outcome": "refused",
                "reason": terminal.reason,
                "teacher": terminal.teacher,
            }


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.response = JSONResponse({"error": message}, status)


async def _body(request: Request) -> Any:
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAX_BODY:
            raise _Refused(413, f"the body is longer than {MAX_BODY} bytes")
    return bytes(read)


def _wait(query: Mapping[str, str]) -> float:
    try:
        wait = float(query.get("wait", "0"))
    except ValueError:
        raise _Refused(400, "wait is not a number of seconds") from None
    if not 0 <= wait <= MAX_WAIT:
        raise _Refused(400, f"wait is not within 0 and {MAX_WAIT:.0f} seconds")
    return wait


def _problems(error: ValidationError) -> _Refused:
    details = error.errors(include_url=False, include_input=False)
    listed = "; ".join(f"{'.'.join(map(str, d['loc'])) or 'body'}: {d['msg']}" for d in details)
    return _Refused(400, listed)


def _trouble(service: Service) -> dict[str, Any]:
    """Return why nothing is learned just now; answers go on meanwhile."""
    trouble = None if service.beside is None else service.beside.trouble
    return {} if trouble is None else {"learning": trouble}


async def _unavailable(request: Request, error: Exception) -> Response:
    return _Refused(503, str(error)).response


def _traced(request: Request) -> Headers:
    """Return the W3C trace context of a request, which its utterance goes on with."""
    given = ((name, request.headers.get(name)) for name in ("traceparent", "tracestate"))
    return tuple((name, text.encode()) for name, text in given if text and len(text) <= 512)


def console(service: Service, trust: Trust = ANYONE, vitals: Vitals | None = None) -> Starlette:
    """Return the application on a service whose nodes fold what `trust` accepts."""

    async def ask(request: Request) -> Response:
        try:
            wait = _wait(request.query_params)
            body = Ask.model_validate_json(await _body(request))
            utterance_id, terminal = await service.ask(
                body.text,
                tenant=body.tenant,
                utterance_id=body.utterance_id,
                session=body.session,
                context=body.context,
                headers=_traced(request),
                wait=wait,
            )
        except ValidationError as error:
            return _problems(error).response
        except _Refused as refused:
            return refused.response
        except ValueError as error:
            return _Refused(400, str(error)).response
        except asyncio.CancelledError:
            if service.failure is None:
                raise
            return _Refused(503, str(service.failure)).response
        document = terminal_document(utterance_id, terminal)
        return JSONResponse(document, 202 if terminal is None else 200)

    async def feedback(request: Request) -> Response:
        try:
            body = Feedback.model_validate_json(await _body(request))
            await service.give_feedback(
                body.utterance_id,
                body.verdict,
                tenant=body.tenant,
                correction=body.correction,
                source=body.source,
            )
        except ValidationError as error:
            return _problems(error).response
        except _Refused as refused:
            return refused.response
        except UnknownAnswer as error:
            return _Refused(404, str(error)).response
        except (ValueError, JSONDecodeError) as error:
            return _Refused(400, str(error)).response
        return JSONResponse({"stored": True}, 202)

    async def explained(request: Request) -> Response:
        tenant = request.query_params.get("tenant", "default")
        document = await explain(service.transport, trust, request.path_params["id"], tenant)
        if document is None:
            return _Refused(404, "no such utterance").response
        return JSONResponse(document)

    async def families(request: Request) -> Response:
        return JSONResponse(await family_rows(service.transport, trust))

    async def live(request: Request) -> Response:
        stalled = [] if vitals is None else vitals.stalled()
        is_live = service.failure is None and not stalled
        document = {"live": is_live, "stalled": stalled} | _trouble(service)
        return JSONResponse(document, 200 if is_live else 503)

    async def ready(request: Request) -> Response:
        is_ready = len(service.running) == len(service.nodes) and service.failure is None
        document = {"ready": is_ready, "lag": await service.lag() if is_ready else None}
        return JSONResponse(document | _trouble(service), 200 if is_ready else 503)

    return Starlette(
        routes=[
            Route("/ask", ask, methods=["POST"]),
            Route("/feedback", feedback, methods=["POST"]),
            Route("/explain/{id:path}", explained),
            Route("/families", families),
            Route("/live", live),
            Route("/ready", ready),
            *(health_routes(vitals) if vitals is not None else ()),
        ],
        exception_handlers={TransportError: _unavailable},
    )

"""The console's HTTP endpoints: ask, feedback, proposals, explain, families, health.

POST /ask?wait=S            {"text", "tenant"?, "utterance_id"?, "session"?, "context"?}
POST /feedback              {"utterance_id" or "answer_ref", "verdict", "tenant"?, "correction"?,
                            "source"?}
POST /proposals?wait=S      {"scope", "reason", "changes": [{"family", "version", "digest",
                            "stage"}], "previous"}: a person's, for the gate to decide on
GET  /explain/{id}?tenant=  the explanation as JSON
GET  /families              every version with its stage and evidence
GET  /live, /ready          is the pump alive and every node moving; are all nodes rebuilt; why
                            nothing is learned, if so
GET  /started, /metrics     with vitals: as agents.health has them

The headers correlation-id, reply-topic, traceparent and tracestate of POST /ask go to whatever
follows from the utterance; the first two come back with the response.
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

from agents.doors import Doors, UnknownAnswer, give_feedback
from agents.explain import explain
from agents.families import Families
from agents.health import Vitals, health_routes
from agents.proposing import Wanted, decision_document, patience, propose
from agents.service import now_us
from artifacts.policy import ONE_POLICY, Policies
from streams.codec import ECHOED
from streams.events import AnswerGiven, CompletionGiven, CompletionRefused
from streams.signing import ANYONE, Trust
from streams.transports import Headers, LogUnavailable, TransportError

MAX_BODY = 256 * 1024
MAX_WAIT = 60.0
MAX_PROPOSALS = 8
"""Most proposals that wait for their decision at once: on a cluster each has its own reader."""

EXPLAIN_LIMIT = 60.0
"""Most seconds that an explanation may take: a cluster is read through for it."""


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

    utterance_id: str | None = None
    answer_ref: str | None = None
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


def _trouble(service: Doors) -> dict[str, Any]:
    """Return why nothing is learned just now; answers go on meanwhile."""
    trouble = None if service.beside is None else service.beside.trouble
    return {} if trouble is None else {"learning": trouble}


async def _unavailable(request: Request, error: Exception) -> Response:
    return _Refused(503, str(error)).response


def _echoed(request: Request) -> Headers:
    """Return the headers of a request that its utterance goes on with."""
    given = ((name, request.headers.get(name)) for name in ECHOED)
    return tuple(
        (name, text.encode("latin-1")) for name, text in given if text and len(text) <= 512
    )


def _returned(request: Request) -> dict[str, str]:
    """Return the headers by which a client knows its response again."""
    given = {name: value.decode("latin-1") for name, value in _echoed(request)}
    return {name: text for name, text in given.items() if not name.startswith("trace")}


def console(
    service: Doors,
    trust: Trust = ANYONE,
    vitals: Vitals | None = None,
    policies: Policies = ONE_POLICY,
) -> Starlette:
    """Return the application on a service whose nodes fold what `trust` accepts."""
    known = Families(service.transport, trust, policies)
    deciding: set[object] = set()

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
                headers=_echoed(request),
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
        status = 202 if terminal is None else 200
        return JSONResponse(document, status, headers=_returned(request))

    async def feedback(request: Request) -> Response:
        try:
            body = Feedback.model_validate_json(await _body(request))
            await give_feedback(
                service,
                body.utterance_id,
                body.verdict,
                tenant=body.tenant,
                correction=body.correction,
                source=body.source,
                answer_ref=body.answer_ref,
                now=now_us(),
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

    async def turn() -> None:
        if service.failure is not None:
            raise LogUnavailable(str(service.failure))
        await patience()

    async def proposals(request: Request) -> Response:
        try:
            wait = _wait(request.query_params)
            event = Wanted.model_validate_json(await _body(request)).event()
        except ValidationError as error:
            return _problems(error).response
        except _Refused as refused:
            return refused.response
        if len(deciding) >= MAX_PROPOSALS:
            return _Refused(503, f"{MAX_PROPOSALS} proposals wait already; try again").response
        deciding.add(token := object())
        try:
            correlation, decision = await propose(
                service.transport, event, store=service.store, turn=turn, wait=wait
            )
        finally:
            deciding.remove(token)
        document = decision_document(correlation, decision)
        return JSONResponse(document, 202 if decision is None else 200)

    async def explained(request: Request) -> Response:
        tenant = request.query_params.get("tenant", "default")
        utterance_id = request.path_params["id"]
        since = service.asked_since(tenant, utterance_id)
        try:
            async with asyncio.timeout(EXPLAIN_LIMIT):
                document = await explain(service.transport, trust, utterance_id, tenant, since)
        except TimeoutError:
            reason = f"not found within {EXPLAIN_LIMIT:g} s of reading; use `kappa explain`"
            return _Refused(504, reason).response
        if document is None:
            return _Refused(404, "no such utterance").response
        return JSONResponse(document)

    async def families(request: Request) -> Response:
        return JSONResponse(await known.rows())

    async def live(request: Request) -> Response:
        stalled = [] if vitals is None else vitals.stalled()
        is_live = service.failure is None and not stalled
        document = {"live": is_live, "stalled": stalled} | _trouble(service)
        return JSONResponse(document, 200 if is_live else 503)

    async def ready(request: Request) -> Response:
        is_ready = service.is_ready
        document = {"ready": is_ready, "lag": await service.lag() if is_ready else None}
        return JSONResponse(document | _trouble(service), 200 if is_ready else 503)

    return Starlette(
        routes=[
            Route("/ask", ask, methods=["POST"]),
            Route("/feedback", feedback, methods=["POST"]),
            Route("/proposals", proposals, methods=["POST"]),
            Route("/explain/{id:path}", explained),
            Route("/families", families),
            Route("/live", live),
            Route("/ready", ready),
            *(health_routes(vitals) if vitals is not None else ()),
        ],
        exception_handlers={TransportError: _unavailable},
    )

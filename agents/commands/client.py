"""What commands need that talk to a running service, or to a console."""

from json import JSONDecodeError
from pathlib import Path
from typing import Any

import httpx

from agents.commands.shared import BAD_INPUT, NO, UNREACHABLE, fail
from streams.codec import sanitize_json

ENDPOINT_NAME = "endpoint"
"""File in the data directory with the URL of the running service."""


def url_of(data: Path, url: str | None) -> str:
    """Return where the service listens: the given address, or what it has written down."""
    if url is not None:
        return url.rstrip("/")
    try:
        return (data / ENDPOINT_NAME).read_text(encoding="utf-8").strip()
    except OSError:
        start = f"start it with `kappa up --data {data}`, or name a console with --url"
        fail(f"{data}: no service runs here; {start}", UNREACHABLE)


def post(data: Path, url: str | None, path: str, body: dict[str, Any], timeout: float) -> Any:
    """Return what the service says to a request; leave with the exit status that tells why not."""
    address = url_of(data, url)
    try:
        response = httpx.post(f"{address}{path}", json=sanitize_json(body), timeout=timeout + 10)
        document = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, JSONDecodeError) as error:
        fail(f"{address}: {error or type(error).__name__}", UNREACHABLE)
    if response.status_code == 404:
        fail(str(document["error"]), NO)
    if response.status_code >= 500:
        fail(f"{address}: {document['error']}", UNREACHABLE)
    if response.status_code >= 400:
        fail(str(document.get("error", document)), BAD_INPUT)
    return document

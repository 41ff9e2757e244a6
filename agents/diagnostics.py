"""Diagnostics: what a process says of itself on stderr; the log of record is another thing.

    any logger of the standard library ─▶ one handler ─▶ JSON lines, or text on a terminal

Modules say what they have to say through the standard library's loggers: aiokafka, faust and
uvicorn do, and so one formatter sees everything. Nothing is configured at import; `configure` is
called once, by whoever owns the process. structlog only renders; its own process-wide
configuration is not used.

A secret has no business here. SecretStr shows asterisks by itself; whatever a library may print of
its configuration goes through a filter that knows the secrets of the settings.
"""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from agents.sensors import Sensor
from streams.events import Event, VersionRefused
from streams.transports import Handled, Record

MASK = "**********"
SHORTEST_MASKED = 8
"""Secrets with fewer characters are words that occur in any text, and are not looked for."""


TALKATIVE = ("faust", "mode", "streams.transports.faust_app")
"""Loggers that report every service they stop; heard from warnings on, or when debugging."""


def configure(level: str, stream: TextIO, secrets: Iterable[str] = ()) -> None:
    """Send what is said in this process, from `level` on, to `stream`, and nowhere else."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(is_terminal=stream.isatty(), secrets=secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(
            max(root.level, logging.WARNING) if root.level > logging.DEBUG else root.level
        )
    logging.captureWarnings(True)


def formatter(*, is_terminal: bool, secrets: Iterable[str] = ()) -> logging.Formatter:
    """Return the formatter of all records: a JSON object per line, or lines for people."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # the default for terminals shows the values of local variables, and keys are among them
    shown: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if is_terminal
        else [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *shown,
            _masking(secrets),
        ],
    )


def _masking(secrets: Iterable[str]) -> Callable[[WrappedLogger, str, EventDict | str], str]:
    """Return a last step that blots every secret out, as it is and as Python and JSON quote it."""
    long = {secret for secret in secrets if len(secret) >= SHORTEST_MASKED}
    forms = long | {repr(secret)[1:-1] for secret in long}
    forms |= {json.dumps(form, ensure_ascii=False)[1:-1] for form in forms}
    sought = sorted(forms, key=len, reverse=True)

    def masked(logger: WrappedLogger, method: str, line: EventDict | str) -> str:
        shown = str(line)
        for form in sought:
            shown = shown.replace(form, MASK)
        return shown

    return masked


class LogSensor(Sensor):
    """Says what an operator has to see: refused change sets, rejected records, restarts."""

    def handled(self, node: str, handled: Sequence[Handled], seconds: float) -> None:
        for each in handled:
            for out in each.outgoing:
                if out.topic == "rejected":
                    _logger(node).warning("a record was rejected", extra=_position(each.record))
                elif out.headers[0][1] == b"VersionRefused":
                    _logger(node).error("a change set was refused", extra=_position(each.record))

    def folded(self, node: str, said: Sequence[Event]) -> None:
        for event in said:
            if isinstance(event, VersionRefused):
                _logger(node).error(
                    "a change set was refused",
                    extra={"ordinal": event.ordinal, "scope": event.scope, "why": event.reason},
                )

    def restarted(self, node: str) -> None:
        _logger(node).error("the node was started again after a failure")


def _position(record: Record) -> dict[str, str]:
    return {"position": f"{record.topic}/{record.partition}/{record.offset}"}


def _logger(node: str) -> logging.Logger:
    return logging.getLogger(f"kappa.{node}")

"""Diagnostics: one object per line, readable on a terminal, and never a secret."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from agents.diagnostics import MASK, LogSensor, configure, formatter
from streams.codec import encode
from streams.events import RecordRejected, VersionRefused
from streams.transports import Handled, Record

SECRET = 'pass"word\\of-a broker'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Whoever configures a process owns it; a test does not."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_libraries_and_agents_speak_one_form() -> None:
    stream = io.StringIO()
    configure("INFO", stream)
    logging.getLogger("aiokafka.consumer").warning("lost %s after %d s", "broker", 3)
    logging.getLogger("kappa.matcher").info("two\nlines", extra={"position": "utterances/0/1"})
    logging.getLogger("uvicorn.error").debug("not said")
    said = lines(stream)
    assert [line.pop("timestamp") is not None for line in said] == [True, True]
    assert said == [
        {"event": "lost broker after 3 s", "level": "warning", "logger": "aiokafka.consumer"},
        {"event": "two\nlines", "level": "info", "logger": "kappa.matcher",
         "position": "utterances/0/1"},
    ]  # fmt: skip


def test_an_exception_is_one_line() -> None:
    stream = io.StringIO()
    configure("INFO", stream)
    try:
        raise ZeroDivisionError("a bug")
    except ZeroDivisionError:
        logging.getLogger("kappa").exception("failed")
    (line,) = lines(stream)
    assert "ZeroDivisionError: a bug" in str(line["exception"])


def test_what_is_no_json_is_shown_as_text() -> None:
    stream = io.StringIO()
    configure("INFO", stream)
    logging.getLogger("kappa").info("x", extra={"place": ("a", 1), "key": SecretStr(SECRET)})
    (line,) = lines(stream)
    assert (line["place"], line["key"]) == (["a", 1], MASK)


def test_a_terminal_gets_lines_for_people() -> None:
    stream = Terminal()
    configure("INFO", stream)
    logging.getLogger("kappa.matcher").warning("hello", extra={"n": 1})
    shown = stream.getvalue()
    assert "hello" in shown
    with pytest.raises(json.JSONDecodeError):
        json.loads(shown)


def test_the_level_is_the_settings_level() -> None:
    stream = io.StringIO()
    configure("ERROR", stream)
    logging.getLogger("faust").warning("w")
    logging.getLogger("faust").error("e")
    assert [line["event"] for line in lines(stream)] == ["e"]


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["json", "terminal"])
def test_no_secret_is_ever_said(stream: io.StringIO) -> None:
    """Neither in a message, nor in a field, nor in a traceback, nor among its local variables."""
    configure("INFO", stream, [SECRET, "kappa"])
    logger = logging.getLogger("aiokafka")
    logger.info("connecting with %s", SECRET)
    logger.info("connecting with %r", {"sasl_plain_password": SECRET})
    logger.info("connecting", extra={"password": SECRET, "all": [SECRET]})
    try:
        held = "local-" + SECRET
        raise ValueError(f"bad {SECRET}")
    except ValueError:
        logger.exception("failed")
    shown = stream.getvalue()
    assert "word" not in shown.replace("password", "")
    assert "of-a broker" not in shown
    assert shown.count(MASK) >= 4
    assert held not in shown


def test_a_short_secret_blots_nothing_out() -> None:
    line = formatter(is_terminal=False, secrets=["kappa"]).format(
        logging.LogRecord("kappa.x", logging.INFO, "", 1, "kappa is up", None, None)
    )
    assert json.loads(line)["event"] == "kappa is up"


def test_nothing_is_configured_at_import() -> None:
    """Importing the command line touches no logger's handlers."""
    code = (
        "import logging, agents.cli; root = logging.getLogger();"
        "assert root.handlers == [] and root.level == logging.WARNING, root.handlers"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_an_operator_has_to_see() -> None:
    stream = io.StringIO()
    configure("INFO", stream)
    sensor = LogSensor()
    rejected = RecordRejected(topic="utterances", partition=0, offset=7, reason="r", value="")
    record = Record("utterances", 0, 7, 0, None, (), b"", 0)
    sensor.handled("matcher", [Handled(record, [encode(rejected, timestamp=0)])], 0.1)
    refused = VersionRefused(ordinal=3, scope="t", node="matcher", reason="why")
    sensor.folded("matcher", [refused])
    change = Record("versions", 0, 3, 0, None, (), b"", 0)
    sensor.handled("auditor", [Handled(change, [encode(refused, timestamp=0)])], 0.1)
    sensor.restarted("fallback")
    said = [{k: v for k, v in line.items() if k != "timestamp"} for line in lines(stream)]
    assert said == [
        {"event": "a record was rejected", "level": "warning", "logger": "kappa.matcher",
         "position": "utterances/0/7"},
        {"event": "a change set was refused", "level": "error", "logger": "kappa.matcher",
         "ordinal": 3, "scope": "t", "why": "why"},
        {"event": "a change set was refused", "level": "error", "logger": "kappa.auditor",
         "position": "versions/0/3"},
        {"event": "the node was started again after a failure", "level": "error",
         "logger": "kappa.fallback"},
    ]  # fmt: skip

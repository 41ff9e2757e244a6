"""Rejected records on either log: listed, put back as they were or mended, or refused."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.rejected import REPLAYED_FROM
from streams.codec import REJECTED_LIMIT, decode, encode, rejected
from streams.events import Event, RecordRejected, UtteranceAsked
from streams.transports import Headers, Log, Record
from tests.agents.worlds import asked, minutes, registry_of
from tests.kafka.places import InDirectory, Said, Where, on, on_cluster

pytestmark = pytest.mark.slow

NOW = 1_790_000_000_000_000


@pytest.fixture(params=["embedded", "kafka"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    """A log on either transport."""
    if request.param == "embedded":
        return InDirectory(tmp_path / "data")
    return on_cluster(request.getfixturevalue("bootstrap"))


def record(event: Event, **more: object) -> Record:
    """Return the record of an event as it lay at utterances/0/17, perhaps spoilt."""
    made = encode(event, timestamp=NOW, headers=(("correlation-id", b"\xff7"),))
    lying = Record(made.topic, 0, 17, 0, made.key, made.headers, made.value, NOW)
    return lying._replace(**more)


ASKED = asked("3 minutes to seconds", "u", session="s")
GOOD = record(ASKED)
WRONG_VALUE = GOOD._replace(value=b'{"utterance_id": "u", "text": 5}')
NO_EVENT = GOOD._replace(headers=(("correlation-id", b"\xff7"),))
CHANGED = record(registry_of(("m", minutes(), "live"))[1][0])
LONG = GOOD._replace(value=b"x" * (REJECTED_LIMIT + 1))
PLACE = "utterances/0/17"
MENDED = encode(ASKED.model_copy(update={"text": "mended"}), timestamp=0).value


def letter(lying: Record, reason: str = "why", **more: object) -> RecordRejected:
    return rejected(lying, reason).model_copy(update=more)


def old(lying: Record, reason: str = "why") -> RecordRejected:
    """Return what a Kappa wrote that kept neither key nor headers."""
    return letter(lying, reason, size=None, key=None, headers=None)


@dataclass(frozen=True, slots=True)
class Case:
    """A dead letter, what it is put back with, and what lies on its topic then, or why not."""

    name: str
    event: RecordRejected
    refused: str | None = None
    mended: bytes | None = None
    position: str = PLACE
    value: bytes = GOOD.value
    headers: Headers = field(default=GOOD.headers)


PLAIN: Headers = (("event", b"UtteranceAsked"), ("schema", b"1"), ("utterance", b"u"))
CASES = [
    Case("a node had failed at it", letter(GOOD, "matcher failed: KeyError: 'x'")),
    Case("mended", letter(WRONG_VALUE), mended=MENDED, value=MENDED, headers=GOOD.headers),
    Case("mended, without an event header", letter(NO_EVENT), mended=MENDED, value=MENDED),
    Case("mended, after it was cut", letter(LONG), mended=MENDED, value=MENDED),
    Case("of an older Kappa", old(GOOD), headers=PLAIN),
    Case("the same value again", letter(WRONG_VALUE), "it would be rejected again: "),
    Case("without an event header", letter(NO_EVENT), "header 'event' is missing"),
    Case("mended badly", letter(WRONG_VALUE), "is not JSON", mended=b"{"),
    Case("mended with nothing", letter(WRONG_VALUE), "is not JSON", mended=b""),
    Case("cut", letter(LONG), "only the first 737280 of 737281 bytes were kept"),
    Case("cut by an older Kappa", old(LONG), "only the start of its value was kept"),
    Case("a change set", letter(CHANGED), "the registrar alone", position="versions/0/17"),
    Case("another position", letter(GOOD), "no such record", position="utterances/0/18"),
]


async def _put(log: Log, events: Sequence[Event]) -> None:
    await log.publish([encode(event, timestamp=NOW) for event in events])


def replayed(where: Where, case: Case, *more: str) -> Said:
    mended = () if case.mended is None else ("--mended", "-")
    arguments = ("rejected", "replay", case.position, *mended, *more)
    return where.kappa(*arguments, stdin=case.mended or b"")


def lying(where: Where, topic: str) -> list[Record]:
    async def read(log: Log) -> list[Record]:
        return [record async for record in log.scan((topic,))]

    return on(where, read)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_record_is_put_back_once_or_refused_with_the_reason(where: Where, case: Case) -> None:
    on(where, lambda log: _put(log, [case.event]), writing=True)
    said = replayed(where, case)
    topic = case.event.topic
    if case.refused is not None:
        assert (said.status, said.out) == (1, "")
        assert said.err.startswith(f"kappa: {case.position}: ")
        assert case.refused in said.err
        assert lying(where, topic) == []
        return
    assert said == Said(0, f"{PLACE}: put back\n", "")
    [found] = lying(where, topic)
    noted = (REPLAYED_FROM, PLACE.encode())
    assert sorted(found.headers) == sorted((*case.headers, noted))
    assert (found.value, found.key) == (case.value, "s")
    assert isinstance(decode(found), UtteranceAsked)
    [row] = where.kappa("rejected", "list", "--json").json
    assert (row["position"], row["replayed"]) == (PLACE, True)
    assert where.kappa("rejected", "list").out == f"{PLACE}: {case.event.reason} (put back)\n"
    again = replayed(where, case)
    assert (again.status, "--again" in again.err) == (1, True)
    assert replayed(where, case, "--again").status == 0
    assert len(lying(where, topic)) == 2


def test_what_is_replayed_as_it_was_has_every_byte(where: Where) -> None:
    repeated = GOOD._replace(headers=(*GOOD.headers, ("x", b""), ("x", b"\x00")), key="another key")
    on(where, lambda log: _put(log, [letter(repeated)]), writing=True)
    assert where.kappa("rejected", "replay", PLACE).status == 0
    [found] = lying(where, "utterances")
    noted = (REPLAYED_FROM, PLACE.encode())
    assert (found.key, found.headers) == (repeated.key, (*repeated.headers, noted))


def test_one_that_is_refused_keeps_no_other_back(where: Where) -> None:
    letters = [letter(GOOD._replace(offset=n)) for n in (1, 2)]
    on(where, lambda log: _put(log, [*letters, letter(WRONG_VALUE)]), writing=True)
    said = where.kappa("rejected", "replay", "utterances/0/1", PLACE, "utterances/0/2")
    assert (said.status, said.out) == (1, "utterances/0/1: put back\nutterances/0/2: put back\n")
    assert len(lying(where, "utterances")) == 2


WRONG: list[tuple[str, tuple[str, ...], str]] = [
    ("no-position", (), "Missing argument"),
    ("odd-position", ("utterances/0",), "is not TOPIC/PARTITION/OFFSET"),
    ("negative", ("utterances/0/-1",), "is not TOPIC/PARTITION/OFFSET"),
    ("two-with-one-value", (PLACE, "utterances/0/1", "--mended", "-"), "give one POSITION"),
    ("no-such-file", (PLACE, "--mended", "no-such"), "no-such"),
]


@pytest.mark.parametrize(("name", "arguments", "problem"), WRONG, ids=[row[0] for row in WRONG])
def test_wrong_use(where: Where, name: str, arguments: tuple[str, ...], problem: str) -> None:
    said = where.kappa("rejected", "replay", *arguments)
    assert (said.status, said.out, problem in said.err) == (2, "", True)


def test_no_log_is_made_to_put_something_back(tmp_path: Path) -> None:
    missing = InDirectory(tmp_path / "missing")
    said = missing.kappa("rejected", "replay", PLACE)
    assert (said.status, "no log here" in said.err) == (2, True)
    assert not missing.data.exists()


def test_the_value_is_listed_nowhere_and_kept_whole(where: Where) -> None:
    on(where, lambda log: _put(log, [letter(GOOD)]), writing=True)
    [row] = where.kappa("rejected", "list", "--json").json
    assert "value" not in row
    [kept] = lying(where, "rejected")
    event = decode(kept)
    assert isinstance(event, RecordRejected)
    assert base64.b64decode(event.value) == GOOD.value

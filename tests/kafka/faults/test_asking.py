"""A fallback that is killed or frozen: one completion per utterance, and few questions twice."""

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from agents.service import now_us
from streams.codec import encode
from streams.events import MatchAbstained, Revision
from streams.transports import Outgoing
from streams.transports.kafka_connection import KafkaConnection
from tests.agents.chat_server import Turn, completion, failure, running
from tests.kafka.faults.fleet import LEFT
from tests.kafka.faults.flow import FROZEN, POINTS, SHORT, UTTERANCES, Flow, flow
from tests.kafka.faults.report import told

pytestmark = [pytest.mark.slow, pytest.mark.faults]

OUT = ("completions",)


def miss(number: int) -> Outgoing:
    """Return an utterance that no family answers; the demo's teacher knows half of them."""
    texts = (f"what is {number} % of 200", f"nobody knows {number}")
    event = MatchAbstained(
        utterance_id=f"u{number}",
        tenant="acme",
        text=texts[number % 2],
        reason="miss",
        revision=Revision(ordinal=0, digest=""),
    )
    return encode(event, timestamp=now_us())


def most_calls(directory: Path, flowing: Flow) -> int:
    """Return how often the teacher was asked about one utterance at most; it was about each."""
    calls = Counter((directory / "calls").read_text(encoding="utf-8").split())
    assert set(calls) == set(flowing.feed.asked)
    return max(calls.values())


@pytest.mark.parametrize("point", ["deciding", *POINTS])
async def test_a_fallback_killed_at_a_point(
    connection: KafkaConnection, tmp_path: Path, point: str
) -> None:
    began, kills = time.monotonic(), 5
    async with flow(connection, tmp_path, SHORT, miss, OUT) as flowing:
        for kill in range(kills):
            await flowing.feed.put(UTTERANCES // kills)
            nth = 2 + 3 * kill
            member = await flowing.fleet.start("fallback", point=point, nth=nth)
            await flowing.until(lambda member=member: not member.lives)
            assert member.process.returncode == -signal.SIGKILL, member.said.read_text()
        await flowing.fleet.start("fallback")
        await flowing.drained()
        await flowing.fleet.stop()
    told("kill -9 of a fallback", point, kills, flowing.feed, flowing.ledger, began)
    flowing.check()
    assert most_calls(tmp_path, flowing) <= 1 + kills


@pytest.mark.parametrize("point", ["deciding", "sent", "committing"])
async def test_a_fallback_frozen_at_a_point_while_another_takes_over(
    connection: KafkaConnection, tmp_path: Path, point: str
) -> None:
    began = time.monotonic()
    async with flow(connection, tmp_path, FROZEN, miss, OUT) as flowing:
        await flowing.fill(UTTERANCES // 2)
        frozen = await flowing.fleet.start(
            "fallback", "0", point=point, nth=30, sign=signal.SIGSTOP
        )
        flowing.fleet.keep("fallback", "1")
        await flowing.until(lambda: frozen.is_frozen)
        asked = len(flowing.feed.asked)
        await flowing.until(lambda: flowing.taken_over(asked))
        assert frozen.is_frozen
        frozen.send(signal.SIGCONT)
        await flowing.until(lambda: not frozen.lives)
        assert frozen.process.returncode == LEFT, frozen.said.read_text()
        flowing.fleet.keep("fallback", "0")
        await flowing.fill()
        await flowing.feed.put(500)
        await flowing.drained()
        await flowing.fleet.stop()
    told("freeze of a fallback", point, 1, flowing.feed, flowing.ledger, began)
    flowing.check()
    assert most_calls(tmp_path, flowing) <= 2


async def test_a_teacher_that_is_down_for_a_while(
    connection: KafkaConnection, tmp_path: Path
) -> None:
    began = time.monotonic()
    answering = Turn(completion({"wording": "42", "form": "text", "answer": "42"}))
    async with running() as server, flow(connection, tmp_path, SHORT, miss, OUT) as flowing:
        endpoint = server.taking([answering])
        settings = {
            "teacher": "openai",
            "openai_base_url": endpoint.url,
            "openai_model": "pinned-1",
            "openai_api_key": "key",
            "openai_attempts": 3,
            "openai_max_wait": 0.2,
            "openai_failures": 5,
            "openai_pause": 0.5,
        }
        await flowing.fleet.start("fallback", settings=settings)
        await flowing.feed.put(100)
        await flowing.drained()
        endpoint.turns = [Turn(failure("down"), 503)]
        refused: list[dict[str, object]] = []
        while not refused:
            await flowing.feed.put(10)
            await flowing.drained()
            refused = flowing.ledger.of("completions", "CompletionRefused")
        await flowing.fill()
        await flowing.drained()
        endpoint.turns = [answering]
        back = len(flowing.feed.asked)

        def is_back() -> bool:
            given = flowing.ledger.of("completions", "CompletionGiven")
            return any(int(str(event["utterance_id"])[1:]) >= back for event in given)

        await flowing.until(is_back)
        await flowing.drained()
        await flowing.fleet.stop()
    told("teacher down", "503", 1, flowing.feed, flowing.ledger, began)
    flowing.check()
    reasons = {
        str(event["reason"]).split(":")[0]
        for event in flowing.ledger.of("completions", "CompletionRefused")
    }
    assert reasons <= {"TeacherUnavailable", "TeacherPaused"} and reasons

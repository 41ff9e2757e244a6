"""The service without HTTP: who waits is told, and a failure is not kept quiet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from agents.console.app import console
from agents.fallback import hash_draw
from agents.pipeline import pipeline
from agents.service import Service, UnknownAnswer, pumping
from agents.teachers import Question, Refused, Reply
from streams.codec import encode
from streams.events import AnswerGiven, CompletionGiven, CompletionRefused
from streams.transports import LogUnavailable
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import TENANT, UNAUDITED, minutes, registry_of
from tests.streams.test_embedded import limit_pages


@dataclass(slots=True)
class Waiting:
    """A teacher that answers when it may; `error` is raised instead of an answer."""

    may: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    asked: int = 0
    most: int = 0
    name: str = "waiting"
    prefix: str = ""

    async def answer(self, question: Question) -> Reply | Refused:
        self.asked += 1
        self.most = max(self.most, self.asked)
        await self.may.wait()
        self.asked -= 1
        if self.error is not None:
            raise self.error
        return Reply(f"{question.tenant} said {question.text}")


@asynccontextmanager
async def served(teacher: Waiting) -> AsyncIterator[Service]:
    log = EmbeddedLog.open(":memory:")
    nodes = pipeline(teacher, hash_draw(""), policies=UNAUDITED, trusted=frozenset())
    try:
        async with pumping(Service(log, nodes)) as service:
            yield service
    finally:
        await log.close()


async def test_one_who_stops_waiting_takes_nothing_from_the_others() -> None:
    teacher = Waiting()
    async with served(teacher) as service:
        patient = [
            asyncio.create_task(service.ask("a", tenant="t", utterance_id="u", wait=30))
            for _ in range(2)
        ]
        await asyncio.sleep(0)
        assert await service.ask("a", tenant="t", utterance_id="u") == ("u", None)
        assert await service.ask("a", tenant="other", utterance_id="u") == ("u", None)
        teacher.may.set()
        for task in patient:
            _, terminal = await task
            assert isinstance(terminal, CompletionGiven)
            assert terminal.answer == "t said a"
        _, other = await service.ask("a", tenant="other", utterance_id="u", wait=30)
        assert isinstance(other, CompletionGiven)
        assert other.answer == "other said a"
        assert service.waiting == {}
        assert await service.transport.ends(["utterances"]) == {("utterances", 0): 2}


async def test_a_teacher_who_does_not_answer_holds_no_answer_of_a_family_up() -> None:
    teacher = Waiting()
    async with served(teacher) as service:
        _, versions = registry_of(("m", minutes(), "live"))
        await service.transport.publish([encode(event, timestamp=1) for event in versions])
        slow = asyncio.create_task(service.ask("what", tenant=TENANT, utterance_id="s", wait=30))
        while not teacher.asked:
            await asyncio.sleep(0)
        for n in range(3, 100):
            text = f"{n} minutes to seconds"
            _, answer = await service.ask(text, tenant=TENANT, wait=30)
            assert isinstance(answer, AnswerGiven)
            assert answer.answer == str(n * 60)
        assert not slow.done()
        teacher.may.set()
        _, completion = await slow
        assert isinstance(completion, CompletionGiven)


async def test_a_teacher_is_asked_as_much_at_once_as_the_window_holds() -> None:
    teacher = Waiting()
    async with served(teacher) as service:
        tasks = [
            asyncio.create_task(service.ask(f"ask {n}", tenant="t", wait=30)) for n in range(200)
        ]
        while teacher.asked < service.window:
            await asyncio.sleep(0)
        teacher.may.set()
        assert {type(terminal) for _, terminal in await asyncio.gather(*tasks)} == {CompletionGiven}
        assert teacher.most == service.window == 64


async def test_a_service_that_ends_stores_what_its_teacher_still_says() -> None:
    teacher = Waiting()
    log = EmbeddedLog.open(":memory:")
    nodes = pipeline(teacher, hash_draw(""), policies=UNAUDITED, trusted=frozenset())
    async with pumping(Service(log, nodes)) as service:
        await service.ask("a", tenant="t", utterance_id="u")
        while not teacher.asked:
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(teacher.may.set)
    assert await log.ends(["completions"]) == {("completions", 0): 1}
    await log.close()


async def test_feedback_needs_an_answer_of_a_family() -> None:
    teacher = Waiting()
    teacher.may.set()
    async with served(teacher) as service:
        await service.ask("a", tenant="t", utterance_id="u", wait=30)
        for utterance_id, tenant in (("u", "t"), ("u", "other"), ("none", "t")):
            with pytest.raises(UnknownAnswer):
                await service.give_feedback(
                    utterance_id, "reject", tenant=tenant, correction=None, source="operator"
                )
        assert await service.transport.ends(["feedback"]) == {("feedback", 0): 0}


async def test_a_bug_of_the_teacher_ends_in_a_refusal() -> None:
    teacher = Waiting(error=KeyError("bug"))
    teacher.may.set()
    async with served(teacher) as service:
        _, refused = await service.ask("a", tenant="t", wait=30)
        assert isinstance(refused, CompletionRefused)
        assert refused.reason == "the teacher failed: KeyError: 'bug'"
        assert service.failure is None


async def test_a_failure_of_the_pump_is_known_and_raised_at_the_end() -> None:
    """A log that cannot be written ends the service: nothing is acknowledged without it."""
    teacher = Waiting()
    with pytest.raises(LogUnavailable):
        async with served(teacher) as service:
            asked = asyncio.create_task(service.ask("a", tenant="t", wait=30))
            await asyncio.sleep(0)
            await service.transport.close()
            teacher.may.set()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert isinstance(service.failure, LogUnavailable)


async def test_a_log_that_cannot_take_what_is_asked_ends_the_service_and_says_so() -> None:
    teacher = Waiting()
    teacher.may.set()
    with pytest.raises(LogUnavailable):
        async with served(teacher) as service:
            assert isinstance(service.transport, EmbeddedLog)
            limit_pages(service.transport, 0)
            transport = httpx.ASGITransport(console(service))
            async with httpx.AsyncClient(transport=transport, base_url="http://kappa") as client:
                body = {"text": "x" * 100_000, "utterance_id": "u"}
                refused = await client.post("/ask?wait=30", json=body)
                assert refused.status_code == 503
                assert "no room left" in refused.json()["error"]
                live = await client.get("/live")
                assert (live.status_code, live.json()) == (503, {"live": False})
            assert service.waiting == {}
            assert isinstance(service.failure, LogUnavailable)

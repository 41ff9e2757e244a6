"""The window: nothing is lost or doubled in any order of replies, kills and lost turns."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from agents.fallback import fallback
from agents.matcher import matcher
from agents.node import Asker
from agents.runner import Running, start
from agents.teachers import Question, Refused, Reply, TeacherUnavailable
from agents.window import Window
from streams.codec import decode, encode
from streams.events import (
    CompletionGiven,
    CompletionRefused,
    Event,
    MatchAbstained,
    RecordRejected,
    Revision,
    UtteranceAsked,
)
from streams.transports import Handled, LogUnavailable, Outgoing, Record, Subscription, TurnLost
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import UNAUDITED


def abstained(utterance_id: str, text: str, **more: Any) -> MatchAbstained:
    return MatchAbstained.model_validate(
        {
            "utterance_id": utterance_id,
            "tenant": "acme",
            "text": text,
            "reason": "miss",
            "revision": Revision(ordinal=0, digest=""),
        }
        | more
    )


async def put(log: EmbeddedLog, *made: Event) -> None:
    await log.publish([encode(event, timestamp=1) for event in made])


async def events(log: EmbeddedLog, topic: str) -> list[Any]:
    return [decode(record) for record in await log.read([topic], 0, 100_000)]


@dataclass(slots=True)
class Held:
    """A teacher whose replies the test gives, one by one; it counts what it was asked."""

    asked: Counter[str] = field(default_factory=Counter)
    open: dict[str, asyncio.Future[Reply | Refused]] = field(default_factory=dict)
    name: str = "held"
    prefix: str = ""

    async def answer(self, question: Question) -> Reply | Refused:
        assert question.text not in self.open, "equal questions in flight are asked once"
        self.asked[question.text] += 1
        future: asyncio.Future[Reply | Refused] = asyncio.get_running_loop().create_future()
        self.open[question.text] = future
        try:
            return await future
        finally:
            if self.open.get(question.text) is future:
                del self.open[question.text]

    def reply(self, text: str, reply: Reply | Refused | None = None) -> None:
        self.open.pop(text).set_result(reply or Reply(f"answer to {text}", tokens=9, price=0.5))


@dataclass(slots=True)
class Losing:
    """A subscription that loses its turn when told: as after a rebalance, nothing is stored."""

    log: EmbeddedLog
    node: Asker
    inner: Subscription
    is_lost: bool = False
    losses: int = 0

    async def poll(self, limit: int) -> Sequence[Record]:
        return await self.inner.poll(limit)

    async def publish(self, handled: Sequence[Handled]) -> None:
        if self.is_lost:
            self.is_lost = False
            self.losses += 1
            self.inner = await self.log.subscribe(self.node.name, self.node.reads)
            raise TurnLost("another member has it")
        await self.inner.publish(handled)

    async def close(self) -> None:
        await self.inner.close()


async def turns() -> None:
    """Let every task run until all of them wait."""
    for _ in range(8):
        await asyncio.sleep(0)


@dataclass(slots=True)
class World:
    """A window over the work list of a log in memory."""

    log: EmbeddedLog
    teacher: Held
    size: int
    node: Asker
    changed: asyncio.Event
    subscription: Losing = field(init=False)
    window: Window = field(init=False)
    most: int = 0

    @classmethod
    async def made(cls, size: int, node: Asker | None = None) -> "World":
        teacher = Held()
        node = node or fallback(teacher, lambda _: True)
        world = cls(EmbeddedLog.open(":memory:"), teacher, size, node, asyncio.Event())
        await world.begin()
        return world

    async def begin(self) -> None:
        """Start the node, as a fresh process would: on what the log holds."""
        running: Running = await start(self.node, self.log, lambda: 7)
        running.subscription = self.subscription = Losing(self.log, self.node, running.subscription)
        self.window = Window(running, self.size, self.changed)

    async def kill(self) -> None:
        """End the node without a word, and start it again."""
        self.window.cancel()
        await turns()
        self.teacher.open.clear()
        await self.begin()

    async def advance(self) -> int:
        moved = await self.window.advance()
        await turns()
        self.most = max(self.most, self.window.in_flight)
        return moved

    async def settle(self) -> None:
        while await self.advance():
            pass

    async def finish(self) -> None:
        """Reply to everything, oldest last, until nothing is left."""
        await self.settle()
        while self.teacher.open:
            self.teacher.reply(next(reversed(self.teacher.open)))
            await turns()
            await self.settle()

    async def ids(self) -> list[str]:
        return [event.utterance_id for event in await events(self.log, "completions")]


# --- in order, and no more than there is room for -------------------------------------------------


async def test_what_is_finished_waits_for_the_first_and_is_published_in_order() -> None:
    world = await World.made(4)
    await put(world.log, *(abstained(str(n), f"text {n}") for n in range(3)))
    await world.settle()
    for n in (2, 1):
        world.changed.clear()
        world.teacher.reply(f"text {n}")
        await turns()
        assert world.changed.is_set()
        assert await world.advance() == 0
    assert await world.ids() == []
    assert world.window.in_flight == 3
    world.teacher.reply("text 0")
    await turns()
    assert await world.advance() == 3
    assert await world.ids() == ["0", "1", "2"]
    assert await world.log.positions("fallback") == {("fallbacks", 0): 3}
    assert world.window.in_flight == 0


async def test_a_burst_is_asked_about_window_by_window() -> None:
    world = await World.made(64)
    await put(world.log, *(abstained(str(n), f"text {n}") for n in range(1000)))
    await world.settle()
    assert len(world.teacher.open) == world.window.in_flight == 64
    await world.finish()
    assert world.most == 64
    assert await world.ids() == [str(n) for n in range(1000)]
    assert set(world.teacher.asked.values()) == {1}


async def test_a_full_partition_does_not_hold_another_up() -> None:
    teacher = Held()

    async def ask(event: Event) -> Sequence[Event]:
        assert isinstance(event, UtteranceAsked | MatchAbstained)
        await teacher.answer(Question("acme", event.utterance_id, event.text))
        return ()

    world = await World.made(2, Asker("both", ("utterances", "fallbacks"), (), ask, "Reads two."))
    await put(world.log, *(abstained(str(n), f"slow {n}") for n in range(3)))
    await world.settle()
    await put(world.log, UtteranceAsked(utterance_id="u", tenant="acme", text="quick"))
    await world.settle()
    assert set(teacher.open) == {"slow 0", "slow 1", "quick"}
    teacher.reply("quick")
    await turns()
    await world.settle()
    assert await world.log.positions("both") == {("utterances", 0): 1}
    teacher.reply("slow 0")
    await turns()
    await world.settle()
    assert set(teacher.open) == {"slow 1", "slow 2"}
    assert await world.log.positions("both") == {("utterances", 0): 1, ("fallbacks", 0): 1}


async def test_a_bad_record_keeps_its_place_in_the_order() -> None:
    world = await World.made(4)
    await world.log.publish([Outgoing("fallbacks", None, (), b"junk", 1)])
    await put(world.log, abstained("1", "text 1"))
    await world.finish()
    assert [type(event) for event in await events(world.log, "rejected")] == [RecordRejected]
    assert await world.ids() == ["1"]
    assert await world.log.positions("fallback") == {("fallbacks", 0): 2}


async def test_only_an_asker_has_a_window_and_it_holds_something() -> None:
    log = EmbeddedLog.open(":memory:")
    running = await start(matcher(UNAUDITED), log, lambda: 7)
    with pytest.raises(TypeError, match="matcher is no asker"):
        Window(running, 4, asyncio.Event())
    running = await start(fallback(Held(), lambda _: True), log, lambda: 7)
    with pytest.raises(ValueError, match="holds 0"):
        Window(running, 0, asyncio.Event())


async def test_a_log_that_fails_is_not_kept_quiet() -> None:
    world = await World.made(4)
    await put(world.log, abstained("1", "text 1"))
    await world.settle()
    world.teacher.reply("text 1")
    await turns()
    await world.log.close()
    with pytest.raises(LogUnavailable):
        await world.window.advance()
    world.window.cancel()


# --- any order of replies, kills and lost turns ---------------------------------------------------

Step = tuple[str, int]
CALM = ("put", "advance", "advance", "advance", "reply", "reply", "reply", "refuse")
WILD = (*CALM, *CALM, "kill", "lose", "cut")


def steps(random: Random) -> list[Step]:
    """Return a run; every third one is without interruptions."""
    kinds = CALM if random.random() < 1 / 3 else WILD
    return [(random.choice(kinds), random.randrange(10)) for _ in range(random.randrange(80))]


async def run(taken: list[Step], size: int) -> dict[str, int]:
    """Take the steps, then finish; return what happened how often."""
    world, put_in, interruptions = await World.made(size), 0, 0
    seen: Counter[str] = Counter()
    for kind, number in taken:
        texts = list(world.teacher.open)
        match kind:
            case "put":
                more = range(put_in, put_in + 1 + number % 4)
                put_in = more.stop
                await put(world.log, *(abstained(str(n), f"text {n % 3}") for n in more))
            case "advance":
                await world.advance()
            case "reply" | "refuse" if texts:
                refusal = Refused("no") if kind == "refuse" else None
                world.teacher.reply(texts[number % len(texts)], refusal)
                await turns()
                seen["overtook"] += number % len(texts) > 0
            case "kill" | "cut":
                if kind == "cut":  # what SIGTERM does when no time is left
                    await world.window.drain(0)
                await world.kill()
                interruptions += 1
            case "lose":
                world.subscription.is_lost = True
        interruptions += world.subscription.losses
        seen["lost"] += world.subscription.losses
        world.subscription.losses = 0
    world.subscription.is_lost = False
    await world.finish()
    ids, completions = await world.ids(), await events(world.log, "completions")
    assert ids == [str(n) for n in range(put_in)]
    assert world.most <= size
    assert world.window.in_flight == 0
    assert await world.log.positions("fallback") == ({("fallbacks", 0): put_in} if put_in else {})
    asked_per_text = Counter(f"text {n % 3}" for n in range(put_in))
    for text, times in world.teacher.asked.items():
        assert times <= asked_per_text[text] * (1 + interruptions)
    if not interruptions:
        assert sum(world.teacher.asked.values()) <= put_in
        given = [event for event in completions if isinstance(event, CompletionGiven)]
        refused = {event.text for event in completions if isinstance(event, CompletionRefused)}
        for text in asked_per_text.keys() - refused:
            paid = sum(event.tokens for event in given if event.text == text)
            assert paid == 9 * world.teacher.asked[text]
        seen["coalesced"] += put_in - sum(world.teacher.asked.values())
    await world.log.close()
    return seen | {"interrupted": interruptions, "completed": len(ids)}


async def test_any_order_loses_nothing_and_asks_at_most_once_more_per_interruption() -> None:
    random, seen = Random("orders"), Counter[str]()
    for _ in range(250):
        seen.update(await run(steps(random), random.choice((1, 2, 3, 8))))
    kinds = ("overtook", "lost", "interrupted", "completed", "coalesced")
    assert all(seen[kind] > 50 for kind in kinds), seen


async def test_a_kill_asks_once_more_about_what_was_in_flight_and_nothing_else() -> None:
    world = await World.made(3)
    await put(world.log, *(abstained(str(n), f"text {n}") for n in range(5)))
    await world.settle()
    world.teacher.reply("text 0")
    world.teacher.reply("text 2")
    await turns()
    await world.advance()
    await world.kill()
    await world.finish()
    assert await world.ids() == [str(n) for n in range(5)]
    assert world.teacher.asked == {
        "text 0": 1, "text 1": 2, "text 2": 2, "text 3": 2, "text 4": 1,
    }  # fmt: skip


async def test_a_lost_turn_stops_the_questions_that_were_open() -> None:
    world = await World.made(3)
    await put(world.log, *(abstained(str(n), f"text {n}") for n in range(3)))
    await world.settle()
    world.teacher.reply("text 0")
    await turns()
    world.subscription.is_lost = True
    assert await world.advance() == 1
    assert world.window.in_flight == 0
    assert world.teacher.open == {}
    await world.finish()
    assert await world.ids() == ["0", "1", "2"]


# --- an end in order ------------------------------------------------------------------------------


async def test_a_drain_stores_what_is_answered_in_time_and_polls_no_more() -> None:
    world = await World.made(2)
    await put(world.log, *(abstained(str(n), f"text {n}") for n in range(4)))
    await world.settle()
    draining = asyncio.create_task(world.window.drain(60))
    await turns()
    world.teacher.reply("text 0")
    await turns()
    assert await world.ids() == ["0"]
    world.teacher.reply("text 1")
    await draining
    assert await world.ids() == ["0", "1"]
    assert world.window.in_flight == 0
    assert sum(world.teacher.asked.values()) == 2


async def test_a_drain_forgets_what_is_not_answered_in_time() -> None:
    world = await World.made(3)
    await put(world.log, *(abstained(str(n), f"text {n}") for n in range(3)))
    await world.settle()
    world.teacher.reply("text 0")
    world.teacher.reply("text 2")
    await turns()
    await world.window.drain(0)
    await turns()
    assert await world.ids() == ["0"]
    assert world.teacher.open == {}
    await world.begin()
    await world.finish()
    assert await world.ids() == ["0", "1", "2"]


# --- equal questions ------------------------------------------------------------------------------


async def test_equal_questions_in_flight_are_asked_once_and_paid_once() -> None:
    world = await World.made(8)
    await put(world.log, *(abstained(str(n), "same") for n in range(3)))
    await world.settle()
    world.teacher.reply("same")
    await turns()
    await world.settle()
    given = await events(world.log, "completions")
    assert [event.utterance_id for event in given] == ["0", "1", "2"]
    assert {event.answer for event in given} == {"answer to same"}
    assert [(event.tokens, event.price) for event in given] == [(9, 0.5), (0, 0.0), (0, 0.0)]
    await put(world.log, abstained("later", "same"))
    await world.finish()
    assert world.teacher.asked == {"same": 2}


DIFFERENT: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("tenant", {"tenant": "a"}, {"tenant": "b"}),
    ("context", {"context": "a"}, {"context": "b"}),
    ("no-context", {}, {"context": ""}),
    ("spelling", {"text": "same"}, {"text": "Same"}),
]


@pytest.mark.parametrize(("name", "one", "other"), DIFFERENT, ids=[row[0] for row in DIFFERENT])
async def test_different_questions_are_asked_apart(
    name: str, one: dict[str, str], other: dict[str, str]
) -> None:
    @dataclass(slots=True)
    class Listening:
        heard: list[Question] = field(default_factory=list)
        name: str = "listening"
        prefix: str = ""

        async def answer(self, question: Question) -> Reply | Refused:
            self.heard.append(question)
            await asyncio.sleep(0)
            return Reply("7")

    teacher = Listening()
    world = await World.made(8, fallback(teacher, lambda _: True))
    for fields in (one, other):
        await put(world.log, abstained(str(fields), **({"text": "same"} | fields)))
    await world.settle()
    assert len(teacher.heard) == 2


async def test_a_refusal_is_the_reply_to_all_who_asked() -> None:
    world = await World.made(8)
    await put(world.log, *(abstained(str(n), "same") for n in range(3)))
    await world.settle()
    world.teacher.reply("same", Refused("too dear"))
    await turns()
    await world.settle()
    refused = await events(world.log, "completions")
    assert [type(event) for event in refused] == [CompletionRefused] * 3
    assert {event.reason for event in refused} == {"too dear"}


async def test_whoever_waits_asks_again_when_the_first_was_cancelled() -> None:
    teacher = Held()
    ask = fallback(teacher, lambda _: True).ask
    tasks = [asyncio.ensure_future(ask(abstained(str(n), "same"))) for n in range(3)]
    await turns()
    tasks[0].cancel()
    await turns()
    assert teacher.asked == {"same": 2}
    teacher.reply("same")
    given = [event for task in tasks[1:] for event in await task]
    assert [event.tokens for event in given if isinstance(event, CompletionGiven)] == [9, 0]


FAULTS: list[tuple[str, BaseException, str]] = [
    ("unavailable", TeacherUnavailable("429"), "TeacherUnavailable: 429"),
    ("bug", KeyError("bug"), "the teacher failed: KeyError: 'bug'"),
    ("cancelled-itself", asyncio.CancelledError(), "it cancelled its own question"),
]


@pytest.mark.parametrize(("name", "fault", "reason"), FAULTS, ids=[row[0] for row in FAULTS])
async def test_what_a_teacher_raises_is_told_to_all_who_asked(
    name: str, fault: BaseException, reason: str
) -> None:
    @dataclass(slots=True)
    class Faulty:
        name: str = "faulty"
        prefix: str = ""

        async def answer(self, question: Question) -> Reply | Refused:
            await asyncio.sleep(0)
            raise fault

    world = await World.made(8, fallback(Faulty(), lambda _: True))
    await put(world.log, *(abstained(str(n), "same") for n in range(2)))
    await world.settle()
    await world.settle()
    refused = await events(world.log, "completions")
    assert len(refused) == 2
    assert all(reason in event.reason for event in refused)

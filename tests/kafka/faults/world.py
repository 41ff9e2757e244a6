"""A part of the cluster where two families are live, one of them now and then."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from agents.service import now_us
from streams.codec import encode
from streams.events import Event
from streams.transports import Outgoing
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_connection import KafkaConnection
from tests.agents.worlds import TENANT, asked, change, changed, computing, minutes, proposal
from tests.agents.worlds import registry_of as served

MINUTES = minutes()
HOURS = computing(
    "mul", "60", "{n:integer} hours to minutes", [("2 hours to minutes", "120")], name="hours"
)


def utterance(number: int) -> Outgoing:
    """Return an utterance: half of them for a family, half for the teacher."""
    texts = (
        f"{number} minutes to seconds",
        f"nobody knows {number}",
        f"{number} hours to minutes",
        f"{number} is what",
    )
    return encode(asked(texts[number % 4], f"u{number}"), timestamp=now_us())


@dataclass
class World:
    """The log of record as a test writes it, in the registrar's place."""

    log: KafkaLog
    ordinal: int = 0
    is_live: bool = True

    async def say(self, *events: Event) -> None:
        await self.log.publish([encode(event, timestamp=now_us()) for event in events])

    async def begin(self) -> None:
        """Let both families answer."""
        registry, events = served(("minutes", MINUTES, "live"), ("hours", HOURS, "live"))
        self.ordinal = registry.ordinal
        await self.say(*events)

    async def toggle(self) -> None:
        """Take one family out of service, or back in."""
        self.is_live, self.ordinal = not self.is_live, self.ordinal + 1
        stage = change("hours", 1, HOURS, "live" if self.is_live else "shadow")
        await self.say(changed(self.ordinal, proposal([stage], scope=TENANT)))


@contextlib.asynccontextmanager
async def world(connection: KafkaConnection) -> AsyncIterator[World]:
    """Have two families live on the cluster's part."""
    log = KafkaLog(connection)
    try:
        made = World(log)
        await made.begin()
        yield made
    finally:
        await log.close()

"""`kappa run` with a key, on a real broker: a forged change set is told of, and changes nothing."""

import asyncio
import json
import os
import re
import sys
import uuid

import httpx
import pytest

from streams.codec import Undecodable, decode, encode
from streams.events import AnswerGiven, Event, VersionRefused
from streams.signing import SigningKey, sign
from streams.topic_plan import Layout
from streams.transports import Reader
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_admin import apply
from streams.transports.kafka_connection import KafkaConnection
from tests.agents.worlds import asked, change, changed, minutes, proposal, registry_of

pytestmark = pytest.mark.slow

OURS, THEIRS = (SigningKey(bytes([n]) * 32) for n in (1, 2))
_, CHANGES = registry_of(("m", minutes(), "live"))
RETIRED = changed(3, proposal([change("m", 1, minutes(), "retired")]))
LIMIT_S = 60.0


async def next_event(reader: Reader) -> Event:
    while True:
        for record in await reader.read(1):
            event = decode(record)
            assert not isinstance(event, Undecodable), event
            return event
        await asyncio.sleep(0.02)  # between two polls


async def test_a_matcher_refuses_what_no_trusted_key_has_signed(bootstrap: str) -> None:
    connection = KafkaConnection(bootstrap, prefix=f"t{uuid.uuid4().hex[:8]}.")
    assert await apply(connection, Layout(partitions=1, replication=1)) == []
    log = KafkaLog(connection)
    settings = {
        "KAPPA_KAFKA": bootstrap, "KAPPA_KAFKA_PREFIX": connection.prefix, "KAPPA_PARTITIONS": "1",
        "KAPPA_REPLICATION": "1", "KAPPA_VERIFY_KEYS": OURS.public.text, "KAPPA_PORT": "0",
        "KAPPA_AUDIT_RATE": "0",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agents", "run", "matcher", env=os.environ | settings,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LIMIT_S):
            assert process.stdout is not None
            said = (await process.stdout.readline()).decode()
            found = re.search(r"http://\S+(?=/ready)", said)
            assert found, (said, await process.communicate())
            async with httpx.AsyncClient(base_url=found[0]) as http:
                while (await http.get("/ready")).status_code != 200:
                    await asyncio.sleep(0.02)  # between two polls
                learning = await log.reader(("learning",), from_end=True)
                matches = await log.reader(("matches",), from_end=True)
                signed = [sign(event, OURS) for event in CHANGES]
                for event in (*signed, RETIRED, sign(RETIRED, THEIRS)):
                    await log.publish([encode(event, timestamp=1000)])
                refusals = [await next_event(learning), await next_event(learning)]
                assert [(type(e), vars(e)["ordinal"]) for e in refusals] == [
                    (VersionRefused, 3)
                ] * 2
                await log.publish([encode(asked("9 minutes to seconds"), timestamp=1000)])
                answer = await next_event(matches)
                assert isinstance(answer, AnswerGiven)
                assert (answer.answer, answer.revision.ordinal) == ("540", 2)
                metrics = (await http.get("/metrics")).text
                assert 'kappa_refused_versions_total{node="matcher"} 2.0' in metrics
            process.terminate()
            _, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await log.close()
    assert process.returncode == 0, stderr
    lines = [json.loads(line) for line in stderr.decode().splitlines()]
    refused = [line for line in lines if line["event"] == "a change set was refused"]
    assert [line["ordinal"] for line in refused] == [3, 3]
    assert ["is not signed" in line["why"] for line in refused] == [True, False]

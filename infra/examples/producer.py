"""Ask, and wait for the answer: `python producer.py HOST:PORT TEXT [SECONDS [PREFIX]]`.

Needs aiokafka alone. Exactly one terminal record per utterance lies on matches or completions; it
carries the correlation-id of the utterance.
"""

import asyncio
import json
import sys
import time
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

TERMINAL = (b"AnswerGiven", b"CompletionGiven", b"CompletionRefused")


async def ask(bootstrap: str, text: str, seconds: str = "30", prefix: str = "") -> dict:
    """Return the terminal record of one utterance; raise TimeoutError when its time is over."""
    name, correlation, patience = uuid.uuid4().hex, uuid.uuid4().hex.encode(), float(seconds)
    answers = (f"{prefix}matches", f"{prefix}completions")
    reading = {"bootstrap_servers": bootstrap, "isolation_level": "read_committed"}
    async with (
        AIOKafkaConsumer(*answers, **reading) as consumer,
        AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer,
        asyncio.timeout(patience),
    ):
        await consumer.seek_to_end()  # before asking, so that no answer is missed
        now = time.time_ns() // 1000  # microseconds
        asked = {"utterance_id": name, "tenant": "default", "text": text, "asked_at": now}
        asked["deadline"] = now + int(patience * 1_000_000)
        headers = [("event", b"UtteranceAsked"), ("schema", b"1"), ("utterance", name.encode())]
        headers.append(("correlation-id", correlation))
        await producer.send_and_wait(
            f"{prefix}utterances", json.dumps(asked).encode(), name.encode(), headers=headers
        )
        async for record in consumer:
            got = dict(record.headers)
            if got.get("correlation-id") == correlation and got["event"] in TERMINAL:
                return json.loads(record.value)


if __name__ == "__main__":
    try:
        print(json.dumps(asyncio.run(ask(*sys.argv[1:]))))
    except TimeoutError:
        sys.exit("no answer in time")

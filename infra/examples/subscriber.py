"""Print deterministic answers as they come: `python subscriber.py HOST:PORT [PREFIX]`.

Needs aiokafka alone. What the teacher says lies on `completions` and is not read here.
"""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer


async def main(bootstrap: str, prefix: str = "") -> None:
    """Print utterance, family and answer of each record, from the first one on."""
    async with AIOKafkaConsumer(
        f"{prefix}matches",
        bootstrap_servers=bootstrap,
        group_id="example-subscriber",  # whoever has the same group shares the answers
        auto_offset_reset="earliest",
        isolation_level="read_committed",  # an aborted answer comes again: it is not read twice
    ) as consumer:
        async for record in consumer:
            if dict(record.headers)["event"] == b"AnswerGiven":
                given = json.loads(record.value)
                made_by = f"{given['family']}@{given['version']}"
                print(given["utterance_id"], made_by, json.dumps(given["answer"]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

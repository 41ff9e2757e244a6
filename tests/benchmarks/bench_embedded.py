"""What the embedded log costs: run `python -m tests.benchmarks.bench_embedded`."""

import asyncio
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

from streams.codec import encode
from streams.events import UtteranceAsked
from streams.transports import Outgoing
from streams.transports.embedded import EmbeddedLog
from streams.transports.embedded_remote import RemoteLog, WriterEnd

ROUNDS = 20_000


def asked(number: int) -> Outgoing:
    event = UtteranceAsked(
        utterance_id=f"u-{number}", session=f"s-{number % 97}", text=f"seconds in {number} minutes"
    )
    return encode(event, timestamp=number, headers=(("correlation-id", b"c-%d" % number),))


async def microseconds(rounds: int, step: Callable[[int], Awaitable[object]]) -> float:
    """Return the mean cost of `step`, in microseconds."""
    start = perf_counter()
    for number in range(rounds):
        await step(number)
    return (perf_counter() - start) / rounds * 1e6


async def in_memory(records: list[Outgoing]) -> None:
    for size in (1, 2, 3):
        log = EmbeddedLog.open(":memory:")
        await log.publish([records[0]])

        async def publish(number: int, log: EmbeddedLog = log, size: int = size) -> None:
            first = number * size % (len(records) - size)
            await log.publish(
                records[first : first + size], group="g", positions={"utterances": number + 1}
            )

        cost = await microseconds(ROUNDS, publish)
        print(f":memory: publish of {size} records and a position  {cost:7.2f} µs")
        await log.close()

    log = EmbeddedLog.open(":memory:")
    await log.publish(records)
    topics = ["utterances", "versions", "feedback"]
    end = len(records)

    async def poll_one(number: int) -> None:
        await log.poll("g", topics, 1)

    cost = await microseconds(ROUNDS, poll_one)
    print(f":memory: poll that finds 1 record                {cost:7.2f} µs")

    async def poll_many(number: int) -> None:
        await log.poll("g", topics, 1000)

    cost = await microseconds(50, poll_many) / 1000
    print(f":memory: poll that finds 1,000, per record       {cost:7.2f} µs")
    await log.publish([], group="g", positions={"utterances": end})
    cost = await microseconds(ROUNDS, poll_one)
    print(f":memory: poll of 3 topics with nothing new       {cost:7.2f} µs")
    await log.close()


async def on_file(records: list[Outgoing], directory: Path) -> None:
    log = EmbeddedLog.open(directory / "bench.db")

    async def publish(number: int) -> None:
        await log.publish([records[number]])

    cost = await microseconds(300, publish)
    print(f"file: durable publish of 1 record                {cost:7.0f} µs")
    for size in (100, 1000):
        start = perf_counter()
        for first in range(0, len(records), size):
            with log.batch():
                for record in records[first : first + size]:
                    await log.publish([record])
        rate = len(records) / (perf_counter() - start)
        print(f"file: publishes of 1 in batches of {size:5,}          {rate:7,.0f} records/s")
    start = perf_counter()
    for first in range(0, len(records), 1000):
        await log.publish(records[first : first + 1000])
    rate = len(records) / (perf_counter() - start)
    print(f"file: publishes of 1,000 records                 {rate:7,.0f} records/s")
    await log.close()


async def through_the_pipe(directory: Path) -> None:
    """Time what a process beside the writer publishes; it prints its rate itself."""
    path = directory / "pipe.db"
    log = EmbeddedLog.open(path)
    ours, theirs = socket.socketpair()
    with theirs:
        number = theirs.fileno()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.benchmarks.bench_embedded", path, str(number),
            pass_fds=(number,),
        )  # fmt: skip
    reader, writer = await asyncio.open_connection(sock=ours)
    nobody, nothing = frozenset[str](), lambda: None
    await WriterEnd(
        log,
        writer.transport,
        groups=nobody,
        topics=frozenset({"utterances"}),
        stored=nothing,
        ready=nothing,
    ).serve(reader)
    writer.close()
    await process.wait()
    await log.close()


async def beside(path: Path, descriptor: int) -> None:
    """Publish through the pipe: what `through_the_pipe` starts."""
    log = await RemoteLog.connect(path, socket.socket(fileno=descriptor))
    records = [asked(number) for number in range(ROUNDS)]

    async def publish(number: int) -> None:
        await log.publish([records[number]])

    cost = await microseconds(300, publish)
    print(f"pipe: durable publish of 1 record                {cost:7.0f} µs")
    start = perf_counter()
    for first in range(0, len(records), 1000):
        await log.publish(records[first : first + 1000])
    rate = len(records) / (perf_counter() - start)
    print(f"pipe: publishes of 1,000 records                 {rate:7,.0f} records/s")
    await log.close()


async def main() -> None:
    records = [asked(number) for number in range(ROUNDS)]
    await in_memory(records)
    with tempfile.TemporaryDirectory() as directory:
        await on_file(records, Path(directory))
        await through_the_pipe(Path(directory))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(beside(Path(sys.argv[1]), int(sys.argv[2])))
    else:
        asyncio.run(main())

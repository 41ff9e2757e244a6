"""What an utterance costs a matcher process: `python -m tests.benchmarks.bench_path`.

Decides a stream of half hits, half misses with 1,000 live families, and prints the µs of CPU per
utterance of each stage, with and without audits. `path` is what a matcher does with a batch:
decode, decide, encode, one utterance after the other, texts never seen before. The stages are then
timed apart on the same batch; `program` is what the hits' programs take when they run once more,
`lookup` and `events` are what is left of the calls around them. Every figure is the median over the
batches.
"""

import random
from collections.abc import Callable, Sequence
from itertools import islice
from statistics import median
from time import process_time_ns

from agents.matcher import State, decide, state_of
from artifacts.grammar.lexer import Tokens, lex
from artifacts.policy import policies_with
from artifacts.registry import Hit
from streams.codec import Undecodable, decode, encode, passthrough
from streams.events import AnswerGiven, Event, UtteranceAsked
from streams.transports import Outgoing, Record
from tests.benchmarks.path_stream import TENANT, families, registry_of, texts

WARM_UP = 20_000
BATCH = 64
BATCHES = 400
AUDIT_RATE = 0.03
STAGES = ("decode", "lex", "lookup", "program", "events", "encode")


def records(lines: Sequence[str]) -> list[Record]:
    """Return the records of utterances with these texts."""
    made: list[Record] = []
    for number, text in enumerate(lines):
        asked = UtteranceAsked(
            utterance_id=f"u-{number:06}",
            tenant=TENANT,
            session=f"s-{number % 997}",
            text=text,
            asked_at=1_790_000_000_000_000 + number,
        )
        out = encode(asked, timestamp=number, headers=(("correlation-id", b"c-%d" % number),))
        lying = (number, number, out.key, out.headers, out.value, out.timestamp)
        made.append(Record(out.topic, 0, *lying))
    return made


def timed(batch: int, step: Callable[[], object]) -> float:
    """Return the µs of CPU that `step` takes for each utterance of its batch."""
    started = process_time_ns()
    step()
    return (process_time_ns() - started) / 1000 / batch


def handled(state: State, batch: Sequence[Record]) -> list[Outgoing]:
    """Return what a matcher publishes for a batch."""
    made: list[Outgoing] = []
    for record in batch:
        event = decode(record)
        assert not isinstance(event, Undecodable)
        events = decide(state, event)[1]
        made.extend(encoded(record, events))
    return made


def encoded(cause: Record, events: Sequence[Event]) -> list[Outgoing]:
    headers = passthrough(cause.headers)
    return [encode(event, timestamp=7, headers=headers) for event in events]


def lexed(asked: Sequence[UtteranceAsked]) -> list[Tokens]:
    return [tokens for event in asked if isinstance(tokens := lex(event.text), Tokens)]


def stages(state: State, batch: Sequence[Record]) -> dict[str, float]:
    """Return the µs of each stage for a batch."""
    size, most = len(batch), state.policies.default.max_candidates
    spent = {"path": timed(size, lambda: handled(state, batch))}
    spent["decode"] = timed(size, lambda: [decode(record) for record in batch])
    asked = [event for record in batch if isinstance(event := decode(record), UtteranceAsked)]
    spent["lex"] = timed(size, lambda: [lex(event.text) for event in asked])
    tokens = [found for event in asked if isinstance(found := lex(event.text), Tokens)]
    lookup = state.registry.lookup
    whole = timed(size, lambda: [lookup(TENANT, each, max_candidates=most) for each in tokens])
    again = [lex(event.text) for event in asked]
    looked = [
        lookup(TENANT, each, max_candidates=most) for each in again if each.__class__ is Tokens
    ]
    runs = [
        (hit.found.entry.artifact.run, hit.found.reading.bindings)
        for hit in looked
        if isinstance(hit, Hit)
    ]
    spent["program"] = timed(size, lambda: [run(bindings) for run, bindings in runs])
    spent["lookup"] = whole - spent["program"]
    decided = timed(size, lambda: [decide(state, event) for event in asked])
    spent["events"] = decided - whole - spent["lex"]
    made = [decide(state, event)[1] for event in asked]
    pairs = list(zip(batch, made, strict=True))
    spent["encode"] = timed(size, lambda: [encoded(record, events) for record, events in pairs])
    return spent


def main() -> None:
    """Print the table."""
    rng = random.Random("path")
    made = families(rng)
    registry = registry_of(made)
    lines = texts(rng, made)
    print(f"{'audits':8}" + "".join(f"{name:>9}" for name in (*STAGES, "sum", "path")) + "  µs CPU")
    for name, rate in (("without", 0.0), ("with", AUDIT_RATE)):
        state = state_of(registry, policies_with(audit_rate=rate))
        handled(state, records(list(islice(lines, WARM_UP))))  # what is made once, on first use
        spent: list[dict[str, float]] = []
        for _ in range(BATCHES):
            spent.append(stages(state, records(list(islice(lines, BATCH)))))
        each = {stage: median(row[stage] for row in spent) for stage in (*STAGES, "path")}
        figures = [*(each[stage] for stage in STAGES), sum(each[s] for s in STAGES), each["path"]]
        print(f"{name:8}" + "".join(f"{figure:9.2f}" for figure in figures))
    asked = [UtteranceAsked(utterance_id="u", tenant=TENANT, text=t) for t in islice(lines, 4000)]
    hits = sum(isinstance(decide(state, event)[1][0], AnswerGiven) for event in asked)
    print(f"{registry.serving} live families, {BATCHES} batches of {BATCH}, ", end="")
    print(f"{100 * hits / len(asked):.0f} % hits")


if __name__ == "__main__":
    main()

"""How fast lookups are among many families: `python -m tests.benchmarks.bench_engine [K ...]`.

One table, one run: for each number of families, our engine and others on the same families and the
same utterances, every second a hit. Beside it, bench-engine.json. Each utterance is measured by its
best of several rounds; the quantiles are over utterances, so that other work on the machine is
mostly left out; *first* are utterances never seen before, once each, by engines that are warm. Load
and add times are CPU time. Lexing is not part of our lookups, nor normalizing of others'; spans,
and with ours typed values, are. Each size runs in a process of its own.
"""

import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from artifacts.grammar.lexer import Tokens, lex, normalize
from tests.benchmarks.bench_engine import own
from tests.benchmarks.bench_engine.families import Stock, families, stock, utterances
from tests.benchmarks.bench_engine.others import ENGINES

SIZES = (10, 100, 1_000, 10_000, 100_000)
UTTERANCES = 2_000
ADDED = 200
ROUNDS = 4
RESULT = Path("bench-engine.json")
Row = dict[str, Any]


def quantile(seconds: Sequence[float], share: float) -> float:
    """Return a quantile in µs."""
    ordered = sorted(seconds)
    return round(1e6 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


def timed(call: Callable[[Any], object], given: Sequence[Any], rounds: int) -> list[float]:
    """Return for each thing given the best seconds of several rounds; the first one warms up."""
    best = [float("inf")] * len(given)
    for number in range(rounds + 1):
        for index, one in enumerate(given):
            started = time.perf_counter()
            call(one)
            spent = time.perf_counter() - started
            if number:
                best[index] = min(best[index], spent)
    return best


def _row(name: str, hits: list[float], misses: list[float], **more: object) -> Row:
    return {
        "engine": name,
        "hit_p50": quantile(hits, 0.5),
        "miss_p50": quantile(misses, 0.5),
        "p50": quantile(hits + misses, 0.5),
        "p99": quantile(hits + misses, 0.99),
        **more,
    }


def measured(count: int) -> list[Row]:
    """Return the rows of one number of families."""
    made_of = stock(0)
    every = list(families(count + ADDED, 0, made_of))
    live, new = every[:count], every[count:]
    texts = utterances(UTTERANCES, live, 1, made_of)
    rows = _own(count, own.documents(live), own.documents(new), texts, live, made_of)
    for engine in ENGINES:
        if count > engine.most:
            continue
        gc.collect()
        before, started = own.memory(), time.process_time()
        match = engine.ready(live, made_of)
        load, held = time.process_time() - started, own.memory() - before
        some, rounds = texts, ROUNDS
        if "loop" in engine.name:
            some = texts[: max(40, 200_000 // count)]
        if engine.name == "hassil":
            some, rounds = texts[:200], 1
        best = timed(match, [normalize(text) for text, _ in some], rounds)
        hits = [spent for spent, (_, made) in zip(best, some, strict=True) if made is not None]
        misses = [spent for spent, (_, made) in zip(best, some, strict=True) if made is None]
        rows.append(
            _row(engine.name, hits, misses, families=count, load_s=round(load, 3),
                 mb=round(held, 1), returns=engine.returns)
        )  # fmt: skip
        del match
    return rows


def _own(
    count: int,
    live: list[str],
    new: list[str],
    texts: list[tuple[str, int | None]],
    made: Sequence[Any],
    made_of: Stock,
) -> list[Row]:
    registry, load, held = own.loaded(live)
    gc.collect()
    gc.freeze()
    lexed = [(tokens, one) for text, one in texts if isinstance(tokens := lex(text), Tokens)]
    rows: list[Row] = []
    for name, look in own.lookups(registry).items():
        best = timed(look, [tokens for tokens, _ in lexed], ROUNDS)
        hits = [spent for spent, (_, one) in zip(best, lexed, strict=True) if one is not None]
        misses = [spent for spent, (_, one) in zip(best, lexed, strict=True) if one is None]
        wrong = sum(
            type(look(tokens)).__name__ == "Miss" for tokens, one in lexed if one is not None
        )
        assert not wrong, f"{wrong} of {len(hits)} hits were missed"
        unseen = utterances(UTTERANCES, list(made), 2, made_of)
        fresh = [tokens for text, _ in unseen if isinstance(tokens := lex(text), Tokens)]
        first = []
        for tokens in fresh:
            started = time.perf_counter()
            look(tokens)
            first.append(time.perf_counter() - started)
        rows.append(
            _row(name, hits, misses, families=count, load_s=round(load, 3), mb=round(held, 1),
                 first_p50=quantile(first, 0.5), first_p99=quantile(first, 0.99),
                 returns="spans, values")
        )  # fmt: skip
    added = own.adding(registry, new)
    rows[0] |= {
        "add_ms_p50": round(quantile(added, 0.5) / 1e3, 2),
        "add_ms_p99": round(quantile(added, 0.99) / 1e3, 2),
        "mb_warm": round(own.memory(), 1),
    }
    return rows


def alone() -> Row:
    """Return what does not depend on the number of families: lexing, and the worst utterance."""
    text = "please book a table for four people at the corner"
    lexing = min(timed(lex, [text] * 2_000, 5))

    def once(call: Callable[[], object]) -> float:
        return min(timed(lambda _: call(), [0] * 5, 3))

    seconds, which = own.worst(once)
    return {
        "lex_ten_words_us": round(1e6 * lexing, 2),
        "worst_utterance_ms": round(1e3 * seconds, 2),
        "worst_utterance": which,
    }


COLUMNS = (
    ("engine", "engine", 19), ("families", "families", 9), ("hit_p50", "hit p50", 9),
    ("miss_p50", "miss p50", 9), ("p50", "p50 µs", 9), ("p99", "p99 µs", 10),
    ("first_p50", "first p50", 10), ("first_p99", "first p99", 10), ("load_s", "load s", 8),
    ("mb", "MB", 8), ("add_ms_p50", "add ms", 8), ("add_ms_p99", "add p99", 8),
    ("returns", "returns", 15),
)  # fmt: skip


def shown(row: Row | None) -> str:
    """Return a line of the table, or its head."""
    cells = []
    for name, title, width in COLUMNS:
        cell = title if row is None else row.get(name, "–")
        text = f"{cell:,.1f}" if isinstance(cell, float) and cell >= 10 else f"{cell}"
        cells.append(text.ljust(width) if width > 14 else text.rjust(width))
    return " ".join(cells)


def main(arguments: Sequence[str]) -> None:
    """Print the table and write the JSON beside it."""
    if arguments[:1] == ["--one"]:
        print(json.dumps(measured(int(arguments[1]))))
        return
    sizes = [int(argument) for argument in arguments] or SIZES
    facts = alone()
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    load = os.getloadavg()[0]
    print(f"{machine}, load {load:.1f} at the start")
    print(f"lexing ten words: {facts['lex_ten_words_us']} µs")
    print(f"worst utterance: {facts['worst_utterance_ms']} ms ({facts['worst_utterance']})")
    print(shown(None))
    rows: list[Row] = []
    for size in sizes:
        command = [sys.executable, "-m", "tests.benchmarks.bench_engine", "--one", str(size)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        for row in json.loads(done.stdout):
            rows.append(row)
            print(shown(row), flush=True)
    document = {"machine": machine, "load": load, **facts, "rows": rows}
    RESULT.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

"""What a row of the faults found, as a line of a table: on stdout, and in KAPPA_FAULTS_TABLE."""

import os
import time
from collections.abc import Iterable
from typing import Any

from tests.kafka.faults.ledger import Feed, Ledger, unfounded


def told(
    fault: str,
    where: str,
    times: int,
    feed: Feed,
    ledger: Ledger,
    began: float,
    versions: Iterable[dict[str, Any]] | None = None,
) -> None:
    """Print fault, where, times, utterances, lost, doubled, wrong, seconds.

    Wrong is an answer by a version that was not live at the revision that it names; `versions` are
    the change sets that count, where not all do. The line goes to the file that the environment
    names, too.
    """
    lost, doubled = len(ledger.lost(feed.asked)), len(ledger.doubled())
    counted = ledger.of("versions") if versions is None else versions
    wrong: int | str = "–"
    if "matches" in ledger.topics:
        wrong = len(unfounded(ledger.of("matches"), counted))
    line = (
        f"| {fault} | {where} | {times} | {len(feed.asked)} | {lost} | {doubled} | {wrong} "
        f"| {time.monotonic() - began:.0f} |"
    )
    print(line, flush=True)
    if path := os.environ.get("KAPPA_FAULTS_TABLE"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")

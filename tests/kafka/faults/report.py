"""What a row of the faults found, as a line of a table: on stdout, and in KAPPA_FAULTS_TABLE."""

import os
import time

from tests.kafka.faults.ledger import Feed, Ledger


def told(fault: str, where: str, times: int, feed: Feed, ledger: Ledger, began: float) -> None:
    """Print the row; add it to the file that the environment names."""
    lost, doubled = len(ledger.lost(feed.asked)), len(ledger.doubled())
    line = (
        f"| {fault} | {where} | {times} | {len(feed.asked)} | {lost} | {doubled} "
        f"| {time.monotonic() - began:.0f} |"
    )
    print(line)
    if path := os.environ.get("KAPPA_FAULTS_TABLE"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")

"""Coverage and risk on the development streams: `python -m tests.evaluation.streams [NAME …]`.

Simulates each stream in a process of its own, one after the other, with default settings, and
prints a Markdown table. The streams lie beside the repository; without them there is nothing to do.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

STREAMS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "streams"
DEFAULT = ("mixed", "logs", "math", "reasoning_gym", "oof")


def figures(name: str) -> dict[str, float]:
    """Return the report of one simulated stream."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        command = [sys.executable, "-m", "agents", "simulate", str(STREAMS / f"{name}.jsonl")]
        subprocess.run([*command, "--report", str(report)], check=True, stdout=subprocess.DEVNULL)
        document: dict[str, float] = json.loads(report.read_text(encoding="utf-8"))
        return document


def row(name: str, report: dict[str, float]) -> str:
    """Return one row of the table."""
    return (
        f"| {name} | {report['events']} | {100 * report['coverage']:.2f} % "
        f"| {100 * report['risk']:.2f} % ({report['wrong']}) "
        f"| {100 * report['slotless_coverage']:.2f} % | {100 * report['saving']:.1f} % "
        f"| {report['families']} | {report['learn_seconds']:.0f} "
        f"| {report['decide_us_p50']:.0f} / {report['decide_us_p99']:.0f} |"
    )


def main() -> None:
    """Print the table."""
    if not STREAMS.is_dir():
        print("the development streams are not beside this repository; nothing to evaluate")
        return
    print("| stream | rows | answered | wrong of answered | slotless share | saving | families "
          "| learning, s | deciding p50 / p99, µs |")  # fmt: skip
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name in sys.argv[1:] or DEFAULT:
        print(row(name, figures(name)), flush=True)


if __name__ == "__main__":
    main()

"""Coverage and risk on the development streams: `python -m tests.evaluation.streams [NAME …]`.

Prints a Markdown table of simulations with the given settings, and with `--sweep` one of the same
inducer over ceilings of risk, audit rates and feedback rates, by which the defaults were chosen.
`--json FILE` writes settings, seeds and reports. The streams lie beside the repository; without
them there is nothing to do.
"""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from tests.evaluation.runs import ABSENT, STREAMS, Run, names, results

DEFAULT = ("mixed", "logs", "math", "reasoning_gym", "oof")
SWEPT = ("logs", "math")
MAX_RISKS = (0.002, 0.005, 0.01, 0.02)
RATES = (0.0, 0.1, 1.0)

HEAD = """\
| stream | rows | answered | wrong of answered | certified risk | slotless share | saving | \
families | learning, s | deciding p50 / p99, µs |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""
SWEEP_HEAD = """\
| stream | max risk | audit rate | feedback rate | answered | wrong of answered | certified risk | \
saving |
|---|--:|--:|--:|--:|--:|--:|--:|"""


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def row(found: dict[str, Any]) -> str:
    """Return one row of the table."""
    report = found["report"]
    return (
        f"| {found['run']['stream']} | {report['events']} | {_share(report['coverage'])} "
        f"| {_share(report['risk'])} ({report['wrong']}) | {_share(report['certified_risk'])} "
        f"| {_share(report['slotless_coverage'])} | {_share(report['saving'])} "
        f"| {report['families']} | {report['learn_seconds']:.0f} "
        f"| {report['decide_us_p50']:.0f} / {report['decide_us_p99']:.0f} |"
    )


def sweep_row(found: dict[str, Any]) -> str:
    """Return one row of the sweep."""
    run, report = found["run"], found["report"]
    return (
        f"| {run['stream']} | {_share(run['max_risk'])} | {run['audit_rate']:g} "
        f"| {run['feedback_rate']:g} | {_share(report['coverage'])} "
        f"| {_share(report['risk'])} ({report['wrong']}) | {_share(report['certified_risk'])} "
        f"| {_share(report['saving'])} |"
    )


def swept(runs: Sequence[Run]) -> list[Run]:
    """Return the runs at every point of the sweep."""
    return [
        replace(run, max_risk=risk, audit_rate=audits, feedback_rate=feedback)
        for run in runs
        for risk, audits, feedback in product(MAX_RISKS, RATES, RATES)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("streams", nargs="*", help="names, or `all`")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--jobs", type=int, default=1, help="processes; figures of time want 1")
    parser.add_argument("--json", type=Path, metavar="FILE")
    for name in ("max_risk", "audit_rate", "feedback_rate", "teacher_noise", "feedback_noise"):
        default = getattr(Run(""), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    parser.add_argument("--seed", default=Run("").seed)
    given = vars(parser.parse_args(arguments))
    wanted, sweep, jobs, file = (given.pop(n) for n in ("streams", "sweep", "jobs", "json"))
    if not STREAMS.is_dir():
        print(ABSENT)
        return
    chosen = names() if wanted == ["all"] else wanted or (SWEPT if sweep else DEFAULT)
    runs = [Run(stream, **given) for stream in chosen]
    print(SWEEP_HEAD if sweep else HEAD)
    found = []
    for each in results(swept(runs) if sweep else runs, min(jobs, os.cpu_count() or 1)):
        found.append(each)
        print((sweep_row if sweep else row)(each), flush=True)
    if file is not None:
        file.write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()

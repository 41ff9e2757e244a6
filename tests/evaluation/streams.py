"""Coverage and risk on the development streams: `python -m tests.evaluation.streams [NAME …]`.

Prints a Markdown table of simulations with the given settings, and one of what caches would have
answered of the same rows, Kappa beside them. With `--sweep` instead a table of the same inducer
over ceilings of risk, audit rates and feedback rates, by which the defaults were chosen. Settings,
seeds, digests of code and streams, and all reports are written as JSON, the tables beside them.

What was made once is kept in .eval/ until code, settings or stream change; an evaluation that was
stopped goes on where it stopped. The streams lie beside the repository; without them there is
nothing to do.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from tests.evaluation import sentences, tables
from tests.evaluation.baselines import METHODS, THRESHOLDS, baselines
from tests.evaluation.runs import ABSENT, ROOT, STREAMS, Result, Run, code, content, names, results

DEFAULT = ("mixed", "logs", "math", "reasoning_gym", "oof")
SWEPT = ("logs", "math")
MAX_RISKS = (0.002, 0.005, 0.01, 0.02)
AUDIT_RATES = (0.0, 0.03, 0.1, 1.0)
FEEDBACK_RATES = (0.0, 0.1, 1.0)
SETTINGS = (*tables.SWEPT, "teacher_noise", "feedback_noise")
BUILD = ROOT / "build"


def swept(runs: Sequence[Run]) -> list[Run]:
    """Return the runs at every point of the sweep."""
    return [
        replace(run, max_risk=risk, audit_rate=audits, feedback_rate=feedback)
        for run in runs
        for risk, audits, feedback in product(MAX_RISKS, AUDIT_RATES, FEEDBACK_RATES)
    ]


class Page:
    """Lines that are printed as they come, and kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, *lines: str) -> None:
        """Print lines."""
        self.lines += lines
        print("\n".join(lines), flush=True)


def simulate(runs: Sequence[Run], jobs: int, page: Page) -> list[Result]:
    """Simulate; add a row for each stream."""
    page.add(*tables.HEAD)
    found: list[Result] = []
    for each in results(runs, jobs):
        found.append(each)
        group = tables.settled(found)[-1]
        if len(group) == len({run.seed for run in runs}):
            page.add(tables.simulated(group))
    return found


def cache(
    simulations: Sequence[Result], methods: Sequence[str], jobs: int, page: Page
) -> list[Result]:
    """Run baselines on the streams that were simulated; add the table with Kappa's own row."""
    page.add("", *tables.CACHES_HEAD)
    groups = tables.settled(simulations)
    able = [m for m in methods if m != "sentences" or sentences.is_there()]
    wanted = [
        made
        for group in groups
        for each in _seeds_that_matter(group)
        for made in baselines(
            [each["run"]["stream"]],
            able,
            teacher_noise=each["run"]["teacher_noise"],
            seed=each["run"]["seed"],
        )
    ]
    coming = results(wanted, jobs)
    found: list[Result] = []
    for group in groups:
        page.add(tables.beside_kappa(group))
        here = [next(coming) for _ in _seeds_that_matter(group) for _ in able]
        for method in methods:
            of_method = [each for each in here if each["run"]["method"] == method]
            page.add(*_lines(group[0]["run"]["stream"], method, of_method))
        found += here
    return found


def _seeds_that_matter(group: Sequence[Result]) -> Sequence[Result]:
    """Return one simulation where the teacher has no noise: a cache draws nothing itself."""
    return group if group[0]["run"]["teacher_noise"] else group[:1]


def _lines(stream: str, method: str, found: Sequence[Result]) -> Iterator[str]:
    if found:
        yield from tables.cached(found)
    else:
        yield tables.not_run(stream, method, sentences.MISSING)


def _told(runs: Sequence[Run], jobs: int) -> Iterator[Result]:
    """Yield the results; tell on stderr how far it is."""
    for number, found in enumerate(results(runs, jobs), 1):
        print(f"{number} of {len(runs)}: {found['run']['stream']}", file=sys.stderr, flush=True)
        yield found


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("streams", nargs="*", help="names, or `all`")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes; figures of time want 1"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="build/eval[-sweep].json")
    parser.add_argument(
        "--baselines", nargs="*", choices=METHODS, default=list(METHODS), metavar="METHOD",
        help=f"of {', '.join(METHODS)}; none without a name",
    )  # fmt: skip
    for name in SETTINGS:
        default = getattr(Run(""), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    parser.add_argument("--seeds", nargs="+", default=[Run("").seed], metavar="SEED")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables and write the results."""
    given = parsed(arguments)
    if not STREAMS.is_dir():
        print(ABSENT)
        return
    settings = {name: getattr(given, name) for name in SETTINGS}
    streams = names() if given.streams == ["all"] else given.streams
    streams = list(streams or (SWEPT if given.sweep else DEFAULT))
    runs = [Run(stream, **settings, seed=seed) for stream in streams for seed in given.seeds]
    page = Page()
    said = settings | (dict.fromkeys(tables.SWEPT, "swept") if given.sweep else {})
    page.add(
        f"{', '.join(f'{name} {value}' for name, value in said.items())}; "
        f"seeds {' '.join(given.seeds)}; {given.jobs} at a time; code {code()[:12]}",
        "",
    )
    cached: list[Result] = []
    if given.sweep:
        simulations = list(_told(swept(runs), given.jobs))
        page.add(*tables.swept(simulations))
    else:
        simulations = simulate(runs, given.jobs, page)
        if given.baselines:
            cached = cache(simulations, given.baselines, given.jobs, page)
    document: dict[str, Any] = {
        "settings": said,
        "seeds": given.seeds,
        "streams": {stream: content(stream) for stream in streams},
        "code": code(),
        "thresholds": THRESHOLDS,
        "simulations": simulations,
        "baselines": cached,
    }
    file = given.json or BUILD / ("eval-sweep.json" if given.sweep else "eval.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    file.with_suffix(".md").write_text("\n".join(page.lines) + "\n", "utf-8")
    print(f"\nwritten: {file} and {file.with_suffix('.md').name}")


if __name__ == "__main__":
    main()

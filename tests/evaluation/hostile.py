"""Teachers and sources that err or lie: `python -m tests.evaluation.hostile [STREAM …]`.

Each case is a simulation beside the undisturbed one of the same rows and draws:

- `teacher-noise .1`: a tenth of the teacher's answers is wrong.
- `feedback-noise .1`, `1`: the trusted source rejects so many of the right answers, too.
- `anybody rejects all`: a source that nobody trusts rejects every answer that is not audited.
- `one family rejected`: the trusted source rejects every right answer of the family that answers
  most in the undisturbed run.

What is promised of rejects, and what the table must show: no more wrong answers than `max_risk`
allows, and a family whose answer was rejected although it was right is **back within 0 events**: it
serves again when the next utterance is decided. *Back after* is the most events that any such
family took, of those rejects that were looked into and in which the teacher, too, said what was
served (a teacher that errs in its recall makes a disagreement, as anywhere). A rejected answer
costs at most a call of the teacher, and of a source that is not believed no more calls than the
policy's budget.

A result is a JSON file named by the digest of the case, the stream and the project's sources: what
was stopped goes on where it stopped. The streams lie beside the repository; without them there is
nothing to do.
"""

import argparse
import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from agents.judge import (
    FEEDBACK_SOURCE,
    Decision,
    FileJudge,
    Rejected,
    Silent,
    Verdict,
    with_teacher_noise,
)
from agents.logs import Row, read_rows
from agents.report import Tally
from agents.simulate import TENANT, Simulation, simulate
from artifacts.comparators import same
from artifacts.policy import DEFAULT, ONE_POLICY
from artifacts.stages import STAGES
from streams.transports.embedded import EmbeddedLog
from tests.evaluation.runs import ABSENT, RESULTS, ROOT, STREAMS

SEED, FEEDBACK_RATE = "0", 0.1
DEFAULT_STREAMS = ("logs", "math")
ANYBODY = "anybody"

Rejects = Callable[[Decision, bool], bool]
"""Whether a source rejects an answer, which is right or not."""


@dataclass(slots=True)
class Judging:
    """A log's judge, beside a source that rejects what that one is silent about."""

    judge: FileJudge
    source: str = FEEDBACK_SOURCE
    rejects: Rejects | None = None
    rejected: list[int] = field(default_factory=list)

    def verdict(self, decision: Decision) -> Verdict:
        """Return what is revealed after a decision; remember right answers that are rejected."""
        verdict = self.judge.verdict(decision)
        is_right = same(decision.answer, self.judge.rows[decision.index].right)
        if isinstance(verdict, Silent) and self.rejects is not None:
            verdict = Rejected(self.source) if self.rejects(decision, is_right) else verdict
        if isinstance(verdict, Rejected) and is_right:
            self.rejected.append(decision.index)
        return verdict

    def recall(self, decision: Decision) -> JsonValue:
        """Return the answer of a rejected row."""
        return self.judge.recall(decision)

    def no_recall(self, decision: Decision) -> None:
        """Do nothing: the log knows."""


@dataclass(slots=True)
class Outages:
    """How many events a family took to serve again after a right answer of it was rejected."""

    since: dict[str, int] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)

    def after(self, simulation: Simulation, index: int, rejected: str | None) -> None:
        """Look at the registry after a row; `rejected` is the family, where there is one."""
        if rejected is not None:
            self.since.setdefault(rejected, index)
        for family, first in list(self.since.items()):
            versions = simulation.registry.versions(TENANT, family)
            if any(STAGES[entry.stage].serves for entry in versions):
                self.lengths.append(index - first)
                del self.since[family]


@dataclass(frozen=True, slots=True)
class Case:
    """A disturbance; `family` is the one that it is about."""

    name: str
    teacher_noise: float = 0.0
    feedback_noise: float = 0.0
    source: str = FEEDBACK_SOURCE
    rejects: str = ""

    def judging(self, rows: Sequence[Row], family: str) -> Judging:
        """Return the judge of this case."""
        judge = FileJudge(rows, SEED, FEEDBACK_RATE, self.feedback_noise)
        by_name: dict[str, Rejects] = {"all": _all, "family": partial(_of_family, family)}
        return Judging(judge, self.source, by_name.get(self.rejects))


def _all(decision: Decision, is_right: bool) -> bool:
    return True


def _of_family(family: str, decision: Decision, is_right: bool) -> bool:
    return is_right and decision.family == family


UNDISTURBED = Case("undisturbed")
CASES = (
    Case("teacher-noise .1", teacher_noise=0.1),
    Case("feedback-noise .1", feedback_noise=0.1),
    Case("feedback-noise 1", feedback_noise=1.0),
    Case("anybody rejects all", source=ANYBODY, rejects="all"),
    Case("one family rejected", rejects="family"),
)


async def simulated(case: Case, rows: Sequence[Row], family: str = "") -> dict[str, Any]:
    """Return the figures of one case."""
    noisy = with_teacher_noise(rows, SEED, case.teacher_noise) if case.teacher_noise else rows
    judging, tally, outages = case.judging(noisy, family), Tally(DEFAULT.audit_rate), Outages()
    by_family: Counter[str] = Counter()
    simulation: Simulation | None = None
    log = EmbeddedLog.open(":memory:")
    with log.batch():
        async for asked, outcome, simulation in simulate(_rows(noisy), log, judging, ONE_POLICY):
            assert isinstance(asked, Row)
            tally.add(asked, outcome, simulation.registry)
            decision = outcome.decision
            is_rejected = bool(judging.rejected) and judging.rejected[-1] == decision.index
            if decision.family is not None:
                by_family[decision.family] += 1
            is_refuted = is_rejected and outcome.recalled and same(decision.answer, asked.answer)
            outages.after(simulation, decision.index, decision.family if is_refuted else None)
    await log.close()
    assert simulation is not None
    report = tally.report(simulation.registry)
    kept = ("events", "answered", "wrong", "coverage", "risk", "certified_risk", "teacher_calls")
    return {name: report[name] for name in kept} | {
        "recalled": tally.recalled,
        "rejected_though_right": len(judging.rejected),
        "back_after": max(outages.lengths, default=None),
        "not_back": len(outages.since),
        "most_answers": by_family.most_common(1),
        "answers_of_family": by_family[family],
    }


async def _rows(rows: Sequence[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row


def result(stream: str, case: Case, limit: int | None) -> dict[str, Any]:
    """Return the figures of a case on a stream; simulate where there are none yet."""
    file = STREAMS / f"{stream}.jsonl"
    family, count = "", 0
    if case.rejects == "family":
        ((family, count),) = result(stream, UNDISTURBED, limit)["figures"]["most_answers"]
    said = json.dumps([repr(case), family, limit, _code(), sha256(file.read_bytes()).hexdigest()])
    kept = RESULTS / f"hostile-{stream}-{sha256(said.encode()).hexdigest()[:16]}.json"
    if not kept.exists():
        rows = [row for row in read_rows(file) if isinstance(row, Row)][:limit]
        figures = asyncio.run(simulated(case, rows, family))
        made = {"stream": stream, "case": case.name, "seed": SEED, "limit": limit,
                "family": family, "answers_undisturbed": count, "figures": figures}  # fmt: skip
        RESULTS.mkdir(exist_ok=True)
        written = kept.with_suffix(f".{os.getpid()}.part")
        written.write_text(json.dumps(made, indent=1), "utf-8")
        written.rename(kept)
    found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
    return found


def _code() -> str:
    files = [*(ROOT / "artifacts").rglob("*.py"), *(ROOT / "streams").rglob("*.py")]
    files += [*(ROOT / "agents").rglob("*.py"), Path(__file__)]
    return sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()


HEAD = """\
| stream | case | answered | of undisturbed | wrong of answered | certified risk | teacher calls | \
recalls | rejected though right | back after | not back |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""


def row(found: dict[str, Any], undisturbed: dict[str, Any]) -> str:
    """Return one row of the table."""
    figures, answered = found["figures"], undisturbed["figures"]["answered"]
    ratio = figures["answered"] / answered if answered else 0.0
    case = found["case"]
    if found["family"]:
        case += f" ({figures['answers_of_family']} of its {found['answers_undisturbed']} answers)"
    back = figures["back_after"]
    return (
        f"| {found['stream']} | {case} | {100 * figures['coverage']:.2f} % | {100 * ratio:.1f} % "
        f"| {100 * figures['risk']:.2f} % ({figures['wrong']}) "
        f"| {100 * figures['certified_risk']:.2f} % | {figures['teacher_calls']} "
        f"| {figures['recalled']} | {figures['rejected_though_right']} "
        f"| {'–' if back is None else f'{back} events'} | {figures['not_back']} |"
    )


def results(streams: Sequence[str], limit: int | None, jobs: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the figures of all cases, stream by stream, the undisturbed one first."""
    with ProcessPoolExecutor(jobs) as pool:
        for stream in streams:
            first = pool.submit(result, stream, UNDISTURBED, limit).result()
            others = pool.map(partial(result, stream), CASES, [limit] * len(CASES))
            yield [first, *others]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("streams", nargs="*", default=DEFAULT_STREAMS)
    parser.add_argument("--limit", type=int, help="rows of each stream")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    if not STREAMS.is_dir():
        print(ABSENT)
        return
    print(HEAD)
    found = []
    for of_stream in results(given.streams, given.limit, given.jobs):
        print("\n".join(row(each, of_stream[0]) for each in of_stream), flush=True)
        found += of_stream
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()

"""Learning grammars: recall and false accepts, `python -m tests.evaluation.grammars [SOURCE …]`.

The tasks lie beside the repository; without them there is nothing to do. Every task is learned from
its first n examples and tested on the rest:

- families of utterances: `union.learn` from the first n accepted texts. "with guards", it also sees
  the task's list `rejected` (texts of other families, nearest and random); recall is over the other
  accepted texts and `test_accepted`, false accepts over `test_rejected` alone, none of which was
  seen. "positives alone", it sees no rejected text; false accepts are over both lists.
- strings of symbols or characters: `merged_machine` and `learn_characters` from the first n of
  `accepted` and of `rejected`; tested on the rest of both and on both test lists.

Deterministic: the same tasks give the same figures. Prints a summary, then a table per source with
a row per task; `--json FILE` writes the same as JSON.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from artifacts.learning.grammars.abstraction import learn_characters
from artifacts.learning.grammars.language import reads_text
from artifacts.learning.grammars.machine import merged_machine
from artifacts.learning.grammars.union import learn

TASKS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "grammar"
UTTERANCES = "utterance_families"
ALL = 10**6
COUNTS = {UTTERANCES: (5, 10)}
SYMBOL_COUNTS = (10, ALL)

Task = dict[str, Any]
Accepts = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Score:
    """What one task gave: shares of the texts that were not learned from, None without any."""

    source: str
    task: str
    learner: str
    n: int
    recall: float | None
    false_accepts: float | None
    accepted_tested: int
    rejected_tested: int
    wrong: int
    size: int
    """Phrasings of a grammar, states of a machine; 0 when nothing was learned."""
    violations: int
    """Learned texts that the result gets wrong; must be 0."""


def score(
    task: Task,
    names: tuple[str, str, int],
    learned: tuple[Accepts, int],
    seen: tuple[Sequence[str], Sequence[str]],
) -> Score:
    """Return the score of what was learned from the texts that were `seen`."""
    accepts, size = learned
    good = [*task["accepted"][len(seen[0]) :], *task["test_accepted"]]
    bad = [*task["rejected"][len(seen[1]) :], *task["test_rejected"]]
    wrong = sum(map(accepts, bad))
    return Score(
        names[0],
        task["id"],
        names[1],
        names[2],
        sum(map(accepts, good)) / len(good) if good else None,
        wrong / len(bad) if bad else None,
        len(good),
        len(bad),
        wrong,
        size,
        sum(map(accepts, seen[1])),
    )


def utterance_scores(task: Task, n: int) -> Iterator[Score]:
    """Yield the scores of a family of utterances, with guards and from positives alone."""
    accepted = task["accepted"][:n]
    for learner, rejected in (("with guards", task["rejected"]), ("positives alone", [])):
        learned = learn(accepted, rejected)

        def accepts(text: str, grammar: Any = learned.grammar) -> bool:
            return grammar is not None and reads_text(grammar, text)

        names = UTTERANCES, learner, n
        yield score(task, names, (accepts, len(learned.phrasings)), (accepted, rejected))


def symbol_scores(source: str, task: Task, n: int) -> Iterator[Score]:
    """Yield the scores of a task over symbols, or over characters where none are marked."""
    accepted, rejected = task["accepted"][:n], task["rejected"][:n]
    shown = min(n, len(accepted))
    if "tokens" in task:
        for method in ("edsm", "rpni"):
            good, bad = ([text.split() for text in texts] for texts in (accepted, rejected))
            machine = merged_machine(good, bad, method=method)  # type: ignore[arg-type]  # of the two

            def accepts(text: str, machine: Any = machine) -> bool:
                return machine is not None and machine.accepts(text.split())

            size = len(machine.moves) if machine else 0
            yield score(task, (source, method, shown), (accepts, size), (accepted, rejected))
        return
    made = learn_characters(accepted, rejected)

    def accepts_characters(text: str) -> bool:
        return made is not None and made.accepts(text)

    size = len(made.machine.moves) if made else 0
    names = source, "characters", shown
    yield score(task, names, (accepts_characters, size), (accepted, rejected))


def scores(source: str) -> Iterator[Score]:
    """Yield the scores of all tasks of a source, in the order of its file."""
    lines = (TASKS / f"{source}.jsonl").read_text(encoding="utf-8").splitlines()
    for n in COUNTS.get(source, SYMBOL_COUNTS):
        for task in map(json.loads, lines):
            if source == UTTERANCES:
                yield from utterance_scores(task, n)
            elif n == ALL or len(task["accepted"]) > n:
                found = symbol_scores(source, task, n)
                yield from (made if n < ALL else _of_all(made) for made in found)


def _of_all(made: Score) -> Score:
    return Score(**{**asdict(made), "n": 0})


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _mean(shares: Sequence[float | None]) -> float | None:
    told = [share for share in shares if share is not None]
    return fmean(told) if told else None


def summary(found: Sequence[Score]) -> list[str]:
    """Return the table of means, one row per source, learner and n."""
    lines = [
        "| source | learner | n | tasks | mean recall | false accepts | of all | violations |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for key in dict.fromkeys((s.source, s.learner, s.n) for s in found):
        here = [s for s in found if (s.source, s.learner, s.n) == key]
        wrong, tested = sum(s.wrong for s in here), sum(s.rejected_tested for s in here)
        lines.append(
            f"| {key[0]} | {key[1]} | {key[2] or 'all'} | {len(here)} "
            f"| {_percent(_mean([s.recall for s in here]))} "
            f"| {_percent(_mean([s.false_accepts for s in here]))} "
            f"| {wrong} of {tested} | {sum(s.violations for s in here)} |"
        )
    return lines


def table(found: Sequence[Score]) -> list[str]:
    """Return one row per task."""
    lines = [
        "| task | learner | n | recall | of | false accepts | of | phrasings or states |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {s.task.replace('|', '¦')} | {s.learner} | {s.n or 'all'} | {_percent(s.recall)} "
        f"| {s.accepted_tested} | {_percent(s.false_accepts)} | {s.rejected_tested} | {s.size} |"
        for s in found
    ]
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Evaluate the learning of grammars.")
    parser.add_argument("sources", nargs="*", help="names of task files; all without any")
    parser.add_argument("--json", type=Path, help="where to write the scores as JSON")
    given = parser.parse_args()
    if not TASKS.is_dir():
        print("the grammar tasks are not beside this repository; nothing to evaluate")
        return
    sources = given.sources or sorted(path.stem for path in TASKS.glob("*.jsonl"))
    found = {source: list(scores(source)) for source in sources}
    everything = [s for here in found.values() for s in here]
    print("\n".join(summary(everything)), flush=True)
    for source, here in found.items():
        print(f"\n## {source}\n")
        print("\n".join(table(here)))
    if given.json:
        document = {"summary": summary(everything), "tasks": [asdict(s) for s in everything]}
        given.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""What was never revealed is never used: the simulation protocol, held against changed logs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.judge import Audited, Decision, FileJudge, Rejected, Revealed, with_teacher_noise
from agents.logs import Row
from tests.agents.simulations import HELPDESK, Ran, answered, helpdesk, simulated

PREFIX = 650
JUNK: tuple[Any, ...] = ("junk", 0, {"action": "junk"}, None, [1, "junk"], "-17.5")
NOISY = (
    "--feedback-rate",
    1,
    "--teacher-noise",
    0.05,
    "--feedback-noise",
    0.1,
    "--audit-rate",
    0.2,
)


def options_text(options: Sequence[object]) -> list[str]:
    return [str(option) for option in options]


# --- nothing of a later row -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return simulated(tmp_path_factory.mktemp("noisy"), helpdesk(PREFIX), *NOISY)


def test_a_noisy_run_answers_audits_rejects_and_recalls(noisy: Ran) -> None:
    assert noisy.status == 0
    assert len(list(answered(noisy))) > 30
    assert sum(line["audited"] for line in noisy.decisions) > 5
    assert sum(line["recalled"] for line in noisy.decisions) > 3


@pytest.mark.parametrize("count", [250, 400, 600])
def test_later_rows_change_no_earlier_decision(noisy: Ran, tmp_path: Path, count: int) -> None:
    rows = helpdesk(PREFIX)
    others = [
        {
            "text": rows[-index]["text"] + " now",
            "answer": JUNK[index % len(JUNK)],
            "asked_at": index,
        }
        for index in range(1, 41)
    ]
    changed = simulated(tmp_path, rows[:count] + others, *NOISY)
    assert changed.lines[:count] == noisy.lines[:count]
    assert any(json.loads(line)["outcome"] == "answered" for line in noisy.lines[:count])
    assert changed.lines[count:] != noisy.lines[count : count + len(others)]


def test_a_shorter_log_is_a_prefix_of_a_longer_one(noisy: Ran, tmp_path: Path) -> None:
    shorter = simulated(tmp_path, helpdesk(PREFIX), *NOISY, "--limit", 300)
    assert shorter.lines == noisy.lines[:300]


# --- nothing that the protocol keeps back ---------------------------------------------------------


def test_answers_that_were_never_revealed_change_nothing(tmp_path: Path) -> None:
    rows = helpdesk(900)
    options = ("--feedback-rate", 0, "--audit-rate", 0.1)
    before = simulated(tmp_path / "before", rows, *options)
    hidden = [
        line["index"]
        for line in before.decisions
        if line["outcome"] == "answered" and not line["audited"]
    ]
    junk = [dict(row) for row in rows]
    for index in hidden:
        junk[index]["answer"] = JUNK[index % len(JUNK)]
    after = simulated(tmp_path / "after", junk, *options)
    assert after.lines == before.lines
    assert len(hidden) > 100
    assert sum(line["audited"] for line in before.decisions) > 5
    assert after.report["wrong"] > len(hidden) / 2


def test_truth_changes_nothing_but_the_score(tmp_path: Path) -> None:
    """Without feedback `truth` is for scoring alone, on every row."""
    rows = helpdesk(600)
    options = ("--feedback-rate", 0, "--audit-rate", 0.1)
    before = simulated(tmp_path / "before", rows, *options)
    after = simulated(tmp_path / "after", [row | {"truth": "junk"} for row in rows], *options)
    assert after.lines == before.lines
    assert before.report["wrong"] < after.report["wrong"] == after.report["answered"] > 50


def test_fields_beside_the_protocols_change_nothing(tmp_path: Path) -> None:
    rows = helpdesk(400)
    before = simulated(tmp_path / "before", rows, *NOISY)
    more = [
        row | {"family": "x", "rule": {"a": [1]}, "label": index} for index, row in enumerate(rows)
    ]
    after = simulated(tmp_path / "after", more, *NOISY)
    assert after.lines == before.lines
    assert list(answered(before))


# --- the same log and seed, the same bytes --------------------------------------------------------


@pytest.mark.slow
def test_hash_seeds_change_no_byte(noisy: Ran, tmp_path: Path) -> None:
    for hash_seed in ("1", "4242"):
        decisions = tmp_path / f"D{hash_seed}.jsonl"
        subprocess.run(
            [sys.executable, "-m", "agents", "simulate", str(HELPDESK), "--limit", str(PREFIX),
             "--decisions", str(decisions), *options_text(NOISY)],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            timeout=120,
        )  # fmt: skip
        assert decisions.read_bytes() == "".join(f"{line}\n" for line in noisy.lines).encode()


def test_another_seed_draws_otherwise(noisy: Ran, tmp_path: Path) -> None:
    other = simulated(tmp_path, helpdesk(400), *NOISY, "--seed", "another")
    assert [line["audited"] for line in other.decisions] != [
        line["audited"] for line in noisy.decisions[:400]
    ]


# --- lockstep -------------------------------------------------------------------------------------


@dataclass
class Lockstep:
    """The other end of a lockstep simulation."""

    process: subprocess.Popen[str]

    def say(self, document: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(document) + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def end(self) -> tuple[int, str, str]:
        """Close the input; return the exit status and what was still said."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@contextmanager
def lockstep(*options: object) -> Iterator[Lockstep]:
    command = [sys.executable, "-m", "agents", "simulate", "--lockstep", *options_text(options)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield Lockstep(process)
        finally:
            process.kill()


def judged(kappa: Lockstep, judge: FileJudge, index: int, row: Row) -> tuple[str, bool, bool]:
    """Put one row through the protocol; return the decision line, audited and recalled."""
    kappa.say({"text": row.text, "id": row.id, "asked_at": row.asked_at})
    line = kappa.hear()
    decision = Decision(**json.loads(line))
    assert decision.index == index
    match judge.verdict(decision):
        case Revealed(answer):
            kappa.say({"answer": answer})
        case Audited(answer):
            kappa.say({"audited": True, "answer": answer})
            return line, True, False
        case Rejected():
            kappa.say({"rejected": True})
            if json.loads(kappa.hear())["recall"]:
                kappa.say({"answer": judge.recall(decision)})
                return line, False, True
        case _:
            kappa.say({})
    return line, False, False


@pytest.mark.slow
def test_lockstep_and_file_decide_alike(noisy: Ran) -> None:
    rows = [Row(row["text"], row["answer"], row["id"], row["asked_at"]) for row in helpdesk(PREFIX)]
    judge = FileJudge(with_teacher_noise(rows, "0", 0.05), "0", 1.0, 0.1)
    with lockstep("--audit-rate", 0.2) as kappa:
        heard = [judged(kappa, judge, index, row) for index, row in enumerate(judge.rows)]
        assert kappa.end() == (0, "", "")
    fields = [
        json.dumps(json.loads(line) | {"audited": audited, "recalled": recalled})
        for line, audited, recalled in heard
    ]
    assert fields == noisy.lines
    assert all(set(json.loads(line)).isdisjoint({"audited", "recalled"}) for line, _, _ in heard)
    assert any(recalled for _, _, recalled in heard)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (['{"answer": 1}'], "'text' is missing"),
        (["[1]"], "not a JSON object"),
        (["{"], "not JSON"),
        (['{"text": "a"}'], "row 0: the input ended before the verdict"),
        (['{"text": "a"}', "{}"], "row 0: a verdict without the field 'answer'"),
        (['{"text": "a"}', '{"answer": NaN}'], "row 0: not JSON"),
        (['{"text": "a"}', '{"answer": 1e999}'], "row 0: value: not a finite number"),
    ],
)
def test_a_judge_that_breaks_the_protocol_is_told_so(said: list[str], problem: str) -> None:
    result = CliRunner().invoke(main, ["simulate", "--lockstep"], input="\n".join(said) + "\n")
    assert result.exit_code == 2
    assert problem in result.stderr
    assert not result.exception or isinstance(result.exception, SystemExit)

"""`kappa grammar`: every subcommand on files, with its exit status."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from agents.commands.grammar import grammar_group
from agents.commands.grammar_files import read_grammar
from artifacts.problems import Problem

FILES = {
    "hours": "in {n:integer} (minutes|hours)\n",
    "minutes": "# what is narrower\nin {n:integer} minutes\n",
    "decimals": "in {m:decimal} minutes\n",
    "words": "in {w:word} minutes\n",
    "two": "{x:phrase} {y:phrase}\n",
    "four": "{w:phrase} {x:phrase} {y:phrase} {z:phrase}",
    "never": "{x:word}{y:word}\n",
    "wide": "x " + "((a|b) ){0,16}" * 4 + "a" + " (a|b)" * 15,
    "other": "x " + "((a|b) ){0,16}" * 4 + "(a|c)" + " (a|b)" * 15,
    "bad": "open\n{x:word",
    "unknown": "open {x:nonsense}",
    "twice": "{x:word} {x:word}",
    "large": "(((a b ){16,16}){16,16}){16,16}",
    "form.json": '{"sequence": [{"literal": "in "}, {"slot": "n", "kind": "integer"}]}',
    "bad.json": '{"sequence": [\n{"literal": "in "},]}',
    "deep.json": "[" * 100_000,
    "wrong.json": '{"literal": 3}',
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "latin1").write_bytes("één\n".encode("latin-1"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["grammar", *arguments], input=given)


# arguments; exit status; what stdout is
SAID: dict[str, tuple[list[str], int, str]] = {
    "check": (["check", "hours", "minutes"], 0,
        "in {n:integer} (minutes|hours)\nin {n:integer} minutes\n"),
    "match": (["match", "hours", "In  5 hours"], 0, "'In  5 hours': n=5\n"),
    "match-none": (["match", "hours", "in 5 days"], 1, "'in 5 days': no reading\n"),
    "match-a-fraction": (["match", "decimals", "in 1.5 minutes"], 0, "'in 1.5 minutes': m='1.5'\n"),
    "match-too-many": (["match", "four", "a b c d e f g h"], 3,
        "'a b c d e f g h': too many readings\n"),
    "union": (["union", "minutes", "words"], 0, "in {n:integer} minutes|in {w:word} minutes\n"),
    "concatenation": (["concatenation", "--blank", "minutes", "words"], 0,
        "in {n:integer} minutes in {w:word} minutes\n"),
    "intersection": (["intersection", "hours", "decimals"], 0,
        "(in {n:integer} (minutes|hours)){only in {m:decimal} minutes}\n"),
    "difference": (["difference", "hours", "minutes"], 0,
        "(in {n:integer} (minutes|hours)){except in {n:integer} minutes}\n"),
    "complement": (["complement", "minutes", "--within", "hours"], 0,
        "(in {n:integer} (minutes|hours)){except in {n:integer} minutes}\n"),
    "complement-of-all": (["complement", "minutes"], 0,
        "-\n7\nalpha\nin\nminutes\n~\n--\n-7\n-alpha\n-in\n"),
    "empty": (["empty", "never"], 0, "empty\n"),
    "empty-together": (["empty", "minutes", "words"], 0, "empty\n"),
    "not-empty": (["empty", "hours", "--without", "minutes"], 1, "not empty: in 7 hours\n"),
    "included": (["included", "minutes", "decimals"], 0, "included\n"),
    "not-included": (["included", "hours", "decimals"], 1, "only in hours: in 7 hours\n"),
    "undecided": (["included", "wide", "other", "--max-states", "500"], 3,
        "undecided: more than 500 states would have to be looked at\n"),
    "equivalent": (["equivalent", "minutes", "minutes"], 0, "equivalent\n"),
    "not-equivalent": (["equivalent", "minutes", "hours"], 1, "only in one: in 7 hours\n"),
    "ambiguous": (["ambiguous", "two"], 1, "ambiguous: 7 7 7\n"),
    "not-ambiguous": (["ambiguous", "hours"], 0, "not ambiguous\n"),
    "ambiguous-between": (["ambiguous", "hours", "decimals"], 1, "ambiguous: in 7 minutes\n"),
    "witness": (["witness", "hours", "decimals"], 0, "in 7 minutes\n"),
    "no-witness": (["witness", "never"], 1, ""),
    "enumerate": (["enumerate", "hours"], 0,
        "in 7 hours\nin 7 minutes\nin -7 hours\nin -7 minutes\n"),
    "enumerate-two": (["enumerate", "hours", "--limit", "2"], 0, "in 7 hours\nin 7 minutes\n"),
    "count": (["count", "hours", "--max-tokens", "6"], 0,
        "1: 0\n2: 0\n3: 0\n4: 0\n5: 2\n6: 2\ntotal: 4\n"),
    "count-of-tokens": (
        ["count", "words", "--max-tokens", "5", "--tokens", "in a b minutes"], 0,
        "1: 0\n2: 0\n3: 0\n4: 0\n5: 4\ntotal: 4\n"),
    "count-undecided": (["count", "wide", "--max-tokens", "90", "--max-states", "50"], 3, ""),
    "json-form": (["check", "form.json"], 0, "in {n:integer}\n"),
    "bad": (["empty", "bad"], 2, ""),
    "missing": (["empty", "nowhere"], 2, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_said(files: Path, name: str) -> None:
    arguments, status, output = SAID[name]
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (status, output), result.stderr


# file; what stderr says, with the place
REFUSED = {
    "bad": "bad: grammar-syntax at line 2, column 8: expected '}'",
    "unknown": "unknown: unknown-kind at line 1, column 9: 'nonsense' is not one of",
    "twice": "twice: slot-conflict at the grammar: slot 'x' has two kinds, or two values",
    "large": "large: grammar-too-large at the grammar: the grammar needs 16384 positions; the",
    "bad.json": "bad.json: not-json at line 2, column 20: ",
    "deep.json": "deep.json: not-json at the document: ",
    "wrong.json": "wrong.json: bad-document at grammar",
    "latin1": "latin1: bad-document at line 1, byte 1: expected UTF-8",
    "nowhere": "nowhere: bad-document at the file: No such file or directory",
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("command", ["check", "empty", "match"])
def test_refused(files: Path, command: str, name: str) -> None:
    result = run(command, name, *(["x"] if command == "match" else []))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"kappa: {REFUSED[name]}"), result.stderr
    assert "Traceback" not in result.output


def shown(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def test_json(files: Path) -> None:
    assert shown("included", "hours", "decimals") == {
        "verdict": "fails",
        "witness": "in 7 hours",
        "is_shortest": True,
    }
    assert shown("empty", "never") == {"verdict": "holds"}
    assert shown("witness", "never") == {"witness": None}
    undecided = shown("equivalent", "wide", "other", "--max-states", "100")
    assert undecided["verdict"] == "undecided"
    assert shown("match", "hours", "in 5 hours")[0]["readings"] == [
        {"n": {"kind": "integer", "span": [3, 4], "spelling": "5", "value": 5}}
    ]
    assert shown("enumerate", "hours", "--limit", "9")["is_complete"] is True
    assert shown("count", "hours")["total"] == {"at_least": 4, "at_most": 4}
    assert shown("difference", "hours", "minutes").keys() == {"of", "except"}
    good, bad = shown("check", "hours", "bad")
    assert (good["problem"], good["slots"]) == (None, [{"name": "n", "kind": "integer"}])
    assert bad["problem"]["place"] == "line 2, column 8"


def test_what_is_printed_is_read_again(files: Path) -> None:
    for arguments in (["difference", "hours", "minutes"], ["union", "minutes", "words"]):
        for option, name in (((), "made"), (("--json",), "made.json")):
            (files / name).write_text(run(*arguments, *option).stdout, encoding="utf-8")
        assert run("equivalent", "made", "made.json").exit_code == 0
    piped = run("included", "-", "hours", given=run("difference", "hours", "minutes").stdout)
    assert piped.stdout == "included\n"


def test_a_seed_gives_the_same_texts(files: Path) -> None:
    first = run("sample", "hours", "--number", "8", "--seed", "a")
    assert first.exit_code == 0
    assert first.stdout == run("sample", "hours", "--number", "8", "--seed", "a").stdout
    assert first.stdout != run("sample", "hours", "--number", "8", "--seed", "b").stdout
    assert run("match", "hours", *first.stdout.splitlines()).exit_code == 0
    assert run("sample", "never").exit_code == 1


def test_every_subcommand_has_help_with_an_example() -> None:
    names = {
        "check", "match", "union", "concatenation", "intersection", "difference", "complement",
        "empty", "included", "equivalent", "witness", "enumerate", "sample", "count", "ambiguous",
        "import", "learn", "narrow",
    }  # fmt: skip
    assert set(grammar_group.commands) == names
    for name in names:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert f"Example: kappa grammar {name} " in result.stdout
        assert "--json" in result.stdout


def test_a_directory_is_no_grammar(tmp_path: Path) -> None:
    assert isinstance(read_grammar(str(tmp_path)), Problem)


DISHES = {3: "pizza", 12: "lasagne", 7: "ravioli"}
ORDERS = [f"please order {n} {dish} from the kitchen" for n, dish in DISHES.items()]
OTHERS = [f"please order {n} {what} from the kitchen" for n, what in {4: "it", 9: "that"}.items()]


def texts(path: Path, lines: list[str]) -> str:
    path.write_text("\n".join(lines) + "\n\n", "utf-8")
    return str(path)


def test_a_grammar_is_learned_and_narrowed(tmp_path: Path) -> None:
    yes, no = texts(tmp_path / "yes", ORDERS), texts(tmp_path / "no", OTHERS)
    learned = run("learn", yes)
    assert (learned.exit_code, learned.stdout.strip()) == (
        0,
        "please order {s1:integer} {s2:word} from the kitchen",
    )
    grammar = tmp_path / "order.txt"
    grammar.write_text(learned.stdout, "utf-8")
    narrowed = run("narrow", str(grammar), "--accepted", yes, "--rejected", no)
    assert narrowed.exit_code == 0
    first = narrowed.stdout.partition("\n")[2].partition("\n")[0]
    narrow = tmp_path / "narrow.txt"
    narrow.write_text(first, "utf-8")
    for text in (*ORDERS, *OTHERS):
        assert run("match", str(narrow), text).exit_code == (0 if text in ORDERS else 1)
    rows = json.loads(run("narrow", str(grammar), "--accepted", yes, "--rejected", no,
                          "--json").stdout)  # fmt: skip
    assert [row["lists_single_texts"] for row in rows].count(True) >= 1
    assert rows[0]["share_taken"] < 0.01


@pytest.mark.parametrize(
    ("accepted", "rejected", "status", "said"),
    [
        (["a b c"], ["a b c"], 1, "no change keeps all accepted texts"),
        (["one thing"], ["x"], 1, "no change keeps all accepted texts"),
        (["x"] * 1001, ["y"], 2, "1001 texts; the limit is 1000"),
    ],
)
def test_what_cannot_be_narrowed(
    tmp_path: Path, accepted: list[str], rejected: list[str], status: int, said: str
) -> None:
    grammar = texts(tmp_path / "g.txt", ["a b {x:word}"])
    yes, no = texts(tmp_path / "yes", accepted), texts(tmp_path / "no", rejected)
    result = run("narrow", grammar, "--accepted", yes, "--rejected", no)
    assert (result.exit_code, said in result.stderr) == (status, True)


def test_texts_without_anything_in_common_teach_nothing(tmp_path: Path) -> None:
    result = run("learn", texts(tmp_path / "yes", ["7", "%"]))
    assert (result.exit_code, "says enough" in result.stderr) == (1, True)


@pytest.mark.slow
def test_the_real_command(files: Path) -> None:
    def kappa(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agents", "grammar", *arguments]
        root = str(Path(__file__).parents[2])
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False,
            env={"PYTHONPATH": root, "PYTHONUTF8": "1"},
        )  # fmt: skip

    yes = kappa("included", "minutes", "hours")
    assert (yes.returncode, yes.stdout, yes.stderr) == (0, "included\n", "")
    bad = kappa("check", "bad")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "line 2, column 8" in bad.stderr

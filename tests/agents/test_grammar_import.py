"""`kappa grammar import`: grammars on standard output, notes and problems on standard error."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.commands.grammar_import import import_command
from artifacts.grammar.syntax import Literal
from artifacts.grammar.textform import parse_grammar

HASSIL = "intents: {Go: {data: [{sentences: ['go [now]'], requires_context: {a: b}}]}}\n"


def run(path: Path, text: str | bytes, *options: str) -> Result:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return CliRunner().invoke(import_command, [str(path), *options])


def test_the_text_form_is_printed_for_each_format(tmp_path: Path) -> None:
    found = run(tmp_path / "a.agr", "<Go> = go (now)?;")
    assert (found.exit_code, found.stdout) == (0, "# Go\ngo [now]\n\n")
    assert "note: " in found.stderr
    found = run(tmp_path / "a.yaml", HASSIL, "--any-context")
    assert (found.exit_code, found.stdout) == (0, "# Go\ngo [now]\n\n")
    found = run(tmp_path / "a.txt", "go( now)?", "--ignore-case", "--name", "pattern-1")
    assert (found.exit_code, found.stdout) == (0, "# pattern-1\ngo[ now]\n\n")
    assert parse_grammar("# a comment\ngo") == Literal(("go",))


@pytest.mark.parametrize(
    ("name", "text", "options", "said"),
    [
        ("a.agr", "<Go> = go", ("--format", "hassil"), "line 1, column 1"),
        ("a.yaml", HASSIL, (), "'requires_context' is a condition"),
        ("a.txt", "(?i)go.*\n(?i)a\\b", (), "line 2, column 6"),
        ("a.txt", "go", (), "fold case"),
        ("a.txt", "7", ("--name", "x"), "has no grammar 'x'; it has pattern-1"),
        ("a.txt", b"\xff", (), "not UTF-8"),
    ],
)
def test_problems_are_said_and_end_with_2(
    tmp_path: Path, name: str, text: str | bytes, options: tuple[str, ...], said: str
) -> None:
    found = run(tmp_path / name, text, *options)
    assert found.exit_code == 2
    assert said in found.stderr and not found.stdout

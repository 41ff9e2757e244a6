"""`kappa grammar learn` and `narrow`: grammars from texts, and changes that leave texts out."""

from pathlib import Path

import click

from agents.commands.grammar_questions import loaded
from agents.commands.shared import BAD_INPUT, NO, fail, json_option, print_json
from artifacts.grammar.jsonform import grammar_to_json
from artifacts.grammar.textform import print_grammar
from artifacts.learning.grammars.narrowing import narrowings
from artifacts.learning.grammars.union import learn

MAX_TEXTS = 1000
"""Texts of a file; alignment compares them in pairs."""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _texts(file: Path | None) -> list[str]:
    """Return the lines of a file that are not blank."""
    if file is None:
        return []
    try:
        texts = [line for line in file.read_text("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        fail(f"{file} is not UTF-8: {error.reason} at byte {error.start}", BAD_INPUT)
    if len(texts) > MAX_TEXTS:
        fail(f"{file}: {len(texts)} texts; the limit is {MAX_TEXTS}", BAD_INPUT)
    return texts


@click.command("learn", epilog="Example: kappa grammar learn accepted.txt --rejected others.txt")
@click.argument("file", type=_FILE)
@click.option("--rejected", type=_FILE, help="Texts that the grammar must not read, a line each.")
@json_option
def learn_grammar(file: Path, rejected: Path | None, as_json: bool) -> None:
    """Print a grammar that reads the texts in FILE, a line each.

    Texts that fit no phrasing that says enough are left out and told on standard error; exit
    status 1 when all are.
    """
    accepted = _texts(file)
    found = learn(accepted, _texts(rejected))
    for index in found.left_out:
        click.echo(f"left out: {accepted[index]}", err=True)
    if found.grammar is None:
        fail(f"{file}: no phrasing says enough of its texts", NO)
    if as_json:
        print_json({"grammar": grammar_to_json(found.grammar), "left_out": list(found.left_out)})
    else:
        click.echo(print_grammar(found.grammar))


@click.command(
    "narrow", epilog="Example: kappa grammar narrow order.txt --accepted yes.txt --rejected no.txt"
)
@click.argument("file")
@click.option("--accepted", type=_FILE, required=True, help="Texts to keep, a line each.")
@click.option("--rejected", type=_FILE, required=True, help="Texts to leave out, a line each.")
@json_option
def narrow_grammar(file: str, accepted: Path, rejected: Path, as_json: bool) -> None:
    """List changes of the grammar in FILE that keep some texts and leave others out, best first.

    Each was proven: a second matcher has read the kept texts and none of the others. Exit status 1
    when there is none: a text is on both sides, or a kept one is not read.
    """
    found = narrowings(loaded(file), _texts(accepted), _texts(rejected))
    if not found:
        fail(f"{file}: no change keeps all accepted texts and leaves out all rejected ones", NO)
    if as_json:
        print_json(
            [
                {
                    "grammar": grammar_to_json(one.value),
                    "changes": list(one.changes),
                    "share_taken": one.share,
                    "bits": round(one.bits, 2),
                    "lists_single_texts": one.is_finite,
                }
                for one in found
            ]
        )
        return
    for one in found:
        share = "an unknown share" if one.share is None else f"{100 * one.share:.3g} %"
        changes = "; ".join(one.changes) or "nothing to change"
        click.echo(f"# {changes} (takes away {share}, {one.bits:.0f} bits)")
        click.echo(f"{print_grammar(one.value)}\n")

"""`kappa grammar import`: grammars of other tools in our text form, or why there are none."""

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from agents.commands.shared import BAD_INPUT, fail, json_option, print_json
from artifacts.grammar.imports.agr import import_agr
from artifacts.grammar.imports.hassil import import_hassil
from artifacts.grammar.imports.regexp import import_patterns
from artifacts.grammar.imports.report import Imported
from artifacts.grammar.imports.yamltree import MissingExtra
from artifacts.grammar.jsonform import grammar_to_json
from artifacts.grammar.textform import print_grammar
from artifacts.problems import Problem

_Importer = Callable[[str, bool, bool], Imported | tuple[Problem, ...]]


def _hassil(text: str, any_context: bool, _: bool) -> Imported | tuple[Problem, ...]:
    return import_hassil(text, any_context=any_context)


def _agr(text: str, _: bool, __: bool) -> Imported | tuple[Problem, ...]:
    return import_agr(text)


def _regex(text: str, _: bool, ignore_case: bool) -> Imported | tuple[Problem, ...]:
    return import_patterns(text, ignore_case=ignore_case)


_FORMATS: Mapping[str, _Importer] = {"hassil": _hassil, "agr": _agr, "regex": _regex}
_BY_SUFFIX = {".yaml": "hassil", ".yml": "hassil", ".agr": "agr"}


@click.command("import", epilog="Example: kappa grammar import lights.yaml")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(sorted(_FORMATS)),
    help="What FILE is; by default by its suffix: .yaml, .yml, .agr, else regex.",
)  # fmt: skip
@click.option("--name", help="Print the grammar of this name alone.")
@click.option("--any-context", is_flag=True, help="Take hassil sentences whatever their context.")
@click.option("--ignore-case", is_flag=True, help="Take regular expressions as ignoring case.")
@json_option
def import_command(
    file: Path,
    form: str | None,
    name: str | None,
    any_context: bool,
    ignore_case: bool,
    as_json: bool,
) -> None:
    """Print the grammars of FILE in text form; notes and problems go to standard error."""
    read = _FORMATS[form or _BY_SUFFIX.get(file.suffix, "regex")]
    try:
        found = read(file.read_bytes().decode("utf-8"), any_context, ignore_case)
    except UnicodeDecodeError as error:
        fail(f"{file} is not UTF-8: {error.reason} at byte {error.start}", BAD_INPUT)
    except MissingExtra as error:
        fail(str(error), BAD_INPUT)
    if not isinstance(found, Imported):
        fail("\n".join(f"{file}: {problem}" for problem in found), BAD_INPUT)
    for note in found.notes:
        click.echo(f"note: {file}: {note}", err=True)
    if name is not None and name not in found.grammars:
        fail(f"{file} has no grammar {name!r}; it has {', '.join(found.grammars)}", BAD_INPUT)
    chosen = {key: it for key, it in found.grammars.items() if name in (None, key)}
    if as_json:
        print_json({key: grammar_to_json(grammar) for key, grammar in chosen.items()})
        return
    for key, grammar in chosen.items():
        click.echo(f"# {key}\n{print_grammar(grammar)}\n")

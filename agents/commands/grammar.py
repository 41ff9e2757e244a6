"""`kappa grammar`: the algebra on grammar files."""

from fractions import Fraction
from typing import Any

import click

from agents.commands.grammar_files import read_grammar
from agents.commands.grammar_import import import_command
from agents.commands.grammar_learning import learn_grammar, narrow_grammar
from agents.commands.grammar_questions import (
    QUESTIONS,
    SHOWN,
    budget_option,
    loaded,
    one_file,
    print_listing,
    several_files,
)
from agents.commands.shared import BAD_INPUT, NO, UNDECIDED, fail, json_option, print_json
from artifacts.artifact import check_grammar
from artifacts.grammar.algebra import trees
from artifacts.grammar.algebra.expressions import (
    Complement,
    expression,
)
from artifacts.grammar.algebra.listing import (
    enumerate_texts,
)
from artifacts.grammar.jsonform import grammar_to_json
from artifacts.grammar.lexer import lex
from artifacts.grammar.nfa import TooManyReadings
from artifacts.grammar.restricted import compile_grammar, read
from artifacts.grammar.syntax import Grammar, slots
from artifacts.grammar.textform import print_grammar
from artifacts.problems import Problem
from artifacts.values import show_number


@click.group("grammar")
def grammar_group() -> None:
    """Check, combine and compare grammars in files.

    A file has the text form or, if its name ends in .json, the JSON form; - is the standard input.
    Exit status: 0 done or yes, 1 no, 2 bad input, 3 undecided.
    """


for _command in (import_command, learn_grammar, narrow_grammar):
    grammar_group.add_command(_command)


@grammar_group.command("check", epilog="Example: kappa grammar check order.txt")
@several_files
@json_option
def grammar_check(files: tuple[str, ...], as_json: bool) -> None:
    """Say what is wrong with grammars, all of them; print the canonical text form of good ones.

    A note says why a good one may not serve as the grammar of a family by itself.
    """
    rows: list[dict[str, Any]] = []
    for path in files:
        found = read_grammar(path)
        if isinstance(found, Problem):
            rows.append({"file": path, "problem": _problem(found), "text": None, "slots": []})
            if not as_json:
                click.echo(f"kappa: {path}: {found}", err=True)
            continue
        faults = check_grammar(found, path)
        notes = [_problem(fault) for fault in faults] if isinstance(faults, tuple) else []
        shown = [{"name": slot.name, "kind": slot.kind} for slot in slots(found)]
        text = print_grammar(found)
        rows.append({"file": path, "problem": None, "text": text, "slots": shown, "notes": notes})
        if not as_json:
            click.echo(text)
            for note in notes:
                click.echo(f"kappa: {path}: note: {note['code']}: {note['message']}", err=True)
    if as_json:
        print_json(rows)
    if any(row["problem"] for row in rows):
        raise SystemExit(BAD_INPUT)


def _problem(problem: Problem) -> dict[str, str]:
    return {"code": problem.code, "place": problem.place, "message": problem.message}


@grammar_group.command("match", epilog="Example: kappa grammar match order.txt 'two teas'")
@one_file
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@json_option
def grammar_match(file: str, texts: tuple[str, ...], as_json: bool) -> None:
    """Print every reading of each TEXT, with its slots; exit status 1 if one has none.

    Exit status 3 where a text has too many readings to list.
    """
    reader = compile_grammar(loaded(file))
    rows: list[dict[str, Any]] = []
    for text in texts:
        tokens = lex(text)
        if isinstance(tokens, str):
            found: Any = ()
            why: str | None = tokens
        else:
            found = read(reader, tokens)
            why = "too many readings" if isinstance(found, TooManyReadings) else None
        readings = None if isinstance(found, TooManyReadings) else [_reading(b) for b in found]
        rows.append({"text": text, "readings": readings, "why": why})
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            _print_readings(row)
    if any(row["readings"] is None for row in rows):
        raise SystemExit(UNDECIDED)
    if not all(row["readings"] for row in rows):
        raise SystemExit(NO)


def _reading(bindings: Any) -> dict[str, Any]:
    return {
        name: {
            "kind": bound.kind,
            "span": [bound.start, bound.end],
            "spelling": bound.spelling,
            "value": _plain(bound.value),
        }
        for name, bound in bindings.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return show_number(value) if isinstance(value, Fraction) else value


def _print_readings(row: dict[str, Any]) -> None:
    if not row["readings"]:
        click.echo(f"{row['text']!r}: {row['why'] or 'no reading'}")
        return
    for reading in row["readings"]:
        shown = ", ".join(f"{name}={bound['value']!r}" for name, bound in reading.items())
        click.echo(f"{row['text']!r}: {shown or 'read'}")


def _print_grammar(found: Grammar | Problem, as_json: bool) -> None:
    if isinstance(found, Problem):
        fail(str(found), BAD_INPUT)
    if as_json:
        print_json(grammar_to_json(found))  # type: ignore[arg-type]  # an object, always
    else:
        click.echo(print_grammar(found))


@grammar_group.command("union", epilog="Example: kappa grammar union open.txt shut.txt")
@several_files
@json_option
def grammar_union(files: tuple[str, ...], as_json: bool) -> None:
    """Print the grammar of all texts of FILES."""
    _print_grammar(trees.union(*map(loaded, files)), as_json)


@grammar_group.command(
    "concatenation", epilog="Example: kappa grammar concatenation verb.txt object.txt"
)
@several_files
@click.option("--blank", is_flag=True, help="Put a blank between the texts.")
@json_option
def grammar_concatenation(files: tuple[str, ...], blank: bool, as_json: bool) -> None:
    """Print the grammar of one text of each of FILES after the other."""
    _print_grammar(trees.concatenation(*map(loaded, files), blank=blank), as_json)


@grammar_group.command("intersection", epilog="Example: kappa grammar intersection a.txt b.txt")
@several_files
@json_option
def grammar_intersection(files: tuple[str, ...], as_json: bool) -> None:
    """Print the grammar of the texts that all FILES read, with the slots of the first."""
    _print_grammar(trees.intersection(*map(loaded, files)), as_json)


@grammar_group.command("difference", epilog="Example: kappa grammar difference all.txt some.txt")
@several_files
@json_option
def grammar_difference(files: tuple[str, ...], as_json: bool) -> None:
    """Print the grammar of the texts of the first of FILES that no other reads, with its slots."""
    _print_grammar(trees.difference(*map(loaded, files)), as_json)


@grammar_group.command(
    "complement", epilog="Example: kappa grammar complement some.txt --within all.txt"
)
@one_file
@click.option("--within", metavar="FILE", help="The grammar that bounds it.")
@budget_option
@json_option
def grammar_complement(file: str, within: str | None, max_states: int, as_json: bool) -> None:
    """Print the grammar of the texts of --within that FILE does not read, with its slots.

    Without bounds no grammar can say it, as it would claim every other text: the shortest texts
    that FILE does not read are listed instead.
    """
    inside = loaded(file)
    if within is not None:
        _print_grammar(trees.difference(loaded(within), inside), as_json)
        return
    listing = enumerate_texts(Complement(expression(inside)), SHOWN, max_states=max_states)
    if not as_json:
        click.echo("kappa: texts that it does not read; a grammar needs --within FILE", err=True)
    print_listing(listing, as_json)


for command in QUESTIONS:
    grammar_group.add_command(command)

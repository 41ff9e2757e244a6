"""`kappa grammar empty … count`: questions about all texts of grammars in files."""

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar

import click

from agents.commands.grammar_files import read_grammar
from agents.commands.shared import BAD_INPUT, NO, UNDECIDED, fail, json_option, print_json
from artifacts.grammar.algebra.ambiguity import apart, unambiguous
from artifacts.grammar.algebra.expressions import (
    Expression,
    Intersection,
    difference,
    expression,
)
from artifacts.grammar.algebra.listing import (
    MAX_TOKENS,
    Listing,
    count,
    enumerate_texts,
    sample,
    seeded,
)
from artifacts.grammar.algebra.questions import (
    Fails,
    Holds,
    Undecided,
    Verdict,
    empty,
    equivalent,
    included,
)
from artifacts.grammar.algebra.search import MAX_STATES
from artifacts.grammar.lexer import literal_keys
from artifacts.grammar.syntax import Grammar
from artifacts.problems import Problem

_F = TypeVar("_F", bound=Callable[..., Any])
SHOWN = 10

one_file = click.argument("file")
two_files = click.argument("files", nargs=2, metavar="FILE FILE")
several_files = click.argument("files", nargs=-1, required=True, metavar="FILES...")
budget_option = click.option(
    "--max-states",
    type=click.IntRange(1, 10_000_000),
    default=MAX_STATES,
    show_default=True,
    help="States of the automata's product to look at before it is undecided.",
)
_without = click.option(
    "--without", multiple=True, metavar="FILE", help="Leave out the texts of this grammar."
)


def _length(default: int) -> Callable[[_F], _F]:
    return click.option(
        "--max-tokens",
        type=click.IntRange(1, MAX_TOKENS),
        default=default,
        show_default=True,
        help="The longest texts, in tokens: words, numbers, marks and space runs.",
    )


def loaded(path: str) -> Grammar:
    """Return the grammar of a file; leave with exit status 2 when it is no good."""
    found = read_grammar(path)
    if isinstance(found, Problem):
        fail(f"{path}: {found}", BAD_INPUT)
    return found


def _languages(files: tuple[str, ...], without: tuple[str, ...]) -> Expression:
    """Return the texts in every file and in none of the others."""
    parts = [expression(loaded(path)) for path in files]
    whole: Expression = parts[0] if len(parts) == 1 else Intersection(tuple(parts))
    return reduce(difference, [expression(loaded(path)) for path in without], whole)


def _print_verdict(verdict: Verdict, as_json: bool, *, yes: str, no: str) -> None:
    """Print an answer; leave with its exit status."""
    match verdict:
        case Holds():
            row: dict[str, Any] = {"verdict": "holds"}
            shown, status = yes, 0
        case Fails(text, is_shortest):
            row = {"verdict": "fails", "witness": text, "is_shortest": is_shortest}
            shown, status = f"{no}: {text}", NO
        case Undecided(why):
            row, shown, status = (
                {"verdict": "undecided", "why": why},
                f"undecided: {why}",
                UNDECIDED,
            )
    if as_json:
        print_json(row)
    else:
        click.echo(shown)
    raise SystemExit(status)


@click.command("empty", epilog="Example: kappa grammar empty a.txt b.txt")
@several_files
@_without
@budget_option
@json_option
def grammar_empty(
    files: tuple[str, ...], without: tuple[str, ...], max_states: int, as_json: bool
) -> None:
    """Say whether no text is read by all FILES; if one is, print a shortest."""
    verdict = empty(_languages(files, without), max_states=max_states)
    _print_verdict(verdict, as_json, yes="empty", no="not empty")


@click.command("included", epilog="Example: kappa grammar included narrow.txt wide.txt")
@two_files
@budget_option
@json_option
def grammar_included(files: tuple[str, str], max_states: int, as_json: bool) -> None:
    """Say whether the second FILE reads every text of the first; if not, print one."""
    left, right = (expression(loaded(path)) for path in files)
    verdict = included(left, right, max_states=max_states)
    _print_verdict(verdict, as_json, yes="included", no=f"only in {files[0]}")


@click.command("equivalent", epilog="Example: kappa grammar equivalent old.txt new.txt")
@two_files
@budget_option
@json_option
def grammar_equivalent(files: tuple[str, str], max_states: int, as_json: bool) -> None:
    """Say whether both FILES read the same texts; if not, print one that only one reads."""
    left, right = (expression(loaded(path)) for path in files)
    verdict = equivalent(left, right, max_states=max_states)
    _print_verdict(verdict, as_json, yes="equivalent", no="only in one")


@click.command("ambiguous", epilog="Example: kappa grammar ambiguous play.txt")
@click.argument("file")
@click.argument("other", required=False)
@budget_option
@json_option
def grammar_ambiguous(file: str, other: str | None, max_states: int, as_json: bool) -> None:
    """Say whether no text has two readings in FILE, or one in FILE and one in OTHER.

    If one has, print a shortest, with exit status 1.
    """
    if other is None:
        verdict = unambiguous(loaded(file), max_states=max_states)
    else:
        verdict = apart(loaded(file), loaded(other), max_states=max_states)
    _print_verdict(verdict, as_json, yes="not ambiguous", no="ambiguous")


@click.command("witness", epilog="Example: kappa grammar witness a.txt --without b.txt")
@several_files
@_without
@budget_option
@json_option
def grammar_witness(
    files: tuple[str, ...], without: tuple[str, ...], max_states: int, as_json: bool
) -> None:
    """Print a shortest text that all FILES read; exit status 1 if there is none."""
    match empty(_languages(files, without), max_states=max_states):
        case Fails(text, is_shortest):
            if as_json:
                print_json({"witness": text, "is_shortest": is_shortest})
            else:
                click.echo(text)
        case Holds():
            if as_json:
                print_json({"witness": None})
            fail("there is no such text", NO)
        case Undecided(why):
            if as_json:
                print_json({"witness": None, "why": why})
            fail(f"undecided: {why}", UNDECIDED)


def print_listing(listing: Listing | Undecided, as_json: bool) -> None:
    if isinstance(listing, Undecided):
        if as_json:
            print_json({"texts": [], "is_complete": False, "why": listing.why})
        fail(f"undecided: {listing.why}", UNDECIDED)
    if as_json:
        row = {"texts": list(listing.texts), "is_complete": listing.is_complete}
        print_json(row | ({"why": listing.why} if listing.why else {}))
        return
    for text in listing.texts:
        click.echo(text)
    if listing.why:
        click.echo(f"kappa: {listing.why}", err=True)


@click.command("enumerate", epilog="Example: kappa grammar enumerate order.txt --limit 20")
@several_files
@_without
@click.option("--limit", type=click.IntRange(1), default=SHOWN, show_default=True)
@_length(60)
@budget_option
@json_option
def grammar_enumerate(
    files: tuple[str, ...],
    without: tuple[str, ...],
    limit: int,
    max_tokens: int,
    max_states: int,
    as_json: bool,
) -> None:
    """List the first texts that all FILES read: fewer tokens first, then in order of tokens.

    A token that some grammar names is listed by itself; of the others, one stands for each class:
    letters, digits, marks.
    """
    whole = _languages(files, without)
    listing = enumerate_texts(whole, limit, max_tokens=max_tokens, max_states=max_states)
    print_listing(listing, as_json)


@click.command("sample", epilog="Example: kappa grammar sample order.txt --number 5 --seed 7")
@several_files
@_without
@click.option("--number", type=click.IntRange(1), default=SHOWN, show_default=True)
@click.option("--seed", default="0", show_default=True, help="Any text; the same, the same texts.")
@_length(24)
@budget_option
@json_option
def grammar_sample(
    files: tuple[str, ...],
    without: tuple[str, ...],
    number: int,
    seed: str,
    max_tokens: int,
    max_states: int,
    as_json: bool,
) -> None:
    """Draw texts that all FILES read: a length, then a token string of that length, all alike.

    Exit status 1 if there is none.
    """
    whole = _languages(files, without)
    listing = sample(whole, number, seeded(seed), max_tokens=max_tokens, max_states=max_states)
    print_listing(listing, as_json)
    if isinstance(listing, Listing) and not listing.texts:
        raise SystemExit(NO)


@click.command("count", epilog="Example: kappa grammar count order.txt --max-tokens 7")
@several_files
@_without
@click.option("--tokens", metavar="TEXT", help="Count the token strings of the tokens in TEXT.")
@_length(10)
@budget_option
@json_option
def grammar_count(
    files: tuple[str, ...],
    without: tuple[str, ...],
    tokens: str | None,
    max_tokens: int,
    max_states: int,
    as_json: bool,
) -> None:
    """Count the token strings that all FILES read, by their number of tokens.

    A token that some grammar names counts by itself; all others of a class (letters, digits, marks)
    count as one; a space run is one token. With --tokens, the strings of just these tokens (and
    space runs) are counted. Two numbers say at least and at most, where the kinds of slots may
    refuse values.
    """
    whole = _languages(files, without)
    alphabet = None if tokens is None else (*literal_keys(tokens), " ")
    found = count(whole, max_tokens, tokens=alphabet, max_states=max_states)
    if isinstance(found, Undecided):
        if as_json:
            print_json({"counts": None, "why": found.why})
        fail(f"undecided: {found.why}", UNDECIDED)
    rows = [
        {"tokens": number, "at_least": low, "at_most": high}
        for number, (low, high) in enumerate(zip(found.at_least, found.at_most, strict=True), 1)
    ]
    total = {"at_least": sum(found.at_least), "at_most": sum(found.at_most)}
    if as_json:
        print_json({"counts": rows, "total": total, "is_exact": found.is_exact})
        return
    for row in rows:
        click.echo(f"{row['tokens']}: {_range(row)}")
    click.echo(f"total: {_range(total)}")


def _range(row: dict[str, int]) -> str:
    low, high = row["at_least"], row["at_most"]
    return str(low) if low == high else f"{low} to {high}"


QUESTIONS = (
    grammar_empty,
    grammar_included,
    grammar_equivalent,
    grammar_ambiguous,
    grammar_witness,
    grammar_enumerate,
    grammar_sample,
    grammar_count,
)

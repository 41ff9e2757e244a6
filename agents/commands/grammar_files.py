"""Grammar files: the one way from a path to a grammar. Other formats are rows of `READERS`."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from artifacts.grammar.jsonform import grammar_from_json
from artifacts.grammar.limits import MAX_CHARACTERS
from artifacts.grammar.nfa import GrammarTooLarge
from artifacts.grammar.restricted import compile_grammar
from artifacts.grammar.syntax import Grammar, phrase_conflicts, slot_conflicts
from artifacts.grammar.textform import parse_grammar
from artifacts.problems import Problem

STANDARD_INPUT = "-"


def _from_json(text: str) -> Grammar | Problem:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        return Problem("not-json", f"line {error.lineno}, column {error.colno}", error.msg)
    except (ValueError, RecursionError) as error:
        return Problem("not-json", "the document", str(error))
    return grammar_from_json(document)


READERS: Mapping[str, Callable[[str], Grammar | Problem]] = MappingProxyType({".json": _from_json})
"""What reads the text of a file, by the end of its name; any other name: the text form."""


def read_grammar(path: str) -> Grammar | Problem:
    """Return the grammar in a file (`-` is the standard input), or what is wrong with it."""
    text = _text(path)
    if isinstance(text, Problem):
        return text
    grammar = READERS.get(Path(path).suffix.lower(), parse_grammar)(text)
    if isinstance(grammar, Problem):
        return grammar
    for what, names in (
        ("slot {!r} has two kinds, or two values on one path", slot_conflicts(grammar)),
        ("phrase {!r} has two definitions", phrase_conflicts(grammar)),
    ):
        for name in names:
            return Problem("slot-conflict", "the grammar", what.format(name))
    try:
        compile_grammar(grammar)
    except GrammarTooLarge as error:
        return Problem("grammar-too-large", "the grammar", str(error))
    return grammar


def _text(path: str) -> str | Problem:
    try:
        if path == STANDARD_INPUT:
            data = sys.stdin.buffer.read(4 * MAX_CHARACTERS + 1)
        else:
            with Path(path).open("rb") as source:
                data = source.read(4 * MAX_CHARACTERS + 1)
    except OSError as error:
        return Problem("bad-document", "the file", str(error.strerror))
    if len(data) > 4 * MAX_CHARACTERS:
        return Problem("grammar-too-large", "the file", f"more than {4 * MAX_CHARACTERS} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        return Problem("bad-document", f"line {line}, byte {column}", "expected UTF-8")

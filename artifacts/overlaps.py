"""Overlaps: which compared families read a text that a new grammar reads, each with such a text.

The new grammar is laid beside the index once: its profile picks the families that may share a text
with it, by their first or last tokens or by what they require, whichever are fewest, and drops all
whose profiles contradict. Only what is left is compiled and searched for a shortest shared text,
in the order of the index, within one budget for all. A text counts when it was read by both: a
token grammar allows more than its kinds take.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from artifacts.grammar.common import Spent, common
from artifacts.grammar.index import Index
from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.profile import profile
from artifacts.grammar.restricted import Reader, compile_grammar, read
from artifacts.grammar.syntax import Grammar
from artifacts.registry import SHARED, Entry, Registry

MAX_LOOKED_AT = 20_000
"""Families whose profiles are laid beside that of a new grammar."""
MAX_STATES = 20_000
"""States of all products of one new grammar."""
MAX_TEXTS = 16
"""Shared token strings that are tried for two families before their overlap is left undecided."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """A compared family version reads `witness`, and so does the new grammar."""

    entry: Entry
    witness: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """What could not be told; `entry` is None when it is true of all that are not named."""

    entry: Entry | None
    why: str


def overlaps(
    registry: Registry,
    grammar: Grammar,
    scope: str,
    *,
    max_states: int = MAX_STATES,
    max_looked_at: int = MAX_LOOKED_AT,
) -> list[Overlap | Undecided]:
    """Return every compared family of the scope's utterances that shares a text with the grammar.

    Those that are not named share none. A shared family meets the utterances of every tenant.
    """
    found: list[Overlap | Undecided] = []
    spent, unseen = Spent(max_states), 0
    beside: list[Entry] = []
    wanted = profile(grammar)
    for index in _indexes(registry, scope):
        items, left_out = index.beside(wanted, max(0, max_looked_at - len(beside)))
        beside += items
        unseen += left_out
    if beside:
        reader = compile_grammar(grammar)
        for entry in sorted(beside, key=lambda e: (e.artifact.digest, e.scope, e.key)):
            verdict = _overlap(reader, entry, spent)
            if verdict is not None:
                found.append(verdict)
    if unseen:
        found.append(
            Undecided(None, f"{unseen} families were left out; the limit is {max_looked_at}")
        )
    return found


def _overlap(reader: Reader, entry: Entry, spent: Spent) -> Overlap | Undecided | None:
    if not spent.states:
        return Undecided(entry, "the limit of product states")
    tried = 0
    for keys in common(reader.nfa, entry.artifact.nfa, spent):
        text = "".join(keys)
        tokens = lex(text)
        if isinstance(tokens, Tokens) and tokens.keys == keys and _read(reader, entry, tokens):
            return Overlap(entry, text)
        tried += 1
        if tried >= MAX_TEXTS:
            return Undecided(entry, f"none of {tried} shared token strings is read by both")
    if not spent.states:
        return Undecided(entry, "the limit of product states")
    if tried:
        return Undecided(entry, f"none of {tried} shared token strings is read by both")
    return None


def _read(reader: Reader, entry: Entry, tokens: Tokens) -> bool:
    return bool(read(reader, tokens)) and bool(read(entry.artifact.reader, tokens))


def _indexes(registry: Registry, scope: str) -> Iterator[Index[Entry]]:
    scopes: Iterable[str] = sorted(registry.indexes) if scope == SHARED else (scope, SHARED)
    for name in scopes:
        index = registry.indexes.get(name)
        if index is not None:
            yield index

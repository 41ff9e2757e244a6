"""Artifacts: a compiled task family version, as a canonical JSON document with a digest.

The document carries everything that a person needs to understand the family and a replica needs to
run it; the digest is the SHA-256 of its canonical JSON.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from msgspec import Struct

from artifacts.comparators import COMPARATORS, COMPARATORS_VERSION
from artifacts.grammar.jsonform import grammar_from_json
from artifacts.grammar.kinds import KINDS, KINDS_VERSION, kind_of
from artifacts.grammar.lexer import LEXER_VERSION, Tokens
from artifacts.grammar.limits import grammar_fault
from artifacts.grammar.nfa import Bindings, Nfa, TooManyReadings
from artifacts.grammar.profile import Profile, profile
from artifacts.grammar.restricted import Reader, compile_grammar, read, size_fault
from artifacts.grammar.rows import Rows
from artifacts.grammar.syntax import (
    Grammar,
    core,
    phrase_conflicts,
    required_keys,
    slot_conflicts,
    slots,
)
from artifacts.grammar.unicode14 import UNICODE_VERSION
from artifacts.problems import Problem
from artifacts.program.evaluate import Computed, Run, compile_program
from artifacts.program.jsonform import program_from_json
from artifacts.program.operators import OPERATORS, OPERATORS_VERSION, Failure
from artifacts.program.program import CostBound, Program, check
from artifacts.values import Json, canonical_json

ARTIFACT_FORMAT = 1
MAX_SLOTS = 64
MAX_AUTOMATA = 16_384
"""Automata that are kept, those last used: each takes ten times the room of a profile."""
TABLES: Mapping[str, Json] = {
    "comparators": COMPARATORS_VERSION,
    "kinds": KINDS_VERSION,
    "lexer": LEXER_VERSION,
    "operators": OPERATORS_VERSION,
    "unicode": UNICODE_VERSION,
}
"""The versions of everything outside the document on which an answer depends, as this process has
them. Kinds and operators only ever grow: see `tables_for`."""


class Reading(Struct, frozen=True, gc=False):
    """One way to read a text in a grammar, and what the program makes of it."""

    bindings: Bindings
    outcome: Computed | Failure


@dataclass(frozen=True, slots=True, eq=False)
class Artifact:
    """A family version that is ready to run. `document` is its canonical JSON value."""

    digest: str
    document: Mapping[str, Json]
    grammar: Grammar
    profile: Profile
    program: Program
    run: Run
    cost_bound: CostBound
    comparator: str

    @property
    def rows(self) -> Rows:
        """The automaton as it is run, made when it is first asked for and perhaps again later."""
        return _rows(self)

    @property
    def reader(self) -> Reader:
        """The automata of the grammar."""
        return _rows(self).reader

    @property
    def nfa(self) -> Nfa:
        """The automaton that binds the slots; restrictions forbid some of the texts it accepts."""
        return _rows(self).reader.nfa

    @property
    def required(self) -> frozenset[str]:
        """The token keys that occur in every text of the grammar."""
        return self.profile.required

    @property
    def slot_names(self) -> tuple[str, ...]:
        """The names of the slots, in order of appearance, each once."""
        return tuple(dict.fromkeys(slot.name for slot in slots(self.grammar)))

    @property
    def open_slot_names(self) -> tuple[str, ...]:
        """The names of the slots whose values the grammar does not list.

        A kind of the table may be closed, as `unit` is; but that one unit was right says nothing of
        the others.
        """
        listed = {
            slot.name
            for slot in slots(self.grammar)
            if kind_of(slot).closed and (slot.values or slot.phrase)
        }
        return tuple(name for name in self.slot_names if name not in listed)

    @property
    def is_slotless(self) -> bool:
        """Whether a plain cache of texts would answer the same."""
        return next(slots(self.grammar), None) is None

    @property
    def name(self) -> str:
        """The recipe's name."""
        return str(self.document["name"])

    def examples(self) -> tuple[tuple[str, Json], ...]:
        """Return the (text, answer) pairs that the family must go on answering."""
        listed = cast(list[Mapping[str, Json]], self.document["examples"])
        return tuple((str(example["text"]), example["answer"]) for example in listed)

    def read(self, tokens: Tokens) -> tuple[Reading, ...] | TooManyReadings:
        """Return every reading of the text with the program's outcome."""
        found = read(self.reader, tokens)
        if isinstance(found, TooManyReadings):
            return found
        return tuple(Reading(bindings, self.run(bindings)) for bindings in found)


@lru_cache(maxsize=MAX_AUTOMATA)
def _rows(artifact: Artifact) -> Rows:
    return Rows(compile_grammar(artifact.grammar))


def check_grammar(grammar: Grammar, place: str) -> Profile | tuple[Problem, ...]:
    """Return the profile of a grammar that may serve, or everything that forbids it.

    No automaton is made: its size is told by the tree.
    """
    fault = grammar_fault(grammar)
    if fault is not None:
        return (Problem(fault[0], place, fault[1]),)
    problems = [
        Problem("slot-conflict", place, f"slot {name!r} has two kinds, or two values on one path")
        for name in dict.fromkeys(slot_conflicts(grammar))
    ]
    problems += [
        Problem("slot-conflict", place, f"phrase {name!r} has two definitions")
        for name in phrase_conflicts(grammar)
    ]
    count = len({slot.name for slot in slots(grammar)})
    if count > MAX_SLOTS:
        problems.append(
            Problem("grammar-too-large", place, f"{count} slots; the limit is {MAX_SLOTS}")
        )
    if not required_keys(grammar):
        problems.append(
            Problem("no-required-literal", place, "some texts of the grammar share no literal")
        )
    too_large = size_fault(grammar)
    if too_large is not None:
        problems.append(Problem("grammar-too-large", place, too_large))
        return tuple(problems)
    found = profile(grammar)
    if not found.least or not profile(core(grammar)).least:
        problems.append(Problem("grammar-nullable", place, "the empty text is in the grammar"))
    return tuple(problems) or found


def tables_for(grammar: Json, steps: Json) -> dict[str, Json]:
    """Return the table versions that an artifact with this grammar and these steps names.

    Of kinds and operators it is the first version that has all that is used. So a table may grow
    and no digest changes; a process of an older version runs every artifact that uses nothing new,
    and refuses the others. All are in JSON form: phrases and restrictions are looked into as well.
    """
    kinds = max((KINDS[name].since for name in _kinds_named(grammar)), default=1)
    used = steps if isinstance(steps, list) else ()
    named = (step.get("op") for step in used if isinstance(step, Mapping))
    operators = [OPERATORS[name].since for name in map(str, named) if name in OPERATORS]
    return {**TABLES, "kinds": kinds, "operators": max(operators, default=1)}


def _kinds_named(grammar: Json) -> Iterator[str]:
    if isinstance(grammar, Mapping):
        kind = grammar.get("kind")
        if isinstance(kind, str) and kind in KINDS:
            yield kind
        for part in grammar.values():
            yield from _kinds_named(part)
    elif isinstance(grammar, list):
        for part in grammar:
            yield from _kinds_named(part)


def cost_document(bound: CostBound) -> dict[str, Json]:
    """Return a bound as artifacts state it."""
    return {"steps": bound.steps, "answer_size": bound.answer_size}


def stated_problems(artifact: Artifact) -> Iterator[Problem]:
    """Yield what is wrong with the fields that the automata and the program do not need.

    An artifact from elsewhere runs whatever these say; without them nobody can judge it.
    """
    document = artifact.document
    for name in ("name", "phi"):
        if not isinstance(document.get(name), str):
            yield Problem("bad-document", f"artifact.{name}", "expected text")
    examples, others = document.get("examples"), document.get("counterexamples")
    if not isinstance(examples, list) or not all(map(_is_example, examples)):
        yield Problem("bad-document", "artifact.examples", "expected texts with answers")
    elif not examples:
        yield Problem("no-example", "artifact.examples", "the list is empty")
    if not isinstance(others, list) or not all(isinstance(text, str) for text in others):
        yield Problem("bad-document", "artifact.counterexamples", "expected texts")
    stated, bound = document.get("cost"), cost_document(artifact.cost_bound)
    if canonical_json(stated) != canonical_json(bound):
        yield Problem("bad-document", "artifact.cost", f"states {stated!r}; it is {bound!r}")


def _is_example(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("text"), str) and "answer" in value


def load_artifact(document: Json) -> Artifact | tuple[Problem, ...]:
    """Return the artifact of a document from the log, or why it may not run here."""
    try:
        return _load(canonical_json(document))
    except (ValueError, RecursionError) as error:
        return (Problem("bad-document", "artifact", f"no canonical JSON: {error}"),)


@lru_cache(maxsize=8192)
def _load(canonical: bytes) -> Artifact | tuple[Problem, ...]:
    document = json.loads(canonical)
    if not isinstance(document, dict) or document.get("format") != ARTIFACT_FORMAT:
        return (
            Problem("bad-document", "artifact", f"not an artifact of format {ARTIFACT_FORMAT}"),
        )
    program_document = document.get("program")
    if not isinstance(program_document, dict):
        return (Problem("bad-document", "artifact.program", "expected an object"),)
    needed = tables_for(document.get("grammar"), program_document.get("steps"))
    if document.get("tables") != needed:
        return (
            Problem(
                "bad-document",
                "artifact.tables",
                f"made for {document.get('tables')!r}; this process needs {needed!r} for it",
            ),
        )
    grammar = grammar_from_json(document.get("grammar"))
    if isinstance(grammar, Problem):
        return (grammar,)
    program = program_from_json(program_document.get("steps"), program_document.get("answer"))
    if isinstance(program, Problem):
        return (program,)
    comparator = document.get("comparator")
    if not isinstance(comparator, str) or comparator not in COMPARATORS:
        return (Problem("unknown-comparator", "artifact.comparator", f"{comparator!r}"),)
    found = check_grammar(grammar, "artifact.grammar")
    if isinstance(found, tuple):
        return found
    bound = check(program, {slot.name: kind_of(slot).type for slot in slots(grammar)})
    if isinstance(bound, tuple):
        return bound
    return Artifact(
        hashlib.sha256(canonical).hexdigest(),
        document,
        grammar,
        found,
        program,
        compile_program(program),
        bound,
        comparator,
    )

"""Description length: how many bits a grammar and a program take in one prefix code.

A version pays for its description, so that a long program needs more agreements than a short one
(minimum description length: Rissanen 1978; Blumer et al., Occam's razor, 1987). The code is fixed
beforehand and given the version's own examples, which the teacher wrote and which earn nothing:
what is taken over from them costs little. Slots and phrases are numbered in order of appearance,
their names and those of families are not described.

    artifact   = kinds version γ, operators version γ, comparator, grammar, program
    grammar    = 0 node | 1 keep? grammar grammar
    node       = 00 keys | 01 slot | 110 node… 10 | 1110 node… 10 | 1111 low+1 γ, high+1 γ, node
                 (literal, slot, sequence, alternatives, repeat)
    keys       = runs γ, then of each: 0 skip+1 γ, length γ (in the examples' texts, from where the
                 last one ended) | 1 text
    slot       = 1 which of those before | 0 a kind, enumeration or phrase, then its values or the
                 keys it goes without, count+1 γ, keys…; or 1 which phrase of those before | 0
                 count+1 γ, (node, 0 | 1 constant)…
    program    = steps+1 γ, (operator, [count γ,] argument…)…, answer
    argument   = 00 slot | 01 its spelling | 10 step | 110 constant | 111 entries+1 γ, (text, JSON)…
    answer     = 0 argument | 10 constant | 110 items | 1110 fields (like the first example's: 0,
                 else 1 and what it is)
    constant   = 0 number | 10 text | 11 truth
    number     = sign, 0 whole or 1, |numerator|+1 γ, [denominator γ]
    text       = 0 skip+1 γ, length γ (in the examples' answers and texts) | 1 UTF-8 bytes+1 γ, 8 a
                 byte
    JSON       = 3 bits of type, then what it holds

γ is Elias gamma (Elias 1975): 2⌊log₂ n⌋ + 1 bits for n ≥ 1. One of n things takes ⌈log₂ n⌉ bits.
Of kinds and operators only those count that the version of the table has that the artifact names:
a table that grows changes no description.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import assert_never, cast

from artifacts.artifact import Artifact
from artifacts.comparators import COMPARATORS
from artifacts.grammar.kinds import KINDS
from artifacts.grammar.lexer import literal_keys, normalize
from artifacts.grammar.syntax import (
    Alternatives,
    Grammar,
    Literal,
    Node,
    Phrase,
    Repeat,
    Restricted,
    Slot,
    TokenOf,
)
from artifacts.grammar.syntax import Sequence as Concatenation
from artifacts.prefix_code import gamma, index_code, places_of, runs, skipped
from artifacts.program.operators import OPERATORS
from artifacts.program.program import (
    Answer,
    AnswerConstant,
    AnswerList,
    AnswerObject,
    AnswerValue,
    Argument,
    Constant,
    Program,
    SlotValueOf,
    SpellingOf,
    StepValue,
    Table,
)
from artifacts.values import Json, Scalar, canonical_json

MAX_KNOWN = 4096
"""So many keys and characters of the examples are taken over from, the first ones."""
END = "10"
ABSENT = object()
"""Stands for the first example's answer where it has no such part."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the reader of a description has: tables, keys and characters of the examples, and the
    first example's answer.
    """

    kinds: tuple[str, ...]
    operators: tuple[str, ...]
    comparators: tuple[str, ...]
    keys: tuple[str, ...]
    characters: str
    answer: object


def tables_known(kinds: int, operators: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the kinds and of the operators that these versions of the tables have."""
    return (
        (*(name for name, kind in KINDS.items() if kind.since <= kinds), "enumeration", "phrase"),
        tuple(name for name, operator in OPERATORS.items() if operator.since <= operators),
    )


def known_of(examples: Sequence[tuple[str, Json]], kinds: int, operators: int) -> Known:
    """Return what is known before a description is read."""
    keys: list[str] = []
    for text, _ in examples:
        keys += literal_keys(normalize(text))
    said = [*(_shown(answer) for _, answer in examples), *(text for text, _ in examples)]
    return Known(
        *tables_known(kinds, operators),
        tuple(COMPARATORS),
        tuple(keys[:MAX_KNOWN]),
        "\n".join(said)[:MAX_KNOWN],
        examples[0][1] if examples else ABSENT,
    )


def _shown(answer: Json) -> str:
    return answer if isinstance(answer, str) else canonical_json(answer).decode()


@lru_cache(maxsize=8192)
def description_bits(artifact: Artifact) -> int:
    """Return the length of the artifact's description in bits."""
    return len(description(artifact))


def description(artifact: Artifact) -> str:
    """Return the description of an artifact's grammar, program and comparator, as 0s and 1s."""
    tables = cast(Mapping[str, int], artifact.document["tables"])
    kinds, operators = tables["kinds"], tables["operators"]
    known = known_of(artifact.examples(), kinds, operators)
    writer = _Writer(known, places=places_of(known.keys))
    writer.out += [gamma(kinds), gamma(operators)]
    writer.one_of(known.comparators, artifact.comparator)
    writer.grammar(artifact.grammar)
    writer.program(artifact.program)
    return "".join(writer.out)


@dataclass(slots=True)
class _Writer:
    known: Known
    out: list[str] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    phrases: list[Phrase] = field(default_factory=list)
    places: Mapping[str, Sequence[int]] = field(default_factory=dict)
    at_key: int = 0
    at_character: int = 0

    def one_of(self, table: Sequence[str], name: str) -> None:
        self.out.append(index_code(table.index(name), len(table)))

    def count(self, number: int) -> None:
        self.out.append(gamma(number + 1))

    # --- the grammar ------------------------------------------------------------------------------

    def grammar(self, grammar: Grammar) -> None:
        if isinstance(grammar, Restricted):
            self.out.append("11" if grammar.keep else "10")
            self.grammar(grammar.part)
            self.grammar(grammar.by)
        else:
            self.out.append("0")
            self.node(grammar)

    def node(self, node: Node) -> None:
        match node:
            case Literal(keys):
                self.out.append("00")
                self.keys(keys)
            case Slot():
                self.out.append("01")
                self.slot(node)
            case Concatenation(parts):
                self.out.append("110")
                for part in parts:
                    self.node(part)
                self.out.append(END)
            case Alternatives(options):
                self.out.append("1110")
                for option in options:
                    self.node(option)
                self.out.append(END)
            case Repeat(part, low, high):
                self.out.append("1111")
                self.count(low)
                self.count(high or 0)
                self.node(part)
            case TokenOf():
                raise TypeError("a slot kind's token grammar is not described")
            case _:
                assert_never(node)

    def slot(self, slot: Slot) -> None:
        if slot in self.slots:
            self.out += ["1", index_code(self.slots.index(slot), len(self.slots))]
            return
        self.out.append("0")
        kind = "phrase" if slot.phrase else slot.kind
        self.one_of(self.known.kinds, kind)
        if slot.phrase is not None:
            self.phrase(slot.phrase)
        else:
            texts = slot.values if kind == "enumeration" else slot.without
            self.count(len(texts))
            for text in texts:
                self.keys(literal_keys(text))
        self.slots.append(slot)

    def phrase(self, phrase: Phrase) -> None:
        if phrase in self.phrases:
            self.out += ["1", index_code(self.phrases.index(phrase), len(self.phrases))]
            return
        self.out.append("0")
        outer, self.slots = self.slots, []
        self.count(len(phrase.options))
        for option in phrase.options:
            self.node(option.part)
            self.out.append("0" if option.value is None else "1")
            if option.value is not None:
                self.constant(option.value)
        self.slots = outer
        self.phrases.append(phrase)

    def keys(self, keys: tuple[str, ...]) -> None:
        found = runs(keys, self.known.keys, self.places, self.at_key)
        self.out.append(gamma(max(1, len(found))))
        if not found:
            self.fresh("")
        for skip, run in found:
            if skip is None:
                self.fresh("".join(run))
            else:
                self.out += ["0", gamma(skip + 1), gamma(len(run))]
                self.at_key = (self.at_key + skip + len(run)) % len(self.known.keys)

    # --- the program ------------------------------------------------------------------------------

    def program(self, program: Program) -> None:
        self.count(len(program.steps))
        for index, step in enumerate(program.steps):
            self.one_of(self.known.operators, step.operator)
            if OPERATORS[step.operator].variadic:
                self.out.append(gamma(len(step.arguments)))
            for argument in step.arguments:
                self.argument(argument, index)
        self.answer(program.answer, self.known.answer, len(program.steps))

    def argument(self, argument: Argument, steps: int) -> None:
        names = [slot.name for slot in self.slots]
        match argument:
            case SlotValueOf(slot):
                self.out.append("00")
                self.one_of(names, slot)
            case SpellingOf(slot):
                self.out.append("01")
                self.one_of(names, slot)
            case StepValue(step):
                self.out += ["10", index_code(step, steps)]
            case Constant(constant):
                self.out.append("110")
                self.constant(constant)
            case Table(entries):
                self.out.append("111")
                self.count(len(entries))
                for key, value in entries.items():
                    self.text(key)
                    self.json(value)
            case _:
                assert_never(argument)

    def answer(self, answer: Answer, like: object, steps: int) -> None:
        """Write an answer; `like` is what the first example's answer has in its place."""
        match answer:
            case AnswerValue(argument):
                self.out.append("0")
                self.argument(argument, steps)
            case AnswerConstant(value):
                alike = like is not ABSENT and _equal(value, like)
                self.out.append("100" if alike else "101")
                if not alike:
                    self.json(value)
            case AnswerList(items):
                given: Sequence[object] = like if isinstance(like, list | tuple) else ()
                self.out.append("1100" if len(given) == len(items) else "1101")
                if len(given) != len(items):
                    self.count(len(items))
                    given = [ABSENT] * len(items)
                for item, other in zip(items, given, strict=True):
                    self.answer(item, other, steps)
            case AnswerObject(fields):
                known: Mapping[str, object] = like if isinstance(like, Mapping) else {}
                names = [name for name, _ in fields]
                self.out.append("1110" if names == sorted(known) else "1111")
                if names != sorted(known):
                    self.count(len(names))
                    for name in names:
                        self.text(name)
                for name, item in fields:
                    self.answer(item, known.get(name, ABSENT), steps)
            case _:
                assert_never(answer)

    # --- values -----------------------------------------------------------------------------------

    def constant(self, value: Scalar) -> None:
        if isinstance(value, bool):
            self.out.append("111" if value else "110")
        elif isinstance(value, str):
            self.out.append("10")
            self.text(value)
        else:
            self.out += ["0", "1" if value < 0 else "0", "0" if value.denominator == 1 else "1"]
            self.count(abs(value.numerator))
            if value.denominator != 1:
                self.out.append(gamma(value.denominator))

    def text(self, text: str) -> None:
        skip = skipped(text, self.known.characters, self.at_character) if text else None
        if skip is None:
            self.fresh(text)
            return
        self.out += ["0", gamma(skip + 1), gamma(len(text))]
        self.at_character = (self.at_character + skip + len(text)) % len(self.known.characters)

    def fresh(self, text: str) -> None:
        encoded = text.encode("utf-8", "surrogatepass")
        self.out += ["1", gamma(len(encoded) + 1), *(f"{byte:08b}" for byte in encoded)]

    def json(self, value: Json) -> None:
        if value is None or isinstance(value, bool):
            self.out.append("000" if value is None else "010" if value else "001")
        elif isinstance(value, int):
            self.out += ["011", "1" if value < 0 else "0"]
            self.count(abs(value))
        elif isinstance(value, float):
            self.out.append("100")
            self.fresh(repr(value))
        elif isinstance(value, str):
            self.out.append("101")
            self.text(value)
        elif isinstance(value, Mapping):
            self.out.append("111")
            self.count(len(value))
            for name in sorted(value):
                self.text(name)
                self.json(value[name])
        else:
            self.out.append("110")
            self.count(len(value))
            for item in value:
                self.json(item)


def _equal(value: Json, like: object) -> bool:
    """Return whether two JSON values have one form; 1, 1.0 and true are three."""
    return canonical_json(value) == canonical_json(like)

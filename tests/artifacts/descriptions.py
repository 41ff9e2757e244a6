"""The reader of descriptions: shows that the code of `artifacts.description` is a prefix code.

It follows the table at the top of that module. Slots and phrases, which have no names in a
description, are `s0`, `s1`, … and `p0`, `p1`, … in order of appearance; so `renumbered` names them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

from artifacts.description import ABSENT, Known, tables_known
from artifacts.grammar.lexer import literal_keys
from artifacts.grammar.syntax import (
    Alternatives,
    Grammar,
    Literal,
    Node,
    Option,
    Phrase,
    Repeat,
    Restricted,
    Slot,
)
from artifacts.grammar.syntax import Sequence as Concatenation
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
    Step,
    StepValue,
    Table,
)
from artifacts.values import Json, Scalar, whole


@dataclass(slots=True)
class Reader:
    """Reads 0s and 1s; `at` is where it stands."""

    bits: str
    known: Known
    at: int = 0
    slots: list[Slot] = field(default_factory=list)
    phrases: list[Phrase] = field(default_factory=list)
    at_key: int = 0
    at_character: int = 0

    def bit(self) -> bool:
        self.at += 1
        return self.bits[self.at - 1] == "1"

    def several(self, count: int) -> int:
        self.at += count
        return int(self.bits[self.at - count : self.at] or "0", 2)

    def gamma(self) -> int:
        zeros = 0
        while not self.bit():
            zeros += 1
        return 1 << zeros | self.several(zeros)

    def count(self) -> int:
        return self.gamma() - 1

    def index(self, size: int) -> int:
        return self.several((size - 1).bit_length() if size > 1 else 0)

    def ones(self, most: int) -> int:
        """How many 1s come before a 0; after `most` of them there is none."""
        found = 0
        while found < most and self.bit():
            found += 1
        return found

    def artifact(self) -> tuple[Grammar, Program, str]:
        kinds, operators = tables_known(self.gamma(), self.gamma())
        assert (kinds, operators) == (self.known.kinds, self.known.operators)
        comparator = self.known.comparators[self.index(len(self.known.comparators))]
        return self.grammar(), self.program(), comparator

    def grammar(self) -> Grammar:
        if not self.bit():
            node = self.node()
            assert node is not None
            return node
        keep = self.bit()
        return Restricted(self.grammar(), self.grammar(), keep)

    def node(self) -> Node | None:
        """The next node, or None where the last one of several has been."""
        if not self.bit():
            return self.slot() if self.bit() else Literal(self.keys())
        if not self.bit():
            return None
        match self.ones(2):
            case 0:
                return Concatenation(self.nodes())
            case 1:
                return Alternatives(self.nodes())
        low, high, part = self.count(), self.count(), self.node()
        assert part is not None
        return Repeat(part, low, high)

    def nodes(self) -> tuple[Node, ...]:
        found: list[Node] = []
        while (node := self.node()) is not None:
            found.append(node)
        return tuple(found)

    def slot(self) -> Slot:
        if self.bit():
            return self.slots[self.index(len(self.slots))]
        kind = self.known.kinds[self.index(len(self.known.kinds))]
        phrase, texts = None, tuple[str, ...]()
        if kind == "phrase":
            phrase = self.phrase()
        else:
            texts = tuple("".join(self.keys()) for _ in range(self.count()))
        name = f"s{len(self.slots)}"
        if phrase is not None:
            made = Slot(name, phrase.name, phrase=phrase)
        elif kind == "enumeration":
            made = Slot(name, kind, texts)
        else:
            made = Slot(name, kind, without=texts)
        self.slots.append(made)
        return made

    def phrase(self) -> Phrase:
        if self.bit():
            return self.phrases[self.index(len(self.phrases))]
        outer, self.slots = self.slots, []
        options: list[Option] = []
        for _ in range(self.count()):
            part = self.node()
            assert part is not None
            options.append(Option(part, self.constant() if self.bit() else None))
        self.slots = outer
        self.phrases.append(Phrase(f"p{len(self.phrases)}", tuple(options)))
        return self.phrases[-1]

    def keys(self) -> tuple[str, ...]:
        found: list[str] = []
        for _ in range(self.gamma()):
            if self.bit():
                found += literal_keys(self.fresh())
            else:
                start = (self.at_key + self.count()) % len(self.known.keys)
                end = start + self.gamma()
                found += self.known.keys[start:end]
                self.at_key = end % len(self.known.keys)
        return tuple(found)

    def program(self) -> Program:
        steps: list[Step] = []
        for index in range(self.count()):
            operator = OPERATORS[self.known.operators[self.index(len(self.known.operators))]]
            count = self.gamma() if operator.variadic else len(operator.parameters)
            steps.append(Step(operator.name, tuple(self.argument(index) for _ in range(count))))
        return Program(tuple(steps), self.answer(self.known.answer, len(steps)))

    def argument(self, steps: int) -> Argument:
        if not self.bit():
            is_spelling = self.bit()
            name = self.slots[self.index(len(self.slots))].name
            return SpellingOf(name) if is_spelling else SlotValueOf(name)
        if not self.bit():
            return StepValue(self.index(steps))
        if not self.bit():
            return Constant(self.constant())
        entries: dict[str, Json] = {}
        for _ in range(self.count()):
            key = self.text()
            entries[key] = self.json()
        return Table(entries)

    def answer(self, like: object, steps: int) -> Answer:
        match self.ones(3):
            case 0:
                return AnswerValue(self.argument(steps))
            case 1:
                return AnswerConstant(self.json() if self.bit() else cast(Json, like))
            case 2:
                given: Sequence[object] = like if isinstance(like, list | tuple) else ()
                if self.bit():
                    given = [ABSENT] * self.count()
                return AnswerList(tuple(self.answer(item, steps) for item in given))
        known: Mapping[str, object] = like if isinstance(like, Mapping) else {}
        names = [self.text() for _ in range(self.count())] if self.bit() else sorted(known)
        return AnswerObject(
            tuple((name, self.answer(known.get(name, ABSENT), steps)) for name in names)
        )

    def constant(self) -> Scalar:
        if self.bit():
            return self.bit() if self.bit() else self.text()
        is_negative, is_fraction = self.bit(), self.bit()
        top = self.count() * (-1 if is_negative else 1)
        return whole(Fraction(top, self.gamma())) if is_fraction else top

    def text(self) -> str:
        if self.bits[self.at] == "1":
            self.at += 1
            return self.fresh()
        self.at += 1
        start = (self.at_character + self.count()) % len(self.known.characters)
        end = start + self.gamma()
        self.at_character = end % len(self.known.characters)
        return self.known.characters[start:end]

    def fresh(self) -> str:
        return bytes(self.several(8) for _ in range(self.count())).decode("utf-8", "surrogatepass")

    def json(self) -> Json:
        match self.several(3):
            case 0:
                return None
            case 1:
                return False
            case 2:
                return True
            case 3:
                sign = -1 if self.bit() else 1
                return sign * self.count()
            case 4:
                return float(self.fresh())
            case 5:
                return self.text()
            case 6:
                return [self.json() for _ in range(self.count())]
        return {self.text(): self.json() for _ in range(self.count())}


@dataclass(slots=True)
class _Names:
    slots: list[Slot] = field(default_factory=list)
    phrases: dict[Phrase, Phrase] = field(default_factory=dict)

    def grammar(self, grammar: Grammar) -> Grammar:
        if isinstance(grammar, Restricted):
            return Restricted(self.grammar(grammar.part), self.grammar(grammar.by), grammar.keep)
        return self.node(grammar)

    def node(self, node: Node) -> Node:
        match node:
            case Slot():
                return self.slot(node)
            case Concatenation(parts):
                return Concatenation(tuple(map(self.node, parts)))
            case Alternatives(options):
                return Alternatives(tuple(map(self.node, options)))
            case Repeat(part, low, high):
                return Repeat(self.node(part), low, high)
        return node

    def slot(self, slot: Slot) -> Slot:
        known = slot in self.slots
        phrase = self.phrase(slot.phrase) if slot.phrase else None
        if not known:
            self.slots.append(slot)
        name = f"s{self.slots.index(slot)}"
        return Slot(name, phrase.name if phrase else slot.kind, slot.values, slot.without, phrase)

    def phrase(self, phrase: Phrase) -> Phrase:
        if phrase not in self.phrases:
            outer, self.slots = self.slots, []
            options = tuple(Option(self.node(o.part), o.value) for o in phrase.options)
            self.slots = outer
            self.phrases[phrase] = Phrase(f"p{len(self.phrases)}", options)
        return self.phrases[phrase]


def renumbered(grammar: Grammar, program: Program) -> tuple[Grammar, Program]:
    """The same with the names of slots and phrases that a description gives them."""
    names = _Names()
    named = names.grammar(grammar)
    slots: dict[str, str] = {}
    for place, slot in enumerate(names.slots):
        slots.setdefault(slot.name, f"s{place}")

    def argument(given: Argument) -> Argument:
        match given:
            case SlotValueOf(slot):
                return SlotValueOf(slots[slot])
            case SpellingOf(slot):
                return SpellingOf(slots[slot])
        return given

    def answer(given: Answer) -> Answer:
        match given:
            case AnswerValue(value):
                return AnswerValue(argument(value))
            case AnswerList(items):
                return AnswerList(tuple(map(answer, items)))
            case AnswerObject(fields):
                return AnswerObject(tuple((name, answer(item)) for name, item in fields))
        return given

    steps = tuple(Step(s.operator, tuple(map(argument, s.arguments))) for s in program.steps)
    return named, Program(steps, answer(program.answer))

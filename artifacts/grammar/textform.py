r"""The text form of grammars, which people read and edit; printing then parsing gives it back.

    what is {p:decimal} (%|percent) of {n:decimal}[ please]
    play {song:quoted} in the {room=kitchen|living room}
    (very ){0,3}slow

    # Phrases come first, a line each; of an option with `=>` the value is what follows.
    <size> = (small|tiny) => s | (large|big) => l | size {n:integer}
    (order {s:<size>} {what:word without it|that}){except order big (time|deal)}

The whole of it, where `x` stands for itself and ? … ? says what no rule can:

    grammar     = { comment | definition }, restricted
    comment     = "#", ? the rest of the line ?
    definition  = "<", name, ">", "=", option, { "|", option }, ? the end of the line ?
    option      = sequence, [ "=>", value ]
    value       = number | quoted | bare
    number      = [ "-" ], digit, { digit }, [ ".", digit, { digit } ]
    quoted      = ? a string of JSON ?
    bare        = letter, { letter | digit | "_" | "-" }            letters of ASCII
    restricted  = alternatives | "(", alternatives, ")", restriction, { restriction }
    restriction = "{", ( "except" | "only" ), blank, restricted, "}"
    alternatives = sequence, { "|", sequence }
    sequence    = { literal | slot | group | optional }
    group       = "(", alternatives, ")", [ "{", count, ",", count, "}" ]
    optional    = "[", alternatives, "]"
    slot        = "{", name, ":", kind, [ blank, "without", blank, values ], "}"
                | "{", name, ":", "<", name, ">", "}"
                | "{", name, "=", values, "}"
    values      = literal, { "|", literal }
    literal     = { ? any character but \ { } ( ) [ ] | ? | "\", ? any character ? }
    name        = ? a to z ?, { ? a to z, 0 to 9, _ ? }             at most 32 characters
    kind        = ? a name of the table of kinds ?

Any space run is one blank, and blanks at the ends of a grammar, of an option and inside the braces
of a restriction are layout. In an option, outside its groups, a line end and `=>` end it. A phrase
may use those above it, so none is inside itself. Literals are printed in normalized text. A grammar
that starts with `#` or with `<name> =` is written with a backslash before it.

Why restrictions follow a group: `a|b{except c}` would leave open what is restricted. Why a phrase
is defined in its own text and not in a shared file: an artifact says all that it means.
"""

import re
from dataclasses import dataclass, field

from artifacts.grammar.kinds import KINDS
from artifacts.grammar.lexer import literal_keys, normalize
from artifacts.grammar.limits import MAX_CHARACTERS, grammar_fault, phrase_fault
from artifacts.grammar.printing import SPECIAL, print_grammar
from artifacts.grammar.scanning import Scanner, SyntaxFault, literal_of
from artifacts.grammar.syntax import (
    MAX_NESTING,
    MAX_REPEAT,
    MAX_RESTRICTIONS,
    Grammar,
    Node,
    Option,
    Phrase,
    Repeat,
    Restricted,
    Slot,
    alternatives,
    optional,
    sequence,
)
from artifacts.problems import Problem

__all__ = ["parse_grammar", "print_grammar"]

_DEFINITION = re.compile(r"<([a-z][a-z0-9_]{0,31})>[ \t]*=(?!>)")
_RESTRICTION = re.compile(r"\s*\{(except|only)\s+")
_WITHOUT = re.compile(r"\s+without\s+")
_BOUNDS = re.compile(r"\{([0-9]{1,9}),([0-9]{1,9})\}")
_LAYOUT = re.compile(r"[ \t]*")


@dataclass(slots=True)
class _Reader(Scanner):
    phrases: dict[str, Phrase] = field(default_factory=dict)
    restrictions: int = 0
    braces: int = 0

    def document(self) -> Grammar:
        while True:
            while self.peek().isspace():
                self.at += 1
            if self.peek() == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif head := _DEFINITION.match(self.text, self.at):
                self.definition(head)
            else:
                break
        start = self.at
        grammar = self.restricted(1)
        if self.peek():
            raise self.after_all(grammar)
        fault = grammar_fault(grammar)
        if fault is not None:
            raise SyntaxFault(fault[0], start, fault[1])
        return grammar

    def after_all(self, grammar: Grammar) -> SyntaxFault:
        if isinstance(grammar, Restricted):
            return self.fail("'{except …}', '{only …}' or the end, as these restrict all before")
        return SyntaxFault("grammar-syntax", self.at, f"unexpected {self.peek()!r}")

    def definition(self, head: re.Match[str]) -> None:
        start, name = self.at, head[1]
        if name in self.phrases:
            message = f"expected one definition of phrase {name!r}, found another"
            raise SyntaxFault("grammar-syntax", start, message)
        self.at = head.end()
        options = [self.option()]
        while self.peek() == "|":
            self.at += 1
            options.append(self.option())
        if self.peek() not in {"", "\n"}:
            raise self.fail("'|', '=>' or the end of the line")
        phrase = Phrase(name, tuple(options))
        fault = phrase_fault(phrase)
        if fault is not None:
            raise SyntaxFault(fault[0], start, fault[1])
        self.phrases[name] = phrase

    def option(self) -> Option:
        self.taken(_LAYOUT)
        part = self.sequence(1, in_line=True)
        value = None
        if self.text.startswith("=>", self.at):
            self.at += 2
            self.taken(_LAYOUT)
            value = self.value()
            self.taken(_LAYOUT)
        return Option(part, value)

    def restricted(self, level: int) -> Grammar:
        start = self.at
        if self.peek() == "(":
            self.at += 1
            part: Grammar = self.alternatives(2)
            self.expect(")")
            if _RESTRICTION.match(self.text, self.at):
                while head := _RESTRICTION.match(self.text, self.at):
                    part = self.restriction(part, head, level)
                return part
            self.at = start
        return self.alternatives(1)

    def restriction(self, part: Grammar, head: re.Match[str], level: int) -> Grammar:
        self.restrictions += 1
        if level > MAX_NESTING:
            message = f"restrictions are nested {level} deep; the limit is {MAX_NESTING}"
            raise SyntaxFault("grammar-too-large", head.start(1), message)
        if self.restrictions > MAX_RESTRICTIONS:
            message = f"restriction {self.restrictions}; the limit is {MAX_RESTRICTIONS}"
            raise SyntaxFault("grammar-too-large", head.start(1), message)
        self.at = head.end()
        self.braces += 1
        by = self.restricted(level + 1)
        self.braces -= 1
        while self.peek().isspace():
            self.at += 1
        self.expect("}")
        return Restricted(part, by, head[1] == "only")

    def alternatives(self, depth: int) -> Node:
        if depth > MAX_NESTING:
            message = f"nesting is deeper than the limit of {MAX_NESTING}"
            raise SyntaxFault("grammar-too-large", self.at, message)
        start = self.at
        options = [self.sequence(depth)]
        while self.peek() == "|":
            self.at += 1
            options.append(self.sequence(depth))
        self.limit("alternatives", len(options), start)
        return alternatives(*options)

    def sequence(self, depth: int, in_line: bool = False) -> Node:
        parts: list[Node] = []
        while (mark := self.peek()) and mark not in "|)]":
            if mark == "{":
                parts.append(self.slot())
            elif mark == "(":
                parts.append(self.group(depth))
            elif mark == "[":
                self.at += 1
                parts.append(optional(self.alternatives(depth + 1)))
                self.expect("]")
            elif mark == "}":
                if self.braces:
                    break
                raise SyntaxFault("grammar-syntax", self.at, "'}' without '{'; write '\\}'")
            else:
                start = self.at
                text, solid = self.literal(SPECIAL - {"\\"}, in_line)
                if self.at == start:
                    break
                if in_line or (self.braces and self.peek() == "}"):
                    text = self.trimmed(text, solid)
                parts.append(literal_of(text, start))
        return sequence(*parts)

    def trimmed(self, text: str, solid: int) -> str:
        """Return the text without the blanks at its end, if it is the end of an option."""
        goes_on = bool(self.peek()) and self.peek() in "{(["
        return text if goes_on else text[:solid]

    def group(self, depth: int) -> Node:
        self.expect("(")
        inside = self.alternatives(depth + 1)
        self.expect(")")
        bounds = _BOUNDS.match(self.text, self.at)
        if bounds is None:
            return inside
        low, high = int(bounds[1]), int(bounds[2])
        if not low <= high <= MAX_REPEAT or high == 0:
            raise SyntaxFault(
                "grammar-too-large",
                self.at,
                f"repeat {low},{high} is not within 0,1 to {MAX_REPEAT},{MAX_REPEAT}",
            )
        self.at = bounds.end()
        return Repeat(inside, low, high)

    def slot(self) -> Slot:
        start = self.at
        if head := _RESTRICTION.match(self.text, start):
            message = (
                f"'{{{head[1]} …}}' restricts a whole grammar: expected it after a group, last"
            )
            raise SyntaxFault("grammar-syntax", start, message)
        self.expect("{")
        name = self.name("a slot's name")
        if self.peek() == "=":
            self.at += 1
            return Slot(name, "enumeration", self.values("an enumeration", start))
        if self.peek() != ":":
            raise self.fail("':' and a kind, or '=' and values")
        self.at += 1
        return self.phrase(name) if self.peek() == "<" else self.kind(name, start)

    def phrase(self, slot: str) -> Slot:
        self.expect("<")
        start = self.at
        name = self.name("a phrase's name")
        self.expect(">")
        self.expect("}")
        phrase = self.phrases.get(name)
        if phrase is None:
            message = f"phrase {name!r} is not defined; expected a line '<{name}> = …' above"
            raise SyntaxFault("unknown-kind", start, message)
        return Slot(slot, name, phrase=phrase)

    def kind(self, slot: str, start: int) -> Slot:
        at = self.at
        kind = self.name("a kind or '<' and a phrase,")
        if kind not in KINDS or kind == "enumeration":
            known = ", ".join(sorted(KINDS.keys() - {"enumeration"}))
            raise SyntaxFault("unknown-kind", at, f"{kind!r} is not one of {known}")
        if not self.taken(_WITHOUT):
            if self.peek() != "}":
                raise self.fail("'}' or ' without '")
            self.at += 1
            return Slot(slot, kind)
        at = self.at
        without = self.values("'without'", start)
        for key in without:
            if literal_keys(key) != (key,):
                message = f"expected one word, number or mark, found {key!r}"
                raise SyntaxFault("grammar-syntax", at, message)
        return Slot(slot, kind, without=tuple(sorted(without)))

    def values(self, what: str, start: int) -> tuple[str, ...]:
        values: list[str] = []
        while True:
            values.append(normalize(self.literal(frozenset("|}"))[0]))
            if not values[-1]:
                value = "an enumeration value" if what == "an enumeration" else "a token"
                raise SyntaxFault("grammar-syntax", self.at, f"{value} is empty")
            if self.peek() != "|":
                break
            self.at += 1
        self.expect("}")
        self.limit("values", len(values), start)
        if len(set(values)) < len(values):
            raise SyntaxFault("grammar-syntax", start, f"{what} lists a value twice")
        return tuple(values)


def parse_grammar(text: str) -> Grammar | Problem:
    """Return the tree of a grammar in text form, or the first problem with its line and column."""
    if len(text) > MAX_CHARACTERS:
        message = f"{len(text)} characters; the limit is {MAX_CHARACTERS}"
        return Problem("grammar-too-large", "line 1, column 1", message)
    reader = _Reader(text.rstrip())
    try:
        return reader.document()
    except SyntaxFault as error:
        before = reader.text[: error.at]
        line, column = before.count("\n") + 1, error.at - (before.rfind("\n") + 1) + 1
        return Problem(error.code, f"line {line}, column {column}", error.message)

r"""TypeAgent's `.agr` grammar files, read into rules with places.

    <Name> [spacing=optional] = expression -> value | … ;    also `export`, `@<Name>`, `: Type`
    expression = text, `$(x:type)`, `$(x:<Rule>)`, `<Rule>`, `(…)`, with `?`, `*` or `+` after ")"

`//` and `/* */` are comments, a backslash makes the next character plain. Values are kept as they
are written. After grammarRuleParser.ts of microsoft/TypeAgent.
"""

import re
from dataclasses import dataclass

from artifacts.grammar.imports.report import MAX_DEPTH, Place, Refusal, place_at

_NAME = re.compile(r"[^\W\d]\w*")
_SPACING = re.compile(r"\[\s*spacing\s*=\s*(\w+)\s*\]")
_SKIPPED = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|(.))", re.DOTALL
)
_STRING = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`(?:[^`\\]|\\.)*`", re.DOTALL)
_TYPES = re.compile(r"\s*:\s*\w+(\s*\|\s*\w+)*")
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "f": "\f", "b": "\b", "0": "\0", "\n": ""}
_IMPORT = re.compile(r"(?:import|entity)\b[^;\"'<]*(?:\"([^\"\n]*)\"|'([^'\n]*)')?\s*;")
"""Names of types; what programs they stand for is asked when a variable has one."""
_SPECIAL = "|()<>$-;{}[]"
SPACINGS = ("auto", "required", "optional", "none")


@dataclass(frozen=True, slots=True)
class Words:
    """Pieces of plain text; between two of them a separator may or must stand."""

    pieces: tuple[str, ...]
    at: Place


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a type, or of a rule."""

    name: str
    type: str
    is_rule: bool
    is_optional: bool
    at: Place


@dataclass(frozen=True, slots=True)
class Reference:
    """A rule in place."""

    name: str
    at: Place


@dataclass(frozen=True, slots=True)
class Group:
    """Alternatives in brackets; `repeat` is what follows them: "", "?", "*" or "+"."""

    alternatives: tuple["Alternative", ...]
    repeat: str
    at: Place


Part = Words | Variable | Reference | Group


@dataclass(frozen=True, slots=True)
class Alternative:
    """Parts in a row, and the value as it is written."""

    parts: tuple[Part, ...]
    value: str | None
    value_at: Place
    spacing: str | None
    at: Place


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule."""

    name: str
    alternatives: tuple[Alternative, ...]
    spacing: str
    at: Place


def parse_rules(text: str) -> tuple[Rule, ...]:
    """Return the rules of a file in order; raise Refusal at the first error."""
    reader = _Reader(text)
    rules = []
    while reader.skip() < len(text):
        if imported := _IMPORT.match(text, reader.at):
            source = imported[1] or imported[2]
            if imported[0].startswith("import") and source and source.endswith(".agr"):
                message = f"the rules of {source!r} are not here; expected them in this file"
                raise reader.refused(message, "not-expressible")
            reader.at = imported.end()
        else:
            rules.append(reader.rule())
    return tuple(rules)


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0

    def skip(self) -> int:
        skipped = _SKIPPED.match(self.text, self.at)
        self.at = skipped.end() if skipped else self.at
        return self.at

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def place(self) -> Place:
        return place_at(self.text, self.at)

    def refused(self, message: str, code: str = "grammar-syntax") -> Refusal:
        return Refusal(code, self.place(), message)

    def found(self) -> str:
        return repr(self.peek()) if self.peek() else "the end"

    def expect(self, mark: str) -> None:
        self.skip()
        if not self.text.startswith(mark, self.at):
            raise self.refused(f"expected {mark!r}, found {self.found()}")
        self.at += len(mark)

    def name(self, what: str) -> str:
        self.skip()
        name = _NAME.match(self.text, self.at)
        if name is None:
            raise self.refused(f"expected {what}, found {self.found()}")
        self.at = name.end()
        return name[0]

    def bracketed(self) -> str:
        self.expect("<")
        name = self.name("the name of a rule")
        self.expect(">")
        return name

    def rule(self) -> Rule:
        word = _NAME.match(self.text, self.at)
        if word and word[0] == "export":
            self.at = word.end()
        elif self.peek() == "@":
            self.at += 1
        self.skip()
        at = self.place()
        name = self.bracketed()
        spacing = self.spacing() or "auto"
        if types := _TYPES.match(self.text, self.at):
            self.at = types.end()
        self.expect("=")
        alternatives = self.alternatives(1)
        self.skip()
        if self.peek() == ";":
            self.at += 1
        elif self.peek() not in ("", "@"):
            raise self.refused(f"expected ';' after the rule, found {self.found()}")
        return Rule(name, alternatives, spacing, at)

    def spacing(self) -> str | None:
        self.skip()
        if self.peek() != "[":
            return None
        spacing = _SPACING.match(self.text, self.at)
        if spacing is None or spacing[1] not in SPACINGS:
            raise self.refused(f"expected [spacing=…], one of {', '.join(SPACINGS)}")
        self.at = spacing.end()
        return spacing[1]

    def alternatives(self, depth: int) -> tuple[Alternative, ...]:
        if depth > MAX_DEPTH:
            message = f"nesting of {depth} levels; the limit is {MAX_DEPTH}"
            raise self.refused(message, "grammar-too-large")
        found = [self.alternative(depth)]
        while self.skip() < len(self.text) and self.peek() == "|":
            self.at += 1
            found.append(self.alternative(depth))
        return tuple(found)

    def alternative(self, depth: int) -> Alternative:
        spacing = self.spacing()
        self.skip()
        at = self.place()
        parts: list[Part] = []
        while (mark := self.peek()) and mark not in "|);@":
            if self.text.startswith("->", self.at):
                break
            if mark == "(":
                parts.append(self.group(depth))
            elif mark == "<":
                reference_at = self.place()
                parts.append(Reference(self.bracketed(), reference_at))
            elif self.text.startswith("$(", self.at):
                parts.append(self.variable())
            else:
                parts.append(self.words())
            self.skip()
        if not parts:
            raise self.refused(f"expected text, a rule or a variable, found {self.found()}")
        value, value_at = None, self.place()
        if self.text.startswith("->", self.at):
            self.at += 2
            self.skip()
            value_at = self.place()
            value = self.value()
        return Alternative(tuple(parts), value, value_at, spacing, at)

    def group(self, depth: int) -> Group:
        at = self.place()
        self.at += 1
        alternatives = self.alternatives(depth + 1)
        self.expect(")")
        repeat = self.peek() if self.peek() and self.peek() in "?*+" else ""
        self.at += len(repeat)
        return Group(alternatives, repeat, at)

    def variable(self) -> Variable:
        at = self.place()
        self.at += 2
        name, type_name, is_rule = self.name("the name of a variable"), "string", False
        self.skip()
        if self.peek() == ":":
            self.at += 1
            self.skip()
            is_rule = self.peek() == "<"
            type_name = self.bracketed() if is_rule else self.name("a type or <Rule>")
        self.expect(")")
        is_optional = self.peek() == "?"
        self.at += is_optional
        return Variable(name, type_name, is_rule, is_optional, at)

    def words(self) -> Words:
        at, piece = self.place(), ""
        pieces: list[str] = []
        while mark := self.peek():
            if comment := _COMMENT.match(self.text, self.at):
                self.at = comment.end()
                pieces, piece = [*pieces, piece], ""
            elif mark.isspace():
                self.at += 1
                pieces, piece = [*pieces, piece], ""
            elif mark == "\\":
                piece += self.escape()
            elif mark in _SPECIAL or mark == "@":
                if not piece and not any(pieces):
                    raise self.refused(f"unexpected {mark!r}; write '\\{mark}'")
                break
            else:
                piece += mark
                self.at += 1
        return Words(tuple(each for each in (*pieces, piece) if each), at)

    def escape(self) -> str:
        escape = _ESCAPE.match(self.text, self.at)
        if escape is None:
            raise self.refused("nothing follows the backslash")
        code = escape[1] or escape[2] or escape[3]
        plain = escape[4]
        if code is None and plain in ("x", "u"):
            raise self.refused(f"expected hexadecimal digits after '\\{plain}'")
        if code is not None and (int(code, 16) > 0x10FFFF or 0xD800 <= int(code, 16) < 0xE000):
            raise self.refused("expected a code point")
        self.at = escape.end()
        return chr(int(code, 16)) if code else _CONTROL.get(plain, plain)

    def value(self) -> str:
        """Read a value up to the end of its alternative, whatever it computes."""
        start, open_marks = self.at, ""
        while mark := self.peek():
            if string := _STRING.match(self.text, self.at) or _COMMENT.match(self.text, self.at):
                self.at = string.end()
                continue
            if not open_marks and mark in "|;)" and not self.text.startswith("||", self.at):
                break
            if mark in "([{":
                open_marks += {"(": ")", "[": "]", "{": "}"}[mark]
                if len(open_marks) > MAX_DEPTH:
                    message = f"nesting of {len(open_marks)} levels; the limit is {MAX_DEPTH}"
                    raise self.refused(message, "grammar-too-large")
            elif mark in ")]}":
                if not open_marks.endswith(mark):
                    raise self.refused(f"unexpected {mark!r} in a value")
                open_marks = open_marks[:-1]
            self.at += 2 if self.text.startswith("||", self.at) else 1
        value = _COMMENT.sub(" ", self.text[start : self.at]).strip()
        if open_marks or not value:
            expected = repr(open_marks[-1]) if open_marks else "a value"
            raise self.refused(f"expected {expected}, found {self.found()}")
        return value

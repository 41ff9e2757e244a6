"""Reading the text form from left to right: marks, names, constants and literals."""

import json
import re
from dataclasses import dataclass

from artifacts.grammar.lexer import literal_keys
from artifacts.grammar.limits import too_many
from artifacts.grammar.syntax import Literal
from artifacts.values import MAX_DIGITS, Scalar, read_number

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MAX_NAME = 32
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class SyntaxFault(Exception):
    """Leaves the recursive descent of textform.py; `parse_grammar` makes it a problem."""

    def __init__(self, code: str, at: int, message: str) -> None:
        super().__init__(message)
        self.code, self.at, self.message = code, at, message


@dataclass(slots=True)
class Scanner:
    text: str
    at: int = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def fail(self, expected: str) -> SyntaxFault:
        found = repr(self.peek()) if self.peek() else "the end"
        return SyntaxFault("grammar-syntax", self.at, f"expected {expected}, found {found}")

    def expect(self, mark: str) -> None:
        if self.peek() != mark:
            raise self.fail(repr(mark))
        self.at += 1

    def taken(self, pattern: re.Pattern[str]) -> str:
        """Return what the pattern matches here, which may be nothing, and go past it."""
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return match[0] if match else ""

    def limit(self, what: str, count: int, start: int) -> None:
        fault = too_many(what, count)
        if fault is not None:
            raise SyntaxFault(fault[0], start, fault[1])

    def name(self, what: str) -> str:
        start = self.at
        name = self.taken(_NAME)
        if not name:
            raise self.fail(f"{what} of a to z, 0 to 9 and _, from a letter on")
        if len(name) > _MAX_NAME:
            message = f"a name of {len(name)} characters; the limit is {_MAX_NAME}"
            raise SyntaxFault("grammar-too-large", start, message)
        return name

    def value(self) -> Scalar:
        start = self.at
        if quoted := self.taken(_QUOTED):
            try:
                text: str = json.loads(quoted)
                text.encode()
            except ValueError:
                message = f"expected a string of JSON, found {quoted}"
                raise SyntaxFault("grammar-syntax", start, message) from None
            return text
        if digits := self.taken(_NUMBER):
            number = read_number(digits)
            if number is None:
                message = f"a number of {len(digits)} characters; the limit is {MAX_DIGITS} digits"
                raise SyntaxFault("grammar-too-large", start, message)
            return number
        if bare := self.taken(_BARE):
            return bare
        raise self.fail('a value: a number, a word or text in quotes ("…")')

    def literal(self, stops: frozenset[str], in_line: bool = False) -> tuple[str, int]:
        """Read plain and escaped characters up to a stop; and how many are not blanks at its end.

        A line of a definition ends it, and so does an arrow.
        """
        read: list[str] = []
        solid = 0
        while (mark := self.peek()) and mark not in stops:
            if in_line and (mark == "\n" or self.text.startswith("=>", self.at)):
                break
            if mark == "\\":
                self.at += 1
                mark = self.peek()
                if not mark:
                    message = "expected a character after the backslash, found the end"
                    raise SyntaxFault("grammar-syntax", self.at, message)
                solid = len(read) + 1
            elif not mark.isspace():
                solid = len(read) + 1
            read.append(mark)
            self.at += 1
        return "".join(read), solid


def literal_of(text: str, at: int) -> Literal:
    """Return the literal of a text that starts here."""
    keys = literal_keys(text)
    if literal_keys("".join(keys)) != keys:
        raise SyntaxFault("grammar-syntax", at, f"{text!r} is not stable under normalization")
    return Literal(keys)

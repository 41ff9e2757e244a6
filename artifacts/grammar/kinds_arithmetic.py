"""Arithmetic expressions: `3*(4+2)-1`, read with exact numbers.

Total: division by zero, a number of more than `MAX_DIGITS` digits, too many operations and too deep
nesting are refused; so is what people read in two ways (`-2^2`, `2^3^2`, `2(3)`) or as something
else (`3/4/2024`, `2024-03-03`, `007`). Of equal rank the left goes first: `6/2*3` is 9.
"""

import re
from fractions import Fraction
from typing import cast

from artifacts.grammar.kinds_tokens import BLANK, Spelling, many, spaced, within_digits
from artifacts.grammar.syntax import TokenOf, optional, sequence
from artifacts.values import MAX_DIGITS, Number, Value, read_number, show_number, whole

MAX_OPERATIONS = 100
MAX_PARENTHESES = 16
_SIGNS = {"+": "+", "-": "-", "−": "-", "*": "*", "×": "*", "·": "*", "x": "*", "/": "/", "÷": "/"}
_PIECES = re.compile(r"[0-9]+(?:\.[0-9]+)?|[-+−*×·x/÷^()]| ")
_LIKE_A_DATE = re.compile(
    r"[0-9]{4}([-/])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-/])[0-9]{1,2}\2[0-9]{4}"
)
_LIKE_A_CODE = re.compile(r"(?<![0-9.])0[0-9]")
_MAX_SHOWN = 40


class _Refused(Exception):
    """Leaves the reader below; never leaves this module."""


class _Reader:
    """Recursive descent over the pieces of one expression."""

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = pieces
        self.at = 0
        self.operations = 0
        self.depth = 0

    def peek(self) -> str:
        piece = self.pieces[self.at] if self.at < len(self.pieces) else ""
        return _SIGNS.get(piece, piece)

    def take(self) -> str:
        piece = self.peek()
        self.at += 1
        return piece

    def sum(self) -> Number:
        value = self.product()
        while self.peek() in ("+", "-"):
            sign = self.take()
            value = self.made(value + self.product() * (1 if sign == "+" else -1))
        return value

    def product(self) -> Number:
        value = self.signed()
        while self.peek() in ("*", "/"):
            sign, other = self.take(), self.signed()
            if sign == "/" and other == 0:
                raise _Refused
            value = self.made(value * other if sign == "*" else Fraction(value) / other)
        return value

    def signed(self) -> Number:
        if self.peek() != "-":
            return self.power()
        self.take()
        value = self.atom()
        if self.peek() == "^":
            raise _Refused
        return -value

    def power(self) -> Number:
        base = self.atom()
        if self.peek() != "^":
            return base
        self.take()
        exponent = self.atom()
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if not isinstance(exponent, int) or exponent < 0 or self.peek() == "^":
            raise _Refused
        if size * exponent > 4 * MAX_DIGITS:
            raise _Refused
        return self.made(Fraction(base.numerator**exponent, base.denominator**exponent))

    def atom(self) -> Number:
        piece = self.take()
        if piece == "(":
            self.depth += 1
            if self.depth > MAX_PARENTHESES:
                raise _Refused
            value = self.sum()
            self.depth -= 1
            if self.take() != ")":
                raise _Refused
            return value
        number = read_number(piece)
        if number is None:
            raise _Refused
        return number

    def made(self, value: Number) -> Number:
        self.operations += 1
        number = within_digits(whole(value))
        if number is None or self.operations > MAX_OPERATIONS:
            raise _Refused
        return number


def evaluate(text: str) -> Number | None:
    """Return the exact value of an expression, or None where it is refused.

    >>> evaluate("3*(4+2)-1"), evaluate("1/3 + 1/6"), evaluate("1/0"), evaluate("-2^2")
    (17, Fraction(1, 2), None, None)
    """
    written = spaced(text)
    pieces = _PIECES.findall(written)
    if sum(map(len, pieces)) != len(written):
        return None
    if _LIKE_A_DATE.fullmatch(written) or _LIKE_A_CODE.search(written):
        return None
    reader = _Reader([piece for piece in pieces if piece != " "])
    try:
        value = reader.sum()
    except _Refused:
        return None
    return value if reader.at == len(reader.pieces) else None


def _render(value: Value) -> str:
    number = cast(Number, value)
    shown = show_number(number)
    if isinstance(number, int) or len(shown) <= _MAX_SHOWN:
        return shown
    return f"{number.numerator}/{number.denominator}"


def expression() -> Spelling:
    """Return how expressions are written; a number alone is one, too."""
    digits = frozenset({"digits"})
    first = TokenOf(frozenset("-−("), digits)  # type: ignore[arg-type]  # a set of literals
    inside = TokenOf(frozenset((*_SIGNS, *"^().")), digits)  # type: ignore[arg-type]  # the same
    tokens = sequence(first, many(sequence(optional(BLANK), inside)))
    return Spelling(tokens, evaluate, _render)

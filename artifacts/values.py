"""Values: exact numbers, JSON, canonical JSON and digests.

A number is an `int` or, where it is not whole, a `Fraction`; binary floats never enter a program.
An answer is any JSON value.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
Number = int | Fraction
Scalar = Number | str | bool
Value = Scalar | tuple[Scalar, ...]
"""What a slot holds; a tuple is that of a slot for several values, all numbers or all texts."""

MAX_DIGITS = 400
"""The longest number that is read from a text or made by a program, in digits."""
MAX_ITEMS = 64
"""The longest list that is read from a text."""


def canonical_json(value: object) -> bytes:
    """Return the one UTF-8 form of a JSON value: sorted keys, no blanks, no NaN."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8")


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def draw_of(name: str) -> float:
    """Return a draw from [0, 1) that follows from a name alone: its SHA-256 over 2²⁵⁶.

    >>> draw_of("0|audit|1") == draw_of("0|audit|1") != draw_of("0|audit|2")
    True
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") / 2**256


def whole(number: Number) -> Number:
    """Return an int for a whole fraction, else the number itself."""
    if number.__class__ is int:  # asking whether it is a Fraction asks an abstract class, for long
        return number
    return number.numerator if number.denominator == 1 else number


def read_number(text: str) -> Number | None:
    """Return the value of a plain ASCII decimal, or None for anything else.

    >>> read_number("-2.50"), read_number("1e3")
    (Fraction(-5, 2), None)
    """
    if text.isdigit() and text.isascii() and len(text) <= MAX_DIGITS:
        return int(text)
    digits = text[1:] if text[:1] == "-" else text
    whole_part, dot, decimals = digits.partition(".")
    if not (whole_part.isascii() and whole_part.isdigit()) or len(digits) > MAX_DIGITS:
        return None
    if not dot:
        return int(text)
    if not (decimals.isascii() and decimals.isdigit()):
        return None
    digits_alone, scale = int(whole_part + decimals), 10 ** len(decimals)
    number = -digits_alone if text[0] == "-" else digits_alone
    return Fraction(number, scale) if number % scale else number // scale


def show_number(number: Number) -> str:
    """Return an int or terminating decimal in plain digits, any other fraction as `a/b`.

    >>> show_number(Fraction(-5, 2)), show_number(Fraction(1, 3))
    ('-2.5', '1/3')
    """
    if isinstance(number, int):
        return str(number)
    places = decimal_places(number)
    if places is None:
        return f"{number.numerator}/{number.denominator}"
    scaled = abs(number.numerator) * 10**places // number.denominator
    digits = str(scaled).rjust(places + 1, "0")
    return f"{'-' if number < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def shown_size(value: Scalar) -> int:
    """Return the size of a value: digits of the longer part of a fraction, or code points.

    >>> shown_size(Fraction(-1, 1000)), shown_size("five")
    (4, 4)
    """
    if isinstance(value, str):
        return len(value)
    return len(str(max(abs(value.numerator), value.denominator)))


def decimal_places(number: Number) -> int | None:
    """Return how many decimals the number has, or None when its decimals never end."""
    if isinstance(number, int):
        return 0
    denominator, twos, fives = number.denominator, 0, 0
    while denominator % 2 == 0:
        denominator //= 2
        twos += 1
    while denominator % 5 == 0:
        denominator //= 5
        fives += 1
    return max(twos, fives) if denominator == 1 else None

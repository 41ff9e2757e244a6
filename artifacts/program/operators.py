"""The operator table: the one list that checker, cost bound, evaluator, printer and prompts read.

Every operator is total: a value, or a Failure. Numbers are exact. Sizes are decimal digits of
numerator and denominator for numbers, code points for text and for the names of truths.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from string import ascii_lowercase, ascii_uppercase
from types import MappingProxyType
from typing import Final, Literal

from artifacts.values import (
    MAX_ITEMS,
    Json,
    Number,
    Scalar,
    Value,
    decimal_places,
    show_number,
    whole,
)

OPERATORS_VERSION = 2
"""The version of the table. It grows by one where operators are added, never for one that is known:
what an operator means stays as it is, and `Operator.since` is the first version that has it.
"""
MAX_NUMBER_DIGITS = 4000
MAX_TEXT = 20_000
MAX_PLACES = 40
MAX_VARIADIC = 64
_TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_TO_UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)
TRUTH_SIZE = len("false")

Type = Literal["number", "text", "numbers", "texts", "truth", "table", "json", "mixed"]
"""Numbers and texts are lists of at most `MAX_ITEMS`; their size is that of all items.
Mixed is what only an answer takes: the value of a phrase that is a number or text."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that has no value, and why; a program that needs it abstains."""

    reason: str


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. A variadic one repeats its last parameter one to `MAX_VARIADIC` times.

    `size` bounds the result's size from the sizes of the arguments.
    """

    name: str
    parameters: tuple[Type, ...]
    result: Type
    steps: int
    apply: Callable[..., Value | Failure | Json]
    size: Callable[[Sequence[int]], int]
    doc: str
    variadic: bool = False
    since: int = 1

    def parameters_for(self, count: int) -> tuple[Type, ...]:
        """Return the parameter types when `count` arguments are given."""
        if self.variadic:
            return self.parameters * min(max(count, 1), MAX_VARIADIC)
        return self.parameters


def _sum(sizes: Sequence[int]) -> int:
    return sum(sizes) + 1


def _largest(sizes: Sequence[int]) -> int:
    return max(sizes)


def _truth_size(sizes: Sequence[int]) -> int:
    return TRUTH_SIZE


def _count_size(sizes: Sequence[int]) -> int:
    return len(str(MAX_ITEMS))


def _total_size(sizes: Sequence[int]) -> int:
    return sizes[0] + len(str(MAX_ITEMS))


def _joined_size(sizes: Sequence[int]) -> int:
    return sizes[0] + MAX_ITEMS * sizes[1]


def _power_size(sizes: Sequence[int]) -> int:
    return MAX_NUMBER_DIGITS


def _fixed_size(sizes: Sequence[int]) -> int:
    return sizes[0] + MAX_PLACES + 2


def _shown_size(sizes: Sequence[int]) -> int:
    return 4 * sizes[0] + 2


def _chosen_size(sizes: Sequence[int]) -> int:
    return max(sizes[1:])


def _table_size(sizes: Sequence[int]) -> int:
    return sizes[-1]


def _add(a: Number, b: Number) -> Number:
    made = a + b
    return made if made.__class__ is int else whole(made)


def _subtract(a: Number, b: Number) -> Number:
    made = a - b
    return made if made.__class__ is int else whole(made)


def _multiply(a: Number, b: Number) -> Number:
    made = a * b
    return made if made.__class__ is int else whole(made)


def _divide(a: Number, b: Number) -> Number | Failure:
    return whole(Fraction(a) / b) if b else Failure("division by zero")


def _floor_divide(a: Number, b: Number) -> Number | Failure:
    return a // b if b else Failure("division by zero")


def _modulo(a: Number, b: Number) -> Number | Failure:
    return whole(a % b) if b else Failure("division by zero")


def _power(a: Number, b: Number) -> Number | Failure:
    if not isinstance(b, int) or b < 0:
        return Failure("the exponent is not a natural number")
    size = Fraction(a)
    bits = max(size.numerator.bit_length(), size.denominator.bit_length())
    if bits * b > 3 * MAX_NUMBER_DIGITS:
        return Failure("the power is too large")
    return whole(Fraction(size.numerator**b, size.denominator**b))


def _gcd(a: Number, b: Number) -> Number | Failure:
    if isinstance(a, int) and isinstance(b, int):
        return math.gcd(a, b)
    return Failure("gcd of numbers that are not whole")


def _lcm(a: Number, b: Number) -> Number | Failure:
    if isinstance(a, int) and isinstance(b, int):
        return math.lcm(a, b)
    return Failure("lcm of numbers that are not whole")


def _denominator_lcm(a: Number, b: Number) -> Number:
    return math.lcm(Fraction(a).denominator, Fraction(b).denominator)


def _absolute(a: Number) -> Number:
    return -a if a < 0 else a


def _negate(a: Number) -> Number:
    return -a


def _minimum(a: Number, b: Number) -> Number:
    return a if a <= b else b


def _maximum(a: Number, b: Number) -> Number:
    return a if a >= b else b


def _floor(a: Number) -> Number:
    return math.floor(a)


def _ceiling(a: Number) -> Number:
    return math.ceil(a)


def _places(places: Number) -> int | None:
    return places if isinstance(places, int) and 0 <= places <= MAX_PLACES else None


def _round(a: Number, places: Number) -> Number | Failure:
    digits = _places(places)
    if digits is None:
        return Failure(f"places are not 0 to {MAX_PLACES}")
    if a.__class__ is int:
        return a
    return whole(Fraction(_rounded(a, digits), 10**digits))


def _rounded(a: Number, digits: int) -> int:
    """Return a · 10^digits, rounded; a half goes away from 0."""
    doubled = 2 * abs(a.numerator) * int(10**digits)
    rounded = (doubled + a.denominator) // (2 * a.denominator)
    return rounded if a.numerator >= 0 else -rounded


def _equal(a: Number, b: Number) -> bool:
    return a == b


def _less(a: Number, b: Number) -> bool:
    return a < b


def _less_or_equal(a: Number, b: Number) -> bool:
    return a <= b


def _same_text(a: str, b: str) -> bool:
    return a == b


def _both(a: bool, b: bool) -> bool:
    return a and b


def _either(a: bool, b: bool) -> bool:
    return a or b


def _negation(a: bool) -> bool:
    return not a


def _concatenate(*texts: str) -> str:
    return "".join(texts)


def lower(text: str) -> str:
    """Return the text with A to Z in lower case: other mappings change with Unicode."""
    return text.translate(_TO_LOWER)


def upper(text: str) -> str:
    """Return the text with a to z in upper case: other mappings change with Unicode."""
    return text.translate(_TO_UPPER)


def _show_fixed(a: Number, places: Number) -> str | Failure:
    digits = _places(places)
    if digits is None:
        return Failure(f"places are not 0 to {MAX_PLACES}")
    rounded = _rounded(a, digits)
    shown = str(abs(rounded)).rjust(digits + 1, "0")
    sign = "-" if rounded < 0 else ""
    return f"{sign}{shown[:-digits]}.{shown[-digits:]}" if digits else f"{sign}{shown}"


def _show_decimal(a: Number) -> str | Failure:
    if a.__class__ is int:
        return str(a)
    places = decimal_places(a)
    if places is None or places > MAX_TEXT:
        return Failure("the decimals never end")
    return show_number(a)


def _show_fraction(a: Number) -> str:
    return str(a) if isinstance(a, int) else f"{a.numerator}/{a.denominator}"


def _lookup(key: str, table: Mapping[str, Json]) -> Json | Failure:
    entry = table.get(key)
    return Failure(f"{key!r} has no answer in the table") if entry is None else entry


def _choose(condition: bool, then: Value, otherwise: Value) -> Value:
    return then if condition else otherwise


def _count(items: tuple[Scalar, ...]) -> int:
    return len(items)


def _total(numbers: tuple[Number, ...]) -> Number:
    return whole(sum(numbers, 0))


def _smallest(numbers: tuple[Number, ...]) -> Number:
    return min(numbers)


def _largest_of(numbers: tuple[Number, ...]) -> Number:
    return max(numbers)


def _first(items: tuple[Scalar, ...]) -> Scalar:
    return items[0]


def _last(items: tuple[Scalar, ...]) -> Scalar:
    return items[-1]


def _sort_numbers(numbers: tuple[Number, ...]) -> tuple[Number, ...]:
    return tuple(sorted(numbers))


def _sort_texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(texts))


def _reverse(items: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    return items[::-1]


def _join(texts: tuple[str, ...], between: str) -> str:
    return between.join(texts)


N: Final = "number"
T: Final = "text"
NS: Final = "numbers"
TS: Final = "texts"
ONCE: Final = MAX_ITEMS
"""Steps of an operator that looks at each item of a list once."""
SORTING: Final = MAX_ITEMS * MAX_ITEMS.bit_length()
B: Final = "truth"

_TABLE = (
    Operator("add", (N, N), N, 1, _add, _sum, "a + b"),
    Operator("sub", (N, N), N, 1, _subtract, _sum, "a − b"),
    Operator("mul", (N, N), N, 1, _multiply, _sum, "a · b"),
    Operator("div", (N, N), N, 1, _divide, _sum, "a / b, exact; fails when b is 0"),
    Operator("floordiv", (N, N), N, 1, _floor_divide, _sum, "floor of a / b; fails when b is 0"),
    Operator("mod", (N, N), N, 1, _modulo, _sum, "a − b·floor(a / b); fails when b is 0"),
    Operator("pow", (N, N), N, 2, _power, _power_size, "a to a natural power, size bounded"),
    Operator("gcd", (N, N), N, 2, _gcd, _largest, "greatest common divisor of whole numbers"),
    Operator("lcm", (N, N), N, 2, _lcm, _sum, "least common multiple of whole numbers"),
    Operator("denominator", (N, N), N, 2, _denominator_lcm, _sum, "least common denominator"),
    Operator("neg", (N,), N, 1, _negate, _largest, "−a"),
    Operator("abs", (N,), N, 1, _absolute, _largest, "|a|"),
    Operator("min", (N, N), N, 1, _minimum, _largest, "the smaller"),
    Operator("max", (N, N), N, 1, _maximum, _largest, "the larger"),
    Operator("floor", (N,), N, 1, _floor, _largest, "largest whole number ≤ a"),
    Operator("ceil", (N,), N, 1, _ceiling, _largest, "smallest whole number ≥ a"),
    Operator("round", (N, N), N, 1, _round, _fixed_size, "a to b places, half away from zero"),
    Operator("eq", (N, N), B, 1, _equal, _truth_size, "a = b"),
    Operator("lt", (N, N), B, 1, _less, _truth_size, "a < b"),
    Operator("le", (N, N), B, 1, _less_or_equal, _truth_size, "a ≤ b"),
    Operator("same", (T, T), B, 1, _same_text, _truth_size, "the texts are equal"),
    Operator("and", (B, B), B, 1, _both, _truth_size, "both"),
    Operator("or", (B, B), B, 1, _either, _truth_size, "one or both"),
    Operator("not", (B,), B, 1, _negation, _truth_size, "the opposite"),
    Operator("concat", (T,), T, 1, _concatenate, _sum, "the texts joined", variadic=True),
    Operator("lower", (T,), T, 1, lower, _largest, "with A to Z in lower case"),
    Operator("upper", (T,), T, 1, upper, _largest, "with a to z in upper case"),
    Operator("show", (N,), T, 1, _show_decimal, _shown_size, "as a decimal; fails if endless"),
    Operator("fraction", (N,), T, 1, _show_fraction, _shown_size, "as a/b in lowest terms"),
    Operator("fixed", (N, N), T, 1, _show_fixed, _fixed_size, "as a decimal with b places"),
    Operator(
        "lookup", (T, "table"), "json", 1, _lookup, _table_size, "the table's entry, or fails"
    ),
    Operator("choose", (B, N, N), N, 1, _choose, _chosen_size, "a number by a condition; lazy"),
    Operator("choose_text", (B, T, T), T, 1, _choose, _chosen_size, "a text by a condition; lazy"),
    Operator("count", (NS,), N, 1, _count, _count_size, "how many numbers", since=2),
    Operator("count_texts", (TS,), N, 1, _count, _count_size, "how many texts", since=2),
    Operator("sum", (NS,), N, ONCE, _total, _total_size, "the numbers added up", since=2),
    Operator("smallest", (NS,), N, ONCE, _smallest, _largest, "the smallest number", since=2),
    Operator("largest", (NS,), N, ONCE, _largest_of, _largest, "the largest number", since=2),
    Operator("first", (NS,), N, 1, _first, _largest, "the first number", since=2),
    Operator("first_text", (TS,), T, 1, _first, _largest, "the first text", since=2),
    Operator("last", (NS,), N, 1, _last, _largest, "the last number", since=2),
    Operator("last_text", (TS,), T, 1, _last, _largest, "the last text", since=2),
    Operator("sort", (NS,), NS, SORTING, _sort_numbers, _largest, "the smallest first", since=2),
    Operator("sort_texts", (TS,), TS, SORTING, _sort_texts, _largest, "by code points", since=2),
    Operator("reverse", (NS,), NS, ONCE, _reverse, _largest, "the last first", since=2),
    Operator("reverse_texts", (TS,), TS, ONCE, _reverse, _largest, "the last first", since=2),
    Operator("join", (TS, T), T, ONCE, _join, _joined_size, "the texts with b between", since=2),
)

OPERATORS: Mapping[str, Operator] = MappingProxyType({op.name: op for op in _TABLE})
LAZY = frozenset({"choose", "choose_text"})
"""Operators of which only the chosen arm must have a value."""

"""Arithmetic search: expressions over slots and constants, up to about four leaves.

Expressions are told apart by their values on a few examples modulo the prime 2⁶¹ − 1, where
division is a multiplication, so that exact fractions are computed only for the few that fit. A
target is met in the middle: for every expression e of up to three leaves, `target ∘⁻¹ e` is looked
up among the expressions of up to two leaves; a missing constant is read off as a ratio, a
difference or a line. The budget is counted steps (one per expression made or looked up), never
seconds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from artifacts.program.operators import OPERATORS
from artifacts.values import Number, whole

PRIME = 2**61 - 1
_HASHED = 3
_CONSTANTS: tuple[Number, ...] = (1, 2, 3, 10, 12, 60, 100, 1000, Fraction(1, 2))
_SPECIAL = ("gcd", "lcm", "denominator", "floordiv", "mod", "min", "max")
_MAX_TARGET = 10**40
_MAX_CONSTANT = 10**6


@dataclass(frozen=True, slots=True)
class SlotLeaf:
    """The value of the column with this index."""

    column: int


@dataclass(frozen=True, slots=True)
class ConstantLeaf:
    """A constant."""

    value: Number


@dataclass(frozen=True, slots=True)
class Applied:
    """An operator of the table on two expressions."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression = SlotLeaf | ConstantLeaf | Applied


def value_of(expression: Expression, row: Sequence[Number]) -> Number | None:
    """Return the exact value on one example, whose numbers are `row`; None where it has none."""
    match expression:
        case SlotLeaf(column):
            return row[column]
        case ConstantLeaf(value):
            return value
        case Applied(operator, left, right):
            a, b = value_of(left, row), value_of(right, row)
            if a is None or b is None:
                return None
            result = OPERATORS[operator].apply(a, b)
            return result if isinstance(result, int | Fraction) else None


def description_bits(expression: Expression) -> float:
    """Return the length of an expression under a fixed prefix code: 3 bits an operator or slot."""
    match expression:
        case SlotLeaf():
            return 3.0
        case ConstantLeaf(value):
            size = abs(Fraction(value).numerator) * Fraction(value).denominator
            return 4.0 + 2 * math.log2(size + 1)
        case Applied(operator, left, right):
            own = 8.0 if operator in _SPECIAL else 3.0
            return own + description_bits(left) + description_bits(right)


_Vector = tuple[int, ...]


def _residue(number: Number) -> int:
    if isinstance(number, int):
        return number % PRIME
    return number.numerator * pow(number.denominator, -1, PRIME) % PRIME


class _Search:
    def __init__(self, rows: Sequence[Sequence[Number]], target: Sequence[Number], budget: int):
        self.rows, self.target, self.budget = rows, target, budget
        self.steps = 0
        self.hashed = min(_HASHED, len(rows))
        self.wanted: _Vector = tuple(_residue(value) for value in target[: self.hashed])
        self.small: dict[_Vector, Expression] = {}
        self.inverses: dict[_Vector, _Vector] = {}

    def add(self, table: dict[_Vector, Expression], vector: _Vector, made: Expression) -> None:
        self.steps += 1
        if vector not in table and vector not in self.small:
            table[vector] = made

    def inverse(self, vector: _Vector) -> _Vector | None:
        known = self.inverses.get(vector)
        if known is None:
            if 0 in vector:
                return None
            known = tuple(pow(value, -1, PRIME) for value in vector)
            self.inverses[vector] = known
        return known

    def leaves(self) -> dict[_Vector, Expression]:
        table: dict[_Vector, Expression] = {}
        for column in range(len(self.rows[0])):
            vector = tuple(_residue(row[column]) for row in self.rows[: self.hashed])
            self.add(table, vector, SlotLeaf(column))
        for constant in _CONSTANTS:
            self.add(table, (_residue(constant),) * self.hashed, ConstantLeaf(constant))
        return table

    def combined(
        self, lefts: dict[_Vector, Expression], rights: dict[_Vector, Expression]
    ) -> dict[_Vector, Expression]:
        """Return sums, differences, products and quotients of the two tables' expressions."""
        table: dict[_Vector, Expression] = {}
        for u, a in lefts.items():
            if self.steps > self.budget:
                break
            for v, b in rights.items():
                if isinstance(a, ConstantLeaf) and isinstance(b, ConstantLeaf):
                    continue
                self.add(table, _sum(u, v), Applied("add", a, b))
                self.add(table, _difference(u, v), Applied("sub", a, b))
                self.add(table, _difference(v, u), Applied("sub", b, a))
                self.add(table, _product(u, v), Applied("mul", a, b))
                if (inverse := self.inverse(v)) is not None:
                    self.add(table, _product(u, inverse), Applied("div", a, b))
                if (inverse := self.inverse(u)) is not None:
                    self.add(table, _product(v, inverse), Applied("div", b, a))
        return table

    def special(self, leaves: dict[_Vector, Expression]) -> dict[_Vector, Expression]:
        """Return the operators that no residue can stand for, on pairs with a slot."""
        table: dict[_Vector, Expression] = {}
        expressions = list(leaves.values())
        for a in expressions:
            if self.steps > self.budget:
                break
            for b in expressions:
                if a == b or not (isinstance(a, SlotLeaf) or isinstance(b, SlotLeaf)):
                    continue
                for operator in _SPECIAL:
                    made = Applied(operator, a, b)
                    values = [value_of(made, row) for row in self.rows[: self.hashed]]
                    if all(value is not None for value in values):
                        vector = tuple(_residue(value) for value in values if value is not None)
                        self.add(table, vector, made)
        return table

    def fits(self, expression: Expression) -> bool:
        self.steps += len(self.rows)
        return all(
            value_of(expression, row) == value
            for row, value in zip(self.rows, self.target, strict=True)
        )

    def solutions(self) -> Iterator[Expression]:
        leaves = self.leaves()
        self.small = dict(leaves)
        yield from self.direct(leaves)
        pairs = self.combined(leaves, leaves)
        for vector, expression in self.special(leaves).items():
            pairs.setdefault(vector, expression)
        self.small |= pairs
        yield from self.direct(pairs)
        yield from self.with_constant(self.small)
        yield from self.met(self.small)
        slots_only: dict[_Vector, Expression] = {
            v: e for v, e in leaves.items() if isinstance(e, SlotLeaf)
        }
        triples = self.combined(pairs, slots_only)
        yield from self.direct(triples)
        yield from self.with_constant(triples)
        yield from self.met(triples)

    def direct(self, table: dict[_Vector, Expression]) -> Iterator[Expression]:
        if (found := table.get(self.wanted)) is not None:
            yield found

    def with_constant(self, table: dict[_Vector, Expression]) -> Iterator[Expression]:
        """Yield e + c, e · c, c − e, c / e and a·e + c for constants that the examples show."""
        wanted = self.wanted
        for vector, expression in table.items():
            self.steps += 1
            if self.steps > self.budget:
                return
            if len(set(vector)) < 2:
                continue
            if _is_flat(_difference(wanted, vector)):
                yield from self.constant("add", expression, "sub")
            if _is_flat(_sum(wanted, vector)):
                yield from self.constant("rsub", expression, "add")
            inverse = self.inverse(vector)
            if inverse is not None and _is_flat(_product(wanted, inverse)):
                yield from self.constant("mul", expression, "div")
            if 0 not in wanted and _is_flat(_product(wanted, vector)):
                yield from self.constant("rdiv", expression, "mul")
            if self.is_linear(vector):
                yield from self.linear(expression)

    def is_linear(self, vector: _Vector) -> bool:
        """Return whether the first three targets lie on a line over three values."""
        if len(set(vector)) < 3:
            return False
        (x, y, z), (u, v, w) = vector, self.wanted
        return ((u - v) * (x - z) - (u - w) * (x - y)) % PRIME == 0 and u != v

    def linear(self, expression: Expression) -> Iterator[Expression]:
        x, y = value_of(expression, self.rows[0]), value_of(expression, self.rows[1])
        if x is None or y is None or x == y:
            return
        slope = whole(Fraction(self.target[0] - self.target[1]) / (x - y))
        offset = whole(Fraction(self.target[0]) - slope * x)
        if _is_short(slope) and _is_short(offset):
            yield Applied("add", scaled(expression, slope), ConstantLeaf(offset))

    def constant(self, use: str, expression: Expression, solve: str) -> Iterator[Expression]:
        first = value_of(expression, self.rows[0])
        if first is None:
            return
        solved = OPERATORS[solve].apply(self.target[0], first)
        if not isinstance(solved, int | Fraction):
            return
        if not _is_short(solved):
            return
        if use[0] == "r":
            yield Applied(use[1:], ConstantLeaf(solved), expression)
        elif use == "mul":
            yield scaled(expression, solved)
        else:
            yield Applied(use, expression, ConstantLeaf(solved))

    def met(self, table: dict[_Vector, Expression]) -> Iterator[Expression]:
        wanted = self.wanted
        small = self.small
        wanted_inverse = self.inverse(wanted)
        for u, a in table.items():
            self.steps += 5
            if self.steps > self.budget:
                return
            if (b := small.get(_difference(wanted, u))) is not None:
                yield Applied("add", a, b)
            if (b := small.get(_difference(u, wanted))) is not None:
                yield Applied("sub", a, b)
            if (b := small.get(_sum(u, wanted))) is not None:
                yield Applied("sub", b, a)
            if (b := small.get(_product(wanted, u))) is not None:
                yield Applied("div", b, a)
            inverse = self.inverse(u)
            if inverse is not None and (b := small.get(_product(wanted, inverse))) is not None:
                yield Applied("mul", a, b)
            if wanted_inverse is not None:
                b = small.get(_product(u, wanted_inverse))
                if b is not None:
                    yield Applied("div", a, b)


def scaled(expression: Expression, factor: Number) -> Expression:
    """Return the expression times a constant, as a division where that is shorter."""
    inverse = whole(1 / Fraction(factor)) if factor else 0
    if isinstance(inverse, int) and not isinstance(factor, int):
        return Applied("div", expression, ConstantLeaf(inverse))
    return Applied("mul", expression, ConstantLeaf(factor))


def _is_short(constant: Number) -> bool:
    size = Fraction(constant)
    return abs(size.numerator) <= _MAX_CONSTANT and size.denominator <= _MAX_CONSTANT


def _sum(u: _Vector, v: _Vector) -> _Vector:
    return tuple([(a + b) % PRIME for a, b in zip(u, v, strict=True)])


def _difference(u: _Vector, v: _Vector) -> _Vector:
    return tuple([(a - b) % PRIME for a, b in zip(u, v, strict=True)])


def _product(u: _Vector, v: _Vector) -> _Vector:
    return tuple([a * b % PRIME for a, b in zip(u, v, strict=True)])


def _is_flat(vector: _Vector) -> bool:
    return all(value == vector[0] for value in vector)


def _rank(expression: Expression) -> tuple[float, str]:
    return description_bits(expression), repr(expression)


@dataclass(frozen=True, slots=True)
class Solved:
    """Expressions that fit all examples, shortest first, and the steps spent."""

    expressions: tuple[Expression, ...]
    steps: int


def solve(
    rows: Sequence[Sequence[Number]], target: Sequence[Number], *, budget: int, most: int = 3
) -> Solved:
    """Return up to `most` expressions whose value is `target` on every row.

    Nothing is found where a denominator is a multiple of the prime.

    >>> solve([(3, 4), (2, 5), (9, 7)], [12, 10, 63], budget=10_000, most=1).expressions
    (Applied(operator='mul', left=SlotLeaf(column=0), right=SlotLeaf(column=1)),)
    """
    if (
        len(rows) < 2
        or not rows[0]
        or not all(-_MAX_TARGET < value < _MAX_TARGET for value in target)
        or any(value.denominator % PRIME == 0 for numbers in (target, *rows) for value in numbers)
    ):
        return Solved((), 0)
    search = _Search(rows, target, budget)
    found: dict[Expression, None] = {}
    for expression in search.solutions():
        if len(found) >= 4 * most or search.steps > budget:
            break
        if expression not in found and search.fits(expression):
            found[expression] = None
    ranked = sorted(found, key=_rank)
    return Solved(tuple(ranked[:most]), search.steps)

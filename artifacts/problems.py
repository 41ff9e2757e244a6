"""Problems: what is wrong with a document from outside, where, and which limit was exceeded.

Problems are collected, not raised, so that a writer sees all of them at once. The table below is
the one list of codes that the parsers, the compiler κ, the gate and the documentation read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CODES: Mapping[str, str] = MappingProxyType(
    {
        "not-json": "The bytes are not one JSON document in UTF-8.",
        "bad-document": "A field is missing, unknown, or of the wrong type.",
        "grammar-syntax": "The text form of a grammar has an error at this line and column.",
        "grammar-too-large": "The grammar exceeds a limit on positions, slots or nesting.",
        "grammar-nullable": "The grammar accepts the empty text.",
        "no-required-literal": "No literal occurs in every text of the grammar.",
        "unknown-kind": "There is no such slot kind.",
        "slot-conflict": "One slot name has two kinds, or is bound twice on one path.",
        "unknown-slot": "A step or the answer names a slot that no phrasing binds.",
        "unknown-operator": "There is no such operator.",
        "bad-argument": "An argument does not fit the operator: number, type, or a later step.",
        "program-too-large": "The program exceeds a limit on steps, constants or answer size.",
        "unknown-comparator": "There is no such comparator.",
        "example-wrong": "An example is not answered as it says.",
        "example-ambiguous": "An example has readings with different answers.",
        "counterexample-matched": "A counterexample is in the grammar.",
        "phi-round-trip": "The grammar does not give back the values from which φ rendered a text.",
        "undeclared-constant": "A constant equals a slot value of the teaching example.",
        "undeclared-dont-care": "No answer depends on this slot, and it is not declared so.",
        "not-expressible": "An imported grammar says what no token grammar can say.",
        "no-example": "A recipe needs at least one example.",
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: its code, its place in the document, and a sentence for people."""

    code: str
    place: str
    message: str

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"problem code {self.code!r} is not in the table")

    def __str__(self) -> str:
        return f"{self.code} at {self.place}: {self.message}"

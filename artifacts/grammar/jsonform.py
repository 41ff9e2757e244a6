"""The JSON form of grammars, which travels inside artifacts."""

from collections.abc import Mapping, Sequence
from typing import cast

from artifacts.grammar.kinds import KINDS
from artifacts.grammar.lexer import literal_keys, normalize
from artifacts.grammar.syntax import (
    MAX_NESTING,
    MAX_REPEAT,
    Alternatives,
    Literal,
    Node,
    Repeat,
    Slot,
    TokenOf,
    alternatives,
    sequence,
)
from artifacts.grammar.syntax import Sequence as Concatenation
from artifacts.problems import Problem
from artifacts.values import Json

_MAX_DEPTH = 3 * MAX_NESTING
"""A group of the text form is at most a repeat of alternatives of sequences."""


def grammar_to_json(node: Node) -> Json:
    """Return the JSON form of a grammar tree.

    >>> grammar_to_json(Slot("n", "integer"))
    {'slot': 'n', 'kind': 'integer'}
    """
    match node:
        case Literal(keys):
            return {"literal": "".join(keys)}
        case Slot(name, "enumeration", values):
            return {"slot": name, "values": list(values)}
        case Slot(name, kind, _):
            return {"slot": name, "kind": kind}
        case Concatenation(parts):
            return {"sequence": [grammar_to_json(part) for part in parts]}
        case Alternatives(options):
            return {"alternatives": [grammar_to_json(option) for option in options]}
        case Repeat(part, low, high):
            return {"repeat": grammar_to_json(part), "low": low, "high": high}
        case TokenOf():
            raise TypeError("a slot kind's token grammar has no JSON form")


def grammar_from_json(document: Json, place: str = "grammar") -> Node | Problem:
    """Return the tree of a grammar in JSON form, or the first problem with its place."""
    return _node(document, place, 1)


def _children(items: Json, place: str, depth: int) -> list[Node] | Problem:
    if not isinstance(items, list):
        return Problem("bad-document", place, "expected a list")
    nodes: list[Node] = []
    for index, item in enumerate(items):
        node = _node(item, f"{place}[{index}]", depth + 1)
        if isinstance(node, Problem):
            return node
        nodes.append(node)
    return nodes


def _node(document: Json, place: str, depth: int) -> Node | Problem:
    if depth > _MAX_DEPTH:
        return Problem("grammar-too-large", place, f"nesting is deeper than {_MAX_DEPTH}")
    if not isinstance(document, Mapping):
        return Problem("bad-document", place, "expected an object")
    match sorted(document):
        case ["literal"]:
            return _literal(document["literal"], place)
        case ["kind", "slot"]:
            kind = document["kind"]
            if not isinstance(kind, str) or kind not in KINDS or kind == "enumeration":
                return Problem("unknown-kind", place, f"{kind!r} is not a slot kind")
            return Slot(str(document["slot"]), kind)
        case ["slot", "values"]:
            return _enumeration(document, place)
        case ["sequence"]:
            parts = _children(document["sequence"], f"{place}.sequence", depth)
            return parts if isinstance(parts, Problem) else sequence(*parts)
        case ["alternatives"]:
            options = _children(document["alternatives"], f"{place}.alternatives", depth)
            return options if isinstance(options, Problem) else alternatives(*options)
        case ["high", "low", "repeat"]:
            low, high = document["low"], document["high"]
            part = _node(document["repeat"], f"{place}.repeat", depth + 1)
            if isinstance(part, Problem):
                return part
            if not (type(low) is int and type(high) is int and 0 <= low <= high <= MAX_REPEAT):
                return Problem("grammar-too-large", place, f"repeat {low!r} to {high!r}")
            return Repeat(part, low, high)
    return Problem("bad-document", place, f"unknown fields {sorted(document)!r}")


def _literal(text: Json, place: str) -> Node | Problem:
    if not isinstance(text, str):
        return Problem("bad-document", place, "a literal is text")
    keys = literal_keys(text)
    if "".join(keys) != text:
        return Problem("bad-document", place, f"the literal {text!r} is not in normalized text")
    return Literal(keys)


def _enumeration(document: Mapping[str, Json], place: str) -> Node | Problem:
    values = document["values"]
    if not isinstance(values, Sequence) or not values or isinstance(values, str):
        return Problem("bad-document", place, "an enumeration lists its values")
    if any(
        not isinstance(value, str) or normalize(value) != value or not value for value in values
    ):
        return Problem("bad-document", place, "an enumeration value is not in normalized text")
    return Slot(str(document["slot"]), "enumeration", tuple(cast(Sequence[str], values)))

"""The JSON form of grammars, which travels inside artifacts, and its JSON Schema.

What holds a phrase is written `{"phrases": {name: options}, "grammar": …}`, and a restriction
`{"of": …, "except": …}` or `{"of": …, "only": …}`; everything else is a node. A tree has one form.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeGuard

from artifacts.grammar.kinds import KINDS
from artifacts.grammar.lexer import literal_keys, normalize
from artifacts.grammar.limits import grammar_fault, phrase_fault, too_many
from artifacts.grammar.syntax import (
    MAX_DEPTH,
    MAX_NESTING,
    MAX_REPEAT,
    MAX_RESTRICTIONS,
    Alternatives,
    Grammar,
    Literal,
    Node,
    Option,
    Phrase,
    Repeat,
    Restricted,
    Slot,
    TokenOf,
    alternatives,
    phrase_conflicts,
    phrases,
    sequence,
)
from artifacts.grammar.syntax import Sequence as Concatenation
from artifacts.problems import Problem
from artifacts.values import Json, Scalar, read_number, show_number

_MAX_DEPTH = 3 * MAX_NESTING
"""A group of the text form is at most a repeat of alternatives of sequences."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def grammar_to_json(grammar: Grammar) -> Json:
    """Return the JSON form of a grammar tree; raise ValueError if two phrases have one name.

    >>> grammar_to_json(Slot("n", "integer"))
    {'slot': 'n', 'kind': 'integer'}
    """
    if conflicts := phrase_conflicts(grammar):
        raise ValueError(f"phrases with two definitions: {', '.join(conflicts)}")
    used = {phrase.name: _phrase_to_json(phrase) for phrase in phrases(grammar)}
    return {"phrases": used, "grammar": _to_json(grammar)} if used else _to_json(grammar)


def _phrase_to_json(phrase: Phrase) -> Json:
    return [
        {"part": _to_json(option.part)}
        | ({} if option.value is None else {"value": _constant_to_json(option.value)})
        for option in phrase.options
    ]


def _constant_to_json(value: Scalar) -> Json:
    return value if isinstance(value, str) else {"number": show_number(value)}


def _to_json(grammar: Grammar) -> Json:
    match grammar:
        case Restricted(part, by, keep):
            return {"of": _to_json(part), "only" if keep else "except": _to_json(by)}
        case Literal(keys):
            return {"literal": "".join(keys)}
        case Slot(name, "enumeration", values):
            return {"slot": name, "values": list(values)}
        case Slot(name, kind, _, _, Phrase()):
            return {"slot": name, "phrase": kind}
        case Slot(name, kind, _, without):
            found: dict[str, Json] = {"slot": name, "kind": kind}
            return found | {"without": list(without)} if without else found
        case Concatenation(parts):
            return {"sequence": [_to_json(part) for part in parts]}
        case Alternatives(options):
            return {"alternatives": [_to_json(option) for option in options]}
        case Repeat(part, low, high):
            return {"repeat": _to_json(part), "low": low, "high": high}
        case TokenOf():
            raise TypeError("a slot kind's token grammar has no JSON form")


class _Malformed(Exception):
    """Leaves the reader below; never leaves this module."""

    def __init__(self, code: str, place: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(code, place, message)


def grammar_from_json(document: Json, place: str = "grammar") -> Grammar | Problem:
    """Return the tree of a grammar in JSON form, or the first problem with its place."""
    try:
        return _Reader().document(document, place)
    except _Malformed as error:
        return error.problem


@dataclass(slots=True)
class _Reader:
    definitions: Mapping[str, Json] = field(default_factory=dict)
    place: str = ""
    read: dict[str, Phrase] = field(default_factory=dict)
    reading: list[str] = field(default_factory=list)
    restrictions: int = 0
    around: int = 0
    """How deep the place is at which the phrase that is being read is used."""

    def document(self, document: Json, place: str) -> Grammar:
        outer = place
        if isinstance(document, Mapping) and sorted(document) == ["grammar", "phrases"]:
            definitions = document["phrases"]
            self.place, place = f"{place}.phrases", f"{place}.grammar"
            if not isinstance(definitions, Mapping) or not definitions:
                raise _Malformed("bad-document", self.place, "expected phrases by name")
            self.definitions = definitions
            document = document["grammar"]
        grammar = self.grammar(document, place, 1)
        unused = sorted(self.definitions.keys() - self.read.keys())
        if unused:
            raise _Malformed("bad-document", self.place, f"phrase {unused[0]!r} is not used")
        fault = grammar_fault(grammar)
        if fault is not None:
            raise _Malformed(fault[0], outer, fault[1])
        return grammar

    def grammar(self, document: Json, place: str, level: int) -> Grammar:
        chain: list[tuple[Json, str, bool]] = []
        while isinstance(document, Mapping) and "of" in document:
            field_name = next((name for name in ("except", "only") if name in document), "")
            if not field_name or len(document) != 2:
                raise _Malformed("bad-document", place, f"unknown fields {sorted(document)!r}")
            self.restrictions += 1
            if self.restrictions > MAX_RESTRICTIONS:
                message = f"restriction {self.restrictions}; the limit is {MAX_RESTRICTIONS}"
                raise _Malformed("grammar-too-large", place, message)
            chain.append((document[field_name], f"{place}.{field_name}", field_name == "only"))
            document, place = document["of"], f"{place}.of"
        if chain and level > MAX_NESTING:
            message = f"restrictions are nested {level} deep; the limit is {MAX_NESTING}"
            raise _Malformed("grammar-too-large", place, message)
        part: Grammar = self.node(document, place, 1)
        for by, where, keep in reversed(chain):
            part = Restricted(part, self.grammar(by, where, level + 1), keep)
        return part

    def children(self, items: Json, place: str, depth: int) -> list[Node]:
        if not isinstance(items, list):
            raise _Malformed("bad-document", place, "expected a list")
        _limit(items, place)
        return [self.node(item, f"{place}[{i}]", depth + 1) for i, item in enumerate(items)]

    def node(self, document: Json, place: str, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            message = f"nesting is deeper than the limit of {_MAX_DEPTH}"
            raise _Malformed("grammar-too-large", place, message)
        if self.around + depth > MAX_DEPTH:
            message = f"nesting with phrases is deeper than the limit of {MAX_DEPTH}"
            raise _Malformed("grammar-too-large", place, message)
        if not isinstance(document, Mapping):
            raise _Malformed("bad-document", place, "expected an object")
        match sorted(document):
            case ["literal"]:
                return _literal(document["literal"], place)
            case ["kind", "slot"] | ["kind", "slot", "without"]:
                return _slot(document, place)
            case ["slot", "values"]:
                values = _texts(document["values"], place, "an enumeration")
                return Slot(_name(document["slot"], place), "enumeration", values)
            case ["phrase", "slot"]:
                phrase = self.phrase(document["phrase"], place, depth)
                return Slot(_name(document["slot"], place), phrase.name, phrase=phrase)
            case ["sequence"]:
                return sequence(*self.children(document["sequence"], f"{place}.sequence", depth))
            case ["alternatives"]:
                inside = f"{place}.alternatives"
                options = self.children(document["alternatives"], inside, depth)
                if not options:
                    raise _Malformed("bad-document", inside, "expected at least one")
                return alternatives(*options)
            case ["high", "low", "repeat"]:
                low, high = document["low"], document["high"]
                part = self.node(document["repeat"], f"{place}.repeat", depth + 1)
                if not (_is_count(low) and _is_count(high) and low <= high > 0):
                    most = f"{MAX_REPEAT},{MAX_REPEAT}"
                    message = f"repeat {low!r},{high!r} is not within 0,1 to {most}"
                    raise _Malformed("grammar-too-large", place, message)
                return Repeat(part, low, high)
        raise _Malformed("bad-document", place, f"unknown fields {sorted(document)!r}")

    def phrase(self, name: Json, place: str, depth: int) -> Phrase:
        if not isinstance(name, str) or name not in self.definitions:
            raise _Malformed("unknown-kind", place, f"phrase {name!r} is not defined")
        if name in self.reading:
            raise _Malformed("bad-document", place, f"phrase {name!r} is inside itself")
        if name not in self.read:
            self.reading.append(name)
            if len(self.reading) > MAX_NESTING:
                message = f"phrases are nested {len(self.reading)} deep; the limit is {MAX_NESTING}"
                raise _Malformed("grammar-too-large", place, message)
            self.around += depth
            self.read[name] = self.definition(name, f"{self.place}.{name}")
            self.around -= depth
            self.reading.pop()
        return self.read[name]

    def definition(self, name: str, place: str) -> Phrase:
        options = self.definitions[name]
        _name(name, place)
        if not isinstance(options, list):
            raise _Malformed("bad-document", place, "expected a list of options")
        _limit(options, place)
        read = [self.option(option, f"{place}[{i}]") for i, option in enumerate(options)]
        phrase = Phrase(name, tuple(read))
        fault = phrase_fault(phrase)
        if fault is not None:
            raise _Malformed(fault[0], place, fault[1])
        return phrase

    def option(self, document: Json, place: str) -> Option:
        if not isinstance(document, Mapping) or not {"part"} <= {*document} <= {"part", "value"}:
            raise _Malformed("bad-document", place, "expected a part and perhaps a value")
        part = self.node(document["part"], f"{place}.part", 1)
        return Option(part, _constant(document["value"], place) if "value" in document else None)


def _is_count(value: Json) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= MAX_REPEAT


def _limit(items: list[Json], place: str) -> None:
    fault = too_many("alternatives", len(items))
    if fault is not None:
        raise _Malformed(fault[0], place, fault[1])


def _constant(value: Json, place: str) -> Scalar:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and {*value} == {"number"}:
        written = value["number"]
        number = read_number(written) if isinstance(written, str) else None
        if number is not None and show_number(number) == written:
            return number
    raise _Malformed("bad-document", place, f"expected text or a plain decimal, found {value!r}")


def _name(name: Json, place: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _Malformed("bad-document", place, f"{name!r} is not a name of a to z, 0 to 9 and _")
    return name


def _slot(document: Mapping[str, Json], place: str) -> Slot:
    name, kind = _name(document["slot"], place), document["kind"]
    if not isinstance(kind, str) or kind not in KINDS or kind == "enumeration":
        raise _Malformed("unknown-kind", place, f"{kind!r} is not a slot kind")
    if "without" not in document:
        return Slot(name, kind)
    without = _texts(document["without"], place, "`without`")
    if any(literal_keys(key) != (key,) for key in without) or list(without) != sorted(without):
        raise _Malformed("bad-document", place, "`without` lists single tokens, sorted")
    return Slot(name, kind, without=without)


def _literal(text: Json, place: str) -> Node:
    if not isinstance(text, str):
        raise _Malformed("bad-document", place, "a literal is text")
    literal = _known_literal(text)
    if literal is None:
        message = f"the literal {text!r} is not in normalized text"
        raise _Malformed("bad-document", place, message)
    return literal


@lru_cache(maxsize=16_384)
def _known_literal(text: str) -> Node | None:
    """Return the one node of a literal, which families share; None where it is not normalized."""
    keys = literal_keys(text)
    if "".join(keys) != text:
        return None
    return Literal(keys) if keys else sequence()


def _texts(values: Json, place: str, what: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not values:
        raise _Malformed("bad-document", place, f"{what} lists its values")
    _limit(values, place)
    texts = tuple(value for value in values if isinstance(value, str))
    found = _known_texts(texts)
    if len(texts) < len(values) or found is None:
        raise _Malformed("bad-document", place, f"{what} has a value that is not normalized text")
    if len({*texts}) < len(texts):
        raise _Malformed("bad-document", place, f"{what} lists a value twice")
    return found


@lru_cache(maxsize=4096)
def _known_texts(texts: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the one list of these texts, which families share; None where one is no value."""
    return texts if all(text and normalize(text) == text for text in texts) else None

r"""The text form of grammars, which people read and edit; printing then parsing gives it back.

    what is {p:decimal} (%|percent) of {n:decimal}[ please]
    play {song:quoted} in the {room=kitchen|living room}
    (very ){0,3}slow

`{name:kind}` is a slot, `{name=a|b}` an enumeration, `(a|b)` alternatives, `[a]` an optional part,
`(a){m,n}` a bounded repeat; a backslash makes the next character literal; any space run is one
blank. Literals are printed in normalized text.
"""

import re
from dataclasses import dataclass

from artifacts.grammar.kinds import KINDS
from artifacts.grammar.lexer import literal_keys, normalize
from artifacts.grammar.syntax import (
    MAX_NESTING,
    MAX_REPEAT,
    Alternatives,
    Literal,
    Node,
    Repeat,
    Sequence,
    Slot,
    TokenOf,
    alternatives,
    optional,
    sequence,
)
from artifacts.problems import Problem

_SPECIAL = frozenset("\\{}()[]|")
_SLOT = re.compile(r"\{([a-z][a-z0-9_]{0,31})(?::([a-z]+)\}|=)")
_BOUNDS = re.compile(r"\{(\d{1,3}),(\d{1,3})\}")


class _SyntaxError(Exception):
    """Leaves the recursive descent; never leaves this module."""

    def __init__(self, code: str, at: int, message: str) -> None:
        super().__init__(message)
        self.code, self.at, self.message = code, at, message


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def expect(self, mark: str) -> None:
        if self.peek() != mark:
            found = repr(self.peek()) if self.peek() else "the end"
            raise _SyntaxError("grammar-syntax", self.at, f"expected {mark!r}, found {found}")
        self.at += 1

    def literal(self, stops: frozenset[str]) -> str:
        """Read plain and escaped characters up to an unescaped stop or the end."""
        read: list[str] = []
        while (mark := self.peek()) and mark not in stops:
            if mark == "\\":
                self.at += 1
                mark = self.peek()
                if not mark:
                    raise _SyntaxError("grammar-syntax", self.at, "nothing follows the backslash")
            read.append(mark)
            self.at += 1
        return "".join(read)

    def alternatives(self, depth: int) -> Node:
        if depth > MAX_NESTING:
            raise _SyntaxError(
                "grammar-too-large", self.at, f"nesting is deeper than the limit of {MAX_NESTING}"
            )
        options = [self.sequence(depth)]
        while self.peek() == "|":
            self.at += 1
            options.append(self.sequence(depth))
        return alternatives(*options)

    def sequence(self, depth: int) -> Node:
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
                raise _SyntaxError("grammar-syntax", self.at, "'}' without '{'; write '\\}'")
            else:
                start = self.at
                parts.append(_literal(self.literal(_SPECIAL - {"\\"}), start))
        return sequence(*parts)

    def group(self, depth: int) -> Node:
        self.expect("(")
        inside = self.alternatives(depth + 1)
        self.expect(")")
        bounds = _BOUNDS.match(self.text, self.at)
        if bounds is None:
            return inside
        low, high = int(bounds[1]), int(bounds[2])
        if not low <= high <= MAX_REPEAT or high == 0:
            raise _SyntaxError(
                "grammar-too-large",
                self.at,
                f"repeat {low},{high} is not within 0,1 to {MAX_REPEAT},{MAX_REPEAT}",
            )
        self.at = bounds.end()
        return Repeat(inside, low, high)

    def slot(self) -> Slot:
        start = self.at
        head = _SLOT.match(self.text, start)
        if head is None:
            raise _SyntaxError("grammar-syntax", start, "expected {name:kind} or {name=a|b}")
        self.at = head.end()
        name, kind = head[1], head[2]
        if kind is None:
            return Slot(name, "enumeration", self.values(start))
        if kind not in KINDS or kind == "enumeration":
            known = ", ".join(sorted(KINDS.keys() - {"enumeration"}))
            raise _SyntaxError("unknown-kind", start, f"{kind!r} is not one of {known}")
        return Slot(name, kind)

    def values(self, start: int) -> tuple[str, ...]:
        values: list[str] = []
        while True:
            values.append(normalize(self.literal(frozenset("|}"))))
            if not values[-1]:
                raise _SyntaxError("grammar-syntax", self.at, "an enumeration value is empty")
            if self.peek() != "|":
                break
            self.at += 1
        self.expect("}")
        if len(set(values)) < len(values):
            raise _SyntaxError("grammar-syntax", start, "an enumeration lists a value twice")
        return tuple(values)


def _literal(text: str, at: int) -> Literal:
    keys = literal_keys(text)
    if literal_keys("".join(keys)) != keys:
        raise _SyntaxError("grammar-syntax", at, f"{text!r} is not stable under normalization")
    return Literal(keys)


def parse_grammar(text: str) -> Node | Problem:
    """Return the tree of a grammar in text form, or the first problem with its line and column."""
    reader = _Reader(text.rstrip(), len(text) - len(text.lstrip()))
    try:
        tree = reader.alternatives(1)
        if reader.peek():
            raise _SyntaxError("grammar-syntax", reader.at, f"unexpected {reader.peek()!r}")
    except _SyntaxError as error:
        before = reader.text[: error.at]
        line, column = before.count("\n") + 1, error.at - (before.rfind("\n") + 1) + 1
        return Problem(error.code, f"line {line}, column {column}", error.message)
    return tree


def _escaped(text: str, special: frozenset[str] = _SPECIAL) -> str:
    return "".join(f"\\{mark}" if mark in special else mark for mark in text)


def print_grammar(node: Node) -> str:
    """Return the text form of a grammar tree.

    >>> print_grammar(parse_grammar("Play [the ]{song:quoted}"))
    'play [the ]{song:quoted}'
    """
    printed = _printed(node)
    return printed if printed == printed.strip() else f"({printed})"


def _printed(node: Node) -> str:
    match node:
        case Literal(keys):
            return _escaped("".join(keys))
        case Slot(name, "enumeration", values):
            return f"{{{name}={'|'.join(_escaped(value) for value in values)}}}"
        case Slot(name, kind, _):
            return f"{{{name}:{kind}}}"
        case Sequence(parts):
            return "".join(map(_printed_part, parts))
        case Alternatives(options):
            return "|".join(map(_printed, options))
        case Repeat(part, 0, 1):
            return f"[{_printed(part)}]"
        case Repeat(part, low, high):
            return f"({_printed(part)}){{{low},{high}}}"
        case TokenOf():
            raise TypeError("a slot kind's token grammar has no text form")


def _printed_part(node: Node) -> str:
    printed = _printed(node)
    return f"({printed})" if isinstance(node, Alternatives) else printed

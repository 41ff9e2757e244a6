r"""Sentence templates of hassil: `turn on [the] {area} (light|lamp)[s]`.

    sentence = piece*, alternatives with `|` or a permutation with `;`
    piece    = text | `(`sentence`)` | `[`sentence`]` | `{list}` | `{list:slot}` | `<rule>`

A backslash makes the next character plain. After hassil 3: docs/template_syntax.md and the parser.
"""

import re
from dataclasses import dataclass

from artifacts.grammar.imports.report import MAX_DEPTH, Place, Refusal
from artifacts.grammar.imports.yamltree import Scalar

_BLANKS = re.compile(r"\s+")
_STOPS = "()[]{}<>|;"


@dataclass(frozen=True, slots=True)
class Words:
    """Plain text, each space run one blank."""

    text: str
    at: Place


@dataclass(frozen=True, slots=True)
class Row:
    """Pieces in a row."""

    parts: tuple["Template", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Alternatives; an optional part has the empty row among them."""

    options: tuple["Template", ...]


@dataclass(frozen=True, slots=True)
class AnyOrder:
    """All of the parts, in any order, with blanks between them."""

    parts: tuple["Template", ...]
    at: Place


@dataclass(frozen=True, slots=True)
class ListName:
    """A value of a list, put into a slot."""

    name: str
    slot: str
    at: Place


@dataclass(frozen=True, slots=True)
class RuleName:
    """An expansion rule."""

    name: str
    at: Place


Template = Words | Row | Either | AnyOrder | ListName | RuleName


def parse_template(source: Scalar) -> Template:
    """Return the tree of a template; raise Refusal with the place of what is wrong."""
    reader = _Reader(source)
    tree = reader.sentence("", 1)
    if reader.peek():
        raise reader.refused(f"unexpected {reader.peek()!r}; write '\\{reader.peek()}'")
    return tree


class _Reader:
    def __init__(self, source: Scalar) -> None:
        self.source, self.text, self.at = source, source.text, 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def place(self) -> Place:
        return self.source.place(self.at)

    def refused(self, message: str, code: str = "grammar-syntax") -> Refusal:
        if self.source.exact is None:
            message += f" (at character {self.at + 1} of the text that begins here)"
        return Refusal(code, self.place(), message)

    def sentence(self, closing: str, depth: int) -> Template:
        if depth > MAX_DEPTH:
            message = f"nesting of {depth} levels; the limit is {MAX_DEPTH}"
            raise self.refused(message, "grammar-too-large")
        start = self.place()
        rows: list[Template] = [self.row(depth)]
        separator = ""
        while (mark := self.peek()) and mark in "|;":
            if separator and mark != separator:
                raise self.refused("expected one of '|' and ';' in a group, found both")
            separator = mark
            self.at += 1
            rows.append(self.row(depth))
        if self.peek() != closing:
            found = repr(self.peek()) if self.peek() else "the end"
            raise self.refused(
                f"expected {closing!r}, found {found}"
                if closing
                else f"unexpected {found}; a backslash makes it plain"
            )
        if separator == ";":
            return AnyOrder(tuple(rows), start)
        return rows[0] if len(rows) == 1 else Either(tuple(rows))

    def row(self, depth: int) -> Template:
        parts: list[Template] = []
        while (mark := self.peek()) and mark not in ")]}>|;":
            if mark == "(":
                parts.append(self.group(")", depth))
            elif mark == "[":
                parts.append(Either((self.group("]", depth), Row(()))))
            elif mark == "{":
                at = self.place()
                name, _, slot = self.name("{", "}").partition(":")
                captured = name.startswith("@")
                parts.append(
                    ListName(name.lstrip("@") if captured else name, (slot or name).lstrip("@"), at)
                )
            elif mark == "<":
                at = self.place()
                parts.append(RuleName(self.name("<", ">"), at))
            else:
                parts.append(self.words())
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def group(self, closing: str, depth: int) -> Template:
        self.at += 1
        inside = self.sentence(closing, depth + 1)
        self.at += 1
        return inside

    def name(self, opening: str, closing: str) -> str:
        end = self.text.find(closing, self.at)
        name = self.text[self.at + 1 : end] if end >= 0 else ""
        if not name or opening in name:
            raise self.refused(f"expected a name and {closing!r} after {opening!r}")
        self.at = end + 1
        return name

    def words(self) -> Words:
        at, read = self.place(), []
        while (mark := self.peek()) and mark not in _STOPS:
            if mark == "\\":
                self.at += 1
                mark = self.peek()
                if not mark:
                    raise self.refused("nothing follows the backslash")
            read.append(mark)
            self.at += 1
        return Words(_BLANKS.sub(" ", "".join(read)).replace("’", "'"), at)

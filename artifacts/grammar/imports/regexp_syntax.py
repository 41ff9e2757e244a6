r"""Patterns: the syntax that Python's `re` and RE2 share, read into a tree with places.

    `a` `\.` `[a-z]` `\d` `\w` `\s` `(…)` `(?:…)` `(?P<name>…)` `(?i)` `|` `?` `*` `+` `{m,n}` and
    their lazy twins; `^` and `$` at the ends, where they change nothing.

Python's own parser is private to its standard library. Everything else is refused with a reason.
"""

import re
from dataclasses import dataclass

from artifacts.grammar.imports.regexp_sets import CLASSES, Characters
from artifacts.grammar.imports.report import MAX_DEPTH, Place, Refusal

MAX_COUNT = 1000
MAX_RANGE = 512

_BOUNDS = re.compile(r"\{(\d{0,4})(?:(,)(\d{0,4}))?\}")
_NAME = re.compile(r"\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>")
_FLAGS = re.compile(r"\(\?([a-zA-Z]*(?:-[a-zA-Z]+)?)([:)])")
_REFUSED_GROUPS = (
    ("(?=", "lookahead"), ("(?!", "lookahead"), ("(?<=", "lookbehind"), ("(?<!", "lookbehind"),
    ("(?P=", "a backreference"), ("(?(", "a conditional"), ("(?>", "an atomic group"),
    ("(?P>", "recursion"), ("(?R", "recursion"),
)  # fmt: skip
_HEX = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|x\{([0-9a-fA-F]{1,6})\}")
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Set:
    """One character of a set; `folds` when its case does not matter."""

    characters: Characters
    folds: bool
    at: Place


@dataclass(frozen=True, slots=True)
class Row:
    """Parts in a row."""

    parts: tuple["Pattern", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Alternatives."""

    options: tuple["Pattern", ...]


@dataclass(frozen=True, slots=True)
class Again:
    """`low` to `high` times; None is without end."""

    part: "Pattern"
    low: int
    high: int | None
    at: Place


@dataclass(frozen=True, slots=True)
class Named:
    """A named group."""

    name: str
    part: "Pattern"
    at: Place


Pattern = Set | Row | Either | Again | Named


def parse_pattern(pattern: str, at: Place, *, ignore_case: bool) -> Pattern:
    """Return the tree of a pattern that begins at a place; raise Refusal."""
    reader = _Reader(pattern, at, ignore_case)
    if pattern.startswith(("^", "\\A")):
        reader.at = 1 if pattern[0] == "^" else 2
    tree = reader.alternatives(1)
    if reader.at < len(pattern):
        raise reader.refused("unexpected ')'")
    return tree


@dataclass(slots=True)
class _Reader:
    text: str
    start: Place
    folds: bool
    at: int = 0

    def place(self, at: int | None = None) -> Place:
        return self.start[0], self.start[1] + (self.at if at is None else at)

    def refused(self, message: str, code: str = "grammar-syntax", at: int | None = None) -> Refusal:
        return Refusal(code, self.place(at), message)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def alternatives(self, depth: int) -> Pattern:
        if depth > MAX_DEPTH:
            message = f"nesting of {depth} levels; the limit is {MAX_DEPTH}"
            raise self.refused(message, "grammar-too-large")
        options = [self.row(depth)]
        while self.peek() == "|":
            self.at += 1
            options.append(self.row(depth))
        return options[0] if len(options) == 1 else Either(tuple(options))

    def row(self, depth: int) -> Pattern:
        parts: list[Pattern] = []
        while (mark := self.peek()) and mark not in "|)":
            if self.text[self.at :] in ("$", "\\Z", "\\z"):
                self.at = len(self.text)
                break
            start = self.at
            atom = self.atom(depth)
            if atom is not None:
                parts.append(self.repeated(atom, start))
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def repeated(self, atom: Pattern, start: int) -> Pattern:
        mark = self.peek()
        at = self.at
        if not mark or mark not in "?*+{":
            return atom
        if mark == "{":
            bounds = _BOUNDS.match(self.text, self.at)
            if bounds is None or bounds[0] in ("{}", "{,}"):
                raise self.refused("expected {m}, {m,} or {m,n}; write '\\{' for a brace")
            self.at = bounds.end()
            low = int(bounds[1] or 0)
            high = (int(bounds[3]) if bounds[3] else None) if bounds[2] else low
        else:
            self.at += 1
            low, high = {"?": (0, 1), "*": (0, None), "+": (1, None)}[mark]
        if max(low, high or 0) > MAX_COUNT:
            message = f"{max(low, high or 0)} times; the limit is {MAX_COUNT}"
            raise self.refused(message, "grammar-too-large", at)
        if high is not None and low > high:
            raise self.refused(f"{low} is more than {high}", at=at)
        if self.peek() == "?":
            self.at += 1  # the lazy twin: a whole text is matched or not all the same
        elif self.peek() == "+":
            message = "a possessive repeat; expected a greedy or lazy one"
            raise self.refused(message, "not-expressible")
        elif (more := self.peek()) and (
            more in "*" or (more == "{" and _BOUNDS.match(self.text, self.at))
        ):
            raise self.refused("expected no second repeat; put the first in (?:…)")
        return Again(atom, low, high, self.place(start))

    def atom(self, depth: int) -> Pattern | None:
        start, mark = self.at, self.peek()
        if mark == "(":
            return self.group(depth)
        if mark == "[":
            return Set(self.character_class(), self.folds, self.place(start))
        if mark == "\\":
            return Set(self.escape(), self.folds, self.place(start))
        if mark in "?*+":
            raise self.refused(f"expected something before {mark!r} to repeat")
        if mark in "^$":
            message = f"{mark!r} inside a pattern; expected it at an end, or '\\{mark}'"
            raise self.refused(message, "not-expressible")
        self.at += 1
        if mark == ".":
            return Set(Characters(frozenset("\n"), True), self.folds, self.place(start))
        return Set(Characters(frozenset(mark)), self.folds, self.place(start))

    def group(self, depth: int) -> Pattern | None:
        start = self.at
        for opening, what in _REFUSED_GROUPS:
            if self.text.startswith(opening, start):
                message = f"{what} looks beyond the token at hand; expected a plain group"
                raise self.refused(message, "not-expressible")
        if self.text.startswith("(?#", start):
            end = self.text.find(")", start)
            if end < 0:
                raise self.refused("expected ')' at the end of the comment")
            self.at = end + 1
            return None
        folded, name = self.folds, None
        if named := _NAME.match(self.text, start):
            self.at, name = named.end(), named[1]
        elif self.text.startswith("(?", start):
            if not self.flags(start):
                return None
        else:
            self.at += 1
        inside = self.alternatives(depth + 1)
        if self.peek() != ")":
            found = "the end" if self.at == len(self.text) else repr(self.peek())
            raise self.refused(f"expected ')' for the group, found {found}")
        self.at += 1
        self.folds = folded
        return inside if name is None else Named(name, inside, self.place(start))

    def flags(self, start: int) -> bool:
        """Read `(?i)` or the head of `(?i:`, and return if it opens a group."""
        flags = _FLAGS.match(self.text, start)
        if flags is None:
            raise self.refused("expected (?:, (?P<name> or (?i) here")
        for flag in flags[1]:
            if flag not in "isa":
                message = f"flag {flag!r} changes what the pattern means; expected 'i'"
                raise self.refused(message, "not-expressible")
        if flags[2] == ")" and self.text[:start].strip("^"):
            raise self.refused("flags for the whole pattern stand at its beginning")
        self.folds = self.folds or "i" in flags[1]
        self.at = flags.end()
        return flags[2] == ":"

    def escape(self) -> Characters:
        """Read a backslash and what it stands for."""
        start = self.at
        self.at += 1
        mark = self.peek()
        if not mark:
            raise self.refused("nothing follows the backslash", at=start)
        if code := _HEX.match(self.text, self.at):
            self.at = code.end()
            value = int(code[1] or code[2] or code[3], 16)
            if value > 0x10FFFF or 0xD800 <= value < 0xE000:
                raise self.refused("expected a code point", at=start)
            return Characters(frozenset(chr(value)))
        self.at += 1
        if mark in CLASSES:
            return CLASSES[mark]
        if mark in _CONTROL:
            return Characters(frozenset(_CONTROL[mark]))
        if mark.isdigit() or mark in "gk":
            message = "a backreference is not regular; expected the text again"
            raise self.refused(message, "not-expressible", start)
        if mark in "bB":
            message = f"'\\{mark}' looks at the characters around it; expected a blank or a mark"
            raise self.refused(message, "not-expressible", start)
        if mark in "AZz":
            message = f"'\\{mark}' inside a pattern; expected it at an end"
            raise self.refused(message, "not-expressible", start)
        if mark.isalpha():
            raise self.refused(f"unknown escape '\\{mark}'", "not-expressible", start)
        return Characters(frozenset(mark))

    def character_class(self) -> Characters:
        start = self.at
        self.at += 1
        inverted = self.peek() == "^"
        self.at += inverted
        found = Characters(frozenset())
        first = True
        while (mark := self.peek()) != "]" or first:
            if not mark:
                raise self.refused("expected ']' at the end of the class", at=start)
            if self.text.startswith("[:", self.at):
                message = "a POSIX class; expected its characters"
                raise self.refused(message, "not-expressible")
            first = False
            item_at = self.at
            item = self.member()
            if self.peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                item = self.span(item, self.member(), item_at)
            found = found.joined(item)
        self.at += 1
        return found.others() if inverted else found

    def member(self) -> Characters:
        if self.peek() == "\\":
            if self.text.startswith("\\b", self.at):
                raise self.refused("a backspace occurs in no text", "not-expressible")
            return self.escape()
        self.at += 1
        return Characters(frozenset(self.text[self.at - 1]))

    def span(self, low: Characters, high: Characters, at: int) -> Characters:
        if len(low.members) != 1 or len(high.members) != 1 or low.inverted or high.inverted:
            raise self.refused("expected one character on both sides of '-'", at=at)
        (first,), (last,) = low.members, high.members
        size = ord(last) - ord(first) + 1
        if size < 1:
            raise self.refused(f"{first!r} stands after {last!r}", at=at)
        if size > MAX_RANGE:
            message = f"a range of {size:,} characters; the limit is {MAX_RANGE}"
            raise self.refused(message, "grammar-too-large", at)
        return Characters(frozenset(map(chr, range(ord(first), ord(last) + 1))))

"""From regular expressions over characters to grammars over tokens, exactly.

Sources put texts together character by character: `light[s]`, `turn(s|ed)`, `colou?r`. A token of
ours is a whole run of letters or of digits, so a boundary inside a run must go: where two
neighbours could join to one token, their spellings are written out (`light|lights`). Everything
else keeps its structure, because it is what people will read.

Why not automata? A character automaton turned into a token automaton and back into an expression
is exact as well, and unreadable; see the note on state elimination in the design. What still
hurts: `[0-9]{3}` has a thousand spellings, and is refused beyond `MAX_SPELLINGS`; and a slot cannot
be part of a token, so one that would touch letters is refused.

Blanks are `soft` (two in a row are one, and none at the ends: what grammars mean) or not (each is a
character of the normalized text, which has no two in a row: such spellings are dropped).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from artifacts.grammar import syntax
from artifacts.grammar.imports.forms import (
    BLANK,
    COMBINING,
    DIGITS,
    LETTERS,
    NOTHING,
    Bind,
    Chain,
    Choice,
    Form,
    Text,
    Times,
    choice,
    empty,
    nonempty,
    place_of,
)
from artifacts.grammar.imports.report import Refusal
from artifacts.grammar.lexer import literal_keys
from artifacts.grammar.syntax import (
    MAX_NODES,
    MAX_REPEAT,
    Literal,
    Node,
    Repeat,
    alternatives,
    optional,
    sequence,
)

MAX_SPELLINGS = 512
"""Spellings that one boundary inside a token may be written out to."""
MAX_STEPS = 20_000
"""Steps that one grammar may take to write spellings out."""


@dataclass(slots=True)
class _Settling:
    soft: bool
    steps: int = 0

    def touches(self, left: Form, right: Form) -> bool:
        """Return if a text of one and a text of the other could join to one token."""
        shared = left.last & right.first
        if LETTERS in shared or DIGITS in shared or (BLANK in shared and not self.soft):
            return True
        return COMBINING in right.first and bool(left.last - {BLANK})

    def form(self, form: Form) -> Form:
        match form:
            case Text() | Bind():
                return form
            case Choice(options):
                return choice(map(self.form, options))
            case Times(part, low, high, at):
                part = self.form(part)
                if part == NOTHING:
                    return NOTHING if low else empty(at)
                if high == 1 or not self.touches(part, part):
                    return Times(part, low, high, at)
                rest: Form = empty(at)
                for _ in range(high - low):
                    rest = Times(Chain((part, rest)), 0, 1, at)
                return self.chain([*[part] * low, *self._inner(rest)])
            case Chain(parts):
                return self.chain([self.form(part) for part in parts])

    def _inner(self, rest: Form) -> list[Form]:
        """Settle optional copies from the innermost outwards."""
        match rest:
            case Times(Chain((part, more)), 0, 1, at):
                return [Times(self.chain([part, *self._inner(more)]), 0, 1, at)]
            case _:
                return []

    def chain(self, parts: Sequence[Form]) -> Form:
        """Return the parts in a row, so that no two that could meet touch."""
        row: list[Form] = []
        for part in parts:
            row.extend(part.parts if isinstance(part, Chain) else (part,))
        row = [part for part in row if not (isinstance(part, Text) and not part.text)]
        if NOTHING in row:
            return NOTHING
        while (touching := self._first_touching(row)) is not None:
            start, end = touching
            options = [self.chain(variant) for variant in self.split(row[start : end + 1])]
            written = choice(option for option in options if option != NOTHING)
            if written == NOTHING:
                return NOTHING
            if isinstance(written, Choice) and len(written.options) > MAX_SPELLINGS:
                message = (
                    f"{len(written.options):,} spellings of one token would be written out;"
                    f" the limit is {MAX_SPELLINGS}"
                )
                raise Refusal("grammar-too-large", place_of(row[start]), message)
            inside = written.parts if isinstance(written, Chain) else (written,)
            row[start : end + 1] = [p for p in inside if not (isinstance(p, Text) and not p.text)]
        return row[0] if len(row) == 1 else Chain(tuple(row)) if row else empty((1, 1))

    def _first_touching(self, row: Sequence[Form]) -> tuple[int, int] | None:
        for end in range(1, len(row)):
            for start in range(end - 1, -1, -1):
                if self.touches(row[start], row[end]):
                    return start, end
                if not row[start].nullable:
                    break
        return None

    def split(self, segment: Sequence[Form]) -> list[list[Form]]:
        """Return rows whose union is the segment, each a step nearer to written-out tokens."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            message = f"the spellings take more than the limit of {MAX_STEPS:,} steps"
            raise Refusal("grammar-too-large", place_of(segment[0]), message)
        left, *middle, right = segment
        for index, part in enumerate(segment):
            if part.nullable:
                full = [*segment[:index], nonempty(part), *segment[index + 1 :]]
                return [[*segment[:index], *segment[index + 1 :]], full]
        assert not middle
        if isinstance(left, Text) and isinstance(right, Text):
            if left.text[-1] == right.text[0] == " ":
                return []
            return [[Text(left.text + right.text, left.at)]]
        match left:
            case Chain(parts):
                return [[*parts, right]]
            case Choice(options):
                clean = [o for o in options if not self.touches(o, right)]
                return [[o, right] for o in options if o not in clean] + (
                    [[choice(clean), right]] if clean else []
                )
            case Times(part, low, high, at):
                return (
                    [[Times(part, low - 1, high - 1, at), part, right]]
                    if high > 1
                    else [[part, right]]
                )
        match right:
            case Chain(parts):
                return [[left, *parts]]
            case Choice(options):
                clean = [o for o in options if not self.touches(left, o)]
                return [[left, o] for o in options if o not in clean] + (
                    [[left, choice(clean)]] if clean else []
                )
            case Times(part, low, high, at):
                return (
                    [[left, part, Times(part, low - 1, high - 1, at)]]
                    if high > 1
                    else [[left, part]]
                )
        slot = left if isinstance(left, Bind) else right
        assert isinstance(slot, Bind)
        other = right if slot is left else left
        beside = f"slot {other.slot.name!r}" if isinstance(other, Bind) else repr(other_text(other))
        raise Refusal(
            "not-expressible",
            slot.at,
            f"slot {slot.slot.name!r} would be a part of a token: {beside} stands right beside it;"
            " expected a blank or a mark between them",
        )


def other_text(form: Form) -> str:
    """Return the characters of a text, for messages."""
    return form.text if isinstance(form, Text) else ""


def to_grammar(form: Form, *, soft_blanks: bool) -> Node | None:
    """Return the token grammar of a form; None when it has no text at all.

    >>> here = (1, 1)
    >>> form = Chain((Text("light", here), Times(Text("s", here), 0, 1, here)))
    >>> from artifacts.grammar.textform import print_grammar
    >>> print_grammar(to_grammar(form, soft_blanks=True))
    'light|lights'
    """
    if form.size > MAX_NODES:
        message = f"the source has {form.size:,} parts; the limit is {MAX_NODES:,}"
        raise Refusal("grammar-too-large", place_of(form), message)
    settling = _Settling(soft_blanks)
    if soft_blanks:
        settled = settling.form(form)
    else:  # a blank at an end of the text is one too many, as two in a row are
        at = place_of(form)
        settled = settling.form(Chain((Text(" ", at), nonempty(form), Text(" ", at))))
    trimmed = _trimmed(_trimmed(settled, 0), -1)
    return None if trimmed == NOTHING else _lowered(trimmed)


def _trimmed(form: Form, end: int) -> Form:
    """Return a form without the blanks that all its texts have at an end: 0 the first, or -1."""
    match form:
        case Text(text, at):
            return Text(text.rstrip(" ") if end else text.lstrip(" "), at)
        case Chain(parts) if parts:
            inner = _trimmed(parts[end], end)
            return Chain((*parts[:-1], inner) if end else (inner, *parts[1:]))
        case Choice(options):
            return choice(_trimmed(option, end) for option in options)
        case _:
            return form


def _lowered(form: Form) -> Node:
    match form:
        case Text(text):
            return Literal(literal_keys(text))
        case Bind(slot):
            return slot
        case Chain(parts):
            return sequence(*map(_lowered, parts))
        case Choice(options):
            some = [o for o in options if not (isinstance(o, Text) and not o.text)]
            if not some:
                return syntax.Sequence(())
            node = alternatives(*map(_lowered, some))
            return node if len(some) == len(options) else optional(node)
        case Times(part, low, high, at):
            if high > MAX_REPEAT:
                message = f"{high} times; the limit is {MAX_REPEAT}"
                raise Refusal("grammar-too-large", at, message)
            return _lowered(part) if low == high == 1 else Repeat(_lowered(part), low, high)

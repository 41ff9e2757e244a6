"""Sequences of a kind: `3, 4 and 5`. The value is a tuple.

A text is split at commas and list words in every way in which the kind takes each item; one way is
the value, several are refused: `two hundred and five` is one number or two. So is a bare comma that
may group the digits of one number: `1,234`.
"""

import re
from collections.abc import Callable
from functools import partial

from artifacts.grammar.kinds_locale import Locale
from artifacts.grammar.kinds_tokens import BLANK, Spelling, any_of, keys, many
from artifacts.grammar.lexer import MAX_CODE_POINTS, literal_keys
from artifacts.grammar.syntax import Alternatives, Node, optional, sequence
from artifacts.values import MAX_ITEMS, Scalar, Value, shown_size

MAX_JOINTS_INSIDE = 3
"""Commas and list words within one item; an item with more is refused."""
MAX_JOINTS = 2 * MAX_ITEMS
"""Commas and list words of a sequence; one with more is refused."""


def sequence_of(
    item: Spelling, locale: Locale, *, refused: frozenset[str] = frozenset(), bare_numbers: bool
) -> Spelling:
    """Return how sequences of the kind are written; `refused` are tokens that no item has.

    `bare_numbers` are those whose digits a comma may group.
    """
    comma, words = keys(","), keys(*locale.list_words)
    joint = Alternatives(
        (sequence(comma, optional(BLANK)), sequence(optional(comma), BLANK, words, BLANK))
    )
    tokens: Node = sequence(item.tokens, many(sequence(joint, item.tokens)))
    joints = re.compile(rf",?\s+(?:{any_of(locale.list_words)})\s+|,\s*", re.IGNORECASE)
    group = re.escape(locale.grouping_mark)
    grouped = re.compile(rf"(?<![0-9])[0-9]{{1,3}}(?:{group}[0-9]{{3}})+(?![0-9])")
    one = partial(_item, item.parse, refused)

    def parse(text: str) -> Value | None:
        if bare_numbers and grouped.search(text):
            return None
        found = [joint.span() for joint in joints.finditer(text)]
        return _only_split(text, found, one, 0 if refused else MAX_JOINTS_INSIDE)

    def render(value: Value) -> str:
        assert isinstance(value, tuple)
        return ", ".join(map(item.render, value))

    return Spelling(tokens, parse, render)


def _item(
    parse: Callable[[str], Value | None], refused: frozenset[str], text: str
) -> Scalar | None:
    value = parse(text) if text and text == text.strip() else None
    if isinstance(value, tuple) or (refused and not refused.isdisjoint(literal_keys(text))):
        return None
    return value


def _only_split(
    text: str, joints: list[tuple[int, int]], item: Callable[[str], Scalar | None], inside: int
) -> tuple[Scalar, ...] | None:
    """Return the items of the only split, or None where there is none or there are several.

    An item has at most `inside` joints, so time is linear in their number.
    """
    if len(joints) > MAX_JOINTS:
        return None
    starts = [0, *(end for _, end in joints)]
    ends = [*(start for start, _ in joints), len(text)]
    found: list[tuple[int, Scalar] | None] = []
    several: list[bool] = []
    for last, end in enumerate(ends):
        ways: list[tuple[int, Scalar]] = []
        for first in range(max(0, last - inside), last + 1):
            if first and found[first - 1] is None:
                continue
            value = item(text[starts[first] : end])
            if value is not None:
                ways.append((first, value))
        found.append(ways[0] if ways else None)
        several.append(len(ways) > 1 or any(first and several[first - 1] for first, _ in ways))
    items: list[Scalar] = []
    last = len(ends) - 1
    while last >= 0:
        way = found[last]
        if way is None or several[-1]:
            return None
        last = way[0] - 1
        items.append(way[1])
    fits = len(items) <= MAX_ITEMS and sum(map(shown_size, items)) <= MAX_CODE_POINTS
    return tuple(reversed(items)) if fits else None

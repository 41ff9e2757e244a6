"""Profiles: what every text of a grammar has in common, read off the tree before any automaton.

An automaton takes a hundred times as long to make as a profile and ten times its room, and nearly
all families of an index are never met by an utterance that could be theirs. So a family is filed
and refused by its profile, and compiled when a text passes it.

All parts of a profile are necessary, none is sufficient: a grammar with phrases or restrictions is
described by more texts than it has. Blanks are not counted: a space run may stand for two blanks
of the grammar, or at an end for none.
"""

from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from artifacts.grammar.kinds import kind_of
from artifacts.grammar.lexer import TokenClass, token_class
from artifacts.grammar.syntax import (
    Alternatives,
    Grammar,
    Literal,
    Node,
    Repeat,
    Restricted,
    Sequence,
    Slot,
    TokenOf,
    core,
)

ENDLESS = 1 << 30
"""The most tokens of a grammar with an unbounded slot."""
MAX_HEADS = 16
"""Keys of which one must occur; longer lists are not kept."""
MAX_OPENING = 6
"""Tokens of the longest opening."""
MAX_OPENINGS = 6
"""Openings that are told apart; of a part with more, less is told."""

Keys = frozenset[str]
Opening = tuple[tuple[frozenset[str], ...], bool]
"""What the first tokens of some texts may be, one after the other, and whether more may follow."""
"""Token keys; classes of tokens are capitals, which no folded key has."""
_NONE: Keys = frozenset()
CLASS_MARKS: dict[TokenClass, str] = {"letters": "L", "digits": "D", "mark": "M", "space": "S"}
_MARK_KEYS = {cls: frozenset({mark}) for cls, mark in CLASS_MARKS.items()}
MARK_NAMES: Keys = frozenset(CLASS_MARKS.values())


class Profile(Struct, frozen=True, gc=False):
    """What all texts of a grammar have in common.

    `required` occur in each; and one of `heads`, if any are told: those of an alternative. Each has
    `least` to `most` tokens besides blanks; the first is in `first`, the last in `last`, and they
    start as one of `openings` does. `names` are the keys that an automaton tells from others of
    their class; no text has a token that is neither one of them nor of `classes`.
    """

    required: Keys
    heads: Keys
    least: int
    most: int
    first: Keys
    last: Keys
    openings: tuple[Opening, ...]
    names: tuple[Keys, ...]
    classes: Keys

    def may_have(self, key: str) -> bool:
        """Return whether a text of the grammar may have this token."""
        return mark_of(key) in self.classes or any(key in names for names in self.names)


class _Marks(dict[str, str]):
    """The class of a token by its first character, as a capital."""

    def __missing__(self, character: str) -> str:
        return CLASS_MARKS[token_class(character)]


MARKS = _Marks({chr(code): CLASS_MARKS[token_class(chr(code))] for code in range(128)})


def mark_of(key: str) -> str:
    """Return the class of a token as a capital; a capital is its own.

    >>> mark_of("uid"), mark_of("42"), mark_of("=")
    ('L', 'D', 'M')
    """
    return key if key in MARK_NAMES else MARKS[key[0]]


class _Part(Struct, gc=False):
    """A profile in the making, and whether the part may have no token."""

    required: Keys = _NONE
    heads: Keys = _NONE
    least: int = 0
    most: int = 0
    empty: bool = True
    first: Keys = _NONE
    last: Keys = _NONE
    openings: tuple[Opening, ...] = (((), False),)
    names: tuple[Keys, ...] = ()
    classes: Keys = _NONE


_EMPTY = _Part()


def profile(grammar: Grammar) -> Profile:
    """Return the profile of a grammar.

    >>> from artifacts.grammar.textform import parse_grammar
    >>> found = profile(parse_grammar("[please ](dim|light) the {r=hall|bath} to {n:integer}"))
    >>> sorted(found.required), sorted(found.heads), found.least, found.most
    (['the', 'to'], ['bath', 'hall'], 5, 7)
    >>> sorted(found.first), sorted(found.last)
    (['dim', 'light', 'please'], ['D'])
    """
    part = _part(core(grammar))
    required, least, most = part.required, part.least, part.most
    names = part.names
    while isinstance(grammar, Restricted):
        by = profile(grammar.by)
        names += by.names
        if grammar.keep:
            required, least = required | by.required, max(least, by.least)
            most = min(most, by.most)
        grammar = grammar.part
    heads = part.heads if part.heads.isdisjoint(required) else _NONE
    return Profile(
        required, heads, least, most, part.first, part.last, part.openings,
        names, part.classes,
    )  # fmt: skip


def _part(node: Node) -> _Part:
    match node:
        case Literal(keys):
            return _literal(keys)
        case Slot():
            return _slot(Slot("", node.kind, node.values, node.without, node.phrase))
        case Sequence(parts):
            whole = _EMPTY
            for part in parts:
                whole = _then(whole, _part(part))
            return whole
        case Alternatives(options):
            return _either([_part(option) for option in options])
        case Repeat(part, low, high):
            return _repeated(_part(part), low, high)
        case TokenOf(keys, classes, excluded):
            if keys == {" "}:
                return _EMPTY
            return _token(keys - {" "}, classes, excluded)


@lru_cache(maxsize=8192)
def _literal(keys: tuple[str, ...]) -> _Part:
    tokens = tuple(key for key in keys if key != " ")
    if not tokens:
        return _EMPTY
    required, count = frozenset(tokens), len(tokens)
    return _Part(
        required, _NONE, count, count, False, frozenset(tokens[:1]), frozenset(tokens[-1:]),
        ((tuple(frozenset({key}) for key in tokens[:MAX_OPENING]), count > MAX_OPENING),),
        (required,),
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _slot(slot: Slot) -> _Part:
    part = _part(kind_of(slot).tokens)
    names = _NONE.union(*part.names)
    openings = part.openings
    if len(openings) > 1:
        openings = (((), True),) if part.empty else (((part.first,), True),)
    return _Part(
        part.required, part.heads, part.least, part.most, part.empty,
        part.first, part.last, openings, (names,), part.classes,
    )  # fmt: skip


def _token(keys: Keys, classes: Iterable[TokenClass], excluded: Keys) -> _Part:
    marks = _NONE.union(*(_MARK_KEYS[cls] for cls in classes if cls != "space"))
    may_be_blank = "space" in classes
    first = keys | marks
    return _Part(
        keys if len(keys) == 1 and not marks and not may_be_blank else _NONE,
        keys if not marks and not may_be_blank and 1 < len(keys) <= MAX_HEADS else _NONE,
        0 if may_be_blank else 1, 1, may_be_blank, first, first,
        (((first,), False), *((((), False),) if may_be_blank else ())), (keys | excluded,), marks,
    )  # fmt: skip


def _then(left: _Part, right: _Part) -> _Part:
    if left is _EMPTY:
        return right
    if right is _EMPTY:
        return left
    return _Part(
        left.required | right.required,
        _sharper(left.heads, right.heads),
        left.least + right.least,
        min(left.most + right.most, ENDLESS),
        left.empty and right.empty,
        left.first | right.first if left.empty else left.first,
        right.last | left.last if right.empty else right.last,
        _continued(left.openings, right.openings),
        left.names + right.names,
        left.classes | right.classes,
    )


def _continued(left: tuple[Opening, ...], right: tuple[Opening, ...]) -> tuple[Opening, ...]:
    found: dict[Opening, None] = {}
    for start, more in left:
        if more or len(start) == MAX_OPENING:
            found[start, True] = None
            continue
        for rest, further in right:
            whole = start + rest
            found[whole[:MAX_OPENING], further or len(whole) > MAX_OPENING] = None
    return _bounded(tuple(found))


def _bounded(openings: tuple[Opening, ...]) -> tuple[Opening, ...]:
    """Return at most `MAX_OPENINGS`, by telling less of what comes late."""
    most = MAX_OPENING
    while len(openings) > MAX_OPENINGS:
        most -= 1
        cut = ((tokens[:most], more or len(tokens) > most) for tokens, more in openings)
        openings = tuple(dict.fromkeys(cut))
    return openings


def _sharper(left: Keys, right: Keys) -> Keys:
    """Return the better one of two lists of heads: that of fewer keys, then of longer ones."""
    if not left or not right:
        return left or right
    if len(left) == len(right):
        return max(left, right, key=lambda keys: (min(map(len, keys)), sorted(keys)))
    return left if len(left) < len(right) else right


def _either(options: list[_Part]) -> _Part:
    if not options:
        return _EMPTY
    choices = [_one_of(option) for option in options]
    heads = _NONE.union(*choices) if all(choices) else _NONE
    if len(heads) > MAX_HEADS:
        heads = _NONE
    return _Part(
        frozenset.intersection(*(option.required for option in options)),
        heads,
        min(option.least for option in options),
        max(option.most for option in options),
        any(option.empty for option in options),
        _NONE.union(*(option.first for option in options)),
        _NONE.union(*(option.last for option in options)),
        _any_opening(options),
        (_NONE.union(*(names for option in options for names in option.names)),),
        _NONE.union(*(option.classes for option in options)),
    )


def _any_opening(options: list[_Part]) -> tuple[Opening, ...]:
    singles = [o.openings[0][0][0] for o in options if _is_one_token(o.openings)]
    found: dict[Opening, None] = {((_NONE.union(*singles),), False): None} if singles else {}
    for option in options:
        if not _is_one_token(option.openings):
            found |= dict.fromkeys(option.openings)
    return _bounded(tuple(found))


def _is_one_token(openings: tuple[Opening, ...]) -> bool:
    return len(openings) == 1 and len(openings[0][0]) == 1 and not openings[0][1]


def _one_of(part: _Part) -> Keys:
    """Return keys of which one is in every text: a single required one where there is one."""
    if part.required:
        return frozenset({max(part.required, key=lambda key: (len(key), key))})
    return part.heads


def _repeated(part: _Part, low: int, high: int | None) -> _Part:
    if high == 0 or part is _EMPTY:
        return _EMPTY
    if high == 1:
        start = part if low else _either([_EMPTY, part])
    elif low:
        start = _then(part, _Part(openings=(((), True),)))
    else:
        start = _Part(openings=_bounded((*part.openings, ((), False))))
        start.openings = tuple((tokens, bool(tokens)) for tokens, _ in start.openings)
    return _Part(
        part.required if low else _NONE,
        part.heads if low else _NONE,
        part.least * low,
        ENDLESS if high is None else min(part.most * high, ENDLESS),
        part.empty or not low, part.first, part.last, start.openings, part.names, part.classes,
    )  # fmt: skip

"""One index over all families of a scope: each is filed under the two rarest tokens it requires.

A linear scan of patterns dies at a hundred families. Here an utterance looks its own tokens up and
meets about one family, whose profile is then checked. Under one token alone lie k/V families where
k share a vocabulary of V words: ten of a thousand, checked one by one, took longer than all else;
so a posting that grows is divided by a second token. A family that requires one of several tokens
(its heads: alternatives, an enumeration) is filed under each where that is rarer.

Pairs of neighbouring tokens are no keys: a text would have to make one for each of its words, and
two required tokens with the first and the last one tell nearly as much.

The index is persistent: the next one shares structure with it, so a snapshot in use never changes,
and one more family costs what changed, not what exists.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, Protocol, TypeVar

from immutables import Map
from msgspec import Struct

from artifacts.grammar.lexer import Tokens
from artifacts.grammar.profile import MARK_NAMES, MARKS, Profile, mark_of

MAX_FLAT = 6
"""Filings under one token that are tried one by one; more are divided by a second token."""
MAX_ENDS = 4
"""First or last tokens under each of which an item is filed."""


class Indexed(Protocol):
    """What can be filed: equal `key`s replace one another."""

    @property
    def key(self) -> tuple[str, int]: ...

    @property
    def profile(self) -> Profile: ...


Item = TypeVar("Item", bound=Indexed)


class Filing(Struct, Generic[Item], frozen=True, gc=False):
    """An item beside what an utterance is refused by, in one piece of memory."""

    item: Item
    required: frozenset[str]
    least: int
    most: int
    first: frozenset[str]
    last: frozenset[str]


def _filing(item: Item) -> Filing[Item]:
    p = item.profile
    return Filing(item, p.required, p.least, p.most, p.first, p.last)


Filings = tuple[Filing[Item], ...]


@dataclass(frozen=True, slots=True)
class Posting(Generic[Item]):
    """What is filed under one token: in a row, or by a second token where they are many.

    Under "" is what has no second token. `ever` has all second tokens that were ever in use, and is
    shared by postings that follow one another, as the index's own.
    """

    flat: tuple[Filing[Item], ...] = ()
    divided: Map[str, tuple[Filing[Item], ...]] | None = None
    ever: set[str] = field(default_factory=set, compare=False, repr=False)
    count: int = 0

    def with_filing(self, filing: Filing[Item], first: str) -> "Posting[Item]":
        """Return the posting with one more filing."""
        count = self.count + 1
        if self.divided is None and count <= MAX_FLAT:
            return Posting((*self.flat, filing), None, self.ever, count)
        divided: Map[str, tuple[Filing[Item], ...]] = self.divided or Map()
        for one in (*self.flat, filing):
            seconds = _seconds(divided, one, first)
            self.ever.update(seconds)
            for second in seconds:
                divided = divided.set(second, (*divided.get(second, ()), one))
        return Posting((), divided, self.ever, count)

    def with_other(self, item: Item, filing: Filing[Item]) -> "Posting[Item]":
        """Return the posting with a filing of the same profile in the place of an item's."""

        def exchanged(held: tuple[Filing[Item], ...]) -> tuple[Filing[Item], ...]:
            return tuple(filing if one.item is item else one for one in held)

        divided = self.divided
        if divided is None:
            return Posting(exchanged(self.flat), None, self.ever, self.count)
        for second in (*filing.required, *filing.item.profile.heads, ""):
            if second in divided:
                divided = divided.set(second, exchanged(divided[second]))
        return Posting((), divided, self.ever, self.count)

    def without(self, item: Item) -> "Posting[Item]":
        """Return the posting without the item, which it has."""
        count, divided = self.count - 1, self.divided
        if divided is None:
            flat = tuple(one for one in self.flat if one.item is not item)
            return Posting(flat, None, self.ever, count)
        for second in item.profile.required | item.profile.heads | {""}:
            held = divided.get(second, ())
            rest = tuple(one for one in held if one.item is not item)
            if len(rest) < len(held):
                divided = divided.set(second, rest) if rest else divided.delete(second)
        return Posting((), divided, self.ever, count)


def _seconds(
    divided: Map[str, tuple[Filing[Item], ...]], filing: Filing[Item], first: str
) -> Iterable[str]:
    """Return the rarest other token that the filing requires, or all of its heads."""

    def held(token: str) -> int:
        return len(divided.get(token, ()))

    seconds = {""}
    others = filing.required - {first}
    if others:
        seconds = {min(others, key=lambda token: _rarity(held(token), token))}
    heads = filing.item.profile.heads
    if heads and first not in heads and sum(map(held, heads)) < sum(map(held, seconds)):
        return heads
    return seconds


def _rarity(count: int, token: str) -> tuple[int, int, str]:
    """Return a key: rare before frequent, long before short."""
    return count, -len(token), token


Ends = Map[str, Map[tuple[str, int], Item]]


def _ends(keys: frozenset[str]) -> Iterable[str]:
    """Return under what an item with these first or last tokens is filed: many are one."""
    return keys if len(keys) <= MAX_ENDS else ("",)


def _at_ends(ends: "Ends[Item]", keys: frozenset[str], item: Item) -> "Ends[Item]":
    for key in _ends(keys):
        held: Map[tuple[str, int], Item] = ends.get(key) or Map()
        ends = ends.set(key, held.set(item.key, item))
    return ends


def _off_ends(ends: "Ends[Item]", keys: frozenset[str], item: Item) -> "Ends[Item]":
    for key in _ends(keys):
        held = ends[key].delete(item.key)
        ends = ends.set(key, held) if held else ends.delete(key)
    return ends


@dataclass(frozen=True, slots=True)
class Index(Generic[Item]):
    """Postings by token, and the tokens under which each item is filed, by its key.

    `ever` has all tokens under which anything is or was filed, and is shared by indexes that follow
    one another: what makes a miss cheap is one intersection with it, and a set of the tokens of
    each index would cost as much as all of them for each new one.
    """

    postings: Map[str, Posting[Item]] = field(default_factory=Map)
    filed: Map[tuple[str, int], tuple[Item, tuple[str, ...]]] = field(default_factory=Map)
    required: Map[str, int] = field(default_factory=Map)
    """How many items require each token, or have it among their heads."""
    opening: "Ends[Item]" = field(default_factory=Map)
    """Items by each token, or class of tokens, that may be the first."""
    closing: "Ends[Item]" = field(default_factory=Map)
    """And by each that may be the last."""
    ever: set[str] = field(default_factory=set, compare=False, repr=False)

    def with_item(self, item: Item) -> "Index[Item]":
        """Return the index with `item`, which replaces the one of the same key."""
        known = self.filed.get(item.key)
        if known is not None and known[0].profile is item.profile:
            return self._with_other(*known, item)
        base = self.without(item.key)
        profile, required = item.profile, base.required
        counts = {key: required.get(key, 0) for key in profile.required}
        heads = {key: required.get(key, 0) for key in profile.heads}
        tokens: tuple[str, ...] = ()
        if counts:
            tokens = (min(counts, key=lambda key: _rarity(counts[key], key)),)
        if heads and (not counts or sum(heads.values()) + len(heads) < counts[tokens[0]]):
            tokens = tuple(sorted(heads))
        counts |= heads
        postings, filing = base.postings, _filing(item)
        for token in tokens:
            posting: Posting[Item] = postings.get(token) or Posting()
            postings = postings.set(token, posting.with_filing(filing, token))
        self.ever.update(tokens)
        return Index(
            postings,
            base.filed.set(item.key, (item, tokens)),
            required.update({key: count + 1 for key, count in counts.items()}),
            _at_ends(base.opening, profile.first, item),
            _at_ends(base.closing, profile.last, item),
            self.ever,
        )

    def _with_other(self, item: Item, tokens: tuple[str, ...], other: Item) -> "Index[Item]":
        """Return the index with an item of the same profile in the place of another."""
        postings, filing = self.postings, _filing(other)
        for token in tokens:
            postings = postings.set(token, postings[token].with_other(item, filing))
        return Index(
            postings,
            self.filed.set(other.key, (other, tokens)),
            self.required,
            _at_ends(self.opening, other.profile.first, other),
            _at_ends(self.closing, other.profile.last, other),
            self.ever,
        )

    def without(self, key: tuple[str, int]) -> "Index[Item]":
        """Return the index without the item of this key."""
        known = self.filed.get(key)
        if known is None:
            return self
        item, tokens = known
        postings = self.postings
        for token in tokens:
            posting = postings[token].without(item)
            postings = postings.set(token, posting) if posting.count else postings.delete(token)
        required = self.required
        for token in item.profile.required | item.profile.heads:
            count = required[token] - 1
            required = required.set(token, count) if count else required.delete(token)
        return Index(
            postings,
            self.filed.delete(key),
            required,
            _off_ends(self.opening, item.profile.first, item),
            _off_ends(self.closing, item.profile.last, item),
            self.ever,
        )

    def candidates(self, tokens: Tokens) -> list[Item]:
        """Return the items whose profile the utterance has, each once, in no fixed order."""
        words, several = tokens.words, tokens.several
        present: frozenset[str] = frozenset(words)  # type: ignore[arg-type]  # words of several, too
        if several:
            present = present.union(*several)
        get = self.postings.get
        met: list[Filing[Item]] = []
        for token in present & self.ever:
            posting = get(token)
            if posting is None:
                continue
            for filing in posting.flat:
                if filing.required <= present:
                    met.append(filing)
            divided = posting.divided
            if divided is not None:
                for second in (*(present & posting.ever), ""):
                    for filing in divided.get(second, ()):
                        if filing.required <= present:
                            met.append(filing)
        if not met:
            return []
        count, first, last = len(words), words[0], words[-1]
        if several:
            count += sum(map(len, several)) - len(several)
            first = first if first.__class__ is str else first[0]
            last = last if last.__class__ is str else last[-1]
        opening, closing = MARKS[first[0]], MARKS[last[0]]
        found = [
            filing.item
            for filing in met
            if filing.least <= count <= filing.most
            and (first in filing.first or opening in filing.first)
            and (last in filing.last or closing in filing.last)
        ]
        return found if len(found) < 2 else list(dict.fromkeys(found))

    def beside(self, wanted: Profile, most: int) -> tuple[list[Item], int]:
        """Return the items that may share a text with a grammar of this profile.

        At most `most` filings are looked at, and how many were not is told, too.
        """
        looked_at = most
        ends = [
            [ends[key] for key in {*keys, *map(mark_of, keys), ""} if key in ends]
            for ends, keys in ((self.opening, wanted.first), (self.closing, wanted.last))
            if keys.isdisjoint(MARK_NAMES)
        ]
        near = _Near(wanted)
        found: dict[tuple[str, int], Item] = {}
        if not ends:  # anything may open and close such a text
            for key, (item, _) in islice(self.filed.items(), most):
                if near.may_meet(item.profile):
                    found[key] = item
            return list(found.values()), max(0, len(self.filed) - most)
        fewest = min(ends, key=lambda held: sum(map(len, held)))
        for held in fewest:
            for key, item in islice(held.items(), most):
                if near.may_meet(item.profile):
                    found[key] = item
            most = max(0, most - len(held))
        return list(found.values()), max(0, sum(map(len, fewest)) - looked_at)


class _Near:
    """A profile, ready to be laid beside many."""

    __slots__ = ("last", "names", "openings", "profile")

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.names = frozenset().union(*profile.names)
        self.openings = [
            ([_Beside(keys) for keys in tokens], more) for tokens, more in profile.openings
        ]
        self.last = _Beside(profile.last)

    def may_meet(self, other: Profile) -> bool:
        """Return False only if no text has both profiles."""
        own = self.profile
        if own.least > other.most or other.least > own.most or not self.last.meets(other.last):
            return False
        if not any(
            (len(ours) == len(theirs) or (more if len(ours) < len(theirs) else further))
            and all(map(_Beside.meets, ours, theirs))
            for ours, more in self.openings
            for theirs, further in other.openings
        ):
            return False
        for key in other.required:
            if key not in self.names and mark_of(key) not in own.classes:
                return False
        return all(map(other.may_have, own.required))


class _Beside:
    """What one token may be, ready to be laid beside what another may be."""

    __slots__ = ("marks", "wider")

    def __init__(self, keys: frozenset[str]) -> None:
        self.wider = keys | {mark_of(key) for key in keys}
        self.marks = keys & MARK_NAMES

    def meets(self, keys: frozenset[str]) -> bool:
        """Return False only if no token is both."""
        if not self.wider.isdisjoint(keys):
            return True
        return bool(self.marks) and not self.marks.isdisjoint(map(mark_of, keys))

"""One index over all families of a scope: each is filed under its two rarest required tokens.

A linear scan of patterns dies at a hundred families. Here an utterance looks its own tokens up and
meets about one family, whose required tokens are then checked as a set. Under one token alone lie
k/V families where k share a vocabulary of V words: ten of a thousand, checked one by one, took
longer than all else. The index is persistent: the next one shares structure with it, so a snapshot
in use never changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from immutables import Map


class Indexed(Protocol):
    """What can be filed: equal `key`s replace one another."""

    @property
    def key(self) -> tuple[str, int]: ...

    @property
    def required(self) -> frozenset[str]: ...


Item = TypeVar("Item", bound=Indexed)


@dataclass(frozen=True, slots=True)
class Posting(Generic[Item]):
    """The items filed under one token, by a second one; by the same where they require no other.

    `tokens` are the second ones: with the first in a text, one intersection finds its items.
    """

    items: Map[str, tuple[Item, ...]] = field(default_factory=Map)
    tokens: frozenset[str] = frozenset()
    count: int = 0

    def with_item(self, item: Item, first: str) -> "Posting[Item]":
        """Return the posting with one more item."""
        others = item.required - {first}
        token = min(others, key=lambda t: _rarity(len(self.items.get(t, ())), t), default=first)
        held = self.items.get(token, ())
        items = self.items.set(token, (*held, item))
        return Posting(items, self.tokens if held else self.tokens | {token}, self.count + 1)

    def without(self, key: tuple[str, int]) -> tuple["Posting[Item]", Item]:
        """Return the posting without the item of this key, which it has, and the item."""
        token, gone = next(
            (token, item) for token, held in self.items.items() for item in held if item.key == key
        )
        rest = tuple(item for item in self.items[token] if item is not gone)
        if rest:
            return Posting(self.items.set(token, rest), self.tokens, self.count - 1), gone
        return Posting(self.items.delete(token), self.tokens - {token}, self.count - 1), gone


def _rarity(count: int, token: str) -> tuple[int, int, str]:
    """Return a key: rare before frequent, long before short."""
    return count, -len(token), token


@dataclass(frozen=True, slots=True)
class Index(Generic[Item]):
    """Items by the token they are filed under, that token by item key, and all such tokens.

    The set of tokens is what makes a miss cheap: one intersection instead of a lookup per token.
    """

    postings: Map[str, Posting[Item]] = field(default_factory=Map)
    filed: Map[tuple[str, int], str] = field(default_factory=Map)
    tokens: frozenset[str] = frozenset()
    required: Map[str, int] = field(default_factory=Map)
    """How many items require each token."""

    def with_item(self, item: Item) -> "Index[Item]":
        """Return the index with `item`, which replaces the one of the same key."""
        base = self.without(item.key)
        counts = {token: base.required.get(token, 0) + 1 for token in item.required}
        token = min(counts, key=lambda t: _rarity(counts[t], t))
        posting = base.postings.get(token) or Posting()
        return Index(
            base.postings.set(token, posting.with_item(item, token)),
            base.filed.set(item.key, token),
            base.tokens if posting.count else base.tokens | {token},
            base.required.update(counts),
        )

    def without(self, key: tuple[str, int]) -> "Index[Item]":
        """Return the index without the item of this key."""
        token = self.filed.get(key)
        if token is None:
            return self
        posting, item = self.postings[token].without(key)
        required = self.required.update({t: self.required[t] - 1 for t in item.required})
        filed = self.filed.delete(key)
        if posting.count:
            postings = self.postings.set(token, posting)
            return Index(postings, filed, self.tokens, required)
        return Index(self.postings.delete(token), filed, self.tokens - {token}, required)

    def candidates(self, keys: Iterable[str]) -> list[Item]:
        """Return the items whose required tokens all occur among `keys`, each once."""
        present = frozenset(keys)
        found: list[Item] = []
        for token in present & self.tokens:
            posting = self.postings[token]
            for second in present & posting.tokens:
                for item in posting.items[second]:
                    if item.required <= present:
                        found.append(item)
        return found

"""One index over all families of a scope: each is filed under its rarest required token.

A linear scan of patterns dies at a hundred families. Here an utterance looks its own tokens up and
meets about one family, whose required tokens are then checked as a set. The index is persistent:
the next one shares structure with it, so a snapshot in use never changes.
"""

from collections.abc import Iterable, Iterator
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
class Index(Generic[Item]):
    """Items by the token they are filed under, that token by item key, and all such tokens.

    The set of tokens is what makes a miss cheap: one intersection instead of a lookup per token.
    """

    postings: Map[str, tuple[Item, ...]] = field(default_factory=Map)
    filed: Map[tuple[str, int], str] = field(default_factory=Map)
    tokens: frozenset[str] = frozenset()

    def with_item(self, item: Item) -> "Index[Item]":
        """Return the index with `item`, which replaces the one of the same key."""
        base = self.without(item.key)
        token = min(item.required, key=lambda t: (len(base.postings.get(t, ())), -len(t), t))
        held = base.postings.get(token, ())
        return Index(
            base.postings.set(token, (*held, item)),
            base.filed.set(item.key, token),
            base.tokens if held else base.tokens | {token},
        )

    def without(self, key: tuple[str, int]) -> "Index[Item]":
        """Return the index without the item of this key."""
        token = self.filed.get(key)
        if token is None:
            return self
        held = tuple(item for item in self.postings[token] if item.key != key)
        filed = self.filed.delete(key)
        if held:
            return Index(self.postings.set(token, held), filed, self.tokens)
        return Index(self.postings.delete(token), filed, self.tokens - {token})

    def candidates(self, keys: Iterable[str]) -> Iterator[Item]:
        """Yield the items whose required tokens all occur among `keys`, each once."""
        present = frozenset(keys)
        for token in present & self.tokens:
            for item in self.postings[token]:
                if item.required <= present:
                    yield item

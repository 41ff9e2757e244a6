"""Past registries by ordinal, folded forwards from the log's change sets.

Decisions are read in order of time, so revisions come nearly in order: the last few snapshots are
kept (they share structure), and what is older is folded again from the start.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator

from agents.history import records
from agents.registries import folded
from artifacts.registry import Registry
from streams.events import Event, VersionChanged
from streams.signing import Trust
from streams.transports import Record, Transport

_KEPT = 64


class Revisions:
    """The registries of one log, as far as `trust` folds its change sets."""

    __slots__ = ("_changes", "_kept", "_registry", "_transport", "_trust", "last")

    def __init__(self, transport: Transport, trust: Trust) -> None:
        self._transport, self._trust = transport, trust
        self._kept: OrderedDict[int, Registry] = OrderedDict()
        self._changes: AsyncIterator[tuple[Record, Event]] | None = None
        self._registry = Registry()
        self.last = 0
        """The highest ordinal that was reached so far."""

    async def at(self, ordinal: int) -> Registry | None:
        """Return the registry after this change set; None where the log does not lead to it."""
        if ordinal not in self._kept:
            if ordinal < self._registry.ordinal or self._changes is None:
                await self.aclose()
            await self._fold_to(ordinal)
        return self._kept.get(ordinal)

    async def _fold_to(self, ordinal: int) -> None:
        if self._changes is None:
            self._registry = Registry()
            self._changes = records(self._transport, ("versions",))
            self._keep()
        while self._registry.ordinal < ordinal:
            following = await anext(self._changes, None)
            if following is None:
                break
            _, event = following
            if isinstance(event, VersionChanged):
                self._registry = folded(self._registry, event, self._trust)
                self._keep()

    def _keep(self) -> None:
        ordinal = self._registry.ordinal
        self.last = max(self.last, ordinal)
        self._kept[ordinal] = self._registry
        self._kept.move_to_end(ordinal)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    async def aclose(self) -> None:
        """Stop reading; asking again begins anew."""
        changes, self._changes = self._changes, None
        if isinstance(changes, AsyncGenerator):
            await changes.aclose()

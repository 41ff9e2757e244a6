"""Sensors: what a runner tells of its work, as an interface of hooks that do nothing.

A runner knows one sensor and nothing of metrics, traces or logs. Hooks are called once per batch,
but for `begin`, which is asked about every record and must cost next to nothing where it has
nothing to say.
"""

from collections.abc import Sequence
from typing import Protocol

from streams.events import Event
from streams.transports import Handled, Record


class Trace(Protocol):
    """One record being handled by one node."""

    def end(self, handled: Handled) -> Handled:
        """Return what was handled, its outgoing records marked as following from this trace."""


class Sensor:
    """Hooks around a node's work. Override what is of interest."""

    def begin(self, node: str, record: Record) -> Trace | None:
        """A record is about to be handled."""

    def handled(self, node: str, handled: Sequence[Handled], seconds: float) -> None:
        """A batch was handled and stored, within so many seconds of being read."""

    def folded(self, node: str, said: Sequence[Event]) -> None:
        """A node has said something of the records that it folds, now or at its start."""

    def restarted(self, node: str) -> None:
        """A node was started again after a failure."""


SILENT = Sensor()
"""Nobody listens."""


class Sensors(Sensor):
    """Several sensors as one; of those that trace, the first that wants a record has it."""

    def __init__(self, *sensors: Sensor) -> None:
        self.sensors = sensors
        self.tracing = tuple(s.begin for s in sensors if type(s).begin is not Sensor.begin)

    def begin(self, node: str, record: Record) -> Trace | None:
        for begin in self.tracing:
            if (trace := begin(node, record)) is not None:
                return trace
        return None

    def handled(self, node: str, handled: Sequence[Handled], seconds: float) -> None:
        for sensor in self.sensors:
            sensor.handled(node, handled, seconds)

    def folded(self, node: str, said: Sequence[Event]) -> None:
        for sensor in self.sensors:
            sensor.folded(node, said)

    def restarted(self, node: str) -> None:
        for sensor in self.sensors:
            sensor.restarted(node)

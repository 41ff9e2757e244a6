"""How much of everything: the measurement, and a glance that says whether it still runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Events, repeats, seconds of each row; whether frameworks run beside us."""

    frameworks: bool = True
    repeats: int = 5
    events: int = 100_000
    framework_events: int = 10_000
    rate: int = 2000
    probe_seconds: float = 20.0
    kills: int = 3
    kill_rate: int = 200
    watched_seconds: float = 20.0
    reloads: int = 200
    restart_families: int = 10_000
    replayed: int = 50_000


FULL = Sizes()
QUICK = Sizes(
    repeats=1,
    events=4000,
    framework_events=600,
    probe_seconds=2.0,
    kills=1,
    watched_seconds=10.0,
    reloads=10,
    restart_families=500,
    replayed=4000,
)

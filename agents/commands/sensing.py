"""What a process says of itself: diagnostics, metrics, traces; as its settings want them."""

import contextlib
import sys
from collections.abc import Iterator

from agents import diagnostics
from agents.commands.shared import BAD_INPUT, fail
from agents.health import Vitals
from agents.metrics import PrometheusSensor
from agents.sensors import Sensor, Sensors
from agents.settings import Settings
from agents.tracing import MissingTracing, exporting


@contextlib.contextmanager
def sensing(settings: Settings, vitals: Vitals, system: str) -> Iterator[Sensor]:
    """Give the sensor of a process; what all loggers say goes to stderr from now on.

    `system` is the transport, as traces call it.
    """
    diagnostics.configure(settings.log_level, sys.stderr, settings.secrets())
    for node in vitals.nodes:
        vitals.metrics.count("kappa_restarts_total", node, by=settings.restarts)
    always = (PrometheusSensor(vitals.metrics), diagnostics.LogSensor())
    if settings.otlp_endpoint is None:
        yield Sensors(*always)
        return
    with contextlib.ExitStack() as stack:
        try:
            tracing = stack.enter_context(exporting(settings.otlp_endpoint, system))
        except MissingTracing as error:
            fail(str(error), BAD_INPUT)
        yield Sensors(tracing, *always)

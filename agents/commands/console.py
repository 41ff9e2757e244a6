"""The console of a cluster as a process: `kappa run console`."""

import asyncio

import click

from agents.access import CONSOLE
from agents.cluster import ClusterDoors, listening
from agents.commands.sensing import sensing
from agents.commands.shared import BAD_INPUT, fail
from agents.console.app import console
from agents.gauges import gauging
from agents.health import serving, vitals_of
from agents.settings import Settings
from streams.transports import Transport


async def run_console(settings: Settings, log: Transport, stopping: asyncio.Event) -> None:
    """Serve the console until `stopping` is set; raises what ended it."""
    vitals = vitals_of((CONSOLE,), stall_after=settings.stall_after)
    doors = ClusterDoors(log, vitals.metrics)
    app = console(doors, settings.trust(), vitals, settings.policies())
    with sensing(settings, vitals, "kafka"):
        try:
            async with (
                serving(app, settings.host, settings.port) as port,
                listening(doors) as listener,
                gauging(log, settings.policies(), vitals.metrics),
            ):
                vitals.nodes[CONSOLE].begin(vitals.clock())
                click.echo(f"kappa {CONSOLE} {settings.slot}: http://{settings.host}:{port}/ready")
                told = asyncio.create_task(stopping.wait())
                await asyncio.wait((told, listener), return_when=asyncio.FIRST_COMPLETED)
                told.cancel()
        except OSError as error:
            fail(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}", BAD_INPUT)
        finally:
            await log.close()
    if doors.failure is not None:
        raise doors.failure

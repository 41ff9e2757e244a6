"""What `kappa simulate` shows a person: figures, a chart, and with `--demo` the insides."""

from rich.console import Console
from rich.table import Table

from agents.report import Tally
from agents.simulate import Simulation


def show_simulation(console: Console, tally: Tally, simulation: Simulation, *, full: bool) -> None:
    """Print the figures; with `full` also the families, an explanation and a refinement."""
    report = tally.report(simulation.registry_state.registry)
    table = Table(show_header=False)
    for name, value in report.items():
        if name != "curve":
            table.add_row(name, str(value))
    console.print(table)

"""`kappa`: builds clients, picks a transport, runs nodes. It has no decisions of its own."""

import click

from agents.commands.simulate import simulate_command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="kappa-pipeline")
def main() -> None:
    """Turn an LLM's answers to repeated requests into deterministic, explained software.

    Exit status: 0 done, 1 no, 2 wrong use or bad input, 3 undecided, 4 unreachable.
    """


main.add_command(simulate_command)

"""`kappa`: builds clients, picks a transport, runs nodes. It has no decisions of its own."""

import click

from agents.commands.audit import audit_command
from agents.commands.config import config_group
from agents.commands.copy import copy_command
from agents.commands.families import families_group
from agents.commands.grammar import grammar_group
from agents.commands.inspect import explain_command, pipeline_command, schemas_command
from agents.commands.keys import keys_group
from agents.commands.learn import learn_command
from agents.commands.ledger import ledger_command
from agents.commands.rejected import rejected_group
from agents.commands.replay import replay_command
from agents.commands.run import run_command
from agents.commands.service import ask_command, feedback_command, up_command
from agents.commands.simulate import simulate_command
from agents.commands.topics import topics_group


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="kappa-pipeline")
def main() -> None:
    """Turn an LLM's answers to repeated requests into deterministic, explained software.

    Exit status: 0 done, 1 no, 2 wrong use or bad input, 3 undecided, 4 unreachable.
    """


for command in (
    simulate_command,
    up_command,
    run_command,
    learn_command,
    ask_command,
    feedback_command,
    explain_command,
    audit_command,
    ledger_command,
    families_group,
    grammar_group,
    replay_command,
    copy_command,
    rejected_group,
    pipeline_command,
    schemas_command,
    keys_group,
    config_group,
    topics_group,
):
    main.add_command(command)

"""`kappa config check`: every setting, where it came from, and all that is wrong."""

import os
from typing import Any

import click
from pydantic import SecretStr, ValidationError
from pydantic_core import to_json
from pydantic_settings import SettingsError

from agents.commands.shared import BAD_INPUT, fail, json_option, print_json, setting_problems
from agents.settings import PREFIX, Settings

MASK = "**********"


@click.group("config")
def config_group() -> None:
    """Look at the settings."""


@config_group.command("check", epilog="Example: KAPPA_PORT=8000 kappa config check")
@json_option
def config_check(as_json: bool) -> None:
    """Print all settings, secrets masked; exit status 2 and every problem when one is wrong.

    Options of a command override what is printed here. A variable of that prefix which is no
    setting is named on stderr: it may be a typing error.
    """
    for name in unknown_variables():
        click.echo(f"kappa: {name} is no setting", err=True)
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in setting_problems(error):
            click.echo(f"kappa: {problem}", err=True)
        raise SystemExit(BAD_INPUT) from None
    except SettingsError as error:  # a table that is not JSON
        fail(str(error), BAD_INPUT)
    rows = setting_rows(settings)
    if as_json:
        print_json(rows)
    for row in () if as_json else rows:
        click.echo(f"{row['variable']}={row['value']}  ({row['source']}) {row['doc']}")


def setting_rows(settings: Settings) -> list[dict[str, Any]]:
    """Return each setting as a row: variable, value as text, source, doc."""
    return [
        {
            "variable": PREFIX + name.upper(),
            "value": shown(getattr(settings, name)),
            "source": "environment" if name in settings.model_fields_set else "default",
            "doc": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]


def shown(value: object) -> str:
    """Return a value as its variable would hold it; nothing for none, asterisks for a secret."""
    match value:
        case None:
            return ""
        case SecretStr():
            return MASK if value.get_secret_value() else ""
        case dict():
            return to_json(value).decode()
        case tuple() | frozenset():
            return ",".join(sorted(map(str, value)))
        case _:
            return str(value)


def unknown_variables() -> list[str]:
    """Return the variables of our prefix that no setting reads."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = (name.upper() for name in os.environ)
    return sorted(name for name in given if name.startswith(PREFIX) and name not in known)

"""`kappa keys`: the key pair that change sets are signed and verified with."""

import base64
import os
import secrets
from pathlib import Path

import click

from agents.commands.shared import BAD_INPUT, fail
from agents.settings import read_key_file
from streams.signing import KEY_BYTES, SigningKey

_OWNER_ONLY = 0o600


@click.group("keys")
def keys_group() -> None:
    """Make the keys that change sets are signed with."""


@keys_group.command("generate", epilog="Example: kappa keys generate registrar.key")
@click.argument("file", type=click.Path(path_type=Path))
def keys_generate(file: Path) -> None:
    """Write a new private key into FILE, for its owner alone; print the public one.

    KAPPA_SIGNING_KEY_FILE of the registrar names the file; KAPPA_VERIFY_KEYS of every agent holds
    the public key. To rotate, trust the new key beside the old one everywhere, then sign with it.
    """
    key = SigningKey(secrets.token_bytes(KEY_BYTES))
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as sink:
            sink.write(base64.b64encode(key.raw) + b"\n")
    except OSError as error:
        fail(f"{file}: {error.strerror}", BAD_INPUT)
    click.echo(key.public.text)


@keys_group.command("public", epilog="Example: kappa keys public registrar.key")
@click.argument("file", type=click.Path(path_type=Path))
def keys_public(file: Path) -> None:
    """Print the public key of the private key in FILE."""
    try:
        click.echo(read_key_file(file).public.text)
    except ValueError as error:
        fail(str(error), BAD_INPUT)

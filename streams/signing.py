"""Signatures on change sets: who may write versions is decided by keys, not by access to a topic.

    VersionChanged ──sign (registrar)──▶ the same with a signature ──▶ log
    log ──▶ VersionChanged ──verify (every fold)──▶ None | why it is refused

Keys are values of raw bytes, so that a node may be sent to another process, and Ed25519 needs no
chance: the same change set signed twice gives the same bytes. A signature names its key, which
lets a refusal tell a key that is not trusted from a change set that was altered; keys are rotated
by trusting the new one beside the old one first.

What is signed are the fields that are not at their defaults: a field that a later schema adds does
not undo the signatures that lie in the log. A reader that does not know such a field refuses a
change set that uses it, hence readers are brought up to date before the registrar. The ordinal is
signed, the log is not: deployments must not share a key.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from artifacts.values import canonical_json
from streams.events import VersionChanged

KEY_BYTES = 32
_DOMAIN = b"kappa VersionChanged\n"
"""Stands before the signed bytes, so that no signature of something else fits here."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies."""

    raw: bytes

    @property
    def name(self) -> str:
        """What signatures call the key: the start of its SHA-256."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The key as settings hold it."""
        return base64.b64encode(self.raw).decode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; it is never shown."""

    raw: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        return PublicKey(
            Ed25519PrivateKey.from_private_bytes(self.raw).public_key().public_bytes_raw()
        )


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose change sets are folded: those signed with one of `keys`; without keys, everybody's.

    Change sets below the ordinal `since` need no signature: they are older than the keys.
    """

    keys: tuple[PublicKey, ...] = ()
    since: int = 1


ANYONE = Trust()
"""No key is configured: unsigned change sets are folded."""


def read_key(text: str) -> bytes:
    """Return the raw bytes of a key in base64; raise ValueError, without the text, for others."""
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the key is not base64") from None
    if len(raw) != KEY_BYTES:
        raise ValueError(f"the key has {len(raw)} bytes; an Ed25519 key has {KEY_BYTES}")
    return raw


def signed_bytes(event: VersionChanged) -> bytes:
    """Return what a signature of `event` is over: all but the signature, in canonical JSON."""
    document = event.model_dump(exclude={"signature"}, exclude_defaults=True)
    return _DOMAIN + canonical_json(document)


def sign(event: VersionChanged, key: SigningKey) -> VersionChanged:
    """Return the change set with a signature, `NAME:BASE64`."""
    made = Ed25519PrivateKey.from_private_bytes(key.raw).sign(signed_bytes(event))
    signature = f"{key.public.name}:{base64.b64encode(made).decode()}"
    return event.model_copy(update={"signature": signature})


def verify(event: VersionChanged, trust: Trust) -> str | None:
    """Return why a change set must not be folded, or None where it may be."""
    if not trust.keys or event.ordinal < trust.since:
        return None
    if event.signature is None:
        return "it is not signed"
    name, _, made = event.signature.partition(":")
    key = next((key for key in trust.keys if key.name == name), None)
    if key is None:
        return f"it is signed with the key {name[:16]!r}, which is not trusted"
    try:
        raw = base64.b64decode(made, validate=True)
        Ed25519PublicKey.from_public_bytes(key.raw).verify(raw, signed_bytes(event))
    except (binascii.Error, InvalidSignature, ValueError):
        return f"its signature does not fit what it says (key {name})"
    return None

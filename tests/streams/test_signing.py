"""Signatures: what was signed verifies after its way through the log, and nothing else does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given

from streams.codec import decode, encode
from streams.events import VersionChanged
from streams.signing import (
    ANYONE,
    PublicKey,
    SigningKey,
    Trust,
    read_key,
    sign,
    signed_bytes,
    verify,
)
from tests.streams.examples import EVENTS, lying

OURS, NEXT, THEIRS = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
TRUST = Trust((OURS.public,))
EVENT = VersionChanged(
    ordinal=3,
    scope="acme",
    actor="distiller",
    reason="learned",
    changes=(),
    artifacts=({"name": "minutes", "examples": ["2 minutes", 1.0]},),
    previous=2,
)


def altered(**fields: Any) -> Callable[[VersionChanged], VersionChanged]:
    return lambda event: event.model_copy(update=fields)


def as_is(event: VersionChanged) -> VersionChanged:
    return event


@dataclass(frozen=True)
class Row:
    """What becomes of a signed change set, and a part of why it is refused; None: it is not."""

    name: str
    signer: SigningKey | None
    trust: Trust
    after: Callable[[VersionChanged], VersionChanged]
    why: str | None


UNFIT = "its signature does not fit what it says"
ROWS = (
    Row("ours", OURS, TRUST, as_is, None),
    Row("unsigned", None, TRUST, as_is, "it is not signed"),
    Row("wrong-key", THEIRS, TRUST, as_is, "which is not trusted"),
    Row("wrong-key-under-our-name", THEIRS, TRUST,
        lambda e: e.model_copy(update={"signature": f"{OURS.public.name}:"
                                       + str(e.signature).partition(":")[2]}), UNFIT),
    Row("tampered-reason", OURS, TRUST, altered(reason="learned!"), UNFIT),
    Row("tampered-scope", OURS, TRUST, altered(scope="shared"), UNFIT),
    Row("tampered-artifact", OURS, TRUST,
        altered(artifacts=({"name": "minutes", "examples": ["2 minutes", 2.0]},)), UNFIT),
    Row("tampered-price", OURS, TRUST, altered(price_bits=0.5), UNFIT),
    Row("another-ordinal", OURS, TRUST, altered(ordinal=4), UNFIT),
    Row("not-base64", OURS, TRUST, altered(signature=f"{OURS.public.name}:?"), UNFIT),
    Row("not-ascii", OURS, TRUST, altered(signature=f"{OURS.public.name}:é"), UNFIT),
    Row("too-short", OURS, TRUST, altered(signature=f"{OURS.public.name}:AAAA"), UNFIT),
    Row("without-a-name", OURS, TRUST, altered(signature="AAAA"), "which is not trusted"),
    Row("empty", OURS, TRUST, altered(signature=""), "which is not trusted"),
    Row("rotated-old", OURS, Trust((NEXT.public, OURS.public)), as_is, None),
    Row("rotated-new", NEXT, Trust((NEXT.public, OURS.public)), as_is, None),
    Row("rotated-out", OURS, Trust((NEXT.public,)), as_is, "which is not trusted"),
    Row("no-key-unsigned", None, ANYONE, as_is, None),
    Row("no-key-signed", THEIRS, ANYONE, as_is, None),
    Row("older-than-the-keys", None, Trust((OURS.public,), since=4), as_is, None),
    Row("first-that-is-signed", None, Trust((OURS.public,), since=3), as_is, "it is not signed"),
    Row("a-point-that-is-no-key", OURS, Trust((PublicKey(b"\xff" * 32),)), as_is,
        "which is not trusted"),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_change_set_is_refused_with_the_reason(row: Row) -> None:
    signed = EVENT if row.signer is None else sign(EVENT, row.signer)
    why = verify(row.after(signed), row.trust)
    assert (why is None) is (row.why is None)
    assert (row.why or "") in (why or "")


@given(EVENTS["VersionChanged"])
def test_what_was_signed_verifies_after_its_way_through_the_log(event: VersionChanged) -> None:
    signed = sign(event, OURS)
    assert sign(event, OURS) == signed
    read = decode(lying(encode(signed, timestamp=0)))
    assert isinstance(read, VersionChanged)
    assert verify(read, Trust((OURS.public,), since=min(event.ordinal, 1))) is None


@given(EVENTS["VersionChanged"], EVENTS["VersionChanged"])
def test_different_change_sets_have_different_signed_bytes(
    one: VersionChanged, other: VersionChanged
) -> None:
    same = one.model_copy(update={"signature": None}) == other.model_copy(
        update={"signature": None}
    )
    assert same or signed_bytes(one) != signed_bytes(other)


def test_every_field_is_signed() -> None:
    fields = set(VersionChanged.model_fields) - {"signature"}
    known = {"texts": 1, "answers": 1}
    document = EVENT.model_dump() | {"checks": [{"check": "c", "passed": True, "reason": ""}]}
    full = VersionChanged.model_validate(document | {"price_bits": 1.5, "baseline": known})
    assert all(f'"{name}":'.encode() in signed_bytes(full) for name in fields)


def test_a_field_of_a_later_schema_does_not_undo_old_signatures() -> None:
    class Later(VersionChanged):
        evidence: str | None = None

    signed = sign(EVENT, OURS)
    later = Later.model_validate(signed.model_dump())
    assert verify(later, TRUST) is None
    assert verify(later.model_copy(update={"evidence": "e"}), TRUST) is not None


def test_a_private_key_is_never_shown() -> None:
    key = SigningKey(b"secretsecretsecretsecretsecretse")
    assert "secret" not in f"{key!r} {key} {Trust((key.public,))!r}"


BAD_KEYS = (("not-base64", "not a key"), ("short", "AAAA"), ("empty", ""), ("umlaut", "ü" * 44))


@pytest.mark.parametrize(("name", "text"), BAD_KEYS, ids=[row[0] for row in BAD_KEYS])
def test_a_malformed_key_is_refused_without_being_shown(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"^the key (is not base64|has \d+ bytes)") as refused:
        read_key(text)
    assert not text or text not in str(refused.value)


def test_a_key_comes_back_from_its_text() -> None:
    assert PublicKey(read_key(f" {OURS.public.text}\n")) == OURS.public

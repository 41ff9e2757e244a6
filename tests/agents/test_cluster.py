"""What a console remembers of its last utterances: within bounds, and no longer."""

import pytest

from agents.cluster import Recent
from streams.events import CompletionRefused


def refused(utterance_id: str) -> CompletionRefused:
    return CompletionRefused(
        utterance_id=utterance_id, tenant="t", text="", teacher="none", reason="none"
    )


def remembering(count: int, *, most_ids: int = 1000, most_bytes: int = 1000) -> Recent:
    """Return what is remembered of `count` utterances, each ended by a record of 10 bytes."""
    recent = Recent(most_ids, most_bytes)
    for n in range(count):
        recent.add(("t", str(n)), asked_at=n)
        recent.end(("t", str(n)), refused(str(n)), 10)
    return recent


@pytest.mark.parametrize(
    ("name", "recent", "kept"),
    [
        ("all", remembering(50), range(50)),
        ("the-last-ids", remembering(50, most_ids=20), range(30, 50)),
        ("the-last-bytes", remembering(50, most_bytes=95), range(41, 50)),
        ("none", remembering(50, most_bytes=9), range(0)),
    ],
)
def test_the_last_are_kept(name: str, recent: Recent, kept: range) -> None:
    assert [n for n in range(50) if recent.get(("t", str(n))) is not None] == list(kept)
    assert [n for n in range(50) if recent.has(b"%d" % n)] == list(kept)
    assert recent.size == 10 * len(kept)


def test_the_first_terminal_record_counts() -> None:
    recent = remembering(1)
    first = recent.get(("t", "0"))
    assert first is not None
    recent.end(("t", "0"), refused("another"), 10)
    assert first.terminal == refused("0")
    recent.end(("t", "nobody asked"), refused("x"), 10)
    assert recent.size == 10


def test_one_id_of_two_tenants_is_two_utterances() -> None:
    recent = Recent()
    for tenant in ("a", "b"):
        recent.add((tenant, "one"), asked_at=1)
    recent.forget(("a", "one"))
    assert recent.has(b"one")
    assert recent.get(("a", "one")) is None
    recent.forget(("b", "one"))
    recent.forget(("b", "one"))
    assert not recent.has(b"one")

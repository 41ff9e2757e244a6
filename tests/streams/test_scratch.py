"""Values by key, in memory, on disk, or some here and some there: always the same."""

import contextlib
from collections import Counter

import pytest

from streams.scratch import MAX_KEYS, MEMORY_BYTES, Scratch

VALUES = [(f"k{n % 40}".encode(), f"value {n}".encode()) for n in range(100)]
ROOMS = {"memory": MEMORY_BYTES, "disk": 0, "both": 600}


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_rows_are_found_in_order_and_marked_once(room: int) -> None:
    with contextlib.closing(Scratch(room)) as scratch:
        for first in range(0, 100, 7):
            scratch.put(VALUES[first : first + 7])
        assert scratch.unused == 100
        found = scratch.rows([f"k{n}".encode() for n in range(50)])
        assert set(found) == {key for key, _ in VALUES}
        for key, rows in found.items():
            assert [row.value for row in rows] == [value for k, value in VALUES if k == key]
            assert not any(row.used for row in rows)
        places = Counter(row.number >= 0 for rows in found.values() for row in rows)
        assert (places[True] == 0, places[False] == 0) == (room > 600, room == 0)
        scratch.mark([row for rows in found.values() for row in rows[:1]])
        assert scratch.unused == 60
        again = scratch.rows([b"k1", b"nobody"])
        assert [row.used for row in again[b"k1"]] == [True, False, False]
        assert Counter(scratch.left()) == Counter(value for _, value in VALUES[40:])


def test_as_many_keys_as_may_be_looked_up() -> None:
    with contextlib.closing(Scratch(0)) as scratch:
        scratch.put([(b"%d" % n, b"x") for n in range(MAX_KEYS)])
        assert len(scratch.rows([b"%d" % n for n in range(MAX_KEYS)])) == MAX_KEYS

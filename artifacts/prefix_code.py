"""Parts of prefix codes: integers, one of several things, and what is taken over from a known text.

No code that `gamma` gives begins another, nor does one of `index_code` of one size; so what is
written with them can be read back without marks between. Runs are those of LZ77 (Ziv and Lempel
1977), over a text that the reader has already.
"""

from collections.abc import Mapping, Sequence

_MAX_PLACES = 32


def gamma(number: int) -> str:
    """Return the Elias gamma code of a positive integer.

    >>> gamma(1), gamma(2), gamma(9)
    ('1', '010', '0001001')
    """
    return "0" * (number.bit_length() - 1) + f"{number:b}"


def index_code(index: int, size: int) -> str:
    """Return the code of one of `size` things, all of one length; nothing where there is but one.

    >>> index_code(2, 5), index_code(0, 1)
    ('010', '')
    """
    return f"{index:0{(size - 1).bit_length()}b}" if size > 1 else ""


def skipped(text: str, characters: str, start: int) -> int | None:
    """Return how far behind `start` the text stands, round the end, or None where it does not."""
    found = characters.find(text, start)
    if found < 0:
        found = characters.find(text)
    return None if found < 0 else (found - start) % len(characters)


def places_of(known: Sequence[str]) -> dict[str, list[int]]:
    """Return where each key stands, its first places: looking at more could take for ever."""
    places: dict[str, list[int]] = {}
    for place, key in enumerate(known):
        found = places.setdefault(key, [])
        if len(found) < _MAX_PLACES:
            found.append(place)
    return places


def runs(
    keys: tuple[str, ...],
    known: tuple[str, ...],
    places: Mapping[str, Sequence[int]],
    start: int,
) -> list[tuple[int | None, tuple[str, ...]]]:
    """Cut keys into the longest runs that are known, with what is skipped before; and others.

    `places` is that of `known`.
    """
    found: list[tuple[int | None, tuple[str, ...]]] = []
    at = 0
    while at < len(keys):
        skip, length = _longest(keys, at, known, places.get(keys[at], ()), start)
        if length:
            found.append((skip, keys[at : at + length]))
            start = (start + skip + length) % len(known)
            at += length
        elif found and found[-1][0] is None:
            found[-1] = (None, (*found[-1][1], keys[at]))
            at += 1
        else:
            found.append((None, keys[at : at + 1]))
            at += 1
    return found


def _longest(
    keys: tuple[str, ...], at: int, known: tuple[str, ...], places: Sequence[int], start: int
) -> tuple[int, int]:
    """Return skip and length of the nearest of the longest known runs at `at`; 0, 0 without."""
    best = (0, 0)
    for place in places:
        length, limit = 0, min(len(keys) - at, len(known) - place)
        while length < limit and known[place + length] == keys[at + length]:
            length += 1
        skip = (place - start) % len(known)
        if length > best[1] or (length == best[1] and skip < best[0]):
            best = (skip, length)
    return best

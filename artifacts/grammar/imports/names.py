"""Names of slots and phrases: what sources call things, in our spelling."""

import re
from typing import Generic, TypeVar

from artifacts.grammar.imports.report import Place, Refusal
from artifacts.grammar.kinds import KINDS

T = TypeVar("T")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER = re.compile(r"[^a-z0-9]+")
MAX_NAME = 32


def snake(name: str, at: Place) -> str:
    """Return a name in lower case with underscores.

    >>> snake("trackName", (1, 1))
    'track_name'
    """
    spelled = _OTHER.sub("_", _HUMP.sub("_", name).lower()).strip("_")
    if not spelled or not spelled[0].isalpha() or len(spelled) > MAX_NAME:
        message = f"expected a name of letters and digits, at most {MAX_NAME}, found {name!r}"
        raise Refusal("not-expressible", at, message)
    return spelled


class NameTable(Generic[T]):
    """Names of phrases: one name for one meaning, and none that a slot kind has."""

    def __init__(self) -> None:
        self._meanings: dict[str, T] = {}

    def named(self, name: str, meaning: T) -> str:
        """Return `name` for its first meaning, and with a number for others."""
        tried, number = name, 1
        while tried in KINDS or self._meanings.setdefault(tried, meaning) != meaning:
            number += 1
            tried = f"{name}_{number}"
        return tried

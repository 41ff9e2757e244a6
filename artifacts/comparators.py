"""The comparator table: when an answer counts as the same as the teacher's.

`public` is the comparison of the simulation protocol and the default. `null` equals nothing: it
says that no reproducible answer exists.
"""

import re
import unicodedata
from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from types import MappingProxyType

from artifacts.values import Json

COMPARATORS_VERSION = 1
_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")


def _text_form(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def public_form(answer: Json) -> Hashable:
    """Return a key: answers are the same by the public comparison when their keys are equal.

    Top-level plain decimals are numbers; strings are NFC and trimmed; null is None.

    >>> public_form("4.0") == public_form(4), public_form(["4.0"]) == public_form([4])
    (True, False)
    """
    if isinstance(answer, str):
        text = _text_form(answer)
        return ("number", Decimal(text)) if _PLAIN.fullmatch(text) else ("text", text)
    return _inner_form(answer)


def _inner_form(answer: Json) -> Hashable:
    if answer is None:
        return None
    if isinstance(answer, bool):
        return ("truth", answer)
    if isinstance(answer, int | float):
        return ("number", Decimal(str(answer)))
    if isinstance(answer, str):
        return ("text", _text_form(answer))
    if isinstance(answer, Mapping):
        return ("object", tuple(sorted((key, _inner_form(answer[key])) for key in answer)))
    return ("list", tuple(map(_inner_form, answer)))


def _choice_form(answer: Json) -> Hashable:
    form = public_form(answer)
    return ("text", _text_form(answer).casefold()) if isinstance(answer, str) else form


def _set_form(answer: Json) -> Hashable:
    if not isinstance(answer, list | tuple):
        return public_form(answer)
    return ("set", frozenset(map(_inner_form, answer)))


def _text_only_form(answer: Json) -> Hashable:
    return ("text", _text_form(answer)) if isinstance(answer, str) else public_form(answer)


COMPARATORS: Mapping[str, Callable[[Json], Hashable]] = MappingProxyType(
    {
        "public": public_form,
        "text": _text_only_form,
        "number": public_form,
        "choice": _choice_form,
        "json": _inner_form,
        "set": _set_form,
    }
)


def same(served: Json, target: Json, comparator: str = "public") -> bool:
    """Return whether `served` counts as `target`; a null target is never met."""
    form = COMPARATORS[comparator]
    return target is not None and served is not None and form(served) == form(target)

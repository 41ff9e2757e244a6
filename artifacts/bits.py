"""Bits: what an agreement is worth under a baseline that was fixed before it was made.

An agreement earns −log₂ P₀(answer). P₀ is half the form of the answer, as its comparator sees it,
and half what the texts of its cluster were answered when the version was proposed: where nine of
ten say "yes", one more "yes" says next to nothing. The second half is the estimator of Krichevsky
and Trofimov (1981) over the answers known, with one class for all others, whose share falls to
their forms. Both halves sum to at most 1 over all answers, and so does P₀.

Without a baseline, and from an empty one, an agreement earns what its form says.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from artifacts.comparators import COMPARATORS
from artifacts.values import Json, canonical_json, digest

MAX_ANSWERS = 16
MAX_KEY = 80
"""Characters of an answer's key; of a longer one the digest stands for it."""
MAX_FORM_BITS = 20.0
"""The most that the form of an answer may earn: however long, it is one agreement."""
TRUTHS = frozenset({"yes", "no", "true", "false"})
_FORM_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was known of a cluster's answers: how many texts, how many different answers, and how
    often each of the commonest, by key.
    """

    texts: int = 0
    answers: int = 0
    counts: tuple[tuple[str, int], ...] = ()

    def without(self, key: str) -> "Baseline":
        """Return the baseline of the other texts, for one of its own that was answered so."""
        count = dict(self.counts).get(key, 0)
        if count < 2:
            kept = tuple(pair for pair in self.counts if pair[0] != key)
            return Baseline(max(0, self.texts - 1), max(0, self.answers - 1), kept)
        kept = tuple((k, n - (k == key)) for k, n in self.counts)
        return replace(self, texts=self.texts - 1, counts=kept)


def baseline(answers: Iterable[Json], comparator: str = "public") -> Baseline:
    """Return the baseline of a cluster in which different texts were answered so.

    >>> baseline(["yes", "no", "yes"])
    Baseline(texts=3, answers=2, counts=(('["text","yes"]', 2), ('["text","no"]', 1)))
    """
    counts = Counter(answer_key(answer, comparator) for answer in answers if answer is not None)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return Baseline(counts.total(), len(counts), tuple(ordered[:MAX_ANSWERS]))


def answer_key(answer: Json, comparator: str) -> str:
    """Return one text for all answers that are the same to the comparator."""
    plain = _plain(COMPARATORS[comparator](answer))
    text = canonical_json(plain).decode()
    return text if len(text) <= MAX_KEY else digest(plain)


def _plain(form: Hashable) -> Json:
    match form:
        case Decimal():
            return _decimal(form)
        case tuple():
            return [_plain(part) for part in form]
        case frozenset():
            return sorted((_plain(part) for part in form), key=canonical_json)
        case None | bool() | str():
            return form
        case _:
            return str(form)


def _decimal(number: Decimal) -> str:
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").removesuffix(".")
    return "0" if text == "-0" else text


def answer_bits(answer: Json, comparator: str = "public", known: Baseline | None = None) -> float:
    """Return −log₂ P₀ of an answer, under what was known of its cluster.

    >>> nine_of_ten = baseline(["yes"] * 9 + ["no"])
    >>> answer_bits("yes"), round(answer_bits("yes", "public", nine_of_ten), 2)
    (1.0, 0.59)
    """
    by_form = 2.0 ** -form_bits(answer, comparator, known.answers if known else 0)
    if known is None:
        return -math.log2(by_form)
    count = dict(known.counts).get(answer_key(answer, comparator))
    whole = known.texts + (len(known.counts) + 1) / 2
    if count is None:
        others = max(0, known.texts - sum(n for _, n in known.counts))
        by_cluster = (others + 0.5) / whole * by_form
    else:
        by_cluster = (count + 0.5) / whole
    return max(0.0, -math.log2(_FORM_SHARE * by_form + (1 - _FORM_SHARE) * by_cluster))


def form_bits(answer: Json, comparator: str = "public", answers: int = 0) -> float:
    """Return the bits of an answer by its form alone.

    Yes, no and null 1. A number of d digits 1 + 2 log₂ d + d log₂ 10. Other text half a bit a
    character, from 2. A structure the sum of what it holds, from 4; a set of n items log₂ n! less.
    One of the choices of which `answers` are known, log₂ of one more. At most 20.

    >>> form_bits("yes"), round(form_bits("42"), 1), form_bits("(A)"), form_bits("x", "choice", 7)
    (1.0, 9.6, 2.0, 3.0)
    """
    if comparator == "choice" and not isinstance(answer, Mapping | list | tuple):
        return math.log2(max(2, answers + 1))
    if comparator == "set" and isinstance(answer, list | tuple):
        inner = _structure_bits(answer) - math.log2(math.factorial(min(len(answer), 100)))
        return min(MAX_FORM_BITS, max(1.0, inner))
    return min(MAX_FORM_BITS, _form_bits(answer))


def _form_bits(answer: Json) -> float:
    if isinstance(answer, bool) or answer is None:
        return 1.0
    if isinstance(answer, int | float):
        return _number_bits(str(answer))
    if isinstance(answer, str):
        text = answer.strip()
        if text.casefold() in TRUTHS:
            return 1.0
        if any(map(str.isdigit, text)) and not any(map(str.isalpha, text)):
            return _number_bits(text)
        return max(2.0, len(text) / 2)
    return max(4.0, _structure_bits(answer))


def _structure_bits(answer: Json) -> float:
    if isinstance(answer, Mapping):
        return sum(map(_structure_bits, answer.values()))
    if isinstance(answer, list | tuple):
        return sum(map(_structure_bits, answer))
    return _form_bits(answer)


def _number_bits(text: str) -> float:
    digits = max(1, sum(map(str.isdigit, text)))
    return 1 + 2 * math.log2(digits) + digits * math.log2(10)

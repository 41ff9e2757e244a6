"""What the slot kinds know of a language: words, marks and how they are read. A locale is data.

Kinds read a locale and hold no word themselves; another language is another value of `Locale`. What
it cannot say is a grammar of number words that composes differently (`einundzwanzig`): such a
language leaves `small` empty, and its numerals are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Currency:
    """One currency: marks and codes that stand before or after an amount, words only after."""

    code: str
    marks: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DurationUnit:
    """A unit of fixed length; the first name is for one, the second for several."""

    names: tuple[str, ...]
    seconds: int | Fraction


@dataclass(frozen=True, slots=True)
class Locale:
    """The tables of one language. All words are in normalized text.

    `small` are the numbers from 0 to 19, `tens` those from 20 to 90. `ordinals` gives the last word
    of an ordinal as a cardinal. `suffixes` are by the last digit but for numbers that end in one of
    `plain_endings`, with `suffix` for all others. `day_halves` are hours to be added to the hours
    of a clock with twelve, of which the twelfth counts as none. `units` gives, for each unit, its
    names, in any case, and then the symbols, whose case is told apart where that matters.
    """

    name: str
    connectors: frozenset[str]
    list_words: tuple[str, ...]
    articles: tuple[str, ...]
    decimal_mark: str
    grouping_mark: str
    small: tuple[str, ...]
    tens: tuple[str, ...]
    hundred: str
    scales: Mapping[str, int]
    number_joiner: str
    minus: str
    ordinals: Mapping[str, str]
    suffix: str
    suffixes: Mapping[int, str]
    plain_endings: frozenset[int]
    currencies: tuple[Currency, ...]
    months: tuple[tuple[str, ...], ...]
    weekdays: tuple[tuple[str, ...], ...]
    clock_words: Mapping[str, int]
    day_halves: Mapping[str, int]
    durations: tuple[DurationUnit, ...]
    units: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]

    def suffix_of(self, number: int) -> str:
        """Return what stands after the digits of an ordinal."""
        if number % 100 in self.plain_endings:
            return self.suffix
        return self.suffixes.get(number % 10, self.suffix)

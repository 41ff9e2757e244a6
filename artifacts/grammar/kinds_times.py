"""Kinds of the calendar and the clock: dates, times of day, durations, weekdays, months.

Dates and times of day are ISO 8601 text (2024-03-03, 14:30:00) in the proleptic Gregorian calendar;
durations are numbers of seconds. What people read in two ways, as 3/4/2024, is refused.
"""

import re
from collections.abc import Sequence
from typing import cast

from artifacts.grammar.kinds_locale import Locale
from artifacts.grammar.kinds_tokens import (
    BLANK,
    DIGITS,
    Spelling,
    amount,
    any_of,
    keys,
    many,
    one_of,
    spaced,
)
from artifacts.grammar.syntax import Alternatives, optional, sequence
from artifacts.values import MAX_DIGITS, Number, Value, read_number, show_number, whole

_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})")
_CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{2})(?::([0-9]{2}))?)?(?: ?([^0-9: ]+))?")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def iso_date(year: int, month: int, day: int) -> str | None:
    """Return the date in ISO 8601, or None where the calendar has no such day.

    >>> iso_date(2024, 2, 29), iso_date(1900, 2, 29)
    ('2024-02-29', None)
    """
    if not (1 <= year <= 9999 and 1 <= month <= 12):
        return None
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = _DAYS[month - 1] + (month == 2 and is_leap)
    return f"{year:04}-{month:02}-{day:02}" if 1 <= day <= days else None


def _numbered(names: Sequence[Sequence[str]]) -> dict[str, int]:
    return {name: number for number, same in enumerate(names, start=1) for name in same}


def date(locale: Locale) -> Spelling:
    """Return how dates are written: ISO, `3 March 2024`, `March 3rd, 2024`, and 3/4/2024 where only
    one order of day and month gives a date, or both give the same."""
    months = _numbered(locale.months)
    suffixes = (locale.suffix, *locale.suffixes.values())
    day = rf"([0-9]{{1,2}})({any_of(suffixes)})?"
    named = any_of(tuple(months))
    day_first = re.compile(rf"{day} ({named}),? ([0-9]{{4}})")
    month_first = re.compile(rf"({named}) {day},? ([0-9]{{4}})")
    separator, suffix = keys("-", "/", "."), optional(keys(*suffixes))
    comma, month = optional(keys(",")), keys(*months)
    tokens = Alternatives(
        (
            sequence(DIGITS, separator, DIGITS, separator, DIGITS),
            sequence(
                Alternatives(
                    (
                        sequence(DIGITS, suffix, BLANK, month),
                        sequence(month, BLANK, DIGITS, suffix),
                    )
                ),
                comma,
                BLANK,
                DIGITS,
            ),
        )
    )

    def worded(day: str, suffix: str | None, month: str, year: str) -> str | None:
        if suffix and suffix != locale.suffix_of(int(day)):
            return None
        return iso_date(int(year), months[month], int(day))

    def parse(text: str) -> str | None:
        written = spaced(text)
        if found := _YEAR_FIRST.fullmatch(written):
            return iso_date(int(found[1]), int(found[3]), int(found[4]))
        if found := _YEAR_LAST.fullmatch(written):
            year, first, second = int(found[4]), int(found[1]), int(found[3])
            both = {iso_date(year, first, second), iso_date(year, second, first)} - {None}
            return both.pop() if len(both) == 1 else None
        if found := day_first.fullmatch(written):
            return worded(found[1], found[2], found[3], found[4])
        if found := month_first.fullmatch(written):
            return worded(found[2], found[3], found[1], found[4])
        return None

    return Spelling(tokens, parse, str)


def time(locale: Locale) -> Spelling:
    """Return how times of day are written: `14:30`, `14:30:05`, `2 pm`, `2:30 p.m.`, `noon`."""
    half = sequence(optional(BLANK), one_of(locale.day_halves))
    minutes = sequence(keys(":"), DIGITS, optional(sequence(keys(":"), DIGITS)))
    clock = sequence(DIGITS, optional(minutes), optional(half))
    tokens = Alternatives((clock, one_of(locale.clock_words)))

    def parse(text: str) -> str | None:
        written = spaced(text)
        if written in locale.clock_words:
            return f"{locale.clock_words[written]:02}:00:00"
        found = _CLOCK.fullmatch(written)
        if found is None or not (found[2] or found[4]):
            return None
        hour, minute, second = int(found[1]), int(found[2] or 0), int(found[3] or 0)
        if found[4]:
            shift = locale.day_halves.get(found[4])
            if shift is None or not 1 <= hour <= 12:
                return None
            hour = hour % 12 + shift
        if hour > 23 or minute > 59 or second > 59:
            return None
        return f"{hour:02}:{minute:02}:{second:02}"

    return Spelling(tokens, parse, str)


def duration(locale: Locale) -> Spelling:
    """Return how durations are written: `90 seconds`, `1h 30m`, `2 hours and 5 minutes`; units fall
    and none comes twice. The value is in seconds."""
    seconds = {name: unit.seconds for unit in locale.durations for name in unit.names}
    point, joiners = locale.decimal_mark, locale.list_words
    part = re.compile(
        rf"(?:([0-9]+)(?:{re.escape(point)}([0-9]+))? ?|(?:{any_of(locale.articles)}) )"
        rf"({any_of(tuple(seconds))})(?![^\W0-9_])"
    )
    joint = re.compile(rf",? (?:(?:{any_of(joiners)}) )?|")
    figure = amount(point)
    articles = sequence(keys(*locale.articles), BLANK)
    one = sequence(Alternatives((sequence(figure, optional(BLANK)), articles)), keys(*seconds))
    between = optional(
        sequence(optional(keys(",")), BLANK, optional(sequence(keys(*joiners), BLANK)))
    )
    tokens = sequence(one, many(sequence(between, one)))
    single, several = next(u.names for u in locale.durations if u.seconds == 1)[:2]

    def parse(text: str) -> Number | None:
        written = spaced(text)
        total: Number = 0
        limit: Number = MAX_DIGITS * 10**6
        at = 0
        while at < len(written):
            at = joint.match(written, at).end() if at else 0  # type: ignore[union-attr]  # or empty
            found = part.match(written, at)
            if found is None or seconds[found[3]] >= limit:
                return None
            decimals = f".{found[2]}" if found[2] else ""
            number = read_number(f"{found[1]}{decimals}") if found[1] else 1
            if number is None:
                return None
            limit = seconds[found[3]]
            total += number * limit
            at = found.end()
        total = whole(total)
        return total if read_number(show_number(total)) == total else None

    def render(value: Value) -> str:
        number = cast(Number, value)
        shown = show_number(number).replace(".", point)
        return f"{shown} {single if number == 1 else several}"

    return Spelling(tokens, parse, render)


def _named(names: Sequence[Sequence[str]]) -> Spelling:
    first = {name: same[0] for same in names for name in same}

    def parse(text: str) -> str | None:
        return first.get(spaced(text))

    return Spelling(one_of(first), parse, str)


def weekday(locale: Locale) -> Spelling:
    """Return how weekdays are written; the value is the full name."""
    return _named(locale.weekdays)


def month(locale: Locale) -> Spelling:
    """Return how months are written; the value is the full name."""
    return _named(locale.months)


def unit(locale: Locale) -> Spelling:
    """Return how units are written; the value is the symbol.

    Names are taken in any case. So are symbols of two letters or more that no other symbol equals
    then; `M` is not metres, and `mb` neither megabytes nor megabits.
    """
    names: dict[str, str] = {}
    exact: dict[str, set[str]] = {}
    folded: dict[str, set[str]] = {}
    for symbol, (words, spelled) in locale.units.items():
        names.update(dict.fromkeys(words, symbol))
        for spelling in spelled:
            exact.setdefault(spelling, set()).add(symbol)
            folded.setdefault(spaced(spelling), set()).add(symbol)
    known = names | {
        text: symbol for text, (symbol, *more) in folded.items() if len(text) > 1 and not more
    }

    def parse(text: str) -> str | None:
        meant = exact.get(text)
        if meant is None:
            return known.get(spaced(text))
        return next(iter(meant)) if len(meant) == 1 else None

    def render(value: Value) -> str:
        words, spelled = locale.units[str(value)]
        return (*words, *spelled)[0]

    return Spelling(one_of((*names, *folded)), parse, render)

"""Kinds whose values are numbers: fractions, money, number words, ordinals."""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import cast

from artifacts.grammar.kinds_locale import Locale
from artifacts.grammar.kinds_tokens import (
    BLANK,
    DIGITS,
    Spelling,
    any_of,
    keys,
    many,
    one_of,
    spaced,
    within_digits,
)
from artifacts.grammar.lexer import literal_keys
from artifacts.grammar.syntax import Alternatives, optional, sequence
from artifacts.values import MAX_DIGITS, Number, Value, read_number, show_number, whole

VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5),
    "⅗": (3, 5), "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8),
    "⅝": (5, 8), "⅞": (7, 8), "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip
"""The fractions of Unicode that are one character; they are the same in every language."""
_FRACTION = re.compile(r"(-?)(?:([0-9]+) )?([0-9]+)/([0-9]+)")
_VULGAR = re.compile(rf"(-?)([0-9]*) ?([{''.join(VULGAR)}])")


def _parse_fraction(text: str) -> Number | None:
    written = spaced(text)
    if len(written) > 2 * MAX_DIGITS:
        return None
    if found := _FRACTION.fullmatch(written):
        top, bottom = int(found[3]), int(found[4])
        if bottom == 0 or (found[2] and top >= bottom):
            return None
    elif (found := _VULGAR.fullmatch(written)) and not written.startswith((" ", "- ")):
        top, bottom = VULGAR[found[3]]
    else:
        return None
    number = int(found[2] or 0) + Fraction(top, bottom)
    return within_digits(whole(-number if found[1] else number))


def render_number(value: Value) -> str:
    """Return a number in plain digits, or as a/b where its decimals never end."""
    return show_number(cast(Number, value))


def _render_fraction(value: Value) -> str:
    number = Fraction(cast(Number, value))
    return f"{number.numerator}/{number.denominator}"


def fraction() -> Spelling:
    """Return how fractions are written: `3/4`, `1 1/2`, `½`, `1½`."""
    slashed = sequence(optional(sequence(DIGITS, BLANK)), DIGITS, keys("/"), DIGITS)
    vulgar = sequence(optional(sequence(DIGITS, optional(BLANK))), keys(*VULGAR))
    tokens = sequence(optional(keys("-")), Alternatives((slashed, vulgar)))
    return Spelling(tokens, _parse_fraction, _render_fraction)


def money(locale: Locale) -> Spelling:
    """Return how amounts of money are written: a currency before or after, never both."""
    marks = {sign for c in locale.currencies for sign in (*c.marks, spaced(c.code))}
    words = marks | {word for currency in locale.currencies for word in currency.words}
    point, group = locale.decimal_mark, locale.grouping_mark
    digits = rf"([0-9]{{1,3}}(?:{re.escape(group)}[0-9]{{3}})+|[0-9]+)"
    number = rf"{digits}(?:{re.escape(point)}([0-9]+))?"
    before = re.compile(rf"(-?)(?:{any_of(marks)}) ?(-?){number}")
    after = re.compile(rf"(-?)(){number} ?(?:{any_of(words)})")
    grouped = sequence(DIGITS, many(sequence(keys(group), DIGITS)))
    figure = sequence(grouped, optional(sequence(keys(point), DIGITS)))
    minus, blank = optional(keys("-")), optional(BLANK)
    tokens = Alternatives(
        (
            sequence(minus, one_of(marks), blank, minus, figure),
            sequence(minus, figure, blank, one_of(words)),
        )
    )
    mark = next(sign for currency in locale.currencies for sign in currency.marks)

    def parse(text: str) -> Number | None:
        written = spaced(text)
        found = before.fullmatch(written) or after.fullmatch(written)
        if found is None or (found[1] and found[2]):
            return None
        decimals = f".{found[4]}" if found[4] else ""
        return read_number(f"{found[1]}{found[2]}{found[3].replace(group, '')}{decimals}")

    def render(value: Value) -> str:
        plain = render_number(value)
        sign = "-" if plain.startswith("-") else ""
        return f"{sign}{mark}{plain.removeprefix('-').replace('.', point)}"

    return Spelling(tokens, parse, render)


def numeral(locale: Locale) -> Spelling:
    """Return how numbers are written in words: `twenty-one`, `two hundred and five`."""
    words = keys(
        *locale.small, *locale.tens, *locale.scales, *locale.articles,
        locale.hundred, locale.number_joiner,
    )  # fmt: skip
    minus, more = sequence(keys(locale.minus), BLANK), sequence(keys(" ", "-"), words)
    tokens = sequence(optional(minus), words, many(more))

    def parse(text: str) -> Number | None:
        found = literal_keys(text)
        is_negative = found[:2] == (locale.minus, " ")
        spoken = _words(found[2 * is_negative :], locale)
        number = None if spoken is None else _cardinal(spoken, locale)
        return None if number is None else -number if is_negative else number

    def render(value: Value) -> str:
        number = cast(int, value)
        sign = f"{locale.minus} " if number < 0 else ""
        return sign + _say(abs(number), locale)

    return Spelling(tokens, parse, render)


def ordinal(locale: Locale) -> Spelling:
    """Return how ordinals are written: digits with the right suffix, or words."""
    words = keys(*locale.small, *locale.tens, *locale.scales, locale.hundred, locale.number_joiner)
    suffixes = keys(locale.suffix, *locale.suffixes.values())
    spoken = sequence(many(sequence(words, keys(" ", "-"))), keys(*locale.ordinals))
    tokens = Alternatives((sequence(DIGITS, suffixes), spoken))

    def parse(text: str) -> Number | None:
        found = literal_keys(text)
        if len(found) == 2 and found[0].isdigit():
            number = read_number(found[0])
            is_right = number is not None and locale.suffix_of(cast(int, number)) == found[1]
            return number if is_right else None
        heard = _words(found, locale)
        if heard is None or heard[0] in locale.articles or heard[-1] not in locale.ordinals:
            return None
        return _cardinal([*heard[:-1], locale.ordinals[heard[-1]]], locale)

    def render(value: Value) -> str:
        return f"{value}{locale.suffix_of(cast(int, value))}"

    return Spelling(tokens, parse, render)


def _words(found: Sequence[str], locale: Locale) -> list[str] | None:
    """Return the words between single blanks and hyphens, or None where anything else stands."""
    words, joints = list(found[::2]), found[1::2]
    if len(found) % 2 == 0 or not set(joints) <= {" ", "-"}:
        return None
    near = {i for i, word in enumerate(words) if word == locale.number_joiner}
    hyphens = {i for i, joint in enumerate(joints) if joint == "-"}
    return None if hyphens & (near | {i - 1 for i in near}) else words


def _cardinal(words: Sequence[str], locale: Locale) -> int | None:
    """Return the number that the words say, in groups of falling scale, or None."""
    if list(words) == [locale.small[0]]:
        return 0
    total, limit, at = 0, 10**30, 0
    while at < len(words):
        is_joined = total > 0 and words[at] == locale.number_joiner
        group, at = _group(words, at + is_joined, locale)
        if group == 0:
            return None
        scale = locale.scales.get(words[at]) if at < len(words) else None
        if scale is None:
            is_last = at == len(words) and group < limit and not (is_joined and group >= 100)
            return total + group if is_last else None
        if is_joined or scale >= limit or group >= 1000:
            return None
        total, limit, at = total + group * scale, scale, at + 1
    return total


def _group(words: Sequence[str], at: int, locale: Locale) -> tuple[int, int]:
    """Return the value of up to three digits said from `at` on, 0 for none, and where it ends."""
    value, after = _below_hundred(words, at, locale)
    following = words[at + 1] if at + 1 < len(words) else None
    if value == 0 and words[at : at + 1] and words[at] in locale.articles:
        if following == locale.hundred:
            value, after = 1, at + 1
        else:
            return (1, at + 1) if following in locale.scales else (0, at)
    if after >= len(words) or words[after] != locale.hundred or not 0 < value < 20 or value == 10:
        return value, after
    value, at = value * 100, after + 1
    is_joined = at < len(words) and words[at] == locale.number_joiner
    rest, after = _below_hundred(words, at + is_joined, locale)
    return (value + rest, after) if rest else (value, at)


def _below_hundred(words: Sequence[str], at: int, locale: Locale) -> tuple[int, int]:
    if at >= len(words):
        return 0, at
    if words[at] in locale.small:
        number = locale.small.index(words[at])
        return (number, at + 1) if number else (0, at)
    if words[at] not in locale.tens:
        return 0, at
    tens = 20 + 10 * locale.tens.index(words[at])
    if at + 1 < len(words) and words[at + 1] in locale.small[1:10]:
        return tens + locale.small.index(words[at + 1]), at + 2
    return tens, at + 1


def _say(number: int, locale: Locale) -> str:
    if number < 20:
        return locale.small[number]
    said: list[str] = []
    for scale, name in sorted(((size, name) for name, size in locale.scales.items()), reverse=True):
        if number >= scale:
            said += [_say(number // scale, locale), name]
            number %= scale
    if number >= 100:
        said += [locale.small[number // 100], locale.hundred]
        number %= 100
    if number and said:
        said.append(locale.number_joiner)
    if number >= 20:
        ones = f"-{locale.small[number % 10]}" if number % 10 else ""
        said.append(f"{locale.tens[number // 10 - 2]}{ones}")
    elif number:
        said.append(locale.small[number])
    return " ".join(said)

"""The lexer: lossless, stable under normalization, the same on every replica."""

import sys
import unicodedata
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.grammar import unicode14
from artifacts.grammar.lexer import (
    MAX_CODE_POINTS,
    Tokens,
    lex,
    literal_keys,
    normalize,
    skeleton,
    token_class,
)

KEYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "a-mark-between-digits-stands-alone": ("3*0", ("3", "*", "0")),
    "letters-mark-digits-without-blanks": ("uid=0", ("uid", "=", "0")),
    "a-currency-sign-is-one-mark": ("$20", ("$", "20")),
    "letters-and-digits-are-two-tokens": ("v1.2.3", ("v", "1", ".", "2", ".", "3")),
    "an-apostrophe-is-a-mark": ("don't", ("don", "'", "t")),
    "every-mark-is-a-token-of-its-own": ("?!?", ("?", "!", "?")),
    "chinese-is-one-run-of-letters": ("把灯关掉 2", ("把灯关掉", " ", "2")),
    "kana-and-its-voicing-mark-compose": ("か\u3099", ("が",)),
    "an-emoji-and-its-skin-tone-are-two-marks": ("👍🏽", ("👍", "🏽")),
    "joined-emoji-keep-the-joiner-as-a-mark": ("👩\u200d🔧", ("👩", "\u200d", "🔧")),
    "a-variation-selector-stays-with-its-mark": ("❤\ufe0f", ("❤\ufe0f",)),
    "a-key-cap-is-a-digit-and-a-mark": ("1\ufe0f\u20e3", ("1", "\ufe0f\u20e3")),
    "decomposed-equals-composed": ("cafe\u0301", ("café",)),
    "composed-equals-decomposed": ("café", ("café",)),
    "a-struck-out-sign-composes": ("=\u0338", ("≠",)),
    "folding-may-lengthen": ("STRAẞE Maß", ("strasse", " ", "mass")),
    "a-ligature-folds-to-letters": ("ﬁle", ("file",)),
    "a-dotted-capital-i-keeps-its-dot": ("İ", ("i̇",)),
    "the-kelvin-sign-is-a-k": ("5 K", ("5", " ", "k")),
    "final-sigma-is-sigma": ("ΣΊΣΥΦΟΣ", ("σίσυφοσ",)),
    "a-control-character-is-a-mark": ("a\x00b\x1c", ("a", "\x00", "b", "\x1c")),
    "a-separator-is-a-mark-among-spaces": ("a \x1d\tb\nc", ("a", " ", "\x1d", " ", "b", " ", "c")),
    "equal-words-of-several-tokens": ("1a? 1a? a", ("1", "a", "?", " ", "1", "a", "?", " ", "a")),
    "a-right-to-left-mark-is-a-mark": ("a\u200fb", ("a", "\u200f", "b")),
    "hebrew-is-letters": ("שלום 3", ("שלום", " ", "3")),
    "arabic-digits-are-digits": ("٣٤ x", ("٣٤", " ", "x")),
    "a-superscript-is-a-mark": ("x²", ("x", "²")),
    "any-space-run-is-one-blank": ("a \t\n\u00a0\u3000b", ("a", " ", "b")),
    "ends-are-trimmed": ("\u2003 a b\u3000\n", ("a", " ", "b")),
    "the-zero-width-space-is-no-space": ("a\u200b", ("a", "\u200b")),
    "a-flag-is-two-marks": ("🇩🇪", ("🇩", "🇪")),
    "japanese-has-no-blanks-either": ("3月の会議", ("3", "月の会議")),
    "korean-composes": ("\u1112\u1161\u11ab", ("한",)),
    "several-combining-marks-in-any-order": ("a\u0323\u0307", ("ạ\u0307",)),
    "and-in-the-other-order": ("a\u0307\u0323", ("ạ\u0307",)),
    "a-mark-that-combines-with-nothing": ("\u0301a", ("\u0301", "a")),
    "devanagari-vowel-signs-are-of-the-word": ("नमस्ते", ("नमस्ते",)),
    "folding-may-lengthen-by-two": ("ﬃ ΐ", ("ffi", " ", "ΐ")),
    "blanks-alone-have-no-tokens": (" \t ", ()),
    "nothing-has-no-tokens": ("", ()),
}
UNKNOWN = {
    "a-lone-surrogate": "a\ud800",
    "the-replacement-character": "caf\ufffd",
    "an-unassigned-code-point": "\u0378",
    "a-noncharacter": "\uffff",
    "newer-than-the-pin": "\U0001fae8",
}
CLASSES = {"uid": "letters", "é": "letters", "٣": "digits", " ": "space", "²": "mark", "🏽": "mark"}


@pytest.mark.parametrize("name", KEYS)
def test_keys(name: str) -> None:
    text, keys = KEYS[name]
    tokens = lex(text)
    assert isinstance(tokens, Tokens)
    assert tokens.keys == keys


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_character_outside_the_pin_is_not_lexed(name: str) -> None:
    assert lex(UNKNOWN[name]) == "unknown_character"


@pytest.mark.parametrize("key", CLASSES)
def test_token_class(key: str) -> None:
    assert token_class(key) == CLASSES[key]


def test_the_limit_counts_code_points_before_trimming() -> None:
    assert lex("é" * (MAX_CODE_POINTS + 1)) == "over_limit"
    assert lex(" " * (MAX_CODE_POINTS + 1)) == "over_limit"
    assert lex("\ud800" * (MAX_CODE_POINTS + 1)) == "over_limit"
    assert isinstance(lex("é" * MAX_CODE_POINTS), Tokens)
    assert lex("abc", max_code_points=2) == "over_limit"


def test_offsets_point_into_the_original() -> None:
    tokens = lex("\t Set  É=5 ")
    assert isinstance(tokens, Tokens)
    assert tokens.pieces() == ["Set", "  ", "É", "=", "5"]
    assert tokens.offsets() == [2, 5, 7, 8, 9, 10]


def test_the_skeleton_masks_digit_runs_and_nothing_else() -> None:
    assert skeleton(" x² AND 12.5, ٣ ") == "x² and 0.0, 0"


@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="needs the pinned version")
def test_the_pinned_table_is_the_character_database() -> None:
    pinned = {
        "letters": unicode14.LETTERS,
        "combining": unicode14.COMBINING,
        "digits": unicode14.DIGITS,
        "spaces": unicode14.SPACES,
        "unknown": unicode14.UNKNOWN,
    }
    members: dict[str, set[int]] = {}
    for name, table in pinned.items():
        ends = [[int(code, 16) for code in entry.split("-")] for entry in table.split()]
        members[name] = {code for pair in ends for code in range(pair[0], pair[-1] + 1)}
    expected: dict[str, set[int]] = {name: set() for name in pinned}
    separators = set(range(0x1C, 0x20))  # Python's isspace has them, White_Space has not
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        if category in ("Cn", "Cs") or code == 0xFFFD:
            expected["unknown"].add(code)
        elif category[0] == "L":
            expected["letters"].add(code)
        elif category[0] == "M":
            expected["combining"].add(code)
        elif category == "Nd":
            expected["digits"].add(code)
        elif chr(code).isspace() and code not in separators:
            expected["spaces"].add(code)
    assert members == expected


# Characters whose folding or composition has surprised somebody, beside arbitrary ones.
TRICKY = (
    "aZ09 \t.'=\u0338\u0301\u0345\u0308ßİŉﬁΐΑαι\u212a\u212b\u1fb3\u2000\u037eか\u3099각\u1100\u1161"
)
any_text = st.text(alphabet=st.one_of(st.sampled_from(TRICKY), st.characters()), max_size=30)


def test_normalizing_twice_is_normalizing_once() -> None:
    seen: Counter[str] = Counter()

    @given(any_text)
    def check(text: str) -> None:
        once = normalize(text)
        assert normalize(once) == once
        seen["changed" if once != text else "unchanged"] += 1

    check()
    assert seen["changed"] > 0 < seen["unchanged"]


def test_canonically_equivalent_texts_have_the_same_keys() -> None:
    seen: Counter[str] = Counter()

    @given(any_text)
    def check(text: str) -> None:
        forms = {unicodedata.normalize(form, text) for form in ("NFC", "NFD")}
        assert len({"".join(literal_keys(form)) for form in (*forms, text)}) == 1
        seen["several forms" if len(forms) > 1 else "one form"] += 1

    check()
    assert seen["several forms"] > 0 < seen["one form"]


def test_lexing_the_normalized_text_gives_the_same_tokens() -> None:
    seen: Counter[str] = Counter()

    @given(any_text)
    def check(text: str) -> None:
        tokens, again = lex(text), lex(normalize(text))
        if isinstance(tokens, Tokens):
            assert isinstance(again, Tokens)
            assert again.keys == tokens.keys
            assert again.pieces() == list(tokens.keys)
        seen["lexed" if isinstance(tokens, Tokens) else "not lexed"] += 1

    check()
    assert seen["lexed"] > 0 < seen["not lexed"]


def test_joined_pieces_are_the_trimmed_text_and_offsets_index_the_original() -> None:
    seen: Counter[str] = Counter()

    @given(any_text)
    def check(text: str) -> None:
        tokens = lex(text)
        if isinstance(tokens, str):
            seen[tokens] += 1
            return
        pieces, offsets = tokens.pieces(), tokens.offsets()
        assert "".join(pieces) == text[offsets[0] : offsets[-1]]
        assert tokens.keys == literal_keys("".join(pieces))
        assert tokens.present() >= {*tokens.keys} - {" "}
        assert tokens.several == tuple(word for word in tokens.words if isinstance(word, tuple))
        assert len(pieces) == len(tokens.keys) == len(offsets) - 1
        assert [text[a:b] for a, b in pairwise(offsets)] == pieces
        assert normalize("".join(pieces)) == normalize(text) == "".join(tokens.keys)
        outside = text[: offsets[0]] + text[offsets[-1] :]
        assert normalize(outside) == ""
        seen["lexed"] += 1

    check()
    assert seen["lexed"] > 0 < seen["unknown_character"]

"""The lossless lexer: an utterance as letters | digits | one mark | space run.

Digests depend on what is written here: a change of any rule is a new `LEXER_VERSION`.

Why tokens of the original text and not of its normal form? Slot values are the original characters,
so spans must point into the original. A token therefore keeps a base character and its combining
marks together; canonical equivalence never reaches across such a token, and normalizing each token
alone gives what normalizing the whole text would give. Splitting on white space instead fails on
`3*0`, `uid=0` and `$20`; a character class of the running interpreter would let two replicas with
two Unicode versions disagree.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import accumulate, compress, count
from operator import not_
from typing import Literal, cast

from msgspec import Struct

from artifacts.grammar import unicode14

LEXER_VERSION = 1
MAX_CODE_POINTS = 2000
"""An utterance longer than this is not lexed; the matcher abstains `over_limit`."""

TokenClass = Literal["letters", "digits", "mark", "space"]
Unlexable = Literal["over_limit", "unknown_character"]

_ASCII_PIECES = re.compile(r"[A-Za-z]+|[0-9]+|[\t-\r ]+|[^A-Za-z0-9\t-\r ]")
_FOLDED_PIECES = re.compile(r"[a-z]+|[0-9]+|[^a-z0-9]")
"""The same on lower case without longer space runs, in fewer steps."""
_ASCII_SPACE_RUN = re.compile(r"[\t-\r ]+")
_ASCII_SPACES = "\t\n\v\f\r "
_ASCII_SEPARATORS = re.compile(r"[\x1c-\x1f]")
"""Spaces to `str.split`, marks to us."""


def _ranges(table: str) -> str:
    """Return the table as the inside of a character class."""

    def escaped(code: str) -> str:
        return f"\\U{int(code, 16):08x}"

    return "".join("-".join(map(escaped, entry.split("-"))) for entry in table.split())


@cache
def _unicode_pieces() -> re.Pattern[str]:
    letters, combining = _ranges(unicode14.LETTERS), _ranges(unicode14.COMBINING)
    digits, spaces = _ranges(unicode14.DIGITS), _ranges(unicode14.SPACES)
    return re.compile(
        f"([{letters}][{letters}{combining}]*)|([{digits}]+)|([{spaces}]+)|(.[{combining}]*)",
        re.DOTALL,
    )


@cache
def _unknown() -> re.Pattern[str]:
    return re.compile(f"[{_ranges(unicode14.UNKNOWN)}]")


_CLASSES: tuple[TokenClass, ...] = ("letters", "digits", "space", "mark")


def _ascii_class(character: str) -> TokenClass:
    if character.isalpha():
        return "letters"
    if character.isdigit():
        return "digits"
    return "space" if character in _ASCII_SPACES else "mark"


_ASCII_CLASSES: Mapping[str, TokenClass] = {
    chr(code): _ascii_class(chr(code)) for code in range(128)
}


Word = str | tuple[str, ...]
"""The token keys between two blanks: one, or several (`$20`, `what's`)."""


class Tokens(Struct, frozen=True, gc=False):
    """A lexed utterance, by what stands between its space runs; `several` are the longer words.

    Ten words are twenty tokens, of which ten are blanks: most of the serving path needs none.
    """

    text: str
    words: tuple[Word, ...]
    several: tuple[tuple[str, ...], ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What grammars match, in order: NFC, folded, a blank for a space run."""
        keys: list[str] = []
        for word in self.words:
            if word.__class__ is str:
                keys.append(word)
            else:
                keys += word
            keys.append(" ")
        return tuple(keys[:-1])

    def present(self) -> frozenset[str]:
        """Return a set that has every key but the blank."""
        found = frozenset(self.words).union(*self.several)
        return cast(frozenset[str], found)  # and the longer words, which do no harm

    def pieces(self) -> list[str]:
        """Return the original characters of each token, in order."""
        return _split(_trimmed(self.text))

    def offsets(self) -> list[int]:
        """Return where each token starts in `text`, in code points, and where the last one ends."""
        start = len(self.text) - len(self.text.lstrip(_spaces()))
        return list(accumulate(map(len, self.pieces()), initial=start))


@cache
def _spaces() -> str:
    codes = (entry.split("-") for entry in unicode14.SPACES.split())
    return "".join(
        chr(code) for first, *last in codes for code in range(int(first, 16), _end(first, last))
    )


def _end(first: str, last: list[str]) -> int:
    return int(last[0] if last else first, 16) + 1


def _trimmed(text: str) -> str:
    return text.strip(_spaces())


def _split(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_PIECES.findall(text)
    return [match.group() for match in _unicode_pieces().finditer(text)]


def token_class(key: str) -> TokenClass:
    """Return the class of a token by its first character.

    >>> token_class("uid"), token_class("42"), token_class("="), token_class(" ")
    ('letters', 'digits', 'mark', 'space')
    """
    first = key[0]
    known = _ASCII_CLASSES.get(first)
    if known is not None:
        return known
    match = _unicode_pieces().match(first)
    return _CLASSES[(match.lastindex or 4) - 1] if match else "mark"


def _key(piece: str) -> str:
    if piece.isascii():
        return piece.lower()
    return _folded(piece)


def _folded(piece: str) -> str:
    """Fold once more until nothing changes: U+0345 folds to a letter that composes anew."""
    while True:
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", piece).casefold())
        if folded == piece:
            return folded
        piece = folded


def literal_keys(text: str) -> tuple[str, ...]:
    """Return the keys of `text`; space runs at its ends are kept."""
    if text.isascii():
        folded = text.lower()
        if "  " in folded or not folded.isprintable():
            folded = _ASCII_SPACE_RUN.sub(" ", folded)
        return tuple(_FOLDED_PIECES.findall(folded))
    return tuple(
        " " if match.lastindex == 3 else _key(match.group())
        for match in _unicode_pieces().finditer(text)
    )


def _tokens(text: str, keys: Iterable[str]) -> Tokens:
    words: list[Word] = []
    word: list[str] = []
    for key in (*keys, " "):
        if key != " ":
            word.append(key)
        elif word:
            words.append(word[0] if len(word) == 1 else tuple(word))
            word = []
    return Tokens(text, tuple(words), tuple([word for word in words if word.__class__ is tuple]))


def lex(text: str, *, max_code_points: int = MAX_CODE_POINTS) -> Tokens | Unlexable:
    """Return the tokens of `text`, or why it has none. Linear in its length.

    >>> lex("Set uid=0").keys
    ('set', ' ', 'uid', '=', '0')
    """
    if len(text) > max_code_points:
        return "over_limit"
    if not text.isascii():
        if _unknown().search(text):
            return "unknown_character"
        return _tokens(text, literal_keys(_trimmed(text)))
    if not text.isprintable() and _ASCII_SEPARATORS.search(text):
        return _tokens(text, literal_keys(text.strip(_ASCII_SPACES)))
    chunks = text.lower().split()
    words: list[Word] = [*chunks]
    several: list[tuple[str, ...]] = []
    for index in compress(count(), map(not_, map(str.isalpha, chunks))):
        chunk = chunks[index]
        if not chunk.isdigit() and len(chunk) > 1:
            keys = tuple(_FOLDED_PIECES.findall(chunk))
            words[index] = keys
            several.append(keys)
    return Tokens(text, tuple(words), tuple(several))


def normalize(text: str) -> str:
    """Return the normalized text: trimmed, NFC, case folded, one blank for each space run.

    >>> normalize("  What IS\\n15 % of 80 ")
    'what is 15 % of 80'
    """
    return "".join(literal_keys(_trimmed(text)))


def skeleton(text: str) -> str:
    """Return the normalized text with every digit run as `0`, of any length of text.

    >>> skeleton("Restart web-14 at 03:30")
    'restart web-0 at 0:0'
    """
    return "".join(
        "0" if token_class(key) == "digits" else key for key in literal_keys(_trimmed(text))
    )

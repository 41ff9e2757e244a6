"""Kinds whose values are names of things elsewhere: paths, URLs, e-mail addresses.

The value is the original text. Parsers take less than the standards do, never more: what a sentence
may have added (a full stop, a bracket) is not part of a URL, and the text is refused.
"""

import re

from artifacts.grammar.kinds_tokens import LETTERS, Spelling, keys, many
from artifacts.grammar.lexer import TokenClass
from artifacts.grammar.syntax import Repeat, TokenOf, sequence

MAX_PATH = 1000
PATH_MARKS = frozenset("_-.:@#+~&=%$*")
_WORD: frozenset[TokenClass] = frozenset({"letters", "digits"})

_UNRESERVED = r"A-Za-z0-9\-._~"
_SUB_DELIMITERS = r"!$&'()*+,;="
_ENCODED = "%[0-9A-Fa-f]{2}"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_URL = re.compile(
    r"[A-Za-z]+://"
    rf"(?:(?:[{_UNRESERVED}{_SUB_DELIMITERS}:]|{_ENCODED})*@)?"
    rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])"
    r"(?::[0-9]{1,5})?"
    rf"(?:/(?:[{_UNRESERVED}{_SUB_DELIMITERS}:@/]|{_ENCODED})*)?"
    rf"(?:\?(?:[{_UNRESERVED}{_SUB_DELIMITERS}:@/?]|{_ENCODED})*)?"
    rf"(?:#(?:[{_UNRESERVED}{_SUB_DELIMITERS}:@/?]|{_ENCODED})*)?"
)
"""RFC 3986, section 3, with an authority: letters for a scheme, names of RFC 1123 for a host."""
_PORT = re.compile(r"//[^/?#]*:([0-9]+)(?:[/?#]|$)")
_ENDS_A_SENTENCE = frozenset(".,;:!?'")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]+"
_EMAIL = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})+)")
"""RFC 5321, section 4.1.2: a dot-string before the sign, a domain of two labels or more after."""


def _parse_path(text: str) -> str | None:
    is_one = len(text) <= MAX_PATH and not any(map(str.isspace, text))
    return text if is_one and ("/" in text or "\\" in text) and "://" not in text else None


def path() -> Spelling:
    """Return how paths are written: `/etc/hosts`, `~/a.txt`, `src/main.py`, `C:\\temp`."""
    plain = TokenOf(PATH_MARKS, _WORD)
    slash = keys("/", "\\")
    anything = TokenOf(PATH_MARKS | {"/", "\\"}, _WORD)
    return Spelling(sequence(many(plain), slash, many(anything)), _parse_path, str)


def _parse_url(text: str) -> str | None:
    if _URL.fullmatch(text) is None or text[-1] in _ENDS_A_SENTENCE:
        return None
    port = _PORT.search(text)
    if (port and int(port[1]) > 65_535) or text.count("(") != text.count(")"):
        return None
    return text


def url() -> Spelling:
    """Return how URLs are written: a scheme, `://`, a host, and what may follow."""
    inside = TokenOf(frozenset("-._~!$&'()*+,;=:@/?#%[]"), _WORD)
    start = (LETTERS, keys(":"), keys("/"), keys("/"))
    return Spelling(sequence(*start, Repeat(inside, 1, None)), _parse_url, str)


def _parse_email(text: str) -> str | None:
    found = _EMAIL.fullmatch(text)
    return text if found and len(found[1]) <= 64 and len(found[2]) <= 253 else None


def email() -> Spelling:
    """Return how e-mail addresses are written: `ann.lee+x@mail.example`."""
    local = TokenOf(frozenset(".!#$%&'*+/=?^_`{|}~-"), _WORD)
    domain = TokenOf(frozenset("-."), _WORD)
    whole = sequence(Repeat(local, 1, None), keys("@"), Repeat(domain, 1, None))
    return Spelling(whole, _parse_email, str)

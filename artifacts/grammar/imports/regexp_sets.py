r"""Sets of characters of a pattern: `[a-z]`, `\d`, `[^\W_]`; finite, or all but finitely many."""

from dataclasses import dataclass

from artifacts.grammar.lexer import literal_keys

DIGITS = frozenset("0123456789")
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
BLANKS = frozenset(" \t\n\r\f\v")
WORD = DIGITS | LETTERS | {letter.upper() for letter in LETTERS} | {"_"}


@dataclass(frozen=True, slots=True)
class Characters:
    """These characters; or, `inverted`, all others."""

    members: frozenset[str]
    inverted: bool = False

    def joined(self, other: "Characters") -> "Characters":
        """Return the union."""
        match self.inverted, other.inverted:
            case False, False:
                return Characters(self.members | other.members)
            case True, True:
                return Characters(self.members & other.members, True)
            case True, False:
                return Characters(self.members - other.members, True)
        return Characters(other.members - self.members, True)

    def others(self) -> "Characters":
        """Return the complement."""
        return Characters(self.members, not self.inverted)

    def is_caseless(self) -> bool:
        """Return if every member's other cases are members."""
        return all(
            {c.lower(), c.upper()} <= self.members for c in self.members if c.isascii()
        ) and (all(c.lower() == c.upper() for c in self.members if not c.isascii()))


CLASSES = {
    "d": Characters(DIGITS),
    "D": Characters(DIGITS, True),
    "w": Characters(WORD),
    "W": Characters(WORD, True),
    "s": Characters(BLANKS),
    "S": Characters(BLANKS, True),
}
r"""What `\d` and its kin stand for: ASCII, as in RE2 and with Python's `re.ASCII`."""


def folded(character: str) -> str | None:
    """Return the one character that normalized texts have for this one, or None.

    >>> folded("K"), folded("\\t"), folded("ß")
    ('k', ' ', None)
    """
    keys = literal_keys(character)
    if len(keys) != 1 or len(keys[0]) != 1 or len(literal_keys(f"={character}")) == 1:
        return None
    return keys[0]

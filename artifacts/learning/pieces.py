"""Pieces: an utterance cut for learning, into numbers, names, quoted texts, words, marks, blanks.

Grammars work on tokens; learning first joins tokens that people read as one thing, so that `-4.2`
is one number, `10.0.0.1` one dotted number and `web7` one name. Chunks are the runs of pieces
between blanks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from artifacts.grammar.lexer import MAX_CODE_POINTS, Tokens, lex, token_class

PieceKind = Literal["integer", "decimal", "dotted", "name", "quoted", "word", "mark", "blank"]
NUMBERS = frozenset({"integer", "decimal"})
MASKED = NUMBERS | {"dotted", "quoted"}
"""Kinds whose values say nothing about which family a text belongs to."""

_OPENS_SIGN = frozenset(" (*/+-=,:[{<>^'\"")
_QUOTES = {'"': '"', "“": "”", "`": "`", "'": "'"}
_MAX_QUOTED_TOKENS = 40


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece: its kind, its key (folded) and its original characters."""

    kind: PieceKind
    key: str
    spelling: str

    @property
    def mask(self) -> str:
        """The key with numbers and quoted texts masked: equal masks have the same skeleton."""
        if self.kind in NUMBERS:
            return "#"
        if self.kind == "dotted":
            return "#.#"
        return '""' if self.kind == "quoted" else self.key


Chunk = tuple[Piece, ...]


def pieces_of(text: str) -> tuple[Piece, ...]:
    """Return the pieces of a text; none when it cannot be lexed."""
    tokens = lex(text, max_code_points=2 * MAX_CODE_POINTS)
    return () if isinstance(tokens, str) else _pieces(tokens)


def _pieces(tokens: Tokens) -> tuple[Piece, ...]:
    keys, spelled = tokens.keys, tokens.pieces()
    found: list[Piece] = []
    at = 0
    while at < len(keys):
        kind, end = _next(keys, at)
        found.append(Piece(kind, "".join(keys[at:end]), "".join(spelled[at:end])))
        at = end
    return tuple(found)


def _next(keys: Sequence[str], at: int) -> tuple[PieceKind, int]:
    key = keys[at]
    if key == " ":
        return "blank", at + 1
    if key in _QUOTES and (end := _quoted_end(keys, at)):
        return "quoted", end
    cls = token_class(key)
    if cls == "mark" and not _starts_number(keys, at):
        return "mark", at + 1
    if cls == "letters" or (cls == "digits" and _is_alphanumeric(keys, at)):
        end = at
        while end < len(keys) and token_class(keys[end]) in ("letters", "digits"):
            end += 1
        return ("name" if end > at + 1 else "word"), end
    return _number(keys, at)


def _is_alphanumeric(keys: Sequence[str], at: int) -> bool:
    return at + 1 < len(keys) and token_class(keys[at + 1]) == "letters"


def _starts_number(keys: Sequence[str], at: int) -> bool:
    if keys[at] != "-" or at + 1 >= len(keys) or not keys[at + 1].isascii():
        return False
    if not keys[at + 1].isdigit() or _is_alphanumeric(keys, at + 1):
        return False
    return at == 0 or keys[at - 1] in _OPENS_SIGN


def _number(keys: Sequence[str], at: int) -> tuple[PieceKind, int]:
    end = at + (2 if keys[at] == "-" else 1)
    if not keys[end - 1].isascii():
        return "name", end
    groups = 0
    after = end
    while after + 1 < len(keys) and keys[after] == "." and _is_plain_digits(keys, after + 1):
        after += 2
        groups += 1
    if groups == 0 or (at > 0 and keys[at - 1] == "."):
        return "integer", end
    return ("decimal" if groups == 1 else "dotted"), after


def _is_plain_digits(keys: Sequence[str], at: int) -> bool:
    return keys[at].isascii() and keys[at].isdigit() and not _is_alphanumeric(keys, at)


def _quoted_end(keys: Sequence[str], at: int) -> int | None:
    """Return the end of a quoted text that starts here; an apostrophe inside a word is none."""
    closing = _QUOTES[keys[at]]
    if closing == "'" and at > 0 and token_class(keys[at - 1]) in ("letters", "digits"):
        return None
    for end in range(at + 1, min(at + _MAX_QUOTED_TOKENS, len(keys))):
        if keys[end] == closing:
            after = keys[end + 1] if end + 1 < len(keys) else " "
            if closing == "'" and token_class(after) in ("letters", "digits"):
                continue
            return end + 1
        if keys[end] == keys[at]:
            return None
    return None


def chunks(pieces: Sequence[Piece]) -> tuple[Chunk, ...]:
    """Return the runs of pieces between blanks."""
    found: list[Chunk] = []
    run: list[Piece] = []
    for piece in pieces:
        if piece.kind == "blank":
            found.append(tuple(run))
            run = []
        else:
            run.append(piece)
    found.append(tuple(run))
    return tuple(chunk for chunk in found if chunk)


def chunk_mask(chunk: Chunk) -> str:
    """Return the chunk's skeleton."""
    return "".join(piece.mask for piece in chunk)

"""From trees to the text form."""

import json
import re

from artifacts.grammar.syntax import (
    Alternatives,
    Grammar,
    Literal,
    Node,
    Option,
    Phrase,
    Repeat,
    Restricted,
    Sequence,
    Slot,
    TokenOf,
    phrases,
)
from artifacts.values import Scalar, show_number

SPECIAL = frozenset("\\{}()[]|")
BARE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""A constant that is text and needs no quotes."""


def print_grammar(grammar: Grammar) -> str:
    """Return the text form of a grammar tree, phrases first.

    >>> from artifacts.grammar.textform import parse_grammar
    >>> print_grammar(parse_grammar("Play [the ]{song:quoted}"))
    'play [the ]{song:quoted}'
    """
    printed = _whole(grammar)
    if printed[:1] in {"#", "<"}:  # neither a comment nor a definition
        printed = f"\\{printed}"
    return "\n".join([*map(_definition, phrases(grammar)), printed])


def _whole(grammar: Grammar) -> str:
    if isinstance(grammar, Restricted):
        chain, part = _restriction(grammar), grammar.part
        while isinstance(part, Restricted):
            chain, part = _restriction(part) + chain, part.part
        return f"({_printed(part)}){chain}"
    return _kept(_printed(grammar))


def _restriction(grammar: Restricted) -> str:
    return f"{{{'only' if grammar.keep else 'except'} {_whole(grammar.by)}}}"


def _kept(printed: str) -> str:
    """Return the text in a group if blanks at its ends would be trimmed."""
    return printed if printed == printed.strip() else f"({printed})"


def _definition(phrase: Phrase) -> str:
    return f"<{phrase.name}> = {' | '.join(map(_option, phrase.options))}"


def _option(option: Option) -> str:
    part = option.part
    printed = _printed_part(part) if isinstance(part, Alternatives) else _printed(part, True)
    value = "" if option.value is None else f" => {_constant(option.value)}"
    return f"{_kept(printed)}{value}"


def _constant(value: Scalar) -> str:
    if not isinstance(value, str):
        return show_number(value)
    return value if BARE.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _escaped(text: str) -> str:
    return "".join(f"\\{mark}" if mark in SPECIAL else mark for mark in text)


def _listed(values: tuple[str, ...]) -> str:
    return "|".join(map(_escaped, values))


def _printed(node: Node, in_line: bool = False) -> str:
    """Return the text of a node; `in_line` of a definition, where an arrow would end it."""
    match node:
        case Literal(keys):
            text = _escaped("".join(keys))
            return text.replace("=>", "\\=>") if in_line else text
        case Slot(name, "enumeration", values):
            return f"{{{name}={_listed(values)}}}"
        case Slot(name, kind, _, _, Phrase()):
            return f"{{{name}:<{kind}>}}"
        case Slot(name, kind, _, without):
            return f"{{{name}:{kind}{f' without {_listed(without)}' if without else ''}}}"
        case Sequence(parts):
            return "".join(_printed_part(part, in_line) for part in parts)
        case Alternatives(options):
            return "|".join(map(_printed, options))
        case Repeat(part, 0, 1):
            return f"[{_printed(part)}]"
        case Repeat(part, low, high):
            return f"({_printed(part)}){{{low},{high}}}"
        case TokenOf():
            raise TypeError("a slot kind's token grammar has no text form")


def _printed_part(node: Node, in_line: bool = False) -> str:
    return f"({_printed(node)})" if isinstance(node, Alternatives) else _printed(node, in_line)

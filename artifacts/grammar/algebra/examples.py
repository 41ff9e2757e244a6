"""Example texts of a grammar: where a search finds only token strings that parsers refuse.

The automata know nothing of days in a month or of what follows an `@`. So there are spellings that
each kind takes, and texts of a grammar are made with these. Such a text proves only that there is
one; nothing follows from its being refused.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, islice

from artifacts.grammar.kinds import kind_of
from artifacts.grammar.syntax import (
    Alternatives,
    Literal,
    Node,
    Repeat,
    Sequence,
    Slot,
    TokenOf,
)

SPELLED: Mapping[str, tuple[str, ...]] = {
    "date": ("2024-03-31", "3 March 2024"),
    "dates": ("2024-03-31",),
    "decimal": ("7", "2.5"),
    "duration": ("7 minutes",),
    "email": ("ann@mail.example", "bob@web.example"),
    "emails": ("ann@mail.example",),
    "expression": ("3*(4+2)", "7+5"),
    "expressions": ("7+5",),
    "fraction": ("3/4", "7/8"),
    "fractions": ("3/4",),
    "identifier": ("uid7", "x-y"),
    "identifiers": ("uid7",),
    "integer": ("7", "12"),
    "money": ("$12.50", "EUR 5"),
    "numeral": ("twenty-one", "seven"),
    "ordinal": ("3rd", "12th"),
    "path": ("/etc/hosts", "src/main.py"),
    "paths": ("/etc/hosts",),
    "percent": ("7%", "2.5 %"),
    "time": ("14:30", "2:30 pm"),
    "times": ("14:30",),
    "url": ("https://example.com/a?b=c", "https://example.org"),
    "urls": ("https://example.org",),
}
"""Spellings that kinds take, where a search may take long to find one."""
MAX_EXAMPLES = 48
_EACH = 4


def example_texts(tree: Node) -> Iterator[str]:
    """Yield texts that the grammar may read, at most `MAX_EXAMPLES`."""
    return islice(dict.fromkeys(_texts(tree)), MAX_EXAMPLES)


def _texts(node: Node) -> list[str]:
    match node:
        case Literal(keys):
            return ["".join(keys)]
        case Slot(_, _, values, _, phrase):
            if phrase is not None:
                return _some(_texts(option.part) for option in phrase.options)
            known = SPELLED.get(node.kind)
            return list(values[:_EACH] or known or _some([_texts(kind_of(node).tokens)]))
        case TokenOf(keys, classes, excluded):
            of_class = {"letters": "alpha", "digits": "7", "mark": "~", "space": " "}
            found = [*sorted(keys)[:_EACH], *(of_class[cls] for cls in sorted(classes))]
            return [key for key in found if key not in excluded]
        case Sequence(parts):
            texts = [""]
            for part in parts:
                choices = _texts(part)
                joined = [text + choice for choice in choices for text in texts]
                texts = joined[: 4 * _EACH]
            return texts
        case Alternatives(options):
            return _some(_texts(option) for option in options)
        case Repeat(part, low, high):
            inside = _texts(part)
            once = max(low, 0 if high == 0 else 1)
            return [*([""] if low == 0 else []), *(text * once for text in inside)]


def _some(lists: "Iterator[list[str]] | list[list[str]]") -> list[str]:
    return list(islice(chain.from_iterable(lists), 2 * _EACH))

"""What a phrase must be, whoever wrote it: the text form and the JSON form ask here."""

from artifacts.grammar.syntax import (
    MAX_DEPTH,
    MAX_NESTING,
    MAX_NODES,
    Alternatives,
    Grammar,
    Literal,
    Node,
    Option,
    Phrase,
    Repeat,
    Sequence,
    Slot,
    TokenOf,
    depth,
    nodes,
    slot_conflicts,
    slots,
)
from artifacts.values import MAX_DIGITS, Scalar, decimal_places, read_number, show_number

MAX_ALTERNATIVES = 4096
"""Options of one group or phrase, values of one enumeration, tokens of one `without`."""
MAX_CHARACTERS = 1_000_000
"""The longest text form that is read."""

Fault = tuple[str, str]
"""The code of a problem, and its message."""


def too_many(what: str, count: int) -> Fault | None:
    """Return the fault of a list of alternatives that is too long."""
    if count <= MAX_ALTERNATIVES:
        return None
    return "grammar-too-large", f"{count} {what}; the limit is {MAX_ALTERNATIVES}"


def size_fault(what: str, count: int, deep: int) -> Fault | None:
    """Return the fault of a grammar or phrase with so many nodes, so deep within one another."""
    if count > MAX_NODES:
        return "grammar-too-large", f"{what} has {count} nodes; the limit is {MAX_NODES}"
    if deep > MAX_DEPTH:
        return "grammar-too-large", f"{what} is {deep} nodes deep; the limit is {MAX_DEPTH}"
    return None


def grammar_fault(grammar: Grammar) -> Fault | None:
    """Return the fault of a grammar that is too large to be walked."""
    return size_fault("the grammar", nodes(grammar), depth(grammar))


def phrase_fault(phrase: Phrase) -> Fault | None:
    """Return what forbids a phrase, or None."""
    if not phrase.options:
        return "grammar-syntax", f"phrase {phrase.name!r} has no option"
    if phrase.levels > MAX_NESTING:
        message = f"phrases are nested {phrase.levels} deep; the limit is {MAX_NESTING}"
        return "grammar-too-large", message
    size = size_fault(f"phrase {phrase.name!r}", phrase.nodes, phrase.depth)
    if size is not None:
        return size
    found = too_many("options", len(phrase.options))
    for number, option in enumerate(phrase.options, 1):
        fault = _option_fault(option)
        if fault is not None:
            found = found or (fault[0], f"option {number} of {phrase.name!r} {fault[1]}")
    return found


def _option_fault(option: Option) -> Fault | None:
    if _may_be_blank(option.part):
        return "grammar-nullable", "accepts the empty text"
    conflict = next(slot_conflicts(option.part), None)
    if conflict is not None:
        return "slot-conflict", f"has two kinds or two values of slot {conflict!r}"
    if option.value is not None:
        return constant_fault(option.value)
    names = dict.fromkeys(slot.name for slot in slots(option.part))
    if len(names) > 1:
        return "grammar-syntax", f"has the slots {', '.join(names)}: expected `=> value`"
    if names and not _always_bound(option.part):
        return "grammar-syntax", f"may leave out slot {next(iter(names))!r}: expected `=> value`"
    return None


def constant_fault(value: Scalar) -> Fault | None:
    """Return what forbids a value as the constant of an option: it must have a text form."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "grammar-syntax", "has a value with half a character"
        return None
    if isinstance(value, bool) or decimal_places(value) is None:
        return "grammar-syntax", "has a value that is neither a decimal nor text"
    if max(abs(value.numerator), value.denominator) >= 10**MAX_DIGITS:
        return "grammar-too-large", f"has a number beyond {MAX_DIGITS} digits, which is the limit"
    if read_number(shown := show_number(value)) is None:
        message = f"has a number of {len(shown)} digits; the limit is {MAX_DIGITS}"
        return "grammar-too-large", message
    return None


def _may_be_blank(node: Node) -> bool:
    """Return whether some text of the grammar has blanks alone."""
    match node:
        case Literal(keys):
            return set(keys) <= {" "}
        case Slot() | TokenOf():
            return False
        case Sequence(parts):
            return all(map(_may_be_blank, parts))
        case Alternatives(options):
            return any(map(_may_be_blank, options))
        case Repeat(part, low, _):
            return not low or _may_be_blank(part)


def _always_bound(node: Node) -> bool:
    """Return whether every text of the grammar has a slot."""
    match node:
        case Slot():
            return True
        case Literal() | TokenOf():
            return False
        case Sequence(parts):
            return any(map(_always_bound, parts))
        case Alternatives(options):
            return all(map(_always_bound, options))
        case Repeat(part, low, _):
            return low > 0 and _always_bound(part)

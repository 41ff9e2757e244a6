"""φ: a text of a grammar from the values of its slots."""

from collections.abc import Mapping

from artifacts.grammar.kinds import kind_of
from artifacts.grammar.syntax import (
    Alternatives,
    Literal,
    Node,
    Option,
    Phrase,
    Repeat,
    Sequence,
    Slot,
    TokenOf,
    slots,
)
from artifacts.values import Value, show_number


def render(node: Node, values: Mapping[str, Value]) -> str | None:
    """Return φ(θ): a text of the grammar with these slot values, or None where one is missing.

    Of alternatives the first is taken, optional parts are left out.
    """
    match node:
        case Literal(keys):
            return "".join(keys)
        case Slot(name):
            return kind_of(node).render(values[name]) if name in values else None
        case Sequence(parts):
            rendered = [render(part, values) for part in parts]
            return None if None in rendered else "".join(filter(None, rendered))
        case Alternatives(options):
            return render(options[0], values)
        case Repeat(part, low, _):
            once = render(part, values)
            return "" if not low else None if once is None else once * low
        case TokenOf():
            return None


def render_phrase(phrase: Phrase, value: Value) -> str:
    """Return a text that has this value alone in a phrase; without one, the value as text."""
    values_of = kind_of(Slot("", phrase.name, phrase=phrase)).values
    assert values_of is not None, "phrases have it"
    for option in phrase.options:
        text = _option(option, value)
        if text and values_of(text) == (value,):
            return text
    return _plain(value)


def _plain(value: Value) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else show_number(value)


def _option(option: Option, value: Value) -> str | None:
    if option.value is not None:
        return render(option.part, {}) if option.value == value else None
    names = {slot.name: kind_of(slot).type for slot in slots(option.part)}
    if not names:
        return value if isinstance(value, str) else None
    several = "s" if isinstance(value, tuple) else ""
    one = value[0] if isinstance(value, tuple) else value
    wanted = {f"text{several}" if isinstance(one, str) else f"number{several}", "mixed"}
    return render(option.part, dict.fromkeys(names, value)) if wanted >= {*names.values()} else None

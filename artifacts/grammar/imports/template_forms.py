"""Forms of hassil templates; what lists and rules stand for is asked of the caller."""

from collections.abc import Callable
from math import factorial

from artifacts.grammar.imports.forms import Chain, Form, Text, choice
from artifacts.grammar.imports.report import Place, Refusal, check_levels
from artifacts.grammar.imports.templates import (
    AnyOrder,
    Either,
    ListName,
    Row,
    RuleName,
    Template,
    Words,
)
from artifacts.grammar.syntax import MAX_NODES

MAX_ORDERS = 720
"""Orders of a permutation: six parts."""

Names = Callable[[ListName | RuleName, int], Form]
"""What a reference at some level stands for."""


def form_of(template: Template, names: Names, level: int = 1) -> Form:
    """Return the form of a template that stands `level` groups deep."""
    check_levels(level, place_of_template(template))
    form = _form(template, names, level + 1)
    if form.size > MAX_NODES:
        message = f"the sentence has {form.size:,} parts; the limit is {MAX_NODES:,}"
        raise Refusal("grammar-too-large", place_of_template(template), message)
    return form


def _form(template: Template, names: Names, level: int) -> Form:
    match template:
        case Words(text, at):
            return Text(text, at)
        case Row(parts):
            return Chain(tuple(form_of(part, names, level) for part in parts))
        case Either(options):
            return choice([form_of(option, names, level) for option in options])
        case AnyOrder(parts, at):
            if (orders := factorial(min(len(parts), 99))) > MAX_ORDERS:
                message = f"{len(parts)} parts have {orders:,} orders; the limit is {MAX_ORDERS}"
                raise Refusal("grammar-too-large", at, message)
            return _orders([form_of(part, names, level) for part in parts], at)
        case ListName() | RuleName():
            return names(template, level)


def _orders(parts: list[Form], at: Place) -> Form:
    """Return all orders of the parts, with blanks around each."""
    blank = Text(" ", at)
    if len(parts) == 1:
        return Chain((blank, parts[0], blank))
    rests = [_orders(parts[:i] + parts[i + 1 :], at) for i in range(len(parts))]
    return choice(
        Chain((blank, part, blank, rest)) for part, rest in zip(parts, rests, strict=True)
    )


def place_of_template(template: Template) -> Place:
    """Return where a template begins."""
    match template:
        case Words(_, at) | AnyOrder(_, at) | ListName(_, _, at) | RuleName(_, at):
            return at
        case Row(parts) | Either(parts):
            return place_of_template(parts[0]) if parts else (1, 1)

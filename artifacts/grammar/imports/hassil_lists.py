"""Lists of hassil sentence files: values become an enumeration or, with `out`, a phrase."""

import re
from fractions import Fraction

from artifacts.grammar.imports.characters import to_grammar
from artifacts.grammar.imports.forms import Choice, Form, Text
from artifacts.grammar.imports.names import NameTable, snake
from artifacts.grammar.imports.report import Findings, Place, Refusal
from artifacts.grammar.imports.template_forms import form_of
from artifacts.grammar.imports.templates import ListName, RuleName, Words, parse_template
from artifacts.grammar.imports.yamltree import (
    Fields,
    Scalar,
    Tree,
    fields_of,
    items_of,
    only_known,
    scalar_of,
)
from artifacts.grammar.lexer import normalize
from artifacts.grammar.syntax import Option, Phrase, Slot
from artifacts.values import Scalar as Constant
from artifacts.values import whole

MAX_VALUES = 2_000
"""Values of a list, or numbers of a range."""
_ONCE = Fraction(1)
_WHOLE: tuple[Fraction, ...] = (Fraction(0),)


def _value(scalar: Scalar) -> Constant:
    if scalar.type == "bool":
        return "true" if scalar.text.lower() in ("true", "yes", "on") else "false"
    if scalar.type in ("int", "float") and re.fullmatch(r"-?\d{1,30}(\.\d{1,30})?", scalar.text):
        return whole(Fraction(scalar.text))
    return scalar.text


def _no_names(reference: ListName | RuleName, _: int) -> Form:
    message = f"{reference.name!r} inside a value of a list; expected plain text"
    raise Refusal("not-expressible", reference.at, message)


class Lists:
    """Makes slots of lists, and names their phrases."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.phrases = NameTable[tuple[Option, ...]]()

    def slot(self, name: str, tree: Fields) -> Slot:
        if "values" in tree.fields:
            return self.values(name, items_of(tree.fields["values"], "values", tree.at), tree.at)
        if "range" in tree.fields:
            return self._range(name, fields_of(tree.fields["range"], "range"))
        if "wildcard" in tree.fields:
            message = f"list {{{name}}} is a wildcard; expected 'values' or 'range'"
            raise Refusal("not-expressible", tree.keys["wildcard"].at, message)
        raise Refusal("bad-document", tree.at, f"expected 'values' or 'range' in list {name!r}")

    def values(self, name: str, values: tuple[Tree, ...], at: Place) -> Slot:
        if not 0 < len(values) <= MAX_VALUES:
            message = (
                f"list {name!r} has {len(values):,} values; the limits are 1 and {MAX_VALUES:,}"
            )
            raise Refusal("grammar-too-large", at, message)
        options: list[Option] = []
        plain: dict[str, None] | None = {}
        for tree in values:
            if isinstance(tree, Fields):
                only_known(tree, {"in", "out", "context", "metadata"})
                source = scalar_of(tree.fields.get("in"), "'in'", tree.at)
                given = tree.fields.get("out")
                if isinstance(given, Scalar) and given.type == "bool":
                    self.findings.note(given.at, "a truth value is kept as text")
                out = None if given is None else _value(scalar_of(given, "'out'", tree.at))
                for extra in ("context", "metadata"):
                    if extra in tree.keys:
                        self.findings.note(
                            tree.keys[extra].at, f"{extra!r} is no part of a grammar"
                        )
            else:
                source, out = scalar_of(tree, "a value", at), None
                if not set(source.text) & set("(){}<>[]|;\\"):
                    out = source.text
            template = parse_template(source)
            form = form_of(template, _no_names)
            node = to_grammar(form, soft_blanks=True)
            if node is None or form.nullable:
                raise Refusal("grammar-nullable", source.at, "expected a value, found no text")
            options.append(Option(node, out))
            word = normalize(template.text) if isinstance(template, Words) else None
            if plain is not None and word and (out is None or normalize(str(out)) == word):
                plain[word] = None
            else:
                plain = None
        if plain is not None:
            return Slot("", "enumeration", tuple(plain))
        return self._phrase(name, tuple(options), at)

    def _range(self, name: str, tree: Fields) -> Slot:
        def number(key: str, otherwise: int) -> int:
            if key not in tree.fields:
                return otherwise
            scalar = scalar_of(tree.fields[key], key, tree.at)
            if not re.fullmatch(r"-?\d{1,9}", scalar.text):
                raise Refusal("bad-document", scalar.at, f"expected a whole number for {key!r}")
            return int(scalar.text)

        only_known(
            tree,
            {
                "type",
                "from",
                "to",
                "step",
                "multiplier",
                "fractions",
                "digits",
                "words",
                "words_language",
            },
        )
        for key in ("from", "to"):
            if key not in tree.fields:
                raise Refusal("bad-document", tree.at, f"expected {key!r} in a range")
        if "digits" in tree.fields and scalar_of(tree.fields["digits"], "digits", tree.at).text in (
            "false",
            "no",
            "off",
        ):
            message = "numbers in words alone need the rules of a language; expected digits"
            raise Refusal("not-expressible", tree.keys["digits"].at, message)
        times, fractions = Fraction(1), _WHOLE
        if "multiplier" in tree.fields:
            scalar = scalar_of(tree.fields["multiplier"], "multiplier", tree.at)
            if not re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", scalar.text):
                raise Refusal("bad-document", scalar.at, "expected a decimal for 'multiplier'")
            times = Fraction(scalar.text)
        if "fractions" in tree.fields:
            scalar = scalar_of(tree.fields["fractions"], "fractions", tree.at)
            parts = {"halves": 2, "tenths": 10}.get(scalar.text)
            if parts is None:
                raise Refusal("bad-document", scalar.at, "expected 'halves' or 'tenths'")
            fractions = tuple(Fraction(part, parts) for part in range(parts))
        low, high, step = number("from", 0), number("to", 0), number("step", 1)
        return self.numbers(name, low, high, step, tree.at, times, fractions)

    def numbers(
        self, name: str, low: int, high: int, step: int, at: Place,
        times: Fraction = _ONCE, fractions: tuple[Fraction, ...] = _WHOLE,
    ) -> Slot:  # fmt: skip
        if low > high or step < 1:
            raise Refusal("bad-document", at, f"expected from ≤ to and step ≥ 1 in {name!r}")
        numbers = ((high - low) // step + 1) * len(fractions)
        if numbers > MAX_VALUES:
            message = f"range {name!r} has {numbers:,} numbers; the limit is {MAX_VALUES:,}"
            raise Refusal("grammar-too-large", at, message)
        self.findings.note(
            at,
            "numbers in words, with a sign or zeros before them, or a "
            "decimal point that is not needed, are not in the grammars",
        )
        options = []
        for whole_part in range(low, high + 1, step):
            for fraction in fractions:
                number = whole_part + fraction
                spellings = (
                    [str(number)]
                    if fraction == 0
                    else [f"{float(number):.1f}", f"{float(number):.1f}".replace(".", ",")]
                )
                form = Choice(tuple(Text(spelling, at) for spelling in spellings))
                node = to_grammar(form, soft_blanks=True)
                assert node is not None
                options.append(Option(node, whole(number * times)))
        return self._phrase(name, tuple(options), at)

    def _phrase(self, name: str, options: tuple[Option, ...], at: Place) -> Slot:
        phrase_name = self.phrases.named(snake(name, at), options)
        return Slot("", phrase_name, phrase=Phrase(phrase_name, options))

"""Sentence files of hassil (Home Assistant intents) to grammars, one or more for each intent.

Every text of a grammar is recognized by hassil for that intent. Hassil recognizes more, which a
note says: it drops punctuation and `skip_words` before it looks, reads `-` and `_` as blanks, needs
no blank after a list's value, and reads numbers in words. What would make a grammar *wider* than
the file is refused: wildcards, and sentences that hold in a context alone (`requires_context`),
unless the caller leaves contexts out of account.

Lists whose values are themselves become enumerations, lists with `out` values and ranges become
phrases; expansion rules are written into the sentences, because their slots are the sentence's.
Syntax after hassil 3.12 (README and hassil/intents.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import factorial

from artifacts.grammar.imports.characters import (
    Bind, Chain, Choice, Form, Text, choice, to_grammar,
)
from artifacts.grammar.imports.report import (
    Findings, Imported, Place, Refusal, checked, too_long,
)
from artifacts.grammar.imports.templates import (
    AnyOrder, Either, ListName, Row, RuleName, Template, Words, parse_template,
)
from artifacts.grammar.imports.names import NameTable, snake
from artifacts.grammar.imports.yamltree import Fields, Items, Scalar, Tree, read_yaml
from artifacts.grammar.lexer import normalize
from artifacts.grammar.syntax import (
    MAX_NODES, Literal, Node, Option, Phrase, Sequence, Slot, alternatives, slots,
)
from artifacts.problems import Problem
from artifacts.values import Value, whole

MAX_SENTENCES = 20_000
MAX_VALUES = 2_000
"""Values of a list, or numbers of a range."""
MAX_ORDERS = 720
"""Orders of a permutation: six parts."""

_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})(?:,(\d{1,9}))?")
_TOP = {"language", "intents", "lists", "expansion_rules", "skip_words", "settings", "responses"}
_GROUP = {
    "sentences", "lists", "expansion_rules", "slots", "response", "metadata", "requires_context",
    "excludes_context", "required_keywords", "inferred_domain", "name_domains", "settings",
    "examples",
}
_KEPT_OUT = ("slots", "response", "metadata")
_CONDITIONS = ("requires_context", "excludes_context", "required_keywords")


def import_hassil(text: str, *, any_context: bool = False) -> Imported | tuple[Problem, ...]:
    """Return the grammars of a sentence file by intent, or every problem with its place.

    With `any_context`, conditions on what is not text are left out, with a note. An intent whose
    sentences fill one slot from different lists has a grammar for each combination, numbered.
    """
    if problems := too_long(text):
        return problems
    findings = Findings()
    with findings.collecting():
        _Importer(findings, any_context).file(read_yaml(text))
    return findings.result()


@dataclass(slots=True)
class _Scope:
    """The lists and rules that a group of sentences sees."""

    lists: Mapping[str, Tree]
    rules: Mapping[str, Tree]
    slots: dict[str, tuple[Slot, ...]] = field(default_factory=dict)


def _fields(tree: Tree | None, what: str) -> Fields:
    if tree is None:
        return Fields({}, {}, (1, 1))
    if not isinstance(tree, Fields):
        raise Refusal("bad-document", tree.at, f"expected a mapping for {what}")
    return tree


def _items(tree: Tree | None, what: str, at: Place) -> tuple[Tree, ...]:
    if not isinstance(tree, Items):
        raise Refusal("bad-document", tree.at if tree else at, f"expected a list for {what}")
    return tree.items


def _scalar(tree: Tree | None, what: str, at: Place) -> Scalar:
    if not isinstance(tree, Scalar) or tree.type == "null":
        raise Refusal("bad-document", tree.at if tree else at, f"expected text for {what}")
    return tree


def _known(tree: Fields, names: set[str]) -> None:
    for name, key in tree.keys.items():
        if name not in names:
            expected = ", ".join(sorted(names))
            raise Refusal("bad-document", key.at, f"{name!r} is unknown; expected {expected}")


class _Importer:
    def __init__(self, findings: Findings, any_context: bool) -> None:
        self.findings, self.any_context = findings, any_context
        self.phrases = NameTable[tuple[Option, ...]]()
        self.templates: dict[tuple[str, Place], Template] = {}
        self.size = 0

    def file(self, tree: Tree) -> None:
        top = _fields(tree, "the file")
        _known(top, _TOP)
        if "intents" not in top.fields:
            raise Refusal("bad-document", top.at, "expected the field 'intents'")
        for name in ("skip_words", "settings"):
            if name in top.keys:
                message = f"{name!r} is not applied: texts that need it are not in the grammars"
                self.findings.note(top.keys[name].at, message)
        self.findings.note(None, "punctuation at the ends of words, and '-' or '_' for a blank, "
                                 "are not skipped as hassil does")
        lists = _fields(top.fields.get("lists"), "lists").fields
        rules = _fields(top.fields.get("expansion_rules"), "expansion_rules").fields
        count = 0
        intents = _fields(top.fields["intents"], "intents")
        for name, intent in intents.fields.items():
            body = _fields(intent, f"intent {name}")
            found: list[Node] = []
            data = _items(body.fields.get("data"), "data", intents.keys[name].at)
            for group in data:
                with self.findings.collecting():
                    sentences = self.group(_fields(group, "data"), lists, rules, found)
                    count += sentences
            if count > MAX_SENTENCES:
                message = f"{count:,} sentences; the limit is {MAX_SENTENCES:,}"
                raise Refusal("grammar-too-large", intents.keys[name].at, message)
            with self.findings.collecting():
                self.intent(name, found, intents.keys[name].at)

    def intent(self, name: str, found: list[Node], at: Place) -> None:
        """Put the sentences of an intent together, apart where one slot has two kinds."""
        groups: list[tuple[dict[str, Slot], list[Node]]] = []
        for node in found:
            mine = {slot.name: slot for slot in slots(node)}
            for known, nodes in groups:
                if all(known.get(each, slot) == slot for each, slot in mine.items()):
                    known |= mine
                    nodes.append(node)
                    break
            else:
                groups.append((mine, [node]))
        for index, (_, nodes) in enumerate(groups, 1):
            key = name if index == 1 else f"{name}-{index}"
            self.findings.grammars[key] = checked(alternatives(*nodes), at)

    def group(
        self, group: Fields, lists: Mapping[str, Tree], rules: Mapping[str, Tree], found: list[Node]
    ) -> int:
        _known(group, _GROUP)
        for name in _CONDITIONS:
            if name in group.keys and not self.any_context:
                message = (f"{name!r} is a condition on what is not text; expected none, "
                           "or leave to take the sentences in any context")
                raise Refusal("not-expressible", group.keys[name].at, message)
            if name in group.keys:
                self.findings.note(group.keys[name].at, f"{name!r} is left out, as you allow")
        for name in _KEPT_OUT:
            if name in group.keys:
                self.findings.note(group.keys[name].at, f"{name!r} is no part of a grammar")
        scope = _Scope(
            {**lists, **_fields(group.fields.get("lists"), "lists").fields},
            {**rules, **_fields(group.fields.get("expansion_rules"), "expansion_rules").fields},
        )
        sentences = _items(group.fields.get("sentences"), "sentences", group.at)
        for sentence in sentences:
            with self.findings.collecting():
                source = _scalar(sentence, "a sentence", group.at)
                node = to_grammar(self.form(self.template(source), scope, ()), soft_blanks=True)
                if node is not None:
                    found.append(checked(node, source.at))
        return len(sentences)

    def template(self, source: Scalar) -> Template:
        key = source.text, source.at
        if key not in self.templates:
            self.templates[key] = parse_template(source)
        return self.templates[key]

    def form(self, template: Template, scope: _Scope, rules: tuple[str, ...]) -> Form:
        form = self._form(template, scope, rules)
        if form.size > MAX_NODES:
            message = f"the sentence has {form.size:,} parts; the limit is {MAX_NODES:,}"
            raise Refusal("grammar-too-large", _at(template), message)
        return form

    def _form(self, template: Template, scope: _Scope, rules: tuple[str, ...]) -> Form:
        match template:
            case Words(text, at):
                return Text(text, at)
            case Row(parts):
                return Chain(tuple(self.form(part, scope, rules) for part in parts))
            case Either(options):
                return choice([self.form(option, scope, rules) for option in options])
            case AnyOrder(parts, at):
                if (orders := factorial(min(len(parts), 99))) > MAX_ORDERS:
                    message = f"{len(parts)} parts have {orders:,} orders; the limit is {MAX_ORDERS}"
                    raise Refusal("grammar-too-large", at, message)
                return _orders([self.form(part, scope, rules) for part in parts], at)
            case ListName(name, slot, at):
                options = self.list_slots(name, scope, at)
                return choice(
                    Bind(Slot(snake(slot, at), s.kind, s.values, s.without, s.phrase), at)
                    for s in options
                )
            case RuleName(name, at):
                if name in rules:
                    message = f"rule <{name}> is written in terms of itself: no token grammar does"
                    raise Refusal("not-expressible", at, message)
                if name not in scope.rules:
                    raise Refusal("bad-document", at, f"expected a rule <{name}>, there is none")
                body = _scalar(scope.rules[name], f"rule {name}", at)
                return self.form(self.template(_stripped(body)), scope, (*rules, name))

    def list_slots(self, name: str, scope: _Scope, at: Place) -> tuple[Slot, ...]:
        if name not in scope.slots:
            tree = scope.lists.get(name)
            inline = _RANGE.fullmatch(name)
            if tree is not None:
                scope.slots[name] = (self.list_slot(name, _fields(tree, f"list {name}")),)
            elif inline is not None:
                low, high, step = int(inline[1]), int(inline[2]), int(inline[3] or 1)
                scope.slots[name] = (self.range_slot("range", low, high, step, at),)
            else:
                raise Refusal("bad-document", at, f"expected a list {{{name}}}, there is none")
        return scope.slots[name]

    def list_slot(self, name: str, tree: Fields) -> Slot:
        if "values" in tree.fields:
            return self.values_slot(name, _items(tree.fields["values"], "values", tree.at), tree.at)
        if "range" in tree.fields:
            return self.range_of(name, _fields(tree.fields["range"], "range"))
        if "wildcard" in tree.fields:
            message = f"list {{{name}}} is a wildcard; expected 'values' or 'range'"
            raise Refusal("not-expressible", tree.keys["wildcard"].at, message)
        raise Refusal("bad-document", tree.at, f"expected 'values' or 'range' in list {name!r}")

    def values_slot(self, name: str, values: tuple[Tree, ...], at: Place) -> Slot:
        if not 0 < len(values) <= MAX_VALUES:
            message = f"list {name!r} has {len(values):,} values; the limits are 1 and {MAX_VALUES:,}"
            raise Refusal("grammar-too-large", at, message)
        options: list[Option] = []
        plain: dict[str, None] | None = {}
        for tree in values:
            if isinstance(tree, Fields):
                _known(tree, {"in", "out", "context", "metadata"})
                source = _scalar(tree.fields.get("in"), "'in'", tree.at)
                given = tree.fields.get("out")
                out = None if given is None else _value(_scalar(given, "'out'", tree.at))
                for extra in ("context", "metadata"):
                    if extra in tree.keys:
                        self.findings.note(tree.keys[extra].at, f"{extra!r} is no part of a grammar")
            else:
                source, out = _scalar(tree, "a value", at), None
                if not set(source.text) & set("(){}<>[]|;\\"):
                    out = source.text
            template = self.template(source)
            form = self.form(template, _Scope({}, {}), ())
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
        return self.phrase_slot(name, tuple(options), at)

    def range_of(self, name: str, tree: Fields) -> Slot:
        def number(key: str, otherwise: int) -> int:
            if key not in tree.fields:
                return otherwise
            scalar = _scalar(tree.fields[key], key, tree.at)
            if not re.fullmatch(r"-?\d{1,9}", scalar.text):
                raise Refusal("bad-document", scalar.at, f"expected a whole number for {key!r}")
            return int(scalar.text)

        _known(tree, {"type", "from", "to", "step", "multiplier", "fractions", "digits", "words",
                      "words_language"})
        for key in ("from", "to"):
            if key not in tree.fields:
                raise Refusal("bad-document", tree.at, f"expected {key!r} in a range")
        if "digits" in tree.fields and _scalar(tree.fields["digits"], "digits", tree.at).text in (
            "false", "no", "off",
        ):
            message = "numbers in words alone need the rules of a language; expected digits"
            raise Refusal("not-expressible", tree.keys["digits"].at, message)
        self.findings.note(tree.at, "numbers in words, with a sign or zeros before them, or a "
                                    "decimal point that is not needed, are not in the grammars")
        times, fractions = Fraction(1), (Fraction(0),)
        if "multiplier" in tree.fields:
            scalar = _scalar(tree.fields["multiplier"], "multiplier", tree.at)
            if not re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", scalar.text):
                raise Refusal("bad-document", scalar.at, "expected a decimal for 'multiplier'")
            times = Fraction(scalar.text)
        if "fractions" in tree.fields:
            scalar = _scalar(tree.fields["fractions"], "fractions", tree.at)
            parts = {"halves": 2, "tenths": 10}.get(scalar.text)
            if parts is None:
                raise Refusal("bad-document", scalar.at, "expected 'halves' or 'tenths'")
            fractions = tuple(Fraction(part, parts) for part in range(parts))
        low, high, step = number("from", 0), number("to", 0), number("step", 1)
        return self.range_slot(name, low, high, step, tree.at, times, fractions)

    def range_slot(
        self, name: str, low: int, high: int, step: int, at: Place,
        times: Fraction = Fraction(1), fractions: tuple[Fraction, ...] = (Fraction(0),),
    ) -> Slot:  # fmt: skip
        if low > high or step < 1:
            raise Refusal("bad-document", at, f"expected from ≤ to and step ≥ 1 in {name!r}")
        numbers = ((high - low) // step + 1) * len(fractions)
        if numbers > MAX_VALUES:
            message = f"range {name!r} has {numbers:,} numbers; the limit is {MAX_VALUES:,}"
            raise Refusal("grammar-too-large", at, message)
        options = []
        for whole_part in range(low, high + 1, step):
            for fraction in fractions:
                number = whole_part + fraction
                spellings = [str(number)] if fraction == 0 else [
                    f"{float(number):.1f}", f"{float(number):.1f}".replace(".", ",")
                ]
                form = Choice(tuple(Text(spelling, at) for spelling in spellings))
                node = to_grammar(form, soft_blanks=True)
                assert node is not None
                options.append(Option(node, whole(number * times)))
        return self.phrase_slot(name, tuple(options), at)

    def phrase_slot(self, name: str, options: tuple[Option, ...], at: Place) -> Slot:
        phrase_name = self.phrases.named(snake(name, at), options)
        return Slot("", phrase_name, phrase=Phrase(phrase_name, options))


def _orders(parts: list[Form], at: Place) -> Form:
    """Return all orders; what can follow the same first parts is shared."""
    blank = Text(" ", at)
    if len(parts) == 1:
        return Chain((blank, parts[0], blank))
    return choice(
        [
            Chain((blank, part, blank, _orders(parts[:i] + parts[i + 1 :], at)))
            for i, part in enumerate(parts)
        ]
    )


def _stripped(source: Scalar) -> Scalar:
    """Return a scalar without the blanks at its ends, which rules do not have."""
    text = source.text.strip()
    before = source.text.index(text) if text else 0
    exact = (source.exact[0], source.exact[1] + before) if source.exact else None
    return Scalar(text, source.type, source.at, exact)


def _at(template: Template) -> Place:
    match template:
        case Words(_, at) | AnyOrder(_, at) | ListName(_, _, at) | RuleName(_, at):
            return at
        case Row(parts) | Either(parts):
            return _at(parts[0]) if parts else (1, 1)


def _value(scalar: Scalar) -> Value:
    if scalar.type == "bool":
        return scalar.text.lower() in ("true", "yes", "on")
    if scalar.type in ("int", "float") and re.fullmatch(r"-?\d{1,30}(\.\d{1,30})?", scalar.text):
        return whole(Fraction(scalar.text))
    return scalar.text

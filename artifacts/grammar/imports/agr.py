"""TypeAgent's `.agr` files to grammars, one for each rule that the start rule chooses from.

Every text of a grammar is one that TypeAgent's matcher takes; it takes more, which notes say: its
separators are punctuation as well as blanks, its wildcards are any words, its repeats have no end.
`$(x:<Rule>)` becomes a phrase with the values that the rule gives, `<Rule>` alone is written out.
What an action is made of (`-> { … }` of the whole) is a program's business, and only noted.
Syntax and spacing after grammarRuleParser.ts and grammarMatcher.ts of microsoft/TypeAgent.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from artifacts.grammar.imports.agr_syntax import (
    Alternative,
    Group,
    Part,
    Reference,
    Rule,
    Variable,
    Words,
    parse_rules,
)
from artifacts.grammar.imports.characters import to_grammar
from artifacts.grammar.imports.forms import (
    Bind,
    Chain,
    Form,
    Text,
    Times,
    choice,
)
from artifacts.grammar.imports.names import NameTable, snake
from artifacts.grammar.imports.report import (
    Findings,
    Imported,
    Place,
    Refusal,
    check_levels,
    checked,
    too_long,
)
from artifacts.grammar.lexer import normalize
from artifacts.grammar.syntax import MAX_NODES, MAX_REPEAT, Option, Phrase, Slot, slots
from artifacts.problems import Problem
from artifacts.values import Scalar, whole

_KINDS = {"string": "phrase", "wildcard": "phrase", "word": "word", "number": "decimal"}
_NARROWER = {
    "phrase": "a wildcard is read as a phrase: one to six words without a connector",
    "word": "a word is one of letters, with hyphens or apostrophes inside",
    "decimal": "a number is a plain decimal of at most 400 digits",
}
_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?")
_STRING = re.compile(r"'([^'\\]*)'|\"([^\"\\]*)\"")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


def import_agr(text: str) -> Imported | tuple[Problem, ...]:
    """Return the grammars of an `.agr` file by rule, or every problem with its place.

    A rule named Start is the root, else every rule that no other uses; a root that only chooses
    from rules gives each of them a grammar of its own.
    """
    if problems := too_long(text):
        return problems
    findings = Findings()
    with findings.collecting():
        importer = _Importer(findings, parse_rules(text))
        message = "between words a blank stands; punctuation and nothing are not taken for one"
        findings.note(None, message)
        for name, rule in importer.roots().items():
            with findings.collecting():
                form = importer.rule(rule, (name,), is_root=True)
                grammar = to_grammar(form, soft_blanks=True)
                if grammar is not None:
                    findings.grammars[name] = checked(grammar, rule.at)
    return findings.result()


class _Importer:
    def __init__(self, findings: Findings, rules: Sequence[Rule]) -> None:
        self.findings = findings
        self.rules: dict[str, Rule] = {}
        for rule in rules:
            if rule.name in self.rules:
                raise Refusal("bad-document", rule.at, f"rule <{rule.name}> is defined twice")
            self.rules[rule.name] = rule
        if not rules:
            raise Refusal("grammar-syntax", (1, 1), "expected a rule like <Start> = …;")
        self.names = NameTable[tuple[Option, ...]]()
        self.phrases: dict[str, Phrase] = {}

    def roots(self) -> dict[str, Rule]:
        used = {name for rule in self.rules.values() for name in _used(rule.alternatives)}
        waiting = ["Start"] if "Start" in self.rules else [n for n in self.rules if n not in used]
        if not waiting:
            first = next(iter(self.rules.values()))
            message = "every rule uses another in a circle: no token grammar does"
            raise Refusal("not-expressible", first.at, message)
        found: dict[str, Rule] = {}
        seen: set[str] = set()
        while waiting:
            rule = self.rules[waiting.pop(0)]
            if rule.name in seen:
                continue
            seen.add(rule.name)
            chosen = [
                part.name
                for alternative in rule.alternatives
                for part in alternative.parts
                if isinstance(part, Reference)
                and len(alternative.parts) == 1
                and alternative.value is None
                and part.name in self.rules
            ]
            if len(chosen) == len(rule.alternatives) and not seen & set(chosen):
                waiting += chosen
            else:
                found[rule.name] = rule
        return found

    def lookup(self, name: str, at: Place, path: tuple[str, ...]) -> Rule:
        check_levels(3 * len(path), at)
        if name in path:
            message = f"rule <{name}> is written in terms of itself: no token grammar does"
            raise Refusal("not-expressible", at, message)
        if name not in self.rules:
            raise Refusal("bad-document", at, f"expected a rule <{name}>, there is none")
        return self.rules[name]

    def rule(self, rule: Rule, path: tuple[str, ...], *, is_root: bool = False) -> Form:
        if is_root:
            for alternative in rule.alternatives:
                if alternative.value is not None:
                    message = f"the value of <{rule.name}> is no part of a grammar"
                    self.findings.note(alternative.value_at, message)
        return self.choice(rule.alternatives, rule.spacing, path)

    def choice(
        self, alternatives: Sequence[Alternative], spacing: str, path: tuple[str, ...]
    ) -> Form:
        form = choice(
            [self.row(each.parts, each.spacing or spacing, path) for each in alternatives]
        )
        if form.size > MAX_NODES:
            message = f"the rule has {form.size:,} parts; the limit is {MAX_NODES:,}"
            raise Refusal("grammar-too-large", alternatives[0].at, message)
        return form

    def row(self, parts: Sequence[Part], spacing: str, path: tuple[str, ...]) -> Form:
        form: Form | None = None
        for part in parts:
            for piece in self.pieces(part, spacing, path):
                form = piece if form is None else _joined(form, piece, spacing, part.at)
        assert form is not None
        return form

    def pieces(self, part: Part, spacing: str, path: tuple[str, ...]) -> list[Form]:
        match part:
            case Words(pieces, at):
                return [_text(piece, at) for piece in pieces]
            case Variable():
                slot: Form = Bind(self.slot(part, path), part.at)
                return [Times(slot, 0, 1, part.at) if part.is_optional else slot]
            case Reference(name, at):
                return [self.rule(self.lookup(name, at, path), (*path, name))]
            case Group(alternatives, repeat, at):
                return [self.group(self.choice(alternatives, spacing, path), repeat, spacing, at)]

    def group(self, form: Form, repeat: str, spacing: str, at: Place) -> Form:
        if repeat in ("", "?"):
            return Times(form, 0, 1, at) if repeat else form
        message = f"a repeat without end is taken at most {MAX_REPEAT} times"
        self.findings.note(at, message)
        again = _joined(form, form, spacing, at)
        assert isinstance(again, Chain)
        many = Chain((form, Times(Chain(again.parts[1:]), 0, MAX_REPEAT - 1, at)))
        return many if repeat == "+" else Times(many, 0, 1, at)

    def slot(self, variable: Variable, path: tuple[str, ...]) -> Slot:
        name, at = snake(variable.name, variable.at), variable.at
        if not variable.is_rule:
            kind = _KINDS.get(variable.type)
            if kind is None:
                expected = ", ".join(_KINDS)
                message = f"type {variable.type!r} is a program; expected {expected} or <Rule>"
                raise Refusal("unknown-kind", at, message)
            self.findings.note(at, _NARROWER[kind])
            return Slot(name, kind)
        rule = self.lookup(variable.type, at, path)
        if rule.name not in self.phrases:
            options = tuple(self.options(rule, (*path, rule.name)))
            phrase_name = self.names.named(snake(rule.name, rule.at), options)
            self.phrases[rule.name] = Phrase(phrase_name, options)
        phrase = self.phrases[rule.name]
        return Slot(name, phrase.name, phrase=phrase)

    def options(self, rule: Rule, path: tuple[str, ...]) -> list[Option]:
        """Return the options of a rule as a phrase; one that is a rule alone has its options."""
        options: list[Option] = []
        for alternative in rule.alternatives:
            match alternative.parts:
                case (Reference(name, at),) if alternative.value is None:
                    options += self.options(self.lookup(name, at, path), (*path, name))
                    continue
            form = self.row(alternative.parts, alternative.spacing or rule.spacing, path)
            part = to_grammar(form, soft_blanks=True)
            if part is None or form.nullable:
                message = f"rule <{rule.name}> may be empty; expected text for its value"
                raise Refusal("grammar-nullable", alternative.at, message)
            if alternative.value in ("true", "false"):
                self.findings.note(alternative.value_at, "a truth value is kept as text")
            names = [slot.name for slot in slots(checked(part, alternative.at))]
            options.append(Option(part, _value(alternative, names)))
        return options


def _value(alternative: Alternative, names: Sequence[str]) -> Scalar | None:
    """Return the constant of an option; None where its only slot, or its text, is the value."""
    written, at = alternative.value, alternative.value_at
    if written is None:
        if len(set(names)) > 1:
            message = f"which of {', '.join(names)} is the value? expected '-> …'"
            raise Refusal("not-expressible", alternative.at, message)
        return None
    if written in ("true", "false"):
        return written  # phrases have numbers and texts
    if _NUMBER.fullmatch(written):
        return whole(Fraction(written))
    if string := _STRING.fullmatch(written):
        return string[1] if string[1] is not None else string[2]
    if _IDENTIFIER.fullmatch(written) and names == [snake(written, at)]:
        return None
    message = f"the value {written[:40]!r} is computed; expected a constant or the only variable"
    raise Refusal("not-expressible", at, message)


def _text(piece: str, at: Place) -> Form:
    text = normalize(piece)
    if not text:
        raise Refusal("not-expressible", at, f"{piece!r} is only blank; expected a character")
    return Text(text, at)


def _joined(left: Form, right: Form, spacing: str, at: Place) -> Form:
    """Return the two in a row, with what the spacing lets stand between them."""
    if spacing == "none":
        if "space" in left.last or "space" in right.first:
            message = "an optional part at an end, where [spacing=none] allows no blank"
            raise Refusal("not-expressible", at, message)
        return Chain((left, right))
    blank: Form = Text(" ", at)
    both = left.last & right.first
    if spacing == "optional" or (
        spacing == "auto" and not both & {"letters", "digits"} and "combining" not in right.first
    ):
        blank = Times(blank, 0, 1, at)
    return Chain((left, blank, right))


def _used(alternatives: Sequence[Alternative]) -> set[str]:
    found: set[str] = set()
    for alternative in alternatives:
        for part in alternative.parts:
            match part:
                case Reference(name, _):
                    found.add(name)
                case Variable(_, name, True, _, _):
                    found.add(name)
                case Group(inner, _, _):
                    found |= _used(inner)
                case _:
                    pass
    return found

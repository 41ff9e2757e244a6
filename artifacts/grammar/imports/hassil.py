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
from dataclasses import dataclass, field, replace

from artifacts.grammar.imports.characters import to_grammar
from artifacts.grammar.imports.forms import Bind, Form
from artifacts.grammar.imports.hassil_lists import Lists
from artifacts.grammar.imports.names import snake
from artifacts.grammar.imports.report import Findings, Imported, Place, Refusal, checked, too_long
from artifacts.grammar.imports.template_forms import form_of
from artifacts.grammar.imports.templates import ListName, RuleName, Template, parse_template
from artifacts.grammar.imports.yamltree import (
    Fields,
    Scalar,
    Tree,
    fields_of,
    items_of,
    only_known,
    read_yaml,
    scalar_of,
)
from artifacts.grammar.nfa import MAX_POSITIONS, compile_nfa
from artifacts.grammar.syntax import Node, Slot, alternatives, slots
from artifacts.problems import Problem

MAX_SENTENCES = 20_000

_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})(?:,(\d{1,9}))?")
_TOP = {"language", "intents", "lists", "expansion_rules", "skip_words", "settings", "responses"}
_GROUP = {
    "sentences",
    "lists",
    "expansion_rules",
    "slots",
    "response",
    "metadata",
    "requires_context",
    "excludes_context",
    "required_keywords",
    "inferred_domain",
    "name_domains",
    "settings",
    "examples",
}
_KEPT_OUT = ("slots", "response", "metadata")
_CONDITIONS = ("requires_context", "excludes_context", "required_keywords")


def import_hassil(text: str, *, any_context: bool = False) -> Imported | tuple[Problem, ...]:
    """Return the grammars of a sentence file by intent, or every problem with its place.

    With `any_context`, conditions on what is not text are left out, with a note. An intent whose
    sentences fill one slot from different lists, or are too many, has several grammars, numbered.
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
    slots: dict[str, Slot] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    """Sentences of one grammar, their slots and positions."""

    slots: dict[str, Slot]
    nodes: list[Node]
    size: int


class _Importer:
    def __init__(self, findings: Findings, any_context: bool) -> None:
        self.findings, self.any_context = findings, any_context
        self.lists = Lists(findings)
        self.templates: dict[tuple[str, Place], Template] = {}

    def file(self, tree: Tree) -> None:
        top = fields_of(tree, "the file")
        only_known(top, _TOP)
        if "intents" not in top.fields:
            raise Refusal("bad-document", top.at, "expected the field 'intents'")
        for name in ("skip_words", "settings"):
            if name in top.keys:
                message = f"{name!r} is not applied: texts that need it are not in the grammars"
                self.findings.note(top.keys[name].at, message)
        self.findings.note(
            None,
            "punctuation at the ends of words, and '-' or '_' for a blank, "
            "are not skipped as hassil does, nor is a blank after a list's value or an apostrophe",
        )
        lists = fields_of(top.fields.get("lists"), "lists").fields
        rules = fields_of(top.fields.get("expansion_rules"), "expansion_rules").fields
        count = 0
        intents = fields_of(top.fields["intents"], "intents")
        for name, intent in intents.fields.items():
            body = fields_of(intent, f"intent {name}")
            found: list[Node] = []
            data = items_of(body.fields.get("data"), "data", intents.keys[name].at)
            for group in data:
                with self.findings.collecting():
                    sentences = self.group(fields_of(group, "data"), lists, rules, found)
                    count += sentences
            if count > MAX_SENTENCES:
                message = f"{count:,} sentences; the limit is {MAX_SENTENCES:,}"
                raise Refusal("grammar-too-large", intents.keys[name].at, message)
            with self.findings.collecting():
                self.intent(name, found, intents.keys[name].at)

    def intent(self, name: str, found: list[Node], at: Place) -> None:
        """Put the sentences of an intent together, as far as one grammar can hold them.

        They go apart where one slot has two kinds, and where the automaton would be too large.
        """
        groups: list[_Group] = []
        for node in found:
            mine = {slot.name: slot for slot in slots(node)}
            size = len(compile_nfa(node).follow)
            for group in groups:
                if group.size + size <= MAX_POSITIONS and all(
                    group.slots.get(each, slot) == slot for each, slot in mine.items()
                ):
                    group.slots |= mine
                    group.nodes.append(node)
                    group.size += size
                    break
            else:
                groups.append(_Group(mine, [node], size))
        for index, group in enumerate(groups, 1):
            key = name if index == 1 else f"{name}-{index}"
            self.findings.grammars[key] = checked(alternatives(*group.nodes), at)

    def group(
        self, group: Fields, lists: Mapping[str, Tree], rules: Mapping[str, Tree], found: list[Node]
    ) -> int:
        only_known(group, _GROUP)
        for name in _CONDITIONS:
            if name in group.keys and not self.any_context:
                message = (
                    f"{name!r} is a condition on what is not text; expected none, "
                    "or leave to take the sentences in any context"
                )
                raise Refusal("not-expressible", group.keys[name].at, message)
            if name in group.keys:
                self.findings.note(group.keys[name].at, f"{name!r} is left out, as you allow")
        for name in _KEPT_OUT:
            if name in group.keys:
                self.findings.note(group.keys[name].at, f"{name!r} is no part of a grammar")
        scope = _Scope(
            {**lists, **fields_of(group.fields.get("lists"), "lists").fields},
            {**rules, **fields_of(group.fields.get("expansion_rules"), "expansion_rules").fields},
        )
        sentences = items_of(group.fields.get("sentences"), "sentences", group.at)
        for sentence in sentences:
            with self.findings.collecting():
                source = scalar_of(sentence, "a sentence", group.at)
                node = to_grammar(self.form(self.template(source), scope, ()), soft_blanks=True)
                if node is not None:
                    found.append(checked(node, source.at))
        return len(sentences)

    def template(self, source: Scalar) -> Template:
        key = source.text, source.at
        if key not in self.templates:
            self.templates[key] = parse_template(source)
        return self.templates[key]

    def form(
        self, template: Template, scope: _Scope, rules: tuple[str, ...], level: int = 1
    ) -> Form:
        def named(reference: ListName | RuleName, level: int) -> Form:
            at = reference.at
            if isinstance(reference, ListName):
                known = self.list_slot(reference.name, scope, at)
                return Bind(replace(known, name=snake(reference.slot, at)), at)
            name = reference.name
            if name in rules:
                message = f"rule <{name}> is written in terms of itself: no token grammar does"
                raise Refusal("not-expressible", at, message)
            if name not in scope.rules:
                raise Refusal("bad-document", at, f"expected a rule <{name}>, there is none")
            body = _stripped(scalar_of(scope.rules[name], f"rule {name}", at))
            return self.form(self.template(body), scope, (*rules, name), level)

        return form_of(template, named, level)

    def list_slot(self, name: str, scope: _Scope, at: Place) -> Slot:
        if name not in scope.slots:
            tree = scope.lists.get(name)
            inline = _RANGE.fullmatch(name)
            if tree is not None:
                scope.slots[name] = self.lists.slot(name, fields_of(tree, f"list {name}"))
            elif inline is not None:
                low, high, step = int(inline[1]), int(inline[2]), int(inline[3] or 1)
                scope.slots[name] = self.lists.numbers("range", low, high, step, at)
            else:
                raise Refusal("bad-document", at, f"expected a list {{{name}}}, there is none")
        return scope.slots[name]


def _stripped(source: Scalar) -> Scalar:
    """Return a scalar without the blanks at its ends, which rules do not have."""
    text = source.text.strip()
    before = source.text.index(text) if text else 0
    exact = (source.exact[0], source.exact[1] + before) if source.exact else None
    return Scalar(text, source.type, source.at, exact)

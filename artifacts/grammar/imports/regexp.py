r"""Plain regular expressions to grammars, a line each; or the reason why one is none.

    #! ignore-case            patterns that follow match in any case, as grammars always do
    #! any-script             a run of [a-z] stands for a run of letters of any script
    #! name play              the name of the next pattern; else `pattern-` and its line
    play (?P<song>[a-z]+) (?P<times>\d+)( times)?

A grammar reads a text iff the pattern matches the whole of its normalized text (blanks one each,
none at the ends, case folded), with the ASCII classes of RE2. Three differences remain, and a note
says each where it arises: a number has at most 400 digits, runs without a name are bound all the
same, and `any-script`. What a token grammar cannot say is refused: look-around, backreferences,
`.`, runs without end of anything but one class of tokens, and case.
"""

from artifacts.grammar.imports.characters import to_grammar
from artifacts.grammar.imports.forms import (
    Bind,
    Chain,
    Choice,
    Form,
    Text,
    Times,
    choice,
    empty,
)
from artifacts.grammar.imports.names import snake
from artifacts.grammar.imports.regexp_sets import BLANKS, DIGITS, LETTERS, folded
from artifacts.grammar.imports.regexp_syntax import (
    Again,
    Either,
    Named,
    Pattern,
    Row,
    Set,
    parse_pattern,
)
from artifacts.grammar.imports.report import (
    Findings,
    Imported,
    Place,
    Refusal,
    checked,
    too_long,
)
from artifacts.grammar.imports.same import same_language
from artifacts.grammar.lexer import normalize
from artifacts.grammar.nfa import GrammarTooLarge, compile_nfa
from artifacts.grammar.syntax import MAX_NODES, Slot
from artifacts.problems import Problem
from artifacts.values import MAX_DIGITS

MAX_PATTERN = 10_000
MAX_PATTERNS = 5_000
MAX_VALUES = 512
"""Spellings of a named group whose texts are finitely many."""

_NUMBER = Slot("number", "integer", without=("-",))
_WORD = Slot("word", "word", without=tuple(sorted(("'", "-", "’"))))
_KINDS = (
    _NUMBER,
    Slot("", "integer"),
    Slot("", "decimal", without=("-",)),
    Slot("", "decimal"),
    Slot("", "percent", without=("-",)),
    Slot("", "percent"),
    _WORD,
    Slot("", "word"),
)
"""Kinds whose parsers take whatever their token grammars take, but for the number of digits."""


def import_patterns(text: str, *, ignore_case: bool = False) -> Imported | tuple[Problem, ...]:
    """Return the grammars of a file of patterns by name, or every problem with its place."""
    if problems := too_long(text):
        return problems
    findings = Findings()
    name, any_script, count = "", False, 0
    for number, line in enumerate(text.split("\n"), 1):
        pattern = line.removesuffix("\r")
        if pattern.startswith("#"):
            with findings.collecting():
                match pattern.removeprefix("#!").split() if pattern.startswith("#!") else ():
                    case ["ignore-case"]:
                        ignore_case = True
                    case ["any-script"]:
                        any_script = True
                    case ["name", given]:
                        name = given
                    case []:
                        pass
                    case _:
                        message = "expected 'ignore-case', 'any-script' or 'name …' after '#!'"
                        raise Refusal("grammar-syntax", (number, 1), message)
            continue
        if not pattern.strip():
            continue
        count += 1
        with findings.collecting():
            key, name = name or f"pattern-{number}", ""
            if count > MAX_PATTERNS or len(pattern) > MAX_PATTERN:
                message = (
                    f"{count:,} patterns, {len(pattern):,} characters; the limits are "
                    f"{MAX_PATTERNS:,} and {MAX_PATTERN:,}"
                )
                raise Refusal("grammar-too-large", (number, 1), message)
            if key in findings.grammars:
                raise Refusal("bad-document", (number, 1), f"the name {key!r} is given twice")
            tree = parse_pattern(pattern, (number, 1), ignore_case=ignore_case)
            importer = _Importer(findings, any_script)
            form = importer.form(tree)
            if form.nullable:
                raise Refusal("grammar-nullable", (number, 1), "the empty text would match")
            grammar = to_grammar(form, soft_blanks=False)
            if grammar is None:
                message = "no normalized text matches: expected single blanks, none at the ends"
                raise Refusal("not-expressible", (number, 1), message)
            findings.grammars[key] = checked(grammar, (number, 1))
    return findings.result()


class _Importer:
    def __init__(self, findings: Findings, any_script: bool) -> None:
        self.findings, self.any_script = findings, any_script
        self.unnamed = 0

    def form(self, pattern: Pattern, inside: bool = False) -> Form:
        """Return the form of a pattern; `inside` a named group, runs have no name of their own."""
        form = self._form(pattern, inside)
        if form.size > MAX_NODES:
            message = f"the pattern has {form.size:,} parts; the limit is {MAX_NODES:,}"
            raise Refusal("grammar-too-large", _at(pattern), message)
        return form

    def _form(self, pattern: Pattern, inside: bool) -> Form:
        match pattern:
            case Set(_, _, at):
                return choice([Text(c, at) for c in sorted(self.spellings(pattern))])
            case Row(parts):
                return Chain(tuple(self.form(part, inside) for part in parts))
            case Either(options):
                return choice([self.form(option, inside) for option in options])
            case Named(name, part, at):
                if inside:
                    message = f"group {name!r} inside a named group; expected one around the other"
                    raise Refusal("not-expressible", at, message)
                return self.named(snake(name, at), part, at)
            case Again(part, low, high, at):
                if high is None:
                    return self.run(part, low, at, inside)
                inner = self.form(part, inside)
                return Times(inner, low, high, at) if high else empty(at)

    def spellings(self, one: Set) -> frozenset[str]:
        """Return the characters of normalized texts that a set takes."""
        characters, at = one.characters, one.at
        if characters.inverted:
            message = (
                "any character but a few: no wildcards; expected the characters that may stand"
            )
            raise Refusal("not-expressible", at, message)
        members = characters.members
        if not one.folds and not characters.is_caseless():
            message = (
                "the case of letters matters here, and grammars fold case; expected (?i), "
                "'#! ignore-case' or both cases"
            )
            raise Refusal("not-expressible", at, message)
        found = {folded(member) for member in members}
        if None in found:
            odd = next(member for member in sorted(members) if folded(member) is None)
            message = f"{odd!r} is not one character of normalized texts"
            raise Refusal("not-expressible", at, message)
        if members & BLANKS and " " not in members:
            message = "a tab or line break is a blank in normalized texts; expected '\\s' or ' '"
            raise Refusal("not-expressible", at, message)
        return frozenset(each for each in found if each is not None)

    def run(self, part: Pattern, low: int, at: Place, inside: bool) -> Form:
        """Return the form of a repeat without end: of blanks, digits or letters only."""
        while isinstance(part, Row | Either) and len(_children(part)) == 1:
            part = _children(part)[0]
        if isinstance(part, Set) and not part.characters.inverted and low <= 1:
            characters = self.spellings(part)
            if characters == {" "}:
                blank = Text(" ", at)
                return blank if low else Times(blank, 0, 1, at)
            if characters == DIGITS:
                self.findings.note(at, f"a run of digits has at most {MAX_DIGITS}")
                return self.bound(_NUMBER, low, at, inside)
            if characters == LETTERS and self.any_script:
                self.findings.note(at, "a run of letters may be of any script, as the file says")
                return self.bound(_WORD, low, at, inside)
            if characters == LETTERS:
                message = (
                    "a run of ASCII letters alone: tokens are runs of letters of any script;"
                    " expected '#! any-script' to take those"
                )
                raise Refusal("not-expressible", at, message)
        message = (
            "a repeat without end; expected a bound like {1,8}, or a run of digits, letters"
            " or blanks alone"
        )
        raise Refusal("not-expressible", at, message)

    def bound(self, kind: Slot, low: int, at: Place, inside: bool) -> Form:
        name = "run"
        if not inside:
            self.unnamed += 1
            name = kind.name if self.unnamed == 1 else f"{kind.name}_{self.unnamed}"
            self.findings.note(at, f"the run has no name, and is bound to slot {name!r}")
        slot = Bind(Slot(name, kind.kind, without=kind.without), at)
        return slot if low else Times(slot, 0, 1, at)

    def named(self, name: str, part: Pattern, at: Place) -> Form:
        form = self.form(part, inside=True)
        if form.nullable:
            message = f"group {name!r} may be empty; expected it to be optional as a whole"
            raise Refusal("not-expressible", at, message)
        if not _has_slot(form):
            values = dict.fromkeys(_spellings(form, at))
            if any(normalize(value) != value for value in values):
                message = f"group {name!r} has a value with a blank at an end, or two in a row"
                raise Refusal("not-expressible", at, message)
            return Bind(Slot(name, "enumeration", tuple(values)), at)
        grammar = to_grammar(form, soft_blanks=False)
        try:
            automaton = None if grammar is None else compile_nfa(grammar)
        except GrammarTooLarge as error:
            raise Refusal("grammar-too-large", at, str(error)) from None
        for kind in _KINDS:
            if automaton is not None and same_language(automaton, compile_nfa(kind)) is True:
                return Bind(Slot(name, kind.kind, without=kind.without), at)
        message = (
            f"the texts of group {name!r} are neither finitely many nor those of a slot kind;"
            " expected a list, \\d+, -?\\d+, -?\\d+(\\.\\d+)? or [a-z]+"
        )
        raise Refusal("not-expressible", at, message)


def _children(part: Row | Either) -> tuple[Pattern, ...]:
    return part.parts if isinstance(part, Row) else part.options


def _has_slot(form: Form) -> bool:
    match form:
        case Bind():
            return True
        case Chain(children) | Choice(children):
            return any(map(_has_slot, children))
        case Times(part, _, _):
            return _has_slot(part)
        case Text():
            return False


def _spellings(form: Form, at: Place) -> list[str]:
    """Return every text of a form without slots; refuse beyond `MAX_VALUES`."""
    match form:
        case Text(text):
            return [text]
        case Choice(options):
            found = [text for option in options for text in _spellings(option, at)]
        case Chain(parts):
            found = [""]
            for part in parts:
                more = _spellings(part, at)
                _check_values(len(found) * len(more), at)
                found = [before + after for before in found for after in more]
        case Times(part, low, high, _):
            once = _spellings(part, at)
            row, found = [""], [""] if low == 0 else []
            for times in range(1, high + 1):
                _check_values(len(row) * len(once) + len(found), at)
                row = [before + after for before in row for after in once]
                found += row if times >= low else []
        case Bind():
            raise TypeError("a slot has no list of spellings")
    _check_values(len(found), at)
    return found


def _check_values(count: int, at: Place) -> None:
    if count > MAX_VALUES:
        message = f"the group has {count:,} or more values; the limit is {MAX_VALUES}"
        raise Refusal("grammar-too-large", at, message)


def _at(pattern: Pattern) -> Place:
    match pattern:
        case Set(_, _, at) | Again(_, _, _, at) | Named(_, _, at):
            return at
        case Row(children) | Either(children):
            return _at(children[0]) if children else (1, 1)

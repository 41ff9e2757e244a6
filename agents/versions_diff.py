"""Two versions of a family beside each other: each as text, and a unified diff of the two.

A diff of two JSON documents shows everything and says little. So each version is written as people
read it, an alternative, a step and an example a line, and the lines are compared.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from typing import Any, cast

from artifacts.artifact import Artifact
from artifacts.grammar.syntax import Alternatives, Grammar
from artifacts.grammar.textform import print_grammar
from artifacts.program.printing import print_program
from artifacts.values import Json

_CONTEXT = 100
"""Lines around a difference: what stays the same is shown, too."""


def version_lines(artifact: Artifact, row: Mapping[str, Any]) -> list[str]:
    """Return a version as lines; `row` are its facts."""
    return list(_lines(artifact, row))


def _lines(artifact: Artifact, row: Mapping[str, Any]) -> Iterator[str]:
    document = artifact.document
    yield f"stage {row['stage']}" + (f", share {row['share']:g}" if row["share"] else "")
    yield "grammar"
    for line in grammar_lines(artifact.grammar):
        yield f"  {line}"
    yield "program"
    for line in print_program(artifact.program).splitlines():
        yield f"  {line}"
    yield f"comparator {artifact.comparator}"
    yield "examples"
    for text, answer in artifact.examples():
        yield f"  {_shown(text)} -> {_shown(answer)}"
    refused = cast(Sequence[Json], document["counterexamples"])
    if refused:
        yield "counterexamples"
    for counterexample in refused:
        yield f"  {_shown(counterexample)}"
    yield "evidence"
    yield f"  {row['agreements']} agreements since it entered shadow"
    yield f"  {row['disagreements']} disagreements"
    yield f"  {row['bits']:.1f} bits"
    yield f"  {row['returns']} returns"
    yield f"  lacks {row['missing'] or 'nothing'}"
    for stratum, bound in row["bounds"].items():
        yield (
            f"  {stratum}: {bound['errors']} errors in {bound['samples']} samples, "
            f"at most {100 * bound['error_bound_95']:.1f} %"
        )


def grammar_lines(grammar: Grammar) -> list[str]:
    """Return a grammar's phrases, then its alternatives, each on a line.

    >>> from artifacts.grammar.textform import parse_grammar
    >>> grammar_lines(parse_grammar("<s> = big | small\\na {x:<s>}|the {x:<s>}"))
    ['<s> = big | small', 'a {x:<s>}', '| the {x:<s>}']
    """
    *defined, printed = print_grammar(grammar).splitlines()
    if not isinstance(grammar, Alternatives):
        return [*defined, printed]
    first, *others = (print_grammar(option).splitlines()[-1] for option in grammar.options)
    return [*defined, first, *(f"| {option}" for option in others)]


def _shown(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def diff_lines(before: Sequence[str], after: Sequence[str], names: tuple[str, str]) -> list[str]:
    """Return the unified diff of two versions' lines.

    >>> diff_lines(["stage live", "a"], ["stage live", "b"], ("m@1", "m@2"))
    ['--- m@1', '+++ m@2', '@@ -1,2 +1,2 @@', ' stage live', '-a', '+b']
    """
    return list(unified_diff(before, after, *names, n=_CONTEXT, lineterm=""))

"""φ samples: texts of a family whose slot values are drawn over all that it reads [Θ].

Traffic weighs the values of slots by their use; to say something of all of them they are drawn
evenly: a token string of the grammar, each of one length as likely (artifacts.grammar.algebra), its
slot values, and φ's text with these. The algebra tells few numbers apart, and draws those; so the
digits of the values are drawn once more, where the family still reads them. The draws depend on the
artifact's digest alone: nobody who answers has had a say in them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from artifacts.artifact import Artifact
from artifacts.compiler import Given, answer_of
from artifacts.grammar.algebra.expressions import expression
from artifacts.grammar.algebra.listing import Listing, sample, seeded
from artifacts.grammar.rendering import render
from artifacts.grammar.syntax import Node, core
from artifacts.grammar.textform import parse_grammar
from artifacts.problems import Problem
from artifacts.program.operators import Failure
from artifacts.values import Json, Value

_DRAWN_PER_SAMPLE = 4
"""Texts that are drawn for each that is wanted: some have the same values, some no answer."""

_MAX_STATES = 20_000
_MAX_DIGITS = 4
_DIGITS = re.compile("[0-9]+")


@dataclass(frozen=True, slots=True)
class PhiSample:
    """A text, and what the family says to it."""

    text: str
    answer: Json


def phi_samples(artifact: Artifact, number: int) -> tuple[PhiSample, ...]:
    """Return up to `number` texts with different slot values, each with the family's answer.

    There are fewer where the family reads fewer, where its programs fail, or where the grammar is
    too large to draw from.
    """
    draws = seeded(artifact.digest)
    most = _DRAWN_PER_SAMPLE * number
    drawn = sample(expression(artifact.grammar), most, draws, max_states=_MAX_STATES)
    phi = parse_grammar(str(artifact.document["phi"]))
    found: dict[tuple[tuple[str, Value], ...], PhiSample] = {}
    for text in drawn.texts if isinstance(drawn, Listing) else ():
        text, given = _varied(artifact, text, draws)
        if not isinstance(given, Given) or _theta(given) in found:
            continue
        rendered = None if isinstance(phi, Problem) else _rendered(artifact, core(phi), given)
        found[_theta(given)] = PhiSample(rendered or text, given.answer)
        if len(found) == number:
            break
    return tuple(found.values())


def _varied(
    artifact: Artifact, text: str, draws: Callable[[int], int]
) -> tuple[str, Given | Failure | None]:
    """Return the text with other digits in its values, or as it is, and the family's answer."""
    given = answer_of(artifact, text)
    if not isinstance(given, Given):
        return text, given

    def digits(_: re.Match[str]) -> str:
        return str(draws(10 ** (1 + draws(_MAX_DIGITS))))

    other = text
    for bound in sorted(given.bindings.values(), key=lambda bound: -bound.start):
        value = _DIGITS.sub(digits, other[bound.start : bound.end])
        other = other[: bound.start] + value + other[bound.end :]
    answer = answer_of(artifact, other)
    return (other, answer) if isinstance(answer, Given) else (text, given)


def _theta(given: Given) -> tuple[tuple[str, Value], ...]:
    return tuple((name, bound.value) for name, bound in sorted(given.bindings.items()))


def _rendered(artifact: Artifact, phi: Node, given: Given) -> str | None:
    """Return φ(θ) where the family reads the same values in it; φ need not have all slots."""
    text = render(phi, {name: bound.value for name, bound in given.bindings.items()})
    again = None if text is None else answer_of(artifact, text)
    same = isinstance(again, Given) and _theta(again) == _theta(given)
    return text if same else None

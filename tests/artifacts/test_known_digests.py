"""Digests that are out in the world: what could be written keeps its JSON form for ever."""

import pytest

from artifacts.grammar.jsonform import grammar_from_json, grammar_to_json
from artifacts.grammar.textform import parse_grammar
from artifacts.problems import Problem
from artifacts.values import digest
from tests.artifacts.recipes import compiled

GRAMMARS = {
    "what is {p:decimal} (%|percent) of {n:decimal}[ please]": (
        "e81212a7c0c8bfd374438b88ee77f553fceba2099afd28b159bdb5c5a31a0561"
    ),
    "play {song:quoted} in the {room=kitchen|living room}": (
        "48407f435222037d29278f4102c5e4309c927529c95b51567c71d5271923b55b"
    ),
    "(very ){0,3}slow {x:word}|{y:phrase} {z:identifier} {q:percent} {i:integer}": (
        "a8e7747386d2c14f051ce5a407b3c218bc3c15dcd0fa3da4742de0cf75376689"
    ),
}


@pytest.mark.parametrize("text", GRAMMARS)
def test_the_json_form_of_a_grammar_has_kept_its_digest(text: str) -> None:
    tree = parse_grammar(text)
    assert not isinstance(tree, Problem)
    document = grammar_to_json(tree)
    assert digest(document) == GRAMMARS[text]
    assert grammar_from_json(document) == tree


def test_an_artifact_has_kept_its_digest_apart_from_the_versions_of_tables() -> None:
    document = {**compiled().document, "tables": None}
    assert digest(document) == "49392229fc2712a3719ddcc8e9fbff0c657185ae6ccf4922d6d3f28a528eb4e2"

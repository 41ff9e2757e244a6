"""Overlaps of a new grammar with the compared families: all of them, each with a text of both."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifacts.grammar.common import Spent, common
from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.nfa import compile_nfa, readings
from artifacts.grammar.restricted import compile_grammar, read
from artifacts.grammar.syntax import Grammar, Node
from artifacts.grammar.textform import parse_grammar
from artifacts.overlaps import Overlap, Undecided, overlaps
from artifacts.problems import Problem
from tests.artifacts.grammars import backtracked, sampled, trees
from tests.artifacts.recipes import constant
from tests.artifacts.test_registry import filled


def grammar(text: str) -> Grammar:
    tree = parse_grammar(text)
    assert not isinstance(tree, Problem), tree
    return tree


KNOWN = {
    "on": constant("lamp on", "lamp on", "on"),
    "either": constant("(lamp|fan) off", "fan off", "either"),
    "polite": constant("[please ]stop", "stop", "stop"),
    "none": constant("unrelated words", "unrelated words", "none"),
}
REGISTRY = filled(*(("t", name, artifact, "live") for name, artifact in KNOWN.items()))

# grammar, the families that share a text with it and the shortest such texts
SHARED: dict[str, tuple[str, dict[str, str]]] = {
    "a-literal-of-two": ("lamp (on|off)", {"on": "lamp on", "either": "lamp off"}),
    "a-slot-that-takes-the-word": ("{x:word} off", {"either": "fan off"}),
    "phrases-at-both-ends": ("{x:phrase} on{y:quoted}", {}),
    "the-shortest-of-two": ("[please ]stop [now]", {"polite": "stop"}),
    "the-only-one-in-common": ("please stop[ it]", {"polite": "please stop"}),
    "nothing-in-common": ("{n:integer} lamps", {}),
    "a-token-too-few": ("lamp", {}),
    "an-excluded-token": ("{x:word without lamp|fan} off", {}),
    "a-restriction-that-forbids-all": ("(lamp {x:word}){except lamp {y=on|off}}", {}),
    "a-restriction-that-leaves-one": (
        "({z:word} {x:word}){only fan {y=on|off}}",
        {"either": "fan off"},
    ),
}


@pytest.mark.parametrize("name", SHARED)
def test_overlaps_are_told_with_a_shortest_text(name: str) -> None:
    form, expected = SHARED[name]
    found = overlaps(REGISTRY, grammar(form), "t")
    overlapping = {one.entry.family: one.witness for one in found if isinstance(one, Overlap)}
    undecided = [one for one in found if isinstance(one, Undecided)]
    if "restriction" in name:  # a product of the unrestricted grammars finds texts of neither
        assert overlapping.keys() | {u.entry.family for u in undecided if u.entry} >= set(expected)
        return
    assert not undecided
    assert overlapping == expected


def test_another_scope_does_not_matter_but_the_shared_one_does() -> None:
    registry = filled(
        ("t", "on", KNOWN["on"], "live"), ("shared", "either", KNOWN["either"], "shadow")
    )
    new = grammar("lamp (on|off)")

    def families(scope: str) -> list[str]:
        found = overlaps(registry, new, scope)
        return sorted(one.entry.family for one in found if isinstance(one, Overlap))

    assert families("t") == ["either", "on"]
    assert families("u") == ["either"]
    assert families("shared") == ["either", "on"]


def test_beyond_a_limit_nothing_is_told_to_be_apart() -> None:
    few = overlaps(REGISTRY, grammar("lamp (on|off)"), "t", max_states=1)
    assert [type(one) for one in few] == [Undecided, Undecided]
    none = overlaps(REGISTRY, grammar("lamp (on|off)"), "t", max_looked_at=0)
    assert [type(one) for one in none] == [Undecided]


def test_common_texts_are_those_that_both_grammars_accept() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(trees(), trees(), st.data())
    def check(one: Node, other: Node, data: st.DataObject) -> None:
        left, right = compile_nfa(one), compile_nfa(other)
        spent = Spent(5000)
        shortest = next(common(left, right, spent), None)
        if shortest is None and not spent.states:
            seen["undecided"] += 1
            return
        text = lex(data.draw(st.one_of(sampled(one), sampled(other))))
        assert isinstance(text, Tokens)
        shared = bool(text.keys and backtracked(one, text.keys) and backtracked(other, text.keys))
        if shortest is None:
            seen["apart"] += 1
            assert not shared
            return
        seen["shared" if shared else "common"] += 1
        assert not shared or len(shortest) <= len(text.keys)
        tokens = lex("".join(shortest))
        assert isinstance(tokens, Tokens)
        assert tokens.keys == shortest
        assert backtracked(one, shortest) and backtracked(other, shortest)

    check()
    assert min(seen[k] for k in ("apart", "shared", "common")) > 0, seen


def test_every_family_that_reads_a_text_of_the_new_grammar_is_named() -> None:
    forms = [
        "{x:word} on",
        "lamp {x:phrase}",
        "{x:phrase} stop",
        "please {x:word}",
        "(fan|lamp) on",
    ]
    texts = ["lamp on", "fan on", "fan off", "please stop", "stop", "lamp off", "unrelated words"]
    for form in forms:
        tree = grammar(form)
        reader = compile_grammar(tree)
        named = {one.entry for one in overlaps(REGISTRY, tree, "t") if one.entry is not None}
        for text in texts:
            tokens = lex(text)
            assert isinstance(tokens, Tokens)
            if not read(reader, tokens):
                continue
            for entry in REGISTRY.in_order():
                if readings(entry.artifact.nfa, tokens):
                    assert entry in named, (form, text, entry.family)

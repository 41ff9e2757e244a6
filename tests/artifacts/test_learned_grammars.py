"""Learning grammars: phrasings and unions, machines, narrowing, and proofs."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from artifacts.grammar.lexer import lex, normalize
from artifacts.grammar.nfa import TooManyReadings, compile_nfa, readings
from artifacts.grammar.syntax import Grammar, Node, Restricted, Slot, slot_conflicts, slots
from artifacts.grammar.textform import parse_grammar, print_grammar
from artifacts.learning.grammars.abstraction import learn_characters
from artifacts.learning.grammars.language import automaton, reads_text, share_taken
from artifacts.learning.grammars.machine import merged_machine
from artifacts.learning.grammars.narrowing import Narrowing, narrowings
from artifacts.learning.grammars.proofs import Accepts, Dies, Proof, Within, checked
from artifacts.learning.grammars.runs import accepts, proof, run
from artifacts.learning.grammars.union import learn
from artifacts.problems import Problem
from tests.artifacts.grammars import KINDS_TRIED, sampled, texts, trees


def grammar(text: str) -> Node:
    """Return a grammar that must be right."""
    tree = parse_grammar(text)
    assert not isinstance(tree, Problem), tree
    return tree


# What is learned from accepted and rejected texts: one phrasing per line of the union.
UNIONS: dict[str, tuple[list[str], list[str], str | None]] = {
    "numbers-vary-from-the-first-text-on": (["open door 7"], [], "open door {s1:integer}"),
    "words-become-a-slot": (
        ["weather in Rome", "weather in Oslo", "weather in Bonn"],
        [],
        "weather in {s1:word}",
    ),
    "several-words-become-a-phrase": (
        ["play jazz in kitchen", "play hard rock in kitchen", "play soft old blues in kitchen"],
        [],
        "play {s1:phrase} in kitchen",
    ),
    "two-values-in-few-texts-stay-open": (
        ["turn lamp on", "turn lamp off", "turn lamp on", "turn lamp off"],
        [],
        "turn lamp {s1:word}",
    ),
    "values-seen-often-are-closed": (
        ["turn lamp on", "turn lamp off"] * 3,
        [],
        "turn lamp {s1=off|on}",
    ),
    "a-number-seen-three-times-is-a-constant": (
        ["error 404 on port 1", "error 404 on port 2", "error 404 on port 3"],
        [],
        "error 404 on port {s1:integer}",
    ),
    "seen-twice-it-is-not": (
        ["error 404 on port 1", "error 404 on port 2"],
        [],
        "error {s1:integer} on port {s2:integer}",
    ),
    "a-rejected-text-narrows-a-slot": (
        ["jump twice after sitting", "run twice after sitting", "walk twice after sitting"],
        ["turn twice after sitting"],
        "{s1:word without turn} twice after sitting",
    ),
    "nothing-but-slots-is-no-grammar": (["5 6", "7 8"], [], None),
    "function-words-say-nothing": (["what is this"], [], None),
}


@pytest.mark.parametrize("name", UNIONS)
def test_unions(name: str) -> None:
    accepted, rejected, expected = UNIONS[name]
    learned = learn(accepted, rejected)
    if expected is None:
        assert learned.grammar is None
        assert learned.left_out == tuple(range(len(accepted)))
    else:
        assert learned.grammar is not None
        assert shown(learned.grammar) == expected


def shown(node: Node) -> str:
    """Return the text form, with excluded tokens."""
    printed = print_grammar(node)
    for slot in slots(node):
        if slot.without and "without" not in printed:
            told = f"{{{slot.name}:{slot.kind} without {'|'.join(slot.without)}}}"
            printed = printed.replace(f"{{{slot.name}:{slot.kind}}}", told)
    return printed


REQUESTS = st.lists(
    st.sampled_from(["play", "jazz", "open", "the", "in", "is", "Rome", "7", "4.5", "'x y'", "!"]),
    min_size=1,
    max_size=6,
).map(" ".join)
seen: Counter[str] = Counter()


@settings(max_examples=150, deadline=None)
@given(st.lists(REQUESTS, min_size=1, max_size=4), st.lists(REQUESTS, max_size=5))
def _what_is_learned_reads_its_texts_and_no_rejected_one(
    accepted: list[str], rejected: list[str]
) -> None:
    kept = {normalize(text) for text in accepted}
    rejected = [text for text in rejected if normalize(text) not in kept]
    learned = learn(accepted, rejected)
    assert learned == learn(accepted, rejected)
    covered = {index for phrasing in learned.phrasings for index in phrasing.texts}
    assert covered | set(learned.left_out) == set(range(len(accepted)))
    if learned.grammar is None:
        seen["nothing"] += 1
        return
    seen["grammar"] += 1
    seen["slots"] += any(slots(learned.grammar))
    assert all(reads_text(learned.grammar, accepted[index]) for index in covered)
    assert not any(reads_text(learned.grammar, text) for text in rejected)
    assert not list(slot_conflicts(learned.grammar))


def test_what_is_learned_reads_its_texts_and_no_rejected_one() -> None:
    seen.clear()
    _what_is_learned_reads_its_texts_and_no_rejected_one()
    assert min(seen["nothing"], seen["grammar"], seen["slots"]) >= 10, seen


def test_learning_is_bounded_by_steps() -> None:
    accepted = [f"open {word} door" for word in ("red", "green", "blue", "brown")]
    learned = learn(accepted, max_steps=0)
    assert learned.steps == 0
    assert len(learned.phrasings) == 4


BINARY = st.text("ab", max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.sets(BINARY, max_size=8), st.sets(BINARY, max_size=8), st.sampled_from([0, 5, 10_000]))
def _a_machine_is_consistent(good: set[str], bad: set[str], merges: int) -> None:
    for method in ("edsm", "rpni"):
        machine = merged_machine(sorted(good), sorted(bad), method=method, max_merges=merges)
        if good & bad:
            seen["contradiction"] += 1
            assert machine is None
            continue
        assert machine is not None
        assert all(map(machine.accepts, good))
        assert not any(map(machine.accepts, bad))
        assert machine.merges <= merges
        seen["machine"] += 1
        seen["merged"] += machine.is_complete
    characters = learn_characters(sorted(good), sorted(bad))
    if characters is not None:
        assert all(map(characters.accepts, good))
        assert not any(map(characters.accepts, bad))


def test_a_machine_is_consistent() -> None:
    seen.clear()
    _a_machine_is_consistent()
    assert min(seen["contradiction"], seen["machine"], seen["merged"]) >= 10, seen


def test_state_merging_finds_a_known_language() -> None:
    strings = [format(number, "b") for number in range(1, 64)]
    good = [text for text in strings if text.count("1") % 3 == 0]
    bad = [text for text in strings if text.count("1") % 3]
    for method in ("edsm", "rpni"):
        machine = merged_machine(good, bad, method=method)  # type: ignore[arg-type]  # of the two
        assert machine is not None
        assert len(machine.moves) == 3
        assert machine.accepts("1110111") is True
        assert machine.accepts("11101111") is False


# A grammar, what it must keep, what it must exclude, and the first change.
NARROWINGS: dict[str, tuple[str, list[str], list[str], str]] = {
    "excluded-token": (
        "{v:word} twice",
        ["jump twice", "run twice"],
        ["turn twice"],
        "{v} is without turn",
    ),
    "narrower-kind": (
        "wait {n:decimal} seconds",
        ["wait 5 seconds", "wait 7 seconds"],
        ["wait 5.5 seconds"],
        "{n} is of kind integer, not decimal",
    ),
    "fewer-values": (
        "go {d=left|right|up}",
        ["go left", "go right"],
        ["go up"],
        "{d} is one of left, right",
    ),
    "exceptions-where-nothing-else-tells": (
        "add {a:integer} to {b:integer}",
        ["add 1 to 2", "add 2 to 1", "add 1 to 1", "add 3 to 2", "add 2 to 3"],
        ["add 2 to 2", "add 3 to 3"],
        "except 'add 2 to 2'",
    ),
    "nothing-to-do": ("go {d:word}", ["go on"], ["stop"], ""),
}


@pytest.mark.parametrize("name", NARROWINGS)
def test_narrowings(name: str) -> None:
    text, accepted, rejected, expected = NARROWINGS[name]
    found = narrowings(grammar(text), accepted, rejected)
    assert next(iter(found[0].changes), "") == expected
    assert [n.is_finite for n in found] == sorted(n.is_finite for n in found)
    for narrowing in found:
        assert checked(narrowing.value, narrowing.proof)


def test_a_grammar_learned_from_the_rejected_texts_is_taken_away() -> None:
    found = narrowings(
        grammar("tell {s:phrase}"),
        ["tell my friend news", "tell your friend news"],
        ["tell friend news of Rome", "tell friend news of Oslo", "tell friend news of Bonn"],
    )
    learned = [n for n in found if n.changes == ("except tell friend news of {s1:word}",)]
    assert len(learned) == 1
    assert not learned[0].is_finite
    assert not reads_text(learned[0].value, "tell friend news of Paris")


@pytest.mark.parametrize(
    ("accepted", "rejected"),
    [(["go on"], ["Go  on"]), (["stop"], ["go on"])],
    ids=["contradiction", "not-in-the-grammar"],
)
def test_no_narrowing(accepted: list[str], rejected: list[str]) -> None:
    assert narrowings(grammar("go {d:word}"), accepted, rejected) == []


def slotted(parts: list[str]) -> Node:
    """Return a grammar of words and, for names of kinds, slots, with blanks between."""
    told = [f"{{s{at}:{part}}}" if part in KINDS_TRIED else part for at, part in enumerate(parts)]
    return grammar(" ".join(told))


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.lists(st.sampled_from(("b", "[a]", *KINDS_TRIED)), min_size=1, max_size=4).map(slotted)
    | trees(),
)
def _there_is_always_a_narrowing(data: st.DataObject, tree: Node) -> None:
    assume(not list(slot_conflicts(tree)))
    some = data.draw(st.lists(sampled(tree), min_size=4, max_size=10))
    inside = list({normalize(text): text for text in some if _is_read(tree, text)}.values())
    half = len(inside) // 2
    accepted, rejected = inside[half:], inside[:half]
    found = narrowings(tree, accepted, rejected)
    seen["excluded" if rejected else "nothing"] += 1
    seen["several"] += len(found) > 1
    assert found or not inside
    for narrowing in found:
        _is_proven(tree, narrowing, accepted, rejected)


def _is_read(tree: Node, text: str) -> bool:
    tokens = lex(text)
    if isinstance(tokens, str):
        return False
    found = readings(automaton(tree), tokens)
    return not isinstance(found, TooManyReadings) and bool(found)


def _is_proven(tree: Grammar, n: Narrowing, accepted: list[str], rejected: list[str]) -> None:
    assert checked(n.value, n.proof)
    assert all(reads_text(n.value, text) for text in accepted)
    assert not any(reads_text(n.value, text) for text in rejected)
    assert n.share is None or 0 <= n.share <= 1
    turned = Proof(n.proof.rejected, n.proof.accepted)
    assert not checked(n.value, turned) or not (accepted or rejected)


def test_there_is_always_a_narrowing() -> None:
    seen.clear()
    _there_is_always_a_narrowing()
    assert min(seen["nothing"], seen["excluded"], seen["several"]) >= 8, seen


@settings(max_examples=400, deadline=None)
@given(st.data(), trees(), st.none() | trees(), st.booleans())
def _the_checker_agrees_with_the_automata(
    data: st.DataObject, tree: Node, other: Node | None, keep: bool
) -> None:
    assume(not list(slot_conflicts(tree)))
    text = data.draw(texts() | sampled(tree))
    whole: Grammar = tree if other is None else Restricted(tree, other, keep)
    found = run(whole, text)
    if isinstance(found, TooManyReadings):
        seen["too many"] += 1
        return
    good = accepts(whole, found)
    seen[f"{type(found).__name__} {good}"] += 1
    assert checked(whole, Proof((found,), ()) if good else Proof((), (found,)))
    assert not checked(whole, Proof((), (found,)) if good else Proof((found,), ()))
    if isinstance(found, Dies):
        seen[found.why] += 1
        assert not checked(whole, Proof((), (replace(found, reached=found.reached + 1),)))


def test_the_checker_agrees_with_the_automata() -> None:
    seen.clear()
    _the_checker_agrees_with_the_automata()
    told = ("Accepts True", "Dies False", "Within True", "Within False", "stuck", "short")
    assert min(seen[name] for name in told) >= 8, seen


FORGED = {
    "a-span-moved": Accepts("go on", (("d", 3, 4),)),
    "a-span-left-out": Accepts("go on", ()),
    "another-slot": Accepts("go on", (("e", 3, 5),)),
    "a-text-that-is-not-read": Accepts("stop on", (("d", 5, 7),)),
    "a-restriction-that-is-none": Within(Accepts("go on", (("d", 3, 5),)), None),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_runs_are_found(name: str) -> None:
    tree = grammar("go {d:word}")
    assert proof(tree, ["go on"], ["stop"]) is not None
    assert not checked(tree, Proof((FORGED[name],), ()))


def test_shares_are_counted() -> None:
    words = Slot("s", "enumeration", ("a", "b", "c", "d"))
    assert share_taken(words, Slot("s", "enumeration", ("a",)), 1) == 0.75
    assert share_taken(words, Restricted(words, grammar("a|b"), True), 1) == 0.5
    assert share_taken(words, Restricted(words, grammar("a"), False), 1) == 0.25
    assert share_taken(grammar("a b"), words, 1) is None
    assert compile_nfa(words).nullable is False

"""Shapes: texts of one shape take the same way, and a memo of shapes changes no answer."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifacts.grammar import rows as rows_module
from artifacts.grammar import shapes
from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.nfa import (
    Assignment,
    TooManyReadings,
    accepts,
    assignments,
    bound,
    compile_nfa,
)
from artifacts.grammar.restricted import compile_grammar
from artifacts.grammar.rows import Asked, Rows, Way
from artifacts.grammar.shapes import Seen
from artifacts.grammar.syntax import Node, slot_conflicts
from artifacts.registry import Registry, changed
from artifacts.stages import STAGES, StageName
from tests.artifacts.grammars import sampled, texts, trees
from tests.artifacts.test_matching import grammar
from tests.artifacts.test_registry import (
    DECISIONS,
    INVERSE,
    OFF,
    ON,
    ON_TOO,
    PHRASES,
    Change,
    decision,
    filled,
)

Ways = tuple[Assignment, ...] | TooManyReadings

FORMS = {
    "set {x:word} to {n:integer}[ {u=kg|g}]": ("set {} to {}", "set {} to {} kg"),
    "{p:percent} of {n:decimal}": ("{}% of {}", "{} % of {}"),
    "call {w:phrase} at {i:identifier}[ now]": ("call {} at {} now", "call {} {} at {}"),
    "say {q:quoted} to {x:word} and {y:word}": (
        "say '{}' to {} and {}",
        "say '{} {}' to {} and {}",
    ),
    "({x:word}|{y:identifier}) it": ("{} it",),
}
"""Grammars, and texts of them to be filled."""
VALUES = st.sampled_from(
    ("5", "42", "9" * 401, "2.5", "-1", "red", "Blue", "bleu", "naïve", "it's", "a-b", "at", "x_1",
     "y_2", "٣", "\u212a", "to"),
)  # fmt: skip


def lexed(text: str) -> Tokens:
    tokens = lex(text)
    assert isinstance(tokens, Tokens)
    return tokens


def test_texts_of_one_shape_are_accepted_in_the_same_ways_and_bound_by_their_own_values() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.one_of(st.sampled_from(sorted(FORMS)), st.sampled_from(sorted(FORMS)), trees()),
           st.data())  # fmt: skip
    def check(form: str | Node, data: st.DataObject) -> None:
        if isinstance(form, str):
            tree, text = grammar(form), data.draw(st.sampled_from(FORMS[form]))
            one, two = (
                lexed(text.format(*data.draw(st.tuples(*[VALUES] * 4))).replace(" ", blank))
                for blank in data.draw(st.sampled_from([(" ", " "), (" ", "  "), ("\u00a0", " ")]))
            )
        else:
            tree = form
            one, two = lexed(data.draw(sampled(tree))), lexed(data.draw(texts()))
        nfa = compile_nfa(tree)
        memo = seen_of(nfa.by_key.keys())
        ways = assignments(nfa, one.keys)
        memo.remember("t", one.words, ways)
        assert memo.find("t", one.words) == ways
        assert memo.find("u", one.words) is None
        found = memo.find("t", two.words)
        if found is None:
            seen["another shape"] += 1
            return
        assert found == assignments(nfa, two.keys)
        seen["the same shape"] += one.text != two.text
        if isinstance(ways, TooManyReadings) or len(ways) != 1 or any(slot_conflicts(tree)):
            return
        only = Rows(compile_grammar(tree)).ways(one)
        assert isinstance(only, Way) or nfa.has_phrases
        if not isinstance(only, Way):
            return
        read = only.bindings(two)
        assert ((read,) if read is not None else ()) == bound(nfa, ways, two)
        seen["refused" if read is None else "bound" if read else "without slots"] += 1

    check()
    assert min(seen[k] for k in ("another shape", "the same shape", "bound", "refused")) > 0, seen


def seen_of(names: Collection[str]) -> Seen[Any]:
    empty: Seen[Any] = Seen()
    return empty.after([names], [])


def test_rows_accept_in_the_ways_that_the_automaton_does() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(trees(), st.data())
    def check(tree: Node, data: st.DataObject) -> None:
        rows = Rows(compile_grammar(tree))
        drawn = data.draw(st.lists(st.one_of(sampled(tree), texts()), min_size=1, max_size=6))
        for text in (*drawn, *drawn):
            tokens = lexed(text)
            found = rows.ways(tokens)
            ways = assignments(rows.nfa, tokens.keys)
            if isinstance(found, Way):
                assert ways == (found.assignment,)
                bindings = found.bindings(tokens)
                only = () if bindings is None else (bindings,)
                if not any(slot_conflicts(tree)):
                    assert only == bound(rows.nfa, (found.assignment,), tokens)
            assert (found is None) == (not accepts(rows.nfa, tokens))
            assert not isinstance(found, Asked) or found.ways == ways
            seen[type(found).__name__] += 1

    with pytest.MonkeyPatch.context() as patch:
        for limit in (1, 3, 1000):  # forgetting changes nothing
            patch.setattr(rows_module, "MAX_ROWS", limit)
            patch.setattr(rows_module, "MAX_PATHS", limit)
            check()
    assert min(seen[k] for k in ("Way", "Asked", "NoneType")) > 0, seen


def test_a_change_makes_stale_what_has_all_it_requires_and_nothing_else() -> None:
    first = seen_of({"lamp", "on", "off"})
    for text in ("lamp on", "lamp off", "fan on"):
        first.remember("t", lexed(text).words, text)
    second = first.after([{"lamp", "on"}], [frozenset({"lamp", "on"})])
    found = [second.find("t", lexed(text).words) for text in ("lamp on", "lamp off", "fan on")]
    assert found == [None, "lamp off", "fan on"]
    assert first.find("t", lexed("lamp on").words) == "lamp on"
    second.remember("t", lexed("lamp on").words, "new")
    assert first.find("t", lexed("lamp on").words) is None  # found by a later one
    other = first.after([], [frozenset({"off"})])
    assert other.find("t", lexed("lamp on").words) is None  # found beside it
    for _ in range(shapes.MAX_CHANGES + 1):
        second = second.after([], [frozenset({"zebra"})])
    assert second.find("t", lexed("fan on").words) is None  # too long ago to tell


def test_a_memo_that_outlives_snapshots_changes_no_answer() -> None:
    artifacts = {"on": ON, "too": ON_TOO, "off": OFF, "i": INVERSE, "p": PHRASES}
    words = st.sampled_from(["lamp", "on", "the", "is", "at", "4", "0", "x", "y"])
    asked = st.lists(words, min_size=1, max_size=6).map(" ".join)
    known = st.sampled_from(["lamp on", "the lamp on", "lamp 4", "lamp x y z w", "lamp is on"])
    moves = st.tuples(st.sampled_from(sorted(artifacts)), st.sampled_from(sorted(STAGES)))
    seen: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.one_of(moves, known, asked), min_size=5, max_size=40))
    def check(steps: list[tuple[str, StageName] | str]) -> None:
        snapshots = [Registry()]
        for step in steps:
            registry = snapshots[-1]
            if isinstance(step, str):
                for snapshot in snapshots[-3:]:  # those before are in use, too
                    fresh = replace(snapshot, seen=seen_of(snapshot.seen.named))
                    expected = decision(fresh, step)
                    assert decision(snapshot, step) == expected
                    seen["missed" if expected == ("Miss", []) else "read"] += 1
                continue
            name, stage = step
            change = Change(name, 1, artifacts[name].digest, stage)
            after = changed(registry, registry.ordinal + 1, "t", [change], [artifacts[name]])
            if isinstance(after, Registry):
                snapshots.append(after)
                seen["changed"] += 1

    check()
    assert min(seen[k] for k in ("missed", "read", "changed")) > 0, seen


def test_names_that_come_later_make_shapes_finer_and_never_wrong() -> None:
    first = seen_of({"play"})
    first.remember("t", lexed("play it's on").words, "it's")
    second = first.after([{"on", "it"}], [frozenset({"on"})])
    second.remember("t", lexed("play on").words, "on")
    assert first.find("t", lexed("play it's on").words) is None  # made anew, under its new names
    assert first.find("t", lexed("play if's in").words) == "it's"
    assert second.find("t", lexed("play on").words) == "on"
    assert second.find("t", lexed("play off").words) is None


def test_words_of_several_tokens_are_never_taken_for_others() -> None:
    spelled = ["a-", "-a", "a-a", "1-a", "--", "-", "a", "1"]
    pairs = [lexed(f"{left} {right}").words for left in spelled for right in spelled]
    memo = seen_of({"-"})
    for words in pairs:
        memo.remember("t", words, words)

    def classes(words: tuple[object, ...]) -> list[list[str]]:
        marks = str.maketrans("a1", "LD")
        return [[key.translate(marks)[0] for key in word] for word in words]  # type: ignore[attr-defined]  # a text or some

    for words in pairs:
        found = memo.find("t", words)
        assert isinstance(found, tuple)
        assert classes(found) == classes(words)


@pytest.mark.parametrize("most", ["MAX_OUTLINES", "MAX_SHAPES", "MAX_WORDS", "MAX_REMEMBERED"])
def test_a_memo_is_bounded(most: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, most, 3)
    memo = seen_of({"a", "b"})
    kinds = [
        lexed(text).words
        for text in ("a", "b", "a b", "b a", "x", "1", "?", "x1", "a a a ?", "a a b 1")
    ]
    for number, words in enumerate(kinds):
        memo.remember("t", words, number)
    found = [memo.find("t", words) for words in kinds]
    assert all(known in (None, number) for number, known in enumerate(found))
    kept = sum(known is not None for known in found)
    assert kept == {"MAX_OUTLINES": 1, "MAX_SHAPES": 9, "MAX_WORDS": 8, "MAX_REMEMBERED": 1}[most]


@pytest.mark.parametrize("name", DECISIONS)
def test_a_registry_decides_the_second_time_as_the_first(name: str) -> None:
    lines, text, expected = DECISIONS[name]
    registry = filled(*lines)
    assert [decision(registry, text) for _ in range(2)] == [expected, expected]
    assert decision(registry, text, max_candidates=0) in ("TooMany", expected, ("Miss", []))


def test_another_text_of_a_shape_is_decided_by_its_own_values() -> None:
    registry = filled(("t", "inverse", INVERSE, "live"), ("t", "on", ON, "live"))
    texts = {
        "lamp 4": ("hit", "inverse", 0.25, 1),
        "lamp 5": ("hit", "inverse", 0.2, 1),
        "LAMP  8": ("hit", "inverse", 0.125, 1),
        "lamp 0": ("AllFailed", ["inverse"]),
        "lamp 3": ("AllFailed", ["inverse"]),
        "lamp ٣": ("Miss", []),
        "lamp " + "1" * 401: ("Miss", []),
        "lamp x": ("Miss", []),
        "lamp on": ("Clash", ["inverse", "on"]),
    }
    for _ in range(2):
        assert {text: decision(registry, text) for text in texts} == texts
    assert isinstance(registry, Registry)

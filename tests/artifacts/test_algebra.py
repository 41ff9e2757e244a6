"""The algebra of grammars: answers, witnesses, limits. Brute force is in test_algebra_brute."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.grammar.algebra import trees
from artifacts.grammar.algebra.ambiguity import apart, unambiguous
from artifacts.grammar.algebra.examples import SPELLED
from artifacts.grammar.algebra.expressions import (
    ASCII_TOTAL_KINDS,
    TOTAL_KINDS,
    Complement,
    Concatenation,
    Intersection,
    Union,
    contains,
    expression,
)
from artifacts.grammar.algebra.leaves import IMPLIED
from artifacts.grammar.algebra.listing import (
    Count,
    Listing,
    count,
    enumerate_texts,
    sample,
    seeded,
)
from artifacts.grammar.algebra.product import Product, alphabet_for
from artifacts.grammar.algebra.questions import (
    Fails,
    Holds,
    Undecided,
    Verdict,
    disjoint,
    empty,
    equivalent,
    included,
    universal,
)
from artifacts.grammar.algebra.search import Search
from artifacts.grammar.algebra.symbols import SAMPLES, fresh_tokens, is_token_string
from artifacts.grammar.kinds import KINDS, kind_of
from artifacts.grammar.lexer import Tokens, lex, token_class
from artifacts.grammar.nfa import TooManyReadings, compile_nfa, readings
from artifacts.grammar.restricted import compile_grammar, read
from artifacts.grammar.spans import accepts
from artifacts.grammar.syntax import Grammar, Slot, slots
from artifacts.grammar.textform import parse_grammar, print_grammar
from artifacts.problems import Problem


def grammar(text: str) -> Grammar:
    tree = parse_grammar(text)
    assert not isinstance(tree, Problem), tree
    return tree


# the first grammar; the answer: "empty", or the shortest text
SHORTEST: dict[str, tuple[str, str | None]] = {
    "a-literal": ("Open It", "open it"),
    "two-letter-runs-that-meet-are-one-token": ("{x:word}{y:word}", None),
    "two-digit-runs-that-meet-are-one-token": ("{x:integer}{y:integer}", "7-7"),
    "a-literal-and-a-word-that-meet": ("re{x:word}", None),
    "a-blank-between-them": ("re {x:word}", "re alpha"),
    "blanks-at-the-ends-are-trimmed": ("[please ](open|shut)[ now]", "open"),
    "nothing-is-no-text": ("[ ]", None),
    "two-blanks-are-one-run": ("a [b] c", "a c"),
    "a-word-that-nobody-names": ("{x:word without alpha|bravo}", "kilo"),
    "a-phrase-is-no-connector": ("{x:phrase} and {y:phrase}", "7 and 7"),
    "an-identifier-is-not-marks-alone": ("{x:identifier}", "7"),
    "quotes-may-hold-nothing": ("say {x:quoted}", 'say ""'),
    "cjk-and-emoji": ("東京 🙂 {x:word}", "東京 🙂 alpha"),
    "a-mark-with-its-combining-marks": ("≠ {n:integer}", "≠ 7"),
    "except-all": ("(in {n=7|8}){except in {x:phrase}}", None),
    "except-some": ("(in {n:decimal} h){except in {m:integer} h}", "in 7.7 h"),
    "only": ("({x:phrase}){only in {n:integer} (h|m)}", "in 7 h"),
    "only-in-only": ("({x:phrase}){only ({y:phrase} h){except in {n:integer} h}}", "7 h"),
    "a-phrase-with-values": ("<size> = small => s | big => 3\nget {s:<size>}", "get big"),
    "digits-that-no-number-takes": (
        "(in {x:identifier} h){except in ({n:integer}|{w:word}) h}",
        "in ٣ h",
    ),
}


@pytest.mark.parametrize("name", SHORTEST)
def test_shortest(name: str) -> None:
    text, expected = SHORTEST[name]
    answer = empty(expression(grammar(text)))
    if expected is None:
        assert answer == Holds()
    else:
        assert isinstance(answer, Fails)
        assert answer.witness == expected
        tokens = lex(answer.witness)
        assert isinstance(tokens, Tokens)
        assert read(compile_grammar(grammar(text)), tokens)


# left, right; question, the answer: None for "holds", or the witness
COMPARED: dict[str, tuple[str, str, str, str | None]] = {
    "a-slot-of-the-same-kind": ("in {n:integer} h", "in {m:integer} (h|m)", "included", None),
    "an-integer-is-a-decimal": ("in {n:integer} h", "in {m:decimal} h", "included", None),
    "a-decimal-is-no-integer": ("in {n:decimal} h", "in {m:integer} h", "included", "in 7.7 h"),
    "a-number-is-an-identifier-of-short-names": (
        "in {n:integer} h", "in {m:percent} h", "disjoint", None,
    ),
    "a-word-is-a-phrase": ("{x:word without and|or|but|then|also|plus} h", "{x:phrase} h",
        "included", None),
    "a-connector-is-no-phrase": ("{x:word} h", "{x:phrase} h", "included", "also h"),
    "an-enumeration-of-words": ("{r=hall|bath} on", "{x:word} on", "included", None),
    "slots-do-not-matter": ("{r=hall|bath} on", "(bath|hall) on", "equivalent", None),
    "a-repeat-unrolled": ("(very ){0,2}slow", "[very [very ]]slow", "equivalent", None),
    "one-more": ("(very ){0,3}slow", "(very ){0,2}slow", "equivalent", "very very very slow"),
    "case-and-space-runs": ("Open  It", "open it", "equivalent", None),
    "nothing-in-common": ("open {x:word}", "shut {x:word}", "disjoint", None),
    "phrases-overlap": (
        "add {x:phrase} to my list", "add {x:phrase}[ to {y:phrase}]", "disjoint",
        "add 7 to my list",
    ),
    "what-a-parser-refuses-is-not-included": (
        "on {x:identifier}", "on ({n:integer}|{w:word})", "included", "on ٣",
    ),
    "excluded-tokens": ("{x:word without it} on", "{x:word} on", "included", None),
    "tokens-not-excluded": ("{x:word} on", "{x:word without it} on", "included", "it on"),
    "the-same-phrase": (
        "<s> = (small|tiny) => 1 | number {n:integer} => 2\nget {a:<s>}",
        "<s> = (small|tiny) => 1 | number {n:integer} => 2\nget {b:<s>}[ now]",
        "included", None,
    ),
    "a-restriction-is-included": (
        "({x:phrase} h){except in 7 h}", "{x:phrase} h", "included", None,
    ),
    "a-restriction-leaves-out": (
        "{x:phrase} h", "({x:phrase} h){except 7 h}", "included", "7 h",
    ),
}  # fmt: skip
QUESTIONS: dict[str, Callable[..., Verdict]] = {
    "included": included,
    "equivalent": equivalent,
    "disjoint": disjoint,
}


@pytest.mark.parametrize("name", COMPARED)
def test_compared(name: str) -> None:
    left, right, question, expected = COMPARED[name]
    answer = QUESTIONS[question](expression(grammar(left)), expression(grammar(right)))
    if expected is None:
        assert answer == Holds()
    else:
        assert isinstance(answer, Fails)
        assert answer.witness == expected


# grammar; None where no text has two readings, or a shortest one that has
AMBIGUOUS: dict[str, tuple[str, str | None]] = {
    "phrases-side-by-side": ("{x:phrase} {y:phrase}", "7 7 7"),
    "phrases-with-a-connector": ("{x:phrase} and {y:phrase}", None),
    "one-way-twice": ("(a|a) {n:integer}", None),
    "one-slot-on-two-paths": ("({x:word}|{x:word}) on", None),
    "two-slots-on-two-paths": ("({x:word}|{y:word}) on", "alpha on"),
    "two-kinds": ("({x:word}|{n:integer}) on", None),
    "a-slot-left-out": ("play {x:phrase}[ in {r=hall|bath}]", "play 7 in bath"),
    "a-restriction-forbids-it": ("({x:phrase} {y:phrase}){only {z:word}}", None),
    "a-restriction-leaves-others": (
        "({x:phrase} {y:phrase}){except 7 {z:phrase}}", "12 12 12",
    ),
    "a-phrase-of-two-values": ("<s> = big => 1 | (big|large) => 2\nget {s:<s>}", "get big"),
    "a-phrase-of-one-value": ("<s> = big => 1 | large => 2\nget {s:<s>}", None),
    "a-sign-or-a-mark": ("{x:identifier}{n:integer}", "7-7"),
}  # fmt: skip


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_ambiguous(name: str) -> None:
    text, expected = AMBIGUOUS[name]
    answer = unambiguous(grammar(text))
    if expected is None:
        assert answer == Holds()
        return
    assert isinstance(answer, Fails)
    assert answer.witness == expected
    tokens = lex(answer.witness)
    assert isinstance(tokens, Tokens)
    found = read(compile_grammar(grammar(text)), tokens)
    assert isinstance(found, TooManyReadings) or len(found) > 1


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"enumeration"}))
def test_every_kind_has_witnesses_and_is_included_in_itself(kind: str) -> None:
    narrow, wide = (
        expression(grammar(text)) for text in (f"set {{x:{kind}}} on", f"set {{y:{kind}}} (on|off)")
    )
    assert isinstance(empty(narrow), Fails)
    assert included(narrow, wide) == Holds()
    assert isinstance(included(wide, narrow), Fails)
    assert disjoint(narrow, Complement(wide)) == Holds()


def test_spellings_are_taken_by_their_kinds() -> None:
    for kind, spelled in SPELLED.items():
        assert all(KINDS[kind].parse(text) is not None for text in spelled), kind


def test_two_grammars_are_apart_or_share_a_shortest_text() -> None:
    assert apart(grammar("play {x:phrase}"), grammar("stop {x:phrase}")) == Holds()
    answer = apart(grammar("play {x:phrase}"), grammar("{y:word} it"))
    assert answer == Fails("play it")


@pytest.mark.parametrize("budget", [100, 1_000, 5_000])
@pytest.mark.parametrize("question", ["included", "equivalent"])
def test_a_blow_up_is_undecided_after_as_many_states_as_allowed(question: str, budget: int) -> None:
    many = "x " + "((a|b) ){0,16}" * 4
    left = expression(grammar(many + "a" + " (a|b)" * 15))
    right = expression(grammar(many + "b" + " (a|b)" * 15 + "|" + many + "a" + " (a|b)" * 14))
    answer = QUESTIONS[question](left, right, max_states=budget)
    if isinstance(answer, Undecided):
        assert answer.why == f"more than {budget} states would have to be looked at"
    else:
        assert isinstance(answer, Fails)


def test_a_search_looks_at_no_more_states_than_allowed() -> None:
    left = grammar("x " + "((a|b) ){0,16}" * 4 + "a" + " (a|b)" * 15)
    right = grammar("x " + "((a|b) ){0,16}" * 4 + "(a|c)" + " (a|b)" * 15)
    whole = Intersection((expression(left), Complement(expression(right))))
    product = Product(whole, alphabet_for(whole), from_above=True, marks=True)
    search = Search(product, 2_000)
    assert list(search.strings()) == []
    assert search.is_over_budget
    assert search.states == 2_000
    assert included(expression(left), expression(right), max_states=2_000) == Undecided(
        "more than 2000 states would have to be looked at"
    )


def test_listing_counting_and_drawing_stop_at_the_budget() -> None:
    whole = expression(grammar("x " + "((a|b) ){0,16}" * 4 + "a" + " (a|b)" * 15))
    over = Undecided("more than 50 states would have to be looked at")
    assert count(whole, 100, max_states=50) == over
    assert enumerate_texts(whole, 10, max_states=50) == over
    assert sample(whole, 10, seeded("0"), max_tokens=100, max_states=50) == over
    assert isinstance(count(whole, 10_000), Undecided)


def test_a_kind_that_refuses_everything_leaves_it_undecided_and_never_wrong() -> None:
    answer = empty(expression(grammar("(in {n:integer} h){only in ٣ h}")))
    assert answer == Undecided("the kinds of slots refuse the texts made of 2 token strings")


def test_enumeration_is_by_length_and_then_by_tokens() -> None:
    listing = enumerate_texts(expression(grammar("[very ](b|a){0,1}(-| c)[1]")), 100)
    assert isinstance(listing, Listing)
    assert listing.is_complete
    strings = [keys_of(text) for text in listing.texts]
    assert strings == sorted(strings, key=lambda keys: (len(keys), keys))
    assert len(strings) == len(set(strings))
    assert listing.texts[:6] == ("-", "c", "-1", "a-", "b-", "c1")


def keys_of(text: str) -> tuple[str, ...]:
    tokens = lex(text)
    assert isinstance(tokens, Tokens)
    return tokens.keys


def test_counts_are_of_token_strings() -> None:
    whole = expression(grammar("play {x:word}"))
    # by `play`, by a word that is not named; with one or more of the three joiners further words
    found = count(whole, 5)
    assert isinstance(found, Count)
    assert found.at_least == (0, 0, 2, 0, 2 * 3 * 2)
    assert count(whole, 3, tokens=["play", "it", "now", " "]) == Count((0, 0, 3), (0, 0, 3))
    number = count(expression(grammar("in {n:integer} h")), 6)
    assert number == Count((0, 0, 0, 0, 1, 1), (0, 0, 0, 0, 1, 1))
    refused = count(expression(grammar("in {n:integer} h")), 5, tokens=["in", "h", "٣", " "])
    assert isinstance(refused, Count)
    assert not refused.is_exact


def test_draws_are_even_within_a_length_and_between_lengths() -> None:
    whole = expression(grammar("(a|b|c|d)[ e]"))
    listing = sample(whole, 2_000, seeded("even"))
    assert isinstance(listing, Listing)
    seen = Counter(listing.texts)
    assert len(seen) == 8
    assert all(190 <= times <= 310 for times in seen.values()), seen
    again = sample(whole, 2_000, seeded("even"))
    assert again == listing
    assert sample(whole, 2_000, seeded("other")) != listing


def test_drawn_texts_are_read() -> None:
    text = "(set {x:phrase} to {n:decimal}[%]){except set 7 to {m:integer}}"
    listing = sample(expression(grammar(text)), 50, seeded("1"))
    assert isinstance(listing, Listing)
    assert len(set(listing.texts)) > 20
    assert all(contains(expression(grammar(text)), drawn) for drawn in listing.texts)


def test_a_concatenation_may_be_of_any_languages() -> None:
    verb, thing = expression(grammar("turn (on|off)")), expression(grammar("{x:word}"))
    both = Concatenation(verb, thing, True)
    assert equivalent(both, expression(grammar("turn (on|off) {x:word}"))) == Holds()
    assert empty(Concatenation(verb, thing, False)) == Holds()
    other = Concatenation(verb, Complement(thing), True)
    assert disjoint(both, other) == Holds()
    turn = Concatenation(verb, Union(()), True)
    assert empty(turn) == Holds()
    assert equivalent(Union((both, other)), Concatenation(verb, Intersection(()), True)) == Holds()


def test_everything_is_everything() -> None:
    some = expression(grammar("in {n:integer} h"))
    assert universal(Union((some, Complement(some)))) == Holds()
    assert universal(Intersection(())) == Holds()
    assert empty(Union(())) == Holds()
    assert isinstance(universal(some), Fails)


# operation, grammars, the text form of the result, or the code of the problem
TREES: dict[str, tuple[Callable[..., Grammar | Problem], list[str], str]] = {
    "union": (trees.union, ["open {x:word}", "shut {x:word}"], "open {x:word}|shut {x:word}"),
    "union-of-two-kinds": (trees.union, ["a {x:word}", "b {x:integer}"], "slot-conflict"),
    "union-with-a-restriction": (trees.union, ["(a){except b}", "c"], "bad-document"),
    "concatenation": (trees.concatenation, ["(turn on )", "{x:word}"], "turn on {x:word}"),
    "concatenation-binds-twice": (trees.concatenation, ["{x:word} ", "{x:word}"], "slot-conflict"),
    "intersection": (trees.intersection, ["a {x:word}", "{y:phrase}"],
        "(a {x:word}){only {y:phrase}}"),
    "difference": (trees.difference, ["a {x:word}", "a b", "a c"],
        "(a {x:word}){except a b}{except a c}"),
    "difference-of-differences": (trees.difference, ["({x:word}){except b}", "({y:word}){only c}"],
        "({x:word}){except b}{except ({y:word}){only c}}"),
    "two-phrases-of-one-name": (
        trees.intersection, ["<s> = a => 1\n{x:<s>} c", "<s> = b => 1\n{x:<s>} c"], "slot-conflict",
    ),
    "too-many-restrictions": (trees.difference, ["a"] + ["b"] * 5_000, "grammar-too-large"),
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_trees(name: str) -> None:
    operation, texts, expected = TREES[name]
    found = operation(*map(grammar, texts))
    if isinstance(found, Problem):
        assert found.code == expected
        return
    assert print_grammar(found) == expected
    assert parse_grammar(expected) == found


def test_slots_survive_intersection_and_difference() -> None:
    left = grammar("move {what:phrase} to {where:word}")
    for operation, other, text in (
        (trees.intersection, "move the {x:phrase}", "move the red box to hall"),
        (trees.difference, "move {x:word} to {y:word}", "move the red box to hall"),
    ):
        found = operation(left, grammar(other))
        assert not isinstance(found, Problem)
        assert [slot.name for slot in slots(found)] == ["what", "where"]
        tokens = lex(text)
        assert isinstance(tokens, Tokens)
        (bound,) = read(compile_grammar(found), tokens)  # type: ignore[misc]  # not too many
        assert {k: b.value for k, b in bound.items()} == {"what": "the red box", "where": "hall"}


def test_fresh_tokens_are_of_their_class_and_unnamed() -> None:
    for cls, samples in SAMPLES.items():
        assert all(token_class(key) == cls for key in samples)
        assert all(is_token_string((key,)) for key in samples if cls != "space")
        if cls != "space":
            (made,) = fresh_tokens(cls, frozenset(samples))
            assert made not in samples
            assert token_class(made) == cls
            assert is_token_string((made,))


def test_a_string_of_keys_is_that_of_a_text_or_of_none() -> None:
    seen: Counter[bool] = Counter()
    keys = st.sampled_from(["a", "é", "東", "1", "٣", "-", "≠", " ", "🙂", "\u0301", "\u200d"])

    @settings(max_examples=500)
    @given(st.lists(keys, max_size=5))
    def check(string: list[str]) -> None:
        tokens = lex("".join(string))
        expected = isinstance(tokens, Tokens) and bool(string) and tokens.keys == tuple(string)
        assert is_token_string(string) == expected
        seen[expected] += 1

    check()
    assert min(seen.values()) > 100


def test_kinds_take_what_is_said_of_them() -> None:
    seen: Counter[str] = Counter()
    tokens = st.sampled_from(
        ["a", "it", "and", "7", "12", "٣", "-", ".", "%", "7%", "'", '"', "/", ",", " "]
    )

    @settings(max_examples=900)
    @given(st.sampled_from(sorted(TOTAL_KINDS | ASCII_TOTAL_KINDS | set(IMPLIED))), st.data())
    def check(kind: str, data: st.DataObject) -> None:
        slot = Slot("x", kind, ("a", "it-7") if kind == "enumeration" else ())
        text = "".join(data.draw(st.lists(tokens, min_size=1, max_size=5)))
        read_as = lex(text)
        assert isinstance(read_as, Tokens)
        if text.strip() != text or not accepts(compile_nfa(slot), read_as):
            return
        value = kind_of(slot).parse(text)
        if kind in TOTAL_KINDS or text.isascii():
            assert value is not None
            seen[kind] += 1
        for wider in IMPLIED.get(kind, ()):
            if value is not None and accepts(compile_nfa(Slot("x", wider)), read_as):
                assert KINDS[wider].parse(text) is not None
                seen["implied"] += 1

    check()
    assert set(seen) == TOTAL_KINDS | ASCII_TOTAL_KINDS | {"implied"}


def test_the_matcher_reads_every_witness() -> None:
    wide = grammar("{x:identifier} {n:percent} {q:quoted} {w:word}")
    answer = empty(expression(wide))
    assert isinstance(answer, Fails)
    tokens = lex(answer.witness)
    assert isinstance(tokens, Tokens)
    assert readings(compile_nfa(wide), tokens)  # type: ignore[arg-type]  # without restrictions

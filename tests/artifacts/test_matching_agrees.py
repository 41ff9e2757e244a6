"""The engine agrees with a slow obvious matcher, and with google-re2 where patterns can say it."""

import random
from collections import Counter

import pytest

from artifacts.grammar.kinds import CONNECTORS
from artifacts.grammar.lexer import Tokens, lex, literal_keys, normalize
from artifacts.grammar.nfa import TooManyReadings, assignments
from artifacts.grammar.profile import profile
from artifacts.grammar.restricted import compile_grammar
from artifacts.grammar.rows import Rows, Way
from artifacts.grammar.syntax import (
    Alternatives,
    Literal,
    Node,
    Repeat,
    Sequence,
    Slot,
    alternatives,
    optional,
    sequence,
    slot_conflicts,
)
from tests.artifacts.grammars import KINDS_TRIED, SPELLED, WORDS, backtracked
from tests.artifacts.test_index import fits
from tests.benchmarks.bench_engine.families import families, hit, near_miss, stock

ENUMERATIONS = (("a",), ("a", "a b"), ("b a", "1"), ("a-b", "-"))


def tree(chance: random.Random, depth: int) -> Node:
    """A grammar by chance, as those of `grammars.trees`."""
    if depth == 0 or chance.random() < 0.4:
        which = chance.random()
        if which < 0.6:
            return Literal(literal_keys(chance.choice(WORDS)))
        if which < 0.85:
            return Slot(chance.choice("xyz"), chance.choice(KINDS_TRIED))
        return Slot(chance.choice("xyz"), "enumeration", chance.choice(ENUMERATIONS))
    parts = [tree(chance, depth - 1) for _ in range(chance.randint(1, 3))]
    match chance.randrange(4):
        case 0:
            return alternatives(*parts)
        case 1:
            return optional(parts[0])
        case 2:
            return Repeat(parts[0], chance.randint(0, 1), chance.randint(1, 3))
        case _:
            return sequence(*parts)


def spelled(node: Node, chance: random.Random) -> str:
    """A text that the grammar is likely to accept."""
    match node:
        case Literal(keys):
            return "".join(keys)
        case Slot(_, "enumeration", values):
            return chance.choice(values)
        case Slot(_, kind):
            return chance.choice(SPELLED[kind])
        case Sequence(parts):
            return "".join(spelled(part, chance) for part in parts)
        case Alternatives(options):
            return spelled(chance.choice(options), chance)
        case Repeat(part, low, high):
            return "".join(spelled(part, chance) for _ in range(chance.randint(low, high or 2)))
        case _:
            raise AssertionError("no grammar has one")


def agreed(cases: int, seed: int) -> Counter[str]:
    """Compare that many texts with the slow matcher; return how many had each outcome."""
    chance = random.Random(seed)
    seen: Counter[str] = Counter()
    while seen.total() < cases:
        node = tree(chance, 3)
        rows, found = Rows(compile_grammar(node)), profile(node)
        for number in range(8):
            text = spelled(node, chance)
            if number % 2:
                text = "".join(chance.choices(WORDS, k=chance.randint(1, 6)))
            tokens = lex(text)
            assert isinstance(tokens, Tokens)
            keys = tokens.keys
            if len(keys) > 9:  # the slow one is exponential
                continue
            ways = rows.ways(tokens)
            expected = backtracked(node, keys) if keys else set()
            direct = assignments(rows.nfa, keys)
            if isinstance(direct, TooManyReadings):
                assert len(expected) > 1 or any(slot_conflicts(node))  # ways of one name are one
            else:
                named = [
                    tuple(sorted((rows.nfa.slots[o].name, first, end) for o, first, end in way))
                    for way in direct
                ]
                assert set(named) == expected, (node, text)
            assert (ways is None) == (not expected), (node, text)
            if expected:
                assert fits(found, tokens), (node, text)
            if isinstance(ways, Way) and not any(slot_conflicts(node)):
                assert len(expected) == 1
            seen["accepted" if expected else "refused"] += 1
    return seen


def test_it_agrees_with_a_slow_matcher() -> None:
    seen = agreed(3_000, 1)
    assert min(seen["accepted"], seen["refused"]) >= 0.2 * seen.total(), seen


@pytest.mark.slow
def test_it_agrees_with_a_slow_matcher_over_a_hundred_thousand_cases() -> None:
    seen = agreed(100_000, 2)
    assert min(seen["accepted"], seen["refused"]) >= 0.2 * seen.total(), seen


def agreed_with_re2(cases: int, seed: int) -> Counter[str]:
    """Compare acceptance and spans with google-re2, on families whose kinds patterns can say."""
    re2 = pytest.importorskip("re2")
    chance, made_of = random.Random(seed), stock(0, hard=True)
    seen: Counter[str] = Counter()
    for family in families(cases, seed, made_of):
        rows, pattern = Rows(compile_grammar(family.tree)), re2.compile(family.regex)
        for number in range(16):
            text = hit(family, chance, made_of)
            if number % 2:
                text = near_miss(text, chance, made_of)
            tokens = lex(text)
            assert isinstance(tokens, Tokens)
            found, ways = pattern.fullmatch(normalize(text)), rows.ways(tokens)
            if not CONNECTORS.isdisjoint(tokens.keys):  # no pattern of re2 leaves words out
                continue
            assert (found is None) == (ways is None), (family.regex, text)
            if isinstance(ways, Way) and found is not None:
                bindings = ways.bindings(tokens)
                assert bindings is not None
                spans = {(b.slot, b.start, b.end) for b in bindings.values()}
                groups = range(1, len(spans) + 1)
                assert spans == {(f"s{at - 1}", *found.span(at)) for at in groups}
                seen["spans"] += 1
            seen["refused" if found is None else "accepted"] += 1
        if seen["accepted"] + seen["refused"] >= cases:
            return seen
    return seen


def test_it_agrees_with_re2() -> None:
    seen = agreed_with_re2(2_000, 3)
    assert min(seen["accepted"], seen["refused"]) >= 0.2 * (seen["accepted"] + seen["refused"])
    assert seen["spans"] > 0


@pytest.mark.slow
def test_it_agrees_with_re2_over_a_hundred_thousand_cases() -> None:
    seen = agreed_with_re2(100_000, 4)
    assert min(seen["accepted"], seen["refused"]) >= 0.2 * (seen["accepted"] + seen["refused"])
    assert seen["spans"] > 0

"""The algebra against brute force: every operation on every text of few tokens."""

import random
from collections import Counter

import pytest

from artifacts.grammar.algebra.ambiguity import unambiguous
from artifacts.grammar.algebra.expressions import (
    Complement,
    Concatenation,
    Expression,
    Intersection,
    Leaf,
    Union,
    contains,
    difference,
    expression,
)
from artifacts.grammar.algebra.listing import Count, Listing, count, enumerate_texts
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
)
from artifacts.grammar.algebra.symbols import is_token_string
from artifacts.grammar.lexer import Tokens, lex, token_class
from artifacts.grammar.syntax import Node, Restricted, alternatives
from tests.artifacts.algebra_cases import TOKENS, brute, changed, spans_read, token_strings, tree

STRINGS = list(token_strings(3))
QUESTIONS = {"empty": empty, "included": included, "equivalent": equivalent, "disjoint": disjoint}


def operations(left: Expression, right: Expression) -> dict[str, Expression]:
    return {
        "union": Union((left, right)),
        "intersection": Intersection((left, right)),
        "difference": difference(left, right),
        "complement": Complement(left),
        "joined": Concatenation(left, right, False),
        "joined-by-a-blank": Concatenation(left, right, True),
    }


def walk(product: Product, keys: tuple[str, ...]) -> bool:
    """Whether a product accepts a text."""
    alphabet = product.alphabet
    state = product.start
    for key in keys:
        found = next((i for i, s in enumerate(alphabet.symbols) if key in s.keys), None)
        if found is None:
            cls = token_class(key)
            found = next(i for i, s in enumerate(alphabet.symbols) if s.fresh and s.group == cls)
        following = product.row(state)[found]
        if following is None:
            return False
        state = following
    return product.accepts(state)


def listed(whole: Expression, limit: int = 60) -> list[tuple[str, ...]]:
    """Some texts of a language, to be judged by others."""
    listing = enumerate_texts(whole, limit, max_tokens=8)
    assert isinstance(listing, Listing)
    return [literal(text) for text in listing.texts]


def compare_texts(pairs: int, texts: int, seed: int) -> Counter[tuple[str, bool]]:
    """Every operation on every text: product, matcher and brute force agree."""
    chance = random.Random(seed)
    seen: Counter[tuple[str, bool]] = Counter()
    for _ in range(pairs):
        first = tree(chance, 2)
        second = changed(chance, first) if chance.random() < 0.7 else tree(chance, 2)
        both = Leaf(first), Leaf(second)
        near = [keys for whole in both for keys in listed(whole)]
        joined = [
            (*left, *blank, *right)
            for blank in ((), (" ",))
            for left, right in zip(listed(both[0])[:20], listed(both[1])[:20], strict=False)
        ]
        pool = [*filter(is_token_string, {*near, *joined, *chance.sample(STRINGS, texts)})]
        pool.sort()
        chance.shuffle(pool)
        for name, whole in operations(*both).items():
            alphabet = alphabet_for(whole)
            above = Product(whole, alphabet, from_above=True)
            below = Product(whole, alphabet, from_above=False)
            members = [keys for keys in pool if brute(whole, keys)][: texts // 2]
            others = [keys for keys in pool if keys not in members]
            chosen = [*members, *others[: texts - len(members)]]
            for keys in chosen:
                expected = brute(whole, keys)
                case = first, second, name, keys
                assert contains(whole, "".join(keys)) == expected, case
                assert walk(above, keys) or not expected, case
                assert expected or not walk(below, keys), case
                seen[name, expected] += 1
    return seen


def compare_answers(pairs: int, seed: int) -> Counter[tuple[str, str]]:
    """Every question: a proof has no counterexample, a witness is one and is shortest."""
    chance = random.Random(seed)
    seen: Counter[tuple[str, str]] = Counter()
    for _ in range(pairs):
        first = tree(chance)
        second = changed(chance, first) if chance.random() < 0.8 else tree(chance)
        both = Leaf(first), Leaf(second)
        for name, question in QUESTIONS.items():
            if name == "empty":
                whole = chance.choice([*operations(*both).values()])
                answer: Verdict = empty(whole)
            else:
                whole = {
                    "included": difference(*both),
                    "equivalent": Union((difference(*both), difference(*reversed(both)))),
                    "disjoint": Intersection(both),
                }[name]
                answer = question(*both)
            hold(whole, answer, (first, second, name))
            seen[name, type(answer).__name__] += 1
    return seen


def hold(whole: Expression, answer: Verdict, case: object) -> None:
    """Check one answer to whether a language is empty."""
    found = next((keys for keys in STRINGS if brute(whole, keys)), None)
    if isinstance(answer, Fails):
        tokens = lex(answer.witness)
        assert isinstance(tokens, Tokens)
        assert brute(whole, literal(answer.witness)), (case, answer)
        if found is not None and answer.is_shortest:
            assert len(tokens.keys) <= len(found), (case, answer, found)
    elif isinstance(answer, Holds):
        assert found is None, (case, found)


def literal(text: str) -> tuple[str, ...]:
    tokens = lex(text)
    assert isinstance(tokens, Tokens)
    return tokens.keys


def enough(seen: Counter[tuple[str, bool]], of: int) -> None:
    total, members = seen.total(), sum(n for (_, member), n in seen.items() if member)
    assert total >= of
    assert 0.2 <= members / total <= 0.8, (members, total)
    assert all(seen[name, member] for name, _ in seen for member in (True, False)), seen


def told(seen: Counter[tuple[str, str]]) -> None:
    by_answer = Counter[str]()
    for (_, answer), number in seen.items():
        by_answer[answer] += number
    total = by_answer.total()
    assert by_answer["Holds"] >= 0.2 * total
    assert by_answer["Fails"] >= 0.2 * total
    assert by_answer["Undecided"] <= 0.02 * total, by_answer  # e.g. is a long number a name?


def test_operations_agree_with_brute_force() -> None:
    enough(compare_texts(pairs=12, texts=60, seed=1), 4_000)


def test_answers_agree_with_brute_force() -> None:
    told(compare_answers(pairs=40, seed=2))


@pytest.mark.slow
def test_operations_agree_with_brute_force_over_a_hundred_thousand_cases() -> None:
    enough(compare_texts(pairs=170, texts=100, seed=3), 100_000)


@pytest.mark.slow
def test_answers_agree_with_brute_force_over_many_pairs() -> None:
    told(compare_answers(pairs=200, seed=4))


def test_a_relative_complement_and_its_counterpart_make_up_the_grammar() -> None:
    chance = random.Random(5)
    seen: Counter[str] = Counter()
    for _ in range(60):
        first = tree(chance, 2)
        whole = alternatives(first, tree(chance, 2))
        by: Node | Restricted = changed(chance, first)
        if chance.random() < 0.3:
            by = Restricted(by, tree(chance), chance.random() < 0.5)
        kept = expression(Restricted(whole, by, True))
        left = expression(Restricted(whole, by, False))
        assert disjoint(kept, left) == Holds(), (whole, by)
        assert equivalent(Union((kept, left)), Leaf(whole)) == Holds(), (whole, by)
        near = (*listed(kept, 10), *listed(left, 10), *chance.sample(STRINGS, 20))
        for keys in near:
            inside = brute(Leaf(whole), keys), brute(kept, keys), brute(left, keys)
            assert inside in {(False, False, False), (True, True, False), (True, False, True)}
            seen[("out", "kept", "left")[inside[1] + 2 * inside[2]]] += 1
        seen["both halves"] += isinstance(empty(kept), Fails) and isinstance(empty(left), Fails)
    assert seen["kept"] > 20
    assert seen["left"] > 20
    assert seen["both halves"] > 10


def test_ambiguity_agrees_with_brute_force() -> None:
    chance = random.Random(8)
    seen: Counter[str] = Counter()
    for _ in range(80):
        whole = tree(chance, 2)
        if chance.random() < 0.3:
            whole = alternatives(whole, tree(chance, 1), tree(chance, 1))
        answer = unambiguous(whole)
        several = [keys for keys in STRINGS if len(spans_read(whole, keys)) > 1]
        if isinstance(answer, Fails):
            assert len(spans_read(whole, literal(answer.witness))) > 1
            if several and answer.is_shortest:
                assert len(literal(answer.witness)) <= len(several[0])
        elif isinstance(answer, Holds):
            assert not several, (whole, several[0])
        seen[type(answer).__name__] += 1
    assert min(seen["Holds"], seen["Fails"]) >= 16
    assert seen["Undecided"] <= 2


def test_counts_agree_with_brute_force() -> None:
    chance = random.Random(6)
    seen: Counter[str] = Counter()
    for _ in range(60):
        first = tree(chance)
        both = Leaf(first), Leaf(changed(chance, first))
        name, whole = chance.choice([*operations(*both).items()])
        found = count(whole, 3, tokens=TOKENS)
        assert isinstance(found, Count)
        expected = [0, 0, 0]
        for keys in STRINGS:
            expected[len(keys) - 1] += brute(whole, keys)
        between = zip(found.at_least, expected, found.at_most, strict=True)
        assert all(low <= number <= high for low, number, high in between), (name, whole)
        seen["exact" if found.is_exact else "bounds"] += 1
        seen["some"] += any(expected)
    assert min(seen.values()) > 5


def test_listings_agree_with_brute_force() -> None:
    chance = random.Random(7)
    seen: Counter[str] = Counter()
    for _ in range(60):
        first = tree(chance, 2)
        both = Leaf(first), Leaf(changed(chance, first))
        _, whole = chance.choice([*operations(*both).items()])
        listing = enumerate_texts(whole, 300, max_tokens=3)
        if isinstance(listing, Undecided):
            seen["undecided"] += 1
            continue
        assert isinstance(listing, Listing)
        strings = [literal(text) for text in listing.texts]
        assert all(brute(whole, keys) for keys in strings)
        assert len(set(strings)) == len(strings)
        assert [len(keys) for keys in strings] == sorted(len(keys) for keys in strings)
        named = {token for symbol in alphabet_for(whole).symbols for token in symbol.tokens}
        if len(strings) < 300:
            expected = {k for k in STRINGS if set(k) <= named and brute(whole, k)}
            assert expected <= set(strings)
        seen["complete" if listing.is_complete else "cut"] += 1
        seen["texts"] += len(strings)
    assert seen["complete"] > 5
    assert seen["cut"] > 5
    assert seen["texts"] > 300

"""The index: exactly the items whose profile a text has, whatever came and went."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifacts.grammar import index as index_module
from artifacts.grammar.index import Index
from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.nfa import accepts, compile_nfa
from artifacts.grammar.positions import positions
from artifacts.grammar.profile import Profile, mark_of, profile
from artifacts.grammar.syntax import Node
from tests.artifacts.grammars import backtracked, sampled, texts, trees
from tests.artifacts.test_matching import grammar


@dataclass(frozen=True)
class Filed:
    key: tuple[str, int]
    profile: Profile


KEYS = st.tuples(st.sampled_from("FGH"), st.integers(1, 20))
FORMS = [
    profile(grammar(form))
    for form in (
        "a", "b", "a b", "b a", "c [d] e", "(a|b) c", "(a|b|d) {x:integer}", "{r=a|b|c} d",
        "a {x:word}", "a {x:phrase} b", "{x:phrase} c", "d {x:integer}", "[a] c [b]",
        "{r=a|d} {s=b|c}", "a {s=b|c}", "(a|b)(c|d)", "e|f",
    )
]  # fmt: skip
FILED = st.builds(Filed, KEYS, st.sampled_from(FORMS))


def lexed(text: str) -> Tokens:
    tokens = lex(text)
    assert isinstance(tokens, Tokens)
    return tokens


def fits(found: Profile, tokens: Tokens) -> bool:
    """What a profile says of a text, slowly."""
    keys = [key for key in tokens.keys if key != " "]
    return bool(
        keys
        and found.required <= set(keys)
        and (not found.heads or not found.heads.isdisjoint(keys))
        and found.least <= len(keys) <= found.most
        and {keys[0], mark_of(keys[0])} & found.first
        and {keys[-1], mark_of(keys[-1])} & found.last
    )


def test_candidates_are_those_that_a_scan_of_all_items_finds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_module, "MAX_FLAT", 1)
    seen: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.one_of(FILED, FILED, FILED, KEYS), max_size=60),
        st.lists(st.sampled_from(("a", "b", "c", "d", "e", "7", "f-1")), min_size=1, max_size=5),
    )
    def check(changes: list[Filed | tuple[str, int]], words: list[str]) -> None:
        tokens = lexed(" ".join(words))
        index: Index[Filed] = Index()
        held: dict[tuple[str, int], Filed] = {}
        for change in changes:
            before = index
            known = Counter(before.candidates(tokens))
            if isinstance(change, Filed):
                seen["replaced" if change.key in held else "added"] += 1
                held[change.key] = change
                index = index.with_item(change)
            else:
                seen["removed" if held.pop(change, None) else "removed nothing"] += 1
                index = index.without(change)
            assert Counter(before.candidates(tokens)) == known
        found = index.candidates(tokens)
        needed = {item for item in held.values() if fits(item.profile, tokens)}
        assert len(found) == len(set(found))
        assert needed <= set(found)
        assert set(found) <= {i for i in held.values() if i.profile.required <= tokens.present()}
        assert set(index.filed) == set(held)
        seen["some" if found else "none"] += 1
        seen["divided"] += any(p.divided is not None for p in index.postings.values())
        for change in list(held):
            index = index.without(change)
        assert not (index.postings or index.required or index.opening or index.closing)

    check()
    wanted = ("added", "replaced", "removed", "removed nothing", "some", "none", "divided")
    assert min(seen[key] for key in wanted) > 0, seen


def test_each_item_is_filed_under_its_rarest_token() -> None:
    index: Index[Filed] = Index()
    for version, form in enumerate(("the", "the lamp", "the fan", "the lamp fan"), 1):
        index = index.with_item(Filed(("F", version), profile(grammar(form))))
    assert {key: tokens for key, (_, tokens) in index.filed.items()} == {
        ("F", 1): ("the",),
        ("F", 2): ("lamp",),
        ("F", 3): ("fan",),
        ("F", 4): ("lamp",),
    }
    assert index.without(("F", 9)) is index


def test_a_profile_holds_for_every_text_of_its_grammar() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(trees(), st.data())
    def check(tree: Node, data: st.DataObject) -> None:
        nfa, found = compile_nfa(tree), profile(tree)
        assert positions(tree) == len(nfa.follow)
        assert (found.least == 0) == nfa.nullable
        assert nfa.by_key.keys() - {" "} <= frozenset().union(*found.names)
        text = data.draw(st.one_of(sampled(tree), texts()))
        tokens = lexed(text)
        if not accepts(nfa, tokens):
            seen["no text"] += 1
            return
        keys = [key for key in tokens.keys if key != " "]
        assert found.required <= set(keys)
        assert not found.heads or not found.heads.isdisjoint(keys)
        assert found.least <= len(keys) <= found.most
        assert {keys[0], mark_of(keys[0])} & found.first
        assert {keys[-1], mark_of(keys[-1])} & found.last
        assert all(map(found.may_have, keys))
        assert any(
            (len(start) == len(keys) or (len(start) < len(keys) and more))
            and all(
                {key, mark_of(key)} & allowed for key, allowed in zip(keys, start, strict=False)
            )
            for start, more in found.openings
        )
        seen["a text"] += 1
        seen["heads"] += bool(found.heads)

    check()
    assert min(seen[key] for key in ("a text", "no text", "heads")) > 0, seen


def test_profiles_that_may_not_meet_share_no_text() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(trees(), trees(), st.data())
    def check(one: Node, other: Node, data: st.DataObject) -> None:
        empty: Index[Filed] = Index()
        index = empty.with_item(Filed(("F", 1), profile(one)))
        beside, unseen = index.beside(profile(other), 100)
        assert unseen == 0
        seen["near" if beside else "apart"] += 1
        keys = lexed(data.draw(sampled(one))).keys
        if keys and backtracked(other, keys) and backtracked(one, keys):
            seen["shared"] += 1
            assert beside
        assert bool(index.beside(profile(other), 0)[1]) >= bool(beside)

    check()
    assert min(seen[key] for key in ("near", "apart", "shared")) > 0, seen

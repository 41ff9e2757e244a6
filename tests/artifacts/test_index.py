"""The index: exactly the items whose required tokens all occur, whatever came and went."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from artifacts.grammar.index import Index


@dataclass(frozen=True)
class Filed:
    key: tuple[str, int]
    required: frozenset[str]


TOKENS = "abcdef"
KEYS = st.tuples(st.sampled_from("FGH"), st.integers(1, 3))
FILED = st.builds(Filed, KEYS, st.frozensets(st.sampled_from(TOKENS), min_size=1, max_size=4))


def test_candidates_are_those_that_a_scan_of_all_items_finds() -> None:
    seen: Counter[str] = Counter()

    @given(
        st.lists(st.one_of(FILED, KEYS), max_size=20),
        st.lists(st.sampled_from(TOKENS), max_size=8),
    )
    def check(changes: list[Filed | tuple[str, int]], text: list[str]) -> None:
        index: Index[Filed] = Index()
        held: dict[tuple[str, int], Filed] = {}
        for change in changes:
            before = index
            known = list(before.candidates(TOKENS))
            if isinstance(change, Filed):
                seen["replaced" if change.key in held else "added"] += 1
                held[change.key] = change
                index = index.with_item(change)
            else:
                seen["removed" if held.pop(change, None) else "removed nothing"] += 1
                index = index.without(change)
            assert Counter(before.candidates(TOKENS)) == Counter(known)
        expected = [item for item in held.values() if item.required <= set(text)]
        found = list(index.candidates(text))
        assert sorted(item.key for item in found) == sorted(item.key for item in expected)
        assert set(found) == set(expected)
        assert set(index.filed) == set(held)
        seen["some" if found else "none"] += 1

    check()
    assert min(seen[k] for k in ("added", "replaced", "removed", "some", "none")) > 0


def test_each_item_is_filed_under_its_rarest_token() -> None:
    index: Index[Filed] = Index()
    for version, required in enumerate(("the", "the lamp", "the fan", "the lamp fan"), 1):
        index = index.with_item(Filed(("F", version), frozenset(required.split())))
    assert dict(index.filed) == {
        ("F", 1): "the",
        ("F", 2): "lamp",
        ("F", 3): "fan",
        ("F", 4): "lamp",
    }
    assert index.without(("F", 9)) is index

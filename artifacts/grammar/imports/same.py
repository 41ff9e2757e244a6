"""Do two automata take the same texts? The product of their subsets, with a budget (Hopcroft and
Karp 1971 without the merging: the automata asked about have a few dozen positions)."""

from artifacts.grammar.nfa import Nfa

MAX_PAIRS = 5_000

_Pair = tuple[int, int]


def same_language(left: Nfa, right: Nfa) -> bool | None:
    """Return if two token grammars take the same texts; None beyond `MAX_PAIRS`."""
    keys = {*left.by_key, *right.by_key}
    classes = {*left.by_class, *right.by_class}
    masks = {(left.mask(key), right.mask(key)) for key in keys}
    masks |= {(left.by_class.get(each, 0), right.by_class.get(each, 0)) for each in classes}
    if left.nullable != right.nullable:
        return False
    start = left.first, right.first
    seen: set[_Pair] = {start}
    waiting = [start]
    while waiting:
        reach_left, reach_right = waiting.pop()
        for mask_left, mask_right in masks:
            state_left, state_right = reach_left & mask_left, reach_right & mask_right
            if bool(state_left & left.last) != bool(state_right & right.last):
                return False
            after = _after(left, state_left), _after(right, state_right)
            if after not in seen:
                if len(seen) >= MAX_PAIRS:
                    return None
                seen.add(after)
                waiting.append(after)
    return True


def _after(nfa: Nfa, state: int) -> int:
    reachable = 0
    while state:
        low = state & -state
        reachable |= nfa.follow[low.bit_length() - 1]
        state ^= low
    return reachable

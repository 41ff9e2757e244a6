"""Changes of one slot that exclude rejected texts: narrower kind, fewer values, excluded tokens."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from artifacts.grammar.kinds import kind_of
from artifacts.grammar.lexer import lex, literal_keys, normalize, token_class
from artifacts.grammar.nfa import Bindings, readings
from artifacts.grammar.syntax import (
    Grammar,
    Restricted,
    Slot,
    core,
    replaced,
    slots,
)
from artifacts.learning.grammars.choice import holds, listed_kinds, text_bits
from artifacts.learning.grammars.language import automaton, reads_text, share_taken

MAX_EXCLUDED = 12
MAX_VALUES = 50
_COMPARED_TOKENS = 8
CHANGE_BITS = 4.0
"""What it costs to say what is changed, and how."""


@dataclass(frozen=True, slots=True)
class Change:
    """One slot, by what it is replaced, and the description length of that."""

    slot: Slot
    by: Slot
    bits: float

    def __str__(self) -> str:
        name, by = f"{{{self.slot.name}}}", self.by
        if by.values:
            return f"{name} is one of {', '.join(by.values)}"
        if by.kind != self.slot.kind:
            return f"{name} is of kind {by.kind}, not {self.slot.kind}"
        added = [key for key in by.without if key not in self.slot.without]
        return f"{name} is without {', '.join(added)}"


def slot_changes(
    grammar: Grammar, accepted: Sequence[str], inside: Sequence[str]
) -> Iterator[Change]:
    """Yield the changes of one slot each that keep all accepted texts and exclude some of `inside`.

    All texts must be read by the grammar.
    """
    for change in considered_changes(grammar, accepted, inside):
        if fits(grammar, change, accepted, inside):
            yield change


def considered_changes(
    grammar: Grammar, accepted: Sequence[str], inside: Sequence[str]
) -> Iterator[Change]:
    """Yield every change of one slot that is looked at, whether or not it fits."""
    kept = [found for text in accepted if (found := _readings(grammar, text))]
    wrong = [_readings(grammar, text) for text in inside]
    for slot in dict.fromkeys(slots(core(grammar))):
        spelled = [b[slot.name].spelling for found in kept for b in found if slot.name in b]
        for by, bits in _narrower(slot, spelled, wrong):
            yield Change(slot, by, CHANGE_BITS + bits)


def fits(grammar: Grammar, change: Change, accepted: Sequence[str], inside: Sequence[str]) -> bool:
    """Return whether a change keeps all accepted texts and excludes some of `inside`."""
    value = changed(grammar, [change])
    return all(reads_text(value, text) for text in accepted) and not all(
        reads_text(value, text) for text in inside
    )


def combined(
    grammar: Grammar, found: Sequence[Change], inside: Sequence[str]
) -> tuple[Grammar, tuple[Change, ...], tuple[str, ...]]:
    """Return the grammar after changes, one a slot, those that exclude most first; and the texts
    that it still reads."""
    value, chosen, rest = grammar, list[Change](), tuple(inside)
    while rest:
        best: tuple[int, float, Change] | None = None
        for change in found:
            if any(change.slot == other.slot for other in chosen):
                continue
            narrower = changed(value, [change])
            excluded = sum(not reads_text(narrower, text) for text in rest)
            if excluded and (best is None or (excluded, -change.bits) > best[:2]):
                best = (excluded, -change.bits, change)
        if best is None:
            break
        chosen.append(best[2])
        value = changed(value, [best[2]])
        rest = tuple(text for text in rest if reads_text(value, text))
    return value, tuple(chosen), rest


def _readings(grammar: Grammar, text: str) -> tuple[Bindings, ...]:
    tokens = lex(text)
    if isinstance(tokens, str):
        return ()
    found = readings(automaton(core(grammar)), tokens)
    return found if isinstance(found, tuple) else ()


def _narrower(
    slot: Slot, spelled: Sequence[str], wrong: Sequence[tuple[Bindings, ...]]
) -> Iterator[tuple[Slot, float]]:
    counts = Counter(map(normalize, spelled))
    if slot.phrase is not None or not counts:
        return
    if slot.values:
        left = tuple(value for value in slot.values if value in counts)
        if len(left) < len(slot.values):
            yield replace(slot, values=left), sum(map(text_bits, left))
        return
    for kind in listed_kinds():
        narrower = replace(slot, kind=kind.name)
        if kind.name == slot.kind or not all(holds(kind, s) for s in spelled):
            continue
        if _is_within(narrower, slot):
            yield narrower, kind.cost_bits
    if 2 <= len(counts) <= MAX_VALUES:
        values = tuple(sorted(counts))
        yield Slot(slot.name, "enumeration", values), sum(map(text_bits, values))
    without = _excluded(slot, spelled, wrong)
    if without:
        both = tuple(sorted({*slot.without, *without}))
        yield replace(slot, without=both), sum(map(text_bits, without))


@cache
def _is_within(narrower: Slot, slot: Slot) -> bool:
    """Return whether all values of one slot, up to `_COMPARED_TOKENS`, are values of the other.

    As far as token grammars tell; where it could not be told, it is not.
    """
    return share_taken(narrower, slot, _COMPARED_TOKENS) == 0.0


def _excluded(
    slot: Slot, spelled: Sequence[str], wrong: Sequence[tuple[Bindings, ...]]
) -> tuple[str, ...]:
    """Return few tokens, none of them in an accepted value, that rejected values have.

    Digits of numbers are none: `without 7` says nothing of 8.
    One for each rejected text that can be excluded so, the most frequent first: every reading of
    the text must have it in this slot.
    """
    allowed = {key for text in spelled for key in literal_keys(text)} | {" "}
    is_number = kind_of(slot).type == "number"
    had: list[set[str]] = []
    for found in wrong:
        sets = [
            set(literal_keys(b[slot.name].spelling)) if slot.name in b else set() for b in found
        ]
        keys = set.intersection(*sets) - allowed if sets else set()
        had.append({key for key in keys if not (is_number and token_class(key) == "digits")})
    chosen: list[str] = []
    left = [keys for keys in had if keys]
    while left and len(chosen) < MAX_EXCLUDED:
        counts = Counter(key for keys in left for key in keys)
        best = min(counts, key=lambda key: (-counts[key], key))
        chosen.append(best)
        left = [keys for keys in left if best not in keys]
    return tuple(sorted(chosen))


def changed(grammar: Grammar, changes: Sequence[Change]) -> Grammar:
    """Return the grammar with the slots replaced wherever they occur; restrictions stay."""
    if isinstance(grammar, Restricted):
        part = changed(grammar.part, changes)
        return Restricted(part, grammar.by, grammar.keep)
    by = {change.slot: change.by for change in changes}
    return replaced(grammar, by)

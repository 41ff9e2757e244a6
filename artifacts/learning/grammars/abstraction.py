"""Machines over characters: which characters are one symbol is learned with the machine.

A few strings cannot tell of sixty characters, one by one, what each may follow. So characters are
taken for their class (a partition of the table below), but for a few that are symbols themselves:
those that, taken out of their class, shorten the description of machine and strings most. An
abstraction under which an accepted and a rejected string are the same is none.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from artifacts.learning.grammars.machine import Machine, merged_machine

MAX_SINGLED_OUT = 3
CANDIDATES = 5
MAX_MERGES = 3_000
_SINGLED_OUT_BITS = 7.0


def _one(character: str) -> str:
    return "any"


def _class(character: str) -> str:
    if character.isdigit():
        return "digit"
    return "letter" if character.isalpha() else "mark"


def _cased(character: str) -> str:
    if character.isalpha():
        return "upper" if character.isupper() else "lower"
    return _class(character)


def _itself(character: str) -> str:
    return character


PARTITIONS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"one": _one, "class": _class, "cased": _cased, "each": _itself}
)


@dataclass(frozen=True, slots=True)
class CharacterMachine:
    """A machine over the classes of characters; those singled out are symbols themselves."""

    partition: str
    singled_out: frozenset[str]
    machine: Machine
    bits: float

    def accepts(self, text: str) -> bool:
        """Return whether the text is accepted."""
        return self.machine.accepts(_symbols(text, self.partition, self.singled_out))


def _symbols(text: str, partition: str, singled_out: frozenset[str]) -> tuple[str, ...]:
    symbol = PARTITIONS[partition]
    return tuple(f"={c}" if c in singled_out else symbol(c) for c in text)


def learn_characters(accepted: Sequence[str], rejected: Sequence[str]) -> CharacterMachine | None:
    """Return the machine with the shortest description, or None when the strings contradict."""
    best: CharacterMachine | None = None
    ranked = _telling(accepted, rejected)
    for partition in PARTITIONS:
        singled_out: frozenset[str] = frozenset()
        here = _machine(partition, singled_out, accepted, rejected)
        for _ in range(0 if partition == "each" else MAX_SINGLED_OUT):
            tried = [
                made
                for character in ranked[:CANDIDATES]
                if character not in singled_out
                if (made := _machine(partition, singled_out | {character}, accepted, rejected))
            ]
            better = min(tried, key=lambda made: made.bits, default=None)
            if better is None:
                singled_out |= set(ranked[len(singled_out) : len(singled_out) + 1])
                continue
            if here is not None and better.bits >= here.bits:
                break
            here, singled_out = better, better.singled_out
        if here is not None and (best is None or here.bits < best.bits):
            best = here
    return best


def _machine(
    partition: str, singled_out: frozenset[str], accepted: Sequence[str], rejected: Sequence[str]
) -> CharacterMachine | None:
    strings = [_symbols(text, partition, singled_out) for text in accepted]
    others = [_symbols(text, partition, singled_out) for text in rejected]
    machine = merged_machine(strings, others, max_merges=MAX_MERGES)
    if machine is None:
        return None
    symbol = PARTITIONS[partition]
    members: dict[str, set[str]] = {}
    for character in {c for text in (*accepted, *rejected) for c in text} - singled_out:
        members.setdefault(symbol(character), set()).add(character)
    within = {name: math.log2(len(found)) for name, found in members.items()}
    told = sum(within.get(name, 0.0) for string in strings for name in string)
    bits = machine.bits(strings) + told + _SINGLED_OUT_BITS * len(singled_out)
    return CharacterMachine(partition, singled_out, machine, bits)


def _telling(accepted: Sequence[str], rejected: Sequence[str]) -> list[str]:
    """Return the characters by how much their presence tells accepted from rejected strings."""

    def difference(character: str) -> float:
        shares = [
            sum(character in text for text in texts) / max(1, len(texts))
            for texts in (accepted, rejected)
        ]
        return abs(shares[0] - shares[1])

    characters = sorted({c for text in accepted for c in text})
    return sorted(characters, key=lambda character: (-difference(character), character))

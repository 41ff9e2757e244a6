"""The engines beside ours: each as its users would have it on the same families.

`ready` makes an engine of families and returns the function that is timed: from an utterance,
normalized, to the numbers of the families that accept it, or, where the engine has them, spans.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.bench_engine.families import HASSIL_LISTS, Family, Stock

Match = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Engine:
    """How to make it, up to how many families it is sensible, and what it returns."""

    name: str
    most: int
    ready: Callable[[Sequence[Family], Stock], Match]
    returns: str


def _loop(patterns: Sequence[Any]) -> Match:
    def match(text: str) -> object:
        return [
            (number, [found.span(i + 1) for i in range(found.re.groups)])
            for number, pattern in enumerate(patterns)
            if (found := pattern.fullmatch(text))
        ]

    return match


def re_loop(families: Sequence[Family], _: Stock) -> Match:
    """Every pattern on every utterance, with spans."""
    return _loop([re.compile(family.regex) for family in families])


def regex_loop(families: Sequence[Family], _: Stock) -> Match:
    """The same with the package `regex`."""
    import regex

    return _loop([regex.compile(family.regex) for family in families])


def re2_set(families: Sequence[Family], _: Stock) -> Match:
    """One automaton over all; it says which families, and has no spans."""
    import re2

    options = re2.Options()
    options.max_mem = 4 << 30
    options.log_errors = False
    together = re2.Set.FullMatchSet(options)
    for family in families:
        together.Add(family.regex)
    together.Compile()
    return together.Match


def aho_re(families: Sequence[Family], _: Stock) -> Match:
    """The longest required literal of each family in one automaton, then its pattern, with spans.

    A family whose literals are all alternatives is tried on every utterance.
    """
    import ahocorasick

    automaton = ahocorasick.Automaton()
    filed: dict[str, list[int]] = {}
    always = [number for number, family in enumerate(families) if not family.required]
    for number, family in enumerate(families):
        if family.required:
            filed.setdefault(max(family.required, key=len), []).append(number)
    for word, numbers in filed.items():
        automaton.add_word(word, tuple(numbers))
    if filed:
        automaton.make_automaton()
    compiled: dict[int, re.Pattern[str]] = {}

    def match(text: str) -> object:
        found = []
        met = set(always)
        if filed:
            met.update(*(numbers for _, numbers in automaton.iter(text)))
        for number in met:
            pattern = compiled.get(number)
            if pattern is None:
                pattern = compiled[number] = re.compile(families[number].regex)
            hit = pattern.fullmatch(text)
            if hit:
                found.append((number, [hit.span(i + 1) for i in range(pattern.groups)]))
        return found

    return match


def hassil_sentences(families: Sequence[Family], made_of: Stock) -> Match:
    """Hassil's recognizer: an intent for each family, enumerations as its lists, texts as its
    wildcards, numbers as its ranges (whole ones alone)."""
    from hassil.intents import Intents
    from hassil.recognize import recognize_all

    lists: dict[str, Mapping[str, object]] = {
        f"e{number}": {"values": list(values)} for number, values in enumerate(made_of.enumerations)
    }
    lists["any"] = {"wildcard": True}
    for name in set(HASSIL_LISTS.values()):
        share = {"type": "percentage"} if name == "share" else {}
        lists[name] = {"range": {"from": 0, "to": 1000, **share}}
    intents = Intents.from_dict(
        {
            "language": "en",
            "intents": {
                f"F{number}": {"data": [{"sentences": [family.sentence]}]}
                for number, family in enumerate(families)
            },
            "lists": lists,
        }
    )
    return lambda text: [found.intent.name for found in recognize_all(text, intents)]


ENGINES = (
    Engine("re loop", 10_000, re_loop, "spans"),
    Engine("regex loop", 1_000, regex_loop, "spans"),
    Engine("google-re2 Set", 10_000, re2_set, "families"),
    Engine("pyahocorasick + re", 100_000, aho_re, "spans"),
    Engine("hassil", 100, hassil_sentences, "intents, slots"),
)

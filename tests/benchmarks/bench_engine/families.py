"""Families and utterances of the benchmark: the same for all engines, from one seed.

A family is a verb (perhaps one of two, perhaps after an opener), up to two content words, and one
to four slots between them: numbers, percents, words, phrases, and enumerations of ten to fifty
values from three hundred that families share. The words are those of the development streams where
these are present, else made of syllables.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from artifacts.grammar.kinds import CONNECTORS
from artifacts.grammar.syntax import Literal, Node, Slot, alternatives, optional, sequence

STREAMS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "streams"
OPENERS = ("please", "could you", "i want to", "now")
DETERMINERS = ("the", "a", "my", "all")
LINKS = ("to", "in", "for", "at", "with", "from", "by", "on")
ENUMERATIONS = 300
HARD_WORDS = 300

REGEXES = {
    "integer": r"-?[0-9]+",
    "decimal": r"-?[0-9]+(?:\.[0-9]+)?",
    "percent": r"-?[0-9]+(?:\.[0-9]+)? ?%",
    "word": r"[a-z]+(?:['-][a-z]+){0,4}",
    "phrase": r"[a-z0-9]+(?:['.&-][a-z0-9]+)*(?: [a-z0-9]+(?:['.&-][a-z0-9]+)*){0,5}",
}
"""Each kind over normalized ASCII, but for what it excludes: connectors, and numbers too long.

With an optional joiner in the phrase, as its token grammar has it, backtracking engines take
minutes for some utterances; so these are written for them.
"""
HASSIL_LISTS = {"integer": "whole", "decimal": "whole", "percent": "share"}


@dataclass(frozen=True, slots=True)
class Family:
    """A grammar, the same as a regular expression and in hassil's form, and how to make a text."""

    tree: Node
    regex: str
    sentence: str
    required: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    """For each part of the sentence, its spellings; of a slot, its kind in angle brackets."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What families are made of."""

    words: tuple[str, ...]
    enumerations: tuple[tuple[str, ...], ...]
    real_texts: tuple[str, ...]


def stock(seed: int, *, hard: bool = False) -> Stock:
    """Return the words, enumerations and real texts."""
    chance = random.Random(seed)
    texts = list(_real_texts())
    counts = Counter(word for text in texts for word in re.findall(r"[a-z]{3,12}", text.lower()))
    words = [word for word, _ in counts.most_common(20_000) if word not in CONNECTORS]
    if not words:
        syllables = [a + b for a, b in product("bdfgklmnprstv", "aeiou")]
        words = ["".join(parts) for parts in product(syllables, syllables[:20], syllables[:15])]
        texts = [" ".join(chance.choices(words, k=chance.randint(4, 14))) for _ in range(5000)]
    chance.shuffle(words)
    if hard:
        words = words[:HARD_WORDS]
    values = tuple(
        tuple(sorted(set(chance.sample(words, chance.randint(10, 50)))))
        for _ in range(ENUMERATIONS)
    )
    chance.shuffle(texts)
    return Stock(tuple(words), values, tuple(texts[:20_000]))


def _real_texts() -> Iterator[str]:
    for path in sorted(STREAMS.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                text = json.loads(line)["text"]
                if 20 <= len(text) <= 200 and text.isascii():
                    yield text


def families(count: int, seed: int, made_of: Stock) -> Iterator[Family]:
    """Yield the families, the first ones of a larger count being those of a smaller one."""
    for number in range(count):
        yield _family(random.Random(f"{seed}|{number}"), made_of)


def _family(chance: random.Random, made_of: Stock) -> Family:
    trees: list[Node] = []
    regexes: list[str] = []
    sentences: list[str] = []
    spelled: list[tuple[str, ...]] = []
    required: list[str] = []

    def blank() -> None:
        trees.append(Literal((" ",)))
        regexes.append(" ")
        sentences.append(" ")

    def literal(*texts: str) -> None:
        if trees:
            blank()
        trees.append(alternatives(*(Literal(_keys(text)) for text in texts)))
        regexes.append(f"(?:{'|'.join(texts)})")
        sentences.append(f"({'|'.join(texts)})" if len(texts) > 1 else texts[0])
        spelled.append(texts)
        required.extend(texts if len(texts) == 1 else ())

    def slot(name: str) -> None:
        blank()
        kind = chance.choice((*REGEXES, "enumeration", "enumeration"))
        if kind == "enumeration":
            which = chance.randrange(len(made_of.enumerations))
            values = made_of.enumerations[which]
            trees.append(Slot(name, kind, values))
            regexes.append(f"({'|'.join(values)})")
            sentences.append(f"{{e{which}:{name}}}")
            spelled.append(values)
            return
        trees.append(Slot(name, kind))
        regexes.append(f"({REGEXES[kind]})")
        sentences.append(f"{{{HASSIL_LISTS.get(kind, 'any')}:{name}}}")
        spelled.append((f"<{kind}>",))

    if chance.random() < 0.3:
        opener = chance.choice(OPENERS)
        trees.append(optional(Literal((*_keys(opener), " "))))
        regexes.append(f"(?:{opener} )?")
        sentences.append(f"[{opener}] ")
        verb = chance.sample(made_of.words, chance.choice((1, 1, 2)))
        trees.append(alternatives(*(Literal((word,)) for word in verb)))
        regexes.append(f"(?:{'|'.join(verb)})")
        sentences.append(f"({'|'.join(verb)})" if len(verb) > 1 else verb[0])
        spelled.append(tuple(verb))
        required.extend(verb if len(verb) == 1 else ())
    else:
        literal(*chance.sample(made_of.words, chance.choice((1, 1, 2))))
    if chance.random() < 0.5:
        literal(chance.choice(DETERMINERS))
    nouns = chance.randint(0 if required else 1, 2)
    for number in range(chance.randint(1, 4)):
        if number < nouns:
            literal(chance.choice(made_of.words))
        elif number:
            literal(chance.choice(LINKS))
        slot(f"s{number}")
    tree = sequence(*trees)
    return Family(tree, "".join(regexes), "".join(sentences), tuple(required), tuple(spelled))


def _keys(text: str) -> tuple[str, ...]:
    return tuple(key for word in text.split() for key in (" ", word))[1:]


def hit(family: Family, chance: random.Random, made_of: Stock) -> str:
    """Return a text of a family."""
    words = [_spelling(chance.choice(part), chance, made_of) for part in family.parts]
    return " ".join(words)


def _spelling(part: str, chance: random.Random, made_of: Stock) -> str:
    fill: dict[str, Callable[[], str]] = {
        "<integer>": lambda: str(chance.randint(0, 999)),
        "<decimal>": lambda: f"{chance.randint(0, 99)}.{chance.randint(1, 9)}",
        "<percent>": lambda: f"{chance.randint(1, 99)}%",
        "<word>": lambda: chance.choice(made_of.words),
        "<phrase>": lambda: " ".join(chance.choices(made_of.words, k=chance.randint(1, 6))),
    }
    return fill[part]() if part in fill else part


def near_miss(text: str, chance: random.Random, made_of: Stock) -> str:
    """Return a text with one word left out, put in, exchanged or moved."""
    words = text.split()
    at = chance.randrange(len(words))
    match chance.randrange(4):
        case 0 if len(words) > 1:
            del words[at]
        case 1:
            words.insert(at, chance.choice(made_of.words))
        case 2:
            words[at] = chance.choice(made_of.words)
        case _:
            words.append(words.pop(at))
    return " ".join(words)


def utterances(
    count: int, live: list[Family], seed: int, made_of: Stock
) -> list[tuple[str, int | None]]:
    """Return texts, each with the number of the family it was made from: every second one.

    A third of the others nearly is one of some family; two thirds are real.
    """
    chance = random.Random(seed)
    found: list[tuple[str, int | None]] = []
    for number in range(count):
        which = chance.randrange(len(live))
        if number % 2 == 0:
            found.append((hit(live[which], chance, made_of), which))
        elif number % 6 == 1:
            found.append((near_miss(hit(live[which], chance, made_of), chance, made_of), None))
        else:
            found.append((chance.choice(made_of.real_texts), None))
    return found

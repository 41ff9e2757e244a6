"""A thousand families made by κ, and a stream of utterances of which half are theirs.

The families share verbs, nouns, units and places, so that an utterance meets about one candidate
and a near miss meets one that refuses it. No text occurs twice.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from artifacts.artifact import Artifact
from artifacts.compiler import compile_recipe
from artifacts.registry import Registry, changed
from artifacts.stages import StageName
from artifacts.values import Json, canonical_json
from streams.events import Change

TENANT = "acme"
FAMILIES = 1000


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


VERBS = _words(
    "convert count move ship order reserve print resize rename archive scan label rotate deliver "
    "return repair polish inspect measure translate assign collect split merge pack load unload "
    "weigh clean paint cut fold stack sort store freeze heat mix pour fill drain charge replace "
    "install remove upgrade cancel renew extend pause resume"
)
NOUNS = _words(
    "invoice ticket parcel crate barrel pallet bottle carton poster photo report ledger voucher "
    "badge sensor camera printer router server cable battery engine filter valve pump hose wheel "
    "tyre mirror window door table chair lamp carpet curtain blanket pillow towel uniform jacket "
    "helmet glove ladder hammer drill wrench bucket brush roller canvas frame album magazine "
    "novel atlas manual"
)
UNITS = _words("pieces boxes euros cents litres grams metres minutes hours days pages rolls sheets")
PLACES = _words(
    "north south east west upper lower inner outer front rear main second third garden harbour "
    "station airport museum library market"
)
NAMES = _words("alice bruno chiara deniz emil fatou greta hugo ines jonas karim lena mateo nora")
COLOURS = ("red", "green", "dark blue", "yellow", "white", "black")
FREE = _words(
    "could you tell me whether our meeting tomorrow was moved because nobody answered my last "
    "message about the new schedule and I would rather not wait until next week for somebody to "
    "explain why this keeps happening again after every single update that we were promised"
)


@dataclass(frozen=True)
class Shape:
    """What families have in common: a phrasing, a program, and how to fill and answer it.

    `fill` returns a text for the words of a family, and what its program makes of it.
    """

    phrasing: str
    steps: tuple[Json, ...]
    answer: Json
    fill: Callable[[random.Random, "Words"], tuple[str, Json]]
    dont_care: tuple[str, ...] = ()


@dataclass(frozen=True)
class Words:
    """The words and the constant of one family."""

    verb: str
    noun: str
    unit: str
    place: str
    constant: int


def _slot(name: str) -> Json:
    return {"slot": name}


def _step(index: int) -> Json:
    return {"step": index}


def _apply(operator: str, *arguments: Json) -> Json:
    return {"op": operator, "args": list(arguments)}


CONSTANT: Json = {"number": "CONSTANT"}


def _converted(rng: random.Random, w: Words) -> tuple[str, Json]:
    n, please = rng.randrange(100_000), rng.choice(("please ", ""))
    text = f"{please}{w.verb} {n} {w.noun} into {w.unit} for the {w.place} team"
    return text, str(n * w.constant)


def _totalled(rng: random.Random, w: Words) -> tuple[str, Json]:
    n, k = rng.randrange(100_000), rng.randrange(1000)
    text = f"How many {w.unit} will {w.verb} of {n} {w.noun} and {k} more take"
    return text, n * w.constant + k


def _priced(rng: random.Random, w: Words) -> tuple[str, Json]:
    n, cents, who = rng.randrange(1, 100_000), rng.randrange(100), rng.choice(NAMES)
    text = f"{w.verb} {n} {w.noun} at {n % 90}.{cents:02} {w.unit} each for {who}"
    total = n * (100 * (n % 90) + cents)
    return text, {"who": who, "total": f"{total // 100}.{total % 100:02}"}


def _set(rng: random.Random, w: Words) -> tuple[str, Json]:
    n, name = rng.randrange(100_000), f"{rng.choice(NAMES)}-{rng.randrange(1000)}"
    when = rng.choice(("now", "today"))
    text = f"{w.verb} the {w.noun} of {name} in {w.place} to {n} {w.unit} {when}"
    return text, [name, n + w.constant]


def _coloured(rng: random.Random, w: Words) -> tuple[str, Json]:
    n, colour = rng.randrange(100_000), rng.choice(COLOURS)
    text = f"{w.verb} the {colour} {w.noun} for {n} {w.unit} in the {w.place} hall"
    return text, f"{colour}: {n * w.constant - w.constant}"


def _noted(rng: random.Random, w: Words) -> tuple[str, Json]:
    n, what = rng.randrange(100_000), " ".join(rng.sample(NAMES, rng.randrange(1, 4)))
    text = f"{w.verb} {what} from the {w.place} {w.noun} after {n} {w.unit}"
    return text, f"{what} {n // w.constant}"


SHAPES = (
    Shape(
        "[please ]VERB {n:integer} NOUN into UNIT for the PLACE team",
        (_apply("mul", _slot("n"), CONSTANT), _apply("show", _step(0))),
        {"value": _step(1)},
        _converted,
    ),
    Shape(
        "how many UNIT will VERB of {n:integer} NOUN and {k:integer} more take",
        (_apply("mul", _slot("n"), CONSTANT), _apply("add", _step(0), _slot("k"))),
        {"value": _step(1)},
        _totalled,
    ),
    Shape(
        "VERB {n:integer} NOUN at {p:decimal} UNIT each for {who:word}",
        (_apply("mul", _slot("n"), _slot("p")), _apply("fixed", _step(0), {"number": "2"})),
        {"object": {"who": {"value": _slot("who")}, "total": {"value": _step(1)}}},
        _priced,
    ),
    Shape(
        "VERB the NOUN of {name:identifier} in PLACE to {n:integer} UNIT (now|today)",
        (_apply("add", _slot("n"), CONSTANT),),
        {"list": [{"value": _slot("name")}, {"value": _step(0)}]},
        _set,
    ),
    Shape(
        f"VERB the {{c={'|'.join(COLOURS)}}} NOUN for {{n:integer}} UNIT in the PLACE hall",
        (
            _apply("mul", _slot("n"), CONSTANT),
            _apply("sub", _step(0), CONSTANT),
            _apply("show", _step(1)),
            _apply("concat", _slot("c"), {"text": ": "}, _step(2)),
        ),
        {"value": _step(3)},
        _coloured,
    ),
    Shape(
        "VERB {what:phrase} from the PLACE NOUN after {n:integer} UNIT",
        (
            _apply("floordiv", _slot("n"), CONSTANT),
            _apply("show", _step(0)),
            _apply("concat", _slot("what"), {"text": " "}, _step(1)),
        ),
        {"value": _step(2)},
        _noted,
    ),
)


@dataclass(frozen=True)
class Family:
    """A compiled family, and what its texts are made of."""

    artifact: Artifact
    shape: Shape
    words: Words


def families(rng: random.Random, count: int = FAMILIES) -> list[Family]:
    """Return so many families, different in all or most of verb, noun, shape, unit and place."""
    made: list[Family] = []
    pairs = list(product(VERBS, NOUNS))
    pairs = rng.sample(pairs * (1 + (count - 1) // len(pairs)), count)
    for number, (verb, noun) in enumerate(pairs):
        shape = SHAPES[number % len(SHAPES)]
        words = Words(verb, noun, rng.choice(UNITS), rng.choice(PLACES), rng.randrange(2, 5000))
        made.append(Family(_compiled(rng, shape, words, number), shape, words))
    return made


def _compiled(rng: random.Random, shape: Shape, words: Words, number: int) -> Artifact:
    examples = [shape.fill(rng, words) for _ in range(2)]
    phrasing = shape.phrasing.replace("VERB", words.verb).replace("NOUN", words.noun)
    phrasing = phrasing.replace("UNIT", words.unit).replace("PLACE", words.place)
    constant = str(words.constant)
    document = canonical_json(
        {
            "recipe": 1,
            "name": f"family-{number}",
            "phrasings": [phrasing],
            "steps": list(shape.steps),
            "answer": shape.answer,
            "constants": [constant, "2", words.verb, words.noun, words.unit, words.place],
            "examples": [{"text": text, "answer": answer} for text, answer in examples],
        }
    )
    artifact = compile_recipe(document.replace(b"CONSTANT", constant.encode()))
    assert isinstance(artifact, Artifact), artifact
    return artifact


def registry_of(made: Sequence[Family]) -> Registry:
    """Return the snapshot in which all of the families are live for `TENANT`."""
    registry = Registry()
    artifacts = [family.artifact for family in made]
    stages: tuple[StageName, ...] = ("shadow", "live")
    for stage in stages:
        changes = [
            Change(family=f"f-{number}", version=1, digest=artifact.digest, stage=stage)
            for number, artifact in enumerate(artifacts)
        ]
        after = changed(registry, registry.ordinal + 1, TENANT, changes, artifacts)
        assert isinstance(after, Registry), after
        registry = after
    return registry


def texts(rng: random.Random, made: Sequence[Family]) -> Iterator[str]:
    """Yield different texts for ever: a hit, a near miss, a hit, free text."""
    seen: set[str] = set()
    kinds = (_hit, _near_miss, _hit, _free)
    number = 0
    while True:
        text = kinds[number % len(kinds)](rng, rng.choice(made))
        if text not in seen:
            seen.add(text)
            number += 1
            yield text


def _hit(rng: random.Random, family: Family) -> str:
    text = family.shape.fill(rng, family.words)[0]
    return rng.choice((text, text, text.capitalize()))


def _near_miss(rng: random.Random, family: Family) -> str:
    """Return a text of the family with one word too few, too many, or another one."""
    words = _hit(rng, family).split(" ")
    at = rng.randrange(len(words))
    replaced = rng.choice(((), (words[at], rng.choice(FREE)), (rng.choice(NOUNS),)))
    return " ".join((*words[:at], *replaced, *words[at + 1 :]))


def _free(rng: random.Random, family: Family) -> str:
    words = [*rng.sample(FREE, 8), rng.choice((*NOUNS, *VERBS)), str(rng.randrange(1000))]
    rng.shuffle(words)
    return " ".join(words).capitalize() + rng.choice((".", "?", ""))

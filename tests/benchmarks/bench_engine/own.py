"""Our engine on the same families: loading, adding, looking up, and the worst utterances."""

import gc
import json
import random
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from artifacts.artifact import Artifact
from artifacts.grammar.jsonform import grammar_from_json, grammar_to_json
from artifacts.grammar.lexer import Tokens, lex
from artifacts.grammar.profile import profile
from artifacts.grammar.shapes import Seen
from artifacts.grammar.syntax import Literal, Node, Slot, optional, sequence
from artifacts.overlaps import overlaps
from artifacts.problems import Problem
from artifacts.program.evaluate import Computed
from artifacts.registry import Registry, changed
from artifacts.stages import StageName
from tests.benchmarks.bench_engine.families import Family

ANSWER = Computed("", (), 1)
TENANT = "t"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a change set."""

    family: str
    version: int
    digest: str
    stage: StageName
    share: float | None = None
    suspended: bool = False
    recheck: bool = False


class _Forgetful(Seen[Any]):
    """A memo that remembers nothing."""

    def find(self, tenant: str, words: object) -> None:
        """Return nothing."""

    def remember(self, tenant: str, words: object, found: object) -> None:
        """Remember nothing."""


def memory() -> float:
    """Return the resident memory of this process in MB."""
    with open("/proc/self/statm", encoding="ascii") as sizes:
        return int(sizes.read().split()[1]) * resource.getpagesize() / 1e6


def artifact(name: str, document: str) -> Artifact:
    """Return a family of a grammar in JSON; its program is the same for all, and free."""
    grammar = grammar_from_json(json.loads(document))
    assert not isinstance(grammar, Problem)
    nothing: Any = None  # what no lookup asks for
    found = profile(grammar)
    return Artifact(name, {}, grammar, found, nothing, lambda _: ANSWER, nothing, "text")


def loaded(documents: Sequence[str]) -> tuple[Registry, float, float]:
    """Return a registry of these grammars, each live, and the CPU seconds and MB that it took."""
    gc.collect()
    before = memory()
    started = time.process_time()
    gc.disable()  # as every agent does while it loads
    artifacts = [artifact(f"{number:08}", document) for number, document in enumerate(documents)]
    registry = Registry()
    for stage in ("shadow", "live"):
        changes = [Change(one.digest, 1, one.digest, stage) for one in artifacts]
        after = changed(registry, registry.ordinal + 1, TENANT, changes, artifacts)
        assert isinstance(after, Registry), after
        registry = after
    gc.enable()
    return registry, time.process_time() - started, memory() - before


def documents(families: Sequence[Family]) -> list[str]:
    """Return the grammars in JSON, as they are on the wire."""
    return [json.dumps(grammar_to_json(family.tree)) for family in families]


def adding(registry: Registry, documents: Sequence[str]) -> list[float]:
    """Return the CPU seconds of adding each family to the registry, with its overlaps."""
    spent = []
    for number, document in enumerate(documents):
        started = time.process_time()
        new = artifact(f"new{number}", document)
        overlaps(registry, new.grammar, TENANT)
        change = Change(new.digest, 1, new.digest, "shadow")
        after = changed(registry, registry.ordinal + 1, TENANT, [change], [new])
        spent.append(time.process_time() - started)
        assert isinstance(after, Registry)
    return spent


def lookups(registry: Registry) -> dict[str, Callable[[Tokens], object]]:
    """Return the lookup with its memo of shapes, and without."""
    without = replace(registry, seen=_Forgetful())
    return {
        "own": lambda tokens: registry.lookup(TENANT, tokens, max_candidates=64),
        "own, no memo": lambda tokens: without.lookup(TENANT, tokens, max_candidates=64),
    }


def adversaries() -> list[tuple[str, str]]:
    """Return names of utterances that are hard for grammars of six phrases, and the utterances."""
    chance = random.Random(0)
    fifty = " ".join(["and"] * 50)
    words = ["a", "b-c", "d.e", "x", "go"]
    long_word = "-".join(["a"] * 25)
    return [
        ("a phrase between each two 'and'", ("go " + " and ".join(["a b c d e f"] * 200))[:1999]),
        ("fifty 'and' at once", f"go {fifty} " + " ".join(["a"] * 800)),
        ("one endless word", "go " + "-".join(["a"] * 999)[:1997]),
        ("six long phrases", "go " + " and ".join([" ".join([long_word] * 6)] * 6)),
        ("one of six long phrases", "go " + " ".join(["-".join(["a"] * 166)] * 6)),
        (
            "random words and joiners",
            ("go " + " ".join(chance.choices(words, k=900)))[:1989] + " a",
        ),
        ("as many words as six phrases have", "go " + " ".join(["a-a-a"] * 36)),
    ]


def worst(seconds_of: Callable[[Callable[[], object]], float]) -> tuple[float, str]:
    """Return the seconds of the worst of those utterances, the first time it is seen, and which."""
    phrases = [Slot(f"s{number}", "phrase") for number in range(6)]
    space, joined = Literal((" ",)), Literal((" ", "and", " "))
    linked = [_linked(phrases, link) for link in (space, joined)]
    linked.append([phrases[0], *(optional(sequence(joined, one)) for one in phrases[1:])])
    trees = [sequence(Literal(("go", " ")), *parts) for parts in linked]
    registry, _, _ = loaded([json.dumps(grammar_to_json(tree)) for tree in trees])
    look = lookups(registry)["own, no memo"]
    found = []
    for name, text in adversaries():
        tokens = lex(text)
        assert isinstance(tokens, Tokens)
        found.append((seconds_of(lambda tokens=tokens: look(tokens)), name))
    return max(found)


def _linked(parts: Sequence[Slot], link: Literal) -> list[Node]:
    return [piece for part in parts for piece in (part, link)][:-1]

"""Slots that hardly vary: a version that lacks nothing but their values may do with those seen.

ComparisonMade (in shadow, agreed) ─▶ only values lacking, none to come? ─▶ VersionProposed (shadow)

A slot that was seen with two values in many comparisons will not soon be seen with a third. Closed
to the values seen it needs no more of them; whether a new value is to be expected is told as where
slots are first chosen, by the share of values seen once (Good–Turing, artifacts.learning.columns).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agents.comparisons import atom_of, claim_of
from agents.inheritance import Inheritance, price_of_choice, price_of_parent, with_parent
from agents.registries import answers_known
from artifacts.compiler import Given, answer_of, answers_all, compile_recipe
from artifacts.evidence import Evidence, fold, needs
from artifacts.grammar.lexer import normalize
from artifacts.learning.columns import MAX_NOVELTY
from artifacts.learning.repair import narrowed_to
from artifacts.policy import Policy
from artifacts.registry import Entry, Registry
from artifacts.values import canonical_json
from streams.events import Change, ComparisonMade, VersionProposed


def closed(
    inheritance: Inheritance, registry: Registry, entry: Entry, policy: Policy
) -> tuple[Inheritance, Sequence[VersionProposed]]:
    """Propose a version in shadow anew with the slots closed that hardly vary, each once.

    The new one inherits what the old one has shown; the old one goes on until the new one serves.
    """
    window = inheritance.window(entry)
    values = skewed_slots(entry, window, policy)
    keys = [(entry.scope, *entry.key, slot) for slot in values]
    if all(key in inheritance.closed for key in keys):
        return inheritance, ()
    inheritance = replace(inheritance, closed=inheritance.closed.update(dict.fromkeys(keys)))
    artifact = compile_recipe(canonical_json(narrowed_to(entry.artifact, values)))
    if isinstance(artifact, tuple) or not answers_all(artifact, entry.artifact.examples()):
        return inheritance, ()
    considered = 2 ** len(entry.artifact.open_slot_names)
    choice = price_of_choice(artifact, window, considered)
    if choice is None:
        return inheritance, ()
    version = len(registry.versions(entry.scope, entry.family)) + 1
    line = Change(family=entry.family, version=version, digest=artifact.digest, stage="shadow")
    proposal = VersionProposed(
        scope=entry.scope,
        actor="refiner",
        reason=f"closes {', '.join(values)} of {entry.family}@{entry.version}",
        changes=(line,),
        artifacts=(dict(artifact.document),),
        price_bits=price_of_parent(entry, policy, at_fault=False) + choice,
        baseline=answers_known(entry.baseline),
        previous=registry.ordinal,
    )
    return with_parent(inheritance, entry, version, artifact), (proposal,)


def skewed_slots(
    entry: Entry, window: Sequence[ComparisonMade], policy: Policy
) -> Mapping[str, tuple[str, ...]]:
    """Return the slots that alone keep a version in shadow, with the values seen; or none.

    It must have agreed `patience` times as often as asked for, and never disagreed. The values of
    its examples count as seen.
    """
    least = policy.patience * policy.min_agreements
    if entry.stage != "shadow" or len(window) < least:
        return {}
    evidence, digest = Evidence(), entry.artifact.digest
    now = [event for event in window if (event.digest, event.since) == (digest, entry.since)]
    for event in now:
        evidence = fold(evidence, atom_of(event))
    tally = evidence.tally(digest, entry.since)
    if tally.disagreements or tally.agreements < least:
        return {}
    lacking = [need for need in needs(tally, claim_of(entry), policy) if need.seen < need.needed]
    found: dict[str, tuple[str, ...]] = {}
    for need in lacking:
        if need.slot is None:
            return {}
        counts = Counter(normalize(e.values[need.slot]) for e in now if need.slot in e.values)
        if sum(count == 1 for count in counts.values()) > MAX_NOVELTY * counts.total():
            return {}
        found[need.slot] = (*counts, *_of_examples(entry, need.slot))
    return found


def _of_examples(entry: Entry, slot: str) -> list[str]:
    given = (answer_of(entry.artifact, text) for text, _ in entry.artifact.examples())
    bound = (one.bindings for one in given if isinstance(one, Given))
    return [normalize(bindings[slot].spelling) for bindings in bound if slot in bindings]

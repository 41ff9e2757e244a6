"""How an answer held against a target becomes an atom of evidence, and what a version must show.

Deciders that compare, fold or weigh evidence meet here, so that none of them imports another.
"""

from immutables import Map
from pydantic import JsonValue

from artifacts.comparators import same
from artifacts.compiler import Given
from artifacts.evidence import Claim, Comparison, Evidence, answer_bits, fold
from artifacts.registry import Entry
from artifacts.steering import Steering, learned
from artifacts.values import canonical_json
from streams.events import ComparisonMade, Stratum, Target


def atom_of(event: ComparisonMade) -> Comparison:
    """Return the atom that an event carries."""
    return Comparison(
        event.sample_id,
        event.digest,
        event.since,
        event.stratum,
        event.target,
        event.agreed,
        event.bits,
        event.values,
    )


def weighed(
    evidence: Evidence, steerings: Map[str, Steering], event: ComparisonMade
) -> tuple[Evidence, Map[str, Steering]]:
    """Return the evidence, and what steers admission in each scope, with what an event adds.

    What was counted before changes neither.
    """
    atom = atom_of(event)
    after = fold(evidence, atom)
    if after is evidence:
        return evidence, steerings
    known = steerings.get(event.scope, Steering())
    return after, steerings.set(
        event.scope, learned(known, atom, event.text, canonical_json(event.expected))
    )


def claim_of(entry: Entry) -> Claim:
    """Return what the version has to show before it may serve."""
    artifact = entry.artifact
    return Claim(artifact.slot_names, artifact.open_slot_names, entry.price, entry.returns)


def compared(
    entry: Entry,
    utterance_id: str,
    text: str,
    expected: JsonValue,
    given: Given,
    stratum: Stratum,
    target: Target = "teacher",
) -> ComparisonMade:
    """Return the atom of one answer held against what the target said."""
    comparator = entry.artifact.comparator
    return ComparisonMade(
        sample_id=utterance_id,
        scope=entry.scope,
        family=entry.family,
        version=entry.version,
        digest=entry.artifact.digest,
        since=entry.since,
        stratum=stratum,
        target=target,
        agreed=same(given.answer, expected, comparator),
        probability=1.0,
        comparator=comparator,
        bits=answer_bits(expected),
        values={name: bound.spelling for name, bound in given.bindings.items()},
        text=text,
        expected=expected,
    )

"""How an answer held against a target becomes an atom of evidence, and what a version must show.

Deciders that compare, fold or weigh evidence meet here, so that none of them imports another.
"""

from collections.abc import Iterable

from immutables import Map
from pydantic import JsonValue

from artifacts.artifact import Artifact
from artifacts.bits import answer_bits, answer_key
from artifacts.comparators import same
from artifacts.compiler import Given, answer_of
from artifacts.description import description_bits
from artifacts.evidence import Claim, Comparison, Evidence, fold
from artifacts.learning.clusters import Member
from artifacts.registry import Entry
from artifacts.steering import Steering, learned
from artifacts.values import Json, canonical_json
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
        event.stage,
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
    """Return what the version has to show before it may serve, or a canary before it is live."""
    artifact = entry.artifact
    return Claim(
        artifact.slot_names,
        artifact.open_slot_names,
        entry.price,
        entry.returns,
        description_bits(artifact),
        entry.stage == "canary",
        entry.recheck,
    )


def answers_beside(artifact: Artifact, members: Iterable[Member]) -> dict[str, Json]:
    """Return the answers that a version's baseline is made of, the last of each normalized text.

    A family without slots has one text, whose own answers are no baseline for it.
    """
    is_slotless = artifact.is_slotless
    return {
        m.normalized: m.answer
        for m in members
        if not is_slotless or answer_of(artifact, m.text) is None
    }


def compared(
    entry: Entry,
    utterance_id: str,
    text: str,
    expected: JsonValue,
    given: Given,
    stratum: Stratum,
    target: Target = "teacher",
    teacher: str | None = None,
    *,
    is_known: bool = False,
) -> ComparisonMade:
    """Return the atom of one answer held against what the target said.

    Of a text that `is_known` to the baseline its own answer is taken out first.
    """
    comparator, baseline = entry.artifact.comparator, entry.baseline
    if is_known and baseline is not None:
        baseline = baseline.without(answer_key(expected, comparator))
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
        bits=answer_bits(expected, comparator, baseline),
        values={name: bound.spelling for name, bound in given.bindings.items()},
        text=text,
        expected=expected,
        stage=entry.stage,
        teacher=teacher if target == "teacher" else None,
    )

"""What people should know of a new grammar at its admission: overlaps, and ambiguity, by a text.

Neither forbids anything: what two families read is decided utterance by utterance, and only answers
that would be lost count against a change (agents.registrar).
"""

from collections.abc import Iterator

from artifacts.artifact import Artifact
from artifacts.grammar.algebra.ambiguity import unambiguous
from artifacts.grammar.algebra.questions import Fails, Holds
from artifacts.overlaps import Overlap, overlaps
from artifacts.registry import Registry

MAX_STATES = 2000
"""States of each search; what they do not suffice for is said to be undecided."""
_LISTED = 5
_SHOWN = 80


def admission_notes(registry: Registry, scope: str, family: str, artifact: Artifact) -> str | None:
    """Say which families of others read a text of a new version, and whether it has two readings.

    Each with a shortest text found; None where there is nothing to say.
    """
    notes = [*_overlaps(registry, scope, family, artifact), *_ambiguity(artifact)]
    return "; ".join(notes) or None


def _overlaps(registry: Registry, scope: str, family: str, artifact: Artifact) -> Iterator[str]:
    shared: list[str] = []
    untold = 0
    for found in overlaps(registry, artifact.grammar, scope, max_states=MAX_STATES):
        if found.entry is not None and (found.entry.scope, found.entry.family) == (scope, family):
            continue
        if isinstance(found, Overlap):
            shared.append(
                f"{found.entry.family}@{found.entry.version} ({found.witness[:_SHOWN]!r})"
            )
        else:
            untold += 1
    if shared:
        more = f" and {len(shared) - _LISTED} more" if len(shared) > _LISTED else ""
        yield f"shares texts with {', '.join(shared[:_LISTED])}{more}"
    if untold:
        yield f"undecided for {untold} others"


def _ambiguity(artifact: Artifact) -> Iterator[str]:
    verdict = unambiguous(artifact.grammar, max_states=MAX_STATES)
    match verdict:
        case Fails(witness):
            yield f"reads {witness[:_SHOWN]!r} in more than one way"
        case Holds():
            return
        case _:
            yield "undecided whether it reads a text in two ways"

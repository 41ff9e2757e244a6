"""Clusters: fallbacks grouped by text skeleton and by the structure of their answers.

A cluster holds texts with equally many chunks, at least half of which are the same, whose answers
have one shape. This follows Drain (He et al., ICWS 2017), with the answer as a second key. A
cluster that failed is tried again only when it has grown by a third.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from immutables import Map

from artifacts.bits import TRUTHS
from artifacts.grammar.lexer import MAX_CODE_POINTS, normalize
from artifacts.learning.pieces import NUMBERS, chunk_mask, chunks, pieces_of
from artifacts.values import Json, canonical_json, digest, read_number

MAX_MEMBERS = 64
MAX_CLUSTERS_PER_BUCKET = 400
MAX_CHUNKS = 200
MAX_RECENT = 300
MIN_SIMILARITY = 0.5
QUESTION_PAIRS = 24
_QUESTION_GROUP = 16
_LABEL_WORDS = 3


@dataclass(frozen=True, slots=True)
class Member:
    """A text with the teacher's answer, cut for comparing."""

    utterance_id: str
    text: str
    answer: Json
    normalized: str
    masks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many members came, and from how many on the next attempt is worth its cost."""

    count: int
    due: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """Members that may be one family; `common` has None where chunks differ."""

    id: str
    common: tuple[str | None, ...]
    members: tuple[Member, ...]
    whole: Attempts
    groups: Map[tuple[str, ...], Attempts]
    texts: Map[str, int]


@dataclass(frozen=True, slots=True)
class Clusters:
    """All clusters of one scope, by bucket: chunk count and answer shape.

    `recent` holds the latest pairs by chunk count, whatever their answers, null included. A cluster
    is chosen by its answers, so only these can tell how often a recipe made from it is wrong.
    """

    buckets: Map[str, tuple[str, ...]] = field(default_factory=Map)
    by_id: Map[str, Cluster] = field(default_factory=Map)
    recent: Map[int, tuple[Member, ...]] = field(default_factory=Map)


def member(utterance_id: str, text: str, answer: Json) -> Member | None:
    """Return a text cut for comparing; None when nothing can be learned from it.

    That is: an answer that has no canonical JSON, a text that no family can read. A null answer
    teaches no family, but it may show that one is wrong.
    """
    if len(text) > MAX_CODE_POINTS or not _has_canonical_json(answer):
        return None
    masks = tuple(chunk_mask(chunk) for chunk in chunks(pieces_of(text)))
    if not masks or len(masks) > MAX_CHUNKS:
        return None
    return Member(utterance_id, text, answer, normalize(text), masks)


def _has_canonical_json(answer: Json) -> bool:
    try:
        canonical_json(answer)
    except (ValueError, RecursionError):
        return False
    return True


def answer_shape(answer: Json, normalized: str) -> str:
    """Return a key that answers of one family are likely to share."""
    if isinstance(answer, Mapping):
        inner = (f"{key}:{_leaf(answer[key], normalized)}" for key in sorted(answer))
        return "{" + ",".join(inner) + "}"
    if isinstance(answer, list | tuple):
        return "[" + ",".join(_leaf(item, normalized) for item in answer) + "]"
    if not isinstance(answer, str):
        return "truth" if isinstance(answer, bool) else "number"
    if answer.strip().casefold() in TRUTHS:
        return "truth"
    if _is_number(answer):
        return "number"
    if len(answer.split()) <= _LABEL_WORDS:
        return "label"
    words = frozenset(normalized.split())
    masked = (
        "#" if piece.kind in NUMBERS else "~" if piece.key in words else piece.mask
        for piece in pieces_of(answer)
    )
    return "".join(masked)[:300]


def _is_number(text: str) -> bool:
    return all(read_number(part) is not None for part in text.split("/", 1))


def _leaf(answer: Json, normalized: str) -> str:
    if not isinstance(answer, str):
        return answer_shape(answer, normalized)
    folded = normalize(answer)
    if folded == normalized:
        return "whole"
    if folded and folded in normalized:
        return "copy"
    return "#" if _is_number(answer) else folded[:200]


def _similarity(common: Sequence[str | None], masks: Sequence[str]) -> float:
    same = sum(a == b for a, b in zip(common, masks, strict=True))
    return same / len(masks)


def seen(clusters: Clusters, new: Member) -> Clusters:
    """Remember a pair, also one that teaches nothing."""
    count = len(new.masks)
    known = clusters.recent.get(count, ())
    return replace(clusters, recent=clusters.recent.set(count, (*known[-(MAX_RECENT - 1) :], new)))


def comparable(
    clusters: Clusters, cluster: Cluster, required: frozenset[str]
) -> tuple[Member, ...]:
    """Return the pairs, of any answer, that these literals let a grammar read; oldest first."""
    recent = {m.utterance_id: m for m in clusters.recent.get(len(cluster.common), ())}
    older = (m for m in cluster.members if m.utterance_id not in recent)
    pairs = (*older, *recent.values())
    return tuple(m for m in pairs if all(key in m.normalized for key in required))


def add(clusters: Clusters, new: Member, scope: str) -> tuple[Clusters, Cluster]:
    """Put a member into the most similar cluster, or a new one; return both."""
    bucket = f"{len(new.masks)}|{answer_shape(new.answer, new.normalized)}"
    ids = clusters.buckets.get(bucket, ())
    best: Cluster | None = None
    best_similarity = MIN_SIMILARITY
    for cluster_id in ids:
        cluster = clusters.by_id[cluster_id]
        similarity = _similarity(cluster.common, new.masks)
        if similarity > best_similarity or (best is None and similarity == best_similarity):
            best, best_similarity = cluster, similarity
    if best is None:
        made = _first(new, digest([scope, bucket, new.masks])[:16])
        kept = ids[-(MAX_CLUSTERS_PER_BUCKET - 1) :]
        by_id = clusters.by_id
        for dropped in ids[: len(ids) - len(kept)]:
            by_id = by_id.delete(dropped)
        buckets = clusters.buckets.set(bucket, (*kept, made.id))
        return replace(clusters, buckets=buckets, by_id=by_id.set(made.id, made)), made
    grown = _with_member(best, new)
    return replace(clusters, by_id=clusters.by_id.set(grown.id, grown)), grown


def _first(new: Member, cluster_id: str) -> Cluster:
    return _with_member(
        Cluster(cluster_id, tuple(new.masks), (), Attempts(0, 0), Map(), Map()), new
    )


def _with_member(cluster: Cluster, new: Member) -> Cluster:
    common = tuple(a if a == b else None for a, b in zip(cluster.common, new.masks, strict=True))
    group = cluster.groups.get(new.masks, Attempts(0, 0))
    repeats = cluster.texts.get(new.normalized, 0)
    members = cluster.members
    if not any(old.utterance_id == new.utterance_id for old in members):
        members = (*members[-(MAX_MEMBERS - 1) :], new)
    return Cluster(
        cluster.id,
        common,
        members,
        replace(cluster.whole, count=cluster.whole.count + 1),
        cluster.groups.set(new.masks, replace(group, count=group.count + 1)),
        cluster.texts.set(new.normalized, repeats + 1),
    )


def is_due(cluster: Cluster, new: Member, min_pairs: int) -> bool:
    """Return whether an attempt is worth its cost now that `new` has come uncovered."""
    repeats = cluster.texts[new.normalized]
    if repeats >= 2 and repeats & (repeats - 1) == 0:
        return True
    if len(cluster.texts) < min_pairs:
        return False
    group = cluster.groups[new.masks]
    return cluster.whole.count >= max(cluster.whole.due, min_pairs) or (
        group.count >= max(group.due, min_pairs)
    )


def attempted(cluster: Cluster, new: Member) -> Cluster:
    """Return the cluster after an attempt: the next is due when it has grown by a third."""
    group = cluster.groups[new.masks]
    return replace(
        cluster,
        whole=_next(cluster.whole),
        groups=cluster.groups.set(new.masks, _next(group)),
    )


def _next(attempts: Attempts) -> Attempts:
    return replace(attempts, due=attempts.count + max(1, math.ceil(attempts.count / 3)))


def question_members(cluster: Cluster, new: Member) -> tuple[Member, ...]:
    """Return the members to learn from, oldest first and `new` last: its group, then others."""
    group = [m for m in cluster.members if m.masks == new.masks and m is not new]
    chosen = group[-_QUESTION_GROUP:]
    others = [m for m in cluster.members if m.masks != new.masks]
    chosen += others[-(QUESTION_PAIRS - 1 - len(chosen)) :]
    wanted = {m.utterance_id for m in chosen} - {new.utterance_id}
    return (*(m for m in cluster.members if m.utterance_id in wanted), new)

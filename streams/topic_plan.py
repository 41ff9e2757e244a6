"""What a cluster should have, what it has, and the differences, as values.

    topic table, layout ──wanted──▶ shapes ──┐
                                             ├──differences──▶ Create, AddPartitions, ChangeConfig,
    cluster ──a transport asks──▶ Found ─────┘                 Unfixable

Only what the table says is compared: whatever else an operator configured on a topic stays. Nothing
here takes anything away: what only a loss of records could mend is Unfixable.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from streams.topics import RECORD_LIMIT, TOPICS, Kept, Topic

_DAY_MS = 86_400_000
_IN_SYNC = "min.insync.replicas"


@dataclass(frozen=True, slots=True)
class Layout:
    """What the settings say about topics: partitions of the spread ones, copies, retention."""

    partitions: int = 4
    replication: int = 3
    retention_days: int = 30


@dataclass(frozen=True, slots=True)
class Shape:
    """A topic in a cluster; `replication` is the least number of copies of a partition."""

    partitions: int
    replication: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """What a cluster says about topics: how many brokers it has, and those topics that exist."""

    brokers: int
    topics: Mapping[str, Shape]
    has_leaders: bool = True


@dataclass(frozen=True, slots=True)
class Create:
    """The topic is missing."""

    topic: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class AddPartitions:
    """The topic has fewer partitions than it should have."""

    topic: str
    given: int
    wanted: int


@dataclass(frozen=True, slots=True)
class ChangeConfig:
    """One configuration entry of the topic has another value, or none."""

    topic: str
    entry: str
    given: str | None
    wanted: str


@dataclass(frozen=True, slots=True)
class Unfixable:
    """What is wrong and cannot be mended without a decision, and what the choices are."""

    topic: str
    problem: str
    remedy: str


Difference = Create | AddPartitions | ChangeConfig | Unfixable


def wanted(
    layout: Layout, named: Callable[[str], str] = str, topics: Collection[Topic] = TOPICS
) -> dict[str, Shape]:
    """Return what `topics` should be by the name that each has in the cluster.

    >>> wanted(Layout(partitions=8))["matches"].partitions
    8
    """
    return {named(topic.name): shape(topic, layout) for topic in topics}


def shape(topic: Topic, layout: Layout) -> Shape:
    """Return what a topic should be."""
    config = _kept(topic.kept, layout) | {
        _IN_SYNC: str(max(1, layout.replication - 1)),
        "max.message.bytes": str(RECORD_LIMIT),
        "message.timestamp.type": "CreateTime",  # a record's time is what its writer said
    }
    return Shape(layout.partitions if topic.is_spread else 1, layout.replication, config)


def _kept(kept: Kept, layout: Layout) -> dict[str, str]:
    match kept:
        case "newest by key":
            return {"cleanup.policy": "compact"}
        case "for ever":
            milliseconds = -1
        case "for a while":
            milliseconds = layout.retention_days * _DAY_MS
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(milliseconds),
        "retention.bytes": "-1",
    }


def differences(shapes: Mapping[str, Shape], found: Found) -> list[Difference]:
    """Return all that keeps the cluster from having `shapes`, topic by topic."""
    made: list[Difference] = []
    missing = [name for name in shapes if name not in found.topics]
    copies = max((shapes[name].replication for name in missing), default=0)
    if copies > found.brokers:
        brokers = "1 broker" if found.brokers == 1 else f"{found.brokers} brokers"
        made.append(
            Unfixable(
                ", ".join(missing),
                f"missing, and cannot have {copies} copies on {brokers}",
                f"start more brokers, or set KAPPA_REPLICATION to at most {found.brokers}",
            )
        )
        missing = []
    for name, want in shapes.items():
        if name in missing:
            made.append(Create(name, want))
        elif name in found.topics:
            made += _between(name, want, found.topics[name])
    return made


def _between(name: str, want: Shape, has: Shape) -> list[Difference]:
    made: list[Difference] = []
    if has.partitions < want.partitions:
        made.append(AddPartitions(name, has.partitions, want.partitions))
    elif has.partitions > want.partitions:
        made.append(_too_many(name, want.partitions, has.partitions))
    if has.replication != want.replication:
        made.append(
            Unfixable(
                name,
                f"keeps {has.replication} copies of a partition, not {want.replication}",
                "reassign its partitions (kafka-reassign-partitions.sh), "
                f"or set KAPPA_REPLICATION={has.replication}",
            )
        )
    for entry, value in want.config.items():
        given = has.config.get(entry)
        # More copies in sync than there are would make the topic unwritable.
        if given != value and (entry != _IN_SYNC or has.replication >= want.replication):
            made.append(ChangeConfig(name, entry, given, value))
    return made


def _too_many(name: str, want: int, has: int) -> Unfixable:
    make_anew = "copy its records away, delete the topic and apply again"
    if want == 1:
        problem = f"has {has} partitions and must have one: its order matters"
        return Unfixable(name, problem, f"partitions cannot be taken away; {make_anew}")
    problem = f"has {has} partitions, more than KAPPA_PARTITIONS={want}"
    remedy = f"set KAPPA_PARTITIONS={has}, which all topics of utterances then have; or {make_anew}"
    return Unfixable(name, problem, remedy)


def is_fixable(difference: Difference) -> bool:
    """Whether `kappa topics apply` mends it."""
    return not isinstance(difference, Unfixable)


def as_line(difference: Difference) -> str:
    """Return a difference as one readable line of a diff.

    >>> as_line(AddPartitions("matches", 2, 4))
    '~ matches: partitions 2 → 4; keys move between partitions: restart the agents after it'
    """
    match difference:
        case Create(topic, shape):
            config = " ".join(f"{entry}={value}" for entry, value in shape.config.items())
            partitions = f"{shape.partitions} partition{'s' if shape.partitions > 1 else ''}"
            copies = f"{shape.replication} cop{'ies' if shape.replication > 1 else 'y'}"
            return f"+ {topic}: {partitions}, {copies}, {config}"
        case AddPartitions(topic, given, wanted):
            moved = "keys move between partitions: restart the agents after it"
            return f"~ {topic}: partitions {given} → {wanted}; {moved}"
        case ChangeConfig(topic, entry, before, after):
            return f"~ {topic}: {entry} {before or 'unset'} → {after}"
        case Unfixable(topic, problem, remedy):
            return f"! {topic}: {problem}; {remedy}"


def as_lines(given: Sequence[Difference]) -> str:
    """Return a readable diff, a line for each difference."""
    return "\n".join(as_line(difference) for difference in given)


_KINDS: dict[type[Difference], str] = {
    Create: "create",
    AddPartitions: "add-partitions",
    ChangeConfig: "change-config",
    Unfixable: "unfixable",
}


def as_row(difference: Difference) -> dict[str, Any]:
    """Return a difference as a row that can be printed as JSON."""
    return {"difference": _KINDS[type(difference)], **asdict(difference)}

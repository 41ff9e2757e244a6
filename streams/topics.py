"""The topic table: which topic carries which events, under which key, spread how, kept how long.

Everybody reads it here: the codec, the transports, the schemas, `kappa topics`.

*Spread*: what there is a record of per utterance is spread over the setting's number of partitions,
the same for all; everything else has one partition, so that whoever reads it sees one order.
*As input*: an answer follows its utterance. Such a record goes to the partition of the record that
it follows from, so that a matcher's answers keep the order of what it read; a key alone would not
do, for an audit's key is the utterance and its utterance's key may be the session. (A recall
follows from feedback, which has one partition.)
*Kept*: what was learned is kept for ever, as is the log of record; traffic is kept for a retention
time, which is how far replay, `explain` and a learner's memory of what it has not learned yet reach
back. Only checkpoints are compacted; versions never are, for a replay needs every one of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from artifacts.grammar.lexer import skeleton
from streams import events as e

Key = Callable[[e.Event], str | None]
Kept = Literal["for a while", "for ever", "newest by key"]

RECORD_LIMIT = 4 * 1_048_576
"""Most bytes of a record with key and headers: the text of a value may come again in both.

Brokers and producers refuse more than 1 MiB unless told so; a value alone may have that much.
"""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: the events it may carry, the key of each record, and why it exists.

    `key_doc` says in words what the key is.
    """

    name: str
    events: tuple[type[e.Event], ...]
    key: Key
    doc: str
    key_doc: str
    is_spread: bool = False
    as_input: bool = False
    kept: Kept = "for a while"


def _field(name: str, otherwise: str | None = None) -> Key:
    """The key is this field; where an event has none, or it has no value, the other one."""

    def key(event: e.Event) -> str | None:
        fields = event.__dict__  # where there is none, `getattr` would ask pydantic, for long
        value = fields.get(name)
        if value is None and otherwise is not None:
            value = fields.get(otherwise)
        return None if value is None else str(value)

    return key


def _skeleton_key(event: e.Event) -> str | None:
    fields = vars(event)
    return f"{fields['tenant']}|{skeleton(fields['text'])}"


def _family_key(event: e.Event) -> str | None:
    fields = vars(event)
    return f"{fields['scope']}|{fields.get('family', '')}"


_BY_SESSION = _field("session", "utterance_id")
_SESSION = "The session, else the utterance's id."

TOPICS: tuple[Topic, ...] = (
    Topic(
        "utterances",
        (e.UtteranceAsked,),
        _BY_SESSION,
        "What the services beside us ask.",
        _SESSION,
        is_spread=True,
    ),
    Topic(
        "matches",
        (e.AnswerGiven,),
        _BY_SESSION,
        "The deterministic answers.",
        _SESSION,
        is_spread=True,
        as_input=True,
    ),
    Topic(
        "fallbacks",
        (e.MatchAbstained, e.AuditAsked, e.RecallAsked, e.ProbeAsked),
        _BY_SESSION,
        "The teacher's work list.",
        _SESSION,
        is_spread=True,
        as_input=True,
    ),
    Topic(
        "completions",
        (
            e.CompletionGiven,
            e.CompletionRefused,
            e.AuditAnswered,
            e.AuditRefused,
            e.RecallAnswered,
            e.ProbeAnswered,
            e.ProbeRefused,
            e.RecallRefused,
        ),
        _skeleton_key,
        "What the teacher said; the key lets one distiller see whole clusters.",
        "Tenant and text skeleton, joined by `|`.",
        is_spread=True,
    ),
    Topic(
        "feedback",
        (e.FeedbackGiven,),
        _field("answer_ref"),
        "Verdicts on answers.",
        "The reference of the answer that is judged.",
    ),
    Topic(
        "evidence",
        (e.ComparisonMade, e.TeacherRepeated),
        _family_key,
        "Atoms of evidence.",
        "Scope and family, joined by `|`; what is said of no family has an empty one.",
        kept="for ever",
    ),
    Topic(
        "learning",
        (
            e.TeacherAsked,
            e.TeacherReplied,
            e.RecipeRefused,
            e.ProposalRefused,
            e.ExpectationChecked,
            e.DriftFound,
            e.VersionRefused,
            e.RejectJudged,
        ),
        _field("cluster", "scope"),
        "Why something was or was not learned.",
        "The cluster, else the scope.",
        kept="for ever",
    ),
    Topic(
        "proposals",
        (e.VersionProposed,),
        _field("scope"),
        "Change sets that somebody wants.",
        "The scope.",
        kept="for ever",
    ),
    Topic(
        "versions",
        (e.VersionChanged,),
        _field("scope"),
        "The log of record; one partition.",
        "The scope.",
        kept="for ever",
    ),
    Topic(
        "checkpoints",
        (e.RegistryCheckpoint,),
        _field("scope"),
        "Where folds may start.",
        "The scope.",
        kept="newest by key",
    ),
    Topic(
        "rejected",
        (e.RecordRejected, e.RecordReplayed),
        _field("topic"),
        "Records that could not be used, and which of them were put back.",
        "The topic of the record.",
    ),
)

TOPIC_NAMES: tuple[str, ...] = tuple(topic.name for topic in TOPICS)
EVENT_TYPES: Mapping[str, type[e.Event]] = MappingProxyType(
    {event.__name__: event for topic in TOPICS for event in topic.events}
)
SUBJECT_TOPICS: tuple[str, ...] = tuple(
    topic.name for topic in TOPICS if any("utterance_id" in e.model_fields for e in topic.events)
)
"""The topics on which there is a header `utterance`."""

TOPIC_OF: Mapping[type[e.Event], Topic] = MappingProxyType(
    {event: topic for topic in TOPICS for event in topic.events}
)

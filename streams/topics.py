"""The topic table: which topic carries which events under which key. Everybody reads it here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from artifacts.grammar.lexer import skeleton
from streams import events as e

Key = Callable[[e.Event], str | None]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: the events it may carry, the key of each record, and why it exists."""

    name: str
    events: tuple[type[e.Event], ...]
    key: Key
    doc: str


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
    return f"{fields['scope']}|{fields['family']}"


_BY_SESSION = _field("session", "utterance_id")

TOPICS: tuple[Topic, ...] = (
    Topic("utterances", (e.UtteranceAsked,), _BY_SESSION, "What the services beside us ask."),
    Topic("matches", (e.AnswerGiven,), _BY_SESSION, "The deterministic answers."),
    Topic(
        "fallbacks",
        (e.MatchAbstained, e.AuditAsked, e.RecallAsked),
        _BY_SESSION,
        "The teacher's work list.",
    ),
    Topic(
        "completions",
        (e.CompletionGiven, e.CompletionRefused, e.AuditAnswered, e.RecallAnswered),
        _skeleton_key,
        "What the teacher said; the key lets one distiller see whole clusters.",
    ),
    Topic("feedback", (e.FeedbackGiven,), _field("answer_ref"), "Verdicts on answers."),
    Topic("evidence", (e.ComparisonMade,), _family_key, "Atoms of evidence."),
    Topic(
        "learning",
        (e.TeacherAsked, e.TeacherReplied, e.RecipeRefused, e.ProposalRefused),
        _field("cluster", "scope"),
        "Why something was or was not learned.",
    ),
    Topic("proposals", (e.VersionProposed,), _field("scope"), "Change sets that somebody wants."),
    Topic("versions", (e.VersionChanged,), _field("scope"), "The log of record; one partition."),
    Topic("checkpoints", (e.RegistryCheckpoint,), _field("scope"), "Where folds may start."),
    Topic("rejected", (e.RecordRejected,), _field("topic"), "Records that could not be used."),
)

TOPIC_NAMES: tuple[str, ...] = tuple(topic.name for topic in TOPICS)
EVENT_TYPES: Mapping[str, type[e.Event]] = MappingProxyType(
    {event.__name__: event for topic in TOPICS for event in topic.events}
)
TOPIC_OF: Mapping[type[e.Event], Topic] = MappingProxyType(
    {event: topic for topic in TOPICS for event in topic.events}
)

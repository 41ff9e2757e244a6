"""What is said on the topics: one frozen model per event, with its schema version.

An event is parsed once, at the codec's door; from there on it is a trusted value. Readers accept
unknown fields. Times are UTC microseconds, spans are code points with exclusive ends, answers are
any JSON value.
"""

from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Stage = Literal["shadow", "canary", "live", "retired"]
AbstainReason = Literal[
    "miss",
    "clash",
    "failed",
    "over_limit",
    "too_many_candidates",
    "unknown_character",
    "context",
    "shadow_only",
]
Stratum = Literal["replay", "phi", "shadow", "audit", "rejected", "inherited"]
"""Which distribution a sample is of. Two are of none: `rejected`, of answers that somebody
rejected, and `inherited`, of what an earlier version with the same program was compared on.
"""
Target = Literal["teacher", "truth", "judged"]
Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class Part(BaseModel):
    """Base of everything inside an event: frozen, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


P = TypeVar("P", bound=Part)
_new = object.__new__
_set_fields, _set_given, _set_extra, _set_private = (
    BaseModel.__dict__[name].__set__
    for name in (
        "__dict__",
        "__pydantic_fields_set__",
        "__pydantic_extra__",
        "__pydantic_private__",
    )
)


class Trusted(set[str]):
    """The names of the fields that are given, of a part made by `trusted`; its copies lose that."""

    def __copy__(self) -> set[str]:
        return set(self)


def trusted(kind: type[P], fields: dict[str, Any], given: Trusted) -> P:
    """Return `kind(…)` without a look at the values, whose types are right by construction.

    For parts that the matcher makes of checked values: validating them takes 2 µs each, pydantic's
    own `model_construct` 3. `fields` are all fields in their order, defaults included, and become
    the part's own; `given` names those that are not defaults, and is shared. Nor does the codec
    look for values that JSON cannot carry.
    """
    made = _new(kind)
    _set_fields(made, fields)
    _set_given(made, given)
    _set_extra(made, None)
    _set_private(made, None)
    return made


class Event(Part):
    """Base of every event. `schema_version` rises when readers of N−1 could misread the event."""

    schema_version: ClassVar[int] = 1


class Revision(Part):
    """Which registry decided: ordinal of the last VersionChanged folded in, and its digest."""

    ordinal: int = Field(ge=0)
    digest: str


class SlotValue(Part):
    """One bound slot: its span in the utterance and the typed value, as readable text."""

    slot: str
    kind: str
    start: int
    end: int
    text: str
    value: JsonValue


class Change(Part):
    """One line of a change set: this family version has this stage from now on.

    `share` is that of its utterances which a canary answers; all of them where it is None.
    `suspended`: it serves, and is in shadow only until a reject of its answer is looked into; what
    it has shown still counts when it comes back. Readers that do not know the field let it gather
    its evidence anew. `recheck` puts it into shadow without blame: no return is counted, its
    evidence begins anew, and where it served a few agreements bring it back.
    """

    family: str
    version: int = Field(ge=1)
    digest: str
    stage: Stage
    share: Share | None = None
    suspended: bool = False
    recheck: bool = False


class Pair(Part):
    """A text and the teacher's answer to it; a null answer is a counterexample."""

    utterance_id: str
    text: str
    answer: JsonValue


# --- utterances ---------------------------------------------------------------------------------


class UtteranceAsked(Event):
    """Somebody asked something."""

    utterance_id: str
    tenant: str = "default"
    session: str | None = None
    text: str
    context: str | None = None
    asked_at: int | None = None
    deadline: int | None = None


# --- matches ------------------------------------------------------------------------------------


class AnswerGiven(Event):
    """A family answered. `answer_ref` is opaque to whoever sends feedback on it."""

    utterance_id: str
    tenant: str
    session: str | None = None
    text: str
    answer: JsonValue
    family: str
    version: int
    digest: str
    revision: Revision
    slots: tuple[SlotValue, ...]
    readings: int
    cost: int
    answer_ref: str
    origin: Literal["family"] = "family"
    hat: Literal[False] = False


# --- fallbacks: the teacher's work list -----------------------------------------------------------


class MatchAbstained(Event):
    """No family may answer; the teacher is asked."""

    utterance_id: str
    tenant: str
    session: str | None = None
    text: str
    context: str | None = None
    asked_at: int | None = None
    reason: AbstainReason
    candidates: tuple[str, ...] = ()
    revision: Revision


AuditCause = Literal["served", "rejected"]
"""Why an answer is audited: like all that are served, or because somebody rejected it."""


class AuditAsked(Event):
    """With this probability, ask the teacher about an answer that was served.

    Every answer has one whose cause is `served`; one whose cause is `rejected` is no sample.
    """

    utterance_id: str
    tenant: str
    text: str
    answer: JsonValue
    family: str
    version: int
    digest: str
    probability: Probability
    cause: AuditCause = "served"


class RecallAsked(Event):
    """Ask the teacher about an answer that was rejected without a correction."""

    utterance_id: str
    tenant: str
    text: str
    family: str
    version: int
    digest: str
    answer_ref: str


ProbeCause = Literal["repeat", "phi"]
"""Why the teacher is asked what nobody wants to know: does it agree with itself; does a version
agree with it on a text that φ rendered."""


class ProbeAsked(Event):
    """Ask the teacher, apart from all others, what it says to a text.

    `answer` is what its reply is held against: its own first answer, then `teacher` is who gave it;
    or that of a family version. `utterance_id` is the probe's own.
    """

    utterance_id: str
    tenant: str
    text: str
    answer: JsonValue
    cause: ProbeCause
    teacher: str | None = None
    family: str | None = None
    version: int | None = None
    digest: str | None = None


# --- completions ----------------------------------------------------------------------------------


class _Completion(Event):
    """`answer` is canonical and compared; `wording` is how the teacher put it to a person.

    `in_flight`: it is the reply to an equal question that was asked already.
    """

    utterance_id: str
    tenant: str
    text: str
    answer: JsonValue
    teacher: str
    prefix: str = ""
    tokens: int = 0
    price: float = 0.0
    latency_us: int = 0
    wording: str | None = None
    in_flight: bool = False
    hat: Literal[True] = True


class _Refusal(Event):
    """What a teacher did not answer, and why."""

    utterance_id: str
    tenant: str
    text: str
    teacher: str
    reason: str


class CompletionGiven(_Completion):
    """The teacher's answer to an utterance that no family answered; terminal.

    `in_context`: it was asked together with a context, on which the answer may depend.
    """

    session: str | None = None
    in_context: bool = False


class CompletionRefused(Event):
    """The teacher gave no answer; terminal."""

    utterance_id: str
    tenant: str
    session: str | None = None
    text: str
    teacher: str
    reason: str


class AuditAnswered(_Completion):
    """The teacher's answer to an audited utterance, beside what was served; not terminal."""

    family: str
    version: int
    digest: str
    served: JsonValue
    probability: Probability
    cause: AuditCause = "served"


class AuditRefused(_Refusal):
    """The teacher gave no answer to an audited utterance; not terminal."""

    family: str
    version: int
    digest: str
    probability: Probability
    cause: AuditCause = "served"


class RecallAnswered(_Completion):
    """The teacher's answer to a rejected utterance; not terminal."""

    family: str
    version: int
    digest: str
    answer_ref: str


class ProbeAnswered(_Completion):
    """The teacher's answer to a probe, beside what it is held against; not terminal."""

    held_against: JsonValue
    cause: ProbeCause
    family: str | None = None
    version: int | None = None
    digest: str | None = None


class ProbeRefused(_Refusal):
    """The teacher gave no answer to a probe, which then is no sample; not terminal."""

    cause: ProbeCause
    family: str | None = None
    version: int | None = None
    digest: str | None = None


class RecallRefused(_Refusal):
    """The teacher gave no answer to a rejected utterance; not terminal."""

    family: str
    version: int
    digest: str
    answer_ref: str


# --- feedback -------------------------------------------------------------------------------------


class FeedbackGiven(Event):
    """Somebody accepted or rejected an answer, perhaps with the right one."""

    answer_ref: str
    verdict: Literal["accept", "reject"]
    correction: JsonValue = None
    source: str


# --- evidence -------------------------------------------------------------------------------------


class ComparisonMade(Event):
    """One atom of evidence: a family version's answer held against a target on one sample.

    Idempotent by (sample_id, digest, target, stratum). `since` is the ordinal at which the version
    had last entered shadow. `bits` is −log₂ P₀ of the answer under the baseline; `values` are the
    spellings bound to the slots, so that distinct values can be counted. `stage` is the version's
    when it was compared. `teacher` gave the expected answer, where the target is the teacher and
    that is known. Older logs have neither.
    """

    sample_id: str
    scope: str
    family: str
    version: int
    digest: str
    since: int
    stratum: Stratum
    target: Target
    agreed: bool
    probability: Probability
    comparator: str
    bits: float
    values: dict[str, str]
    text: str
    expected: JsonValue
    stage: Stage | None = None
    teacher: str | None = None


class TeacherRepeated(Event):
    """One atom of self-noise: what a teacher said to one text at two times.

    Idempotent by (scope, sample_id), the utterance that came second. `cause` is None where the text
    came again by itself, `repeat` where it was asked again on purpose.
    """

    sample_id: str
    scope: str
    teacher: str
    cause: Literal["repeat"] | None
    text: str
    first: JsonValue
    second: JsonValue
    agreed: bool


# --- learning -------------------------------------------------------------------------------------


class TeacherAsked(Event):
    """A question to a teacher about a cluster or a family; TeacherReplied answers it.

    `recipe` learns from `pairs`; `repair` must also stay right on `accepted` and mend `rejected`.
    """

    question_id: str
    scope: str
    method: Literal["recipe", "repair"]
    cluster: str
    pairs: tuple[Pair, ...]
    rejected: tuple[Pair, ...] = ()
    family: str | None = None
    version: int | None = None
    budget: int


class TeacherReplied(Event):
    """Recipes, best first, as documents that κ has still to compile; or why there is none."""

    question_id: str
    scope: str
    method: Literal["recipe", "repair"]
    cluster: str
    teacher: str
    recipes: tuple[JsonValue, ...]
    taught: tuple[str, ...] = ()
    tried: int
    steps: int
    family: str | None = None
    version: int | None = None


class RecipeRefused(Event):
    """κ or the cluster's own pairs refused a recipe; each problem has a code and a place."""

    question_id: str
    scope: str
    cluster: str
    problems: tuple[str, ...]


class CheckMade(Part):
    """One check of the gate and what it found."""

    check: str
    passed: bool
    reason: str


class ProposalRefused(Event):
    """The gate said no."""

    scope: str
    actor: str
    changes: tuple[Change, ...]
    checks: tuple[CheckMade, ...]


class DriftFound(Event):
    """Seasoned versions of a scope turned out wrong too often: what they answer has changed.

    The statistic that raised the alarm, the audits and errors of the run that did, and how many
    versions go back to shadow until they are confirmed.
    """

    scope: str
    statistic: float
    samples: int = Field(ge=1)
    errors: int = Field(ge=1)
    families: int = Field(ge=0)


class Window(Part):
    """Which records were looked at: the time of the oldest and of the newest, 0 where none was."""

    since: int = Field(ge=0)
    until: int = Field(ge=0)


class ExpectationChecked(Event):
    """What is expected of the data that teaches, and what was observed.

    `passed` is None where there were too few rows to tell. All events of a suite that have one
    scope and one window are one run of it.
    """

    suite: str
    expectation: str
    scope: str
    passed: bool | None
    observed: JsonValue
    reason: str
    rows: int = Field(ge=0)
    window: Window


class RejectJudged(Event):
    """What became of a source's reject of one answer, and whether it is believed from now on.

    `confirmed` and `refuted` are what the teacher said; `unjudged`: it was not asked, or did not
    say, for the reason given. `sample_id` is the utterance's; `is_believed` is false for sources
    that the settings do not trust.
    """

    tenant: str
    source: str
    scope: str
    family: str
    version: int
    sample_id: str
    outcome: Literal["confirmed", "refuted", "unjudged"]
    is_believed: bool
    reason: str = ""


# --- proposals and versions -----------------------------------------------------------------------


class AnswerCounted(Part):
    """How many texts were answered so; a long answer is named by its digest."""

    answer: str = Field(max_length=80)
    texts: int = Field(ge=1)


class AnswersKnown(Part):
    """What a cluster was answered when a version was proposed: the baseline of its evidence.

    Of `texts` different texts with `answers` different answers, the commonest of these.
    """

    texts: int = Field(ge=0)
    answers: int = Field(ge=0)
    commonest: tuple[AnswerCounted, ...] = Field(default=(), max_length=16)


class VersionProposed(Event):
    """A change set somebody wants. `previous` is the ordinal of the last change they had seen.

    `mended` are example texts of the earlier version whose answers turned out to be wrong.
    """

    scope: str
    actor: str
    reason: str
    changes: tuple[Change, ...]
    artifacts: tuple[JsonValue, ...] = ()
    price_bits: float = 0.0
    baseline: AnswersKnown | None = None
    mended: tuple[str, ...] = ()
    previous: int


class VersionChanged(Event):
    """An atomic change set that passed the gate: the log of record, written by the registrar."""

    ordinal: int
    scope: str
    actor: str
    reason: str
    changes: tuple[Change, ...]
    artifacts: tuple[JsonValue, ...] = ()
    price_bits: float = 0.0
    baseline: AnswersKnown | None = None
    checks: tuple[CheckMade, ...] = ()
    previous: int
    signature: str | None = None


class VersionRefused(Event):
    """A node did not fold a change set, and goes on with the registry that it has."""

    ordinal: int
    scope: str
    node: str
    reason: str


class RegistryCheckpoint(Event):
    """Where a fold of the versions stood: its ordinal, its digest, its families."""

    ordinal: int
    scope: str
    digest: str
    families: tuple[Change, ...]


# --- rejected -------------------------------------------------------------------------------------


class Header(Part):
    """A header of a record that was rejected; `value` is base64."""

    name: str
    value: str


class RecordRejected(Event):
    """A record that could not be used, with its position; `value` is base64.

    `size` are the bytes that the whole value has. Key and headers are None where they were not
    kept: too long, or rejected by an older Kappa.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    value: str
    size: int | None = None
    key: str | None = None
    headers: tuple[Header, ...] | None = None


class RecordReplayed(Event):
    """A rejected record was put back onto its topic, as it was or mended; by its old position."""

    topic: str
    partition: int
    offset: int
    is_mended: bool

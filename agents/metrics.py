"""Metrics: one table, from which they are made, counted, exposed and documented.

Counts are plain numbers by name and labels: nothing is global, nothing is locked, and a hot loop
pays for a dictionary once per batch. prometheus_client only writes the exposition; its own counter
objects were left out because each increment takes a lock and each series gets a `_created` twin
that can only be switched off for the whole process.

Labels come from closed sets (nodes, topics, partitions, event types) or from the configuration
(teachers): never from an utterance. Tenants do; only so many of them have series (agents.gauges).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from types import MappingProxyType
from typing import Any, Literal, get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector
from pydantic_core import from_json

from agents.sensors import Sensor
from streams.events import AbstainReason, Event, VersionRefused
from streams.transports import Handled

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the table; `unit` is for people."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    unit: str
    doc: str


TABLE: tuple[Metric, ...] = (
    Metric("kappa_records_total", "counter", ("node", "topic"), "records",
           "Records that a node has read and handled."),
    Metric("kappa_outcomes_total", "counter", ("outcome",), "utterances",
           "Answered by a family, abstained by reason, completed or refused by the teacher."),
    Metric("kappa_rejected_total", "counter", ("node",), "records",
           "Records that a node could not use; they lie on the rejected topic."),
    Metric("kappa_batch_seconds", "histogram", ("node",), "seconds",
           "From reading a batch to its outputs being stored."),
    Metric("kappa_lag", "gauge", ("node", "topic", "partition"), "records",
           "Records that wait for a node."),
    Metric("kappa_registry_ordinal", "gauge", ("node",), "ordinal",
           "Last change set that a node has folded; nodes that differ for long are stuck."),
    Metric("kappa_families", "gauge", ("stage",), "versions",
           "Family versions by stage."),
    Metric("kappa_refused_versions_total", "counter", ("node",), "change sets",
           "Change sets that a node has refused to fold, starts included."),
    Metric("kappa_teacher_calls_total", "counter", ("teacher", "outcome"), "calls",
           "Recorded replies of a teacher: completed, refused, audited, recalled, probed."),
    Metric("kappa_teacher_tokens_total", "counter", ("teacher",), "tokens",
           "Tokens that a teacher has counted."),
    Metric("kappa_teacher_price_total", "counter", ("teacher",), "dollars",
           "What a teacher has cost."),
    Metric("kappa_certified_risk", "gauge", ("tenant", "method", "delta"), "share",
           "Bound on the share of a tenant's answers so far that differ from the teacher's."),
    Metric("kappa_audits", "gauge", ("tenant",), "audits",
           "Answers of a tenant so far that were held against the teacher's."),
    Metric("kappa_audit_errors", "gauge", ("tenant",), "audits",
           "Those of them that differed, or that the teacher refused."),
    Metric("kappa_self_noise", "gauge", ("tenant",), "share",
           "Bound on how often the teacher disagrees with itself."),
    Metric("kappa_drifts_total", "counter", ("node",), "alarms",
           "Alarms of drift: too many versions were wrong that were right until then."),
    Metric("kappa_stalled", "gauge", ("node",), "0 or 1",
           "Whether records wait and the node has not moved for too long."),
    Metric("kappa_restarts_total", "counter", ("node",), "restarts",
           "Starts of a node after a failure."),
)  # fmt: skip

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in TABLE})

BATCH_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper bounds of the histogram's buckets in seconds, inclusive; a last one takes the rest."""

Labels = tuple[str, ...]


@dataclass(slots=True)
class Timings:
    """A histogram: how many observations fell into each bucket, and their sum."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BATCH_BOUNDS) + 1))
    total: float = 0.0


@dataclass(slots=True)
class Metrics:
    """All counts of one process."""

    numbers: dict[str, dict[Labels, float]] = field(default_factory=dict)
    timings: dict[str, dict[Labels, Timings]] = field(default_factory=dict)

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        series = self._series(self.numbers, name, labels, "counter")
        series[labels] = series.get(labels, 0) + by

    def put(self, name: str, rows: Mapping[Labels, float]) -> None:
        """Give a gauge all its values; a series that is not among them ends."""
        for labels in rows:
            self._series(self.numbers, name, labels, "gauge")
        self.numbers[name] = dict(rows)

    def time(self, name: str, seconds: float, *labels: str) -> None:
        """Add an observation to a histogram."""
        timings = self._series(self.timings, name, labels, "histogram").setdefault(
            labels, Timings()
        )
        timings.buckets[bisect_left(BATCH_BOUNDS, seconds)] += 1
        timings.total += seconds

    def _series(
        self, kept: dict[str, dict[Labels, Any]], name: str, labels: Labels, kind: str
    ) -> dict[Labels, Any]:
        metric = METRICS[name]
        if (metric.kind, len(metric.labels)) != (kind, len(labels)):
            raise ValueError(f"{name} is a {metric.kind} with the labels {metric.labels!r}")
        return kept.setdefault(name, {})


class _Exposed(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def collect(
        self,
    ) -> Iterable[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        for metric in TABLE:
            if metric.kind == "histogram":
                yield _histogram(metric, self.metrics.timings.get(metric.name, {}))
                continue
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(metric.name, metric.doc, labels=metric.labels)
            for labels, value in self.metrics.numbers.get(metric.name, {}).items():
                family.add_metric(labels, value)
            yield family


def _histogram(metric: Metric, rows: Mapping[Labels, Timings]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.doc, labels=metric.labels)
    bounds = (*map(str, map(float, BATCH_BOUNDS)), "+Inf")
    for labels, timings in rows.items():
        below = list(zip(bounds, accumulate(timings.buckets), strict=True))
        family.add_metric(labels, below, timings.total)
    return family


def exposition(metrics: Metrics) -> bytes:
    """Return all metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Exposed(metrics))
    return generate_latest(registry)


def as_markdown() -> str:
    """Return the table as the README shows it."""
    rows = ["| metric | labels | unit | what |", "|---|---|---|---|"]
    for metric in TABLE:
        labels = ", ".join(metric.labels)
        rows.append(f"| `{metric.name}` | {labels} | {metric.unit} | {metric.doc} |")
    return "\n".join(rows)


# --- counting what was handled --------------------------------------------------------------------

_OUTCOMES = MappingProxyType(
    {b"AnswerGiven": "answered", b"CompletionGiven": "completed", b"CompletionRefused": "refused"}
)
_BY_NODE = MappingProxyType(
    {
        b"RecordRejected": "kappa_rejected_total",
        b"VersionRefused": "kappa_refused_versions_total",
        b"DriftFound": "kappa_drifts_total",
    }
)
_CALLS = MappingProxyType(
    {
        b"CompletionGiven": "completed",
        b"CompletionRefused": "refused",
        b"AuditAnswered": "audited",
        b"AuditRefused": "refused",
        b"RecallAnswered": "recalled",
        b"ProbeAnswered": "probed",
        b"ProbeRefused": "refused",
        b"RecallRefused": "refused",
    }
)
_REASONS = frozenset(get_args(AbstainReason))
_REASON = b'"reason":"'


def abstain_reason(value: bytes) -> str:
    """Return the reason in an encoded MatchAbstained, without reading the rest of it.

    Inside a text of compact JSON every quote has a backslash before it, and no field of this event
    holds free JSON: the bytes looked for are the field's own name, or are not there.
    """
    reason = _raw_reason(value).decode(errors="replace")
    return reason if reason in _REASONS else "other"


def _raw_reason(value: bytes) -> bytes:
    start = value.rfind(_REASON) + len(_REASON)
    return value[start : value.find(b'"', start)]


class PrometheusSensor(Sensor):
    """Counts what nodes do, from the headers of their records: under 1 µs for each."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def handled(self, node: str, handled: Sequence[Handled], seconds: float) -> None:
        metrics = self.metrics
        metrics.time("kappa_batch_seconds", seconds, node)
        for topic, count in Counter([each.record.topic for each in handled]).items():
            metrics.count("kappa_records_total", node, topic, by=count)
        # the codec's first header is `event`
        made = [(out.headers[0][1], out) for each in handled for out in each.outgoing]
        for name, count in Counter([name for name, _ in made]).items():
            if name in _OUTCOMES:
                metrics.count("kappa_outcomes_total", _OUTCOMES[name], by=count)
            elif name == b"MatchAbstained":
                self._abstained([out.value for each, out in made if each == name])
            elif name in _BY_NODE:
                metrics.count(_BY_NODE[name], node, by=count)
            if name in _CALLS:
                for value in [out.value for each, out in made if each == name]:
                    self._called(_CALLS[name], value)

    def _abstained(self, values: Sequence[bytes]) -> None:
        for raw, count in Counter(map(_raw_reason, values)).items():
            reason = abstain_reason(_REASON + raw + b'"')
            self.metrics.count("kappa_outcomes_total", reason, by=count)

    def _called(self, outcome: str, value: bytes) -> None:
        """Count one reply of a teacher; beside the call itself the time to read it is nothing."""
        document = from_json(value)
        teacher = document["teacher"]
        self.metrics.count("kappa_teacher_calls_total", teacher, outcome)
        if outcome != "refused":
            self.metrics.count("kappa_teacher_tokens_total", teacher, by=document["tokens"])
            self.metrics.count("kappa_teacher_price_total", teacher, by=document["price"])

    def folded(self, node: str, said: Sequence[Event]) -> None:
        refused = sum(isinstance(event, VersionRefused) for event in said)
        if refused:
            self.metrics.count("kappa_refused_versions_total", node, by=refused)

    def restarted(self, node: str) -> None:
        self.metrics.count("kappa_restarts_total", node)

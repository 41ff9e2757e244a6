"""Metrics: what the pipeline did is what is exposed, under the names of the table and no others."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families

from agents.fallback import hash_draw
from agents.health import observe, vitals_of
from agents.live import decide_live
from agents.matcher import matcher
from agents.metrics import (
    BATCH_BOUNDS,
    METRICS,
    TABLE,
    Metrics,
    PrometheusSensor,
    abstain_reason,
    as_markdown,
    exposition,
)
from agents.pipeline import pipeline
from agents.runner import Decoder, drain, start, step
from agents.sensors import Sensor, Sensors
from agents.teachers import Reply
from agents.teachers.scripted import ScriptedTeacher
from streams.codec import encode
from streams.events import AuditAnswered, CompletionGiven, Event, MatchAbstained, VersionRefused
from streams.signing import SigningKey, Trust
from streams.transports import Handled, Outgoing, Record
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import UNAUDITED, asked, registry_of, shares
from tests.streams.examples import EVENTS

Labels = Mapping[str, str]
_, SHARES = registry_of(("s", shares(), "live"))
README = Path(__file__).parents[2] / "README.md"


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return what a scraper reads: value by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition(metrics).decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, frozenset(labels.items())))


async def nothing() -> None:
    """Nothing runs between two steps."""


async def test_a_pipeline_is_counted() -> None:
    """Answered, missed, failed, completed, refused, rejected: each where it belongs."""
    log = EmbeddedLog.open(":memory:")
    nodes = pipeline(
        ScriptedTeacher({"who": Reply("me")}),
        hash_draw(""),
        policies=UNAUDITED,
        trusted=frozenset(),
    )
    vitals = vitals_of(node.name for node in nodes)
    sensor = PrometheusSensor(vitals.metrics)
    decoder = Decoder()
    running = [await start(node, log, lambda: 7, decoder.event, sensor) for node in nodes]
    texts = ("9 shared by 3", "8 shared by 0", "who", "nobody knows", "6 shared by 2")
    for number, text in enumerate(texts):
        await log.publish([encode(asked(text, str(number)), timestamp=1)])
    await log.publish([Outgoing("utterances", None, (), b"{}", 1)])
    await log.publish([encode(event, timestamp=1) for event in SHARES])
    await observe(vitals, running)
    assert (
        value(vitals.metrics, "kappa_lag", node="matcher", topic="utterances", partition="0") == 6
    )
    await drain(running, nothing)
    await observe(vitals, running)
    outcomes = {
        dict(labels)["outcome"]: count
        for (name, labels), count in samples(vitals.metrics).items()
        if name == "kappa_outcomes_total"
    }
    assert outcomes == {"answered": 2, "failed": 1, "miss": 2, "completed": 1, "refused": 2}
    expected: list[tuple[str, Labels, float]] = [
        ("kappa_records_total", {"node": "matcher", "topic": "utterances"}, 6),
        ("kappa_records_total", {"node": "fallback", "topic": "fallbacks"}, 3),
        ("kappa_rejected_total", {"node": "matcher"}, 1),
        ("kappa_teacher_calls_total", {"teacher": "scripted", "outcome": "completed"}, 1),
        ("kappa_teacher_calls_total", {"teacher": "scripted", "outcome": "refused"}, 2),
        ("kappa_lag", {"node": "matcher", "topic": "utterances", "partition": "0"}, 0),
        ("kappa_registry_ordinal", {"node": "matcher"}, 2),
        ("kappa_registry_ordinal", {"node": "distiller"}, 2),
        ("kappa_families", {"stage": "live"}, 1),
        ("kappa_families", {"stage": "shadow"}, 0),
        ("kappa_batch_seconds_count", {"node": "fallback"}, 1),
    ]
    for name, labels, count in expected:
        assert value(vitals.metrics, name, **labels) == count, (name, labels)


async def test_a_decider_with_a_process_of_its_own_is_counted() -> None:
    log, metrics, stopping = EmbeddedLog.open(":memory:"), Metrics(), asyncio.Event()

    class Stopping(Sensor):
        def handled(self, node: str, handled: Sequence[Handled], seconds: float) -> None:
            stopping.set()

    sensor = Sensors(PrometheusSensor(metrics), Stopping())
    node = await start(matcher(UNAUDITED), log, lambda: 7, sensor=sensor)
    await log.publish([encode(asked("who", "1"), timestamp=1)])
    await asyncio.wait_for(decide_live(node, stopping), 30)
    assert value(metrics, "kappa_records_total", node="matcher", topic="utterances") == 1
    assert value(metrics, "kappa_outcomes_total", outcome="miss") == 1


async def test_a_teachers_tokens_and_price_are_summed() -> None:
    metrics = Metrics()
    reply = {
        "utterance_id": "u", "tenant": "t", "text": "x", "answer": '{"teacher": "y"}',
        "teacher": "gpt", "tokens": 30, "price": 0.25,
    }  # fmt: skip
    audit = reply | {"family": "f", "version": 1, "digest": "d", "served": 1, "probability": 1.0}
    made = [
        encode(kind.model_validate(fields), timestamp=0)
        for kind, fields in ((CompletionGiven, reply), (AuditAnswered, audit))
    ]
    PrometheusSensor(metrics).handled("fallback", [handled("fallbacks", made)], 0.1)
    assert value(metrics, "kappa_teacher_tokens_total", teacher="gpt") == 60
    assert value(metrics, "kappa_teacher_price_total", teacher="gpt") == 0.5
    assert value(metrics, "kappa_teacher_calls_total", teacher="gpt", outcome="audited") == 1


def handled(topic: str, made: Sequence[Outgoing]) -> Handled:
    return Handled(Record(topic, 0, 0, 0, None, (), b"", 0), made)


async def test_refused_change_sets_are_counted_at_a_start_and_live() -> None:
    log = EmbeddedLog.open(":memory:")
    await log.publish([encode(SHARES[0], timestamp=1)])
    metrics = Metrics()
    trust = Trust((SigningKey(b"\x01" * 32).public,))
    node = await start(
        matcher(UNAUDITED, trust=trust), log, lambda: 7, sensor=PrometheusSensor(metrics)
    )
    assert value(metrics, "kappa_refused_versions_total", node="matcher") == 1
    await log.publish([encode(SHARES[0], timestamp=1)])
    await step(node)
    assert value(metrics, "kappa_refused_versions_total", node="matcher") == 2


ABSTAINED = EVENTS["MatchAbstained"]


@given(ABSTAINED)
def test_the_reason_is_found_without_reading_the_event(event: Event) -> None:
    assert isinstance(event, MatchAbstained)
    assert abstain_reason(encode(event, timestamp=0).value) == event.reason


FORGED = '"reason":"clash"'


@pytest.mark.parametrize("field", ["text", "session", "context", "utterance_id", "tenant"])
def test_no_text_passes_for_the_reason(field: str) -> None:
    fields = {
        "utterance_id": "u", "tenant": "t", "text": "x", "reason": "miss",
        "revision": {"ordinal": 0, "digest": FORGED}, "candidates": [FORGED],
    } | {field: FORGED + '\\"reason":"clash"'}  # fmt: skip
    event = MatchAbstained.model_validate(fields)
    assert abstain_reason(encode(event, timestamp=0).value) == "miss"


@pytest.mark.parametrize("value", [b"{}", b"", b'{"reason":"invented"}', b'{"reason":"'])
def test_an_unknown_reason_makes_no_new_series(value: bytes) -> None:
    assert abstain_reason(value) == "other"


def test_batches_are_timed_in_seconds() -> None:
    """A bound is inclusive; buckets add up; the sum is in the unit of the name."""
    metrics = Metrics()
    for seconds in (0.001, 0.0011, 59.0, 61.0):
        PrometheusSensor(metrics).handled("matcher", [], seconds)
    buckets = [
        value(metrics, "kappa_batch_seconds_bucket", node="matcher", le=le)
        for le in ("0.001", "0.0025", "30.0", "60.0", "+Inf")
    ]
    assert buckets == [1, 2, 2, 3, 4]
    assert value(metrics, "kappa_batch_seconds_count", node="matcher") == 4
    assert value(metrics, "kappa_batch_seconds_sum", node="matcher") == pytest.approx(120.0021)
    assert tuple(sorted(BATCH_BOUNDS)) == BATCH_BOUNDS


def test_names_follow_the_conventions() -> None:
    assert len(METRICS) == len(TABLE)
    for metric in TABLE:
        assert metric.name.startswith("kappa_")
        assert metric.name.endswith("_total") is (metric.kind == "counter"), metric.name
        assert metric.doc.endswith(".")
        assert set(metric.labels) <= {
            "node", "topic", "partition", "outcome", "stage", "teacher",
            "tenant", "method", "delta",
        }  # fmt: skip


def test_every_metric_of_the_table_is_exposed_and_nothing_else() -> None:
    families = {
        f.name: f.type for f in text_string_to_metric_families(exposition(Metrics()).decode())
    }
    assert families == {m.name.removesuffix("_total"): m.kind for m in TABLE}


MISUSES: Mapping[str, Callable[[Metrics], None]] = MappingProxyType(
    {
        "a-gauge-is-not-counted": lambda m: m.count("kappa_stalled", "matcher"),
        "a-counter-is-not-put": lambda m: m.put("kappa_records_total", {("a", "b"): 1}),
        "labels-are-complete": lambda m: m.count("kappa_records_total", "matcher"),
        "a-counter-is-not-timed": lambda m: m.time("kappa_rejected_total", 1.0, "matcher"),
    }
)


@pytest.mark.parametrize("name", MISUSES)
def test_a_metric_is_used_as_the_table_says(name: str) -> None:
    with pytest.raises(ValueError, match="with the labels"):
        MISUSES[name](Metrics())


def test_a_gauge_forgets_what_is_no_more() -> None:
    metrics = Metrics()
    metrics.put("kappa_stalled", {("a",): 1, ("b",): 0})
    metrics.put("kappa_stalled", {("b",): 1})
    assert metrics.numbers["kappa_stalled"] == {("b",): 1}


def test_the_readme_lists_the_table() -> None:
    assert as_markdown() in README.read_text(encoding="utf-8")


def test_several_sensors_hear_the_same() -> None:
    heard: list[str] = []

    class Listening(Sensor):
        def __init__(self, name: str) -> None:
            self.name = name

        def handled(self, node: str, handled: Sequence[Handled], seconds: float) -> None:
            heard.append(f"{self.name} handled {len(handled)}")

        def folded(self, node: str, said: Sequence[Event]) -> None:
            heard.append(f"{self.name} folded {len(said)}")

        def restarted(self, node: str) -> None:
            heard.append(f"{self.name} restarted {node}")

    both = Sensors(Listening("a"), Sensor(), Listening("b"))
    both.handled("matcher", [], 0.0)
    both.folded("matcher", [VersionRefused(ordinal=1, scope="s", node="n", reason="r")])
    both.restarted("matcher")
    assert both.begin("matcher", Record("utterances", 0, 0, 0, None, (), b"", 0)) is None
    assert heard == [f"{name} {what}" for what in ("handled 0", "folded 1", "restarted matcher")
                     for name in ("a", "b")]  # fmt: skip


def test_restarts_are_counted() -> None:
    metrics = Metrics()
    PrometheusSensor(metrics).restarted("fallback")
    assert value(metrics, "kappa_restarts_total", node="fallback") == 1

"""Tracing: one utterance, one trace, each span the child of what it follows from."""

import importlib
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from agents.fallback import hash_draw
from agents.pipeline import pipeline
from agents.runner import Decoder, Running, drain, start
from agents.sensors import SILENT, Sensor, Sensors
from agents.teachers import Reply
from agents.teachers.scripted import ScriptedTeacher
from agents.tracing import MissingTracing, TracingSensor, exporting
from streams.codec import encode
from streams.transports import Handled, Headers, Outgoing, Record
from streams.transports.embedded import EmbeddedLog
from tests.agents.worlds import UNAUDITED, asked, registry_of, shares

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ROOT = "00f067aa0ba902b7"


def parent(flags: str = "01") -> Headers:
    return (
        ("correlation-id", b"c-1"),
        ("traceparent", f"00-{TRACE}-{ROOT}-{flags}".encode()),
        ("tracestate", b"vendor=1"),
    )


class Bench:
    """A sensor and the spans that it has ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.sensor = TracingSensor(self.provider.get_tracer("kappa"), "kappa")

    def spans(self) -> dict[str, ReadableSpan]:
        ended = self.exporter.get_finished_spans()
        assert len({span.name for span in ended}) == len(ended)
        return {span.name: span for span in ended}


async def nothing() -> None:
    """Nothing runs between two steps."""


async def world(log: EmbeddedLog, sensor: Sensor) -> Sequence[Running]:
    teacher = ScriptedTeacher({"8 shared by 0": Reply("never")})
    nodes = pipeline(teacher, hash_draw(""), policies=UNAUDITED, trusted=frozenset())
    decoder = Decoder()
    return [await start(node, log, lambda: 7, decoder.event, sensor) for node in nodes]


async def ask(log: EmbeddedLog, text: str, headers: Headers) -> None:
    _, shadow = registry_of(("s", shares(), "shadow"))
    await log.publish([encode(event, timestamp=1) for event in shadow])
    await log.publish([encode(asked(text, "u1"), timestamp=1, headers=headers)])


async def last(log: EmbeddedLog, topic: str) -> dict[str, bytes]:
    return dict((await log.read((topic,), 0, 1000))[-1].headers)


def span_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def parent_id(span: ReadableSpan) -> str:
    assert span.parent is not None
    return f"{span.parent.span_id:016x}"


async def test_from_matcher_to_auditor_it_is_one_trace() -> None:
    log, bench = EmbeddedLog.open(":memory:"), Bench()
    nodes = await world(log, Sensors(SILENT, bench.sensor))
    await ask(log, "8 shared by 0", parent())
    await drain(nodes, nothing)
    spans = bench.spans()
    matcher = spans["matcher process utterances"]
    fallback = spans["fallback process fallbacks"]
    auditor = spans["auditor process completions"]
    assert {f"{span.context.trace_id:032x}" for span in spans.values() if span.context} == {TRACE}
    assert parent_id(matcher) == ROOT
    assert parent_id(fallback) == span_id(matcher)
    assert parent_id(auditor) == span_id(fallback)
    assert parent_id(spans["distiller process completions"]) == span_id(fallback)
    assert all(span.kind is SpanKind.CONSUMER for span in spans.values())
    assert dict(fallback.attributes or {}) == {
        "messaging.system": "kappa",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "fallbacks",
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "messaging.consumer.group.name": "fallback",
        "kappa.utterance_id": "u1",
        "kappa.events": ("CompletionGiven",),
    }
    headers = await last(log, "completions")
    assert headers["traceparent"].decode() == f"00-{TRACE}-{span_id(fallback)}-01"
    assert (headers["tracestate"], headers["correlation-id"]) == (b"vendor=1", b"c-1")
    assert headers["event"] == b"CompletionGiven"


UNTRACED: list[tuple[str, Headers]] = [
    ("no-context", (("correlation-id", b"c-1"),)),
    ("not-sampled", parent("00")),
    ("another-flag-only", parent("02")),
    ("malformed", (("traceparent", b"00-xyz-01"),)),
    ("as-long-but-malformed", (("traceparent", b"x" * 54 + b"1"),)),
    ("all-zero-trace", (("traceparent", f"00-{'0' * 32}-{ROOT}-01".encode()),)),
    ("empty", (("traceparent", b""),)),
    ("not-ascii", (("traceparent", "é".encode() * 27 + b"1"),)),
]


@pytest.mark.parametrize(("name", "headers"), UNTRACED, ids=[row[0] for row in UNTRACED])
async def test_what_nobody_sampled_passes_unchanged(name: str, headers: Headers) -> None:
    log, bench = EmbeddedLog.open(":memory:"), Bench()
    nodes = await world(log, bench.sensor)
    await ask(log, "8 shared by 0", headers)
    await drain(nodes, nothing)
    assert bench.spans() == {}
    given = await last(log, "completions")
    assert {name: given[name] for name, _ in headers} == dict(headers)


async def test_a_rejected_record_is_an_error() -> None:
    log, bench = EmbeddedLog.open(":memory:"), Bench()
    nodes = await world(log, bench.sensor)
    await log.publish([Outgoing("utterances", None, parent(), b"{}", 1)])
    await drain(nodes, nothing)
    (span,) = bench.spans().values()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["kappa.events"] == ("RecordRejected",)
    assert "traceparent" in await last(log, "rejected")


async def test_no_text_goes_into_a_span() -> None:
    log, bench = EmbeddedLog.open(":memory:"), Bench()
    nodes = await world(log, bench.sensor)
    await ask(log, "8 shared by 0", parent())
    await drain(nodes, nothing)
    assert all("shared" not in span.to_json() for span in bench.spans().values())


def test_without_a_tracer_nothing_is_begun() -> None:
    record = Record("utterances", 0, 0, 0, None, parent(), b"", 0)
    assert SILENT.begin("matcher", record) is None


def test_of_a_repeated_context_the_first_counts() -> None:
    other = f"00-{'a' * 32}-{ROOT}-01".encode()
    record = Record("utterances", 0, 0, 0, None, (*parent(), ("traceparent", other)), b"", 0)
    bench = Bench()
    trace = bench.sensor.begin("matcher", record)
    assert trace is not None
    made = Outgoing("matches", None, (("event", b"AnswerGiven"), *parent()), b"", 0)
    ended = trace.end(Handled(record, [made]))
    ((_, event), *headers) = ended.outgoing[0].headers
    assert event == b"AnswerGiven"
    assert [name for name, _ in headers].count("traceparent") == 1
    assert dict(headers)["traceparent"].decode().split("-")[1] == TRACE


def test_an_endpoint_without_the_extra_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module("opentelemetry.sdk.trace.export")
    monkeypatch.delattr(real, "BatchSpanProcessor")
    with (
        pytest.raises(MissingTracing, match="needs the extra `tracing`"),
        exporting("http://127.0.0.1:1", "kappa"),
    ):
        raise AssertionError("it was given")

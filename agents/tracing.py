"""Tracing: one span for each record that a node handles, where its producer asked for a trace.

    traceparent of a record ─▶ span of the node ─▶ traceparent of all that follows from the record

W3C trace context travels through our headers in any case; without a tracer it passes unchanged.
With one, a *sampled* record becomes a CONSUMER span, and what follows names that span as its
parent, so that an utterance's way through matcher, teacher and auditor is one trace. Whoever asks
decides what is sampled; nothing here starts a trace of its own, and no text goes into a span.

We inject and extract ourselves: instrumentation of a Kafka client would see batches, and a thread
of Faust's that is not ours. The span of a decider is as short as its decision; the fallback's holds
the teacher's call. A span ends before its outputs are stored: work that is repeated is seen twice.
"""

import contextlib
from collections.abc import Iterator

from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from agents.sensors import Sensor
from streams.transports import Handled, Headers, Outgoing, Record

SERVICE_NAME = "kappa"
_PARENT, _STATE = "traceparent", "tracestate"
_FIELDS = (_PARENT, _STATE)
_EXPORT_SECONDS = 5
_PROPAGATOR = TraceContextTextMapPropagator()


class MissingTracing(Exception):
    """The packages that export spans are not installed."""


class _Traced:
    """A record being handled, with its span."""

    def __init__(self, span: Span) -> None:
        self.span = span

    def end(self, handled: Handled) -> Handled:
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, set_span_in_context(self.span))
        marks: Headers = tuple((name, text.encode()) for name, text in carrier.items())
        names = [_event(out) for out in handled.outgoing]
        self.span.set_attribute("kappa.events", names)
        if "RecordRejected" in names:
            self.span.set_status(StatusCode.ERROR, "the record was rejected")
        self.span.end()
        return Handled(handled.record, [_marked(out, marks) for out in handled.outgoing])


def _event(out: Outgoing) -> str:
    return out.headers[0][1].decode()


def _marked(out: Outgoing, marks: Headers) -> Outgoing:
    kept = tuple(header for header in out.headers if header[0] not in _FIELDS)
    return out._replace(headers=kept + marks)


class TracingSensor(Sensor):
    """Makes a span of every record that carries a sampled trace context.

    `system` is the transport as the messaging conventions call it: `kafka`, or `kappa` for the
    embedded log.
    """

    def __init__(self, tracer: Tracer, system: str) -> None:
        self.tracer = tracer
        self.system = system

    def begin(self, node: str, record: Record) -> _Traced | None:
        for name, value in record.headers:
            if name == _PARENT:
                return self._traced(node, record) if _is_sampled(value) else None
        return None

    def _traced(self, node: str, record: Record) -> _Traced | None:
        carrier = {
            name: value.decode("ascii", "replace")
            for name, value in reversed(record.headers)  # of a repeated header the first counts
            if name in _FIELDS
        }
        context = _PROPAGATOR.extract(carrier)
        if not get_current_span(context).get_span_context().is_valid:
            return None
        attributes: dict[str, str | int] = {
            "messaging.system": self.system,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.consumer.group.name": node,
        }
        if (utterance := _text(record.headers, "utterance")) is not None:
            attributes["kappa.utterance_id"] = utterance
        name = f"{node} process {record.topic}"
        return _Traced(
            self.tracer.start_span(name, context, SpanKind.CONSUMER, attributes=attributes)
        )


def _is_sampled(parent: bytes) -> bool:
    """Whether the last flag of a `traceparent`, two hexadecimal digits after 53 bytes, is set."""
    return parent[54:55] in b"13579bdf" and len(parent) >= 55


def _text(headers: Headers, name: str) -> str | None:
    return next((value.decode(errors="replace") for key, value in headers if key == name), None)


@contextlib.contextmanager
def exporting(endpoint: str, system: str) -> Iterator[TracingSensor]:
    """Give a sensor whose spans go to an OTLP/HTTP collector; send the last ones at the end.

    Raises MissingTracing where the extra `tracing` is not installed.
    """
    try:  # an extra: who traces nothing installs neither the SDK nor protobuf
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingTracing(
            f"KAPPA_OTLP_ENDPOINT needs the extra `tracing` of kappa-pipeline: {error}"
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE_NAME}))
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield TracingSensor(provider.get_tracer(SERVICE_NAME), system)
    finally:
        provider.shutdown()

"""The AsyncAPI 3 document of our topics, for whoever produces or reads them without our code.

It is read off the topic table, the events and the graph. AsyncAPI describes one application, here
all agents together: `receive` operations are what an agent reads, `send` operations what one
writes. A service beside us does the opposite: it sends utterances and feedback, and receives
matches and completions.

The schemas stand under `components` and refer to each other there: a `$defs` of their own, as in
the files beside the document, would be looked for at the document's root.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic.json_schema import models_json_schema

from streams.codec import ECHOED
from streams.events import Event
from streams.topic_plan import Layout, Shape, wanted
from streams.topics import EVENT_TYPES, TOPICS, Topic

VERSION = "3.0.0"
BINDING = "0.5.0"
_SCHEMAS = "#/components/schemas"
_TEXT = {"type": "string"}
_ECHOED_DOC = "Comes back unchanged on whatever follows from the record."


@dataclass(frozen=True, slots=True)
class Role:
    """An agent: its group, the topics that it reads, folds included, and those that it writes."""

    name: str
    reads: Sequence[str]
    writes: Sequence[str]
    doc: str


def asyncapi(
    roles: Sequence[Role], layout: Layout, *, version: str, named: Callable[[str], str] = str
) -> dict[str, Any]:
    """Return the document; `named` gives the name of a topic or group in the cluster.

    >>> asyncapi((), Layout(), version="1")["channels"]["versions"]["address"]
    'versions'
    """
    shapes = wanted(layout, named)
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Kappa",
            "version": version,
            "description": "Turns an LLM's answers to repeated requests into programs.",
        },
        "defaultContentType": "application/json",
        "channels": {
            topic.name: _channel(topic, named(topic.name), shapes[named(topic.name)])
            for topic in TOPICS
        },
        "operations": {
            name: operation for role in roles for name, operation in _operations(role, named)
        },
        "components": {
            "messages": {
                event.__name__: _message(topic, event) for topic in TOPICS for event in topic.events
            },
            "schemas": _schemas(),
        },
    }


def _channel(topic: Topic, address: str, shape: Shape) -> dict[str, Any]:
    config = shape.config
    shown: dict[str, Any] = {"cleanup.policy": [config["cleanup.policy"]]}
    for entry in ("retention.ms", "max.message.bytes"):
        if entry in config:
            shown[entry] = int(config[entry])
    followed = " A record goes to the partition of the record that it follows from."
    return {
        "address": address,
        "description": topic.doc + (followed if topic.as_input else ""),
        "messages": {
            event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}
            for event in topic.events
        },
        "bindings": {
            "kafka": {
                "topic": address,
                "partitions": shape.partitions,
                "replicas": shape.replication,
                "topicConfiguration": shown,
                "bindingVersion": BINDING,
            }
        },
    }


def _operations(role: Role, named: Callable[[str], str]) -> list[tuple[str, dict[str, Any]]]:
    reading = {
        "kafka": {
            "groupId": {"type": "string", "enum": [named(role.name)]},
            "bindingVersion": BINDING,
        }
    }
    made: list[tuple[str, dict[str, Any]]] = []
    for topic in TOPICS:
        channel = {"$ref": f"#/channels/{topic.name}"}
        common = {"channel": channel, "summary": role.doc}
        if topic.name in role.reads:
            operation = {"action": "receive", **common, "bindings": reading}
            made.append((f"{role.name}-receives-{topic.name}", operation))
        if topic.name in role.writes:
            made.append((f"{role.name}-sends-{topic.name}", {"action": "send", **common}))
    return made


def _message(topic: Topic, event: type[Event]) -> dict[str, Any]:
    name = event.__name__
    return {
        "name": name,
        "title": name,
        "summary": (event.__doc__ or name).splitlines()[0],
        "contentType": "application/json",
        "correlationId": {"location": "$message.header#/correlation-id"},
        "headers": _headers(event),
        "payload": {"$ref": f"{_SCHEMAS}/{name}"},
        "bindings": {
            "kafka": {"key": {**_TEXT, "description": topic.key_doc}, "bindingVersion": BINDING}
        },
    }


def _headers(event: type[Event]) -> dict[str, Any]:
    """Return what the codec writes and what it passes on; on the wire they are UTF-8 bytes."""
    own: dict[str, Any] = {
        "event": {**_TEXT, "const": event.__name__},
        "schema": {**_TEXT, "const": str(event.schema_version)},
    }
    if "utterance_id" in event.model_fields:
        own["utterance"] = {
            **_TEXT,
            "description": "The utterance's id; `explain` finds records by it.",
        }
    return {
        "type": "object",
        "required": ["event", "schema"],
        "properties": own | {name: {**_TEXT, "description": _ECHOED_DOC} for name in ECHOED},
    }


def _schemas() -> dict[str, Any]:
    """Return the schemas of all events and of their parts, by name."""
    _, document = models_json_schema(
        [(event, "validation") for event in EVENT_TYPES.values()],
        ref_template=f"{_SCHEMAS}/{{model}}",
    )
    schemas: dict[str, Any] = document["$defs"]
    return schemas

"""JSON Schemas of the events, for whoever produces or reads our topics without our code."""

from collections.abc import Mapping
from typing import Any

from streams.topics import EVENT_TYPES, TOPIC_OF

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schemas() -> Mapping[str, dict[str, Any]]:
    """Return the JSON Schema (draft 2020-12) of each event's value by event type.

    `$id` names the event and its schema version; `x-schema-version` and `x-topic` repeat the
    version and name the topic. Fields with defaults are optional, unknown fields are allowed.

    >>> json_schemas()["FeedbackGiven"]["$id"]
    'urn:kappa:event:FeedbackGiven:1'
    """
    return {
        name: {
            "$schema": DIALECT,
            "$id": f"urn:kappa:event:{name}:{kind.schema_version}",
            **kind.model_json_schema(),
            "x-schema-version": kind.schema_version,
            "x-topic": TOPIC_OF[kind].name,
        }
        for name, kind in EVENT_TYPES.items()
    }

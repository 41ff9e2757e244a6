"""The published schemas, held against somebody else's validator."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no stubs

from streams.codec import encode
from streams.events import Event
from streams.schemas import json_schemas
from streams.topics import EVENT_TYPES
from tests.streams.examples import EVENTS

SCHEMAS = json_schemas()


def test_every_event_has_a_schema_that_names_it() -> None:
    assert set(SCHEMAS) == set(EVENT_TYPES)
    assert len({schema["$id"] for schema in SCHEMAS.values()}) == len(EVENT_TYPES)
    asked = SCHEMAS["UtteranceAsked"]
    assert asked["$id"] == "urn:kappa:event:UtteranceAsked:1"
    assert (asked["x-schema-version"], asked["x-topic"]) == (1, "utterances")
    assert asked["required"] == ["utterance_id", "text"]


@pytest.mark.parametrize("name", EVENTS)
def test_a_schema_is_valid_and_every_encoded_event_conforms_to_it(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    validator = Draft202012Validator(SCHEMAS[name])
    seen = 0

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(event=EVENTS[name], unknown=st.integers())
    def conforms(event: Event, unknown: int) -> None:
        nonlocal seen
        value = json.loads(encode(event, timestamp=0).value)
        validator.validate({**value, "unknown field": unknown})
        seen += 1

    conforms()
    assert seen >= 5
    assert not validator.is_valid({})

"""The AsyncAPI document, held against somebody else's models and validator."""

import copy
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # has no stubs
from pydantic import ValidationError

from agents.cli import main
from agents.commands.shared import graph
from agents.pipeline import roles
from streams.asyncapi import asyncapi
from streams.codec import encode
from streams.events import Event
from streams.topic_plan import Layout
from streams.topics import EVENT_TYPES, TOPIC_NAMES
from tests.streams.examples import EVENTS

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # two of its fields are named `schema`
    from asyncapi3.models.asyncapi import AsyncAPI3

LAYOUT = Layout(partitions=6, replication=2, retention_days=1)
DOCUMENT = asyncapi(roles(graph()), LAYOUT, version="1", named="a.{}".format)


def test_the_document_is_valid_asyncapi_3() -> None:
    AsyncAPI3.model_validate(DOCUMENT)
    assert list(DOCUMENT["channels"]) == list(TOPIC_NAMES)
    assert set(DOCUMENT["components"]["messages"]) == set(EVENT_TYPES)


def test_every_reference_leads_somewhere() -> None:
    references = set(_references(DOCUMENT))
    assert len(references) > len(EVENT_TYPES)
    for reference in references:
        assert reference.startswith("#/")
        place: Any = DOCUMENT
        for step in reference[2:].split("/"):
            place = place[step]


def _references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for each in part.values():
            yield from _references(each)
    elif isinstance(part, list):
        for each in part:
            yield from _references(each)


KAFKA = ("channels", "matches", "bindings", "kafka")
FALSE = [
    (("asyncapi",), "2.6.0"),
    (("info",), {"title": "Kappa"}),
    (("operations", "matcher-receives-utterances", "action"), "subscribe"),
    (("operations", "matcher-receives-utterances", "channel"), 7),
    (("channels", "matches", "partitions"), 4),
    ((*KAFKA, "partitions"), 0),
    ((*KAFKA, "topicConfiguration", "cleanup.policy"), ["forget"]),
    (("components", "messages", "AnswerGiven", "payload"), 7),
]


@pytest.mark.parametrize(("place", "value"), FALSE, ids=lambda part: str(part)[:60])
def test_the_models_refuse_what_is_false(place: Sequence[str], value: object) -> None:
    false = copy.deepcopy(DOCUMENT)
    part: Any = false
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    with pytest.raises(ValidationError):
        AsyncAPI3.model_validate(false)


def test_a_channel_tells_of_the_topic_in_the_cluster() -> None:
    assert DOCUMENT["channels"]["matches"] == {
        "address": "a.matches",
        "description": "The deterministic answers. "
        "A record goes to the partition of the record that it follows from.",
        "messages": {"AnswerGiven": {"$ref": "#/components/messages/AnswerGiven"}},
        "bindings": {
            "kafka": {
                "topic": "a.matches",
                "partitions": 6,
                "replicas": 2,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": 86_400_000,
                    "max.message.bytes": 4_194_304,
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def test_the_operations_are_the_graph() -> None:
    told = {
        (name.split("-")[0], operation["action"], operation["channel"]["$ref"].split("/")[-1])
        for name, operation in DOCUMENT["operations"].items()
    }
    assert told == {
        (role.name, action, topic)
        for role in roles(graph())
        for action, topics in (("receive", role.reads), ("send", role.writes))
        for topic in topics
    }
    group = DOCUMENT["operations"]["matcher-receives-utterances"]["bindings"]["kafka"]["groupId"]
    assert group == {"type": "string", "enum": ["a.matcher"]}


@pytest.mark.parametrize("name", EVENTS)
def test_every_record_conforms_to_the_message_of_its_event(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    payload = {**message["payload"], "components": DOCUMENT["components"]}
    Draft7Validator.check_schema(DOCUMENT["components"]["schemas"][name])
    Draft7Validator.check_schema(message["headers"])
    echoed = tuple((header, b"x") for header in ("correlation-id", "reply-topic", "traceparent"))
    seen = 0

    @settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(event=EVENTS[name], unknown=st.integers())
    def conforms(event: Event, unknown: int) -> None:
        nonlocal seen
        record = encode(event, timestamp=0, headers=echoed)
        headers = {header: value.decode() for header, value in record.headers}
        assert set(headers) <= set(message["headers"]["properties"])
        Draft7Validator(message["headers"]).validate(headers)
        Draft7Validator(payload).validate(json.loads(record.value))
        seen += 1

    conforms()
    assert seen >= 3
    assert not Draft7Validator(payload).is_valid({})
    assert not Draft7Validator(message["headers"]).is_valid({"event": "Other", "schema": "1"})


def test_the_command_writes_it_beside_the_schemas(tmp_path: Path) -> None:
    environment = {"KAPPA_PARTITIONS": "9", "KAPPA_KAFKA_PREFIX": "b."}
    assert CliRunner().invoke(main, ["schemas", str(tmp_path)], env=environment).exit_code == 0
    written = {path.stem: json.loads(path.read_text("utf-8")) for path in tmp_path.iterdir()}
    assert set(written) == {*EVENT_TYPES, "asyncapi"}
    AsyncAPI3.model_validate(written["asyncapi"])
    channel = written["asyncapi"]["channels"]["completions"]
    assert (channel["address"], channel["bindings"]["kafka"]["partitions"]) == ("b.completions", 9)

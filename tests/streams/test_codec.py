"""Events become records and come back; no record, however bad, raises."""

import base64
import json
import sys
from collections import Counter
from typing import get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from streams import codec, events
from streams.codec import Undecodable, decode, encode, passthrough, rejected
from streams.topics import EVENT_TYPES, TOPIC_NAMES
from streams.transports import Record
from tests.streams.examples import EVENTS, headers, json_values, lying, texts

ASKED = events.UtteranceAsked(utterance_id="u1", tenant="t", session="s1", text="naïve 5")
GOOD = lying(encode(ASKED, timestamp=7))


def feedback(correction: object) -> events.FeedbackGiven:
    return events.FeedbackGiven(
        answer_ref="r",
        verdict="reject",
        correction=correction,
        source="s",
    )


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def test_a_record_says_what_it_carries_and_to_whom_it_belongs() -> None:
    echoed = (("correlation-id", b"c1"),)
    record = encode(ASKED, timestamp=7, headers=echoed)
    assert record.topic == "utterances"
    assert record.key == "s1"
    assert record.timestamp == 7
    assert record.headers == (
        ("event", b"UtteranceAsked"),
        ("schema", b"1"),
        ("utterance", b"u1"),
        ("correlation-id", b"c1"),
    )
    assert record.value == (
        '{"utterance_id":"u1","tenant":"t","session":"s1","text":"naïve 5",'
        '"context":null,"asked_at":null,"deadline":null}'.encode()
    )


def test_an_event_without_an_utterance_has_no_such_header() -> None:
    names = [name for name, _ in encode(feedback(None), timestamp=0).headers]
    assert names == ["event", "schema"]


@pytest.mark.parametrize("name", EVENTS)
def test_decoding_an_encoded_event_gives_it_back_and_encoding_again_the_same_bytes(
    name: str,
) -> None:
    seen = Counter[str]()

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(event=EVENTS[name], timestamp=st.integers())
    def comes_back(event: events.Event, timestamp: int) -> None:
        record = encode(event, timestamp=timestamp)
        again = decode(lying(record))
        assert again == event
        assert isinstance(again, EVENT_TYPES[name])
        assert encode(again, timestamp=timestamp) == record
        seen[name] += 1

    comes_back()
    assert seen[name] >= 10


@pytest.mark.parametrize("name", EVENTS)
def test_the_bytes_of_an_event_are_those_that_pydantic_writes(name: str) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(event=EVENTS[name])
    def are_written(event: events.Event) -> None:
        assert encode(event, timestamp=0).value == event.model_dump_json().encode()

    are_written()


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(max_size=5))
def test_the_bytes_of_any_number_and_text_are_those_that_pydantic_writes(value: object) -> None:
    for event in (feedback(value), feedback({str(value): [value]})):
        assert encode(event, timestamp=0).value == event.model_dump_json().encode()


def test_the_bytes_of_every_code_point_are_those_that_pydantic_writes() -> None:
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(characters), 4096):
        event = feedback("".join(characters[start : start + 4096]))
        assert encode(event, timestamp=0).value == event.model_dump_json().encode()


UNFIT = {float: float("nan"), int: 1 << 14_000, JsonValue: [float("inf")]}


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (kind, name)
        for kind in EVENT_TYPES.values()
        for name, field in kind.model_fields.items()
        if {field.annotation, *get_args(field.annotation)} & UNFIT.keys()
    ],
)
def test_a_number_that_json_cannot_carry_is_refused_in_every_field(
    kind: type[events.Event], field: str
) -> None:
    annotation = kind.model_fields[field].annotation
    unfit = next(v for t, v in UNFIT.items() if t in (annotation, *get_args(annotation)))
    many = get_origin(annotation) is tuple
    name = kind.__name__

    @settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(event=EVENTS[name])
    def is_refused(event: events.Event) -> None:
        wrong = event.model_copy(update={field: (unfit,) if many else unfit})
        with pytest.raises(ValueError, match=rf"{name} cannot be encoded: {field}"):
            encode(wrong, timestamp=0)
        document = {**event.model_dump(), field: [unfit] if many else unfit}
        record = lying(encode(event, timestamp=0))._replace(value=json.dumps(document).encode())
        assert isinstance(decode(record), Undecodable)

    is_refused()


def test_no_record_however_mutated_makes_decode_raise() -> None:
    seen = Counter[bool]()
    fragments = [b"NaN", b"1e999", b'"\\ud800"', b"[" * 300, b"9" * 5000, b"\xff", b"", b'"5"']

    @settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.data())
    def is_answered(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(EVENTS)))
        record = lying(encode(data.draw(EVENTS[name]), timestamp=0))
        match data.draw(st.sampled_from(["value", "splice", "headers", "topic", "foreign"])):
            case "value":
                record = record._replace(value=data.draw(st.binary(max_size=50)))
            case "splice":
                start = data.draw(st.integers(0, len(record.value)))
                end = data.draw(st.integers(start, min(len(record.value), start + 3)))
                middle = data.draw(st.sampled_from(fragments) | st.binary(max_size=3))
                spliced = record.value[:start] + middle + record.value[end:]
                record = record._replace(value=spliced)
            case "headers":
                record = record._replace(headers=data.draw(headers) + record.headers)
            case "topic":
                record = record._replace(topic=data.draw(st.sampled_from(TOPIC_NAMES) | texts))
            case "foreign":
                value = json.dumps(data.draw(json_values)).encode()
                record = record._replace(value=value)
        result = decode(record)
        seen[isinstance(result, Undecodable)] += 1
        if isinstance(result, Undecodable):
            assert 0 < len(result.reason) <= codec.REASON_LIMIT
            letter = rejected(record, result.reason)
            assert decode(lying(encode(letter, timestamp=0))) == letter
        else:
            assert decode(lying(encode(result, timestamp=0))) == result

    is_answered()
    assert seen[True] >= 50
    assert seen[False] >= 20


def with_header(name: str, value: bytes | None) -> Record:
    others = tuple(header for header in GOOD.headers if header[0] != name)
    return GOOD._replace(headers=others if value is None else ((name, value), *others))


REFUSED: dict[str, tuple[Record, str]] = {
    "no-event-header": (with_header("event", None), "header 'event' is missing"),
    "event-header-not-utf-8": (with_header("event", b"\xff"), "header 'event' is not UTF-8"),
    "unknown-event": (with_header("event", b"Gossip"), "unknown event type 'Gossip'"),
    "wrong-topic": (
        GOOD._replace(topic="matches"),
        "UtteranceAsked belongs on 'utterances', not on 'matches'",
    ),
    "no-schema-header": (with_header("schema", None), "header 'schema' is missing"),
    "schema-header-not-utf-8": (with_header("schema", b"\xfe1"), "header 'schema' is not UTF-8"),
    "schema-newer": (
        with_header("schema", b"2"),
        "schema '2' of UtteranceAsked is not readable; known is 1",
    ),
    "schema-not-a-number": (
        with_header("schema", b"one"),
        "schema 'one' of UtteranceAsked is not readable; known is 1",
    ),
    "oversize": (
        GOOD._replace(value=b" " * 1_048_577),
        "value has 1048577 bytes; the limit is 1048576",
    ),
    "not-json": (
        GOOD._replace(value=b"{"),
        "value of UtteranceAsked is not JSON: Invalid JSON: EOF while parsing an object at line 1"
        " column 1",
    ),
    "missing-field": (
        GOOD._replace(value=b'{"utterance_id":"u1"}'),
        "1 invalid fields of UtteranceAsked: text: Field required",
    ),
    "text-for-a-number": (
        GOOD._replace(value=b'{"utterance_id":"u1","text":"a","asked_at":"5"}'),
        "1 invalid fields of UtteranceAsked: asked_at: Input should be a valid integer",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_record_that_is_no_event_is_refused_with_its_reason(name: str) -> None:
    record, reason = REFUSED[name]
    assert decode(record) == Undecodable(reason)


@pytest.mark.parametrize(
    ("correction", "reason"),
    [
        (b"NaN", "FeedbackGiven: correction: not a finite number"),
        (b'{"a":[1,-Infinity]}', "FeedbackGiven: correction.a[1]: not a finite number"),
        (b"1e999", "FeedbackGiven: correction: not a finite number"),
        (b"[" * 65 + b"]" * 65, f"FeedbackGiven: correction{'[0]' * 64}: nested deeper than 64"),
        (b"9" * 4300, "FeedbackGiven: correction: more than 14000 bits"),
    ],
)
def test_what_pydantic_reads_but_cannot_write_again_is_refused(
    correction: bytes, reason: str
) -> None:
    value = b'{"answer_ref":"r","verdict":"accept","source":"s","correction":%b}' % correction
    record = lying(encode(feedback(None), timestamp=0))._replace(value=value)
    assert decode(record) == Undecodable(reason)


def test_unknown_fields_are_ignored() -> None:
    value = b'{"utterance_id":"u1","tenant":"t","session":"s1","text":"a","mood":"fine"}'
    expected = ASKED.model_copy(update={"text": "a"})
    assert decode(GOOD._replace(value=value)) == expected


@pytest.mark.parametrize(
    ("correction", "why"),
    [
        (float("nan"), "correction: not a finite number"),
        ({"a": float("inf")}, r"correction\.a: not a finite number"),
        (nested(65), "nested deeper than 64"),
        (1 << 14_000, "more than 14000 bits"),
        ("\ud800", "surrogates not allowed"),
        ("x" * 1_048_576, "the limit is 1048576"),
    ],
)
def test_what_decode_would_refuse_is_not_encoded(correction: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        encode(feedback(correction), timestamp=0)


def test_the_deepest_value_that_is_allowed_comes_back() -> None:
    event = feedback(nested(64))
    assert decode(lying(encode(event, timestamp=0))) == event


def test_an_event_of_no_topic_is_not_encoded() -> None:
    with pytest.raises(TypeError, match="Event is on no topic"):
        encode(events.Event(), timestamp=0)


def test_the_codecs_own_headers_cannot_be_passed_in() -> None:
    with pytest.raises(ValueError, match=r"\['event', 'schema', 'utterance'\] are the codec's own"):
        encode(ASKED, timestamp=0, headers=GOOD.headers)


def test_only_the_echoed_headers_pass_through_in_their_order_and_bytes() -> None:
    given_headers = (
        ("traceparent", b"00-1"),
        ("event", b"UtteranceAsked"),
        ("reply-topic", b"\xff\x00"),
        ("cookie", b"secret"),
        ("correlation-id", b"c"),
        ("tracestate", b""),
    )
    assert passthrough(given_headers) == (
        ("traceparent", b"00-1"),
        ("reply-topic", b"\xff\x00"),
        ("correlation-id", b"c"),
        ("tracestate", b""),
    )


def test_a_dead_letter_keeps_the_position_the_reason_and_the_bytes() -> None:
    record = GOOD._replace(offset=41, value=b"\x00\xff")
    letter = rejected(record, "why")
    kept = {header.name: base64.b64decode(header.value) for header in letter.headers or ()}
    assert kept == dict(record.headers)
    assert letter.model_copy(update={"headers": None}) == events.RecordRejected(
        topic="utterances", partition=0, offset=41, reason="why", value="AP8=", size=2,
        key=record.key,
    )  # fmt: skip


def test_a_dead_letter_leaves_out_what_is_too_long_to_keep() -> None:
    longest: codec.Headers = (("\x00" * 2000, b"\xff" * 20_000),)
    record = GOOD._replace(key="\x01" * 9000, headers=longest, value=b"x" * 5_000_000)
    letter = rejected(record, "\x02" * 100_000)
    assert (letter.key, letter.headers, letter.size) == (None, None, 5_000_000)
    assert letter.reason.endswith("(key and headers are above 32768 bytes and not kept here)")
    assert decode(lying(encode(letter, timestamp=0))) == letter
    fits = record._replace(key="\x01" * 5000, headers=())
    assert rejected(fits, "why").key == fits.key
    assert decode(lying(encode(rejected(fits, "\x02" * 9000), timestamp=0)))


def test_a_dead_letter_of_an_oversize_record_is_cut_and_fits_a_record_itself() -> None:
    record = GOOD._replace(value=b"x" * 5_000_000)
    letter = rejected(record, "too long")
    assert letter.reason == "too long (kept here: the first 737280 of 5000000 bytes)"
    assert base64.b64decode(letter.value) == b"x" * 737_280
    assert decode(lying(encode(letter, timestamp=0))) == letter


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("", ""),
        ("plain", "plain"),
        ("naïve 😀", "naïve 😀"),
        ("\ud800", "\ufffd"),
        ("\udfffa\ud800", "\ufffda\ufffd"),
        ("\ud800\ud800\udc00", "\ufffd\U00010000"),
        ("\ud83d\ude00", "😀"),
        ("\ufeffmark", "\ufeffmark"),
    ],
)
def test_lone_surrogates_become_replacement_characters(text: str, clean: str) -> None:
    assert codec.sanitize(text) == clean


@given(st.text(st.characters(), max_size=20))
def test_sanitizing_gives_text_that_utf_8_carries_and_twice_is_once(text: str) -> None:
    clean = codec.sanitize(text)
    assert codec.sanitize(clean.encode().decode()) == clean
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert clean == text


def test_sanitizing_json_reaches_every_text_and_key() -> None:
    value = {"k\ud800": ["\udfff", {"a": "b"}], "n": [1, 2.5, None, True]}
    assert codec.sanitize_json(value) == {
        "k\ufffd": ["\ufffd", {"a": "b"}],
        "n": [1, 2.5, None, True],
    }


@given(json_values)
def test_sanitizing_changes_no_json_that_is_clean_already(value: object) -> None:
    assert codec.sanitize_json(value) == value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "value: not a finite number"),
        ([0, {"a": float("-inf")}], r"value\[1\]\.a: not a finite number"),
        ({1: 2}, "value: key '1' is not text"),
        ([(1, 2)], r"value\[0\]: tuple is not a JSON type"),
        (b"bytes", "value: bytes is not a JSON type"),
        (nested(65), "nested deeper than 64"),
        (nested(100_000), "nested deeper than 64"),
        (1 << 14_000, "more than 14000 bits"),
        (dict.fromkeys(["\ud800", "\udfff"]), "would become one"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else "",
)
def test_what_json_cannot_carry_is_refused_at_the_door_with_its_place(
    value: object, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        codec.sanitize_json(value)


@pytest.mark.parametrize(
    ("schema", "known", "readable"),
    [
        ("3", 3, True),
        ("2", 3, True),
        ("1", 3, False),
        ("4", 3, False),
        ("0", 1, False),
        ("03", 3, False),
        ("", 1, False),
    ],
)
def test_readers_read_their_version_and_the_one_before(
    schema: str, known: int, readable: bool
) -> None:
    assert codec.is_readable(schema, known) is readable

"""The topic table and the access rules against a real cluster."""

import asyncio
import gc
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from click.testing import CliRunner, Result

from agents.cli import main
from infra.kafka.cluster import Cluster
from streams.codec import VALUE_LIMIT, decode, encode
from streams.events import CompletionRefused
from streams.topic_plan import (
    Found,
    Layout,
    Unfixable,
    as_lines,
    differences,
    wanted,
)
from streams.topics import TOPIC_NAMES
from streams.transports import AccessRefused, TransportError, Unreachable
from streams.transports.kafka import KafkaLog
from streams.transports.kafka_admin import apply, drift
from streams.transports.kafka_connection import KafkaConnection
from tests.kafka.topics import as_user

pytestmark = pytest.mark.slow

ONE = Layout(partitions=4, replication=1)


@pytest.fixture
def connection(bootstrap: str) -> KafkaConnection:
    """A part of the cluster that no other test uses."""
    return KafkaConnection(bootstrap, prefix=f"t{uuid.uuid4().hex[:8]}.")


async def test_what_is_applied_is_what_the_table_says(connection: KafkaConnection) -> None:
    assert {type(each).__name__ for each in await drift(connection, ONE)} == {"Create"}
    assert await apply(connection, ONE) == []
    assert await drift(connection, ONE) == []
    assert await apply(connection, ONE) == []
    assert await drift(replace(connection, prefix="other."), ONE, ["matches"]) != []


@dataclass(frozen=True, slots=True)
class Drifted:
    """A cluster laid out as `was`, then changed by hand, then held against `layout`."""

    name: str
    expected: Sequence[str]
    left: Sequence[str] = ()
    layout: Layout = ONE
    config: Mapping[str, str] = field(default_factory=dict)
    topic: str = "versions"


DRIFTED = [
    Drifted(
        "compacting the log of record is undone",
        ["~ versions: cleanup.policy compact → delete"],
        config={"cleanup.policy": "compact"},
    ),
    Drifted(
        "retention of the log of record is undone",
        ["~ versions: retention.ms 1000000 → -1"],
        config={"retention.ms": "1000000"},
    ),
    Drifted(
        "an operator's own entries are no drift and stay",
        [],
        config={"segment.ms": "3600000", "compression.type": "zstd"},
    ),
    Drifted(
        "more partitions for what is spread, and nothing else",
        [
            f"~ {topic}: partitions 4 → 6; keys move between partitions: "
            "restart the agents after it"
            for topic in ("utterances", "matches", "fallbacks", "completions")
        ],
        layout=replace(ONE, partitions=6),
    ),
    Drifted(
        "another retention is for traffic alone",
        [
            f"~ {topic}: retention.ms 2592000000 → 86400000"
            for topic in (
                "utterances", "matches", "fallbacks", "completions", "feedback", "rejected",
            )
        ],
        layout=replace(ONE, retention_days=1),
    ),
    Drifted(
        "fewer partitions than there are is a person's decision",
        [f"! {topic}: has 4 partitions, more than KAPPA_PARTITIONS=3; set KAPPA_PARTITIONS=4, "
         "which all topics of utterances then have; or copy its records away, delete the topic "
         "and apply again"
         for topic in ("utterances", "matches", "fallbacks", "completions")],
        left=["utterances", "matches", "fallbacks", "completions"],
        layout=replace(ONE, partitions=3),
    ),
    Drifted(
        "so are more copies than there are; they are not demanded to be in sync before",
        [f"! {topic}: keeps 1 copies of a partition, not 3; reassign its partitions "
         "(kafka-reassign-partitions.sh), or set KAPPA_REPLICATION=1" for topic in TOPIC_NAMES],
        left=TOPIC_NAMES,
        layout=replace(ONE, replication=3),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", DRIFTED, ids=lambda case: case.name)
async def test_drift_is_shown_line_by_line_and_mended_where_it_can_be(
    connection: KafkaConnection, case: Drifted
) -> None:
    await apply(connection, ONE)
    name = connection.named(case.topic)
    if case.config:
        await _configure(connection, name, case.config)
    found = await drift(connection, case.layout)
    assert as_lines(found).replace(connection.prefix, "").splitlines() == list(case.expected)
    left = await apply(connection, case.layout)
    assert [each.topic.removeprefix(connection.prefix) for each in left] == list(case.left)
    assert all(isinstance(each, Unfixable) for each in left)
    assert await drift(connection, case.layout) == left
    kept = {entry: value for entry, value in case.config.items() if not case.expected}
    assert kept.items() <= (await _configured(connection, name)).items()


async def _configure(connection: KafkaConnection, name: str, config: Mapping[str, str]) -> None:
    admin = AIOKafkaAdminClient(**connection.client())
    await admin.start()
    try:
        whole = {**wanted(ONE, connection.named)[name].config, **config}
        resource = ConfigResource(ConfigResourceType.TOPIC, name, configs=whole)
        await admin.alter_configs([resource])
        async with asyncio.timeout(20):
            while not config.items() <= (await _configured(connection, name)).items():
                await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def _configured(connection: KafkaConnection, name: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(**connection.client())
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, name)
        [response] = await admin.describe_configs([resource])
        return {entry[0]: entry[1] for entry in response.resources[0][4]}
    finally:
        await admin.close()


async def test_one_order_is_never_spread(connection: KafkaConnection) -> None:
    admin = AIOKafkaAdminClient(**connection.client())
    await admin.start()
    await admin.create_topics([NewTopic(connection.named("versions"), 3, 1)])
    await admin.close()
    left = await apply(connection, ONE)
    assert as_lines(left).removeprefix("! " + connection.prefix) == (
        "versions: has 3 partitions and must have one: its order matters; partitions cannot be "
        "taken away; copy its records away, delete the topic and apply again"
    )


def test_a_cluster_with_too_few_brokers_is_told_of_once() -> None:
    [told] = differences(wanted(Layout()), Found(2, {}))
    assert isinstance(told, Unfixable)
    assert told.problem == "missing, and cannot have 3 copies on 2 brokers"
    assert told.remedy == "start more brokers, or set KAPPA_REPLICATION to at most 2"


async def test_the_largest_records_fit(connection: KafkaConnection) -> None:
    assert await apply(connection, ONE) == []
    text = "word " * ((VALUE_LIMIT - 1000) // 5)  # in the value, and as skeleton in the key
    event = CompletionRefused(
        utterance_id="u", tenant="t", text=text, teacher="demo", reason="too long"
    )
    log = KafkaLog(connection)
    try:
        await log.publish([encode(event, timestamp=0)])
        assert [decode(record) async for record in log.scan(["completions"])] == [event]
    finally:
        await log.close()


# --- whoever cannot reach or may not do it --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refused:
    """A connection with something wrong: what is raised, and what it says to do."""

    name: str
    wrong: Mapping[str, object]
    error: type[TransportError]
    says: str


REFUSED = [
    Refused("nobody listens", {"bootstrap": "127.0.0.1:1"}, Unreachable, "check the address"),
    Refused("no such host", {"bootstrap": "nobody.invalid:9092"}, Unreachable, "check the address"),
    Refused("wrong password", {"password": "guessed"}, AccessRefused, "KAPPA_KAFKA_PASSWORD"),
    Refused("wrong user", {"username": "nobody"}, AccessRefused, "user 'nobody'"),
    Refused(
        "wrong mechanism", {"sasl_mechanism": "SCRAM-SHA-256"}, AccessRefused, "KAFKA_MECHANISM"
    ),
    Refused("another authority", {"ca_file": None}, AccessRefused, "KAPPA_KAFKA_CA_FILE"),
    Refused("no such file", {"ca_file": Path("/no/such")}, AccessRefused, "KAPPA_KAFKA_CA_FILE"),
    Refused("no authority", {"ca_file": Path(__file__)}, AccessRefused, "KAPPA_KAFKA_CA_FILE"),
    Refused(
        "no TLS on a port with it",
        {"security_protocol": "SASL_PLAINTEXT"},
        Unreachable,
        "KAPPA_KAFKA_SECURITY",
    ),
    Refused(
        "no password on a port with one",
        {"security_protocol": "PLAINTEXT"},
        Unreachable,
        "KAPPA_KAFKA_SECURITY",
    ),
    Refused(
        "a user without rules",
        {},
        AccessRefused,
        "does not allow user 'stranger' to describe topic 'utterances': grant what",
    ),
]


@pytest.fixture
def sockets_left_open() -> Iterator[None]:
    """aiokafka leaves the socket of a refused login to the garbage collector: call it now."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("sockets_left_open")
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
async def test_a_refusal_says_what_where_and_what_to_do(secured: Cluster, case: Refused) -> None:
    right = as_user(secured, "stranger")
    wrong = replace(right, **case.wrong)
    with pytest.raises(TransportError) as raised:
        await drift(wrong, ONE, ["utterances"])
    assert type(raised.value) is case.error
    assert case.says in str(raised.value)
    assert (wrong.bootstrap if wrong.ca_file == right.ca_file else "") in str(raised.value)
    assert str(right.password) not in str(raised.value)
    assert "\n" not in str(raised.value)


# --- the command ----------------------------------------------------------------------------------


def kappa(connection: KafkaConnection, *arguments: str, **environment: str) -> Result:
    """Run `kappa topics` on a cluster with one copy of everything."""
    given = {
        "KAPPA_KAFKA": connection.bootstrap,
        "KAPPA_KAFKA_PREFIX": connection.prefix,
        "KAPPA_REPLICATION": "1",
        "COLUMNS": "200",
    }
    return CliRunner().invoke(main, ["topics", *arguments], env=given | environment)


def test_plan_apply_verify_and_their_exit_statuses(connection: KafkaConnection) -> None:
    plan = kappa(connection, "plan", "--json")
    rows = json.loads(plan.stdout)["differences"]
    assert (plan.exit_code, {row["difference"] for row in rows}) == (1, {"create"})
    assert [row["topic"].removeprefix(connection.prefix) for row in rows] == list(TOPIC_NAMES)
    applied = kappa(connection, "apply")
    assert (applied.exit_code, applied.stdout.splitlines()[-1]) == (0, "11 applied, 0 left")
    verified = kappa(connection, "verify")
    assert (verified.exit_code, verified.stdout) == (0, "as the tables say\n")
    fewer = kappa(connection, "apply", "--json", KAPPA_PARTITIONS="2")
    assert fewer.exit_code == 1
    assert [row["difference"] for row in json.loads(fewer.stdout)["left"]] == ["unfixable"] * 4


BAD = [
    ("nobody listens", {"KAPPA_KAFKA": "127.0.0.1:1"}, 4, "127.0.0.1:1 does not answer"),
    ("no port", {"KAPPA_KAFKA": "broker"}, 2, "KAPPA_KAFKA: 'broker' is not HOST:PORT"),
    ("no number", {"KAPPA_KAFKA": "a:1,b:x"}, 2, "KAPPA_KAFKA: 'b:x' is not HOST:PORT"),
    ("half a login", {"KAPPA_KAFKA_SECURITY": "SASL_SSL"}, 2, "needs KAPPA_KAFKA_USERNAME"),
    ("no partitions", {"KAPPA_PARTITIONS": "0"}, 2, "KAPPA_PARTITIONS: Input should be greater"),
    ("odd prefix", {"KAPPA_KAFKA_PREFIX": "a b"}, 2, "KAPPA_KAFKA_PREFIX: String should match"),
    (
        "no file",
        {
            "KAPPA_KAFKA_SECURITY": "SSL",
            "KAPPA_KAFKA_CA_FILE": "/no/such",
        },
        2,
        "'/no/such' cannot be used as the authority of TLS brokers",
    ),
]


@pytest.mark.parametrize(("environment", "status", "says"), [row[1:] for row in BAD],
                         ids=[row[0] for row in BAD])  # fmt: skip
def test_bad_input_is_one_sentence(environment: dict[str, str], status: int, says: str) -> None:
    said = kappa(KafkaConnection("127.0.0.1:1"), "verify", **environment)
    assert (said.exit_code, said.stdout) == (status, "")
    assert says in said.stderr
    assert said.stderr.count("\n") == 1


def test_without_a_cluster_the_command_says_how_to_name_one() -> None:
    said = CliRunner().invoke(main, ["topics", "plan"], env={"KAPPA_KAFKA": None})
    assert said.exit_code == 2
    assert said.stderr == (
        "kappa: no cluster is named: give --kafka HOST:PORT, or set KAPPA_KAFKA\n"
    )

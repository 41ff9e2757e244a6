"""Passwords, TLS and access rules: what a client meets that has the wrong one of them."""

import ssl
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from aiokafka.helpers import create_ssl_context

from infra.kafka.cluster import Cluster
from infra.kafka.wire import Rule
from tests.kafka.topics import fresh_topic

pytestmark = pytest.mark.slow


def login(
    cluster: Cluster, user: str, mechanism: str = "SCRAM-SHA-512", *, tls: bool
) -> dict[str, object]:
    """The options of an aiokafka client that logs in as `user`."""
    return {
        "bootstrap_servers": cluster.tls_bootstrap if tls else cluster.sasl_bootstrap,
        "security_protocol": "SASL_SSL" if tls else "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": user,
        "sasl_plain_password": cluster.user(user).password,
        "ssl_context": create_ssl_context(cafile=str(cluster.authority)) if tls else None,
    }


@dataclass(frozen=True, slots=True)
class Refused:
    """A login that fails: what is wrong with it, and what the client's log says about that."""

    name: str
    wrong: dict[str, object]
    logged: str


REFUSED = [
    Refused("wrong-password", {"sasl_plain_password": "guessed"}, "Authentication failed"),
    Refused("unknown-user", {"sasl_plain_username": "nobody"}, "Authentication failed"),
    Refused("strange-mechanism", {"sasl_mechanism": "SCRAM-SHA-256"}, "UnsupportedSasl"),
    Refused("strange-authority", {"ssl_context": ssl.create_default_context()}, "certificate"),
    Refused(
        "no-tls",
        {"security_protocol": "SASL_PLAINTEXT", "ssl_context": None},
        "Unable connect",
    ),
]


@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "tls"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_the_right_password_opens_every_door(
    secured: Cluster, mechanism: str, tls: bool
) -> None:
    name = await fresh_topic(secured.bootstrap, "door")
    options = login(secured, "admin", mechanism, tls=tls)
    async with AIOKafkaProducer(**options) as producer:
        await producer.send_and_wait(name, b"in")
    async with AIOKafkaConsumer(name, auto_offset_reset="earliest", **options) as consumer:
        assert (await consumer.getone()).value == b"in"


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
async def test_a_wrong_login_is_refused_and_the_reason_is_logged(
    secured: Cluster, case: Refused, caplog: pytest.LogCaptureFixture
) -> None:
    producer = AIOKafkaProducer(
        **{**login(secured, "admin", tls=True), **case.wrong}, request_timeout_ms=3000
    )
    with pytest.raises(KafkaConnectionError, match="Unable to bootstrap"):
        await producer.start()
    await producer.stop()
    assert case.logged in caplog.text


async def test_a_user_without_a_rule_may_not_write(secured: Cluster) -> None:
    name = await fresh_topic(secured.bootstrap, "secret")
    async with AIOKafkaProducer(**login(secured, "stranger", tls=True)) as producer:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(name, b"mine")


async def test_a_rule_allows_writing_and_not_reading(secured: Cluster) -> None:
    name = await fresh_topic(secured.bootstrap, "write-only")
    secured.allow(Rule("kappa", "write", "topic", name))
    options = login(secured, "kappa", tls=True)
    async with AIOKafkaProducer(**options) as producer:
        await producer.send_and_wait(name, b"mine")
    async with AIOKafkaConsumer(name, auto_offset_reset="earliest", **options) as consumer:
        with pytest.raises(TopicAuthorizationFailedError):
            await consumer.getone()

"""Why a cluster cannot be reached, in one sentence that says where, what, and what to do.

Whatever is wrong with an address, a password or a certificate, aiokafka says "Unable to bootstrap"
and logs the reason; the exception itself is the last argument of that log record, so that nothing
here reads texts. A broker that closes the connection at once gives no reason at all: the port may
be the wrong one, or want TLS or a password.
"""

import contextlib
import logging
import ssl
from collections.abc import Iterator
from typing import Any

from aiokafka.errors import (
    IllegalSaslStateError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RequestTimedOutError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from streams.transports import AccessRefused, TransportError, Unreachable
from streams.transports.kafka_connection import KafkaConnection

_LOST = (
    KafkaConnectionError,
    NodeNotReadyError,
    KafkaTimeoutError,
    RequestTimedOutError,
    TimeoutError,
    OSError,
)


class _Reasons(logging.Handler):
    """Keeps the exceptions that aiokafka logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        last = record.args[-1] if isinstance(record.args, tuple) and record.args else None
        if isinstance(last, BaseException):
            self.seen.append(last)


@contextlib.contextmanager
def reaching(connection: KafkaConnection) -> Iterator[None]:
    """Raise Unreachable or AccessRefused for what keeps a client in the block from the cluster."""
    reasons, logger = _Reasons(), logging.getLogger("aiokafka")
    logger.addHandler(reasons)
    try:
        yield
    except _LOST as error:
        raise explained(connection, [*reasons.seen, error]) from error
    finally:
        logger.removeHandler(reasons)


def client_options(connection: KafkaConnection) -> dict[str, Any]:
    """Return the arguments of any client; raise AccessRefused when the CA file is of no use."""
    try:
        return connection.client()
    except OSError as error:
        raise AccessRefused(
            f"{str(connection.ca_file)!r} cannot be used as the authority of TLS brokers "
            f"({error.strerror or error}): set KAPPA_KAFKA_CA_FILE to its PEM file"
        ) from error


def explained(connection: KafkaConnection, errors: list[BaseException]) -> TransportError:
    """Return what to raise for these errors, the first refusal before all else."""
    found = [_explained(connection, error) for error in errors]
    refused = [each for each in found if isinstance(each, AccessRefused)]
    return (refused or found)[0]


def _explained(connection: KafkaConnection, error: BaseException) -> TransportError:
    where = connection.bootstrap
    match error:
        case SaslAuthenticationFailed():
            return AccessRefused(
                f"{where} refuses the password of user {connection.username!r}: "
                "check KAPPA_KAFKA_USERNAME and KAPPA_KAFKA_PASSWORD"
            )
        case UnsupportedSaslMechanismError():
            return AccessRefused(
                f"{where} takes no {connection.sasl_mechanism} logins: "
                "set KAPPA_KAFKA_MECHANISM to a mechanism that it offers"
            )
        case IllegalSaslStateError():
            return AccessRefused(
                f"{where} takes no logins here: choose another port, "
                f"or another KAPPA_KAFKA_SECURITY than {connection.security_protocol}"
            )
        case ssl.SSLCertVerificationError():
            return AccessRefused(
                f"{where} shows a certificate that is not trusted ({error.verify_message}): "
                "set KAPPA_KAFKA_CA_FILE to the PEM file of its authority"
            )
        case ssl.SSLError() | IncompatibleBrokerVersion() | ConnectionError() if not isinstance(
            error, ConnectionRefusedError
        ):
            return _closed(connection, error)
        case KafkaConnectionError():
            return _closed(connection, error)
    reason = str(error) or type(error).__name__
    return Unreachable(
        f"{where} does not answer ({reason}): check the address (--kafka, KAPPA_KAFKA) "
        "and that a broker runs there"
    )


def _closed(connection: KafkaConnection, error: BaseException) -> Unreachable:
    reason = str(error) or type(error).__name__
    return Unreachable(
        f"{connection.bootstrap} breaks the connection off ({reason}): check the port, and that "
        f"it speaks {connection.security_protocol} (KAPPA_KAFKA_SECURITY)"
    )

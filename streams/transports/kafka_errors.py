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

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
    for_code,
)

from streams.transports import AccessRefused, LogUnavailable, Unreachable
from streams.transports.kafka_connection import KafkaConnection

_FORBIDDEN = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
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
    """Raise what a client in the block meets as LogUnavailable, Unreachable or AccessRefused."""
    reasons, logger = _Reasons(), logging.getLogger("aiokafka")
    logger.addHandler(reasons)
    try:
        yield
    except (KafkaError, OSError) as error:  # TimeoutError is an OSError
        found = [explained(connection, each) for each in (*reasons.seen, error)]
        refused = (each for each in found if isinstance(each, AccessRefused))
        raise next(refused, found[0]) from error
    finally:
        logger.removeHandler(reasons)


def forbidden(connection: KafkaConnection, what: str, code: int, said: str | None) -> Exception:
    """Return what to raise when the cluster answers the wish to do `what` with an error code."""
    error = for_code(code)
    if issubclass(error, _FORBIDDEN):
        return AccessRefused(
            f"{connection.bootstrap} does not allow {_user(connection)} to {what}: "
            "grant what `kappa topics acls` lists"
        )
    return LogUnavailable(f"{connection.bootstrap} refuses to {what}: {said or error.__name__}")


def _user(connection: KafkaConnection) -> str:
    if connection.username is None:
        return "clients without a password"
    return f"user {connection.username!r}"


def explained(connection: KafkaConnection, error: BaseException) -> LogUnavailable:
    """Return what a client's error is for those who know no client."""
    where = connection.bootstrap
    match error:
        case SaslAuthenticationFailed():
            return AccessRefused(
                f"{where} refuses the password of {_user(connection)}: "
                "check KAPPA_KAFKA_USERNAME and KAPPA_KAFKA_PASSWORD"
            )
        case UnsupportedSaslMechanismError():
            return AccessRefused(
                f"{where} takes no {connection.sasl_mechanism} logins: "
                "set KAPPA_KAFKA_MECHANISM to a mechanism that it offers"
            )
        case IllegalSaslStateError():
            return AccessRefused(
                f"{where} takes no logins on this port: choose another one, "
                f"or another KAPPA_KAFKA_SECURITY than {connection.security_protocol}"
            )
        case ssl.SSLCertVerificationError():
            return AccessRefused(
                f"{where} shows a certificate that is not trusted ({error.verify_message}): "
                "set KAPPA_KAFKA_CA_FILE to the PEM file of its authority"
            )
        case _ if isinstance(error, _FORBIDDEN):
            return AccessRefused(
                f"{where} does not allow this to {_user(connection)} ({error}): "
                "grant what `kappa topics acls` lists"
            )
        case ConnectionRefusedError():
            return _silent(connection, error)
        case (
            ssl.SSLError()
            | ConnectionError()
            | KafkaConnectionError()
            | IncompatibleBrokerVersion()
        ):
            return _broken_off(connection, error)
        case OSError():
            return _silent(connection, error)
    return LogUnavailable(f"{where}: {error or type(error).__name__}")


def _silent(connection: KafkaConnection, error: OSError) -> Unreachable:
    return Unreachable(
        f"{connection.bootstrap} does not answer ({_reason(error)}): check the address "
        "(--kafka, KAPPA_KAFKA) and that a broker runs there"
    )


def _broken_off(connection: KafkaConnection, error: BaseException) -> Unreachable:
    return Unreachable(
        f"{connection.bootstrap} breaks the connection off ({_reason(error)}): check the port, and "
        f"that it speaks {connection.security_protocol} (KAPPA_KAFKA_SECURITY)"
    )


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__

"""Offsets of a transaction carry the member's generation, so that a group refuses who is no member.

aiokafka's TxnOffsetCommit v0 tells the group who writes and not for which member. A member whose
heartbeats no longer come through while everything else does is no member after the session
time-out, does not know it, and is not frozen: the transaction that it commits then doubles what
another member has done meanwhile. TxnOffsetCommit v3 (KIP-447) names member and generation, and
the group refuses what it does not know. An aborted transaction would not make a member of it:
it is fenced.

(aiokafka's own way for errors of this kind, `error_transaction`, forgets that the transaction has
been begun at the broker, where the next one would go on with it.)
"""

from collections.abc import Callable, Sequence
from typing import Any

import aiokafka.producer.sender
from aiokafka.errors import ProducerFenced
from aiokafka.producer.sender import TxnOffsetCommitHandler
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.transaction import TxnOffsetCommitRequest
from aiokafka.protocol.types import (
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

Membership = tuple[int, str]
"""Generation and member id; NOBODY outside any generation: then nobody is asked."""

NOBODY: Membership = (-1, "")

_TEXT = CompactString("utf-8")
_UNKNOWN_MEMBER, _ILLEGAL_GENERATION, _FENCED_INSTANCE = 25, 22, 82
_NO_MEMBER = {_UNKNOWN_MEMBER, _ILLEGAL_GENERATION, _FENCED_INSTANCE}
_NO_EPOCH = -1


class _Committed(Response):
    API_KEY = 28
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32), ("error_code", Int16), ("tags", TaggedFields)
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _CommitStruct(RequestStruct):
    API_KEY = 28
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Committed
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("group", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation", Int32),
        ("member", _TEXT),
        ("instance", _TEXT),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _TEXT),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _Commit(Request[_CommitStruct]):
    API_KEY = 28

    def __init__(self, plain: TxnOffsetCommitRequest, membership: Membership) -> None:
        self.plain = plain
        self.membership = membership

    def build(self, request_struct_class: type[_CommitStruct]) -> _CommitStruct:
        plain, (generation, member) = self.plain, self.membership
        topics: list[Any] = [
            (topic, [(number, offset, _NO_EPOCH, said, {}) for number, offset, said in rows], {})
            for topic, rows in plain._topics
        ]
        return request_struct_class(
            plain._transactional_id,
            plain._group_id,
            plain._producer_id,
            plain._producer_epoch,
            generation,
            member,
            None,
            topics,
            {},
        )


class _Errors:
    """The part of a response that aiokafka's handler reads."""

    def __init__(self, topics: Sequence[tuple[str, Sequence[tuple[int, int]]]]) -> None:
        self.errors = topics


class _Handler(TxnOffsetCommitHandler):
    def create_request(self) -> Any:
        membership: Callable[[], Membership] = getattr(self._sender, "membership", _nobody)
        return _Commit(super().create_request(), membership())

    def handle_response(self, response: Any) -> Any:
        topics = [(topic, [(n, code) for n, code, _ in rows]) for topic, rows, _ in response.topics]
        if {code for _, rows in topics for _, code in rows} & _NO_MEMBER:
            raise ProducerFenced("the group knows no such member any more")
        return super().handle_response(_Errors(topics))


def _nobody() -> Membership:
    return NOBODY


aiokafka.producer.sender.TxnOffsetCommitHandler = _Handler


def belongs(producer: Any, membership: Callable[[], Membership]) -> None:
    """Let the offsets of a producer's transactions name the member that `membership` returns."""
    producer._sender.membership = membership


def membership_of(consumer: Any) -> Membership:
    """Return a consumer's generation and member id; NOBODY while it has none."""
    coordinator = consumer._coordinator
    generation, member = coordinator.generation, coordinator.member_id
    return (generation, member) if generation >= 0 else NOBODY

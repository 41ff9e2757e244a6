"""Access rules of a cluster, over aiokafka's protocol: its admin client has no calls for them."""

import asyncio
from collections.abc import Collection
from typing import Any, get_args

from aiokafka.protocol.admin import CreateAclsRequest_v1, DescribeAclsRequest
from aiokafka.protocol.api import Request

from streams.access_rules import (
    AccessDifference,
    AccessRule,
    Missing,
    Operation,
    Resource,
    access_differences,
)
from streams.transports.kafka_admin import SETTLE_LIMIT_S, TICK_S, send
from streams.transports.kafka_client import client
from streams.transports.kafka_connection import KafkaConnection
from streams.transports.kafka_errors import forbidden

_ANY = 1
_LITERAL, _PREFIXED = 3, 4
_DENY, _ALLOW = 2, 3
_ANY_HOST = "*"
_RESOURCES: dict[Resource, int] = {"topic": 2, "group": 3, "cluster": 4, "transactional-id": 5}
_OPERATIONS: dict[Operation, int] = {
    operation: code
    for code, operation in enumerate(get_args(Operation), start=2)
    if operation != "unknown"
}
_RESOURCE_OF = {code: resource for resource, code in _RESOURCES.items()}
_OPERATION_OF = {code: operation for operation, code in _OPERATIONS.items()}
_NO_AUTHORIZER = 54


async def access_drift(
    connection: KafkaConnection, rules: Collection[AccessRule]
) -> list[AccessDifference]:
    """Return how the rules of a cluster differ from `rules`; raise Unreachable, AccessRefused."""
    async with client(connection) as asking:
        return access_differences(rules, await _found(asking, connection))


async def allow(
    connection: KafkaConnection, rules: Collection[AccessRule]
) -> list[AccessDifference]:
    """Make the rules that are missing, wait until they are seen, and return what still differs.

    Nothing is taken away.
    """
    async with client(connection) as asking:
        differing = access_differences(rules, await _found(asking, connection))
        missing = [each.rule for each in differing if isinstance(each, Missing)]
        if missing:
            response = await send(asking, _CreateRules(missing))
            for row in response["creation_responses"]:
                if row["error_code"]:
                    code, said = row["error_code"], row["error_message"]
                    raise forbidden(connection, "make access rules", code, said)
        deadline = asyncio.get_running_loop().time() + SETTLE_LIMIT_S
        while True:
            left = access_differences(rules, await _found(asking, connection))
            is_settled = not any(isinstance(each, Missing) for each in left)
            if is_settled or asyncio.get_running_loop().time() > deadline:
                return left
            await asyncio.sleep(TICK_S)


async def _found(asking: Any, connection: KafkaConnection) -> set[AccessRule]:
    """Ask for all rules: a rule is recognised by its fields, whatever pattern it has."""
    response = await send(asking, DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY))
    code, said = response["error_code"], response["error_message"]
    if code == _NO_AUTHORIZER:
        said = "the brokers have no authorizer (authorizer.class.name): everybody may do everything"
    if code:
        raise forbidden(connection, "list access rules", code, said)
    return {
        AccessRule(
            row["principal"],
            _OPERATION_OF.get(row["operation"], "unknown"),
            _RESOURCE_OF.get(resource["resource_type"], "unknown"),
            resource["resource_name"],
            is_prefix=resource["resource_pattern_type"] == _PREFIXED,
            is_denial=row["permission_type"] == _DENY,
        )
        for resource in response["resources"]
        for row in resource["acls"]
        if row["host"] == _ANY_HOST or row["permission_type"] == _DENY
    }


class _CreateRules(Request[CreateAclsRequest_v1]):
    """CreateAcls with as many rules as there are; aiokafka's own takes one."""

    API_KEY = 30

    def __init__(self, rules: Collection[AccessRule]) -> None:
        self.rows = [
            (
                _RESOURCES[rule.resource],
                rule.name,
                _PREFIXED if rule.is_prefix else _LITERAL,
                rule.principal,
                _ANY_HOST,
                _OPERATIONS[rule.operation],
                _DENY if rule.is_denial else _ALLOW,
            )
            for rule in rules
        ]

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        return request_struct_class(self.rows)

"""Access rules of a cluster: what our users may do, and how that differs from what they need."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

# In the order of Kafka's codes, from 2 on.
Operation = Literal[
    "all", "read", "write", "create", "delete", "alter", "describe", "cluster-action",
    "describe-configs", "alter-configs", "idempotent-write", "unknown",
]  # fmt: skip
Resource = Literal["topic", "group", "cluster", "transactional-id", "unknown"]


@dataclass(frozen=True, slots=True, order=True)
class AccessRule:
    """A user may do an operation on a resource, from any host.

    `principal` is as the cluster names it. A `name` with `is_prefix` stands for all that begin so;
    the name `*` stands for all.
    """

    principal: str
    operation: Operation
    resource: Resource
    name: str
    is_prefix: bool = False
    is_denial: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """A user needs this rule and the cluster has none like it."""

    rule: AccessRule


@dataclass(frozen=True, slots=True)
class Excess:
    """The cluster has a rule about one of our users and resources that is not in the table."""

    rule: AccessRule


AccessDifference = Missing | Excess


def access_differences(
    needed: Collection[AccessRule], found: Collection[AccessRule]
) -> list[AccessDifference]:
    """Return which rules are missing, and which say more or less than the table.

    A rule is in excess only where it is about a user of `needed` and covers a name there: whatever
    else lies on the cluster is not ours to judge.

    >>> read = AccessRule("User:kappa-matcher", "read", "topic", "utterances")
    >>> access_differences([read], [AccessRule("User:kappa-matcher", "all", "topic", "*"), read])
    [Excess(rule=AccessRule(principal='User:kappa-matcher', operation='all', resource='topic', \
name='*', is_prefix=False, is_denial=False))]
    """
    users = {rule.principal for rule in needed}
    names = {(rule.resource, rule.name) for rule in needed}
    missing = [Missing(rule) for rule in needed if rule not in found]
    excess = [
        Excess(rule)
        for rule in found
        if rule not in needed
        and rule.principal in users
        and any(rule.resource == kind and _covers(rule, name) for kind, name in names)
    ]
    return [*missing, *excess]


def _covers(rule: AccessRule, name: str) -> bool:
    if rule.is_prefix:
        return name.startswith(rule.name) or rule.name.startswith(name)
    return rule.name in ("*", name)


def rule_row(rule: AccessRule) -> dict[str, Any]:
    """Return a rule as a row that can be printed as JSON."""
    return asdict(rule)


def difference_row(difference: AccessDifference) -> dict[str, Any]:
    """Return a difference as a row that can be printed as JSON."""
    kind = "missing-rule" if isinstance(difference, Missing) else "excess-rule"
    return {"difference": kind, **rule_row(difference.rule)}


def difference_lines(given: Sequence[AccessDifference]) -> list[str]:
    """Return the differences as lines of a diff."""
    lines = []
    for difference in given:
        match difference:
            case Missing(rule):
                lines.append(f"+ {_sentence(rule)}")
            case Excess(rule):
                remedy = (
                    "not in the table; remove it with kafka-acls.sh --remove if it is not meant"
                )
                lines.append(f"! {_sentence(rule)}; {remedy}")
    return lines


def _sentence(rule: AccessRule) -> str:
    may = "may not" if rule.is_denial else "may"
    star = "*" if rule.is_prefix else ""
    return f"{rule.principal} {may} {rule.operation} {rule.resource} {rule.name}{star}"


def table_rows(rules: Sequence[AccessRule]) -> list[tuple[str, str, str, str]]:
    """Return the rules as rows of principal, operation, resource, and the names joined."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for rule in rules:
        name = f"{rule.name}*" if rule.is_prefix else rule.name
        rows.setdefault((rule.principal, rule.operation, rule.resource), []).append(name)
    return [(*key, " ".join(names)) for key, names in rows.items()]

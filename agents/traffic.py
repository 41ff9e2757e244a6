"""What a change set does to the answers of late: texts decided before it and after it.

A decision can only change where a changed version may read the text, so that most texts cost one
look at their tokens. Texts are what was answered; what abstained cannot lose an answer.
"""

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from artifacts.comparators import public_form
from artifacts.grammar.lexer import Tokens
from artifacts.policy import Policies
from artifacts.registry import (
    SHARED,
    AllFailed,
    Clash,
    Entry,
    Hit,
    Miss,
    Registry,
    TooMany,
)
from artifacts.values import Json

_LISTED, _SHOWN = 20, 80
"""Most changed answers that are listed, and code points shown of a text or an answer."""


@dataclass(frozen=True, slots=True)
class ChangedAnswer:
    """A text of a tenant that is answered now and would be decided otherwise.

    `is_lost` where versions get into each other's way; not where one leaves or answers otherwise.
    """

    tenant: str
    text: str
    now: str
    then: str
    is_lost: bool

    def __str__(self) -> str:
        return f"{_cut(self.text)!r} of {self.tenant}: {self.now} would be {self.then}"


def changed_answers(
    before: Registry,
    after: Registry,
    scope: str,
    touched: Sequence[Entry],
    recent: Mapping[str, Sequence[Tokens]],
    policies: Policies,
) -> list[ChangedAnswer]:
    """Return the texts of late that are answered now and would be decided otherwise; lost ones
    first.

    `touched` are the versions whose stages change. A shared change is held against the texts of
    all tenants, and every canary as if it answered them all.
    """
    found: list[ChangedAnswer] = []
    for tenant, tokens in _concerned(scope, touched, recent):
        limit = policies.of(tenant).max_candidates
        now = _outcome(before, tenant, tokens, limit)
        if not now.is_hit:
            continue
        then = _outcome(after, tenant, tokens, limit)
        if (now.form, now.is_hit) != (then.form, then.is_hit):
            found.append(ChangedAnswer(tenant, tokens.text, now.said, then.said, then.is_lost))
    return sorted(found, key=lambda answer: not answer.is_lost)


def listed(found: Sequence[ChangedAnswer]) -> str:
    """Return the first changed answers as one line, and how many more there are."""
    rest = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return "; ".join(map(str, found[:_LISTED])) + rest


def _concerned(
    scope: str, touched: Sequence[Entry], recent: Mapping[str, Sequence[Tokens]]
) -> Iterator[tuple[str, Tokens]]:
    """Yield each text that a touched version may read, once for a tenant."""
    for tenant in sorted(recent) if scope == SHARED else (scope,):
        by_text = {tokens.text: tokens for tokens in recent.get(tenant, ())}
        for tokens in by_text.values():
            keys = frozenset(tokens.keys)
            if any(entry.required <= keys for entry in touched):
                yield tenant, tokens


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What is decided on a text; hits of one form are the same to whoever asked."""

    said: str
    form: Hashable = None
    is_hit: bool = False
    is_lost: bool = False


def _outcome(registry: Registry, tenant: str, tokens: Tokens, limit: int) -> _Outcome:
    match registry.lookup(tenant, tokens, max_candidates=limit):
        case Hit(_, computed, _):
            answer: Json = computed.answer
            return _Outcome(shown(answer), public_form(answer), is_hit=True)
        case Miss():
            return _Outcome("no answer")
        case Clash(entries):
            named = ", ".join(f"{entry.family}@{entry.version}" for entry in entries)
            return _Outcome(f"a clash of {named}", is_lost=True)
        case AllFailed():
            return _Outcome("a failure", is_lost=True)
        case TooMany():
            return _Outcome("too many candidates", is_lost=True)
        case other:
            assert_never(other)


def shown(answer: Json) -> str:
    """Return an answer as JSON, or the start of it."""
    return _cut(json.dumps(answer, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

"""Why an utterance is decided otherwise: another registry, other change sets, other code."""

import json

from artifacts.grammar.lexer import Tokens, lex
from artifacts.registry import Entry, Registry
from streams.codec import encode
from streams.events import AnswerGiven, MatchAbstained
from streams.transports import Record

_SHOWN = 200

Decision = AnswerGiven | MatchAbstained


def shown_outcome(event: Decision) -> str:
    """Return what was decided, as it is shown and compared."""
    match event:
        case AnswerGiven():
            answer = json.dumps(event.answer, ensure_ascii=False)
            return f"{event.family}@{event.version} answered {answer}"
        case MatchAbstained():
            return f"abstained ({event.reason})"


def bytes_differ(
    record: Record, before: Decision, after: Decision, registry: Registry
) -> tuple[str, ...]:
    """Return why a decision is not the recorded one to the byte; nothing when it is."""
    if encode(after, timestamp=record.timestamp).value == record.value:
        return ()
    reasons: list[str] = []
    recorded = before.revision
    if registry.digest != recorded.digest:
        reasons.append(
            f"the change sets up to {recorded.ordinal} give the registry "
            f"{registry.digest[:12]}, recorded is {recorded.digest[:12]}"
        )
    was, now = before.model_dump(mode="json"), after.model_dump(mode="json")
    reasons += [
        f"{name}: {_cut(was.get(name))} became {_cut(now.get(name))}"
        for name in dict.fromkeys((*was, *now))
        if was.get(name) != now.get(name) and name != "revision"
    ]
    return tuple(reasons or ["the same fields are written otherwise"])


def _cut(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def outcomes_differ(
    before: Decision, after: Decision, old: Registry, new: Registry, same_code: bool
) -> tuple[str, ...]:
    """Return why the registry `new` decides otherwise than `old` did.

    It is the versions that took part in one of the decisions and have another stage now. Where none
    has, any version that may read the text; `same_code` tells whether today's code decides with
    `old` what was recorded.
    """
    named = sorted({*_named(before), *_named(after)})
    reasons = [line for version in named if (line := _moved(before.tenant, version, old, new))]
    if not reasons:
        others = sorted({*_candidates(before, old), *_candidates(before, new)})
        reasons = [line for version in others if (line := _moved(before.tenant, version, old, new))]
    if not same_code:
        reasons.append(
            f"today's code decides otherwise at the recorded revision {old.ordinal}, too"
        )
    return tuple(reasons or [f"no version that may read the text differs from {old.ordinal}"])


def _named(event: Decision) -> list[tuple[str, int]]:
    """Return the family versions that took part in a decision."""
    match event:
        case AnswerGiven():
            return [(event.family, event.version)]
        case MatchAbstained():
            split = [name.rpartition("@") for name in event.candidates]
            return [(family, int(version)) for family, _, version in split if version.isdecimal()]


def _candidates(event: Decision, registry: Registry) -> list[tuple[str, int]]:
    tokens = lex(event.text)
    if not isinstance(tokens, Tokens):
        return []
    return [entry.key for entry in registry.candidates(event.tenant, tokens)]


def _moved(tenant: str, version: tuple[str, int], old: Registry, new: Registry) -> str | None:
    """Say which stage a version had and has, and which change set was its last one."""
    before, after = old.entry_for(tenant, *version), new.entry_for(tenant, *version)
    if _stage(before) == _stage(after):
        return None
    last = max(entry.ordinal for entry in (before, after) if entry is not None)
    return (
        f"{version[0]}@{version[1]}: {_stage(before)} at {old.ordinal}, "
        f"{_stage(after)} at {new.ordinal}, by change set {last}"
    )


def _stage(entry: Entry | None) -> str:
    return "absent" if entry is None else entry.stage

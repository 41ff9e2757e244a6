"""What the families cost and what they saved: a ledger read off a log, per family and in total.

matches:     AnswerGiven                                   ─▶ a call avoided
fallbacks:   MatchAbstained                                ─▶ an utterance that no family answered
completions: CompletionGiven | CompletionRefused           ─▶ a call; a skeleton that fell back
             AuditAnswered, RecallAnswered, or refused     ─▶ a call spent on an answer
             ProbeAnswered | ProbeRefused                  ─▶ a call spent on evidence
learning:    TeacherAsked, TeacherReplied                  ─▶ a search, or a call for a recipe
versions:    VersionChanged                                ─▶ which family it led to; how many serve

Tokens and money of a call are the completion's own where the teacher reports them, else those of
`agents.teachers.estimate`; the two are kept apart. A teacher that has reported tokens before and
reports none was not asked: an equal question was in flight. Calls that were avoided, and calls for
recipes, report nothing and are always estimated. A refusal is a call without tokens.

A reply about a cluster belongs to the family whose artifact was compiled from one of its recipes,
by the digest in the artifact's provenance; until there is one, and where there never is, it is
spent without a family. Searches that call no model are counted, and cost no call.

Memory is bounded by `Limits`. Families beyond theirs share one account, without a
break-even; skeletons beyond theirs are sampled (artifacts.economics); what else is beyond is
forgotten, oldest first: then a recipe's family is not found, a question is estimated from its reply
alone, and the estimate of an avoided call that is taken back from the call that was made instead.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from agents.accounts import Account, Completion, Purse, Tries
from agents.history import closed_after
from agents.teachers.estimate import estimated, estimated_tokens
from artifacts.economics import (
    MAX_SKELETONS,
    SkeletonCounts,
    Window,
    merged,
)
from artifacts.grammar.lexer import skeleton
from artifacts.registry import SHARED
from artifacts.stages import STAGES
from artifacts.values import digest
from streams.codec import decode
from streams.events import (
    AnswerGiven,
    AuditAnswered,
    AuditRefused,
    CompletionGiven,
    CompletionRefused,
    Event,
    MatchAbstained,
    ProbeAnswered,
    ProbeRefused,
    RecallAnswered,
    RecallRefused,
    TeacherAsked,
    TeacherReplied,
    VersionChanged,
)
from streams.signing import ANYONE, Trust, verify
from streams.transports import Record, Transport

TOPICS = ("matches", "fallbacks", "completions", "learning", "versions")
SEARCH: Final = "inducer"
"""The teacher of recipes that calls no model."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Most of each kind that a ledger holds; `recent` are answers, recipes, questions, clusters."""

    families: int = 100_000
    skeletons: int = MAX_SKELETONS
    windows: int = 200
    teachers: int = 1_000
    recent: int = 20_000


_DECODED = frozenset(
    kind.__name__.encode()
    for kind in (
        AnswerGiven,
        AuditAnswered,
        AuditRefused,
        CompletionGiven,
        ProbeAnswered,
        ProbeRefused,
        RecallAnswered,
        RecallRefused,
        TeacherAsked,
        TeacherReplied,
        VersionChanged,
    )
)
_ABSTAINED = MatchAbstained.__name__.encode()
_REFUSED = CompletionRefused.__name__.encode()

Key = tuple[str, str]
"""A scope and a family, or a scope and a cluster, or a tenant and an utterance."""

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(slots=True)
class Ledger:
    """A fold of a log, record by record, in the log's order."""

    trust: Trust = ANYONE
    limits: Limits = field(default_factory=Limits)
    accounts: dict[Key, Account] = field(default_factory=dict)
    others: Account = field(default_factory=Account)
    completions: Purse = field(default_factory=Purse)
    audits: Purse = field(default_factory=Purse)
    recalls: Purse = field(default_factory=Purse)
    recipes: Purse = field(default_factory=Purse)
    probes: Purse = field(default_factory=Purse)
    searches: int = 0
    skeletons: SkeletonCounts = field(init=False)
    windows: list[Window] = field(default_factory=lambda: [Window(0)])
    utterances: int = 0
    answered: int = 0
    records: int = 0
    undecodable: int = 0
    since: int | None = None
    until: int | None = None
    ordinal: int = 0
    serving: dict[Key, set[int]] = field(default_factory=dict)
    reporting: set[str] = field(default_factory=set)
    recent: dict[Key, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    taught_by: dict[str, tuple[Key, int]] = field(default_factory=dict)
    awaited: dict[str, Key] = field(default_factory=dict)
    tries: dict[Key, Tries] = field(default_factory=dict)
    stretch: list[int] = field(default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        self.skeletons = SkeletonCounts(self.limits.skeletons)

    def add(self, record: Record) -> None:
        """Take one record; those whose headers say enough are not decoded."""
        self.records += 1
        if self.since is None:
            self.since = record.timestamp
        self.until = record.timestamp
        kind = next((value for name, value in record.headers if name == "event"), b"")
        if kind == _ABSTAINED:
            self._utterance(answered=0)
        elif kind == _REFUSED:
            self.completions.refuse()
            self._fell_back(record.key)
        elif kind in _DECODED:
            event = decode(record)
            if isinstance(event, Event):
                self._take(event, record)
            else:
                self.undecodable += 1

    def _take(self, event: Event, record: Record) -> None:
        match event:
            case AnswerGiven():
                self._answer(event)
            case CompletionGiven():
                self.completions.add(event, is_free=self._is_free(event))
                self._fell_back(record.key or f"{event.tenant}|{skeleton(event.text)}")
            case AuditAnswered() | AuditRefused():
                self._spend(event, self.audits, audits=1)
            case RecallAnswered() | RecallRefused():
                self._spend(event, self.recalls, recalls=1)
            case ProbeAnswered() | ProbeRefused():
                self._probe(event)
            case TeacherAsked():
                pairs = (*event.pairs, *event.rejected)
                size = sum(len(p.text) + _length(p.answer) for p in pairs)
                self._remember(self.asked, event.question_id, size)
            case TeacherReplied():
                self._reply(event)
            case VersionChanged():
                self._change(event)
            case _:
                pass

    def _utterance(self, *, answered: int) -> None:
        self.utterances += 1
        self.answered += answered
        self.stretch[0] += 1
        self.stretch[1] += answered

    def _fell_back(self, key: str | None) -> None:
        if key is not None:
            hashed = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
            self.skeletons.add(int.from_bytes(hashed[:8], "big"))

    def _answer(self, event: AnswerGiven) -> None:
        self._utterance(answered=1)
        tokens = estimated(event.text, event.answer).tokens
        self._remember(self.recent, (event.tenant, event.utterance_id), tokens)
        account = self._account_for(event.tenant, event.family)
        account.calls = replace(account.calls, answered=account.calls.answered + 1)
        account.tokens_avoided += tokens
        account.settle()

    def _spend(
        self,
        event: AuditAnswered | AuditRefused | RecallAnswered | RecallRefused,
        total: Purse,
        audits: int = 0,
        recalls: int = 0,
    ) -> None:
        account = self._account_for(event.tenant, event.family)
        calls = account.calls
        account.calls = replace(
            calls, audits=calls.audits + audits, recalls=calls.recalls + recalls
        )
        account.settle()
        avoided = self.recent.get((event.tenant, event.utterance_id))
        if isinstance(event, AuditRefused | RecallRefused):
            account.upkeep.refuse()
            total.refuse()
            account.tokens_avoided -= avoided or estimated_tokens(len(event.text))
            return
        is_free = self._is_free(event)
        account.upkeep.add(event, is_free=is_free)
        total.add(event, is_free=is_free)
        served = event.served if isinstance(event, AuditAnswered) else event.answer
        account.tokens_avoided -= avoided or estimated(event.text, served).tokens

    def _probe(self, event: ProbeAnswered | ProbeRefused) -> None:
        """Take a probe: about a family, or of the teacher's own noise, which is no family's."""
        purses = [self.probes]
        if event.family is not None:
            account = self._account_for(event.tenant, event.family)
            account.calls = replace(account.calls, probes=account.calls.probes + 1)
            account.settle()
            purses.append(account.upkeep)
        is_free = isinstance(event, ProbeAnswered) and self._is_free(event)
        for purse in purses:
            if isinstance(event, ProbeAnswered):
                purse.add(event, is_free=is_free)
            else:
                purse.refuse()

    def _is_free(self, said: Completion) -> bool:
        """Return whether the teacher reports what calls cost, and nothing for this one."""
        if not said.tokens:
            return said.teacher in self.reporting
        if len(self.reporting) < self.limits.teachers:
            self.reporting.add(said.teacher)
        return False

    def _reply(self, event: TeacherReplied) -> None:
        size = self.asked.pop(event.question_id, 0) + sum(map(_length, event.recipes))
        cluster = (event.scope, event.cluster)
        if event.method == "repair" and event.family is not None:
            account = self._account((event.scope, event.family))
            upkeep = account.upkeep
        else:
            account = None
            tries = self.tries.get(cluster) or Tries()
            self._remember(self.tries, cluster, tries)
            upkeep = tries.upkeep
        if event.teacher == SEARCH:
            self.searches += 1
            if account is None:
                tries.searches += 1
            else:
                account.searches += 1
        else:
            tokens = estimated_tokens(size)
            upkeep.estimate(tokens)
            self.recipes.estimate(tokens)
            if account is not None:
                account.calls = replace(account.calls, retries=account.calls.retries + 1)
                account.settle()
        taught = len(event.taught) if event.method == "recipe" else 0
        for recipe in map(digest, event.recipes):
            self._remember(self.taught_by, recipe, (cluster, taught))
            if (key := self.awaited.pop(recipe, None)) is not None:
                self._taught(key, recipe)

    def _change(self, event: VersionChanged) -> None:
        if event.ordinal <= self.ordinal or verify(event, self.trust) is not None:
            return
        self.ordinal = event.ordinal
        documents = {digest(document): document for document in event.artifacts}
        before = len(self.serving)
        for change in event.changes:
            key = (event.scope, change.family)
            if change.digest in documents:
                self._taught(key, _recipe_of(documents[change.digest]))
            versions = self.serving.get(key, set()) - {change.version}
            if STAGES[change.stage].serves:
                versions.add(change.version)
            if versions:
                self.serving[key] = versions
            else:
                self.serving.pop(key, None)
        if len(self.serving) != before:
            self._close_window()

    def _taught(self, key: Key, recipe: str | None) -> None:
        """Give a family the replies that led to it.

        Where a log is merged by time, a version may come before a reply of the same millisecond.
        """
        account = self._account(key)
        if recipe is not None and recipe not in self.taught_by:
            self._remember(self.awaited, recipe, key)
        cluster, lessons = self.taught_by.get(recipe or "", (None, 0))
        tries = self.tries.pop(cluster, Tries()) if cluster is not None else Tries()
        account.searches += tries.searches
        made = tries.upkeep
        first = min(made.calls, 1 - min(account.calls.recipe_calls, 1))
        account.calls = replace(
            account.calls,
            taught=account.calls.taught + lessons,
            recipe_calls=account.calls.recipe_calls + first,
            retries=account.calls.retries + made.calls - first,
        )
        account.upkeep.calls += made.calls
        account.upkeep.tokens_estimated += made.tokens_estimated
        account.upkeep.dollars_estimated += made.dollars_estimated
        account.settle()

    def _close_window(self) -> None:
        """End the window of the last number of families, and begin the next one."""
        utterances, answered = self.stretch
        last = self.windows.pop()
        if utterances:
            self.windows.append(Window(last.families, utterances, answered))
        if len(self.windows) >= self.limits.windows:
            self.windows = merged(self.windows)
        self.windows.append(Window(len(self.serving)))
        self.stretch = [0, 0]

    def points(self) -> list[Window]:
        """Return the windows of the log, the one that is open last."""
        *closed, last = self.windows
        return [*closed, Window(last.families, *self.stretch)]

    def _account_for(self, tenant: str, family: str) -> Account:
        """Return the account of the family that answers for a tenant: its own, or the shared."""
        if (tenant, family) not in self.accounts and (SHARED, family) in self.accounts:
            return self.accounts[(SHARED, family)]
        return self._account((tenant, family))

    def _account(self, key: Key) -> Account:
        account = self.accounts.get(key)
        if account is None:
            if len(self.accounts) >= self.limits.families:
                return self.others
            account = self.accounts[key] = Account()
        return account

    def _remember(self, memory: dict[_K, _V], key: _K, value: _V) -> None:
        memory.pop(key, None)
        memory[key] = value
        if len(memory) > self.limits.recent:
            del memory[next(iter(memory))]


def _length(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _recipe_of(document: Any) -> str | None:
    """Return the digest of the recipe that an artifact was compiled from, where it says so."""
    provenance = document.get("provenance") if isinstance(document, dict) else None
    recipe = provenance.get("recipe") if isinstance(provenance, dict) else None
    return recipe if isinstance(recipe, str) else None


async def ledger(log: Transport, trust: Trust) -> Ledger:
    """Read the ledger off a log."""
    found = Ledger(trust)
    async with closed_after(log.scan(TOPICS)) as scanned:
        async for record in scanned:
            found.add(record)
    return found

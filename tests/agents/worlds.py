"""Small worlds for decider tests: a few families, a gate to let them in, evidence for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agents import matcher, registrar
from agents.registries import folded
from artifacts.artifact import Artifact
from artifacts.compiler import compile_recipe
from artifacts.policy import ONE_POLICY, policies_with
from artifacts.registry import Entry, Registry
from artifacts.stages import StageName
from artifacts.values import canonical_json
from streams.events import (
    AnswerGiven,
    Change,
    ComparisonMade,
    Event,
    ProposalRefused,
    UtteranceAsked,
    VersionChanged,
    VersionProposed,
)
from streams.signing import ANYONE

TENANT = "acme"

UNAUDITED = policies_with(audit_rate=0.0)


def compiled(recipe: dict[str, Any]) -> Artifact:
    """Return the artifact of a recipe that compiles."""
    artifact = compile_recipe(canonical_json(recipe))
    assert isinstance(artifact, Artifact), artifact
    return artifact


def computing(
    operator: str, constant: str, phrasing: str, examples: Iterable[tuple[str, Any]], **more: Any
) -> Artifact:
    """Return a family with one slot `n` that applies an operator to it and a constant."""
    return compiled(
        {
            "recipe": 1,
            "name": "minutes",
            "phrasings": [phrasing],
            "steps": [
                {"op": operator, "args": [{"slot": "n"}, {"number": constant}]},
                {"op": "show", "args": [{"step": 0}]},
            ],
            "answer": {"value": {"step": 1}},
            "examples": [{"text": text, "answer": answer} for text, answer in examples],
        }
        | more
    )


def minutes(factor: int = 60, taught: Sequence[int] = (2, 5)) -> Artifact:
    """Return the family of minutes in seconds; a wrong one with another factor."""
    examples = [(f"{n} minutes to seconds", str(n * factor)) for n in taught]
    return computing("mul", str(factor), "{n:integer} minutes to seconds", examples)


def shares() -> Artifact:
    """Return a family that fails when it divides by 0."""
    return compiled(
        {
            "recipe": 1,
            "name": "shares",
            "phrasings": ["{n:integer} shared by {k:integer}"],
            "steps": [
                {"op": "div", "args": [{"slot": "n"}, {"slot": "k"}]},
                {"op": "show", "args": [{"step": 0}]},
            ],
            "answer": {"value": {"step": 1}},
            "examples": [{"text": "8 shared by 2", "answer": "4"}],
        }
    )


def change(
    family: str, version: int, artifact: Artifact, stage: StageName, share: float | None = None
) -> Change:
    """Return one line of a change set."""
    return Change(family=family, version=version, digest=artifact.digest, stage=stage, share=share)


def proposal(
    changes: Sequence[Change], artifacts: Sequence[Artifact] = (), previous: int = 0, **more: Any
) -> VersionProposed:
    """Return a change set that somebody wants for the tenant."""
    fields = {"scope": TENANT, "actor": "operator", "reason": "test"} | more
    return VersionProposed(
        changes=tuple(changes),
        artifacts=tuple(dict(artifact.document) for artifact in artifacts),
        previous=previous,
        **fields,
    )


def changed(ordinal: int, event: VersionProposed) -> VersionChanged:
    """Return the change set as if it had passed the gate."""
    fields = event.model_dump(exclude={"mended"})
    return VersionChanged.model_validate(fields | {"ordinal": ordinal})


def registry_of(
    *families: tuple[str, Artifact, StageName],
    scope: str = TENANT,
    before: Registry | None = None,
    share: float | None = None,
) -> tuple[Registry, list[VersionChanged]]:
    """Return a registry with the first versions of these families, and the events that made it.

    `share` is that of all canaries.
    """
    registry, events = before or Registry(), []
    for family, artifact, stage in families:
        stages: list[StageName] = ["shadow"] if stage == "shadow" else ["shadow", stage]
        for step in stages:
            of = share if step == "canary" else None
            wanted = proposal([change(family, 1, artifact, step, of)], [artifact], scope=scope)
            event = changed(registry.ordinal + 1, wanted)
            after = folded(registry, event, ANYONE)
            assert after.ordinal == event.ordinal
            registry = after
            events.append(event)
    return registry, events


def asked(text: str, utterance_id: str = "u1", tenant: str = TENANT, **more: Any) -> UtteranceAsked:
    """Return an utterance of the tenant."""
    return UtteranceAsked(utterance_id=utterance_id, tenant=tenant, text=text, **more)


def atom(
    entry: Entry, n: int, *, agreed: bool = True, bits: float = 10.0, **more: Any
) -> ComparisonMade:
    """Return an atom of evidence for a version on the sample `n`."""
    fields: dict[str, Any] = {
        "sample_id": f"sample-{n}",
        "scope": entry.scope,
        "family": entry.family,
        "version": entry.version,
        "digest": entry.artifact.digest,
        "since": entry.since,
        "stratum": "shadow",
        "target": "teacher",
        "agreed": agreed,
        "probability": 1.0,
        "comparator": entry.artifact.comparator,
        "bits": bits,
        "values": {"n": str(n)},
        "text": f"{n} minutes to seconds",
        "expected": str(n * 60),
    }
    return ComparisonMade.model_validate(fields | more)


@dataclass
class Gate:
    """The registrar with its state, fed by hand."""

    state: registrar.State = field(default_factory=lambda: registrar.State(ONE_POLICY))

    @property
    def registry(self) -> Registry:
        return self.state.registry

    def fold(self, *events: Event) -> None:
        for event in events:
            self.state, made = registrar.decide(self.state, event)
            assert not made

    def decide(self, event: VersionProposed) -> VersionChanged | ProposalRefused:
        """Decide on a proposal, and fold what it leads to, as the runner does."""
        self.state, (made,) = registrar.decide(self.state, event)
        assert isinstance(made, VersionChanged | ProposalRefused)
        if isinstance(made, VersionChanged):
            before = self.registry.ordinal
            self.fold(made)
            assert self.registry.ordinal == made.ordinal == before + 1
        return made

    def passed(self, event: VersionProposed) -> VersionChanged:
        made = self.decide(event)
        assert isinstance(made, VersionChanged), made
        return made

    def refused_by(self, event: VersionProposed) -> dict[str, str]:
        """Return the reasons of the checks that refuse a proposal."""
        made = self.decide(event)
        assert isinstance(made, ProposalRefused), made
        return {check.check: check.reason for check in made.checks if not check.passed}

    def propose(self, changes: Sequence[Change], artifacts: Sequence[Artifact] = (), **more: Any
    ) -> VersionProposed:  # fmt: skip
        """Return a proposal by somebody who has seen everything."""
        return proposal(changes, artifacts, self.registry.ordinal, **more)

    def entry(self, family: str, version: int = 1, scope: str = TENANT) -> Entry:
        entry = self.registry.entry(scope, family, version)
        assert entry is not None
        return entry

    def with_evidence(self, family: str, version: int = 1, count: int = 6) -> None:
        entry = self.entry(family, version)
        self.fold(*(atom(entry, 100 + n) for n in range(count)))

    def serve(self, family: str, artifact: Artifact) -> None:
        """Let a family in and make it live."""
        self.passed(self.propose([change(family, 1, artifact, "shadow")], [artifact]))
        self.with_evidence(family)
        self.passed(self.propose([change(family, 1, artifact, "live")]))


def served(entry: Entry, text: str, answer: Any, utterance_id: str = "u1") -> AnswerGiven:
    """Return the answer that the matcher gives to a text with this version alone."""
    registry, _ = registry_of((entry.family, entry.artifact, "live"))
    state = matcher.state_of(registry, policies_with(audit_rate=0.0))
    (given,) = matcher.decide(state, asked(text, utterance_id))[1]
    assert isinstance(given, AnswerGiven)
    assert given.answer == answer
    return given


def with_policy(gate: Gate, **changes: Any) -> Gate:
    """Return the gate under another policy."""
    return Gate(replace(gate.state, policies=policies_with(**changes)))

"""What may be said about served answers: read off a log, and the command that says it."""

import json
import math
from pathlib import Path

import pytest

from agents.audits import least_probability
from agents.certificates import Certificates
from artifacts.fleet_risk import FleetRisk, audited, served
from artifacts.policy import policies_with
from streams.codec import encode
from streams.events import AuditAnswered, AuditAsked, AuditCause, AuditRefused, Event
from streams.transports import Record
from tests.agents.simulations import HELPDESK, helpdesk, kappa, simulated

POLICIES = policies_with(audit_rate=0.125)
LEAST = 0.1


def asked(number: int, probability: float = 0.2, cause: AuditCause = "served") -> AuditAsked:
    return AuditAsked(
        utterance_id=f"u{number}", tenant="t", text="x", answer="7", family="f", version=1,
        digest="d", probability=probability, cause=cause,
    )  # fmt: skip


def answered(answer: str | None, cause: AuditCause = "served", number: int = 1) -> AuditAnswered:
    return AuditAnswered(
        utterance_id=f"u{number}", tenant="t", text="x", answer=answer, teacher="t", family="f",
        version=1, digest="d", served="7", probability=0.2, cause=cause,
    )  # fmt: skip


REFUSED = AuditRefused(
    utterance_id="u", tenant="t", text="x", teacher="t", reason="down", family="f", version=1,
    digest="d", probability=0.2,
)  # fmt: skip

ROWS: dict[str, tuple[Event, int, int, int]] = {
    "an-answer": (asked(100), 1, 0, 0),
    "an-audit-that-agreed": (answered("7"), 0, 1, 0),
    "the-same-number-otherwise": (answered("7.0"), 0, 1, 0),
    "an-error": (answered("8"), 0, 1, 1),
    "nothing-is-right": (answered(None), 0, 1, 1),
    "the-teacher-refused": (REFUSED, 0, 1, 1),
    "an-answer-published-again": (asked(1), 0, 0, 0),
    "an-audit-for-a-reject": (asked(1, 1.0, "rejected"), 0, 0, 0),
    "what-a-reject-led-to": (answered("8", "rejected"), 0, 0, 0),
}


def record(event: Event, offset: int) -> Record:
    out = encode(event, timestamp=offset)
    return Record(out.topic, 0, offset, offset, out.key, out.headers, out.value, out.timestamp)


@pytest.mark.parametrize("name", ROWS)
def test_what_counts(name: str) -> None:
    event, answers, audits, errors = ROWS[name]
    found = Certificates(POLICIES)
    for number in range(100):
        found.add(record(asked(number), number))
    found.add(record(event, 100))
    [fleet] = found.document()["fleets"]
    [version] = found.document()["versions"]
    counted = (fleet["answered"] - 100, fleet["audited"], fleet["errors"])
    assert counted == (answers, audits, errors)
    expected = served(FleetRisk(LEAST), 0.2, 100 + answers)
    for number in range(audits):
        expected = audited(expected, 0.2, agreed=number >= errors)
    assert fleet["certified_risk"] == version["certified_risk"] == expected.certified_risk()
    assert version["simultaneous_bound"] >= version["certified_risk"]


def test_the_command_reads_off_the_log_what_the_simulation_reports(tmp_path: Path) -> None:
    ran = simulated(
        tmp_path, helpdesk(600), "--data", tmp_path / "data", "--audit-rate", 0.2,
        "--feedback-rate", 1,
    )  # fmt: skip
    status, said, _ = kappa("audit", "--data", tmp_path / "data", "--audit-rate", "0.2", "--json")
    document = json.loads(said)
    assert status == 0
    [fleet] = document["fleets"]
    assert fleet["least_probability"] == least_probability(0.2)
    assert fleet["answered"] == ran.report["answered"] > 80
    assert math.isclose(fleet["certified_risk"], ran.report["certified_risk"], abs_tol=1e-5)
    assert sum(version["answered"] for version in document["versions"]) == fleet["answered"]
    status, said, _ = kappa("audit", "--data", tmp_path / "data", "--audit-rate", "0.2")
    assert "of the answers so far differ from the teacher's (95 %, anytime-valid; " in said
    assert "\n  error vs teacher on live traffic ≤ " in said
    assert "(certified_risk, audit martingale, δ = 0.05, " in said
    strata = {row["stratum"] for row in document["certificates"]}
    assert strata >= {"audit", "shadow"} and "rejected" not in strata
    arguments = ("audit", "--data", tmp_path / "data", "--below", "0.5", "--json")
    status, said, _ = kappa(*arguments, "--stratum", "shadow")
    below = json.loads(said)
    assert status == 0
    assert (below["stratum"], below["false_discovery_rate"]) == ("shadow", 0.05)
    assert all(row["error_bound"] < 0.5 for row in below["versions"])
    _, said, _ = kappa(*arguments[:-1])
    assert "versions: error vs teacher on live traffic below 50 %; of such a list" in said


REFUSALS = [
    (("--audit-rate", "0"), 2, "audit-rate"),
    (("--data", str(HELPDESK.parent)), 2, "no log here"),
]


@pytest.mark.parametrize(("arguments", "status", "said"), REFUSALS)
def test_what_the_command_refuses(arguments: tuple[str, ...], status: int, said: str) -> None:
    found, _, errors = kappa("audit", *arguments)
    assert (found, said in errors) == (status, True)


def test_the_policy_is_printed_with_units_and_reasons() -> None:
    status, said, _ = kappa("audit", "--policy", "--json")
    rows = {row["threshold"]: row for row in json.loads(said)}
    assert status == 0
    assert rows["required_bits"]["value"] == 20
    assert all(row["unit"] and row["reason"] and not row["own"] for row in rows.values())
    assert "required_bits = 20 bits" in kappa("audit", "--policy")[1]


def test_a_tenant_s_own_thresholds_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAPPA_POLICY", '{"acme": {"required_bits": 50, "min_repeats": 3}}')
    rows = {row["threshold"]: row for row in json.loads(kappa("audit", "--policy", "--json")[1])}
    assert rows["required_bits"]["own"] == {"acme": 50}
    assert rows["min_repeats"]["own"] == {}
    assert "    acme: 50\n" in kappa("audit", "--policy")[1]

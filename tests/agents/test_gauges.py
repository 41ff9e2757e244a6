"""Gauges of what may be said: what a page shows is what the fold of the log says."""

from agents import gauges
from agents.certificates import certificates
from agents.gauges import Gauges, gauging
from agents.metrics import Metrics
from artifacts.certificate import error_bound
from artifacts.evidence import Sampled
from artifacts.policy import policies_with
from streams.codec import encode
from streams.events import AuditAnswered, AuditAsked, Event, TeacherRepeated
from streams.transports.embedded import EmbeddedLog

POLICIES = policies_with(audit_rate=0.25)


def about(number: int, tenant: str, wrong: bool = False) -> list[Event]:
    fields = {
        "utterance_id": str(number), "tenant": tenant, "text": "x", "family": "f", "version": 1,
        "digest": "d", "probability": 0.25,
    }  # fmt: skip
    made: list[Event] = [AuditAsked.model_validate(fields | {"answer": "7"})]
    if number % 4 == 0:
        said = {"answer": "8" if wrong else "7", "served": "7", "teacher": "gpt"}
        made.append(AuditAnswered.model_validate(fields | said))
    return made


def noise(number: int) -> TeacherRepeated:
    return TeacherRepeated(
        sample_id=str(number), scope="a", teacher="gpt", cause=None, text="x", first="1",
        second="1", agreed=True,
    )  # fmt: skip


async def put(log: EmbeddedLog, *events: Event) -> None:
    await log.publish([encode(event, timestamp=1) for event in events])


async def test_gauges_follow_the_log() -> None:
    log, metrics = EmbeddedLog.open(":memory:"), Metrics()
    kept = Gauges(log, POLICIES, metrics)
    await kept.bring_up_to_date()
    assert all(not rows for rows in metrics.numbers.values())
    for first in (0, 400):  # what has come since is folded on
        for number in range(first, first + 400):
            await put(log, *about(number, "a" if number % 8 else "b", wrong=number == 8))
        await put(log, noise(first), noise(first + 1))
        await kept.bring_up_to_date()
        found = await certificates(log, POLICIES)
        rows = {row["tenant"]: row for row in found.document()["fleets"]}
        assert metrics.numbers == {
            "kappa_certified_risk": {
                (tenant, "audit martingale", "0.05"): row["certified_risk"]
                for tenant, row in rows.items()
            },
            "kappa_audits": {(tenant,): row["audited"] for tenant, row in rows.items()},
            "kappa_audit_errors": {(tenant,): row["errors"] for tenant, row in rows.items()},
            "kappa_self_noise": {("a",): error_bound(Sampled(2 if first == 0 else 4, 0))},
        }
    assert metrics.numbers["kappa_audit_errors"]["b",] == 1
    assert metrics.numbers["kappa_certified_risk"]["a", "audit martingale", "0.05"] < 0.2
    await log.close()


async def test_only_the_tenants_with_the_most_answers_have_series() -> None:
    log, metrics = EmbeddedLog.open(":memory:"), Metrics()
    assert gauges.MOST_TENANTS >= 1
    for tenant in range(gauges.MOST_TENANTS + 20):
        await put(log, *about(1, f"t{tenant:03}"))
    await put(log, *about(2, "t119"))
    async with gauging(log, POLICIES, metrics):
        kept = Gauges(log, POLICIES, metrics)
        await kept.bring_up_to_date()
    shown = {tenant for tenant, *_ in metrics.numbers["kappa_audits"]}
    assert len(shown) == gauges.MOST_TENANTS
    assert "t119" in shown and "t118" not in shown
    await log.close()

"""What may be said of the served answers, as gauges: folded on as records come, by who has a page.

log ─▶ Certificates, a page at a time ─▶ kappa_certified_risk, kappa_audits, … of each tenant

While it catches up with a log that was there before it says nothing: a bound of half of the answers
is no bound. Labels are tenants, which come with utterances: only those with the most answers have
series.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from agents.certificates import TOPICS, Certificates
from agents.metrics import Labels, Metrics
from agents.watching import looking
from artifacts.certificate import error_bound
from artifacts.fleet_risk import DELTA, METHOD
from artifacts.policy import Policies
from streams.transports import Reader, Transport

GAUGED_EVERY: Final = 30.0
"""Seconds between two looks."""

MOST_TENANTS: Final = 100
_PAGE = 100
"""Records that are folded before others have their turn: about a millisecond."""


@dataclass(slots=True)
class Gauges:
    """The gauges of one log."""

    log: Transport
    policies: Policies
    metrics: Metrics
    found: Certificates = field(init=False)
    reader: Reader | None = None

    def __post_init__(self) -> None:
        self.found = Certificates(self.policies)

    async def bring_up_to_date(self) -> None:
        """Fold all that has come, then give the gauges their values."""
        if self.reader is None:
            self.reader = await self.log.reader(TOPICS)
        while page := await self.reader.read(_PAGE):
            for record in page:
                self.found.add(record)
            await asyncio.sleep(0)
        self._put()

    def _put(self) -> None:
        fleets, atoms = self.found.fleets, self.found.atoms
        tenants = sorted(fleets, key=lambda tenant: (-fleets[tenant].served, tenant))
        shown = {tenant: fleets[tenant] for tenant in tenants[:MOST_TENANTS]}
        noise = {
            scope: atoms.noise_of(scope)
            for scope in sorted({scope for scope, _ in atoms.noise} & shown.keys())
        }
        method, delta = METHOD, f"{DELTA:g}"
        rows: dict[str, dict[Labels, float]] = {
            "kappa_certified_risk": {
                (tenant, method, delta): risk.certified_risk() for tenant, risk in shown.items()
            },
            "kappa_audits": {(tenant,): risk.audited for tenant, risk in shown.items()},
            "kappa_audit_errors": {(tenant,): risk.found for tenant, risk in shown.items()},
            "kappa_self_noise": {(scope,): error_bound(found) for scope, found in noise.items()},
        }
        for name, values in rows.items():
            self.metrics.put(name, values)


@contextlib.asynccontextmanager
async def gauging(
    log: Transport, policies: Policies, metrics: Metrics, every: float = GAUGED_EVERY
) -> AsyncIterator[None]:
    """Keep the gauges up to date while the block runs."""
    async with looking(Gauges(log, policies, metrics).bring_up_to_date, every):
        yield

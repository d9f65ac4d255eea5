"""Whether tenants feel each other: many behave, one sends ten times what it may (stack.md S14).

    python -m bench.neighbours --store sqlite --minutes 5

200 tenants of 50 devices, each a PUT of 10 records every 10 s: 1,000 requests a second. First all of them
behave, which gives the p99 that they have by themselves; then the first tenant's devices send ten times as
often, and a policy allows that tenant what it needed before. Asked: the others see no error, their p99 is at
most twice the one before, and the one is told 429 with `Retry-After`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.ours import Aspectstore
from bench.report import surroundings
from bench.schedule import Answers, Device, Due, drive_on_time
from bench.speed import scratch_directory
from bench.tenant import Credentials, Refused, Tenant
from bench.verdict import Verdict, conclude, store_arguments, verdict_table
from bench.workload import Template, dialect_template, draw

PLATFORM = "/api/aspectstore/v1"
POLICY = "measured"
LOUD, OTHERS = "the loud one", "the others"
LOUDER = 10
"""How many times its quota the loud tenant sends."""
SLOWER_MAX = 2.0
RECORDS = 10
TEMPLATES = 16
"""So many different bodies; the values of devices need not all differ."""


@dataclass(slots=True, frozen=True)
class Plan:
    """How many of whom, for how long."""

    minutes: float = 5.0
    solo_minutes: float = 2.0
    tenants: int = 200
    devices: int = 50
    connections: int = 15
    """Of a tenant: its devices come through so many gateways, as a door holds 4,096 connections."""
    period_s: float = 10.0

    @property
    def requests_a_second(self) -> float:
        """Give what one tenant sends when it behaves."""
        return self.devices / self.period_s


TINY = Plan(minutes=1 / 20, solo_minutes=1 / 20, tenants=3, devices=4, connections=2, period_s=0.4)


class Party(NamedTuple):
    """A tenant and its devices' assets."""

    tenant: Tenant
    assets: list[str]


@dataclass(slots=True)
class Found:
    """What came back, without and with the loud one."""

    name: str
    solo: dict[str, Answers]
    together: dict[str, Answers]
    retry_after: bool
    """Every refusal that was kept said when to come again."""


def measure(system: Aspectstore, plan: Plan, directory: Path) -> Found:
    """Start a service, make the tenants, send, stop."""
    system.start(directory)
    parties: list[Party] = []
    try:
        parties.extend(_parties(system, plan))
        address = parties[0].tenant.address
        solo = drive_on_time(address, list(_devices(parties, plan, plan.solo_minutes, 0)))
        _refresh(parties)
        together = drive_on_time(address, list(_devices(parties, plan, plan.minutes, 1, louder=LOUDER)))
    finally:
        for party in parties:
            party.tenant.close()
        system.stop()
    kept = together[LOUD].refusals
    told = all(status == 429 and b"retry-after:" in head.lower() for status, head, _ in kept)
    return Found(system.name, solo, together, told)


def _parties(system: Aspectstore, plan: Plan) -> Iterator[Party]:
    """Make the policy, the tenants with their first credentials, and an asset a device."""
    with Tenant(system.url, system.credentials) as platform:
        policy = {"name": POLICY, "requestsPerS": plan.requests_a_second}
        platform.ask("POST", f"{PLATFORM}/policies", policy)
        for number in range(plan.tenants):
            name = f"t{number:05}"
            admin = platform.ask("POST", f"{PLATFORM}/tenants", {"name": name})["admin"]
            tenant = Tenant(system.url, Credentials(name, admin["id"], admin["secret"]))
            yield Party(tenant, _assets(tenant, plan.devices))
            if number == 0:  # Only now: making its assets takes more than its devices do.
                platform.ask("PATCH", f"{PLATFORM}/tenants/{name}", {"profile": POLICY})


def _assets(tenant: Tenant, count: int) -> list[str]:
    try:
        return tenant.create_assets(count)
    except Refused:
        tenant.close()
        raise


def _refresh(parties: Sequence[Party]) -> None:
    """Fetch new tokens: one lasts half an hour."""
    for party in parties:
        party.tenant.refresh_token()


def _devices(
    parties: Sequence[Party], plan: Plan, minutes: float, phase: int, *, louder: int = 1
) -> Iterator[Device]:
    """Give each gateway its devices' requests, in time order; devices begin at times of their own."""
    chance = np.random.default_rng(20_000 + phase)
    templates = [dialect_template(draw(number, RECORDS)) for number in range(TEMPLATES)]
    for number, (tenant, assets) in enumerate(parties):
        group, period_s = (LOUD, plan.period_s / louder) if number == 0 else (OTHERS, plan.period_s)
        begins = chance.uniform(0, period_s, len(assets))
        for gateway in range(min(plan.connections, len(assets))):
            mine = range(gateway, len(assets), plan.connections)
            sources = sorted((float(begins[i]), tenant.series_path(assets[i]), templates[i % TEMPLATES])
                             for i in mine)  # fmt: skip
            yield Device(group, _requests(tenant, sources, period_s, 60 * minutes, phase))


def _requests(
    tenant: Tenant, sources: list[tuple[float, str, Template]], period_s: float, seconds: float, phase: int
) -> Iterator[Due]:
    """Make requests as they fall due; each round of a device is later records."""
    for turn in range(int(seconds / period_s)):
        for begin_s, path, template in sources:
            body = template.in_round(1_000 * phase + turn)
            yield begin_s + turn * period_s, tenant.request("PUT", path, body)


def verdicts(found: Found) -> list[Verdict]:
    """Judge what was seen."""
    others, solo, loud = found.together[OTHERS], found.solo[OTHERS], found.together[LOUD]
    errors = sum(found.solo[group].statuses.total() - found.solo[group].done for group in found.solo)
    missed = others.statuses.total() - others.done
    before, after = solo.quantile_ms(0.99), others.quantile_ms(0.99)
    refused = loud.statuses[429]
    return [
        ("while all behave: no error", f"{errors} of {sum(a.statuses.total() for a in found.solo.values())}",
         errors == 0),
        ("beside the loud one: no error", f"{missed} of {others.statuses.total()}", missed == 0),
        ("p99 ≤ 2 × the one before", f"{after:.1f} ms to {before:.1f} ms", after <= SLOWER_MAX * before),
        ("the loud one is told 429, with Retry-After",
         f"{refused} of {loud.statuses.total()}, {loud.done} taken", refused > 0 and found.retry_after),
    ]  # fmt: skip


def report(found: Found, plan: Plan) -> str:
    """Write the section of `results.md`."""
    head = (
        f"{found.name}: {plan.tenants} tenants of {plan.devices} devices, {RECORDS} records every "
        f"{plan.period_s:g} s each, {plan.minutes:g} minutes; {surroundings()}"
    )
    return f"{head}\n\n{verdict_table(verdicts(found))}"


def main(arguments: list[str] | None = None) -> int:
    """Measure one store; 1 when a bound does not hold."""
    parser = store_arguments("bench.neighbours", __doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args(arguments)
    plan = Plan(minutes=options.minutes, solo_minutes=min(2.0, options.minutes))
    with scratch_directory() as directory:
        found = measure(Aspectstore(options.store, options.durability), plan, directory)
    return conclude(
        f"neighbours-{options.store}", report(found, plan), verdicts(found), lambda: None,
        written=not options.no_report,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

"""Measures how many requests a second, each with one record of five values, are acknowledged.

32 connections (design 10); every request is a new record of the next series, so with 100,000 series
no turn of a writer meets a series twice, and the cost of a stored row per series shows.
"""

from __future__ import annotations

from bench.generator import Outcome, drive
from bench.tenant import Tenant
from bench.workload import ROUND_MS, START_MS, single_record

CONNECTIONS = 32


def plans_of(tenant: Tenant, assets: list[str], requests: int, began_ms: int) -> list[list[bytes]]:
    """Make the requests: series in turn, a second later each time round; a series keeps its connection.

    `began_ms` must differ between runs over the same assets.
    """
    plans: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
    paths = [tenant.series_path(asset) for asset in assets]
    for number in range(requests):
        turn, i = divmod(number, len(assets))
        body = single_record(i, began_ms + 1000 * turn)
        plans[i % CONNECTIONS].append(tenant.request("PUT", paths[i], body))
    return plans


def measure(
    tenant: Tenant, assets: list[str], seconds: float, rate_max: int = 20_000, run: int = 0
) -> Outcome:
    """Drive for `seconds`; `rate_max` bounds how many requests are made beforehand."""
    began_ms = START_MS + (1_000 + run) * ROUND_MS
    plans = plans_of(tenant, assets, int(seconds * rate_max), began_ms)
    return drive(tenant.address, plans, seconds_max=seconds)

"""Measures how long the three reads of design 10 take, one at a time over HTTP.

Newest record; 2,000 raw records; hourly aggregates of 10,000 records × 7 functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.generator import Outcome, drive
from bench.ingest import covering_hours, demand_all_stored
from bench.tenant import Tenant
from bench.workload import START_MS, time_texts


@dataclass(slots=True, frozen=True)
class Reads:
    """Medians in milliseconds."""

    latest_ms: float
    raw_ms: float
    aggregate_ms: float


def measure(tenant: Tenant, assets: list[str], records: int = 10_000, repeats: int = 300) -> Reads:
    """Ask each question of one asset after the other."""
    rows = min(2_000, records)
    begin, end = time_texts(np.array([START_MS - 1, START_MS + 1000 * (rows - 1) + 3])).tolist()
    hours = [f"{text}Z" for text in time_texts(np.array(covering_hours(0, 1, records))).tolist()]
    raw = f"?from={begin}Z&to={end}Z&limit={rows}"
    return Reads(
        _median(tenant, [tenant.series_path(asset) for asset in assets], repeats),
        _median(tenant, [tenant.series_path(asset) + raw for asset in assets], repeats),
        _median(tenant, [tenant.aggregates_path(asset, hours[0], hours[1]) for asset in assets], repeats),
    )


def _median(tenant: Tenant, paths: list[str], repeats: int) -> float:
    requests = [tenant.request("GET", path) for path in paths]
    outcome: Outcome = drive(tenant.address, [[requests[i % len(requests)] for i in range(repeats)]])
    demand_all_stored(outcome)
    return outcome.quantile_ms(0.5)

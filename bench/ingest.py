"""Measures how many values a second are acknowledged, and can be counted in aggregates (design 10).

Workload A: 4 connections, batches of 1,000 records, every body made before the clock starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter, sleep
from typing import Any

import numpy as np

from bench.generator import Outcome, drive
from bench.tenant import Refused, Tenant
from bench.workload import ROUND_MS, START_MS, VALUES_A_RECORD, Batch, batches_of, time_texts

CONNECTIONS = 4
HOUR_MS = 3_600_000


@dataclass(slots=True, frozen=True)
class Rate:
    """Values a second: when the last was acknowledged, and when the last could be counted."""

    values: int
    acked_s: float
    visible_s: float

    @property
    def acked(self) -> float:
        """Acknowledged values a second."""
        return self.values / self.acked_s

    @property
    def visible(self) -> float:
        """Values a second that hourly aggregates count."""
        return self.values / self.visible_s


class Workload:
    """The batches of all assets, ready to be turned into requests of any round."""

    def __init__(self, assets: list[str], records: int = 10_000, batch: int = 1_000) -> None:
        """Draw and encode everything (about 3 s for the million records of design 10)."""
        self.assets = assets
        self.records = records
        self._batches: list[list[Batch]] = [
            batches_of(number, records, batch) for number in range(len(assets))
        ]

    @property
    def values(self) -> int:
        """Count the values of one round."""
        return len(self.assets) * self.records * VALUES_A_RECORD

    def records_between(self, asset: int, begin_ms: int, end_ms: int, rounds: int) -> int:
        """Count the records with a time in (begin, end] once rounds 0 … `rounds` − 1 are stored."""
        times = np.concatenate([batch.time_ms for batch in self._batches[asset]])
        moved = [times + number * ROUND_MS for number in range(rounds)]
        return sum(int(np.count_nonzero((time > begin_ms) & (time <= end_ms))) for time in moved)

    def plans(self, tenant: Tenant, rounds: range, connections: int = CONNECTIONS) -> list[list[bytes]]:
        """Make the requests of these rounds; all of an asset go over one connection, in time order.

        Within a round the assets take turns, one batch each, as machines that report at the same time do.
        """
        plans: list[list[bytes]] = [[] for _ in range(connections)]
        for number in rounds:
            for turn in range(len(self._batches[0])):
                for i, asset in enumerate(self.assets):
                    body = self._batches[i][turn].in_round(number)
                    plans[i % connections].append(tenant.request("PUT", tenant.series_path(asset), body))
        return plans


def measure(tenant: Tenant, workload: Workload, first_round: int = 0, rounds: int = 1) -> Rate:
    """Send whole rounds and wait until the hourly aggregates count every record of them."""
    plans = workload.plans(tenant, range(first_round, first_round + rounds))
    began = perf_counter()
    outcome = drive(tenant.address, plans)
    demand_all_stored(outcome)
    wait_until_visible(tenant, workload, first_round, rounds)
    return Rate(rounds * workload.values, outcome.seconds, perf_counter() - began)


def demand_all_stored(outcome: Outcome) -> None:
    """Raise `Refused` with the first answer that was not 2xx: such a run measures nothing."""
    if outcome.refused:
        status, _, body = outcome.answers[0]
        raise Refused(f"{outcome.refused} requests were refused, the first with {status}: {body[:500]!r}")


def wait_until_visible(
    tenant: Tenant, workload: Workload, first_round: int, rounds: int, seconds_max: float = 120
) -> None:
    """Ask for the hourly aggregates of each asset until they count every record; `Refused` if never."""
    begin_ms, end_ms = covering_hours(first_round, rounds, workload.records)
    begin, end = (f"{text}Z" for text in time_texts(np.array([begin_ms, end_ms])).tolist())
    deadline = perf_counter() + seconds_max
    for i, asset in enumerate(workload.assets):
        expected = workload.records_between(i, begin_ms, end_ms, first_round + rounds)
        path = tenant.aggregates_path(asset, begin, end)
        while (counted := count_records(tenant.ask("GET", path))) != expected:
            if perf_counter() > deadline:
                raise Refused(f"{asset}: {counted} of {expected} records are counted")
            sleep(0.005)


def covering_hours(first_round: int, rounds: int, records: int) -> tuple[int, int]:
    """Give the whole hours (from, to] in ms around these rounds; other rounds may reach into them."""
    begin = (START_MS + first_round * ROUND_MS - 1) // HOUR_MS * HOUR_MS
    last = START_MS + (first_round + rounds - 1) * ROUND_MS + 1000 * records + 3
    return begin, -(-last // HOUR_MS) * HOUR_MS


def count_records(answer: Any) -> int:
    """Sum the counts of the variable that every record has."""
    return sum(
        item["temperature"]["countgood"] + item["temperature"]["countuncertain"]
        for item in answer["aggregates"]
        if "temperature" in item
    )

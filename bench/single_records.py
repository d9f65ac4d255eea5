"""Measures how many requests a second, each with one record of five values, are acknowledged.

32 connections (design 10); every request is a new record of the next series, so with 100,000 series
no turn of a writer meets a series twice, and the cost of a stored row per series shows.
"""

from __future__ import annotations

from bench.generator import Outcome, drive
from bench.systems import System
from bench.workload import ROUND_MS, START_MS

CONNECTIONS = 32


def plans_of(system: System, series: int, requests: int, began_ms: int) -> list[list[bytes]]:
    """Make the requests: series in turn, a second later each time round; a series keeps its connection.

    `began_ms` must differ between runs over the same series.
    """
    plans: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
    for number in range(requests):
        turn, i = divmod(number, series)
        body = system.single(i, began_ms + 1000 * turn)
        plans[i % CONNECTIONS].append(system.write(i, body))
    return [plan for plan in plans if plan]


def measure(system: System, series: int, seconds: float, rate_max: int, run: int = 0) -> Outcome:
    """Drive for `seconds`; `rate_max` bounds how many requests are made beforehand.

    A system that is quicker than that runs out of requests, and its rate is that of the shorter time.
    """
    began_ms = START_MS + (1_000 + run) * ROUND_MS
    plans = plans_of(system, series, int(seconds * rate_max), began_ms)
    return drive(system.address, plans, seconds_max=seconds)

"""Measures how long the three reads of design 10 take, one at a time over HTTP.

Newest record; 2,000 raw records; hourly aggregates of 10,000 records × 7 functions.
An answer that lacks records is no answer: one of each kind is counted before the clock starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.generator import drive
from bench.ingest import Load, covering_hours, demand_all_stored
from bench.tenant import Refused
from bench.workload import START_MS

SECONDS_MAX = 20.0
"""A system that takes a second an answer is not asked 300 times."""


@dataclass(slots=True, frozen=True)
class Reads:
    """Medians in milliseconds."""

    latest_ms: float
    raw_ms: float
    aggregate_ms: float


def measure(load: Load, rounds: int, repeats: int = 300) -> Reads:
    """Ask each question of one series after the other; rounds 0 … `rounds` − 1 are stored."""
    rows = min(2_000, load.records)
    hours = covering_hours(0, 1, load.records)
    system = load.system

    def latest(i: int) -> bytes:
        return system.latest(i, load.newest_ms(i, rounds))

    def raw(i: int) -> bytes:
        return system.raw(i, START_MS - 1, int(load.times_ms[i][rows - 1]), rows)

    def hourly(i: int) -> bytes:
        return system.hourly(i, *hours)

    _demand(1, system.returned(system.ask([latest(0)])[0]), "latest")
    _demand(rows, system.returned(system.ask([raw(0)])[0]), "raw")
    counted = system.counted(system.ask([hourly(0)])[0])
    _demand(load.records_between(0, *hours, range(rounds)), counted, "hourly")
    return Reads(*(_median(load, asked, repeats) for asked in (latest, raw, hourly)))


def _demand(expected: int, found: int, name: str) -> None:
    if expected != found:
        raise Refused(f"{name}: {found} of {expected} records")


def _median(load: Load, asked: Callable[[int], bytes], repeats: int) -> float:
    requests = [asked(i) for i in range(load.series)]
    plan = [requests[i % len(requests)] for i in range(repeats)]
    outcome = drive(load.system.address, [plan], seconds_max=SECONDS_MAX)
    demand_all_stored(outcome)
    return outcome.quantile_ms(0.5)

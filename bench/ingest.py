"""Measures how many values a second are acknowledged, and can be counted in aggregates (design 10).

Workload A: 4 connections, batches of 1,000 records, every body made before the clock starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter, sleep

import numpy as np

from bench.generator import Outcome, drive
from bench.systems import System
from bench.tenant import Refused
from bench.workload import ROUND_MS, START_MS, VALUES_A_RECORD, Template, draw

CONNECTIONS = 4
HOUR_MS = 3_600_000
LOST_S = 120.0
"""An acknowledged write that no read has shown for so long counts as lost."""

Expected = tuple[bytes, int]
"""A request that counts records, and how many it must count."""


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


class Load:
    """The batches of all series in the words of one system, ready to become requests of any round."""

    def __init__(self, system: System, series: int, records: int = 10_000, batch: int = 1_000) -> None:
        """Draw and write everything (some seconds for the million records of design 10)."""
        self.system = system
        self.series = series
        self.records = records
        machines = [draw(number, records) for number in range(series)]
        self.times_ms = [machine.time_ms for machine in machines]
        self._templates: list[list[Template]] = [
            [system.template(number, part) for part in machine.cut(batch)]
            for number, machine in enumerate(machines)
        ]

    @property
    def values(self) -> int:
        """Count the values of one round."""
        return self.series * self.records * VALUES_A_RECORD

    def newest_ms(self, series: int, rounds: int) -> int:
        """Give the newest time of a series once rounds 0 … `rounds` − 1 are stored."""
        return int(self.times_ms[series][-1]) + (rounds - 1) * ROUND_MS

    def records_between(self, series: int, begin_ms: int, end_ms: int, rounds: range) -> int:
        """Count the records with a time in (begin, end] once these rounds are stored."""
        moved = [self.times_ms[series] + number * ROUND_MS for number in rounds]
        return sum(int(np.count_nonzero((time > begin_ms) & (time <= end_ms))) for time in moved)

    def expected(self, first_round: int, rounds: int) -> list[Expected]:
        """Give what counts the records of these rounds, which follow on all before, and the right counts."""
        begin_ms, end_ms = covering_hours(first_round, rounds, self.records)
        near = range(max(0, first_round - 1), first_round + rounds)  # an hour reaches into one round before
        return [
            (request, sum(self.records_between(i, begin_ms, end_ms, near) for i in series))
            for request, series in self.system.counts(range(self.series), begin_ms, end_ms)
        ]

    def requests(self, number: int) -> Iterator[bytes]:
        """Make the requests of a round; the series take turns, one batch each, as machines at one time do."""
        for turn in range(len(self._templates[0])):
            for i, templates in enumerate(self._templates):
                yield self.system.write(i, templates[turn].in_round(number))

    def plans(self, rounds: range, connections: int = CONNECTIONS) -> list[list[bytes]]:
        """Deal the requests of these rounds out; all of a series go over one connection, in time order."""
        plans: list[list[bytes]] = [[] for _ in range(connections)]
        for number in rounds:
            for at, request in enumerate(self.requests(number)):
                plans[at % self.series % connections].append(request)
        return [plan for plan in plans if plan]


def measure(load: Load, first_round: int = 0, rounds: int = 1) -> Rate:
    """Send whole rounds and wait until every record of them is counted in its hour."""
    plans = load.plans(range(first_round, first_round + rounds))
    expected = load.expected(first_round, rounds)
    began = perf_counter()
    outcome = drive(load.system.address, plans)
    demand_all_stored(outcome)
    wait_until_visible(load.system, expected)
    return Rate(rounds * load.values, outcome.seconds, perf_counter() - began)


def demand_all_stored(outcome: Outcome) -> None:
    """Raise `Refused` with the first answer that was not 2xx: such a run measures nothing."""
    if outcome.refused:
        status, _, body = outcome.answers[0]
        raise Refused(f"{outcome.refused} requests were refused, the first with {status}: {body[:500]!r}")


def wait_until_visible(system: System, expected: list[Expected], seconds_max: float = LOST_S) -> None:
    """Ask how many records each hour holds until every record is counted; `Refused` if never."""
    deadline = perf_counter() + seconds_max
    while True:
        answers = system.ask([request for request, _ in expected])
        counted = [system.counted(answer) for answer in answers]
        lacking = [number for number, (_, count) in enumerate(expected) if counted[number] != count]
        if not lacking:
            return
        if perf_counter() > deadline:
            raise Refused(f"{counted[lacking[0]]} of {expected[lacking[0]][1]} records are counted")
        expected = [expected[number] for number in lacking]
        sleep(0.005)


def covering_hours(first_round: int, rounds: int, records: int) -> tuple[int, int]:
    """Give the whole hours (from, to] in ms around these rounds; other rounds may reach into them."""
    begin = (START_MS + first_round * ROUND_MS - 1) // HOUR_MS * HOUR_MS
    last = START_MS + (first_round + rounds - 1) * ROUND_MS + 1000 * records + 3
    return begin, -(-last // HOUR_MS) * HOUR_MS

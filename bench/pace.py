"""Many series at a steady pace: how far the store lags behind, and what reads take meanwhile (design 4.17).

    python -m bench.pace --store sqlite --periods 60,10 --seconds 120

100,000 series get a record of five values each minute, then each 10 s, five series a request; beside it
newest records and raw records of random series are read. A turn of a writer lasts as long as so many rows
need (τ), so the store lags; reads are fresh all the same.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.ours import Aspectstore, Dialect
from bench.report import surroundings, table
from bench.schedule import Answers, Device, Due, drive_on_time
from bench.speed import scratch_directory
from bench.tenant import ASPECT, SERIES
from bench.verdict import Verdict, conclude, store_arguments, verdict_table
from bench.workload import START_MS, single_record

WRITES, NEWEST, RAW = "writes", "newest", "raw"
PAIRS = 5
"""Of a request: the most that the dialect takes (MS-21)."""
CONNECTIONS = 32
PACE_MIN = 0.98
"""Share of the pace that must have been acknowledged in time for the figures to mean anything."""
LATE_S = 1.0
"""A write that is acknowledged later than this after it was due was not in time."""


@dataclass(slots=True, frozen=True)
class Plan:
    """How many series, how often, how long."""

    series: int = 100_000
    periods_s: tuple[float, ...] = (60.0, 10.0)
    seconds: float = 120.0
    reads_a_second: float = 20.0


TINY = Plan(series=40, periods_s=(1.0,), seconds=2.0, reads_a_second=10.0)


@dataclass(slots=True)
class Looks:
    """What `/metrics` said each second."""

    lag_s: list[float] = field(default_factory=list)
    backlog_bytes: list[float] = field(default_factory=list)
    turn_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Paced:
    """What was seen at one pace."""

    period_s: float
    asked_a_second: float
    answers: dict[str, Answers]
    looks: Looks

    @property
    def in_time(self) -> float:
        """Give the share of writes that were acknowledged in time."""
        writes = self.answers[WRITES]
        late = sum(ns > LATE_S * 1e9 for ns in writes.latencies_ns)
        return (writes.done - late) / max(1, writes.statuses.total())


def measure(system: Aspectstore, plan: Plan, directory: Path) -> list[Paced]:
    """Start a service, make the assets, keep each pace, stop."""
    system.start(directory)
    try:
        system.prepare(plan.series)
        found = []
        for number, period_s in enumerate(plan.periods_s):
            system.prepare(plan.series)  # a token that lasts
            with watched(system) as looks:
                answers = drive_on_time(system.address, list(_devices(system, plan, period_s, number)))
            found.append(Paced(period_s, plan.series / period_s, answers, looks))
            system.rest()
        return found
    finally:
        system.stop()


def _devices(system: Dialect, plan: Plan, period_s: float, number: int) -> Iterator[Device]:
    """Deal the writes out to connections, and give two readers one each."""
    began_ms = START_MS + number * 86_400_000
    for lane in range(CONNECTIONS):
        yield Device(WRITES, _writes(system, plan, period_s, began_ms, lane))
    for name in (NEWEST, RAW):
        yield Device(name, _reads(system, plan, began_ms, name))


def _writes(system: Dialect, plan: Plan, period_s: float, began_ms: int, lane: int) -> Iterator[Due]:
    """Make every 32nd request: series in turn, five a request, each period a record later."""
    tenant, requests_a_period = system.tenant, plan.series // PAIRS
    apart_s = period_s / requests_a_period
    for request in range(lane, int(plan.seconds / apart_s), CONNECTIONS):
        turn, place = divmod(request, requests_a_period)
        time_ms = began_ms + int(1_000 * turn * period_s)
        pairs = b",".join(
            b'{"entityId":"%s","propertySetName":"%s","data":%s}'
            % (system.assets[series].encode(), ASPECT.encode(), single_record(series, time_ms))
            for series in range(place * PAIRS, (place + 1) * PAIRS)
        )
        yield request * apart_s, tenant.request("PUT", SERIES, b'{"timeseries":[%s]}' % pairs)


def _reads(system: Dialect, plan: Plan, began_ms: int, name: str) -> Iterator[Due]:
    """Ask one series after the other, chosen by chance."""
    chance = np.random.default_rng(began_ms % 2**32)
    for number in range(int(plan.seconds * plan.reads_a_second / 2)):
        series = int(chance.integers(plan.series))
        due_s = 2 * number / plan.reads_a_second
        if name == NEWEST:
            yield due_s, system.latest(series, began_ms)
        else:
            yield due_s, system.raw(series, began_ms - 1, began_ms + int(1_000 * plan.seconds), 2_000)


@contextmanager
def watched(system: Dialect, every_s: float = 1.0) -> Iterator[Looks]:
    """Look at `/metrics` each second, over a connection of its own, while the body runs."""
    looks, ended = Looks(), threading.Event()

    def keep_looking() -> None:
        beside = Dialect(system.url, system.credentials)
        beside.start(Path())
        try:
            while not ended.wait(every_s):
                looks.lag_s += [max(beside.gauges("writer_lag_seconds"), default=0.0)]
                looks.backlog_bytes += [beside.backlog_bytes() or 0.0]
                looks.turn_s += [max(beside.gauges("writer_turn_seconds"), default=0.0)]
        finally:
            beside.stop()

    thread = threading.Thread(target=keep_looking, daemon=True)
    thread.start()
    try:
        yield looks
    finally:
        ended.set()
        thread.join()


def verdicts(found: list[Paced]) -> list[Verdict]:
    """Judge whether the pace was kept and nobody was refused."""
    judged: list[Verdict] = []
    for paced in found:
        refused = sum(answers.statuses.total() - answers.done for answers in paced.answers.values())
        label = f"every {paced.period_s:g} s"
        judged += [
            (f"{label}: acknowledged within {LATE_S:g} s", f"{paced.in_time:.1%}", paced.in_time >= PACE_MIN),
            (f"{label}: nothing refused", str(refused), refused == 0),
        ]
    return judged


def report(system: str, plan: Plan, found: list[Paced]) -> str:
    """Write the section of `results.md`."""
    rows = [
        [
            f"{paced.period_s:g} s", f"{paced.asked_a_second:,.0f}",
            *(f"{paced.answers[name].quantile_ms(0.5):.1f} / {paced.answers[name].quantile_ms(0.99):.1f}"
              for name in (WRITES, NEWEST, RAW)),
            f"{max(paced.looks.turn_s, default=0):.1f}", f"{max(paced.looks.lag_s, default=0):.1f}",
            f"{max(paced.looks.backlog_bytes, default=0) / 2**20:.1f} MB",
        ]
        for paced in found
    ]  # fmt: skip
    heads = [
        "a record each", "records/s", "write, ms (p50 / p99)", "newest, ms", "raw, ms", "τ at most, s",
        "lag of the store at most, s", "backlog at most",
    ]  # fmt: skip
    head = f"{system}: {plan.series:,} series, {plan.seconds:g} s a pace; {surroundings()}"
    return f"{head}\n\n{table(heads, rows)}\n\n{verdict_table(verdicts(found))}"


def main(arguments: list[str] | None = None) -> int:
    """Measure one store; 1 when a pace was not kept."""
    parser = store_arguments("bench.pace", __doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=Plan().series)
    parser.add_argument("--periods", default="60,10", help="seconds between two records of a series")
    parser.add_argument("--seconds", type=float, default=Plan().seconds, help="length of each")
    options = parser.parse_args(arguments)
    periods = tuple(float(text) for text in options.periods.split(","))
    plan = Plan(options.series, periods, options.seconds)
    system = Aspectstore(options.store, options.durability)
    with scratch_directory() as directory:
        found = measure(system, plan, directory)
    return conclude(
        f"pace-{options.store}", report(system.name, plan, found), verdicts(found), lambda: None,
        written=not options.no_report,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

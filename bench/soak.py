"""Measures whether a service stays as it is: minutes at half of its own maximum rate.

    python -m bench.soak --store sqlite --minutes 10

First the maximum, by whole rounds; then half of it, sent in bursts of a quarter second, bodies made as they
are needed; beside them a reader that asks one question after the other for as long as a burst lasts.
Three answers (design 10): how memory grows after minute 3, how far the store lags behind the
acknowledgements, and whether reads of the last third take longer than those of the second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

from bench import ingest, memory, plots
from bench.gate import columns_of
from bench.generator import Outcome, drive
from bench.ours import Aspectstore
from bench.report import surroundings
from bench.speed import scratch_directory
from bench.systems import System
from bench.verdict import Verdict, conclude, store_arguments, verdict_table
from bench.workload import START_MS, VALUES_A_RECORD, draw
from schemas.changes import Upsert
from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from streams.entries import SeriesEntry, encode_entry

BURST_S = 0.25
WARM_S = 180.0
"""Memory is judged from here on: caches fill first."""
SLOPE_MAX, BACKLOG_S_MAX, SLOWER_MAX = 0.01, 2.0, 1.2
"""Bounds: memory a minute, seconds of load that wait, read p99 of the last third to the second's."""


@dataclass(slots=True, frozen=True)
class Plan:
    """How long, and on what."""

    minutes: float = 10.0
    assets: int = 100
    records: int = 10_000
    batch: int = 1_000
    calibration_rounds: int = 3
    reads_a_burst: int = 12
    warm_s: float = WARM_S


TINY = Plan(
    minutes=1 / 60, assets=3, records=200, batch=20, calibration_rounds=1, reads_a_burst=2, warm_s=0.3
)


@dataclass(slots=True)
class Soaked:
    """What was seen under way; times are seconds since the soak began."""

    name: str
    values_a_second: float
    """Half of the maximum: what was asked for."""
    bytes_a_value: float
    """As the stream holds it, which is how a backlog is counted."""
    sent_values: int = 0
    seconds: float = 0.0
    trace: memory.Trace = field(default_factory=memory.Trace)
    backlog: list[tuple[float, float]] = field(default_factory=list)
    """(when, bytes)."""
    reads: list[tuple[float, float]] = field(default_factory=list)
    """(when, ms)."""

    def slope(self, warm_s: float) -> float:
        """Give the growth of memory a minute as a share of what it was when warm; 0 with too few looks."""
        when, held = np.array(self.trace.seconds), np.array(self.trace.resident, dtype=float)
        warm = when >= warm_s
        if np.count_nonzero(warm) < 3:
            return 0.0
        a_second, at_start = np.polyfit(when[warm] - warm_s, held[warm], 1)
        return float(60 * a_second / at_start)

    def backlog_s(self) -> float | None:
        """Give the longest backlog, in seconds of the load; None where the service does not say."""
        return max(self.backlog_seconds(), default=None)

    def backlog_seconds(self) -> list[float]:
        """Give each backlog that was seen, in seconds of the load."""
        return [held / (self.bytes_a_value * self.values_a_second) for _, held in self.backlog]

    def read_p99_ms(self, third: int) -> float:
        """Give the p99 of the reads of a third (0, 1, 2)."""
        begin, end = self.seconds * third / 3, self.seconds * (third + 1) / 3
        taken = [ms for when, ms in self.reads if begin <= when < end or (third == 2 and when >= end)]
        return float(np.quantile(taken, 0.99)) if taken else 0.0


def measure(system: System, plan: Plan, directory: Path) -> Soaked:
    """Start, find the maximum, soak, stop."""
    system.start(directory)
    try:
        system.prepare(plan.assets)
        load = ingest.Load(system, plan.assets, plan.records, plan.batch)
        rates = [ingest.measure(load, number) for number in range(plan.calibration_rounds)]
        soaked = Soaked(system.name, min(rate.visible for rate in rates) / 2, bytes_a_value(plan))
        with memory.watched(system) as soaked.trace:
            _soak(load, plan, soaked)
    finally:
        system.stop()
    return soaked


def bytes_a_value(plan: Plan) -> float:
    """Weigh one batch as the door would put it into the stream."""
    series = SeriesId(TenantId("bench"), AssetId("0" * 32), AspectId("0" * 32))
    entry = encode_entry(SeriesEntry(series, 1, Upsert(columns_of(draw(0, plan.batch)))))
    return len(entry) / (plan.batch * VALUES_A_RECORD)


def _soak(load: ingest.Load, plan: Plan, soaked: Soaked) -> None:
    """Send what is due of each burst, read beside it, look at the backlog, wait for the next."""
    system = load.system
    requests = _requests(load, plan.calibration_rounds)
    values = plan.batch * VALUES_A_RECORD
    began, refreshed = perf_counter(), 0.0
    while (now := perf_counter() - began) < 60 * plan.minutes:
        if now - refreshed > 600:
            system.prepare(plan.assets)
            refreshed = now
        due = soaked.values_a_second * (now + BURST_S) - soaked.sent_values
        burst = list(islice(requests, int(due / values)))
        outcome = _burst(load, burst, plan, now)
        soaked.sent_values += values * len(burst)
        soaked.reads += [(now, ns / 1e6) for ns in outcome.by_plan[-1]]
        held = system.backlog_bytes()
        soaked.backlog += [] if held is None else [(now, held)]
        sleep(max(0.0, began + now + BURST_S - perf_counter()))
    soaked.seconds = perf_counter() - began


def _burst(load: ingest.Load, burst: list[bytes], plan: Plan, now: float) -> Outcome:
    """Send a burst over 4 connections, with a reader on a fifth."""
    asked = [_question(load, number + int(now / BURST_S)) for number in range(plan.reads_a_burst)]
    lanes = [burst[lane :: ingest.CONNECTIONS] for lane in range(ingest.CONNECTIONS)]
    outcome = drive(load.system.address, [*(lane for lane in lanes if lane), asked])
    ingest.demand_all_stored(outcome)
    return outcome


def _question(load: ingest.Load, number: int) -> bytes:
    """Ask each of the three questions of design 10 of one series after the other, of the first round."""
    series = number // 3 % load.series
    rows = min(2_000, load.records)
    if number % 3 == 0:
        return load.system.latest(series, load.newest_ms(series, 1))
    if number % 3 == 1:
        return load.system.raw(series, START_MS - 1, int(load.times_ms[series][rows - 1]), rows)
    return load.system.hourly(series, *ingest.covering_hours(0, 1, load.records))


def _requests(load: ingest.Load, first_round: int) -> Iterator[bytes]:
    """Make requests for ever, series in turn as in the rounds before."""
    for number in count(first_round):
        yield from load.requests(number)


def verdicts(soaked: Soaked, plan: Plan) -> list[Verdict]:
    """Judge by the bounds of design 10."""
    slope, backlog = soaked.slope(plan.warm_s), soaked.backlog_s()
    second, last = soaked.read_p99_ms(1), soaked.read_p99_ms(2)
    kept = soaked.sent_values / soaked.seconds / soaked.values_a_second
    return [
        ("load sent ≥ 95 % of what was asked", f"{kept:.0%}", kept >= 0.95),
        ("memory < 1 % a minute once warm", f"{slope:+.2%} a minute", slope < SLOPE_MAX),
        (
            "backlog < 2 s of load",
            "not said" if backlog is None else f"{backlog:.2f} s at most",
            backlog is None or backlog < BACKLOG_S_MAX,
        ),
        (
            "read p99 of the last third ≤ 1.2 × the second's",
            f"{last:.1f} ms to {second:.1f} ms",
            last <= SLOWER_MAX * second,
        ),
    ]


def report(soaked: Soaked, plan: Plan) -> str:
    """Write the section of `results.md`."""
    head = (
        f"{soaked.name}: {soaked.seconds / 60:.1f} minutes at {soaked.values_a_second / 1e6:.2f} M values/s"
    )
    return f"{head}, {surroundings()}\n\n" + verdict_table(verdicts(soaked, plan))


def plot(soaked: Soaked, store: str, folder: Path = plots.PLOTS) -> list[Path]:
    """Draw memory, backlog and reads over time."""
    held = [size / 2**20 for size in soaked.trace.resident]
    return [
        *plots.draw_lines(
            folder / f"soak-memory-{store}.png", "Memory under half of the maximum load", ("seconds", "MB"),
            {soaked.name: (soaked.trace.seconds, held)},
        ),
        *plots.draw_lines(
            folder / f"soak-backlog-{store}.png", "What is acknowledged and not yet stored",
            ("seconds", "seconds of load"),
            {soaked.name: ([when for when, _ in soaked.backlog], soaked.backlog_seconds())},
        ),
        *plots.draw_lines(
            folder / f"soak-reads-{store}.png", "Reads under half of the maximum load", ("seconds", "ms"),
            {soaked.name: ([when for when, _ in soaked.reads], [ms for _, ms in soaked.reads])},
        ),
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Soak one store; 1 when a bound does not hold."""
    parser = store_arguments("bench.soak", __doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args(arguments)
    plan = Plan(minutes=options.minutes, warm_s=min(WARM_S, 60 * options.minutes * 0.3))
    with scratch_directory() as directory:
        soaked = measure(Aspectstore(options.store, options.durability), plan, directory)
    text, found = report(soaked, plan), verdicts(soaked, plan)
    return conclude(
        f"soak-{options.store}",
        text,
        found,
        lambda: plot(soaked, options.store),
        written=not options.no_report,
    )


if __name__ == "__main__":
    sys.exit(main())

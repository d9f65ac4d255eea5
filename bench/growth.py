"""Measures what a record costs as a store grows: from 10^5 to 10^8 records, and from 10 to 10^5 series.

    python -m bench.growth --store sqlite --budget 10

Records: whole rounds of workload A, so many at a time as fit in memory; the clock stands still while the
next bodies are made. Series: closed loops of single records. Each curve ends where its minutes are over.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from bench import ingest, plots, reads, single_records
from bench.ours import Aspectstore
from bench.report import replace_section, surroundings, table
from bench.speed import scratch_directory
from bench.systems import System
from bench.workload import VALUES_A_RECORD

FIRST_ROUND_OF_THE_SMALL = 2_000
"""The first 10^5 records lie far after all others, so that whole rounds can be counted."""


@dataclass(slots=True, frozen=True)
class Plan:
    """How far the curves go."""

    records: tuple[int, ...] = (100_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000)
    series: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)
    assets: int = 100
    records_a_round: int = 10_000
    batch: int = 1_000
    rounds_at_once: int = 10
    single_s: float = 5.0
    single_rate_max: int = 20_000
    repeats: int = 100
    budget_s: float = 600.0


TINY = Plan(
    records=(40, 400, 800), series=(2, 4), assets=4, records_a_round=100, batch=50, rounds_at_once=1,
    single_s=0.2, single_rate_max=1_000, repeats=3, budget_s=60,
)  # fmt: skip


@dataclass(slots=True, frozen=True)
class Step:
    """One point of the curve over records."""

    records: int
    acked_us: float
    """Per record, of those since the step before."""
    visible_us: float
    answered: reads.Reads | None
    resident: int


@dataclass(slots=True)
class Curves:
    """What one system gave before its time was over."""

    name: str
    steps: list[Step] = field(default_factory=list)
    singles: list[tuple[int, float, str]] = field(default_factory=list)
    """(series, µs a record, remark)."""


def measure(system: System, plan: Plan, directory: Path) -> Curves:
    """Measure both curves, half of the time each, on one start."""
    curves = Curves(system.name)
    system.start(directory)
    try:
        grow_records(system, plan, curves, perf_counter() + plan.budget_s / 2)
        system.rest()
        grow_series(system, plan, curves, perf_counter() + plan.budget_s / 2)
    finally:
        system.stop()
    return curves


def grow_records(system: System, plan: Plan, curves: Curves, deadline: float) -> None:
    """Send until each step's number of records is stored, and look at it there."""
    system.prepare(plan.assets)
    small = ingest.Load(system, plan.assets, plan.records[0] // plan.assets, plan.batch)
    rate = ingest.measure(small, FIRST_ROUND_OF_THE_SMALL)
    _keep(curves, system, plan.records[0], [rate], None)
    load = ingest.Load(system, plan.assets, plan.records_a_round, plan.batch)
    records_a_round = plan.assets * plan.records_a_round
    done = 0
    for target in plan.records[1:]:
        rates = []
        while done * records_a_round < target and perf_counter() < deadline:
            rounds = min(plan.rounds_at_once, target // records_a_round - done)
            system.prepare(plan.assets)
            rates.append(ingest.measure(load, done, rounds))
            done += rounds
        if not rates:
            return
        answered = reads.measure(load, done, plan.repeats)
        stored = plan.records[0] + done * records_a_round
        _keep(curves, system, stored, rates, answered)


def _keep(
    curves: Curves, system: System, stored: int, rates: list[ingest.Rate], answered: reads.Reads | None
) -> None:
    us_a_record = 1e6 * VALUES_A_RECORD / sum(rate.values for rate in rates)
    acked, visible = sum(rate.acked_s for rate in rates), sum(rate.visible_s for rate in rates)
    step = Step(stored, us_a_record * acked, us_a_record * visible, answered, system.resident_bytes())
    curves.steps.append(step)
    print(f"  {stored:,} records: {step.acked_us:.2f} µs acked, {step.visible_us:.2f} µs visible", flush=True)


def grow_series(system: System, plan: Plan, curves: Curves, deadline: float) -> None:
    """Drive single records at each number of series, for as long as there is time."""
    for run, series in enumerate(plan.series):
        if perf_counter() > deadline:
            return
        system.prepare(series)
        outcome = single_records.measure(system, series, plan.single_s, plan.single_rate_max, 100 + run)
        ingest.demand_all_stored(outcome)
        cost_us = 1e6 * outcome.seconds / outcome.done
        curves.singles.append((series, cost_us, system.remark()))
        print(f"  {series:,} series: {cost_us:.0f} µs a record ({system.remark()})", flush=True)


def report(all_curves: list[Curves]) -> str:
    """Write the section of `results.md`."""
    lines = [f"Cost of a record as the store grows, {surroundings()}", ""]
    for curves in all_curves:
        rows = [_row(step) for step in curves.steps]
        heads = [
            "records stored", "µs acked", "µs visible", "latest, ms", "raw records, ms", "aggregates, ms",
            "memory",
        ]  # fmt: skip
        lines += [f"{curves.name}:", "", table(heads, rows), ""]
        singles = [[f"{series:,}", f"{cost:.0f}", remark] for series, cost, remark in curves.singles]
        lines += [table(["series", "µs a single record", ""], singles), ""]
    return "\n".join(lines)


def _row(step: Step) -> list[str]:
    answered = step.answered
    read = [answered.latest_ms, answered.raw_ms, answered.aggregate_ms] if answered else []
    texts = [f"{value:.2f}" for value in read] or ["-"] * 3
    return [
        f"{step.records:,}", f"{step.acked_us:.2f}", f"{step.visible_us:.2f}", *texts,
        f"{step.resident / 2**20:.0f} MB",
    ]  # fmt: skip


def plot(all_curves: list[Curves], folder: Path = plots.PLOTS) -> list[Path]:
    """Draw one picture for records, one for series."""
    records = {c.name: ([s.records for s in c.steps], [s.visible_us for s in c.steps]) for c in all_curves}
    series = {c.name: ([n for n, _, _ in c.singles], [us for _, us, _ in c.singles]) for c in all_curves}
    return [
        *plots.draw_lines(
            folder / "growth-records.png", "Cost of a record, batches of 1,000, until it is visible",
            ("records stored", "µs a record"), records, logarithmic=True,
        ),
        *plots.draw_lines(
            folder / "growth-series.png", "Cost of a record, one a request", ("series", "µs a record"),
            series, logarithmic=True,
        ),
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure each store that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--store", default="sqlite", help="sqlite, cassandra or both with a comma")
    parser.add_argument("--durability", default="everysec")
    parser.add_argument("--budget", type=float, default=10.0, help="minutes for both curves of a store")
    parser.add_argument("--no-report", action="store_true", help="print only, write no file")
    options = parser.parse_args(arguments)
    curves = []
    for store in options.store.split(","):
        system = Aspectstore(store, options.durability)
        print(f"{system.name}, growth", flush=True)
        with scratch_directory() as directory:
            curves.append(measure(system, Plan(budget_s=60 * options.budget), directory))
    text = report(curves)
    print(text)
    if not options.no_report:
        replace_section("growth", text)
        plot(curves)
    return 0


if __name__ == "__main__":
    sys.exit(main())

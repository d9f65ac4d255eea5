"""The table of design 10 for one system: everything that is asked of it, in the order in which it is asked.

Short rounds, reads, the sustained run with memory watched, single records; bytes on disk in another start.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench import disk, ingest, memory, reads, single_records
from bench.figures import QUESTIONS, Figures, Singles, Sustained, cell
from bench.service import scratch
from bench.systems import System


@dataclass(slots=True, frozen=True)
class Plan:
    """How much is asked of each system."""

    assets: int = 100
    records: int = 10_000
    batch: int = 1_000
    short_runs: int = 5
    sustained_s: float = 60.0
    single_s: float = 10.0
    single_runs: int = 3
    single_rate_max: int = 40_000
    series: tuple[int, ...] = (100,)
    repeats: int = 300
    disk: bool = True

    def for_system(self, system: System) -> Plan:
        """Give what this system can be given in a reasonable time."""
        most = system.scale.series_max
        counts = tuple(count for count in self.series if count <= most) or (most,)
        return replace(self, assets=min(self.assets, most), series=counts)


TINY = Plan(
    assets=3, records=300, batch=100, short_runs=1, sustained_s=0.5, single_s=0.5, single_runs=1,
    single_rate_max=2_000, series=(3,), repeats=5, disk=False,
)  # fmt: skip


def measure(system: System, plan: Plan, directory: Path) -> Figures:
    """Start a system on an empty directory, ask everything, stop it; show each figure once it is there."""
    plan = plan.for_system(system)
    figures = Figures(system.name, system.durability, system.settings, series=plan.assets)
    print(f"{system.name}: {system.durability}", flush=True)
    system.start(directory / "run")
    try:
        _ask_all(system, plan, figures)
    finally:
        system.stop()
        shutil.rmtree(directory / "run", ignore_errors=True)
    if plan.disk:
        found = disk.measure(system, directory / "disk", plan.assets, plan.records, plan.batch)
        figures.stored, figures.logs = found.stored, found.logs
        _show(figures, "bytes/value on disk")
    return figures


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make a directory for one system, and remove it with everything that it left there."""
    directory = scratch("aspectstore-bench-")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _ask_all(system: System, plan: Plan, figures: Figures) -> None:
    figures.idle_bytes = system.resident_bytes() or None
    _show(figures, "idle memory")
    system.prepare(plan.assets)
    load = ingest.Load(system, plan.assets, plan.records, plan.batch)
    rates = [ingest.measure(load, number) for number in range(plan.short_runs)]
    figures.acked = [rate.acked for rate in rates]
    figures.visible = [rate.visible for rate in rates]
    _show(figures, "acked values/s", "visible values/s")
    answered = reads.measure(load, plan.short_runs, plan.repeats)
    figures.latest_ms, figures.raw_ms = answered.latest_ms, answered.raw_ms
    figures.aggregate_ms = answered.aggregate_ms
    _show(figures, "latest, ms", "raw records, ms", "hourly aggregates, ms")
    _sustain(load, plan, figures)
    _show(figures, "sustained values/s", "memory under load")
    figures.singles = [_singles(system, plan, run, count) for run, count in enumerate(plan.series)]
    _show(figures, "single-record requests/s")


def _sustain(load: ingest.Load, plan: Plan, figures: Figures) -> None:
    """Send rounds for at least `sustained_s`, then wait until all of them can be counted."""
    rate = statistics.median(figures.visible if load.system.scale.paced_by_visible else figures.acked)
    rounds = max(1, round(1.2 * rate * plan.sustained_s / load.values))
    load.system.prepare(plan.assets)
    with memory.watched(load.system) as trace:
        run = ingest.measure(load, plan.short_runs, min(rounds, load.system.scale.rounds_max))
    figures.sustained = Sustained(run.acked, run.visible, run.acked_s)
    figures.loaded_bytes = trace.peak or None


def _singles(system: System, plan: Plan, run: int, count: int) -> Singles:
    """Measure at one number of series, which are there before the clock starts."""
    system.prepare(count)
    system.rest()
    rates, p99 = [], []
    for repeat in range(plan.single_runs):
        system.prepare(count)
        number = run * plan.single_runs + repeat
        outcome = single_records.measure(system, count, plan.single_s, plan.single_rate_max, number)
        ingest.demand_all_stored(outcome)
        rates.append(outcome.done / outcome.seconds)
        p99.append(outcome.quantile_ms(0.99))
    return Singles(count, rates, statistics.median(p99), system.remark())


def _show(figures: Figures, *heads: str) -> None:
    for question in QUESTIONS:
        if question.head in heads:
            print(f"  {question.head}: {cell(question, figures)}", flush=True)

"""Measures a year of one variable at 1 Hz: 31.5 million records of one series.

    python -m bench.year --store sqlite

How fast it loads, how many bytes a value takes once settled, and how long these take: the year by day, the
year by month, and one hour of raw records out of the middle (design 10).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from time import perf_counter, sleep

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench import plots
from bench.figures import Question
from bench.generator import drive
from bench.ingest import LOST_S, demand_all_stored
from bench.ours import SOON, Aspectstore, Dialect
from bench.report import millions, surroundings
from bench.speed import scratch_directory
from bench.tenant import Refused
from bench.verdict import Verdict, conclude, store_arguments, verdict_table
from bench.workload import rfc3339_texts

BEGIN_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z: a year of 365 days."""
DAY_S = 86_400
DAY_MS_MAX, MONTH_MS_MAX, HOUR_MS_MAX, BYTES_MAX = 300.0, 100.0, 10.0, 1.0
"""What design 10 and issue ask for."""
PAGE = 2_000
"""Records that one answer holds at most: an hour takes two requests."""


@dataclass(slots=True, frozen=True)
class Plan:
    """How long the year is."""

    days: int = 365
    batch: int = 10_000
    repeats: int = 30

    @property
    def records(self) -> int:
        """One a second."""
        return self.days * DAY_S


TINY = Plan(days=1, repeats=2)


@dataclass(slots=True)
class Found:
    """Medians in ms; records a second; bytes a value."""

    records_a_second: float = 0.0
    visible_after_s: float = 0.0
    answers_ms: dict[str, float] = field(default_factory=dict)
    stored: float = 0.0
    logs: float = 0.0


def values_of_day(day: int) -> NDArray[np.float64]:
    """Draw a day of an outdoor sensor: a season, a day, and noise that wanders."""
    g = np.random.default_rng(10_000 + day)
    second = np.arange(DAY_S)
    season, sun = np.sin(2 * np.pi * day / 365), np.sin(2 * np.pi * second / DAY_S)
    drawn: NDArray[np.float64] = np.round(10 + 10 * season + 4 * sun + np.cumsum(g.normal(0, 0.01, DAY_S)), 2)
    return drawn


def bodies_of_day(day: int, batch: int) -> Iterator[bytes]:
    """Write a day as PUT bodies, in time order."""
    time_ms = BEGIN_MS + 1000 * (day * DAY_S + np.arange(1, DAY_S + 1))  # a day is (midnight, midnight]
    times, values = rfc3339_texts(time_ms).tolist(), values_of_day(day).tolist()
    for at in range(0, DAY_S, batch):
        rows = zip(times[at : at + batch], values[at : at + batch], strict=True)
        yield b"[" + b",".join(b'{"_time":"%sZ","temperature":%r}' % row for row in rows) + b"]"


def measure(system: Dialect, plan: Plan, directory: Path) -> Found:
    """Load, wait, ask, stop, look at the files."""
    found = Found()
    system.start(directory)
    try:
        system.prepare(1)
        _load(system, plan, found)
        system.rest()
        _ask(system, plan, found)
        disk = system.disk()
    finally:
        system.stop()
    found.stored, found.logs = disk.stored / plan.records, disk.logs / plan.records
    return found


def _load(system: Dialect, plan: Plan, found: Found) -> None:
    """Send a day at a time over one connection; the clock stands still while the next day is written."""
    seconds = 0.0
    for day in range(plan.days):
        if day % 50 == 0:
            system.prepare(1)
        requests = [system.write(0, body) for body in bodies_of_day(day, plan.batch)]
        outcome = drive(system.address, [requests])
        demand_all_stored(outcome)
        seconds += outcome.seconds
    found.records_a_second = plan.records / seconds
    began = perf_counter()
    request = aggregates(system, "day", 0, plan.days)
    while (counted := system.counted(system.ask([request])[0])) != plan.records:
        if perf_counter() - began > LOST_S:
            raise Refused(f"{counted} of {plan.records} records are counted")
        sleep(0.05)
    found.visible_after_s = perf_counter() - began


def aggregates(system: Dialect, unit: str, from_day: int, to_day: int) -> bytes:
    """Ask for the aggregates of whole days, in days or months."""
    begin, end = (_text(timedelta(days=day)) for day in (from_day, to_day))
    path = system.tenant.aggregates_path(system.assets[0], begin, end, unit)
    return system.tenant.request("GET", path)


def hour_of(system: Dialect, day: int) -> list[bytes]:
    """Ask for the raw records of an hour in the middle of a day, in two pages."""
    noon = timedelta(days=day, hours=12)
    edges = [noon, noon + timedelta(seconds=PAGE), noon + timedelta(hours=1)]
    path = system.tenant.series_path(system.assets[0])
    return [
        system.tenant.request("GET", f"{path}?from={_text(begin)}&to={_text(end)}&limit={PAGE}")
        for begin, end in pairwise(edges)
    ]


def _text(since: timedelta) -> str:
    moment = datetime.fromtimestamp(BEGIN_MS / 1000, UTC) + since
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _ask(system: Dialect, plan: Plan, found: Found) -> None:
    system.prepare(1)
    days = np.random.default_rng(1).integers(0, plan.days, plan.repeats).tolist()
    pages = [system.ask(hour_of(system, day)) for day in days[:2]]
    rows = {sum(len(msgspec.json.decode(page)) for page in both) for both in pages}
    if rows != {3600}:
        raise Refused(f"{rows} records in an hour of 3,600")
    by_day, by_month = (aggregates(system, unit, 0, plan.days) for unit in ("day", "month"))
    found.answers_ms["the year by day"] = _median(system, [[by_day]] * plan.repeats)
    found.answers_ms["the year by month"] = _median(system, [[by_month]] * plan.repeats)
    found.answers_ms["one hour, raw"] = _median(system, [hour_of(system, day) for day in days])


def _median(system: Dialect, questions: list[list[bytes]]) -> float:
    """Give the median over questions, each of which may take several requests, one after the other."""
    plan = [request for question in questions for request in question]
    outcome = drive(system.address, [plan])
    demand_all_stored(outcome)
    taken = np.array(outcome.by_plan[0]).reshape(len(questions), -1).sum(axis=1)
    return float(np.median(taken)) / 1e6


def verdicts(found: Found) -> list[Verdict]:
    """Judge by the bounds of design 10."""
    bounds = dict(zip(found.answers_ms, (DAY_MS_MAX, MONTH_MS_MAX, HOUR_MS_MAX), strict=True))
    timed = [
        (f"{name} in < {bounds[name]:.0f} ms", f"{ms:.1f} ms", ms < bounds[name])
        for name, ms in found.answers_ms.items()
    ]
    stored = f"{found.stored:.2f} (logs {found.logs:.2f})"
    return [*timed, (f"≤ {BYTES_MAX:.0f} byte a value on disk", stored, found.stored <= BYTES_MAX)]


def report(name: str, plan: Plan, found: Found) -> str:
    """Write the section of `results.md`."""
    loaded = (
        f"{name}: {plan.records:,} records of one variable loaded over one connection at "
        f"{millions(found.records_a_second)} records/s, "
        f"the last visible {found.visible_after_s:.1f} s later; "
    )
    return loaded + surroundings() + "\n\n" + verdict_table(verdicts(found))


def plot(found: Found, store: str, folder: Path = plots.PLOTS) -> list[Path]:
    """Draw the three answers."""
    question = Question("a year at 1 Hz, ms an answer", lambda _: None, lambda _: "")
    return plots.draw_points(folder / f"year-{store}.png", question, found.answers_ms)


def main(arguments: list[str] | None = None) -> int:
    """Measure one store; 1 when a bound does not hold."""
    parser = store_arguments("bench.year", __doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args(arguments)
    plan = Plan(days=options.days)
    system = Aspectstore(options.store, options.durability, SOON)
    with scratch_directory() as directory:
        found = measure(system, plan, directory)
    text = report(system.name, plan, found)
    return conclude(
        f"year-{options.store}", text, verdicts(found), lambda: plot(found, options.store),
        written=not options.no_report,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

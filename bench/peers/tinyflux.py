"""TinyFlux, from PyPI: a library, so it is asked in process, without HTTP and without a second process.

Its figures are shown beside the others for what they are: one writer, one file of CSV, no server.
"""

from __future__ import annotations

import importlib
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.figures import Figures, Singles
from bench.ingest import HOUR_MS, covering_hours
from bench.peers.places import FETCH, folder
from bench.speed import Plan
from bench.systems import VARIABLES_AGGREGATED
from bench.tenant import Refused
from bench.workload import ROUND_MS, START_MS, VALUES_A_RECORD, VARIABLES, Machine, Single, draw

NAME = "tinyflux"
SERIES_MAX = 10
"""Each question reads the whole file, so more would take minutes an answer."""
SECONDS_MAX = 10.0


def lacking() -> str | None:
    """Say what is not there; None when the library is."""
    return None if (folder(NAME) / NAME).is_dir() else f"no {NAME} found: {FETCH}"


def measure(plan: Plan, directory: Path) -> Figures:
    """Ask of the library what can be asked of it."""
    library = _library()
    series = min(plan.assets, SERIES_MAX)
    figures = Figures(
        "TinyFlux", "written to a file that is not synced", "in process, no HTTP", series=series
    )
    print(f"{figures.name}: {figures.settings}", flush=True)
    file = directory / "points.csv"
    database = library.TinyFlux(str(file))
    try:
        machines = [draw(number, plan.records) for number in range(series)]
        rounds = min(plan.short_runs, 2)
        for _ in range(rounds):
            _ingest(library, database, machines, plan.batch, figures)
        _read(library, database, machines, figures)
        figures.stored = file.stat().st_size / (rounds * series * plan.records * VALUES_A_RECORD)
        figures.singles = [_single(library, database, series, plan)]
    finally:
        database.close()
    return figures


def _library() -> Any:
    if str(folder(NAME)) not in sys.path:
        sys.path.append(str(folder(NAME)))
    return importlib.import_module(NAME)


def _ingest(library: Any, database: Any, machines: list[Machine], batch: int, figures: Figures) -> None:
    number = len(figures.acked)
    parts = [(i, part) for i, machine in enumerate(machines) for part in machine.cut(batch)]
    batches = [_points(library, i, part, number) for i, part in parts]
    values = sum(map(len, batches)) * VALUES_A_RECORD
    began = perf_counter()
    for points in batches:
        database.insert_multiple(points)
    acked_s = perf_counter() - began
    expected = (number + 1) * len(machines[0].time_ms)
    counts = {database.count(library.TagQuery().asset == _tag(i)) for i in range(len(machines))}
    if counts != {expected}:
        raise Refused(f"TinyFlux: {counts} of {expected} records are counted")
    figures.acked.append(values / acked_s)
    figures.visible.append(values / (perf_counter() - began))


def _points(library: Any, series: int, machine: Machine, number: int) -> list[Any]:
    names = [name for name, _, _ in VARIABLES]
    columns = [values for _, values in machine.values()]
    times = (machine.time_ms + number * ROUND_MS).tolist()
    return [
        _point(library, series, time_ms, dict(zip(names, row, strict=True)))
        for time_ms, row in zip(times, zip(*columns, strict=True), strict=True)
    ]


def _point(library: Any, series: int, time_ms: int, values: dict[str, float]) -> Any:
    fields = {name: float(value) for name, value in values.items()}
    return library.Point(
        time=_time(time_ms), measurement="machine", tags={"asset": _tag(series)}, fields=fields
    )


def _read(library: Any, database: Any, machines: list[Machine], figures: Figures) -> None:
    of_series = library.TagQuery().asset == _tag(0)
    rows = min(2_000, len(machines[0].time_ms))
    until = int(machines[0].time_ms[rows - 1])
    hours = covering_hours(0, 1, len(machines[0].time_ms))

    def between(begin_ms: int, end_ms: int) -> list[Any]:
        time = library.TimeQuery()
        found: list[Any] = database.search(of_series & (time > _time(begin_ms)) & (time <= _time(end_ms)))
        return found

    if len(between(START_MS - 1, until)) != rows:
        raise Refused("TinyFlux: records are missing")
    figures.latest_ms = _median_ms(lambda: max(database.search(of_series), key=lambda point: point.time))
    figures.raw_ms = _median_ms(lambda: between(START_MS - 1, until))
    figures.aggregate_ms = _median_ms(lambda: _hourly(between(*hours)))


def _hourly(points: list[Any]) -> dict[int, list[list[float]]]:
    """Fold in numpy: it has no aggregates of its own."""
    time_ms = np.array([point.time.timestamp() * 1000 for point in points])
    hours, starts = np.unique((time_ms - 1) // HOUR_MS, return_index=True)
    columns = [np.array([point.fields[name] for point in points]) for name in VARIABLES_AGGREGATED]
    parts = [np.split(column, starts[1:]) for column in columns]
    return {
        int(hour): [
            [
                part[n].size,
                part[n].sum(),
                part[n].mean(),
                part[n].min(),
                part[n].max(),
                part[n][0],
                part[n][-1],
            ]
            for part in parts
        ]
        for n, hour in enumerate(hours)
    }


def _single(library: Any, database: Any, series: int, plan: Plan) -> Singles:
    latencies: list[float] = []
    began = perf_counter()
    while perf_counter() - began < min(plan.single_s, SECONDS_MAX):
        turn, i = divmod(len(latencies), series)
        time_ms = START_MS + 1_000 * ROUND_MS + 1000 * turn
        values = Single.of(i, time_ms)
        sent = perf_counter()
        database.insert(
            _point(library, i, time_ms, {name: getattr(values, name) for name, _, _ in VARIABLES})
        )
        latencies.append(1000 * (perf_counter() - sent))
    rate = len(latencies) / (perf_counter() - began)
    return Singles(series, [rate], float(np.quantile(latencies, 0.99)))


def _median_ms(ask: Callable[[], object]) -> float:
    """Ask for some seconds, at most 50 times."""
    taken: list[float] = []
    began = perf_counter()
    while not taken or (len(taken) < 50 and perf_counter() - began < SECONDS_MAX):
        asked = perf_counter()
        ask()
        taken.append(1000 * (perf_counter() - asked))
    return statistics.median(taken)


def _tag(series: int) -> str:
    return f"m{series:06}"


def _time(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)

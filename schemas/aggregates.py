"""Aggregates of columns over intervals start < t ≤ end (wire 2, MS-61, MS-62, design 8.27).

Pure arithmetic on ascending rows. Good and uncertain values enter every function, bad ones are only
counted; a variable without quality codes is all good. Sums of integers are exact: Python's integers
take over where 64 bits would not hold them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from schemas.columns import Bools, Column, Columns, Floats, Ints, Texts
from schemas.quality import Quality, classify_all


@dataclass(slots=True, frozen=True)
class Aggregate:
    """One variable over one interval; the functions are None where only bad values were counted."""

    count_good: int
    count_uncertain: int
    count_bad: int
    sum: float | int | None = None
    average: float | None = None
    minimum: float | int | None = None
    maximum: float | int | None = None
    first: float | int | None = None
    last: float | int | None = None
    first_ms: int | None = None
    last_ms: int | None = None
    minimum_ms: int | None = None
    maximum_ms: int | None = None
    deviation: float | None = None
    """Standard deviation of the population."""


@dataclass(slots=True, frozen=True)
class Interval:
    """The aggregates of one interval (start_ms, end_ms], by variable id."""

    start_ms: int
    end_ms: int
    variables: dict[int, Aggregate]


def aggregate(columns: Columns, borders_ms: Ints, variables: Iterable[int]) -> list[Interval]:
    """Fold ascending rows into the intervals between consecutive borders; empty ones are left out.

    Interval i holds borders[i] < t ≤ borders[i + 1]; rows outside all intervals are ignored.
    """
    found: dict[int, dict[int, Aggregate]] = {}
    for variable in variables:
        column = columns.cells.get(variable)
        if column is not None and not isinstance(column.values, Texts):
            for interval, folded in _of_column(columns.time_ms, column, column.values, borders_ms):
                found.setdefault(interval, {})[variable] = folded
    edges = borders_ms.tolist()
    return [Interval(edges[index], edges[index + 1], found[index]) for index in sorted(found)]


def _of_column(
    time_ms: Ints, column: Column, all_values: Floats | Ints | Bools, borders_ms: Ints
) -> Iterable[tuple[int, Aggregate]]:
    rows = np.arange(len(time_ms)) if column.present is None else np.flatnonzero(column.present)
    times = time_ms[rows]
    first, last = np.searchsorted(times, (borders_ms[0], borders_ms[-1]), side="right")
    rows, times = rows[first:last], times[first:last]
    if not len(rows):
        return
    classes = classify_all(None if column.quality is None else column.quality[rows], len(rows))
    intervals = np.searchsorted(borders_ms, times, side="left") - 1
    starts = np.flatnonzero(np.concatenate(([True], intervals[1:] != intervals[:-1])))
    bad = np.add.reduceat((classes == Quality.BAD).astype("<i8"), starts)
    uncertain = np.add.reduceat((classes == Quality.UNCERTAIN).astype("<i8"), starts)
    sizes = np.diff(np.append(starts, len(rows)))
    good = sizes - bad - uncertain
    values: Floats | Ints = all_values[rows]  # type: ignore[assignment]  # of a number, never a boolean
    usable = classes != Quality.BAD
    for number, start in enumerate(starts.tolist()):
        part = slice(start, start + int(sizes[number]))
        counts = int(good[number]), int(uncertain[number]), int(bad[number])
        yield int(intervals[start]), _of_part(counts, values[part], times[part], usable[part])


def _of_part(counts: tuple[int, int, int], values: Floats | Ints, times: Ints, usable: Bools) -> Aggregate:
    if counts[2]:
        values, times = values[usable], times[usable]
    if not len(values):
        return Aggregate(*counts)
    low, high = int(values.argmin()), int(values.argmax())
    total = _sum(values)
    return Aggregate(
        *counts,
        sum=total,
        average=total / len(values),
        minimum=values[low].item(),
        maximum=values[high].item(),
        first=values[0].item(),
        last=values[-1].item(),
        first_ms=int(times[0]),
        last_ms=int(times[-1]),
        minimum_ms=int(times[low]),
        maximum_ms=int(times[high]),
        deviation=float(np.std(values.astype("<f8"))),
    )


EXACT_MAX = 2**62
"""Up to this bound of |value| x count the 64-bit sum cannot overflow."""


def _sum(values: Floats | Ints) -> float | int:
    if values.dtype.kind == "f":
        return float(values.sum())
    bound = max(abs(int(values.min())), abs(int(values.max()))) * len(values)
    return int(values.sum()) if bound < EXACT_MAX else sum(values.tolist())

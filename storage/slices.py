"""Which slice of a series a time belongs to: the time range of one storage partition (design 4.8, 4.9).

A slice is named by its start and holds start < t ≤ start + width, so that an open-closed interval
of whole cells never straddles two. The start is offset by a hash of the series in whole cells, so
that not every series of an installation opens a new partition in the same minute.

The first plan version of a series holds for all time. A later one holds for times after its `from_ms`, is
never changed, and starts at least PLAN_LEAD_MS after it was written. Widths are the first one times a power
of two, and a version starts on a border of its own slices and of those before it: so slices never overlap,
and the id of a slice belongs to one version.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from schemas.columns import Columns, Ints
from schemas.durations import DAY_MS
from schemas.ids import SeriesId
from schemas.partials import CELL_MS

WIDTH_MS = 32 * DAY_MS
"""The first plan version: about 2.8 M records at 1 Hz, 4,600 at ten minutes."""

WIDTH_MS_MIN = 3 * CELL_MS
"""The first width halved ten times: 4 MiB at 1.5 kB of packed records a second."""

WIDTH_MS_MAX = 32 * WIDTH_MS
"""Some three years: what the slowest series of a year of use may share."""

PLAN_LEAD_MS = 32 * DAY_MS
"""How far ahead a plan version starts. Records lie at most 31 days ahead (design 7) and writers read the
plans of their shards once a day at least, so each knows a version before the first record under it."""

PARTITION_BYTES_MIN = 2 * 1024 * 1024
PARTITION_BYTES_MAX = 10 * 1024 * 1024
"""What a partition should take in the store; outside of it the plan is changed (design 4.8)."""

PARTITION_BYTES_AIM = 4 * 1024 * 1024
"""The widest slice that takes no more is chosen: near the lower end, since a head lists all its blocks."""

assert WIDTH_MS == WIDTH_MS_MIN * 2**10


class PlanVersion(NamedTuple):
    """How wide slices are after a time."""

    from_ms: int
    width_ms: int


SlicePlan = tuple[PlanVersion, ...]
"""The versions after the first, ascending by `from_ms`."""

FIRST_PLAN: SlicePlan = ()
"""The plan of nearly every series: slices of WIDTH_MS for all time."""


@lru_cache(maxsize=100_000)
def offset_ms(series: SeriesId) -> int:
    """Give the start of the series' slice that contains 1970, in [0, WIDTH_MS), whole cells."""
    return zlib.crc32(series.text.encode()) % (WIDTH_MS // CELL_MS) * CELL_MS


def slice_start(series: SeriesId, time_ms: int, plan: SlicePlan = FIRST_PLAN) -> int:
    """Name the slice of one time."""
    return _start(offset_ms(series), time_ms, width_at(plan, time_ms))


def _start(offset: int, time_ms: int, width_ms: int) -> int:
    return offset + width_ms * ((time_ms - 1 - offset) // width_ms)


def width_at(plan: SlicePlan, time_ms: int) -> int:
    """Give the width of slices in force at a time."""
    width_ms = WIDTH_MS
    for version in plan:
        if time_ms <= version.from_ms:
            break
        width_ms = version.width_ms
    return width_ms


def slice_starts(series: SeriesId, time_ms: Ints, plan: SlicePlan = FIRST_PLAN) -> Ints:
    """Name the slice of each time."""
    offset = offset_ms(series)
    width_ms: Ints | int = WIDTH_MS
    if plan:
        borders, widths = zip(*plan, strict=True)
        width_ms = np.array((WIDTH_MS, *widths))[np.searchsorted(borders, time_ms, side="left")]
    starts: Ints = offset + width_ms * ((time_ms - 1 - offset) // width_ms)
    return starts


def slice_range(start_ms: int, width_ms: int = WIDTH_MS) -> tuple[int, int]:
    """Give the half-open range [a, b) of times that a slice holds."""
    return start_ms + 1, start_ms + width_ms + 1


def first_touched(
    slices: Mapping[int, int], start_ms: int, end_ms: int, *, newest_first: bool = False
) -> int | None:
    """Find the first (or last) slice, of start → width, that has times in start_ms ≤ t < end_ms."""
    for start, width in sorted(slices.items(), reverse=newest_first):
        first, end = slice_range(start, width)
        if max(first, start_ms) < min(end, end_ms):
            return start
    return None


def split_by_slice(
    series: SeriesId, columns: Columns, plan: SlicePlan = FIRST_PLAN
) -> list[tuple[int, Columns]]:
    """Divide rows by slice, ascending; rows keep their order within a slice."""
    first = slice_start(series, int(columns.time_ms.min()), plan)
    if slice_start(series, int(columns.time_ms.max()), plan) == first:
        return [(first, columns)]
    starts = slice_starts(series, columns.time_ms, plan)
    found: list[int] = np.unique(starts).tolist()
    return [(start, columns.take(np.flatnonzero(starts == start))) for start in found]


def next_version(
    series: SeriesId, plan: SlicePlan, stored_bytes: int, span_ms: int, now_ms: int
) -> PlanVersion | None:
    """Say what version a series needs that takes so many stored bytes in so much time; None: it is right.

    None also while a version waits for its start: what it brings about is not known yet.
    """
    if plan and plan[-1].from_ms >= now_ms:
        return None
    width_ms = plan[-1].width_ms if plan else WIDTH_MS
    if PARTITION_BYTES_MIN <= stored_bytes * width_ms / span_ms <= PARTITION_BYTES_MAX:
        return None
    better = WIDTH_MS_MAX
    while better > WIDTH_MS_MIN and stored_bytes * better / span_ms > PARTITION_BYTES_AIM:
        better //= 2
    if better == width_ms:
        return None
    coarse_ms = max(better, width_ms)
    # A border of the wider slices is one of the narrower ones too: widths differ by powers of two.
    from_ms = _start(offset_ms(series), now_ms + PLAN_LEAD_MS, coarse_ms) + coarse_ms
    return PlanVersion(from_ms, better)

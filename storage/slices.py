"""Which slice of a series a time belongs to: the time range of one storage partition (design 4.8, 4.9).

A slice is named by its start and holds start < t ≤ start + width, so that an open-closed interval
of whole cells never straddles two. The start is offset by a hash of the series in whole cells, so
that not every series of an installation opens a new partition in the same minute.
A plan version is never changed; a new one starts at least PLAN_LEAD_MS ahead.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np

from schemas.columns import Columns, Ints
from schemas.ids import SeriesId

CELL_MS = 15 * 60 * 1000
"""Every zone since 1972 is off UTC by whole cells, so cells add up to its hours and days."""

DAY_MS = 24 * 3600 * 1000

WIDTH_MS = 32 * DAY_MS
"""The first plan version: about 2.8 M records at 1 Hz, 4,600 at ten minutes."""

PLAN_LEAD_MS = 32 * DAY_MS
"""How far ahead a plan version must start, so that no writer can still use the older one there."""

assert WIDTH_MS % CELL_MS == 0


@lru_cache(maxsize=100_000)
def offset_ms(series: SeriesId) -> int:
    """Give the start of the series' slice that contains 1970, in [0, width), whole cells."""
    return zlib.crc32(series.text.encode()) % (WIDTH_MS // CELL_MS) * CELL_MS


def slice_start(series: SeriesId, time_ms: int) -> int:
    """Name the slice of one time."""
    offset = offset_ms(series)
    return offset + WIDTH_MS * ((time_ms - 1 - offset) // WIDTH_MS)


def slice_starts(series: SeriesId, time_ms: Ints) -> Ints:
    """Name the slice of each time."""
    offset = offset_ms(series)
    starts: Ints = offset + WIDTH_MS * ((time_ms - 1 - offset) // WIDTH_MS)
    return starts


def slice_range(start_ms: int) -> tuple[int, int]:
    """Give the half-open range [a, b) of times that a slice holds."""
    return start_ms + 1, start_ms + WIDTH_MS + 1


def split_by_slice(series: SeriesId, columns: Columns) -> list[tuple[int, Columns]]:
    """Divide rows by slice, ascending; rows keep their order within a slice."""
    first = slice_start(series, int(columns.time_ms.min()))
    if slice_start(series, int(columns.time_ms.max())) == first:
        return [(first, columns)]
    starts = slice_starts(series, columns.time_ms)
    found: list[int] = np.unique(starts).tolist()
    return [(start, columns.take(np.flatnonzero(starts == start))) for start in found]

"""Series of a file side by side: windows of rows in the order of time, whatever their number (SM-30).

Each series is read ahead by some thousand rows; what lies up to the earliest end of what is read ahead is a
window. So memory knows only the number of columns, and the last time of a window says all about how far the
reading is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np

from schemas.columns import NO_QUALITY, Bools, Column, Columns, Ints, Texts
from schemas.exporting.model import ExportFile, ExportPlan, Window
from schemas.ids import SeriesId, TenantId
from storage import merge
from storage.port import SeriesReads
from storage.reader import READ_DEADLINE_S, read_series
from storage.spans import Wanted

VALUES: Final = 1_000_000
"""Read ahead in all, 8 MB of numbers; the fixed cost of a read is some ten thousand of them."""
ROWS_MIN: Final = 64
ROWS_MAX: Final = 65_536
TEXT_BYTES: Final = 16 * 1_048_576
"""Of texts, if they are as long as their variables allow."""
SERIES_AT_ONCE: Final = 8


class _Series:
    """One series of a file, read ahead."""

    def __init__(self, series: SeriesId, variables: Sequence[int], from_ms: int) -> None:
        self.series = series
        self.variables = tuple(variables)
        self.ahead = merge.EMPTY
        self.from_ms = from_ms
        self.ended = False

    async def fill(self, store: SeriesReads, end_ms: int, rows: int) -> None:
        """Read on where nothing is read ahead."""
        wanted = Wanted(self.from_ms, end_ms, frozenset(self.variables), rows)
        self.ahead = await read_series(store, self.series, wanted, deadline_s=READ_DEADLINE_S)
        self.ended = self.ahead.rows < rows
        if self.ahead.rows:
            self.from_ms = int(self.ahead.time_ms[-1]) + 1

    def take(self, until_ms: int) -> Columns:
        """Give what is read ahead up to a time, inclusive."""
        count = int(np.searchsorted(self.ahead.time_ms, until_ms, side="right"))
        taken = self.ahead.part(0, count)
        self.ahead = self.ahead.part(count, self.ahead.rows)
        return taken


async def windows(
    store: SeriesReads, tenant: TenantId, plan: ExportPlan, file: ExportFile, from_ms: int
) -> AsyncGenerator[Window, None]:
    """Give the rows of a file from a time on."""
    several = [
        _Series(plan.series[number].named(tenant), [column.variable for column in columns], from_ms)
        for number, columns in groupby(file.columns, key=lambda column: column.series)
    ]
    rows = _rows_ahead(plan, file)
    while True:
        lacking = [each for each in several if not each.ended and not each.ahead.rows]
        for first in range(0, len(lacking), SERIES_AT_ONCE):
            at_once = lacking[first : first + SERIES_AT_ONCE]
            await asyncio.gather(*(each.fill(store, plan.end_ms, rows) for each in at_once))
        if not any(each.ahead.rows for each in several):
            return
        until_ms = min((each.from_ms - 1 for each in several if not each.ended), default=plan.end_ms)
        yield _beside(several, until_ms)


def _rows_ahead(plan: ExportPlan, file: ExportFile) -> int:
    rows = VALUES // max(1, len(file.columns))
    texts = [variable for variable in map(plan.variable, file.columns) if variable.type.is_text]
    width = sum(each.value_bytes_max for each in texts)
    if width:
        rows = min(rows, TEXT_BYTES // width)
    return min(max(rows, 1 if width else ROWS_MIN), ROWS_MAX)


def _beside(several: Sequence[_Series], until_ms: int) -> Window:
    taken = [each.take(until_ms) for each in several]
    filled = [each.time_ms for each in taken if each.rows]
    times = filled[0] if len(filled) == 1 else np.unique(np.concatenate(filled))
    columns: list[Column | None] = []
    for each, rows in zip(several, taken, strict=True):
        places = None if rows.rows == len(times) else np.searchsorted(times, rows.time_ms)
        for variable in each.variables:
            column = rows.cells.get(variable)
            if column is not None and places is not None:
                column = _spread(column, places, len(times))
            columns.append(column)
    return Window(times, tuple(columns))


def _spread(column: Column, places: Ints, rows: int) -> Column:
    """Put a column's rows in their places among others."""
    present: Bools = np.zeros(rows, np.bool_)
    present[places] = True if column.present is None else column.present
    quality = None
    if column.quality is not None:
        quality = np.full(rows, NO_QUALITY, np.int64)
        quality[places] = column.quality
    if isinstance(column.values, Texts):
        lengths = np.zeros(rows, np.int64)
        lengths[places] = np.diff(column.values.offsets)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        begin, end = int(column.values.offsets[0]), int(column.values.offsets[-1])
        return Column(Texts(offsets, column.values.octets[begin:end]), present, quality=quality)
    values: Any = np.zeros(rows, column.values.dtype)
    values[places] = column.values
    return Column(values, present, quality=quality)


def count_values(window: Window) -> int:
    """Count the values of a window."""
    columns = (column for column in window.columns if column is not None)
    return sum(
        len(window.time_ms) if column.present is None else int(np.count_nonzero(column.present))
        for column in columns
    )

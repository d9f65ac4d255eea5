"""Aggregates of a file's series, run by run of intervals: never stale, by summaries where they hold (4.11).

A row is an interval, named by its beginning. Where the range ends within an interval all of it is told, as a
read of aggregates does. Memory knows one run of intervals of the file's variables.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from schemas.aspects import VariableType
from schemas.columns import Column, Columns, Ints
from schemas.durations import DAY_MS
from schemas.exporting.model import Aggregated, ExportFile, ExportPlan, Window
from schemas.folding import of_columns
from schemas.functions import COUNTING, Table, table_of
from schemas.ids import SeriesId, TenantId
from schemas.intervals import Interval, borders_of
from schemas.partials import CELL_MS, Partials, joined
from storage.export_parts import Basis
from storage.port import SeriesReads
from storage.reader import read_series
from storage.spans import Wanted
from storage.summary_reader import Cells, read_cells

RUN_CELLS: Final = 500_000
"""Aggregates of one run: intervals times variables times functions."""
RUN_MS_MAX: Final = 370 * DAY_MS
ROWS: Final = 262_144
"""Read in one go where summaries do not hold."""


async def aggregates(
    store: SeriesReads,
    tenant: TenantId,
    plan: ExportPlan,
    file: ExportFile,
    from_ms: int,
    *,
    basis: Basis,
) -> AsyncGenerator[Window, None]:
    """Give the intervals of a file that begin at a time or later and have any value."""
    asked = plan.aggregate
    assert asked is not None
    interval, zone = Interval(asked.unit, asked.value), ZoneInfo(plan.zone)
    width = max(1, len(file.columns) * len(asked.functions))
    run_ms = min(max(RUN_CELLS // width, 1) * interval.shortest_ms, RUN_MS_MAX)
    after_ms, until_ms = max(basis.first_ms, from_ms) - 1, basis.end_ms - 1
    while after_ms < until_ms:
        borders_ms = borders_of(interval, zone, after_ms, min(after_ms + run_ms, until_ms))
        window = await _window(store, tenant, plan, file, borders_ms)
        keep = np.flatnonzero(window.time_ms >= from_ms)
        if len(keep):
            columns = (None if column is None else column.take(keep) for column in window.columns)
            yield Window(window.time_ms[keep], tuple(columns))
        after_ms = int(borders_ms[-1])


async def _window(
    store: SeriesReads, tenant: TenantId, plan: ExportPlan, file: ExportFile, borders_ms: Ints
) -> Window:
    asked = plan.aggregate
    assert asked is not None
    count = len(borders_ms) - 1
    columns: list[Column] = []
    for number, group in groupby(file.columns, key=lambda column: column.series):
        kinds = {column.variable: plan.variable(column).type for column in group}
        found = await _partials(store, plan.series[number].named(tenant), borders_ms, kinds)
        for part in found.values():
            columns += _columns(table_of(part, asked.functions), asked, count)
    filled = np.zeros(count, np.bool_)
    for column in columns:
        assert column.present is not None
        filled |= column.present
    rows = np.flatnonzero(filled)
    return Window(borders_ms[:-1][rows], tuple(column.take(rows) for column in columns))


def _columns(table: Table, asked: Aggregated, count: int) -> list[Column]:
    """Spread the functions of one variable over the intervals; there is no count without a value."""
    columns = []
    for name in asked.functions:
        says = np.ones(len(table.groups), np.bool_) if name in COUNTING else table.usable
        present = np.zeros(count, np.bool_)
        present[table.groups[says]] = True
        values: Any = np.zeros(
            count, np.int64 if asked.type_of(name) is not VariableType.DOUBLE else np.float64
        )
        values[table.groups[says]] = table.columns[name][says].astype(values.dtype)
        columns.append(Column(values, present))
    return columns


async def _partials(
    store: SeriesReads, series: SeriesId, borders_ms: Ints, kinds: Mapping[int, VariableType]
) -> dict[int, Partials]:
    """Fold a series into the intervals between borders."""
    found: dict[int, list[Partials]] = {variable: [] for variable in kinds}
    wanted = Wanted(int(borders_ms[0]) + 1, int(borders_ms[-1]) + 1, frozenset(kinds))
    pieces: AsyncIterator[Cells | Columns]
    if (borders_ms % CELL_MS).any():
        pieces = _rows(store, series, wanted)
    else:
        pieces = read_cells(store, series, wanted, borders_ms)
    async for piece in pieces:
        for variable, part in (await asyncio.to_thread(_fold, piece, borders_ms, kinds)).items():
            found[variable].append(part)
    return {variable: joined(parts, kinds[variable]) for variable, parts in found.items()}


async def _rows(
    store: SeriesReads, series: SeriesId, wanted: Wanted
) -> AsyncGenerator[Cells | Columns, None]:
    start_ms = wanted.start_ms
    while True:
        part = Wanted(start_ms, wanted.end_ms, wanted.variables, ROWS)
        columns = await read_series(store, series, part)
        if columns.rows:
            yield columns
            start_ms = int(columns.time_ms[-1]) + 1
        if columns.rows < ROWS:
            return


def _fold(piece: Cells | Columns, borders_ms: Ints, kinds: Mapping[int, VariableType]) -> dict[int, Partials]:
    if isinstance(piece, Columns):
        return {variable: of_columns(piece, variable, kind, borders_ms) for variable, kind in kinds.items()}
    folded: dict[int, Partials] = {}
    for stack in piece.stacks:
        groups = borders_ms.searchsorted((stack.partials.groups + 1) * CELL_MS) - 1
        folded |= stack.regrouped(groups, len(borders_ms))
    return folded

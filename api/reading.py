"""Reading series with everything acknowledged in them (design 4.17), and the newest values (MS-43, MS-44)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from api.receipts import Receipts
from api.tails import FreshTail, fetch_tail
from schemas.aspects import AspectType, VariableType
from schemas.columns import NO_QUALITY, Column, Columns, Texts
from schemas.errors import Unavailable
from schemas.ids import SeriesId
from schemas.latest import Latest, LatestCell
from schemas.receipts import Place
from storage import merge
from storage.port import SeriesStore
from storage.reader import Wanted, read_series
from streams.port import RecordStream
from streams.shards import shard_of


@dataclass(slots=True, frozen=True)
class Rows:
    """What a read found."""

    columns: Columns
    behind: int | None = None
    """The applied position, where acknowledged entries after it may be missing; None: nothing is missing."""


class Reading:
    """The way out of stream and store."""

    def __init__(self, stream: RecordStream, store: SeriesStore, receipts: Receipts, shards: int) -> None:
        """Read from a stream of so many shards and the store under it."""
        self._stream = stream
        self._store = store
        self._receipts = receipts
        self._shards = shards

    async def rows(self, series: SeriesId, wanted: Wanted, after: Sequence[Place] = ()) -> Rows:
        """Read a range; `after` makes these entries a must (`Read-After`)."""
        tail = await self._tail(series, after)
        columns = await read_series(self._store, series, wanted, tail.changes)
        return Rows(columns, await self._behind(series, tail))

    async def newest(self, series: SeriesId, wanted: Wanted, after: Sequence[Place] = ()) -> Rows:
        """Read the newest record of a range: one row or none, with the wanted variables only (MS-43)."""
        tail = await self._tail(series, after)
        found = None if tail.latest is None else _newest_row(tail.latest, wanted)
        if found is not None:
            return Rows(found)
        columns = await read_series(self._store, series, wanted, tail.changes)
        return Rows(columns, await self._behind(series, tail))

    async def latest(
        self, series: SeriesId, aspect: AspectType, wanted: Wanted, after: Sequence[Place] = ()
    ) -> Rows:
        """Read the newest value of each wanted variable, as rows of their times (MS-44, beaten: exact)."""
        tail = await self._tail(series, after)
        assert wanted.variables is not None
        cells: dict[int, LatestCell] = {}
        missing: list[int] = []
        for variable in sorted(wanted.variables):
            cell = _from_cache(tail.latest, variable, wanted)
            if cell is not None:
                cells[variable] = cell
            elif tail.latest is None or not _known_absent(tail.latest, variable):
                missing.append(variable)
        for variable in missing:
            one = Wanted(wanted.start_ms, wanted.end_ms, frozenset({variable}), 1, descending=True)
            columns = await read_series(self._store, series, one, tail.changes)
            if columns.rows:
                cells[variable] = _cell_of(columns, variable)
        return Rows(_rows_of(cells, aspect), await self._behind(series, tail))

    async def _tail(self, series: SeriesId, after: Sequence[Place]) -> FreshTail:
        shard = shard_of(series.tenant, series.asset, self._shards)
        if after:
            fate, reason = await self._receipts.fate(after)
            self._receipts.demand_kept(fate, reason)
        tail = await fetch_tail(self._stream, shard, series)
        here = [place for place in after if place.shard == shard]
        elsewhere = [place for place in after if place.shard != shard]
        waiting = [place for place in here if not tail.complete and place.position > (tail.applied or 0)]
        if not (waiting or elsewhere):
            return tail
        if not await self._receipts.wait_applied([*waiting, *elsewhere]):
            message = "What Read-After names is not readable yet."
            raise Unavailable(message, 2)
        return await fetch_tail(self._stream, shard, series)

    async def _behind(self, series: SeriesId, tail: FreshTail) -> int | None:
        if tail.complete:
            return None
        if tail.applied is not None:
            return tail.applied
        return await self._store.read_cursor(shard_of(series.tenant, series.asset, self._shards))


def _newest_row(latest: Latest, wanted: Wanted) -> Columns | None:
    """Make the newest record out of the cache; None where the store must be asked."""
    if not latest.cells:
        return merge.EMPTY if latest.complete else None
    time_ms = max(cell.time_ms for cell in latest.cells.values())
    if not wanted.start_ms <= time_ms < wanted.end_ms:
        return None
    cells = {
        variable: cell
        for variable, cell in latest.cells.items()
        if cell.time_ms == time_ms and (wanted.variables is None or variable in wanted.variables)
    }
    if not cells:
        return None
    return Columns(np.array([time_ms], "<i8"), {variable: _column(cell) for variable, cell in cells.items()})


def _from_cache(latest: Latest | None, variable: int, wanted: Wanted) -> LatestCell | None:
    cell = None if latest is None else latest.cells.get(variable)
    return cell if cell is not None and wanted.start_ms <= cell.time_ms < wanted.end_ms else None


def _known_absent(latest: Latest, variable: int) -> bool:
    return latest.complete and variable not in latest.cells


def _cell_of(columns: Columns, variable: int) -> LatestCell:
    column = columns.cells[variable]
    value = column.values.to_list()[0] if isinstance(column.values, Texts) else column.values[0].item()
    quality = NO_QUALITY if column.quality is None else int(column.quality[0])
    return LatestCell(int(columns.time_ms[0]), value, quality)


def _rows_of(cells: dict[int, LatestCell], aspect: AspectType) -> Columns:
    """Lay newest values out as rows, one a time, ascending."""
    parts = [
        Columns(np.array([cell.time_ms], "<i8"), {variable: _column(cell)}, np.ones(1, np.bool_))
        for variable, cell in cells.items()
        if any(known.id == variable for known in aspect.variables)
    ]
    return merge.state(parts)


def _column(cell: LatestCell) -> Column:
    values = Texts.of([cell.value]) if isinstance(cell.value, str) else np.array([cell.value])
    return Column(values, quality=None if cell.quality == NO_QUALITY else np.array([cell.quality], "<i8"))


LATEST_LEAVES_OUT = frozenset({VariableType.STRING, VariableType.BIG_STRING, VariableType.TIMESTAMP})
"""The dialect's `latestValue` knows no strings and times (MS-44); the open profile does."""


def latest_variables(aspect: AspectType, chosen: Iterable[int] | None, *, all_types: bool) -> frozenset[int]:
    """Tell which variables `latestValue` answers."""
    return frozenset(
        variable.id
        for variable in aspect.variables
        if (chosen is None or variable.id in chosen) and (all_types or variable.type not in LATEST_LEAVES_OUT)
    )

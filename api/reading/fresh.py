"""Reading series with everything acknowledged in them (design 4.17), and the newest values (MS-43, MS-44).

Equal reads in flight share one fetch (`api.reading.joined`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from api.reading.joined import Sharing
from api.reading.receipts import Receipts
from api.reading.tails import FreshTail, fetch_tail
from schemas.aspects import AspectType
from schemas.columns import NO_QUALITY, Column, Columns, Ints, Texts
from schemas.errors import Unavailable
from schemas.ids import SeriesId
from schemas.latest import Latest, LatestCell
from schemas.queries import ReadKind, SeriesQuery, next_page
from schemas.receipts import Place
from schemas.times import format_time
from storage import merge
from storage.block_cache import BlockCache
from storage.port import SeriesStore
from storage.reader import READ_DEADLINE_S, read_answer
from storage.spans import Wanted
from storage.summary_reader import Cells, read_cells
from streams.port import RecordStream
from streams.shards import shard_of

LATEST_PAGE_ROWS = 64
"""Rows looked at in one go for the newest values: variables of one aspect mostly come together."""

RETRY_AFTER_S = 2
"""A read that waited for ten seconds in vain may come again after another turn."""


class Gone(NamedTuple):
    """Where a read met records of which retention has left only summaries (design 4.13)."""

    first_ms: int
    last_ms: int
    """Of the last such record, inclusive."""

    @property
    def header(self) -> str:
        """Give what the header `Summary-Only` says: both times, divided by a slash."""
        return f"{format_time(self.first_ms)}/{format_time(self.last_ms)}"


def gone_in(ranges: Iterable[Gone]) -> Gone | None:
    """Give one range around several: retention takes what is oldest, so little else lies between them."""
    found = list(ranges)
    if not found:
        return None
    return Gone(min(each.first_ms for each in found), max(each.last_ms for each in found))


class SaidGone:
    """Says in the headers of an answer what its reads met, for as long as these were not sent.

    Whoever reads from the oldest record on meets all of it before the first record that lives.
    """

    def __init__(self, headers: dict[str, str]) -> None:
        """Take the headers; they are read when the first bytes go out."""
        self._headers = headers
        self._gone: Gone | None = None

    def note(self, gone: Gone | None) -> None:
        """Take in what one read met."""
        if gone is not None:
            self._gone = gone_in([gone, *([] if self._gone is None else [self._gone])])
            assert self._gone is not None
            self._headers["summary-only"] = self._gone.header


@dataclass(slots=True, frozen=True)
class Rows:
    """What a read found."""

    columns: Columns
    behind: int | None = None
    """The applied position, where acknowledged entries after it may be missing; None: nothing is missing."""
    gone: Gone | None = None


class Reads(Protocol):
    """Ways of reading a series; what each means stands at `Reading`."""

    async def rows(self, series: SeriesId, wanted: Wanted, after: Sequence[Place] = ()) -> Rows:
        """Read a range."""

    async def newest(self, series: SeriesId, wanted: Wanted, after: Sequence[Place] = ()) -> Rows:
        """Read the newest record of a range."""

    async def latest(
        self, series: SeriesId, aspect: AspectType, wanted: Wanted, after: Sequence[Place] = ()
    ) -> Rows:
        """Read the newest value of each wanted variable."""

    async def pieces(
        self, series: SeriesId, wanted: Wanted, rows_max: int, after: Sequence[Place] = ()
    ) -> tuple[int | None, AsyncGenerator[Rows, None]]:
        """Read a range of any length in pieces."""

    async def cells(
        self, series: SeriesId, wanted: Wanted, borders_ms: Ints, after: Sequence[Place] = ()
    ) -> tuple[int | None, AsyncIterator[Cells | Columns]]:
        """Read a range for aggregates."""


class Reading:
    """The way out of stream and store."""

    def __init__(
        self,
        stream: RecordStream,
        store: SeriesStore,
        receipts: Receipts,
        shards: int,
        *,
        deadline_s: float = READ_DEADLINE_S,
    ) -> None:
        """Read from a stream of so many shards and the store under it, each slice within the deadline."""
        self._stream = stream
        self._store = store
        self._blocks = BlockCache(store)
        self._receipts = receipts
        self._shards = shards
        self._deadline_s = deadline_s
        self._sharing = Sharing()

    async def rows(self, series: SeriesId, wanted: Wanted, after: Sequence[Place] = ()) -> Rows:
        """Read a range; `after` makes these entries a must (`Read-After`)."""
        key = ("rows", series, wanted, tuple(after))
        return await self._sharing.share(key, lambda: self._rows(series, wanted, after))

    async def newest(self, series: SeriesId, wanted: Wanted, after: Sequence[Place] = ()) -> Rows:
        """Read the newest record of a range: one row or none, with the wanted variables only (MS-43)."""
        key = ("newest", series, wanted, tuple(after))
        return await self._sharing.share(key, lambda: self._newest(series, wanted, after))

    async def latest(
        self, series: SeriesId, aspect: AspectType, wanted: Wanted, after: Sequence[Place] = ()
    ) -> Rows:
        """Read the newest value of each wanted variable, as rows of their times (MS-44, beaten: exact)."""
        key = ("latest", series, wanted, tuple(after), aspect.id, aspect.version)
        return await self._sharing.share(key, lambda: self._latest(series, aspect, wanted, after))

    async def pieces(
        self, series: SeriesId, wanted: Wanted, rows_max: int, after: Sequence[Place] = ()
    ) -> tuple[int | None, AsyncGenerator[Rows, None]]:
        """Read a range of any length in pieces of at most so many rows, in the wanted direction.

        The tail is taken once, before the first piece: what was acknowledged by then is in the pieces,
        what comes later may be. Also tells how far the store is, as `Rows.behind` does. At most one piece
        and the blocks under it are held.
        """
        tail, behind = await self._fresh(series, after)
        return behind, self._pieces(series, wanted, rows_max, tail)

    async def cells(
        self, series: SeriesId, wanted: Wanted, borders_ms: Ints, after: Sequence[Place] = ()
    ) -> tuple[int | None, AsyncIterator[Cells | Columns]]:
        """Read a range for aggregates: summaries of blocks where they hold, rows elsewhere (design 4.11).

        `borders_ms` are those of the intervals, in whole cells. The rest is as `pieces` has it.
        """
        tail, behind = await self._fresh(series, after)
        deadline_s = self._deadline_s
        found = read_cells(self._blocks, series, wanted, borders_ms, tail.changes, deadline_s=deadline_s)
        return behind, found

    async def _pieces(
        self, series: SeriesId, wanted: Wanted, rows_max: int, tail: FreshTail
    ) -> AsyncGenerator[Rows, None]:
        left = wanted.rows
        while left != 0:
            rows = rows_max if left is None else min(left, rows_max)
            found = await self._read(series, replace(wanted, rows=rows), tail)
            columns = found.columns
            if columns.rows or found.gone:
                yield found
            if columns.rows < rows:
                return
            left = None if left is None else left - rows
            if wanted.descending:
                wanted = replace(wanted, end_ms=int(columns.time_ms[0]))
            else:
                wanted = replace(wanted, start_ms=int(columns.time_ms[-1]) + 1)

    async def _rows(self, series: SeriesId, wanted: Wanted, after: Sequence[Place]) -> Rows:
        tail, behind = await self._fresh(series, after)
        return replace(await self._read(series, wanted, tail), behind=behind)

    async def _newest(self, series: SeriesId, wanted: Wanted, after: Sequence[Place]) -> Rows:
        tail, behind = await self._fresh(series, after)
        found = None if tail.latest is None else _newest_row(tail.latest, wanted)
        if found is not None:
            return Rows(found, behind)
        return replace(await self._read(series, wanted, tail), behind=behind)

    async def _latest(
        self, series: SeriesId, aspect: AspectType, wanted: Wanted, after: Sequence[Place]
    ) -> Rows:
        tail, behind = await self._fresh(series, after)
        assert wanted.variables is not None
        cells: dict[int, LatestCell] = {}
        missing: set[int] = set()
        for variable in wanted.variables:
            cell = _from_cache(tail.latest, variable, wanted)
            if cell is not None:
                cells[variable] = cell
            elif tail.latest is None or not _known_absent(tail.latest, variable):
                missing.add(variable)
        cells |= await self._from_store(series, wanted, missing, tail)
        return Rows(_rows_of(cells, aspect), behind)

    async def _read(self, series: SeriesId, wanted: Wanted, tail: FreshTail) -> Rows:
        deadline_s = self._deadline_s
        found = await read_answer(self._blocks, series, wanted, tail.changes, deadline_s=deadline_s)
        return Rows(found.columns, gone=gone_in(Gone(a, b - 1) for a, b in found.summary_only))

    async def _from_store(
        self, series: SeriesId, wanted: Wanted, missing: set[int], tail: FreshTail
    ) -> dict[int, LatestCell]:
        """Go back through the newest rows until each variable was met, or nothing is left."""
        cells: dict[int, LatestCell] = {}
        end_ms = wanted.end_ms
        while missing:
            page = Wanted(wanted.start_ms, end_ms, frozenset(missing), LATEST_PAGE_ROWS, descending=True)
            columns = (await self._read(series, page, tail)).columns
            for variable, column in columns.cells.items():
                cell = last_cell(columns.time_ms, column)
                if cell is not None:
                    cells[variable] = cell
            if columns.rows < LATEST_PAGE_ROWS:
                break
            missing -= cells.keys()
            end_ms = int(columns.time_ms[0])
        return cells

    async def _fresh(self, series: SeriesId, after: Sequence[Place]) -> tuple[FreshTail, int | None]:
        """Fetch the tail, and how far the store is where the tail cannot be had (design 4.17)."""
        shard = shard_of(series.tenant, series.asset, self._shards)
        await self._receipts.demand_kept(after)
        tail = await fetch_tail(self._stream, shard, series)
        if tail.complete:
            return tail, None
        # Entries of other shards are of other assets, and nothing that this read could show.
        waiting = [place for place in after if place.shard == shard]
        if waiting:
            if not await self._receipts.wait_readable(waiting):
                raise Unavailable("What Read-After names is not readable yet.", RETRY_AFTER_S)
            tail = await fetch_tail(self._stream, shard, series)
            if tail.complete:
                return tail, None
        # Before the store is read: what it has by then is in the answer for certain.
        return tail, max(tail.applied or 0, await self._store.read_cursor(shard))


@dataclass(slots=True, frozen=True)
class Page:
    """What one question about one series is answered with."""

    columns: Columns
    """In the order asked for."""
    behind: int | None
    next: dict[str, str] | None = None
    """The parameters that continue; None: this is the end."""
    gone: Gone | None = None


async def read_page(
    reading: Reads, series: SeriesId, aspect: AspectType, query: SeriesQuery, after: Sequence[Place]
) -> Page:
    """Read a page of a range, the newest record, or the newest value of each variable."""
    following = None
    if query.kind is ReadKind.RANGE:
        wanted = Wanted(*query.range, query.variable_ids, query.limit + 1, query.descending)
        rows = await reading.rows(series, wanted, after)
        columns = rows.columns
        if columns.rows > query.limit:
            first = columns.rows - query.limit if query.descending else 0
            columns = columns.part(first, first + query.limit)
            following = next_page(query, int(columns.time_ms[0 if query.descending else -1]))
    else:
        rows = await _read_newest(reading, series, aspect, query, after)
        columns = rows.columns
    return Page(in_order(columns, descending=query.descending), rows.behind, following, rows.gone)


async def _read_newest(
    reading: Reads, series: SeriesId, aspect: AspectType, query: SeriesQuery, after: Sequence[Place]
) -> Rows:
    if query.kind is ReadKind.NEWEST:
        wanted = Wanted(*query.range, query.variable_ids, 1, descending=True)
        return await reading.newest(series, wanted, after)
    chosen = query.variable_ids
    if chosen is None:
        chosen = frozenset(variable.id for variable in aspect.variables)
    return await reading.latest(series, aspect, Wanted(*query.range, chosen), after)


def in_order(columns: Columns, *, descending: bool) -> Columns:
    """Turn ascending rows round where they are wanted so."""
    if descending and columns.rows > 1:
        return columns.take(np.arange(columns.rows)[::-1])
    return columns


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


def last_cell(time_ms: Ints, column: Column) -> LatestCell | None:
    """Take the last value of a column; None if it has none."""
    rows = np.arange(len(time_ms)) if column.present is None else np.flatnonzero(column.present)
    if not len(rows):
        return None
    last = column.take(rows[-1:])
    value = last.values.to_list()[0] if isinstance(last.values, Texts) else last.values[0].item()
    quality = NO_QUALITY if last.quality is None else int(last.quality[0])
    return LatestCell(int(time_ms[rows[-1]]), value, quality)


def _rows_of(cells: dict[int, LatestCell], aspect: AspectType) -> Columns:
    """Lay newest values out as rows, one a time, ascending."""
    known = {variable.id for variable in aspect.variables}
    times: dict[int, dict[int, Column]] = {}
    for variable, cell in cells.items():
        if variable in known:
            times.setdefault(cell.time_ms, {})[variable] = _column(cell)
    return merge.state([Columns(np.array([time], "<i8"), row) for time, row in times.items()])


def _column(cell: LatestCell) -> Column:
    values = Texts.of([cell.value]) if isinstance(cell.value, str) else np.array([cell.value])
    return Column(values, quality=None if cell.quality == NO_QUALITY else np.array([cell.quality], "<i8"))

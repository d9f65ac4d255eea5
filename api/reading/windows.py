"""A series as if it had only the records of some times: what a share with a window lets through.

Every way of reading is cut to these times before anything is read, so that whatever is made of the records
(pages, newest values, aggregates, holds) knows of no others. The times are whole cells of 15 minutes, apart
from one another and ascending (`schemas.shares`); a read goes through those that it touches, one by one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from api.reading.fresh import Gone, Reads, Rows, gone_in
from schemas.aspects import AspectType
from schemas.columns import Columns, Ints
from schemas.ids import SeriesId
from schemas.queries import TimeRange
from schemas.receipts import Place
from schemas.shares import Spans
from storage import merge
from storage.spans import Wanted
from storage.summary_reader import Cells


class Windowed:
    """Reads through a window."""

    def __init__(self, reading: Reads, spans: Spans) -> None:
        """Read what `reading` finds at these times."""
        self._reading = reading
        self._spans = spans

    async def rows(self, series: SeriesId, wanted: Wanted, after: Sequence[Place] = ()) -> Rows:
        """Read a range, as `Reading.rows`."""
        found: list[Rows] = []
        left = wanted.rows
        for part in self._parts(wanted):
            rows = await self._reading.rows(series, replace(part, rows=left), after)
            found.append(_cut(rows, part))
            left = None if left is None else max(0, left - rows.columns.rows)
            if left == 0:
                break
        return _joined(found, descending=wanted.descending)

    async def newest(self, series: SeriesId, wanted: Wanted, after: Sequence[Place] = ()) -> Rows:
        """Read the newest record of a range, as `Reading.newest`."""
        rows = Rows(merge.EMPTY)
        for part in self._parts(replace(wanted, descending=True)):
            rows = _cut(await self._reading.newest(series, part, after), part)
            if rows.columns.rows:
                break
        return rows

    async def latest(
        self, series: SeriesId, aspect: AspectType, wanted: Wanted, after: Sequence[Place] = ()
    ) -> Rows:
        """Read the newest value of each wanted variable, as `Reading.latest`."""
        assert wanted.variables is not None
        found: list[Rows] = []
        missing = wanted.variables
        for part in self._parts(replace(wanted, descending=True)):
            rows = await self._reading.latest(series, aspect, replace(part, variables=missing), after)
            found.append(rows)
            missing = missing.difference(rows.columns.cells)
            if not missing:
                break
        return _joined(found, descending=True)

    async def pieces(
        self, series: SeriesId, wanted: Wanted, rows_max: int, after: Sequence[Place] = ()
    ) -> tuple[int | None, AsyncGenerator[Rows, None]]:
        """Read a range of any length in pieces, as `Reading.pieces`; each stretch takes its own tail."""
        parts = self._parts(wanted)
        if not parts:
            return None, _nothing()
        behind, first = await self._reading.pieces(series, parts[0], rows_max, after)

        async def found() -> AsyncGenerator[Rows, None]:
            left, pieces = wanted.rows, first
            for number, part in enumerate(parts):
                if number:
                    _, pieces = await self._reading.pieces(series, replace(part, rows=left), rows_max, after)
                async with aclosing(pieces):
                    async for piece in pieces:
                        left = None if left is None else max(0, left - piece.columns.rows)
                        yield _cut(piece, part)
                if left == 0:
                    return

        return behind, found()

    async def cells(
        self, series: SeriesId, wanted: Wanted, borders_ms: Ints, after: Sequence[Place] = ()
    ) -> tuple[int | None, AsyncIterator[Cells | Columns]]:
        """Read a range for aggregates, as `Reading.cells`."""
        parts = self._parts(wanted)
        if not parts:
            return None, _no_cells()
        behind, first = await self._reading.cells(series, parts[0], borders_ms, after)

        async def found() -> AsyncIterator[Cells | Columns]:
            pieces = first
            for number, part in enumerate(parts):
                if number:
                    _, pieces = await self._reading.cells(series, part, borders_ms, after)
                async for piece in pieces:
                    yield piece

        return behind, found()

    def _parts(self, wanted: Wanted) -> list[Wanted]:
        """Cut what is wanted to the shared times, in the direction of reading."""
        cut = (
            TimeRange(max(wanted.start_ms, span.start_ms), min(wanted.end_ms, span.end_ms))
            for span in self._spans
        )
        parts = [
            replace(wanted, start_ms=start_ms, end_ms=end_ms) for start_ms, end_ms in cut if start_ms < end_ms
        ]
        return parts[::-1] if wanted.descending else parts


def _joined(found: Sequence[Rows], *, descending: bool) -> Rows:
    ascending = found[::-1] if descending else found
    behind = next((rows.behind for rows in found if rows.behind is not None), None)
    gone = gone_in(rows.gone for rows in found if rows.gone is not None)
    return Rows(merge.joined([rows.columns for rows in ascending]), behind, gone)


def _cut(rows: Rows, part: Wanted) -> Rows:
    """Say of what retention has taken only as much as lies in the window."""
    if rows.gone is None:
        return rows
    gone = Gone(max(rows.gone.first_ms, part.start_ms), min(rows.gone.last_ms, part.end_ms - 1))
    return replace(rows, gone=gone if gone.first_ms <= gone.last_ms else None)


async def _nothing() -> AsyncGenerator[Rows, None]:
    return
    yield  # makes it a generator


async def _no_cells() -> AsyncIterator[Cells | Columns]:
    return
    yield  # makes it a generator

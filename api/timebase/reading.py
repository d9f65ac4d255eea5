"""Messages of streams, read and deleted: those of several symbols in one order of time (TB-72, TB-76)."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from api.catalog.index import CatalogIndex
from api.deletes.service import DeleteService
from api.identity.tokens import Identity
from api.reading.fresh import Rows
from api.series.service import SeriesService, WriteOptions
from api.timebase.streams import Held, Streams
from runtime.ports import Clock
from schemas.aspects import TIME_MEMBER
from schemas.codes import INVALID_BODY, INVALID_PARAMETER
from schemas.columns import Columns
from schemas.errors import Invalid, Problem
from schemas.limits import STREAM_SERIES_MAX, TIME_MS_MAX
from schemas.render import render_records
from schemas.timebase.messages import SYMBOL, TIMESTAMP, TYPE
from schemas.timebase.selections import TOO_LARGE, Selection
from schemas.timebase.streams import Stream
from schemas.times import format_time
from storage.spans import Wanted

AT_ONCE: Final = 16
"""Series that are looked at side by side."""

PIECE_ROWS_MIN: Final = 32
"""Rows of one symbol that are fetched at once, at least."""


class Source(NamedTuple):
    """One symbol of a stream."""

    stream: Stream
    symbol: str
    held: Held


class _Cursor:
    """Rows of one symbol in the order asked for, fetched in pieces."""

    def __init__(self, pieces: AsyncGenerator[Rows, None], *, descending: bool) -> None:
        self._pieces = pieces
        self._descending = descending
        self.columns: Columns | None = None
        self.row = 0

    async def advance(self) -> bool:
        """Step to the next row; False at the end."""
        self.row += 1
        while self.columns is None or self.row >= self.columns.rows:
            found = await anext(self._pieces, None)
            if found is None:
                return False
            columns = found.columns
            self.columns = columns.take(np.arange(columns.rows)[::-1]) if self._descending else columns
            self.row = 0
        return True

    @property
    def time_ms(self) -> int:
        """Give the time of the row."""
        assert self.columns is not None
        return int(self.columns.time_ms[self.row])

    async def close(self) -> None:
        """Let go of what is being read."""
        await self._pieces.aclose()


class StreamReading:
    """Answers about streams of verified callers."""

    def __init__(
        self,
        clock: Clock,
        index: CatalogIndex,
        streams: Streams,
        series: SeriesService,
        deletes: DeleteService,
    ) -> None:
        """Take the clock, and what knows tenants and streams, reads records and deletes them."""
        self._index = index
        self._streams = streams
        self._series = series
        self._deletes = deletes
        self._clock = clock

    async def select(self, caller: Identity, keys: Sequence[str], wanted: Selection) -> bytes:
        """Write the messages asked for, by time, as a JSON array.

        Of one time, the order of symbols is that of their streams and names. Invalid for an unknown stream
        and for what is too much for one answer.
        """
        wanted.check_size()
        start_ms, end_ms = wanted.range_ms(self._clock.now_ms())
        if not keys:
            raise Invalid([Problem("/streams", INVALID_PARAMETER, "Name at least one stream.")])
        sources: list[Source] = []
        for key in dict.fromkeys(keys):
            sources += await self._sources(caller, key, wanted)
            _demand_few(len(sources), "/streams", "symbols of the streams")
        if wanted.space or not wanted.rows or start_ms >= end_ms:
            return b"[]"
        span = Wanted(start_ms, end_ms, descending=wanted.reverse)
        picked = await self._merged(sources, span, wanted.offset, wanted.rows)
        return await asyncio.to_thread(_written, sources, picked)

    async def range(self, caller: Identity, key: str, symbols: list[str] | None) -> tuple[int, int] | None:
        """Give the first and the last time of a stream; None where it has no message."""
        sources = await self._sources(caller, key, Selection(symbols=symbols))
        firsts = await self._each(sources, lambda source: self._end_of(source, descending=False))
        lasts = await self._each(sources, lambda source: self._end_of(source, descending=True))
        times = [time_ms for time_ms in (*firsts, *lasts) if time_ms is not None]
        return (min(times), max(times)) if times else None

    async def purge(self, caller: Identity, key: str, symbols: list[str] | None, time_ms: int) -> None:
        """Delete everything before a time, as far as retention has left it."""
        live_from_ms = self._index.profile_of(caller.tenant).retention.live_from_ms(self._clock.now_ms())
        await self._delete(caller, key, symbols, (live_from_ms or 0, time_ms))

    async def truncate(self, caller: Identity, key: str, symbols: list[str] | None, time_ms: int) -> None:
        """Delete everything from a time on."""
        await self._delete(caller, key, symbols, (time_ms, TIME_MS_MAX + 1))

    # Inside.

    async def _sources(self, caller: Identity, key: str, wanted: Selection) -> list[Source]:
        """Find the symbols of a stream that are asked for; unknown ones have no messages."""
        stream = await self._streams.find(caller.tenant, key)
        if wanted.types and stream.types.isdisjoint(wanted.types):
            return []
        symbols = wanted.symbols
        if symbols is None:  # An empty list is none: a purge of it must not take all.
            symbols = self._streams.symbols_of(caller, stream)
        _demand_few(len(symbols), "/symbols", "symbols")
        found = await self._streams.series_of(caller, stream, symbols)
        return [Source(stream, symbol, held) for symbol, held in found.items() if isinstance(held, Held)]

    async def _merged(
        self, sources: Sequence[Source], span: Wanted, offset: int, rows: int
    ) -> list[tuple[int, Columns, int]]:
        """Give the rows from an offset on: the number of each one's source, its piece, its place there."""
        size = max(PIECE_ROWS_MIN, min(offset + rows, 2 * (offset + rows) // max(1, len(sources))))
        cursors: dict[int, _Cursor] = {}
        picked: list[tuple[int, Columns, int]] = []
        try:
            opened = await self._each(list(enumerate(sources)), lambda one: self._begun(one, span, size))
            cursors = dict(opened)
            sign = -1 if span.descending else 1
            heap = [(sign * cursor.time_ms, number) for number, cursor in cursors.items() if cursor.columns]
            heapq.heapify(heap)
            passed = 0
            while heap and len(picked) < rows:
                _, number = heap[0]
                cursor = cursors[number]
                assert cursor.columns is not None
                if passed >= offset:
                    picked.append((number, cursor.columns, cursor.row))
                passed += 1
                if await cursor.advance():
                    heapq.heapreplace(heap, (sign * cursor.time_ms, number))
                else:
                    heapq.heappop(heap)
        finally:
            for cursor in cursors.values():
                await cursor.close()
        return picked

    async def _begun(self, one: tuple[int, Source], span: Wanted, size: int) -> tuple[int, _Cursor]:
        number, source = one
        series = source.held.granted.series
        _, pieces = await self._series.reading.pieces(series, span, size)
        cursor = _Cursor(pieces, descending=span.descending)
        await cursor.advance()
        return number, cursor

    async def _end_of(self, source: Source, *, descending: bool) -> int | None:
        span = Wanted(0, TIME_MS_MAX + 1, None, 1, descending=descending)
        found = await self._series.reading.rows(source.held.granted.series, span)
        return int(found.columns.time_ms[0]) if found.columns.rows else None

    async def _delete(
        self, caller: Identity, key: str, symbols: list[str] | None, reach: tuple[int, int]
    ) -> None:
        start_ms, end_ms = reach
        if not 0 <= start_ms <= TIME_MS_MAX or not 0 <= end_ms <= TIME_MS_MAX + 1:
            message = "timestamp is a whole number: milliseconds since 1970."
            raise Invalid([Problem("/timestamp", INVALID_BODY, message)])
        if start_ms >= end_ms:
            return
        sources = await self._sources(caller, key, Selection(symbols=symbols))
        parameters = {"from": format_time(start_ms - 1), "to": format_time(end_ms - 1)}

        async def delete(source: Source) -> None:
            held = source.held
            some = await self._series.reading.rows(held.granted.series, Wanted(start_ms, end_ms, None, 1))
            if some.columns.rows:  # Else there is nothing to take, and nothing that an undo could bring back.
                await self._deletes.delete(caller, held.place, parameters, WriteOptions())

        await self._each(sources, delete)

    async def _each(self, things: Sequence[Any], act: Callable[[Any], Awaitable[Any]]) -> list[Any]:
        done: list[Any] = []
        for first in range(0, len(things), AT_ONCE):
            done += await asyncio.gather(*map(act, things[first : first + AT_ONCE]))
        return done


def _demand_few(count: int, pointer: str, what: str) -> None:
    """Refuse a question about more series than one goes through."""
    if count > STREAM_SERIES_MAX:
        message = f"{TOO_LARGE}: name at most {STREAM_SERIES_MAX} of the {count} {what}."
        raise Invalid([Problem(pointer, INVALID_PARAMETER, message)])


def _written(sources: Sequence[Source], picked: Iterable[tuple[int, Columns, int]]) -> bytes:
    """Write picked rows as messages, in their order."""
    groups: dict[tuple[int, int], tuple[Columns, list[tuple[int, int]]]] = {}
    count = 0
    for number, columns, row in picked:
        groups.setdefault((number, id(columns)), (columns, []))[1].append((row, count))
        count += 1
    messages: list[Any] = [None] * count
    for (number, _), (columns, rows) in groups.items():
        source = sources[number]
        part = columns.take(np.array([row for row, _ in rows]))
        records = msgspec.json.decode(render_records(part, source.held.granted.aspect))
        for (_, place), record in zip(rows, records, strict=True):
            time = record.pop(TIME_MEMBER)
            head = {TYPE: source.stream.type_name, SYMBOL: source.symbol, TIMESTAMP: time}
            messages[place] = {**head, **record}
    return msgspec.json.encode(messages)

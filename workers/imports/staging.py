"""Staging: rows of an import become blocks that nothing names yet but its journal (design 4.1, 4.16).

Rows may come in any order and of any number of series. They are held until there are enough for full blocks,
then joined (`workers.imports.joining`), divided by slice and stored. Blocks may overlap: a later one counts
over an earlier one, as their order in the journal says. Whole rows take the place of older ones, parts of
records are merged into them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from schemas.columns import Columns
from schemas.ids import SeriesId
from schemas.imports import RowKind, Tally
from schemas.limits import MB
from storage import blocks
from storage.heads import BlockRef, decode_head
from storage.import_journal import Journal, Unit
from storage.port import BlockRow, SeriesStore, SliceId
from storage.sealing import Parts
from storage.slices import FIRST_PLAN, SlicePlan, split_by_slice
from workers.imports.joining import count_values, join

RUN_BYTES: Final = 16 * MB
"""Raw columns of one series at which they are stored: some full blocks, so that few are not full."""

HELD_BYTES_MAX: Final = 64 * MB
"""Raw columns of all series together: with what sorting and packing take, some 250 MB."""

PAGE_BYTES: Final = 4 * MB
"""Stored bytes that one page of the journal names: what is written between two signs of life."""


@dataclass(slots=True)
class _Held:
    """Rows of one series that wait."""

    parts: list[Columns] = field(default_factory=list)
    raw_bytes: int = 0
    made_of: int = 0
    """Rows of the source."""


@dataclass(slots=True)
class Staged:
    """What of a unit is staged."""

    rows: int = 0
    duplicates: int = 0
    cells: int = 0
    pages: int = 0
    """Pages of the journal."""
    tally: Tally | None = None
    """What the source says of its rows; None: each was taken."""
    removed: int = 0
    """Records that a correction takes away."""


class Stager:
    """Stages one unit of an import in one attempt."""

    def __init__(
        self,
        store: SeriesStore,
        journal: Journal,
        place: tuple[int, int],
        plans: Mapping[SeriesId, SlicePlan],
        new_id: Callable[[], bytes],
        *,
        kind: RowKind,
    ) -> None:
        """Hold nothing yet; `place` is unit and attempt, `plans` are of series with more than the first."""
        self._kind = kind
        self._store = store
        self.journal = journal
        self._unit, self._attempt = place
        self._plans = plans
        self._new_id = new_id
        self._held: dict[SeriesId, _Held] = {}
        self._held_bytes = 0
        self._parts: dict[SliceId, Parts] = {}
        self.staged = Staged()

    async def add(self, series: SeriesId, rows: Columns, made_of: int | None = None) -> None:
        """Take rows of one series, as they come; stores what makes full blocks.

        `made_of` is of how many rows of the source they were put together, None: of as many.
        """
        if not rows.rows:
            return
        held = self._held.setdefault(series, _Held())
        held.parts.append(rows)
        held.raw_bytes += rows.raw_bytes
        self._held_bytes += rows.raw_bytes
        lines = rows.rows if made_of is None else made_of
        held.made_of += lines
        self.staged.rows += lines
        if held.raw_bytes >= RUN_BYTES:
            await self._flush(series)
        while self._held_bytes > HELD_BYTES_MAX:
            await self._flush(max(self._held, key=lambda each: self._held[each].raw_bytes))

    async def take_away(self, series: SeriesId, rows: Columns) -> None:
        """Store rows that take values away, or bring older ones back, and are none of the source's."""
        await self._store_rows(series, rows)

    async def end(self, octets: int) -> bool:
        """Store what is left, and note the end of the unit; False where another attempt has."""
        for series in list(self._held):
            await self._flush(series)
        tally = self.staged.tally or Tally(self.staged.rows, 0)
        staged = self.staged
        done = Unit(
            self._attempt,
            staged.rows,
            staged.duplicates,
            octets,
            *tally,
            cells=staged.cells,
            removed=staged.removed,
        )
        return await self.journal.note_unit(self._unit, done)

    async def _flush(self, series: SeriesId) -> None:
        held = self._held.pop(series)
        self._held_bytes -= held.raw_bytes
        layers, left = join(held.parts, self._kind), 0
        while (layer := await asyncio.to_thread(next, layers, None)) is not None:
            cells = count_values(layer)
            left += cells if self._kind is RowKind.READING else layer.rows
            self.staged.cells += cells
            await self._store_rows(series, layer)
        self.staged.duplicates += held.made_of - left

    async def _store_rows(self, series: SeriesId, rows: Columns) -> None:
        refs: list[BlockRef] = []
        stored: list[BlockRow] = []
        size = 0
        for start, inside in split_by_slice(series, rows, self._plans.get(series, FIRST_PLAN)):
            slice_id = SliceId(series, start)
            parts = await self._parts_of(slice_id)
            for piece in blocks.cut(inside):
                place = blocks.Place(slice_id, parts.open)
                ref, bodies = await asyncio.to_thread(blocks.encode_block, place, self._new_id(), piece, 0)
                parts.add(ref)
                refs.append(msgspec.structs.replace(ref, slice_start_ms=start, summary=b""))
                stored += bodies
                size += ref.stored_bytes
                if size >= PAGE_BYTES:
                    await self._write(series, refs, stored)
                    refs, stored, size = [], [], 0
        if refs:
            await self._write(series, refs, stored)

    async def _write(self, series: SeriesId, refs: list[BlockRef], rows: list[BlockRow]) -> None:
        """Name blocks, then store them."""
        await self.journal.note_page(self._unit, self._attempt, self.staged.pages, series, refs)
        self.staged.pages += 1
        await self._store.write_blocks(rows)

    async def _parts_of(self, slice_id: SliceId) -> Parts:
        """Go on with the youngest part of a slice, so that partitions stay small (design 4.2)."""
        if slice_id not in self._parts:
            head = decode_head((await self._store.read_head(slice_id)).body)
            self._parts[slice_id] = Parts(head.blocks)
        return self._parts[slice_id]

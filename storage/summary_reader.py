"""Reading a series for aggregates: summaries where they hold, columns where they do not (design 4.11).

The order of a read is that of `storage.reader`. A block that no later delta, tail entry or clear touches
says by its summary how things are, so its rows are not read; of what is touched, of deltas, of the tail and
of cells that the ends of the range cut, the rows are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from schemas.changes import Attach
from schemas.columns import Columns, Ints
from schemas.errors import Corrupt
from schemas.ids import SeriesId
from schemas.partials import CELL_MS
from schemas.stacks import Stack
from storage import blocks, levels, merge, summaries
from storage.heads import END_MS, BlockRef, HeadContent, decode_refs
from storage.port import SeriesReads, SliceId
from storage.reader import READ_DEADLINE_S, Slices, read_gap, read_layers
from storage.spans import Placed, Wanted, spans_of, times_of


class Cells(NamedTuple):
    """What blocks that follow one another say of themselves."""

    stacks: list[Stack]
    """Numeric variables. A group is a 15-minute cell, or a run of cells inside one interval of the answer
    under the number of its first cell; a cell that blocks share is several, in this item or the next."""
    summary_only: bool = False
    """True: the rows live no more; a cell that an end of the range cuts is here as a whole (design 4.13)."""


async def read_cells(
    store: SeriesReads,
    series: SeriesId,
    wanted: Wanted,
    borders_ms: Ints,
    tail: Sequence[Placed] = (),
    *,
    deadline_s: float = READ_DEADLINE_S,
) -> AsyncIterator[Cells | Columns]:
    """Yield a range in time order, as `Cells` or as ascending rows; rows without a value may be among them.

    `borders_ms` are the ascending borders of the intervals of the answer, multiples of 15 minutes: a block
    inside one interval comes as one group. Summaries know numeric variables only; `wanted.rows` and
    `wanted.descending` do not apply. Raises StoreUnavailable where a slice takes longer than `deadline_s`.
    """
    if (borders_ms % CELL_MS).any():
        message = "intervals that are not made of whole cells are folded from columns"
        raise ValueError(message)
    slices = Slices(store, series, wanted, deadline_s)
    for span in spans_of(series, await slices.listed(), tail, wanted):
        if span.slice is None:
            columns = await read_gap(store, series, wanted, span, tail)
            if columns.rows:
                yield columns
            continue
        window = replace(wanted, start_ms=span.start_ms, end_ms=span.end_ms)
        for item in await _read_slice(slices, span.slice, window, borders_ms, tail):
            yield item


async def _read_slice(
    slices: Slices, slice_id: SliceId, wanted: Wanted, borders_ms: Ints, tail: Sequence[Placed]
) -> list[Cells | Columns]:
    """Read one slice from one head; a block that it names and that is missing means: read it again."""
    async for attempt in slices.attempts(slice_id):
        later = attempt.later(tail, wanted)
        reading = _Reading(slices.store, slice_id, attempt.head, later, wanted, borders_ms)
        items = await reading.items()
        if items is not None and attempt.in_time:
            return items
    raise AssertionError("attempts end with an error")


class _Run(NamedTuple):
    """Blocks that follow one another, with nothing but their summaries to read."""

    refs: list[BlockRef]
    summary_only: bool


class _Window(NamedTuple):
    """Times start_ms ≤ t < end_ms that are read as rows."""

    start_ms: int
    end_ms: int


@dataclass(slots=True)
class _Reading:
    """One slice on its way into an answer."""

    store: SeriesReads
    slice_id: SliceId
    head: HeadContent
    later: Sequence[Placed]
    wanted: Wanted
    borders_ms: Ints

    async def items(self) -> list[Cells | Columns] | None:
        """Read everything; None if a named block is missing."""
        parts = self._parts()
        speaking = [ref for part in parts if isinstance(part, _Run) for ref in part.refs]
        bodies = await self._read_summaries(speaking)
        found: list[Cells | Columns] = []
        for part in parts:
            item: Cells | Columns | None
            if isinstance(part, _Run):
                item = self._cells(part, bodies)
            else:
                item = await self._rows(part)
            if item is None:
                return None
            if isinstance(item, Cells) or item.rows:
                found.append(item)
        return found

    def _whole_cells(self) -> tuple[int, int]:
        """Give the part of the range that is made of whole cells, [a, b)."""
        start_ms = -(-(self.wanted.start_ms - 1) // CELL_MS) * CELL_MS + 1
        return start_ms, (self.wanted.end_ms - 1) // CELL_MS * CELL_MS + 1

    def _parts(self) -> list[_Run | _Window]:
        """Divide the range into runs of blocks and windows of rows, ascending."""
        first_ms, end_ms = self._whole_cells()
        found: list[_Run | _Window] = []
        at = self.wanted.start_ms
        has_rows = self._finder()
        for ref in self._speaking():
            start = max(ref.from_ms, self.wanted.start_ms if ref.summary_only else first_ms)
            end = min(ref.to_ms + 1, self.wanted.end_ms if ref.summary_only else end_ms)
            if start >= end:
                continue
            if has_rows(at, start):
                found.append(_Window(at, start))
            last = found[-1] if found else None
            if not isinstance(last, _Run) or last.summary_only != ref.summary_only:
                last = _Run([], ref.summary_only)
                found.append(last)
            last.refs.append(ref)
            at = end
        if has_rows(at, self.wanted.end_ms):
            found.append(_Window(at, self.wanted.end_ms))
        return found

    def _speaking(self) -> list[BlockRef]:
        """Give the blocks whose summaries hold."""
        refs = self.head.blocks
        changes = [placed.change for placed in self.later]
        changed = levels.touched(refs, changes, self.slice_id.start_ms).tolist()
        return [
            ref for ref, hit in zip(refs, changed, strict=True) if ref.summary_only or (ref.cells and not hit)
        ]

    def _finder(self) -> Callable[[int, int], bool]:
        """Make what tells whether rows may lie in [a, b): of a later change, or of a block."""
        times = np.sort(times_of(self.later))
        changes = [placed.change for placed in self.later]
        attached = [each.blocks for each in changes if isinstance(each, Attach)]
        refs = [ref for ref in self.head.blocks if not ref.summary_only]
        refs = sorted(chain(refs, *map(decode_refs, attached)), key=lambda ref: ref.from_ms)
        starts = np.array([ref.from_ms for ref in refs] + [END_MS])
        # Those that are attached may lie across others: what counts is where the last one so far ends.
        ends = np.maximum.accumulate(np.array([ref.to_ms for ref in refs] + [END_MS]))

        def has_rows(start_ms: int, end_ms: int) -> bool:
            if start_ms >= end_ms:
                return False
            first, last = np.searchsorted(times, (start_ms, end_ms))
            return bool(first < last) or bool(starts[np.searchsorted(ends, start_ms)] < end_ms)

        return has_rows

    async def _read_summaries(self, refs: Sequence[BlockRef]) -> dict[tuple[bytes, int], bytes]:
        """Fetch the summary rows of blocks of which the head does not say enough."""
        needed = [ref for ref in refs if not self._in_one_interval(ref)]
        bodies: dict[tuple[bytes, int], bytes] = {}
        for part in sorted({ref.part for ref in needed}):
            ids = [ref.block_id for ref in needed if ref.part == part]
            bodies |= await self.store.read_blocks(self.slice_id, part, [blocks.SUMMARY], ids)
        return bodies

    def _in_one_interval(self, ref: BlockRef) -> bool:
        """Tell whether the whole of a block falls into one interval, so that its head entry is enough."""
        first_ms, end_ms = self._whole_cells()
        if not ref.summary or ref.from_ms < first_ms or ref.to_ms >= end_ms:
            return False
        first, last = np.searchsorted(self.borders_ms, (ref.from_ms, ref.to_ms), side="left")
        return bool(first == last)

    def _cells(self, run: _Run, bodies: Mapping[tuple[bytes, int], bytes]) -> Cells | None:
        try:
            found = [
                ref.summary if self._in_one_interval(ref) else blocks.open_summary(ref, bodies)
                for ref in run.refs
            ]
        except KeyError:
            return None
        except Corrupt as broken:
            raise Corrupt(f"{self.slice_id.text}: {broken.message}") from broken
        stacks = summaries.decode_stacks(found, self.wanted.variables)
        first_ms, end_ms = self._whole_cells()
        if run.summary_only:
            first_ms, end_ms = self.wanted.start_ms, self.wanted.end_ms + CELL_MS - 1
        cells = (first_ms - 1) // CELL_MS, (end_ms - 1) // CELL_MS
        return Cells([stack.between(*cells) for stack in stacks], run.summary_only)

    async def _rows(self, window: _Window) -> Columns | None:
        start_ms = max(window.start_ms, self.head.rows_from_ms)
        wanted = replace(self.wanted, start_ms=start_ms, end_ms=window.end_ms)
        refs = [ref for ref in self.head.blocks if not ref.summary_only]
        layers = await read_layers(self.store, self.slice_id, refs, self.later, wanted)
        if layers is None:
            return None
        return merge.between(merge.state(layers), start_ms, window.end_ms)

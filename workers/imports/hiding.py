"""Counting what later blocks of an import hide of earlier ones, so that every row is accounted for (SM-10).

Blocks that do not overlap hide nothing, and are not read; of the others only times and what is present are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import numpy as np

from schemas.columns import Bools, Ints
from schemas.ids import SeriesId
from schemas.imports import RowKind
from storage.heads import BlockRef
from storage.port import SeriesStore, SliceId
from storage.reader import read_refs

OVERLAPS_READ: Final = 64
"""Blocks that are read together to look at them."""


async def count_hidden(store: SeriesStore, series: SeriesId, refs: list[BlockRef], kind: RowKind) -> int:
    """Count the rows of a source that later blocks of the same import hide; `refs` are in their order."""
    by_slice: dict[int, list[BlockRef]] = {}
    for ref in refs:
        by_slice.setdefault(ref.slice_start_ms, []).append(ref)
    hidden = 0
    for start, inside in by_slice.items():
        slice_id = SliceId(series, start)
        if kind is RowKind.WHOLE:
            for group in overlapping(inside):
                hidden += await _count_rows(store, slice_id, group)
        else:
            count = _count_readings if kind is RowKind.READING else _count_parts
            hidden += await count(store, slice_id, inside)
    return hidden


def overlapping(refs: Sequence[BlockRef]) -> list[list[BlockRef]]:
    """Find runs of blocks of which each lies across one before it; each run is in the order given."""
    groups: list[list[int]] = []
    end_ms = 0
    for at in sorted(range(len(refs)), key=lambda at: refs[at].from_ms):
        if groups and refs[at].from_ms <= end_ms:
            groups[-1].append(at)
            end_ms = max(end_ms, refs[at].to_ms)
        else:
            groups.append([at])
            end_ms = refs[at].to_ms
    return [[refs[at] for at in sorted(group)] for group in groups if len(group) > 1]


async def _count_rows(store: SeriesStore, slice_id: SliceId, group: Sequence[BlockRef]) -> int:
    """Count whole rows of a time that a later block has, too."""
    found = [times async for times, _ in _present(store, slice_id, group, None)]
    together = np.concatenate(found)
    return len(together) - len(np.unique(together))


async def _count_readings(store: SeriesStore, slice_id: SliceId, refs: Sequence[BlockRef]) -> int:
    """Count values of a variable and a time that a later block has, too: each was a row."""
    hidden = 0
    for variable, having in _by_variable(refs):
        for group in overlapping(having):
            found = [times[there] async for times, there in _present(store, slice_id, group, variable)]
            together = np.concatenate(found)
            hidden += len(together) - len(np.unique(together))
    return hidden


async def _count_parts(store: SeriesStore, slice_id: SliceId, refs: Sequence[BlockRef]) -> int:
    """Count rows of which a later block has every value, too."""
    looked_at = {
        ref.block_id for _, having in _by_variable(refs) for group in overlapping(having) for ref in group
    }
    suspects = [ref for ref in refs if ref.block_id in looked_at]
    living = {ref.block_id: np.zeros(ref.rows, np.bool_) for ref in suspects}
    for variable, having in _by_variable(suspects):
        found = [pair async for pair in _present(store, slice_id, having, variable)]
        for ref, newest in zip(having, _newest(found), strict=True):
            living[ref.block_id][newest] = True
    return sum(len(rows) - int(rows.sum()) for rows in living.values())


def _newest(found: Sequence[tuple[Ints, Bools]]) -> Iterator[Ints]:
    """Give the rows of each block whose value no later block has for the same time."""
    times = np.concatenate([times[there] for times, there in found])
    _, last = np.unique(times[::-1], return_index=True)
    stands = np.zeros(len(times), np.bool_)
    stands[len(times) - 1 - last] = True
    begin = 0
    for _, there in found:
        rows = np.flatnonzero(there)
        yield rows[stands[begin : begin + len(rows)]]
        begin += len(rows)


def _by_variable(refs: Sequence[BlockRef]) -> Iterator[tuple[int, list[BlockRef]]]:
    """Give each variable with the blocks that have it, in their order."""
    variables = sorted({variable for ref in refs for variable in ref.variables})
    return ((variable, [ref for ref in refs if variable in ref.variables]) for variable in variables)


async def _present(
    store: SeriesStore, slice_id: SliceId, refs: Sequence[BlockRef], variable: int | None
) -> AsyncIterator[tuple[Ints, Bools]]:
    """Give the times of each block, and where it has a value of a variable; None: any row."""
    wanted = frozenset[int]() if variable is None else frozenset([variable])
    for first in range(0, len(refs), OVERLAPS_READ):
        for rows in await read_refs(store, slice_id, refs[first : first + OVERLAPS_READ], wanted) or ():
            there = None if variable is None else rows.cells[variable].present
            yield rows.time_ms, np.ones(rows.rows, np.bool_) if there is None else there

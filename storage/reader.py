"""Reading a series: blocks, later deltas and the unapplied tail in the one order (design 4.4, 4.17).

Works over the port alone. The caller fetches the tail from the stream FIRST, then calls in here:
heads are read before deltas, deltas before blocks. A block that a head names and that is missing
means: read the head again, never "empty" (design 4.7).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from schemas.changes import Attach, Change, Clear, Upsert
from schemas.columns import Columns
from schemas.errors import StoreUnavailable
from schemas.ids import SeriesId
from storage import blocks, merge
from storage.deltas import decode_delta
from storage.heads import BlockRef, HeadContent, decode_head, decode_refs
from storage.merge import Layer
from storage.port import SeriesStore, SliceId
from storage.slices import slice_range, split_by_slice

READ_DEADLINE_S = 30.0
"""A read of a slice that takes longer is refused: purge waits far longer than this (design 4.7)."""


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A change with its place in the order: a stored delta, or an unapplied entry (first = last)."""

    first: int
    last: int
    change: Change


@dataclass(slots=True, frozen=True)
class Wanted:
    """What to read: start_ms ≤ time < end_ms, some variables (None: all), rows to collect."""

    start_ms: int
    end_ms: int
    variables: frozenset[int] | None = None
    rows: int | None = None
    """Stop once this many rows with a value were found; None: all."""
    descending: bool = False
    """Begin with the newest; the answer ascends all the same."""


EVERYTHING = Wanted(-(2**62), 2**62)
"""All rows of a slice with all variables."""


async def read_series(
    store: SeriesStore,
    series: SeriesId,
    wanted: Wanted,
    tail: Sequence[Placed] = (),
    *,
    deadline_s: float = READ_DEADLINE_S,
) -> Columns:
    """Read the rows of a range that have a value among the wanted variables, ascending, at most `rows`.

    StoreUnavailable where one slice takes longer than `deadline_s`, which must be shorter than the grace.
    """
    found: list[Columns] = []
    left = wanted.rows
    async for columns in _pieces(store, series, wanted, tail, deadline_s):
        visible = np.flatnonzero(merge.rows_with_values(columns))
        if left is not None:
            visible = visible[-left:] if wanted.descending else visible[:left]
            left -= len(visible)
        found.append(columns if len(visible) == columns.rows else columns.take(visible))
        if left == 0:
            break
    return merge.joined(found[::-1] if wanted.descending else found)


async def _pieces(
    store: SeriesStore, series: SeriesId, wanted: Wanted, tail: Sequence[Placed], deadline_s: float
) -> AsyncIterator[Columns]:
    """Yield the state of consecutive windows, in the wanted direction."""
    starts = set(await store.read_slices(series)) | _slices_of_tail(series, tail)
    for start in sorted(starts, reverse=wanted.descending):
        first, end = slice_range(start)
        first, end = max(first, wanted.start_ms), min(end, wanted.end_ms)
        if first >= end:
            continue
        slice_id = SliceId(series, start)
        while first < end:
            window = _window(store, slice_id, wanted, (first, end), tail, deadline_s=deadline_s)
            columns, first, end = await window
            if columns.rows:
                yield columns


def _slices_of_tail(series: SeriesId, tail: Sequence[Placed]) -> set[int]:
    starts: set[int] = set()
    for placed in tail:
        if isinstance(placed.change, Upsert) and placed.change.columns.rows:
            starts.update(start for start, _ in split_by_slice(series, placed.change.columns))
        elif isinstance(placed.change, Attach):
            starts.update(ref.slice_start_ms for ref in decode_refs(placed.change.blocks))
    return starts


async def _window(
    store: SeriesStore,
    slice_id: SliceId,
    wanted: Wanted,
    span: tuple[int, int],
    tail: Sequence[Placed],
    *,
    deadline_s: float,
) -> tuple[Columns, int, int]:
    """Read one window of a slice; give it and the span that is left."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_s
    while loop.time() < deadline:
        head = decode_head((await store.read_head(slice_id)).body)
        deltas = await later_deltas(store, slice_id, head.sealed_through)
        first, end = _narrowed(head, span, wanted)
        later = placed_in_order(deltas, tail, head)
        window = replace(wanted, start_ms=first, end_ms=end)
        layers = await read_layers(store, slice_id, head.blocks, later, window)
        if layers is not None and loop.time() < deadline:
            state = merge.between(merge.state(layers), first, end)
            rest = (span[0], first) if wanted.descending else (end, span[1])
            return state, *rest
    message = f"a read of one slice took longer than {deadline_s:g} s"
    raise StoreUnavailable(message)


async def later_deltas(
    store: SeriesStore, slice_id: SliceId, after: int, upto: int | None = None
) -> list[Placed]:
    """Read and decode the deltas with after < last ≤ upto (None: all later ones), in the order."""
    return [
        Placed(delta.first, delta.last, decode_delta(delta.body))
        for delta in await store.read_deltas(slice_id, after)
        if upto is None or delta.last <= upto
    ]


def placed_in_order(deltas: Iterable[Placed], tail: Iterable[Placed], head: HeadContent) -> list[Placed]:
    """Sort the tail in among the deltas; what the head has sealed is ignored (design 4.4, 4.17)."""
    later = [placed for placed in (*deltas, *tail) if placed.last > head.sealed_through]
    return sorted(later, key=lambda placed: (placed.last, placed.first))


def _narrowed(head: HeadContent, span: tuple[int, int], wanted: Wanted) -> tuple[int, int]:
    """Shorten the span to about the blocks that hold the wanted number of rows."""
    first, end = span
    if wanted.rows is None:
        return span
    rows = 0
    refs = [ref for ref in head.blocks if ref.from_ms < end and ref.to_ms >= first]
    for ref in refs[::-1] if wanted.descending else refs:
        rows += ref.rows
        if rows > wanted.rows + ref.rows:
            return (max(first, ref.from_ms), end) if wanted.descending else (first, min(end, ref.to_ms + 1))
    return span


async def read_layers(
    store: SeriesStore,
    slice_id: SliceId,
    sealed: Sequence[BlockRef],
    later: Sequence[Placed],
    wanted: Wanted,
) -> list[Layer] | None:
    """Decode blocks and changes of a window, ascending in the order; None where a block is missing."""
    found = await read_refs(store, slice_id, _overlapping(sealed, wanted), wanted.variables)
    if found is None:
        return None
    layers: list[Layer] = list(found)
    for placed in later:
        change = placed.change
        if isinstance(change, Attach):
            refs = [ref for ref in decode_refs(change.blocks) if ref.slice_start_ms == slice_id.start_ms]
            attached = await read_refs(store, slice_id, _overlapping(refs, wanted), wanted.variables)
            if attached is None:
                return None
            layers += attached
        elif isinstance(change, Clear):
            layers.append(change)
        else:
            layers.append(_inside(change.columns, wanted))
    return layers


def _inside(rows: Columns, wanted: Wanted) -> Columns:
    hit = (rows.time_ms >= wanted.start_ms) & (rows.time_ms < wanted.end_ms)
    return merge.selected(rows if hit.all() else rows.take(np.flatnonzero(hit)), wanted.variables)


def _overlapping(refs: Iterable[BlockRef], wanted: Wanted) -> list[BlockRef]:
    return [ref for ref in refs if ref.from_ms < wanted.end_ms and ref.to_ms >= wanted.start_ms]


async def read_refs(
    store: SeriesStore, slice_id: SliceId, refs: Sequence[BlockRef], variables: frozenset[int] | None
) -> list[Columns] | None:
    """Read blocks, in the order given; None if any stored row of theirs is missing."""
    bodies: dict[tuple[bytes, int], bytes] = {}
    for part in sorted({ref.part for ref in refs}):
        inside = [ref for ref in refs if ref.part == part]
        wanted = {variable for ref in inside for variable in _chosen(ref, variables)}
        bodies |= await store.read_blocks(
            slice_id, part, sorted({blocks.TIME, *wanted}), [ref.block_id for ref in inside]
        )
    try:
        return [blocks.decode_block(ref, bodies, _chosen(ref, variables)) for ref in refs]
    except KeyError:
        return None


def _chosen(ref: BlockRef, variables: frozenset[int] | None) -> list[int]:
    return [variable for variable in ref.variables if variables is None or variable in variables]

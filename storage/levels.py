"""Which blocks a seal rewrites, which it drops unread, which small neighbours it takes along (design 4.6).

Pure. A row or a clear touches at most the blocks in whose time it lies; rows between two blocks touch none.
What is to be rewritten forms regions, each of consecutive blocks, and long ones are divided. A region takes
along its small neighbours where that is worth it, so that blocks grow in few steps: 64 rows become 10,000 in
three, whatever their rate (decision 0016).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.changes import Attach, Change, Clear, Upsert
from schemas.columns import Bools, Ints
from storage import blocks
from storage.heads import BlockRef, decode_refs

FILLED = 0.8
"""New rows take neighbours along when together they fill a block so far: waiting for all of it costs another
rewrite of what is over."""

MERGE_RATIO = 12
"""New rows take a smaller neighbour along when they are so many times its size: 64 → 832 → 10,000 rows."""

BATCH_WEIGHT = 8.0
"""Full blocks that a seal keeps in memory at once: regions are rewritten in batches of about this size."""


class Region(NamedTuple):
    """Consecutive blocks to rewrite, with the rows between and beside them; at most about one batch."""

    rewritten: tuple[BlockRef, ...]
    """Blocks to read and to replace."""
    weight: float
    """About how many full blocks it makes."""
    end_ms: int | None
    """Where the next block begins, which stays or is of the next region; None: there is none."""


class Plan(NamedTuple):
    """What a seal does with the blocks of a head; each block is in exactly one of three places."""

    kept: tuple[BlockRef, ...]
    regions: tuple[Region, ...]
    erased: tuple[BlockRef, ...]
    """Blocks that a clear covers: nothing of them is left, so nobody reads them."""


def weight_of(rows: int, raw_bytes: int, stored_bytes: int) -> float:
    """Say how much of a full block this is; 1.0 is as large as a block becomes."""
    return max(blocks.fill_of(rows, raw_bytes), stored_bytes / blocks.BLOCK_STORED_BYTES_MAX)


def plan(refs: Sequence[BlockRef], changes: Sequence[Change], delta_bytes: int, slice_start_ms: int) -> Plan:
    """Divide the blocks of a head (ascending) by what the changes to be sealed do to them.

    Blocks are disjoint, but in a head of version 1: there one may lie across others, and all of these are
    rewritten. `delta_bytes` is what the changes take in the store: an upper estimate of what their rows
    will take.
    """
    laid = _Laid(refs, slice_start_ms)
    for change in changes:
        laid.add(change)
    items = laid.items(delta_bytes)
    runs = _runs(items)
    rewritten = {item.block for start, end in runs for item in items[start:end]}
    kept = [ref for at, ref in enumerate(refs) if at not in rewritten and not laid.erased[at]]
    regions = []
    for start, end in (piece for run in runs for piece in laid.pieces(items, *run)):
        inside = [refs[item.block] for item in items[start:end] if item.block is not None]
        weight = sum(item.weight for item in items[start:end])
        regions.append(Region(tuple(inside), weight, items[end].from_ms if end < len(items) else None))
    erased = tuple(ref for at, ref in enumerate(refs) if laid.erased[at])
    return Plan(tuple(kept), tuple(regions), erased)


def touched(refs: Sequence[BlockRef], changes: Iterable[Change], slice_start_ms: int) -> Bools:
    """Tell which blocks (ascending) no longer say how things are once these changes are laid on."""
    laid = _Laid(refs, slice_start_ms)
    for change in changes:
        laid.add(change)
    return laid.touched


def batches(regions: Sequence[Region]) -> list[list[Region]]:
    """Put regions together that are rewritten in one go: few reads, bounded memory."""
    found: list[list[Region]] = []
    weight = BATCH_WEIGHT
    for region in regions:
        if weight + region.weight > BATCH_WEIGHT:
            found.append([])
            weight = 0.0
        found[-1].append(region)
        weight += region.weight
    return found


class _Item(NamedTuple):
    """A block, or new rows between two blocks, in time order."""

    block: int | None
    weight: float
    dirty: bool
    from_ms: int | None
    """A time before which nothing of it lies, and behind which no block before it; None: none is known."""


class _Laid:
    """What the changes lay on each block, and on each gap before one."""

    def __init__(self, refs: Sequence[BlockRef], slice_start_ms: int) -> None:
        self.refs = refs
        self.slice_start_ms = slice_start_ms
        self.starts: Ints = np.array([ref.from_ms for ref in refs], "<i8")
        self.ends: Ints = np.maximum.accumulate(np.array([ref.to_ms for ref in refs], "<i8"))
        """Of the block or of one before it that lies across it: they ascend in any case."""
        across = self.starts[1:] <= self.ends[:-1]
        self.touched = np.zeros(len(refs), np.bool_)
        self.touched[1:] |= across
        self.touched[:-1] |= across
        self.erased = np.zeros(len(refs), np.bool_)
        self.on_blocks = np.zeros(len(refs) + 1, "<i8")
        self.in_gaps = np.zeros(len(refs) + 1, "<i8")
        self.raw_bytes = 0
        self.attached: dict[int, set[int]] = {}
        """Where attached blocks begin, by the number of the first block that does not end before."""

    def add(self, change: Change) -> None:
        if isinstance(change, Upsert):
            self._add_rows(change.columns.time_ms)
            self.raw_bytes += change.columns.raw_bytes
        elif isinstance(change, Clear):
            first, end = self._overlapped(change.start_ms, change.end_ms - 1)
            self.touched[first:end] = True
            covered = (self.starts >= change.start_ms) & (self.ends < change.end_ms)
            self.erased |= covered
        else:
            self._add_attached(change)

    def _add_rows(self, time_ms: Ints) -> None:
        at = np.searchsorted(self.ends, time_ms)
        hit = at < len(self.refs)
        hit[hit] = self.starts[at[hit]] <= time_ms[hit]
        size = len(self.refs) + 1
        self.on_blocks += np.bincount(at[hit], minlength=size)
        self.in_gaps += np.bincount(at[~hit], minlength=size)
        self.touched[at[hit]] = True

    def _add_attached(self, change: Attach) -> None:
        for ref in decode_refs(change.blocks):
            if ref.slice_start_ms != self.slice_start_ms:
                continue
            first, end = self._overlapped(ref.from_ms, ref.to_ms)
            self.touched[first:end] = True
            (self.on_blocks if first < end else self.in_gaps)[first] += ref.rows
            self.attached.setdefault(first, set()).add(ref.from_ms)
            self.raw_bytes += ref.raw_bytes

    def _overlapped(self, from_ms: int, to_ms: int) -> tuple[int, int]:
        first = np.searchsorted(self.ends, from_ms)
        return int(first), max(int(first), int(np.searchsorted(self.starts, to_ms, side="right")))

    def items(self, delta_bytes: int) -> list[_Item]:
        """List blocks and gaps with new rows, ascending; what is erased counts for nothing."""
        new_rows = int(self.on_blocks.sum() + self.in_gaps.sum())
        each = weight_of(new_rows, self.raw_bytes, delta_bytes) / max(new_rows, 1)
        found: list[_Item] = []
        for at in range(len(self.refs) + 1):
            gap, on_block = int(self.in_gaps[at]), int(self.on_blocks[at])
            if at < len(self.refs) and self.erased[at]:
                gap, on_block = gap + on_block, 0
            if gap:
                borders: list[int | None] = [*sorted(self.attached.get(at, ()))] or [None]
                found += [_Item(None, each * gap / len(borders), True, border) for border in borders]
            if at < len(self.refs) and not self.erased[at]:
                ref = self.refs[at]
                weight = weight_of(ref.rows, ref.raw_bytes, ref.stored_bytes) + each * on_block
                alone = at == 0 or self.starts[at] > self.ends[at - 1]
                found.append(_Item(at, weight, bool(self.touched[at]), ref.from_ms if alone else None))
        return found

    def pieces(self, items: Sequence[_Item], start: int, end: int) -> Iterator[tuple[int, int]]:
        """Divide a run before blocks, where it is more than memory should hold at once."""
        weight = 0.0
        for at in range(start, end):
            alone = items[at].from_ms is not None
            if alone and at > start and weight + items[at].weight > BATCH_WEIGHT:
                yield start, at
                start, weight = at, 0.0
            weight += items[at].weight
        yield start, end


def _runs(items: Sequence[_Item]) -> list[tuple[int, int]]:
    """Find the regions as ranges of items: what is dirty, with the neighbours that it takes along."""
    runs: list[tuple[int, int]] = []
    at = 0
    while at < len(items):
        if not items[at].dirty:
            at += 1
            continue
        end = at
        while end < len(items) and items[end].dirty:
            end += 1
        floor = runs[-1][1] if runs else 0
        start = at - _taken_along(items[floor:at][::-1], sum(item.weight for item in items[at:end]))
        clean = end
        while clean < len(items) and not items[clean].dirty:
            clean += 1
        end += _taken_along(items[end:clean], sum(item.weight for item in items[start:end]))
        if runs and start == floor:
            start = runs.pop()[0]
        runs.append((start, end))
        at = end
    return runs


def _taken_along(neighbours: Sequence[_Item], weight: float) -> int:
    """Count the neighbours, nearest first, that rows of so much weight take along."""
    taken = 0
    for number, item in enumerate(neighbours, start=1):
        if item.weight >= blocks.FULL or item.dirty:
            break
        fills = weight + item.weight >= FILLED
        if fills or weight >= MERGE_RATIO * item.weight:
            taken = number
        weight += item.weight
    return taken

"""Tests of sealing lay deltas on a slice, count what is stored for it, and stop it anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import numpy as np

from schemas.changes import Attach, Change, Clear, Upsert
from schemas.columns import Column, Columns, Ints
from schemas.errors import StoreUnavailable
from storage import merge
from storage.deltas import encode_delta
from storage.heads import HeadContent, decode_head
from storage.memory import MemorySeriesStore
from storage.port import BlockRow, Delta, Head, SeriesStore, SliceId, Turn
from storage.reader import read_series
from storage.sealing import Sealed, seal
from storage.slices import slice_start
from storage.spans import EVERYTHING
from tests.storage.layers import State, serial
from tests.storage.series import SERIES

BASE_MS = 1_767_225_600_000
SLICE = SliceId(SERIES, slice_start(SERIES, BASE_MS))
FIRST_MS = SLICE.start_ms + 1
"""The first time that lies in the slice."""


def ids() -> Callable[[], bytes]:
    """Give a source of block ids."""
    numbers = itertools.count(1)
    return lambda: next(numbers).to_bytes(16, "big")


def shifted(change: Columns | Clear) -> Columns | Clear:
    """Move a change of small times into the slice."""
    if isinstance(change, Clear):
        return Clear(change.start_ms + FIRST_MS, change.end_ms + FIRST_MS)
    return Columns(change.time_ms + FIRST_MS, change.cells, change.merges)


def walk(times: Ints | Iterable[int], seed: int = 1, variables: int = 3) -> Columns:
    """Make rows of sensors that wander, at these milliseconds of the slice."""
    dice = np.random.default_rng(seed)
    found = np.asarray(times, "<i8")
    cells = {
        variable: Column(np.round(20 + np.cumsum(dice.normal(0, 0.05, len(found))), 2))
        for variable in range(1, variables + 1)
    }
    return Columns(found + FIRST_MS, cells)


async def lay(store: SeriesStore, position: int, change: Columns | Clear | Attach) -> int:
    """Store one delta as a writer does; gives its size."""
    said: Change = Upsert(merge.fold([change])) if isinstance(change, Columns) else change
    body = encode_delta(said)
    await store.write_turn(Turn((SLICE,), [Delta(SLICE, position, position, body)]))
    return len(body)


async def state_of(store: SeriesStore) -> State:
    """Read everything, row by row."""
    return serial([await read_series(store, SERIES, EVERYTHING)])


async def head_of(store: SeriesStore) -> HeadContent:
    """Read what the head says."""
    return decode_head((await store.read_head(SLICE)).body)


def shown(changes: Sequence[Columns | Clear]) -> State:
    """Execute changes one after the other; rows without a value are not shown."""
    return {time_ms: row for time_ms, row in serial(changes).items() if row}


class CountingStore:
    """Counts bytes on their way into a store and out of it."""

    def __init__(self, inner: SeriesStore) -> None:
        self.inner = inner
        self.delta_bytes = self.block_bytes = self.head_bytes = 0
        self.block_rows_read: list[tuple[bytes, int]] = []
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def write_turn(self, turn: Turn) -> None:
        self.delta_bytes += sum(len(delta.body) for delta in turn.deltas)
        await self.inner.write_turn(turn)

    async def write_blocks(self, rows: Sequence[BlockRow]) -> None:
        self.block_bytes += sum(len(row.body) for row in rows)
        await self.inner.write_blocks(rows)

    async def swap_head(self, slice_id: SliceId, built_on: int, head: Head) -> bool:
        self.head_bytes += len(head.body)
        return await self.inner.swap_head(slice_id, built_on, head)

    async def read_blocks(self, *arguments: Any) -> dict[tuple[bytes, int], bytes]:
        found: dict[tuple[bytes, int], bytes] = await self.inner.read_blocks(*arguments)
        self.block_rows_read += found
        self.reads += 1
        return found


class StoppingStore:
    """Fails at one call, before or after it reached the store, and at every call from then on."""

    def __init__(self, inner: SeriesStore, at: int, *, after: bool) -> None:
        self.inner = inner
        self.at = at
        self.after = after
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Awaitable[Any]] = getattr(self.inner, name)

        async def stopping(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls > self.at or (self.calls == self.at and not self.after):
                raise StoreUnavailable("the process is gone")
            answer = await method(*arguments, **options)
            if self.calls == self.at:
                raise StoreUnavailable("the process is gone")
            return answer

        return stopping


def copy_of(store: MemorySeriesStore) -> MemorySeriesStore:
    """Give a store of its own with the same rows."""
    twin = MemorySeriesStore()
    twin.slices = {series: dict(starts) for series, starts in store.slices.items()}
    twin.deltas = {found: list(deltas) for found, deltas in store.deltas.items()}
    twin.blocks = {found: dict(rows) for found, rows in store.blocks.items()}
    twin.heads = dict(store.heads)
    twin.pins = {found: dict(pins) for found, pins in store.pins.items()}
    return twin


async def sealed_through(store: Any, upto: int, new_id: Callable[[], bytes]) -> Sealed:
    """Seal the slice, which must have something to seal."""
    sealed = await seal(store, SLICE, upto, new_id)
    assert sealed is not None
    return sealed

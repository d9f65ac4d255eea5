"""What a seal rewrites, how little of it, and that it may stop anywhere (design 4.6, 4.7)."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.changes import Attach, Clear
from schemas.columns import Columns
from schemas.errors import StoreUnavailable
from storage import blocks, levels
from storage.heads import encode_refs
from storage.memory import MemorySeriesStore
from storage.purging import find_orphans, purge
from storage.sealing import SEAL_DELTAS, SEAL_ROWS, seal
from tests.storage.layers import layers
from tests.storage.laying import (
    FIRST_MS,
    SLICE,
    CountingStore,
    StoppingStore,
    copy_of,
    head_of,
    ids,
    lay,
    sealed_through,
    shifted,
    shown,
    state_of,
    walk,
)

AMPLIFICATION_MAX = 4.0


@given(layers(), st.data())
def test_seals_at_any_time_change_no_read(changes, data):
    """However often a slice is sealed, into however small blocks, it reads as its entries in order say."""
    with (
        mock.patch.object(blocks, "BLOCK_ROWS_MAX", data.draw(st.sampled_from([1, 3, 10]))),
        mock.patch.object(levels, "BATCH_WEIGHT", data.draw(st.sampled_from([1.0, 8.0]))),
    ):
        asyncio.run(_seal_now_and_then([shifted(change) for change in changes], data))


async def _seal_now_and_then(changes, data):
    store, new_id = MemorySeriesStore(), ids()
    for position, change in enumerate(changes, start=1):
        await lay(store, position, change)
        if data.draw(st.booleans()):
            sealed = await seal(store, SLICE, position, new_id)
            if sealed is not None:
                await purge(store, sealed)
        assert shown(changes[:position]) == await state_of(store)
        refs = (await head_of(store)).blocks
        borders = [time_ms for ref in refs for time_ms in (ref.from_ms, ref.to_ms)]
        assert borders == sorted(borders)
        assert all(before.to_ms < after.from_ms for before, after in pairwise(refs))
        assert {ref.block_id for ref in refs} == {
            block_id for block_id, _ in store.blocks.get((SLICE, 0), {})
        }


@pytest.mark.parametrize("rows", [1, 7, 60, 400, 1_000, 3_000, 4_500, 9_000, 25_000])
async def test_data_in_time_order_is_stored_at_most_four_times(rows: int) -> None:
    """All that is stored of a series, its deltas first, is at most four times their size (design 4.6)."""
    store, new_id = CountingStore(MemorySeriesStore()), ids()
    total = min(max(60 * rows, 25_000), 120_000)
    data = walk(1000 * np.arange(total))
    deltas = written = 0
    for position, first in enumerate(range(0, total, rows), start=1):
        await lay(store, position, data.part(first, min(first + rows, total)))
        deltas += 1
        if deltas == SEAL_DELTAS or deltas * rows >= SEAL_ROWS:
            sealed = await sealed_through(store, position, new_id)
            written += sealed.volume.written_bytes
            deltas = 0

    stored = store.delta_bytes + store.block_bytes + store.head_bytes
    assert written == store.block_bytes + store.head_bytes
    assert stored <= AMPLIFICATION_MAX * store.delta_bytes
    sizes = [ref.rows for ref in (await head_of(store)).blocks]
    assert sum(size < blocks.FULL * blocks.BLOCK_ROWS_MAX for size in sizes) <= 2 * levels.MERGE_RATIO


async def test_rows_of_any_rate_are_rewritten_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest seals, of 64 rows, write each row into a block of 64, of 832 and of 10,000 rows."""
    written = 0

    def counting(place: Any, block_id: bytes, columns: Columns, position_max: int) -> Any:
        nonlocal written
        written += columns.rows
        return encode(place, block_id, columns, position_max)

    encode = blocks.encode_block
    monkeypatch.setattr(blocks, "encode_block", counting)
    store, new_id = MemorySeriesStore(), ids()
    data = walk(1000 * np.arange(30_720), variables=1)
    for position in range(30_720 // 64):
        await lay(store, position + 1, data.part(64 * position, 64 * position + 64))
        await sealed_through(store, position + 1, new_id)

    assert written <= 3.1 * data.rows


async def test_a_late_row_rewrites_the_block_it_lies_in_and_no_other() -> None:
    """Scattered late rows cost the blocks they touch; a row between two blocks costs none (design 4.6)."""
    store, new_id = CountingStore(MemorySeriesStore()), ids()
    for number in range(5):  # five full blocks with an hour between them
        await lay(store, number + 1, walk(20_000_000 * number + 1000 * np.arange(10_000)))
        await sealed_through(store, number + 1, new_id)
    before = (await head_of(store)).blocks
    assert [10_000] * 5 == [ref.rows for ref in before]

    store.block_rows_read.clear()
    await lay(store, 6, walk([20_000_500, 60_000_500, 75_000_000]))
    sealed = await sealed_through(store, 6, new_id)

    touched = {before[1].block_id, before[3].block_id}
    assert touched == {block_id for _, block_id in sealed.replaced}
    fresh = {ref.block_id for ref in (await head_of(store)).blocks} - {ref.block_id for ref in before}
    assert touched | fresh == {block_id for block_id, _ in store.block_rows_read}
    assert sealed.volume.read_bytes == before[1].stored_bytes + before[3].stored_bytes


async def test_late_rows_cost_at_most_a_block_each() -> None:
    """One late row in each block, over and over: a seal writes what it touches, and pieces stay whole."""
    store, new_id = CountingStore(MemorySeriesStore()), ids()
    await lay(store, 1, walk(1000 * np.arange(60_000)))
    await sealed_through(store, 1, new_id)
    for number in range(2, 12):
        await lay(store, number, walk(10_000_000 * np.arange(6) + 1000 * number + 7))
        before = sum(ref.stored_bytes for ref in (await head_of(store)).blocks)
        sealed = await sealed_through(store, number, new_id)
        assert sealed.volume.written_bytes <= 1.25 * before

    assert len((await head_of(store)).blocks) <= 13


async def test_a_seal_that_touches_all_blocks_holds_few_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Late rows in each of 30 blocks, one beside the other, are sealed in several steps (decision 0016)."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS_MAX", 100)
    store, new_id = MemorySeriesStore(), ids()
    await lay(store, 1, walk(1000 * np.arange(3_000)))
    await sealed_through(store, 1, new_id)
    await lay(store, 2, walk(500 + 10_000 * np.arange(300), seed=2))
    before = await state_of(store)

    held = []

    class Looked:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        async def read_blocks(self, slice_id: Any, part: int, variables: Any, block_ids: Any) -> Any:
            held.append(len(block_ids))
            return await store.read_blocks(slice_id, part, variables, block_ids)

    looked: Any = Looked()
    sealed = await sealed_through(looked, 2, new_id)

    assert max(held) <= levels.BATCH_WEIGHT + 2
    assert before == await state_of(store)
    assert not sealed.whole
    assert max(before) == sealed.newest.time_ms[-1]
    assert 0 < sealed.newest.rows < len(before)


async def test_what_a_clear_covers_is_dropped_unread() -> None:
    """A block of which a clear leaves nothing is neither read nor written (design 4.6)."""
    store, new_id = CountingStore(MemorySeriesStore()), ids()
    await lay(store, 1, walk(1000 * np.arange(40_000)))
    await sealed_through(store, 1, new_id)
    old = (await head_of(store)).blocks
    store.block_rows_read.clear()

    await lay(store, 2, Clear(FIRST_MS + 5_000_000, FIRST_MS + 30_000_000))
    await sealed_through(store, 2, new_id)

    read = {block_id for block_id, _ in store.block_rows_read}
    assert not read & {old[1].block_id, old[2].block_id}
    assert [5_000, 10_000] == [ref.rows for ref in (await head_of(store)).blocks]


async def test_an_import_is_merged_where_it_overlaps() -> None:
    """Staged blocks become rows of the slice at their place in the order (design 4.1)."""
    store, new_id = MemorySeriesStore(), ids()
    await lay(store, 1, walk(1000 * np.arange(100)))
    await sealed_through(store, 1, new_id)
    place = blocks.Place(SLICE, 0)
    refs = []
    for times in (1000 * np.arange(50, 150), 1000 * np.arange(300, 310)):
        ref, stored = blocks.encode_block(place, new_id(), walk(times, seed=2), 0)
        await store.write_blocks(stored)
        refs.append(type(ref)(*[getattr(ref, name) for name in ref.__struct_fields__[:8]], SLICE.start_ms))
    await lay(store, 2, Attach(encode_refs(tuple(refs))))
    expected = await state_of(store)

    await purge(store, await sealed_through(store, 2, new_id))

    assert 160 == len(expected)
    assert expected == await state_of(store)
    named = {ref.block_id for ref in (await head_of(store)).blocks}
    assert named == {block_id for block_id, _ in store.blocks[SLICE, 0]}


async def test_parts_roll_within_a_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition stays small: a part that is full is not written to any more (design 4.2)."""
    monkeypatch.setattr(blocks, "PART_BYTES_MAX", 30_000)
    store = MemorySeriesStore()
    await lay(store, 1, walk(1000 * np.arange(60_000)))
    await sealed_through(store, 1, ids())

    sizes: dict[int, int] = {}
    for ref in (await head_of(store)).blocks:
        sizes[ref.part] = sizes.get(ref.part, 0) + ref.stored_bytes
    assert list(range(len(sizes))) == sorted(sizes)
    assert len(sizes) > 1
    assert all(size < 30_000 + 40_000 for size in sizes.values())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_call_of_seal_and_purge_reads_the_same(after: bool) -> None:
    """Whatever call of a seal or a purge is the last, rows read as before; a sweep leaves no block behind."""
    begun, new_id = MemorySeriesStore(), ids()
    with mock.patch.object(blocks, "BLOCK_ROWS_MAX", 100):
        await lay(begun, 1, walk(1000 * np.arange(1_000)))
        await sealed_through(begun, 1, new_id)
        await lay(begun, 2, walk([500, 700_500, 5_000_000], seed=2))
        await lay(begun, 3, Clear(FIRST_MS + 150_000, FIRST_MS + 420_000))
        expected = await state_of(begun)
        for last in range(1, 40):
            store = copy_of(begun)
            stopping: Any = StoppingStore(store, last, after=after)
            try:
                sealed = await seal(stopping, SLICE, 3, new_id)
                assert sealed is not None
                await purge(stopping, sealed)
                break
            except StoreUnavailable:
                pass
            assert expected == await state_of(store)
            await _finish(store, new_id)
            assert expected == await state_of(store)
        else:
            pytest.fail("a seal and a purge take more calls than that")
    assert last > 8


async def _finish(store: MemorySeriesStore, new_id: Any) -> None:
    """Do what the next writer does; then nothing is left but what the head names."""
    sealed = await seal(store, SLICE, 3, new_id)
    if sealed is not None:
        await purge(store, sealed)
    await purge(store, await find_orphans(store, SLICE))
    named = {ref.block_id for ref in (await head_of(store)).blocks}
    stored = {block_id for (_, _), rows in store.blocks.items() for block_id, _ in rows}
    assert named == stored

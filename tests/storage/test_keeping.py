"""What purge and retention leave: pinned heads, summaries of old rows, whole slices (design 4.13, 4.14)."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

from schemas.changes import Clear
from schemas.errors import Conflict, StoreUnavailable
from storage import blocks
from storage.heads import HeadContent
from storage.memory import MemorySeriesStore
from storage.pins import blocks_of, decode_pin
from storage.port import Head, Pin, Turn
from storage.purging import find_orphans, purge, release
from storage.reader import read_answer, read_refs
from storage.retention import is_due, retain
from storage.sealing import Sealed
from storage.slices import WIDTH_MS_MAX
from storage.spans import EVERYTHING, Wanted
from storage.summary_reader import Cells, read_cells
from tests.storage.layers import serial
from tests.storage.laying import (
    FIRST_MS,
    SLICE,
    StoppingStore,
    copy_of,
    head_of,
    ids,
    lay,
    sealed_through,
    state_of,
    walk,
)
from tests.storage.pinning import pin
from tests.storage.series import SERIES

DAY = 86_400_000


async def pinned_rows(store: MemorySeriesStore, kept: Pin) -> Any:
    """Read what a pin names."""
    found = await read_refs(store, SLICE, blocks_of(kept), None)
    return None if found is None else serial(found)


async def test_a_pinned_head_stays_readable_until_its_time_is_over() -> None:
    """Whatever is sealed and purged after it, the slice as it was before an entry can be gone back to."""
    store, new_id = MemorySeriesStore(), ids()
    await lay(store, 1, walk(1000 * np.arange(500)))
    await purge(store, await sealed_through(store, 1, new_id))
    before = await state_of(store)
    kept = await pin(store, SLICE, 2, until_ms=7 * DAY)

    await lay(store, 2, Clear(FIRST_MS, FIRST_MS + 400_000))
    await purge(store, await sealed_through(store, 2, new_id))
    await lay(store, 3, walk(1000 * np.arange(450, 600), seed=2))
    await purge(store, await sealed_through(store, 3, new_id))
    await purge(store, await release(store, SLICE, 7 * DAY - 1))

    assert before == await pinned_rows(store, kept)
    assert [kept] == await store.read_pins(SLICE)

    after = await state_of(store)
    await purge(store, await release(store, SLICE, 7 * DAY))
    assert [] == await store.read_pins(SLICE)
    assert await pinned_rows(store, kept) is None
    assert after == await state_of(store)
    named = {ref.block_id for ref in (await head_of(store)).blocks}
    assert named == {block_id for block_id, _ in store.blocks[SLICE, 0]}


async def test_only_a_slice_sealed_right_before_can_be_pinned() -> None:
    """A head that lacks older entries, or has younger ones, does not say how things were (design 4.14)."""
    store, new_id = MemorySeriesStore(), ids()
    await lay(store, 1, walk([1, 2]))
    with pytest.raises(Conflict):
        await pin(store, SLICE, 2, DAY)
    await sealed_through(store, 1, new_id)
    await lay(store, 5, walk([3]))
    await pin(store, SLICE, 5, DAY)
    with pytest.raises(Conflict):
        await pin(store, SLICE, 6, DAY)
    await sealed_through(store, 5, new_id)
    with pytest.raises(Conflict):
        await pin(store, SLICE, 4, DAY)


async def test_an_empty_slice_can_be_pinned() -> None:
    """What was never sealed is kept as nothing."""
    store = MemorySeriesStore()

    assert b"" == decode_pin((await pin(store, SLICE, 1, DAY)).body).head


async def filled() -> MemorySeriesStore:
    """Make a slice of 1,000 rows in ten blocks, without orphans."""
    store = MemorySeriesStore()
    await lay(store, 1, walk(1000 * np.arange(1_000)))
    with mock.patch.object(blocks, "BLOCK_ROWS_MAX", 100):
        await purge(store, await sealed_through(store, 1, ids()))
    return store


async def test_old_rows_go_and_say_so() -> None:
    """A read of a range of which only summaries live says which part that is; the rest is as before."""
    store = await filled()
    before = await state_of(store)

    left = await retain(store, SLICE, FIRST_MS + 450_000, _other_ids())
    assert left is not None
    answer = await read_answer(store, SERIES, EVERYTHING)
    await purge(store, left)

    assert [
        (FIRST_MS + 100_000 * n, FIRST_MS + 100_000 * n + 99_001) for n in range(4)
    ] == answer.summary_only
    kept = {time_ms: row for time_ms, row in before.items() if time_ms >= FIRST_MS + 400_000}
    assert kept == serial([answer.columns]) == await state_of(store)
    young = await read_answer(store, SERIES, Wanted(FIRST_MS + 500_000, FIRST_MS + 900_000))
    assert [] == young.summary_only
    variables = {block_id: [] for block_id, _ in store.blocks[SLICE, 0]}
    for block_id, variable in store.blocks[SLICE, 0]:
        variables[block_id].append(variable)
    refs = (await head_of(store)).blocks
    assert [[blocks.SUMMARY]] * 4 == [variables[ref.block_id] for ref in refs[:4]]
    assert 10 == len(variables)


async def test_rows_that_come_too_late_live_no_more() -> None:
    """A late row or clear where only summaries live changes nothing, sealed or not; the door refuses it."""
    store, new_id = await filled(), _other_ids()
    await retain(store, SLICE, FIRST_MS + 450_000, new_id)
    expected = await state_of(store)
    head = await head_of(store)
    assert FIRST_MS + 399_001 == head.rows_from_ms

    await lay(store, 2, walk([5, 200_500, 399_000]))
    await lay(store, 3, Clear(FIRST_MS, FIRST_MS + 300_000))
    assert expected == await state_of(store)
    await purge(store, await sealed_through(store, 3, new_id))

    assert expected == await state_of(store)
    assert head.blocks == (await head_of(store)).blocks
    assert head.rows_from_ms == (await head_of(store)).rows_from_ms


@pytest.mark.parametrize(
    "late", [walk([5]), Clear(FIRST_MS + 250_000, FIRST_MS + 300_000)], ids=["row", "clear"]
)
async def test_retention_waits_for_what_is_not_sealed(late: Any) -> None:
    """A summary that a late row or a clear is not in would be wrong for ever (design 4.11, 4.13)."""
    store, new_id = await filled(), _other_ids()
    await lay(store, 2, late)
    expected = {time_ms for time_ms in await state_of(store) if time_ms < FIRST_MS + 450_000}
    assert await retain(store, SLICE, FIRST_MS + 450_000, new_id) is None

    with mock.patch.object(blocks, "BLOCK_ROWS_MAX", 100):
        await sealed_through(store, 2, new_id)
    left = await retain(store, SLICE, FIRST_MS + 450_000, new_id)

    assert left is not None
    kept = await state_of(store)
    assert len(expected - kept.keys()) == sum(ref.rows for ref in left.head.blocks if ref.summary_only)


async def test_retention_goes_on_where_it_was() -> None:
    """A later horizon takes more blocks, one that was reached nothing; a summary is not summed again."""
    store, new_id = await filled(), _other_ids()

    assert await retain(store, SLICE, FIRST_MS, new_id) is None
    assert not await is_due(store, SLICE, FIRST_MS)
    assert await is_due(store, SLICE, FIRST_MS + 650_000)
    for horizon in (250_000, 650_000):
        left = await retain(store, SLICE, FIRST_MS + horizon, new_id)
        assert left is not None
        await purge(store, left)
    assert await retain(store, SLICE, FIRST_MS + 650_000, new_id) is None
    assert not await is_due(store, SLICE, FIRST_MS + 650_000)

    refs = (await head_of(store)).blocks
    assert [True] * 6 + [False] * 4 == [ref.summary_only for ref in refs]
    assert [100] * 10 == [ref.rows for ref in refs]
    assert 400 == len(await state_of(store))


async def test_a_block_over_years_is_summarised_by_its_cells_only() -> None:
    """A record counts its times in 32 bits: of a block over more than 49 days the head says nothing."""
    store = MemorySeriesStore()
    await store.write_turn(Turn((SLICE,), widths={SLICE: WIDTH_MS_MAX}))
    await lay(store, 1, walk(DAY * np.arange(400), variables=1))
    before = await state_of(store)
    await sealed_through(store, 1, ids())
    assert await retain(store, SLICE, FIRST_MS + 500 * DAY, _other_ids()) is not None

    wanted = Wanted(FIRST_MS, FIRST_MS + 500 * DAY)
    borders = np.array([-1, 1]) * 10**6 * DAY
    [found] = [each async for each in read_cells(store, SERIES, wanted, borders)]

    assert isinstance(found, Cells)
    [cells] = [stack.split()[1] for stack in found.stacks]
    assert 400 == cells.good.count.sum()
    assert (min(before), max(before)) == (cells.first_ms[0], cells.last_ms[-1])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_call_of_retention_leaves_a_whole_slice(after: bool) -> None:
    """Before the head is changed all rows live, after it only the young ones: nothing in between is seen."""
    begun = await filled()
    whole = await state_of(begun)
    young = {time_ms: row for time_ms, row in whole.items() if time_ms >= FIRST_MS + 400_000}
    seen = set()
    for last in range(1, 60):
        store = copy_of(begun)
        stopping: Any = StoppingStore(store, last, after=after)
        try:
            left = await retain(stopping, SLICE, FIRST_MS + 450_000, _other_ids())
            assert left is not None
            await purge(stopping, left)
            break
        except StoreUnavailable:
            state = await state_of(store)
            assert state in (whole, young)
            seen.add(state == whole)
        left = await retain(store, SLICE, FIRST_MS + 450_000, _third_ids())
        await purge(store, left or Sealed(SLICE, 0, ()))
        await purge(store, await find_orphans(store, SLICE))
        assert young == await state_of(store)
        named = {ref.block_id for ref in (await head_of(store)).blocks}
        assert named == {block_id for block_id, _ in store.blocks[SLICE, 0]}
    else:
        pytest.fail("retention takes more calls than that")
    assert {True, False} == seen


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_call_of_a_pin_keeps_what_is_pinned(after: bool) -> None:
    """A pin is there or it is not; where it is, what it names is, too."""
    begun = await filled()
    before = await state_of(begun)
    for last in range(1, 40):
        store = copy_of(begun)
        stopping: Any = StoppingStore(store, last, after=after)
        try:
            await pin(stopping, SLICE, 2, DAY)
            await lay(stopping, 2, Clear(FIRST_MS, FIRST_MS + 950_000))
            await purge(stopping, await sealed_through(stopping, 2, _other_ids()))
            await purge(stopping, await release(stopping, SLICE, DAY))
            break
        except StoreUnavailable:
            for kept in await store.read_pins(SLICE):
                assert before == await pinned_rows(store, kept)
    else:
        pytest.fail("these steps take more calls than that")
    assert last > 10


async def test_another_writers_head_wins_over_retention() -> None:
    """A head that changed meanwhile stands; the summaries written in vain are dropped."""
    store = await filled()
    content = await head_of(store)
    stored = dict(store.blocks[SLICE, 0])

    class Overtaken(StoppingStore):
        async def swap_head(self, slice_id: Any, built_on: int, head: Head) -> bool:
            store.heads[SLICE] = Head(built_on + 1, store.heads[SLICE].body)
            return False

    overtaken: Any = Overtaken(store, 10**9, after=False)

    assert await retain(overtaken, SLICE, FIRST_MS + 450_000, _other_ids()) is None
    assert content == await head_of(store) != HeadContent()
    assert stored == store.blocks[SLICE, 0]


def _other_ids() -> Any:
    return _from(1_000)


def _third_ids() -> Any:
    return _from(2_000)


def _from(first: int) -> Any:
    numbers = iter(range(first, first + 1_000))
    return lambda: next(numbers).to_bytes(16, "big")

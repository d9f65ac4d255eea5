"""Heads as the first release left them: a block may lie across others, and nothing is lost over that.

It stored the rows of two blocks that late rows touched as one, across the block between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from unittest import mock

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.changes import Clear
from schemas.columns import Columns
from storage import blocks, levels, merge
from storage.memory import MemorySeriesStore
from storage.port import Head, Turn
from storage.purging import purge
from storage.retention import retain
from storage.sealing import seal
from storage.spans import Wanted
from storage.summary_reader import read_cells
from storage.verifying import Seen, verify_series
from tests.storage.layers import layers, serial
from tests.storage.laying import FIRST_MS, SLICE, head_of, ids, lay, sealed_through, shifted, state_of, walk
from tests.storage.series import SERIES

ROWS = walk(1000 * np.arange(300))
"""The rows of the slice: 0 to 99 and 200 to 299 are in one block, 100 to 199 in another."""


async def of_first_release(*owners: Columns) -> MemorySeriesStore:
    """Make a slice that is sealed through position 1 and consists of these blocks."""
    store, new_id = MemorySeriesStore(), ids()
    await store.write_turn(Turn((SLICE,)))
    named = []
    for rows in owners:
        ref, stored = blocks.encode_block(blocks.Place(SLICE, 0, 0), new_id(), rows, 1)
        await store.write_blocks(stored)
        named.append(msgspec.structs.astuple(ref)[:9])
    named.sort(key=lambda ref: ref[3])
    await store.swap_head(SLICE, 0, Head(1, msgspec.msgpack.encode((1, named))))
    return store


async def crossed() -> MemorySeriesStore:
    """Make the slice of `ROWS`."""
    outside = merge.joined([ROWS.part(0, 100), ROWS.part(200, 300)])
    return await of_first_release(outside, ROWS.part(100, 200))


LATER = {
    "late": walk([50_500]),
    "overwritten": walk([150_000], seed=2),
    "beside": walk([250_500]),
    "behind": walk([400_000]),
    "cleared": Clear(FIRST_MS + 250_000, FIRST_MS + 260_000),
    "covered": Clear(FIRST_MS + 100_000, FIRST_MS + 200_000),
}
"""What may come next, by where it lies."""


@pytest.mark.parametrize("name", LATER)
async def test_the_next_seal_parts_blocks_that_lie_across_others(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads as its entries in order say, before and after; blocks are disjoint then (design 4.3)."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS_MAX", 100)
    store = await crossed()
    await lay(store, 2, LATER[name])
    expected = serial([ROWS, LATER[name]])
    assert expected == await state_of(store)

    await purge(store, await sealed_through(store, 2, _other_ids()))

    assert expected == await state_of(store)
    refs = (await head_of(store)).blocks
    assert all(before.to_ms < after.from_ms for before, after in pairwise(refs))
    assert [] == await verify_series(store, SERIES, Seen())


@given(st.data(), layers())
def test_seals_on_such_a_head_change_no_read(data, changes):
    """The same for any rows in any such blocks, and whatever is laid and sealed on them."""
    with (
        mock.patch.object(blocks, "BLOCK_ROWS_MAX", data.draw(st.sampled_from([1, 3, 10]))),
        mock.patch.object(levels, "BATCH_WEIGHT", data.draw(st.sampled_from([1.0, 8.0]))),
    ):
        asyncio.run(_seal_on(data, [shifted(change) for change in changes]))


async def _seal_on(data, changes):
    rows = walk(np.arange(30), variables=1)
    owner = np.array(data.draw(st.lists(st.integers(0, 3), min_size=30, max_size=30)))
    store = await of_first_release(*(rows.take(np.flatnonzero(owner == each)) for each in np.unique(owner)))
    new_id, state = _other_ids(), serial([rows])
    for position, change in enumerate(changes, start=2):
        await lay(store, position, change)
        state = serial([change], state)
        if data.draw(st.booleans()):
            await seal(store, SLICE, position, new_id)
        assert {time_ms: row for time_ms, row in state.items() if row} == await state_of(store)


@pytest.mark.parametrize("first", [0, 120_000, 220_000])
async def test_an_aggregate_sees_the_rows_of_every_block(first: int) -> None:
    """A window in which only the second half of such a block lies is not taken for empty (design 4.11)."""
    store = await crossed()
    wanted = Wanted(FIRST_MS + first, FIRST_MS + first + 10_000)

    found = [each async for each in read_cells(store, SERIES, wanted, np.zeros(0, "<i8"))]

    assert [10] == [each.rows for each in found if isinstance(each, Columns)]


async def test_retention_waits_until_such_blocks_are_parted() -> None:
    """It takes no row that it does not summarise; after the next seal it goes on as ever (design 4.13)."""
    store, new_id = await crossed(), _other_ids()
    before = await state_of(store)

    for horizon in (250_000, 300_000):
        assert await retain(store, SLICE, FIRST_MS + horizon, new_id) is None
    assert before == await state_of(store)

    await lay(store, 2, walk([400_000]))
    await sealed_through(store, 2, new_id)
    assert await retain(store, SLICE, FIRST_MS + 500_000, new_id) is not None
    assert {} == await state_of(store)
    assert 301 == sum(ref.rows for ref in (await head_of(store)).blocks if ref.summary_only)


def _other_ids() -> Callable[[], bytes]:
    numbers = iter(range(1_000, 9_000))
    return lambda: next(numbers).to_bytes(16, "big")

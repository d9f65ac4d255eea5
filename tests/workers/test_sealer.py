"""What a sealer keeps for later: purges after the grace, pins whose time is over (design 4.7, 4.13)."""

from __future__ import annotations

from functools import partial

import numpy as np

from storage import blocks
from storage.memory import MemorySeriesStore
from tests.storage.laying import FIRST_MS, SLICE, CountingStore, head_of, ids, lay, state_of, walk
from tests.storage.pinning import pin
from workers.sealer import SWEEP_S, Sealer, SealRules

GRACE_S = 60.0


async def test_retention_seals_first_and_purges_after_the_grace(monkeypatch):
    """Rows of deltas are summarised, too; old blocks stay for readers until the grace is over."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS_MAX", 100)
    store, now_s = MemorySeriesStore(), 0.0
    sealer = Sealer(store, SealRules(GRACE_S, 1.0), ids())
    await lay(store, 1, walk(1000 * np.arange(1_000)))

    await sealer.retain(SLICE, 1, FIRST_MS + 600_000, lambda: now_s)

    refs = (await head_of(store)).blocks
    assert [True] * 6 + [False] * 4 == [ref.summary_only for ref in refs]
    assert 400 == len(await state_of(store))
    assert 0 == await sealer.purge_due(GRACE_S - 1)
    assert 16 == len({block_id for block_id, _ in store.blocks[SLICE, 0]})
    assert 2 == await sealer.purge_due(GRACE_S)
    assert 6 == sealer.retained_blocks
    assert 0 < sealer.retained.written_bytes < sealer.retained.read_bytes < sealer.volume.written_bytes
    assert {ref.block_id for ref in refs} == {block_id for block_id, _ in store.blocks[SLICE, 0]}
    assert [] == store.deltas[SLICE]


async def test_a_pin_whose_time_is_over_is_let_go_by_a_later_seal():
    """Sweeps come daily: what only a pin had kept goes then, after one more grace (design 4.14)."""
    store, now_s = MemorySeriesStore(), 0.0
    sealer = Sealer(store, SealRules(GRACE_S, 1.0), ids())
    await lay(store, 1, walk(1000 * np.arange(100)))
    await sealer.seal(SLICE, 1, lambda: now_s)
    await pin(store, SLICE, 2, until_ms=5)
    for position in (2, 6_000):  # positions are microseconds
        await lay(store, position, walk(1000 * np.arange(50, 60), seed=position))
        await sealer.seal(SLICE, position, lambda: now_s)
        await sealer.purge_due(now_s := now_s + SWEEP_S)
        pinned = len(await store.read_pins(SLICE))
        assert pinned == (1 if position == 2 else 0)
    await sealer.purge_due(now_s + GRACE_S)

    named = {ref.block_id for ref in (await head_of(store)).blocks}
    assert named == {block_id for block_id, _ in store.blocks[SLICE, 0]}


async def test_a_slow_series_is_not_sealed_with_each_record():
    """A record each quarter of an hour: seals soon wait for 64 of them, or for the end (design 4.6)."""
    store = CountingStore(MemorySeriesStore())
    sealer = Sealer(store, SealRules(GRACE_S, 600.0), ids())
    now_s, seals = 0.0, 0
    data = walk(900_000 * np.arange(400))
    for position in range(1, 401):
        await lay(store, position, data.part(position - 1, position))
        sealer.note(SLICE, 0, deltas=1, rows=1, now_s=now_s)
        for _ in range(90):
            now_s += 10.0
            for slice_id, _shard in sealer.due(now_s):
                seals += 1
                await sealer.seal(slice_id, position, partial(float, now_s))

    assert 3 + 400 // 64 == seals
    assert store.delta_bytes + store.block_bytes + store.head_bytes <= 4 * store.delta_bytes

    assert [] == sealer.due(now_s + 800)
    assert [(SLICE, 0)] == sealer.due(now_s + 1_000)


async def test_waiting_purges_hold_no_rows():
    """What waits through the grace is names only: the rows of ten minutes would fill the memory."""
    store = MemorySeriesStore()
    sealer = Sealer(store, SealRules(GRACE_S, 1.0), ids())
    await lay(store, 1, walk(1000 * np.arange(1_000)))

    sealed = await sealer.seal(SLICE, 1, lambda: 0.0)

    assert sealed is not None
    assert 1_000 == sealed.newest.rows
    assert [(0, 0)] == [(left.newest.rows, len(left.head.blocks)) for _, left in sealer._purges]

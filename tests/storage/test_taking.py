"""What a delete would take is counted exactly, by summaries where they hold (design 9.8, MS-52)."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from schemas.changes import Attach, Clear, Undo, Upsert
from schemas.columns import Column, Columns, Texts
from storage import blocks, taking
from storage.memory import MemorySeriesStore
from storage.port import SeriesStore
from storage.retention import retain
from storage.spans import Placed, Wanted
from storage.taking import Taken, count, newest_submission
from storage.undoing import cleared_by, judge, keep
from tests.storage.laying import FIRST_MS, SLICE, CountingStore, ids, lay, sealed_through, state_of, walk
from tests.storage.opened import opened_store
from tests.storage.series import SERIES


@pytest.fixture(params=["memory", "sqlite", "cassandra"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SeriesStore]:
    """Each series store in turn."""
    async with opened_store(request, tmp_path) as opened:
        yield opened


def texts(times: Any) -> Columns:
    """Make rows with a text and a number, some of them absent."""
    found = np.asarray(times, "<i8")
    present = found % 3 > 0
    cells = {1: Column(found / 7.0), 4: Column(Texts.of([f"t{time}" for time in found]), present)}
    return Columns(found + FIRST_MS, cells)


async def counted(store: Any, start: int, end: int, tail: tuple[Placed, ...] = ()) -> Taken:
    """Count a range of the slice."""
    return await count(store, SERIES, Wanted(FIRST_MS + start, FIRST_MS + end), tail, deadline_s=30.0)


async def demand_exact(store: Any, start: int, end: int) -> Taken:
    """Compare with every row that there is."""
    state = await state_of(store)
    inside = {t: row for t, row in state.items() if FIRST_MS + start <= t < FIRST_MS + end}
    taken = await counted(store, start, end)
    values: dict[int, int] = {}
    for row in inside.values():
        for variable in row:
            values[variable] = values.get(variable, 0) + 1
    assert len(inside) == taken.records
    assert (min(inside, default=None), max(inside, default=None)) == (taken.first_ms, taken.last_ms)
    assert values == {variable: number for variable, number in (taken.values or {}).items() if number}
    return taken


@pytest.mark.parametrize("seed", range(5))
async def test_counts_are_those_of_every_row(store: SeriesStore, seed: int) -> None:
    """Blocks, deltas over them, deletes, and what was undone: any range, numbers and texts."""
    dice = random.Random(seed)
    position, new_id = 0, ids()
    for _ in range(6):
        position += 1
        times = 1000 * np.arange(dice.randrange(2_000), 2_000 + dice.randrange(1, 1_000))
        await lay(store, position, walk(times, seed=position) if dice.random() < 0.7 else texts(times))
        if dice.random() < 0.5:
            with mock.patch.object(blocks, "BLOCK_ROWS_MAX", 300):
                await sealed_through(store, position, new_id)
        if dice.random() < 0.3:
            position += 1
            start = FIRST_MS + dice.randrange(2_000_000)
            await lay(store, position, Clear(start, start + 300_000))
        start = dice.randrange(2_500_000)
        await demand_exact(store, start, start + dice.choice([1, 50_000, 2_000_000]))
    await demand_exact(store, -(2**40), 2**40)


async def test_whole_blocks_are_counted_by_their_heads() -> None:
    """Of what no later change touches, no column is read, however much it is."""
    inner = MemorySeriesStore()
    await lay(inner, 1, walk(1000 * np.arange(60_000)))
    await sealed_through(inner, 1, ids())
    store: Any = CountingStore(inner)

    taken = await demand_exact(store, 0, 60_000_000)

    assert 60_000 == taken.records
    store.block_rows_read.clear()
    taken = await counted(store, 0, 60_000_000)
    assert ([], 0) == (store.block_rows_read, taken.rows_read)


async def test_the_tail_counts() -> None:
    """What is acknowledged and not stored yet is in the count, a delete too (design 4.17)."""
    store = MemorySeriesStore()
    await lay(store, 1, walk([1000, 2000, 3000]))
    tail = (
        Placed(5, 5, Clear(FIRST_MS, FIRST_MS + 1500)),
        Placed(6, 6, Upsert(walk([9000]))),
    )

    taken = await counted(store, 0, 10_000, tail)

    assert 3 == taken.records
    assert {1: 3, 2: 3, 3: 3} == taken.values
    empty = await counted(MemorySeriesStore(), 0, 10_000, tail[1:])
    assert 1 == empty.records


async def test_too_much_to_read_leaves_the_values_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of records is exact all the same; values are not told by halves."""
    monkeypatch.setattr(taking, "COUNT_ROWS_READ_MAX", 500)
    store = MemorySeriesStore()
    await lay(store, 1, texts(1000 * np.arange(20_000)))
    await sealed_through(store, 1, ids())
    await lay(store, 2, walk(1000 * np.arange(3_000, 3_100)))

    taken = await counted(store, 0, 2**40)

    assert (20_000, None) == (taken.records, taken.values)


async def test_summaries_of_retention_are_not_records() -> None:
    """Rows that live no more cannot be deleted."""
    store = MemorySeriesStore()
    await lay(store, 1, walk(1000 * np.arange(1_000)))
    with mock.patch.object(blocks, "BLOCK_ROWS_MAX", 100):
        await sealed_through(store, 1, ids())
    numbers = iter(range(1000, 2000))
    await retain(store, SLICE, FIRST_MS + 500_000, lambda: next(numbers).to_bytes(16, "big"))

    assert 500 == (await demand_exact(store, 0, 2**40)).records


async def test_a_submission_counts_by_its_position_wherever_it_lies() -> None:
    """Blocks say the youngest of all that they hold; deltas and the tail say their own (MS-52)."""
    store = MemorySeriesStore()
    reach = Wanted(FIRST_MS, FIRST_MS + 10_000)

    async def newest(*tail: Placed) -> int | None:
        return await newest_submission(store, SERIES, reach, tail)

    assert await newest() is None
    await lay(store, 5, walk([1000]))
    assert 5 == await newest()
    await lay(store, 7, walk([20_000]))
    assert 5 == await newest()
    await sealed_through(store, 7, ids())
    assert 7 == await newest()
    await lay(store, 8, Clear(FIRST_MS, FIRST_MS + 100))
    assert 7 == await newest(Placed(9, 9, Clear(FIRST_MS, FIRST_MS + 100)))
    assert 9 == await newest(Placed(9, 9, Upsert(walk([2000]))))


async def test_what_an_undo_brought_back_is_a_submission() -> None:
    """It is in the range since the undo, by the order."""
    store = MemorySeriesStore()
    await lay(store, 1, walk([1000]))
    await sealed_through(store, 1, ids())
    clear = Clear(FIRST_MS, FIRST_MS + 5000, 60)

    async def seal(_: object) -> None:
        raise AssertionError("it is sealed")

    await keep(store, SLICE, cleared_by(2, clear), seal)
    await lay(store, 2, clear)
    undo = Undo(2, clear.start_ms, clear.end_ms)
    attach = await judge(store, SERIES, undo, before=3, at_ms=0)
    assert isinstance(attach, Attach)
    await lay(store, 3, attach)

    assert 3 == await newest_submission(store, SERIES, Wanted(FIRST_MS, FIRST_MS + 10_000), ())
    assert 1 == (await demand_exact(store, 0, 10_000)).records

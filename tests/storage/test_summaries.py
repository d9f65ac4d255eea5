"""What blocks say of themselves equals what their rows say (design 4.11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.aspects import VariableType
from schemas.changes import Attach, Clear, Upsert
from schemas.columns import Column, Columns, Texts
from schemas.errors import Corrupt
from schemas.folding import cells_of, of_columns
from schemas.partials import CELL_MS, Partials, changed, joined, nothing, regrouped
from storage import blocks, summaries
from storage.heads import encode_refs
from storage.memory import MemorySeriesStore
from storage.port import SeriesStore
from storage.reader import read_series
from storage.retention import retain
from storage.sealing import seal
from storage.spans import Placed, Wanted
from storage.summary_reader import Cells, read_cells
from tests.storage.laying import FIRST_MS, SLICE, CountingStore, head_of, ids, lay, sealed_through, walk
from tests.storage.opened import opened_store
from tests.storage.series import SERIES

KINDS = {1: VariableType.DOUBLE, 2: VariableType.LONG}
SUMS = {"sum", "offset", "m2", "integral"}
"""Order-dependent in the last bits; everything else is exact."""


def measured(dice: np.random.Generator, times: np.ndarray[Any, Any]) -> Columns:
    """Make rows with a double, a long with quality codes, a boolean and a text."""
    rows = len(times)
    codes = dice.choice([-1, 0, 0x40000000, 0x80000000], rows)
    cells = {
        1: Column(np.round(dice.normal(100, 5, rows), 2), dice.random(rows) > 0.2),
        2: Column(dice.integers(-(2**62), 2**62, rows), quality=codes),
        3: Column(dice.random(rows) > 0.5),
        4: Column(Texts.of(["x"] * rows)),
    }
    return Columns(times, cells)


def plain(partials: Partials) -> dict[str, Any]:
    """Give every array of partials by its name."""
    found: dict[str, Any] = {}
    for name in partials.__struct_fields__:
        value = getattr(partials, name)
        if name in {"good", "uncertain"}:
            empty = value is None or not value.count.any()
            fields = () if empty else value.__struct_fields__
            found |= {f"{name}.{field}": getattr(value, field) for field in fields}
        else:
            found[name] = value
    return {name: array for name, array in found.items() if array is not None}


def assert_same(expected: Partials, found: Partials) -> None:
    """Compare partials: exact but for sums."""
    one, other = plain(expected), plain(found)
    assert one.keys() == other.keys()
    for name, array in one.items():
        if name.split(".")[-1] in SUMS and array.dtype.kind == "f":
            scale = 1e-12 * max(1.0, float(np.abs(array).max(initial=0)))
            np.testing.assert_allclose(other[name], array, rtol=1e-9, atol=1e3 * scale, err_msg=name)
        else:
            np.testing.assert_array_equal(array, other[name], err_msg=name)


@given(st.integers(0, 2**32), st.integers(1, 400))
def test_a_summary_is_read_as_it_was_written(seed, rows):
    """Cells and wholes of any rows come back as they were folded; variables without numbers have none."""
    dice = np.random.default_rng(seed)
    times = FIRST_MS + np.sort(dice.choice(20 * CELL_MS, rows, replace=False))
    columns = measured(dice, times)
    written = summaries.by_cells(columns)

    for sections, compress in ((written.cells, True), (written.whole, False)):
        read = summaries.decode_summaries([summaries.encode_summary(sections, compress=compress)])
        assert read.keys() <= {1, 2}
        for variable, kind in KINDS.items():
            expected = cells_of(columns, variable, kind)
            if not compress and len(expected):
                expected = regrouped(expected, np.repeat(expected.groups[:1], len(expected)))
            assert_same(expected, read.get(variable, nothing(kind)))


@given(st.integers(0, 2**32), st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(1, 9))
def test_variables_fold_together_as_they_do_alone(seed, sizes, per_interval):
    """A stack of blocks that share cells folds to what each variable's cells, joined, fold to."""
    dice = np.random.default_rng(seed)
    times = FIRST_MS + np.sort(dice.choice(20 * CELL_MS, sum(sizes), replace=False))
    parts = [measured(dice, each) for each in np.split(times, np.cumsum(sizes)[:-1])]
    bodies = [summaries.encode_summary(summaries.by_cells(each).cells, compress=True) for each in parts]
    first, end = sorted(dice.integers(FIRST_MS // CELL_MS, FIRST_MS // CELL_MS + 23, 2).tolist())

    stacks = [stack.between(first, end) for stack in summaries.decode_stacks(bodies)]

    found = {}
    for stack in stacks:
        groups = (stack.partials.groups - first) // per_interval
        found |= stack.regrouped(groups, 30)
    for variable, cells in summaries.decode_summaries(bodies).items():
        inside = (cells.groups >= first) & (cells.groups < end)
        kept = changed(cells, lambda array, inside=inside: array[inside])
        assert_same(regrouped(kept, (kept.groups - first) // per_interval), found[variable])


def test_a_summary_of_sparse_rows_is_not_kept():
    """Below 64 rows a cell, or in a block that will be merged, rows are read as fast (design 4.11)."""
    dense, sparse = 1000 * np.arange(2_000), 20_000 * np.arange(2_000)
    kept = [summaries.of_block(walk(times)) is not None for times in (dense, sparse)]
    assert [True, False] == kept

    sizes = (4_999, 5_000)
    refs = [blocks.encode_block(blocks.Place(SLICE, 0), bytes(16), walk(range(size)), 1)[0] for size in sizes]
    assert [False, True] == [ref.cells for ref in refs]


def test_a_damaged_summary_is_corrupt():
    """A summary cut anywhere, or of an unknown form, is reported and never believed."""
    body = summaries.encode_summary(summaries.by_cells(walk(1000 * np.arange(2_000))).cells, compress=False)
    for size in range(1, len(body) - 1, 97):
        with pytest.raises(Corrupt):
            summaries.decode_summaries([body[:size]] if size > 1 else [b"\x07" + body])


def test_a_widened_variable_is_read_as_double():
    """Summaries of LONG rows and of later DOUBLE rows of one variable are read as one (design 8.12)."""
    old = Columns(FIRST_MS + 1000 * np.arange(2_000), {1: Column(np.arange(2_000))})
    new = Columns(FIRST_MS + 1000 * np.arange(2_000, 4_000), {1: Column(np.arange(2_000) / 2)})
    bodies = [summaries.encode_summary(summaries.by_cells(each).cells, compress=True) for each in (old, new)]

    read = summaries.decode_summaries(bodies)[1]

    assert read.good.sum.dtype == np.float64
    assert 4_000 == read.good.count.sum()
    assert (np.diff(read.groups) == 1).all()


async def folded(
    store: SeriesStore, wanted: Wanted, borders: Any, tail: Any = ()
) -> tuple[dict[int, Partials], list[Cells | Columns]]:
    """Fold what the reader yields into the intervals."""
    parts: dict[int, list[Partials]] = {variable: [] for variable in KINDS}
    items = [item async for item in read_cells(store, SERIES, wanted, borders, tail)]
    for item in items:
        cells = {} if isinstance(item, Columns) else cells_in(item)
        for variable, kind in KINDS.items():
            if isinstance(item, Columns):
                parts[variable].append(of_columns(item, variable, kind, borders))
            elif variable in cells:
                part = cells[variable]
                parts[variable].append(regrouped(part, intervals_of(part, borders)))
    return {variable: joined(parts[variable], kind) for variable, kind in KINDS.items()}, items


def cells_in(item: Cells) -> dict[int, Partials]:
    """Give the cells of each variable."""
    return {variable: cells for stack in item.stacks for variable, cells in stack.split().items()}


def intervals_of(cells: Partials, borders: Any) -> Any:
    """Give the interval of each group of cells."""
    return np.searchsorted(borders, cells.groups * CELL_MS, side="right") - 1


CELL_BASE = -(-FIRST_MS // CELL_MS)
"""A cell inside the slice."""


@settings(max_examples=60)
@given(st.data())
def test_a_fold_over_cells_is_the_fold_over_columns(data):
    """Whatever is sealed, late, cleared or still in the tail: summaries and rows say the same (MS-60)."""
    head_bytes = data.draw(st.sampled_from([0, 3_000, 10**6]))
    always = {"CELL_ROWS_MIN": 1, "HEAD_BYTES_MAX": head_bytes}
    with (
        mock.patch.multiple(blocks, BLOCK_ROWS_MAX=data.draw(st.sampled_from([40, 300])), FULL=0.1),
        mock.patch.multiple(summaries, **always),
    ):
        asyncio.run(_compare(MemorySeriesStore(), data.draw(st.integers(0, 2**32))))


async def _compare(store: SeriesStore, seed: int) -> None:
    """Lay and seal at random, leave a tail, and compare both folds over random ranges."""
    dice = np.random.default_rng(seed)
    new_id = ids()
    start_ms, span = CELL_BASE * CELL_MS, 30 * CELL_MS
    tail: list[Placed] = []
    for position in range(1, int(dice.integers(2, 8))):
        times = start_ms + np.sort(dice.choice(span, dice.integers(1, 500), replace=False))
        cut = int(dice.integers(0, span))
        change = Clear(start_ms + cut, start_ms + cut + int(dice.integers(1, span // 4)))
        laid = measured(dice, times) if dice.random() < 0.8 else change
        if dice.random() < 0.2:
            tail.append(Placed(position, position, laid if isinstance(laid, Clear) else Upsert(laid)))
        elif not tail:
            await lay(store, position, laid)
        if dice.random() < 0.6 and not tail:
            await seal(store, SLICE, position, new_id)
    for _ in range(3):
        step = int(dice.choice([1, 2, 8, 96]))
        borders = start_ms + CELL_MS * np.arange(-2, 140, step)
        first, end = borders[0] + 1, borders[-1] + 1
        if dice.random() < 0.5:  # ends inside a cell
            first, end = (
                start_ms + int(dice.integers(0, span // 2)),
                start_ms + int(dice.integers(span // 2, span)),
            )
        wanted = Wanted(int(first), int(end))
        columns = await read_series(store, SERIES, wanted, tail)
        found, _ = await folded(store, wanted, borders, tail)
        for variable, kind in KINDS.items():
            assert_same(of_columns(columns, variable, kind, borders), found[variable])


@pytest.fixture(params=["sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)])
async def real_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SeriesStore]:
    """The stores that keep bytes."""
    async with opened_store(request, tmp_path) as store:
        yield store


async def test_stores_give_back_the_summaries_that_were_put_in(real_store, monkeypatch):
    """The same over a file and over a server."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS_MAX", 100)
    monkeypatch.setattr(summaries, "CELL_ROWS_MIN", 1)
    await _compare(real_store, 7)


async def test_no_row_is_read_where_summaries_hold():
    """Whole blocks in one interval come from the head alone, cells from their summary rows (design 4.11)."""
    store, new_id = CountingStore(MemorySeriesStore()), ids()
    start = CELL_BASE * CELL_MS - FIRST_MS
    await lay(store, 1, walk(start + 1000 * np.arange(1, 30_001), variables=2))
    await sealed_through(store, 1, new_id)
    wanted = Wanted(FIRST_MS + start + 1, FIRST_MS + start + 36_000_001)
    store.block_rows_read.clear()

    borders = FIRST_MS + start + np.array([0, 40 * CELL_MS])
    whole, items = await folded(store, wanted, borders)
    assert [] == store.block_rows_read
    assert [True] == [isinstance(item, Cells) for item in items]
    assert [30_000] == whole[1].good.count.tolist()

    hours = FIRST_MS + start + 4 * CELL_MS * np.arange(11)
    by_hour, _ = await folded(store, wanted, hours)
    assert {blocks.SUMMARY} == {variable for _, variable in store.block_rows_read}
    assert [3_600] * 8 + [1_200] == by_hour[1].good.count.tolist()


@pytest.mark.parametrize("stored", [True, False], ids=["delta", "tail"])
async def test_a_window_inside_an_attached_block_is_not_empty(stored):
    """An import that is not sealed yet counts, also where neither end of its block is asked for (9.2)."""
    store, new_id = MemorySeriesStore(), ids()
    rows = walk(1000 * np.arange(9_000))
    ref, body = blocks.encode_block(blocks.Place(SLICE, 0), new_id(), rows, 2)
    await store.write_blocks(body)
    attach = Attach(encode_refs((msgspec.structs.replace(ref, slice_start_ms=SLICE.start_ms),)))
    await lay(store, 1, walk([10_000_000]))
    await sealed_through(store, 1, new_id)
    if stored:
        await lay(store, 2, attach)
    tail = [] if stored else [Placed(2, 2, attach)]

    wanted = Wanted(CELL_BASE * CELL_MS + 1, (CELL_BASE + 4) * CELL_MS + 1)
    borders = CELL_MS * (CELL_BASE + np.arange(5))
    found, _ = await folded(store, wanted, borders, tail)

    assert [900] * 4 == found[1].good.count.tolist()


async def test_a_head_keeps_a_bounded_number_of_summaries(monkeypatch):
    """However many blocks a slice has, what the head says of them takes at most its share (design 4.11)."""
    monkeypatch.setattr(summaries, "HEAD_BYTES_MAX", 1_000)
    store = MemorySeriesStore()
    await lay(store, 1, walk(1000 * np.arange(60_000), variables=2))
    await sealed_through(store, 1, ids())

    refs = (await head_of(store)).blocks
    assert 0 < sum(len(ref.summary) for ref in refs) <= 1_000
    assert all(ref.cells for ref in refs)
    kept = [bool(ref.summary) for ref in refs]
    assert sorted(kept, reverse=True) == kept


async def test_intervals_of_no_whole_cells_are_refused():
    """Finer or unaligned intervals fold columns: asking for their summaries is an error of the caller."""
    with pytest.raises(ValueError, match="whole cells"):
        await anext(read_cells(MemorySeriesStore(), SERIES, Wanted(0, 10), np.array([0, 1])))


async def test_what_retention_left_is_read_from_cells():
    """Where only summaries live, cells that the range cuts are given whole, and say so (design 4.13)."""
    store, new_id = MemorySeriesStore(), ids()
    start = CELL_BASE * CELL_MS
    await lay(store, 1, walk(start - FIRST_MS + 1000 * np.arange(1, 20_001), variables=2))
    await sealed_through(store, 1, new_id)
    assert await retain(store, SLICE, start + 11_000_000, new_id) is not None

    borders = start + CELL_MS * np.arange(30)
    found = [
        item
        async for item in read_cells(store, SERIES, Wanted(start + 1_000_000, start + 19_000_000), borders)
    ]

    assert [True, False, None] == [item.summary_only if isinstance(item, Cells) else None for item in found]
    assert isinstance(found[0], Cells)
    assert CELL_BASE + 1 == cells_in(found[0])[1].groups[0]
    assert 10_000 - 900 == cells_in(found[0])[1].good.count.sum()

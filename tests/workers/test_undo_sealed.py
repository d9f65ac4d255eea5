"""What comes of an undo follows from the entries alone: a seal in between changes nothing (design 4.14)."""

from __future__ import annotations

import pytest

from schemas.changes import Change, Clear, Undo
from storage.slices import WIDTH_MS, slice_start
from streams.shards import shard_of
from tests.storage.series import SERIES
from tests.workers.mixes import UNDO_S, put
from tests.workers.world import SHARDS, START_MS, World, memory_world, step
from workers.writer import Writer

SHARD = shard_of(SERIES.tenant, SERIES.asset, SHARDS)
SLICE_MS = slice_start(SERIES, START_MS)


async def written(world: World, writer: Writer, change: Change | Undo, *, sealed: bool) -> int:
    """Write a change and have it stored, and sealed if so wanted; gives its position."""
    admitted = await world.write(SERIES, change)
    await step(writer)
    for _ in range(3 * sealed):
        world.clock.advance(6_000)
        await step(writer)
    return admitted.position


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("again", [2.0, 3.0])
async def test_an_import_is_undone_under_its_own_rows_written_again(sealed: bool, again: float):
    """A row as it was imported is no other one; one that differs stands in the way."""
    world = memory_world()
    writer = world.writer()
    await step(writer)
    await written(world, writer, put(START_MS + 2, value=1.0), sealed=sealed)
    brought = await world.stage(SERIES, put(START_MS + 2, START_MS + 4, value=2.0).columns, UNDO_S)
    position = await written(world, writer, brought, sealed=sealed)
    await written(world, writer, put(START_MS + 4, START_MS + 6, value=again), sealed=sealed)

    await written(world, writer, Undo(position, START_MS + 2, START_MS + 5), sealed=sealed)

    assert world.expected(SERIES) == await world.stored(SERIES)
    assert (again != 2.0) == bool(await world.stream.dead_letters(SHARD))


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("slices", [2, 3])
@pytest.mark.parametrize("whole", [False, True])
async def test_a_delete_is_not_undone_over_slices_that_began_since(sealed: bool, slices: int, whole: bool):
    """A row came to a slice that the delete reached before it was there, and is gone for good again."""
    world = memory_world()
    writer = world.writer()
    await step(writer)
    times = [SLICE_MS + number * WIDTH_MS + 1_000 for number in range(slices)]
    end_ms = SLICE_MS + slices * WIDTH_MS + 1 if whole else times[-1] + 1
    await written(world, writer, put(times[0]), sealed=sealed)
    position = await written(world, writer, Clear(SLICE_MS, end_ms, UNDO_S), sealed=sealed)
    await written(world, writer, put(*times[1:]), sealed=sealed)
    await written(world, writer, Clear(times[-1], times[-1] + 1), sealed=sealed)
    if slices > 2:
        await written(world, writer, Clear(times[1], times[1] + 1), sealed=sealed)

    await written(world, writer, Undo(position, SLICE_MS, end_ms), sealed=sealed)

    assert {} == world.expected(SERIES) == await world.stored(SERIES)
    [letter] = await world.stream.dead_letters(SHARD)
    assert "something newer" in letter.reason

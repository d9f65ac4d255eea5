"""A writer changes the width of a series' slices, far ahead, and everybody follows (design 4.8)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas.changes import Clear, Upsert
from schemas.columns import Column, Columns
from schemas.durations import DAY_MS
from schemas.errors import StoreUnavailable
from storage import slices
from storage.port import SliceId
from storage.slices import FIRST_PLAN, PLAN_LEAD_MS, WIDTH_MS, slice_start
from streams.shards import shard_of
from tests.storage.layers import serial
from tests.storage.series import OTHER, SERIES
from tests.workers.world import EVERYTHING, SHARDS, START_MS, World, memory_world, step
from workers import planning

SHARD = shard_of(SERIES.tenant, SERIES.asset, SHARDS)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which some kilobytes are a large partition."""
    for module in (slices, planning):
        monkeypatch.setattr(module, "PARTITION_BYTES_MIN", 64)
        monkeypatch.setattr(module, "PARTITION_BYTES_MAX", 2_000)
    monkeypatch.setattr(slices, "PARTITION_BYTES_AIM", 1_000)
    return memory_world()


def rows(start_ms: int, count: int, apart_ms: int = 3_600_000) -> Upsert:
    """Make rows that hardly pack."""
    values = np.random.default_rng(start_ms % 1_000).normal(0, 1, count)
    return Upsert(Columns(start_ms + apart_ms * np.arange(count), {1: Column(values)}))


async def seal_now(world, writer) -> None:
    """Let a slice become quiet and be sealed."""
    await step(writer)
    world.clock.advance(6_000)
    await step(writer)


async def pass_time(world, writer, ms: int) -> None:
    """Move the clock far; the shard stays open."""
    world.clock.advance(ms)
    await step(writer)
    await writer._renew_limits()


async def planned(world, writer):
    """Store so much that the plan is changed; gives the plan."""
    await step(writer)
    await world.write(SERIES, rows(slice_start(SERIES, START_MS) + DAY_MS, 400))
    await seal_now(world, writer)
    plans = await world.store.read_plans(SHARD)
    assert [SERIES] == list(plans)
    return plans[SERIES]


async def test_a_large_slice_makes_later_ones_narrower(world):
    """From the start of the version on, rows lie in narrower slices; before it nothing changes."""
    writer = world.writer()
    plan = await planned(world, writer)
    [version] = plan
    assert version.from_ms >= START_MS + PLAN_LEAD_MS
    assert version.width_ms < WIDTH_MS

    await pass_time(world, writer, version.from_ms - START_MS)
    times = (version.from_ms - DAY_MS, version.from_ms + 1, version.from_ms + 20 * DAY_MS)
    for time_ms in times:
        await world.write(SERIES, rows(time_ms, 2, 1000))
        assert world.expected(SERIES) == await world.read(SERIES)
    await step(writer)

    listed = await world.store.read_slices(SERIES)
    assert {slice_start(SERIES, time_ms, plan) for time_ms in times} <= set(listed)
    assert {WIDTH_MS, version.width_ms} == set(listed.values())
    assert world.expected(SERIES) == await world.read(SERIES) == await world.stored(SERIES)
    await seal_now(world, writer)
    assert world.expected(SERIES) == await world.stored(SERIES)

    await world.write(SERIES, rows(version.from_ms + 1, 2, 20 * DAY_MS + 5_000))
    fresh = (await world.reading.rows(SERIES, EVERYTHING)).columns
    assert (np.diff(fresh.time_ms) > 0).all()
    assert world.expected(SERIES) == serial([fresh])


async def test_the_next_writer_knows_the_plan(world):
    """A writer that takes over folds by the plan that another made; clears reach its slices."""
    plan = await planned(world, world.writer())
    second = world.writer("w2")
    await pass_time(world, second, plan[0].from_ms - START_MS + 60 * DAY_MS)

    [version] = plan
    starts = [version.from_ms + place * version.width_ms for place in (0, 1, 3)]
    for start in starts:
        await world.write(SERIES, rows(start + 1, 30, 60_000))
    await step(second)
    await world.write(SERIES, Clear(starts[1] + 1, starts[2] + 600_000))
    await step(second)

    assert world.expected(SERIES) == await world.read(SERIES) == await world.stored(SERIES)
    assert set(starts) <= set(await world.store.read_slices(SERIES))
    laid = [len(await world.store.read_deltas(SliceId(SERIES, start), 0)) for start in starts]
    assert [1, 2, 2] == laid


async def test_a_writer_that_stays_learns_what_another_planned(world):
    """Plans are read again a few times a day: long before the first record can fall under a new one."""
    writer = world.writer()
    await step(writer)
    version = slices.PlanVersion(slice_start(OTHER, START_MS) + 2 * WIDTH_MS, DAY_MS)
    shard = shard_of(OTHER.tenant, OTHER.asset, SHARDS)
    await world.store.write_plan(shard, OTHER, version)

    await step(writer)
    assert FIRST_PLAN == writer._held[shard].plans.get(OTHER, FIRST_PLAN)
    world.clock.advance(DAY_MS // 2)
    await step(writer)

    assert (version,) == writer._held[shard].plans[OTHER]


async def test_old_data_plans_nothing(world):
    """An import of years ago says nothing of what comes in a month."""
    writer = world.writer()
    await step(writer)
    await world.write(SERIES, rows(START_MS - 200 * DAY_MS, 230))
    await seal_now(world, writer)

    assert {} == await world.store.read_plans(SHARD)


async def test_a_slice_that_came_out_small_makes_later_ones_wider(world, monkeypatch):
    """Slices of a slow series are joined: fewer partitions for the same rows (design 4.8)."""
    writer = world.writer()
    start = slice_start(SERIES, START_MS) - WIDTH_MS
    await step(writer)
    await world.write(SERIES, rows(start + DAY_MS, 3, 14 * DAY_MS))
    for module in (slices, planning):
        monkeypatch.setattr(module, "PARTITION_BYTES_MIN", 1_000)
    await seal_now(world, writer)

    [version] = (await world.store.read_plans(SHARD))[SERIES]
    assert version.width_ms > WIDTH_MS


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", ["write_plan", "read_plans"])
async def test_a_crash_in_a_change_of_plan_reads_the_same(world, call, after):
    """Whether the version was stored or not, the next writer goes on, and nobody reads anything else."""

    class Stopping:
        stopped = False

        def __getattr__(self, name: str) -> Any:
            method = getattr(world.store, name)

            async def stop(*arguments: Any) -> Any:
                if after:
                    await method(*arguments)
                raise StoreUnavailable("the process is gone")

            return stop if name == call and self.stopped else method

    store = Stopping()
    writer = world.writer(ports=(world.stream, store))
    await step(writer)
    await world.write(SERIES, rows(slice_start(SERIES, START_MS) + DAY_MS, 400))
    await step(writer)
    store.stopped = True
    world.clock.advance(6_000)
    with pytest.raises(StoreUnavailable):
        await step(writer)
    expected = world.expected(SERIES)
    assert expected == await world.read(SERIES) == await world.stored(SERIES)

    second = world.writer("w2")
    await pass_time(world, second, 3 * WIDTH_MS)
    await world.write(SERIES, rows(START_MS + 3 * WIDTH_MS, 50, DAY_MS // 2))
    await step(second)
    assert world.expected(SERIES) == await world.read(SERIES) == await world.stored(SERIES)
    narrow = [width for width in (await world.store.read_slices(SERIES)).values() if width < WIDTH_MS]
    assert bool(narrow) == (call == "read_plans" or after)

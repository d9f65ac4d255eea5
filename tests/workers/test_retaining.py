"""Retention by the writers: rows go a day after doors refuse what reaches there (design 4.13)."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import numpy as np
import pytest

from api.reading.folding import Aggregating
from runtime.clock import ManualClock
from schemas.aspects import VariableType
from schemas.changes import Clear
from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.errors import StoreUnavailable
from schemas.ids import CORE, AspectId, AssetId, SeriesId, TenantId
from schemas.jobs import ReplayDeadLetters
from schemas.tenants import Tenant
from storage import blocks
from storage.memory import MemorySeriesStore
from storage.memory_catalog import MemoryCatalogStore
from storage.retention_rules import settle_rule
from storage.slices import slice_start
from streams.memory import MemoryRecordStream
from streams.shards import shard_of
from tests.storage.laying import StoppingStore
from tests.storage.opened import opened_store
from tests.workers.mixes import put
from tests.workers.world import SHARDS, START_MS, World, step
from workers.jobs import replay_dead_letters

DAYS = 10
HORIZON_MS = START_MS - DAYS * DAY_MS
OLD_MS = HORIZON_MS - 3 * DAY_MS
BORDERS = np.array([START_MS - 360 * DAY_MS, START_MS + 60 * DAY_MS])


@pytest.fixture(params=["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)])
async def world(request, tmp_path, monkeypatch):
    """A world over each store, its own; blocks of 50 rows, so that a horizon has blocks on both sides.

    Two tests on the shards of one store are two writers of one shard: one of them would be refused.
    """
    monkeypatch.setattr(blocks, "BLOCK_ROWS_MAX", 50)
    clock = ManualClock(START_MS)
    async with opened_store(request, tmp_path) as store:
        yield World(MemoryRecordStream(lambda: clock.now_ms() * 1000), store, clock)


@pytest.fixture
def memory(monkeypatch):
    """A world of memory."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS_MAX", 50)
    clock = ManualClock(START_MS)
    return World(MemoryRecordStream(lambda: clock.now_ms() * 1000), MemorySeriesStore(), clock)


@pytest.fixture
def series():
    """A series that no other test, and no earlier run, has; old and young rows of it lie in one slice."""
    while True:
        found = SeriesId(TenantId("acme"), AssetId(secrets.token_hex(16)), AspectId("b" * 32))
        if slice_start(found, OLD_MS) == slice_start(found, START_MS + 2 * DAY_MS):
            return found


async def catalog_with(days=DAYS, since_ms=START_MS - 5 * DAY_MS):
    """Make a catalogue in which the tenant has a rule for so long."""
    catalog = MemoryCatalogStore()
    tenant = Tenant(TenantId("acme"), AssetId("a" * 32), since_ms)
    await catalog.create(CORE, "tenant", "acme", msgspec.json.encode(tenant))
    await settle_rule(catalog, "acme", days, since_ms)
    return catalog


async def keeping(world, **rule):
    """Make a writer that holds every shard and has not read the rules yet."""
    writer = world.writer(catalog=await catalog_with(**rule))
    writer._retaining._rules_s = START_MS / 1_000 + 1
    await step(writer)
    return writer


async def counted(world, series):
    """Count all values that aggregates know of."""
    folded = await Aggregating(world.reading).partials(series, BORDERS, {1: VariableType.DOUBLE})
    return int(folded.partials[1].good.count.sum())


async def times(world, series):
    """Give the times of the rows that live."""
    return sorted(await world.read(series))


async def retain(world, writer):
    """Let a writer look until it has gone through all series."""
    for _ in range(3):
        world.clock.advance(60_000)
        await step(writer)
        while writer._retaining._waiting and writer._retaining._mark_s > world.clock.monotonic_s():
            await step(writer)


async def later(world, writer, ms):
    """Move the clock; the shards stay open."""
    while ms > 0:
        world.clock.advance(min(ms, HOUR_MS))
        ms -= HOUR_MS
        await writer._renew_limits()


async def test_rows_become_summaries(world, series):
    """Old rows go, aggregates stay as they were, young rows stay; the purge waits for the grace."""
    writer = await keeping(world)
    old = [OLD_MS + MINUTE_MS * n for n in range(200)]
    young = [START_MS - DAY_MS + MINUTE_MS * n for n in range(100)]
    await world.write(series, put(*old, *young))
    await step(writer)

    await retain(world, writer)

    assert young == await times(world, series)
    assert 300 == await counted(world, series)
    sealer = writer._sealer
    assert 4 == sealer.retained_blocks
    assert min(sealer.retained.read_bytes, sealer.retained.written_bytes) > 0
    world.clock.advance(3_000)
    await step(writer)
    assert (0, 2) == (sealer.waiting[2], writer.figures.purges)
    assert 300 == await counted(world, series)


async def test_what_was_admitted_before_the_horizon_moved_is_summarised(world, series):
    """An entry that waits in the stream holds the horizon of its shard; once applied, the summary has it."""
    writer = await keeping(world)
    await world.write(series, put(*(HORIZON_MS - 40 * MINUTE_MS + MINUTE_MS * n for n in range(100))))
    await step(writer)
    late = put(HORIZON_MS - 30 * MINUTE_MS + 1, value=5.0)
    await world.write(series, late)

    await later(world, writer, 2 * DAY_MS)
    for _ in range(5):
        await writer.tidy()
        world.clock.advance(60_000)
    assert 101 == len(await times(world, series))

    await retain(world, writer)
    assert [] == await times(world, series)
    assert 101 == await counted(world, series)


async def test_positions_ahead_of_the_clock_move_no_horizon(memory, series):
    """A shard that was opened anew gives positions of the future: they are no times (design 4)."""
    writer = await keeping(memory)
    shard = shard_of(series.tenant, series.asset, SHARDS)
    memory.stream.shard(shard).last = (START_MS + 30 * DAY_MS) * 1000
    memory.stream.shard(shard).limit = (START_MS + 40 * DAY_MS) * 1000
    await memory.write(series, put(*(START_MS - DAY_MS + MINUTE_MS * n for n in range(100))))

    await retain(memory, writer)

    tenure = writer._held[shard]
    assert memory.clock.now_ms() - 60_000 <= tenure.applied_ms <= memory.clock.now_ms() < tenure.cursor / 1000
    assert 100 == len(await times(memory, series))


async def test_a_busy_shard_is_retained_too(memory, series):
    """Something always waits: it is enough that what waited half a minute ago is stored."""
    writer = await keeping(memory)
    await memory.write(series, put(*(OLD_MS + MINUTE_MS * n for n in range(100))))
    for number in range(8):
        await memory.write(series, put(START_MS + number))
        await step(writer)
        await memory.write(series, put(START_MS + 100 + number))
        await writer.tidy()
        memory.clock.advance(31_000)

    assert 16 == len(await times(memory, series))
    assert 116 == await counted(memory, series)


async def test_a_young_rule_takes_nothing(memory, series):
    """In the first day of a rule doors may still admit by the one before it."""
    writer = await keeping(memory, since_ms=START_MS)
    await memory.write(series, put(*(OLD_MS + MINUTE_MS * n for n in range(100))))
    await later(memory, writer, DAY_MS - HOUR_MS)
    await retain(memory, writer)
    assert 100 == len(await times(memory, series))

    await later(memory, writer, 2 * DAY_MS)
    await retain(memory, writer)

    assert [] == await times(memory, series)
    assert 100 == await counted(memory, series)


async def test_without_a_rule_nothing_is_listed_or_taken(memory, series):
    """Rows live for ever by default, and the store is not walked for it."""
    writer = await keeping(memory, days=0)
    memory.store.list_series = None
    await memory.write(series, put(*(OLD_MS + MINUTE_MS * n for n in range(100))))
    await later(memory, writer, 3 * DAY_MS)
    await retain(memory, writer)

    assert 100 == len(await times(memory, series))


async def test_latest_values_go_with_their_rows(memory, series):
    """What a read of the newest value shows is a row that lives (design 4.12)."""
    writer = await keeping(memory)
    shard = shard_of(series.tenant, series.asset, SHARDS)
    await memory.write(series, put(*(OLD_MS + MINUTE_MS * n for n in range(100))))
    await step(writer)
    assert series in memory.stream.shard(shard).latest

    await retain(memory, writer)

    assert series not in memory.stream.shard(shard).latest
    assert [] == await times(memory, series)


@pytest.mark.parametrize("change", [put(OLD_MS, START_MS), Clear(OLD_MS, START_MS)], ids=["rows", "clear"])
async def test_what_reaches_there_all_the_same_is_set_aside(memory, series, change):
    """A replayed letter that is too old by now, or a door that slept: a dead letter, and no silent loss."""
    writer = await keeping(memory)
    await memory.write(series, put(*(OLD_MS + MINUTE_MS * n for n in range(100))))
    await retain(memory, writer)

    await memory.write(series, put(START_MS - 5))
    refused = await memory.write(series, change)
    await step(writer)

    shard = shard_of(series.tenant, series.asset, SHARDS)
    [letter] = await memory.stream.dead_letters(shard)
    assert refused.position == letter.position
    assert "retention" in letter.reason
    assert [START_MS - 5] == await times(memory, series)
    await replay_dead_letters(memory.stream, ReplayDeadLetters(), SHARDS)
    memory.clock.advance(1)
    await step(writer)
    assert 1 == len(await memory.stream.dead_letters(shard))


async def test_single_records_are_set_aside_one_by_one(memory, series):
    """Records that are decoded together are judged apart: a sound neighbour is stored."""
    writer = await keeping(memory)
    await retain(memory, writer)
    await memory.write(series, put(START_MS))
    await memory.write(series, put(OLD_MS))
    await memory.write(series, put(START_MS + 1))
    await step(writer)

    assert [START_MS, START_MS + 1] == await times(memory, series)
    letters = await memory.stream.dead_letters(shard_of(series.tenant, series.asset, SHARDS))
    assert 1 == len(letters)


async def test_slices_that_are_covered_are_not_looked_at_again(memory, series):
    """A later pass looks at what a horizon has reached since; a new writer looks at everything once."""
    writer = await keeping(memory)
    for months in range(2, 7):
        await memory.write(series, put(*(START_MS - months * 32 * DAY_MS + MINUTE_MS * n for n in range(9))))
    await retain(memory, writer)
    looked: list[Any] = []
    read_head = memory.store.read_head

    async def noted(slice_id, **options):
        looked.append(slice_id)
        return await read_head(slice_id, **options)

    memory.store.read_head = noted
    await later(memory, writer, DAY_MS)
    await retain(memory, writer)

    assert len({*looked}) <= 1
    assert 45 == await counted(memory, series)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_call_of_a_pass_reads_the_same(memory, series, after):
    """Rows live or they are summarised: aggregates say the same whenever a writer dies (design 4.13)."""
    first, catalog = await keeping(memory), await catalog_with()
    young = [START_MS - DAY_MS + MINUTE_MS * n for n in range(60)]
    await memory.write(series, put(*(OLD_MS + MINUTE_MS * n for n in range(100)), *young))
    await step(first)
    await first._leases.release()
    for calls in range(1, 200):
        stopping: Any = StoppingStore(memory.store, calls, after=after)
        writer = memory.writer(f"x{calls}", ports=(memory.stream, stopping), catalog=catalog)
        try:
            for shard in range(SHARDS):
                await writer._take_over(shard)
            for _ in range(3):
                await writer.tidy()
                memory.clock.advance(100)
            break
        except StoreUnavailable:
            assert 160 == await counted(memory, series)
            assert await times(memory, series) in ([*young], sorted(memory.expected(series)))
    else:
        pytest.fail("a pass takes more calls than that")
    assert young == await times(memory, series)
    assert 160 == await counted(memory, series)
    assert calls > 10

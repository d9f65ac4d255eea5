"""What a tenant's series take in the store is counted where a policy limits it (design 7)."""

from __future__ import annotations

import msgspec
import pytest

from runtime.clock import ManualClock
from schemas.ids import CORE, AspectId, AssetId, SeriesId, TenantId
from schemas.tenants import Tenant
from storage.heads import decode_head
from storage.memory import MemorySeriesStore
from storage.memory_catalog import MemoryCatalogStore
from storage.port import SliceId
from streams.memory import MemoryRecordStream
from tests.workers.mixes import put
from tests.workers.world import SHARDS, START_MS, World, step
from workers.weighing import PASS_S, POLICIES_S, Weighing


def series_of(tenant, number):
    """Name a series."""
    return SeriesId(TenantId(tenant), AssetId(f"{number:032x}"), AspectId("b" * 32))


def rows():
    """Make rows that fill a block."""
    return put(*range(START_MS, START_MS + 200))


async def catalog_with(**policies):
    """Make a catalogue with a policy that limits what is stored, and tenants with these profiles."""
    catalog = MemoryCatalogStore()
    await catalog.create(CORE, "policy", "small", b'{"name":"small","storedBytesMax":5}')
    await catalog.create(CORE, "policy", "newer", b'{"name":"newer","magic":5}')
    for name, profile in policies.items():
        tenant = Tenant(TenantId(name), AssetId("a" * 32), START_MS, profile=profile)
        await catalog.create(CORE, "tenant", name, msgspec.json.encode(tenant))
    return catalog


@pytest.fixture
async def world():
    """A world with sealed series of two tenants."""
    clock = ManualClock(START_MS)
    world = World(MemoryRecordStream(lambda: clock.now_ms() * 1000), MemorySeriesStore(), clock)
    writer = world.writer()
    await step(writer)
    for number in range(20):
        for tenant in ("windco", "sunco"):
            await world.write(series_of(tenant, number), rows())
    await step(writer)
    clock.advance(60_000)
    await step(writer)
    return world


async def stored(world, tenant):
    """Give what a tenant is told to have stored."""
    return (await world.stream.read_spent(tenant)).stored_bytes


async def blocks_of(world, tenant):
    """Count the bytes of the blocks themselves."""
    total = 0
    for series in await world.store.list_series():
        for start_ms in await world.store.read_slices(series) if series.tenant == tenant else ():
            place = SliceId(series, start_ms)
            for ref in decode_head((await world.store.read_head(place)).body).blocks:
                variables = [0, -1, *ref.variables]
                rows = await world.store.read_blocks(place, ref.part, variables, [ref.block_id])
                total += sum(map(len, rows.values()))
    return total


def weighing_of(world, catalog):
    """Make the count of a writer."""
    return Weighing(world.stream, world.store, catalog, shards=SHARDS, clock=world.clock)


async def look(weighing, held=range(SHARDS), times=10):
    """Look so often that a count comes to its end."""
    for _ in range(times):
        await weighing.look(held)


async def test_the_blocks_of_a_limited_tenant_are_counted(world):
    """All shards together, some series a look; nobody else's are looked at."""
    await look(weighing_of(world, await catalog_with(windco="small", sunco="open")))

    assert await blocks_of(world, "windco") == await stored(world, "windco") > 0
    assert 0 == await stored(world, "sunco")


async def test_each_writer_counts_its_shards(world):
    """Two writers together find what one would."""
    catalog = await catalog_with(windco="small")
    await look(weighing_of(world, catalog), range(2))
    half = await stored(world, "windco")
    await look(weighing_of(world, catalog), range(2, SHARDS))

    assert 0 < half < await stored(world, "windco") == await blocks_of(world, "windco")


async def test_it_is_counted_anew_each_day(world):
    """What came since is in the next count, and no sooner; a shard that is lost meanwhile is not told."""
    weighing = weighing_of(world, await catalog_with(windco="small"))
    await look(weighing)
    first = await stored(world, "windco")
    writer = world.writer("w2")
    world.clock.advance(20_000)
    await step(writer)
    await world.write(series_of("windco", 99), rows())
    await step(writer)
    world.clock.advance(60_000)
    await step(writer)
    await look(weighing)
    assert first == await stored(world, "windco")

    world.clock.advance(int(PASS_S * 1_000))
    await look(weighing)

    assert first < await stored(world, "windco") == await blocks_of(world, "windco")


async def test_a_new_limit_is_counted_soon(world):
    """Nothing is listed while nobody has a limit; a tenant that gets one is counted within ten minutes."""
    catalog = await catalog_with(windco="open")
    weighing = weighing_of(world, catalog)
    await look(weighing)
    assert 0 == await stored(world, "windco")
    document = await catalog.get(CORE, "tenant", "windco")
    tenant = msgspec.structs.replace(msgspec.json.decode(document.body, type=Tenant), profile="small")
    await catalog.replace(CORE, "tenant", "windco", msgspec.json.encode(tenant), document.version)
    world.clock.advance(int(POLICIES_S * 1_000))

    await look(weighing)

    assert await blocks_of(world, "windco") == await stored(world, "windco") > 0

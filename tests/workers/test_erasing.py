"""Erasing series by an entry in the order: nothing comes back, whoever is late (design 4.16)."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from runtime.clock import ManualClock
from schemas.errors import StoreUnavailable
from schemas.ids import AspectId, AssetId, Erased, SeriesId, TenantId
from storage.deltas import encode_delta
from storage.port import Delta, Head, SliceId, Turn
from storage.slices import slice_start
from streams.entries import EntryKind, encode_erasure, erased_by, erasure_series, open_entry
from streams.entries import series_of as owner_of
from streams.memory import MemoryRecordStream, put_raw
from streams.port import Admission, Admitted, Entry
from streams.shards import shard_of
from tests.storage.laying import StoppingStore
from tests.storage.opened import opened_store
from tests.workers.mixes import put
from tests.workers.world import SHARDS, START_MS, World, memory_world, step

DAY_MS = 24 * 3_600_000
MINUTE_MS = 60_000


@pytest.fixture(params=["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)])
async def world(request, tmp_path):
    """A world over each store."""
    async with opened_store(request, tmp_path) as store:
        clock = ManualClock(START_MS)
        yield World(MemoryRecordStream(lambda: clock.now_ms() * 1000), store, clock)


def a_tenant() -> TenantId:
    """Name a tenant that no other run has: what is erased in a kept store stays erased."""
    return TenantId(f"t{secrets.token_hex(3)}")


def series_of(tenant, number=1):
    """Name the n-th series of a tenant."""
    return SeriesId(tenant, AssetId(f"{number:032x}"), AspectId("b" * 32))


async def order(world: Any, erased: Erased) -> None:
    """Append the order to every shard that it concerns."""
    shards = range(SHARDS)
    if erased.asset:
        shards = [shard_of(erased.tenant, erased.asset, SHARDS)]
    series, body = erasure_series(erased), encode_erasure(erased)
    answers = await world.stream.append([Admission(shard, series, body) for shard in shards])
    assert all(isinstance(answer, Admitted) for answer in answers)


async def settle(world: Any, writer: Any, rounds: int = 6) -> None:
    """Let a writer do all that waits, purges and trims included."""
    for _ in range(rounds):
        world.clock.advance(3_000)
        await step(writer)


async def furnish(world: Any, writer: Any, tenant: TenantId, count: int = 5) -> list[SeriesId]:
    """Write rows to some series of a tenant, sealed ones and such that lie on them."""
    found = [series_of(tenant, number) for number in range(count)]
    await step(writer)
    for series in found:
        await world.write(series, put(*(START_MS + MINUTE_MS * n for n in range(40))))
        await world.write(series, put(START_MS - 90 * DAY_MS))
    await settle(world, writer, 3)
    for series in found:
        await world.write(series, put(START_MS + 1, value=9.0))
    await step(writer)
    return found


async def left(world: Any, tenant: TenantId) -> int:
    """Count what store and stream still have of a tenant."""
    counts = await world.store.count_left(tenant), await world.stream.count_left(tenant)
    return sum(found for count in counts for found in count.values())


async def test_an_ordered_tenant_is_gone(world):
    """Every row, entry and cache of it goes; what others have reads as before (design 4.16)."""
    writer, gone, stays = world.writer(), a_tenant(), a_tenant()
    await furnish(world, writer, gone)
    others = await furnish(world, writer, stays)
    assert await left(world, gone) > 10

    await order(world, Erased(gone))
    await settle(world, writer)

    assert await left(world, gone) == 0
    assert [world.expected(series) for series in others] == [await world.read(series) for series in others]
    assert all([(await world.store.read_erased(shard))[Erased(gone)] for shard in range(SHARDS)])


async def test_an_ordered_asset_is_gone(world):
    """Its series go; another asset of the tenant, and its series of the same aspect, stay."""
    writer, tenant = world.writer(), a_tenant()
    gone, *stay = await furnish(world, writer, tenant, 3)

    await order(world, Erased(tenant, gone.asset))
    await settle(world, writer)

    assert await world.read(gone) == {}
    assert await world.store.read_slices(gone) == {}
    assert [world.expected(series) for series in stay] == [await world.read(series) for series in stay]


async def test_what_comes_behind_the_order_is_left_out():
    """It is not stored, nor kept as a dead letter, in the turn of the order and in each later one."""
    world, gone, stays = memory_world(), a_tenant(), a_tenant()
    writer = world.writer()
    await step(writer)
    await world.write(series_of(gone), put(START_MS))
    await order(world, Erased(gone))
    await world.write(series_of(gone), put(START_MS + 1))
    await world.write(series_of(stays), put(START_MS))
    await settle(world, writer)
    await world.write(series_of(gone, 7), put(START_MS + 2))
    broken = Entry(writer._held[0].cursor + 10**9, 0, encode_erasure(Erased(gone))[:-1] + b"x")
    put_raw(world.stream.shard(0), broken)

    await settle(world, writer)

    assert await left(world, gone) == 0
    assert writer.figures.dead_letters == 0
    assert await world.read(series_of(stays)) == world.expected(series_of(stays))


async def test_a_later_holder_knows_what_was_ordered():
    """The order outlives the writer that saw it: the next one leaves out what comes then."""
    world, gone = memory_world(), a_tenant()
    writer = world.writer()
    await furnish(world, writer, gone, 2)
    await order(world, Erased(gone))
    await settle(world, writer)
    await writer._leases.release()

    second = world.writer("w2")
    await step(second)
    await world.write(series_of(gone), put(START_MS))
    await settle(world, second)

    assert await left(world, gone) == 0


async def test_dead_letters_follow(world):
    """A letter of an erased tenant is settled; one of another stays."""
    writer, gone, stays = world.writer(), a_tenant(), a_tenant()
    await step(writer)
    for tenant in (gone, stays):
        await world.write(series_of(tenant), put(START_MS))
    await settle(world, writer, 1)
    for tenant in (gone, stays):
        series = series_of(tenant)
        shard = shard_of(series.tenant, series.asset, SHARDS)
        body = encode_erasure(Erased(tenant, series.asset))[:-1]
        entry = Entry(writer._held[shard].cursor + 10**9 + (tenant == stays), 0, body[:60] + b"\0" * 40)
        put_raw(world.stream.shard(shard), entry)
    await settle(world, writer, 1)
    assert writer.figures.dead_letters == 2

    await order(world, Erased(gone))
    await settle(world, writer)

    assert await left(world, gone) == 0
    assert (await world.stream.count_left(stays))["dead"] == 1


async def test_a_paused_writer_leaves_nothing_for_long(world):
    """What it stores when it goes on, rows, lists and heads, is found within a day."""
    writer, gone = world.writer(), a_tenant()
    await furnish(world, writer, gone, 1)
    await order(world, Erased(gone))
    await settle(world, writer)

    series = series_of(gone)
    late = SliceId(series, slice_start(series, START_MS + 400 * DAY_MS))
    body = encode_delta(put(START_MS + 400 * DAY_MS))
    await world.store.write_turn(Turn((late,), [Delta(late, 5, 5, body)]))
    await world.store.swap_head(SliceId(series, 0), 0, Head(1, b""))
    assert await left(world, gone) > 0
    world.clock.advance(DAY_MS)
    for _ in range(30):  # leases and limits ended meanwhile
        await step(writer)

    assert await left(world, gone) == 0


@pytest.mark.parametrize("after", [False, True])
async def test_a_kill_anywhere_only_costs_time(after):
    """Stopped before or after any call of the store, the next writer brings it to the same end."""
    calls, ends = 0, 0
    while ends < 3:
        calls += 1
        world, gone, stays = memory_world(), a_tenant(), a_tenant()
        first = world.writer()
        for tenant in (gone, stays):
            await furnish(world, first, tenant, 2)
        await order(world, Erased(gone))
        stopping = StoppingStore(world.store, calls, after=after)
        first._store = first._erasing._store = stopping
        try:
            await settle(world, first)
            ends += 1  # It came to its end without so many calls.
        except StoreUnavailable:
            await first._leases.release()

        second = world.writer("w2")
        await settle(world, second, 8)

        assert await left(world, gone) == 0, calls
        for number in range(2):
            assert await world.read(series_of(stays, number)) == world.expected(series_of(stays, number))
    assert calls > 10


@pytest.mark.parametrize("asset", ["", "a" * 32, "0" * 32])
def test_an_order_reads_back(asset):
    """What is to be erased stands in its entry, and whose it is in the header; no id means a whole tenant."""
    erased = Erased(TenantId("acme"), asset)
    body = encode_erasure(erased)

    opened = open_entry(body)

    assert (EntryKind.ERASE, erased) == (opened.kind, erased_by(opened))
    assert owner_of(body) == erasure_series(erased)


def test_the_bytes_of_an_order_stay():
    """A later release reads what this one wrote."""
    body = encode_erasure(Erased(TenantId("acme")))

    assert body[:4] == bytes([1, 4, 4, 0])
    assert body[8:] == bytes(8 + 32) + b"acme\0\0\0\0"

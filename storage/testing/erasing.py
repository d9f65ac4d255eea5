"""What is promised of erasing series, and of the count that proves it (design 4.16)."""

from __future__ import annotations

from itertools import count

from schemas.durations import DAY_MS
from schemas.ids import Erased, SeriesId, TenantId
from storage.port import BlockRow, Head, Pin, SeriesStore, SliceId, Turn
from storage.slices import PlanVersion
from storage.testing.rows import SeriesBackDoor, a_block, a_delta, a_series, a_shard

_fresh = count(1)


def a_tenant() -> str:
    """Name a tenant that no other test uses."""
    return f"gone{next(_fresh)}"


async def furnish(store: SeriesStore, series: SeriesId, shard: int) -> SliceId:
    """Store one row of every kind for a series; gives its slice."""
    slice_id = SliceId(series, 0)
    await store.write_turn(Turn((slice_id,), [a_delta(slice_id, 5)], {shard: 5}))
    await store.swap_head(slice_id, 0, Head(1, b"head"))
    await store.write_blocks([a_block(slice_id, 1, 0), a_block(slice_id, 2, 1, part=3), long_block(slice_id)])
    await store.write_pin(Pin(slice_id, 4, 9, b"pin"))
    await store.write_plan(shard, series, PlanVersion(0, DAY_MS))
    return slice_id


def long_block(slice_id: SliceId) -> BlockRow:
    """Make a row that a store may keep in several pieces."""
    return BlockRow(slice_id, 0, 1, bytes(16), bytes(range(256)) * 40)


class ErasingContract:
    """Orders, the walk, erasing and counting."""

    async def test_an_order_is_kept_for_its_shard(self, store: SeriesStore) -> None:
        """What a turn orders is read back until it is gone, and after that; another order asks again."""
        shard, whole, one = a_shard(), Erased(TenantId("gone")), Erased(TenantId("here"), "a" * 32)

        await store.write_turn(Turn(erased={shard: {whole, one}}))
        await store.end_erased(shard, whole)

        assert {whole: True, one: False} == await store.read_erased(shard)
        assert {} == await store.read_erased(a_shard())
        await store.write_turn(Turn(erased={shard: {whole}}))
        assert {whole: False, one: False} == await store.read_erased(shard)

    async def test_every_slice_is_found_whatever_is_in_it(
        self, store: SeriesStore, back_door: SeriesBackDoor
    ) -> None:
        """A list, a delta, a head, a block or a pin alone is enough; other series are passed over."""
        tenant = a_tenant()
        listed, laid, headed, blocked, pinned, other = (SliceId(a_series(tenant), n) for n in range(6))
        await store.write_turn(Turn((listed,)))
        back_door.put_delta(a_delta(laid, 7))
        await store.swap_head(headed, 0, Head(1, b""))
        await store.write_blocks([a_block(blocked, 1, 1, part=2), a_block(blocked, 2, 0, part=5)])
        await store.write_pin(Pin(pinned, 1, 1, b""))
        await store.write_turn(Turn((other,), [a_delta(other, 1)]))

        found = await store.find_slices(
            lambda series: series.tenant == tenant and series.asset != other.series.asset
        )

        assert {listed, laid, headed, blocked, pinned} == set(found)

    async def test_a_slice_is_erased_with_all_that_it_has(self, store: SeriesStore) -> None:
        """Nothing of it is read or counted any more; a repeat is harmless, and others stay as they were."""
        tenant, other, shard = a_tenant(), a_tenant(), a_shard()
        gone = await furnish(store, a_series(tenant), shard)
        stays = await furnish(store, a_series(other), shard)
        before = await store.count_left(other)

        for slice_id, parts in (await store.find_slices(lambda series: series.tenant == tenant)).items():
            await store.erase_slice(slice_id, parts)
            await store.erase_slice(slice_id, parts)
        await store.erase_plans(shard, gone.series)
        await store.erase_plans(shard, gone.series)

        assert ({}, [], Head(0, b"")) == (
            await store.read_slices(gone.series),
            await store.read_deltas(gone, 0),
            await store.read_head(gone, serial=True),
        )
        assert ({}, {}, []) == (
            await store.list_blocks(gone, 0),
            await store.list_blocks(gone, 3),
            await store.read_pins(gone),
        )
        assert {0} == set((await store.count_left(tenant)).values())
        assert before == await store.count_left(other)
        assert [stays.series] == list(await store.read_plans(shard))
        assert [a_delta(stays, 5)] == await store.read_deltas(stays, 0)

    async def test_a_count_sees_every_kind_of_row(self, store: SeriesStore) -> None:
        """Whatever of a tenant is there is counted in its place, and nobody else's."""
        tenant = a_tenant()
        empty = await store.count_left(tenant)
        await furnish(store, a_series(a_tenant()), a_shard())
        await furnish(store, a_series(tenant), a_shard())

        left = await store.count_left(tenant)

        assert {0} == set(empty.values())
        assert set(empty) == set(left)
        assert {"slices", "deltas", "blocks", "heads", "pins", "plans"} <= {
            place for place, found in left.items() if found
        }

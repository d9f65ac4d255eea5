"""What is promised of heads, shards, survival and blocks."""

from __future__ import annotations

import asyncio

import pytest

from storage.port import Head, SeriesStore, ShardRow, SliceId
from storage.testing.rows import POSITION_MAX, SeriesBackDoor, a_block, a_shard, a_slice


class SwapContract:
    """Heads, shards and what survived: compare-and-set."""

    async def test_a_head_changes_only_from_the_version_it_was_built_on(self, store: SeriesStore) -> None:
        """Versions follow one another; a swap built on an older one is refused and leaves no trace."""
        slice_id = a_slice()

        assert await store.swap_head(slice_id, 0, Head(1, b"one")) is True
        assert await store.swap_head(slice_id, 0, Head(1, b"other")) is False
        assert await store.swap_head(slice_id, 1, Head(2, b"two")) is True
        assert await store.swap_head(slice_id, 1, Head(2, b"two")) is False
        assert await store.swap_head(slice_id, 7, Head(8, b"eight")) is False

        assert await store.read_head(slice_id) == Head(2, b"two")
        assert await store.read_head(slice_id, serial=True) == Head(2, b"two")
        assert await store.read_head(SliceId(slice_id.series, 1)) == Head(0, b"")

    async def test_a_first_head_cannot_be_built_on_a_later_version(self, store: SeriesStore) -> None:
        """Where there is no head, only version 0 can be built on."""
        slice_id = a_slice()

        assert await store.swap_head(slice_id, 3, Head(4, b"four")) is False
        assert await store.read_head(slice_id) == Head(0, b"")

    @pytest.mark.parametrize("built_on", [0, 1])
    async def test_of_many_swaps_at_once_one_wins(self, store: SeriesStore, built_on: int) -> None:
        """Sealers that race for a head: exactly one is told that it won, and its head stands (design 4.6)."""
        slice_id = a_slice()
        if built_on:
            await store.swap_head(slice_id, 0, Head(1, b""))
        heads = [Head(built_on + 1, f"racer {n}".encode()) for n in range(8)]

        won = await asyncio.gather(*(store.swap_head(slice_id, built_on, head) for head in heads))

        assert won.count(True) == 1
        assert await store.read_head(slice_id, serial=True) == heads[won.index(True)]

    async def test_a_shard_changes_only_from_the_version_it_was_built_on(self, store: SeriesStore) -> None:
        """Limit and incarnation are promises: two holders cannot both change them (design 4)."""
        shard = a_shard()
        first, second = ShardRow(1, 1_000, 1), ShardRow(2, POSITION_MAX, 2)

        assert await store.swap_shard(shard, 1, second) is False
        assert await store.swap_shard(shard, 0, first) is True
        assert await store.swap_shard(shard, 0, first) is False
        assert await store.read_shard(shard) == first
        won = await asyncio.gather(*(store.swap_shard(shard, 1, second) for _ in range(6)))
        assert won.count(True) == 1
        assert await store.read_shard(shard) == second

    async def test_what_survived_is_written_once(self, store: SeriesStore) -> None:
        """The first word on an incarnation stays, so that a receipt is not lost now and found later."""
        shard = a_shard()

        await store.write_survived(shard, 1, 500)
        await store.write_survived(shard, 1, 400)
        await store.write_survived(shard, 2, 700)

        assert await store.read_survived(shard) == {1: 500, 2: 700}


class BlockContract:
    """Rows of blocks (design 4.2)."""

    async def test_blocks_are_read_by_variable_and_id(
        self, store: SeriesStore, back_door: SeriesBackDoor
    ) -> None:
        """Only what is asked for comes back; what is missing is missing from the answer."""
        slice_id = a_slice()
        rows = [a_block(slice_id, number, variable) for number in (1, 2, 3) for variable in (-1, 0, 5)]
        await store.write_blocks([*rows, a_block(slice_id, 1, 0, part=1)])
        await store.write_blocks(rows[:2])
        ids = [row.block_id for row in rows]

        everything = {(row.block_id, row.variable): row.body for row in rows}
        assert everything == back_door.blocks(slice_id, 0)
        assert everything == await store.read_blocks(slice_id, 0, [-1, 0, 5], ids)
        some = await store.read_blocks(slice_id, 0, {0, 99}, {ids[0], ids[8], b"unknown"})
        assert {(ids[0], 0): b"1.0", (ids[8], 0): b"3.0"} == some
        assert await store.read_blocks(slice_id, 0, [], ids) == {}
        assert await store.read_blocks(slice_id, 0, [0], []) == {}

    async def test_many_blocks_are_read_at_once(self, store: SeriesStore) -> None:
        """Ids and variables may be more than one statement or page takes."""
        slice_id = a_slice()
        rows = [a_block(slice_id, number, variable) for number in range(90) for variable in range(7)]
        await store.write_blocks(rows)

        read = await store.read_blocks(slice_id, 0, range(7), [row.block_id for row in rows[::7]])

        assert {(row.block_id, row.variable): row.body for row in rows} == read

    async def test_dropping_takes_whole_blocks_by_exact_key(
        self, store: SeriesStore, back_door: SeriesBackDoor
    ) -> None:
        """Every variable of a named block goes; other blocks and parts stay, unknown ids are ignored."""
        slice_id = a_slice()
        dropped, kept = (
            [a_block(slice_id, number, variable) for variable in (-1, 0, 1)] for number in (1, 2)
        )
        await store.write_blocks([*dropped, *kept, a_block(slice_id, 1, 0, part=1)])

        await store.drop_blocks(slice_id, 0, [dropped[0].block_id, b"unknown"])

        assert {(row.block_id, row.variable): row.body for row in kept} == back_door.blocks(slice_id, 0)
        listed = await store.list_blocks(slice_id, 0)
        assert {kept[0].block_id: [-1, 0, 1]} == {key: sorted(listed[key]) for key in listed}
        assert {dropped[0].block_id: [0]} == await store.list_blocks(slice_id, 1)

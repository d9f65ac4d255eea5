"""What is promised of turns, deltas, slices and cursors."""

from __future__ import annotations

import asyncio
import random

import pytest

from schemas.ids import AspectId, AssetId
from storage.port import BlockRow, Head, SeriesStore, ShardRow, SliceId, Turn
from storage.slices import WIDTH_MS
from storage.testing.rows import (
    EVERY_BYTE,
    ODD_IDS,
    POSITION_MAX,
    SeriesBackDoor,
    a_block,
    a_delta,
    a_series,
    a_shard,
    a_slice,
)


class DeltaContract:
    """Turns, deltas, slices and cursors."""

    async def test_what_was_never_written_is_empty(self, store: SeriesStore) -> None:
        """Unknown series, slices and shards read as empty, at position and version 0."""
        slice_id, shard = a_slice(), a_shard()

        assert await store.read_cursor(shard) == 0
        assert await store.read_slices(slice_id.series) == {}
        assert await store.read_deltas(slice_id, 0) == []
        assert await store.read_head(slice_id) == Head(0, b"")
        assert await store.read_head(slice_id, serial=True) == Head(0, b"")
        assert await store.read_blocks(slice_id, 0, [0], [bytes(16)]) == {}
        assert await store.list_blocks(slice_id, 0) == {}
        assert await store.read_shard(shard) == ShardRow(0, 0, 0)
        assert await store.read_survived(shard) == {}

    async def test_a_turn_is_stored_when_the_method_returns(
        self, store: SeriesStore, back_door: SeriesBackDoor
    ) -> None:
        """Slices, deltas and cursors of a turn lie in the store after the acknowledgement (design 3.6)."""
        first, second, shard = a_slice(), a_slice(), a_shard()
        deltas = [a_delta(first, 5, 3), a_delta(second, 6), a_delta(first, 9, 7)]

        await store.write_turn(Turn((first, second), deltas, {shard: 9}))

        assert [deltas[0], deltas[2]] == sorted(back_door.deltas(first), key=lambda delta: delta.last)
        assert [deltas[1]] == back_door.deltas(second)
        assert back_door.cursor(shard) == 9
        assert await store.read_cursor(shard) == 9
        assert await store.read_slices(first.series) == {0: WIDTH_MS}

    async def test_an_empty_turn_is_harmless(self, store: SeriesStore) -> None:
        """A turn without anything in it writes nothing and raises nothing."""
        await store.write_turn(Turn())

    async def test_deltas_come_in_the_order_of_last_then_first(
        self, store: SeriesStore, back_door: SeriesBackDoor
    ) -> None:
        """Reading orders by (last, first), whatever the order of writing (design 4.4)."""
        slice_id = a_slice()
        for last, first in ((9, 2), (3, 1), (300, 4), (9, 8), (9, 1), (4, 4)):
            back_door.put_delta(a_delta(slice_id, last, first))

        read = await store.read_deltas(slice_id, 0)

        expected = [(3, 1), (4, 4), (9, 1), (9, 2), (9, 8), (300, 4)]
        assert expected == [(delta.last, delta.first) for delta in read]

    async def test_reading_begins_behind_a_position(self, store: SeriesStore) -> None:
        """Only deltas with last > after are read, wherever they begin (design 4.4)."""
        slice_id = a_slice()
        deltas = [a_delta(slice_id, 5, 1), a_delta(slice_id, 6, 4), a_delta(slice_id, 7)]
        await store.write_turn(Turn((), deltas))

        assert deltas[1:] == await store.read_deltas(slice_id, 5)
        assert await store.read_deltas(slice_id, 7) == []

    async def test_a_repeated_turn_changes_nothing(
        self, store: SeriesStore, back_door: SeriesBackDoor
    ) -> None:
        """A writer that saw an error writes the same turn again (design 3.6)."""
        slice_id, shard = a_slice(), a_shard()
        turn = Turn((slice_id,), (a_delta(slice_id, 5, 3), a_delta(slice_id, 6)), {shard: 6})

        for _ in range(3):
            await store.write_turn(turn)

        assert list(turn.deltas) == await store.read_deltas(slice_id, 0)
        assert len(back_door.deltas(slice_id)) == 2
        assert await store.read_slices(slice_id.series) == {0: WIDTH_MS}
        assert await store.read_cursor(shard) == 6

    async def test_a_cursor_never_moves_back(self, store: SeriesStore) -> None:
        """A paused writer that wakes up late cannot undo the progress of its successor (design 4)."""
        shard, other = a_shard(), a_shard()

        for applied in (5, POSITION_MAX, 7, 6):
            await store.write_turn(Turn(cursors={shard: applied, other: 1}))

        assert await store.read_cursor(shard) == POSITION_MAX
        assert await store.read_cursor(other) == 1

    async def test_slices_are_listed_in_time_order(self, store: SeriesStore) -> None:
        """Starts come ascending, also those before 1970, each once (design 4.8)."""
        series = a_series()
        starts = [0, -900_000, 4_000_000_000_000, 900_000, -(2**52)]

        await store.write_turn(Turn([SliceId(series, start) for start in starts]))
        await store.write_turn(Turn([SliceId(series, 0)]))

        assert sorted(starts) == list(await store.read_slices(series))

    async def test_only_a_turn_lists_a_slice(self, store: SeriesStore) -> None:
        """Deltas, heads and blocks of an unlisted slice are kept and read; listing is the turn's word."""
        slice_id = a_slice()
        await store.write_turn(Turn((), [a_delta(slice_id, 1)]))
        await store.swap_head(slice_id, 0, Head(1, b"head"))
        await store.write_blocks([a_block(slice_id, 1, 1)])

        assert await store.read_slices(slice_id.series) == {}
        assert len(await store.read_deltas(slice_id, 0)) == 1

        await store.write_turn(Turn((slice_id,)))

        assert await store.read_slices(slice_id.series) == {0: WIDTH_MS}

    async def test_thousands_of_deltas_in_a_slice_are_all_read(self, store: SeriesStore) -> None:
        """However many pages a slice takes, none is left out, doubled or out of order."""
        slice_id = a_slice()
        deltas = [a_delta(slice_id, position) for position in range(1, 5_001)]

        await store.write_turn(Turn((slice_id,), deltas))

        assert deltas == await store.read_deltas(slice_id, 0)
        assert deltas[4_990:] == await store.read_deltas(slice_id, 4_990)

    async def test_large_bodies_come_back_whole(self, store: SeriesStore) -> None:
        """A turn of 20 MiB in deltas of 1 MiB is stored and read back (design 4.5)."""
        slice_id = a_slice()
        bodies = [random.Random(n).randbytes(1024 * 1024) for n in range(20)]  # noqa: S311  # not a secret
        deltas = [a_delta(slice_id, n + 1, body=body) for n, body in enumerate(bodies)]

        await store.write_turn(Turn((slice_id,), deltas))

        assert bodies == [delta.body for delta in await store.read_deltas(slice_id, 0)]

    async def test_turns_at_the_same_time_are_all_stored(self, store: SeriesStore) -> None:
        """Turns that wait for one another lose nothing, also where they are committed together."""
        slices = [a_slice() for _ in range(50)]
        shards = [a_shard() for _ in slices]
        turns = [
            Turn((slice_id,), [a_delta(slice_id, n) for n in range(1, 9)], {shard: 8})
            for slice_id, shard in zip(slices, shards, strict=True)
        ]

        await asyncio.gather(*(store.write_turn(turn) for turn in turns))

        for turn, slice_id, shard in zip(turns, slices, shards, strict=True):
            assert list(turn.deltas) == await store.read_deltas(slice_id, 0)
            assert await store.read_cursor(shard) == 8

    @pytest.mark.parametrize("odd", ODD_IDS)
    async def test_odd_ids_and_bytes_are_kept(self, store: SeriesStore, odd: str) -> None:
        """An id is any text and a body any bytes: nothing is quoted, trimmed or folded."""
        plain = a_series()
        series = plain._replace(asset=AssetId(odd + plain.asset), aspect=AspectId(plain.aspect + odd))
        slice_id = SliceId(series, -1)
        delta = a_delta(slice_id, POSITION_MAX, 0, EVERY_BYTE)
        row = BlockRow(slice_id, 2**31 - 1, 2**31 - 1, EVERY_BYTE, EVERY_BYTE)

        await store.write_turn(Turn((slice_id,), (delta, a_delta(slice_id, 1, body=b""))))
        await store.write_blocks([row])
        await store.swap_head(slice_id, 0, Head(1, EVERY_BYTE))

        assert await store.read_deltas(slice_id, 0) == [a_delta(slice_id, 1, body=b""), delta]
        assert await store.read_slices(series) == {-1: WIDTH_MS}
        assert await store.read_slices(plain) == {}
        assert await store.read_head(slice_id) == Head(1, EVERY_BYTE)
        key = (row.block_id, row.variable)
        assert await store.read_blocks(slice_id, row.part, [key[1]], [key[0]]) == {key: EVERY_BYTE}


class PurgeContract:
    """What a purge takes and what it leaves (design 4.7)."""

    async def test_a_purge_takes_up_to_its_position_and_no_more(
        self, store: SeriesStore, back_door: SeriesBackDoor
    ) -> None:
        """Deltas with last ≤ upto go, those that only begin before it stay, as do other slices."""
        slice_id = a_slice()
        neighbour = SliceId(slice_id.series, 1)
        kept = [a_delta(slice_id, 6, 2), a_delta(slice_id, 7)]
        others = [a_delta(neighbour, 1), a_delta(neighbour, 2)]
        await store.write_turn(Turn((), [a_delta(slice_id, 1), a_delta(slice_id, 5, 2), *kept, *others]))

        await store.purge_deltas(slice_id, 5)
        await store.purge_deltas(slice_id, 4)

        assert kept == await store.read_deltas(slice_id, 0)
        assert others == await store.read_deltas(neighbour, 0)
        assert len(back_door.deltas(slice_id)) == 2

    async def test_nothing_purged_is_harmless(self, store: SeriesStore) -> None:
        """A purge of a slice without deltas hides nothing that comes later at a higher position."""
        slice_id = a_slice()

        await store.purge_deltas(slice_id, 5)
        await store.write_turn(Turn((), [a_delta(slice_id, 6)]))

        assert [a_delta(slice_id, 6)] == await store.read_deltas(slice_id, 0)

    async def test_a_late_repeat_of_a_purged_delta_reaches_no_reader(self, store: SeriesStore) -> None:
        """A paused writer may write what was sealed and purged: behind W it never shows (design 4.4)."""
        slice_id = a_slice()
        old, young = a_delta(slice_id, 5), a_delta(slice_id, 6)
        await store.write_turn(Turn((), [old, young]))
        await store.purge_deltas(slice_id, 5)

        await store.write_turn(Turn((), [old, young]))

        assert [young] == await store.read_deltas(slice_id, 5)
        assert (await store.read_deltas(slice_id, 0))[-1:] == [young]

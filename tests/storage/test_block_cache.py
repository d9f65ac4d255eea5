"""Rows of blocks that a reader keeps: what it saves, and what it may take."""

from typing import Any

from storage.block_cache import ROW_BYTES, BlockCache
from storage.memory import MemorySeriesStore
from storage.port import BlockRow, SliceId
from tests.storage.series import SERIES

SLICE = SliceId(SERIES, 0)
SIZE = 100


class Counting(MemorySeriesStore):
    """A store that notes what is asked of its blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[list[int], list[bytes]]] = []

    async def read_blocks(self, slice_id: SliceId, part: int, variables: Any, block_ids: Any) -> Any:
        """Note and answer."""
        self.asked.append((sorted(variables), sorted(block_ids)))
        return await super().read_blocks(slice_id, part, variables, block_ids)


def block(number: int) -> bytes:
    """Name a block."""
    return number.to_bytes(16, "big")


async def filled(blocks: int = 10) -> Counting:
    """A store with blocks of two variables."""
    store = Counting()
    rows = [
        BlockRow(SLICE, 0, variable, block(number), bytes([number, variable]) * (SIZE // 2))
        for number in range(blocks)
        for variable in (0, 1)
    ]
    await store.write_blocks(rows)
    return store


async def test_only_what_is_not_kept_is_asked_for():
    """Answers are those of the store, which is asked for blocks of which something lacks."""
    store = await filled()
    cache = BlockCache(store)

    first = await cache.read_blocks(SLICE, 0, [0], [block(1), block(2)])
    again = await cache.read_blocks(SLICE, 0, [0], [block(2), block(1)])
    more = await cache.read_blocks(SLICE, 0, [0, 1], [block(1), block(3)])

    assert first == again == {(block(n), 0): bytes([n, 0]) * (SIZE // 2) for n in (1, 2)}
    assert more == {(block(n), v): bytes([n, v]) * (SIZE // 2) for n in (1, 3) for v in (0, 1)}
    assert store.asked == [([0], [block(1), block(2)]), ([0, 1], [block(1), block(3)])]


async def test_a_missing_row_is_asked_for_each_time():
    """That a row is not there may change: a head that names its block was read too late (design 4.7)."""
    store = await filled(1)
    cache = BlockCache(store)

    assert {} == await cache.read_blocks(SLICE, 0, [0], [block(7)])
    await store.write_blocks([BlockRow(SLICE, 0, 0, block(7), b"late")])
    assert {(block(7), 0): b"late"} == await cache.read_blocks(SLICE, 0, [0], [block(7)])


async def test_what_was_not_asked_for_the_longest_makes_room():
    """The bound holds; a row that is used stays."""
    room = 4 * (SIZE + ROW_BYTES)
    store = await filled()
    cache = BlockCache(store, room, share_max=1)

    for number in (0, 1, 2, 3, 0, 4, 5):
        await cache.read_blocks(SLICE, 0, [0], [block(number)])
    store.asked.clear()
    for number in (0, 4, 5, 1):
        await cache.read_blocks(SLICE, 0, [0], [block(number)])

    assert room == cache.kept_bytes
    assert store.asked == [([0], [block(1)])]


async def test_a_row_too_large_for_the_cache_is_not_kept():
    """One large row must not drive out everything else."""
    store = await filled()
    await store.write_blocks([BlockRow(SLICE, 0, 0, block(99), bytes(10_000))])
    cache = BlockCache(store, 100_000)

    for _ in range(2):
        await cache.read_blocks(SLICE, 0, [0], [block(99)])

    assert 2 == len(store.asked)
    assert 0 == cache.kept_bytes

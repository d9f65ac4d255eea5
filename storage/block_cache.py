"""Rows of blocks kept by a reader: written once and named by id, they cannot become stale (design 4.7).

What a slice consists of is never kept: heads and deltas are read each time, so a block that is gone is
reached by nobody. What it saves is a call to the store for what was read a moment ago.
"""

from __future__ import annotations

from collections.abc import Collection

from schemas.ids import SeriesId
from storage.port import Outset, SeriesReads, SliceId, SliceState
from storage.recent import Recent

CACHE_BYTES_MAX = 32 * 1024 * 1024
"""Kept by a process: some 50 M values as they are stored, and little beside what its requests take."""
SHARE_MAX = 1 / 16
"""A row that takes more of the cache is not kept: it would drive out too much."""
ROW_BYTES = 200
"""What keeping a row takes beside its bytes."""

Key = tuple[bytes, int]
"""Block id and variable."""


class BlockCache(SeriesReads):
    """Reads of a store, behind a cache of rows of blocks; lives on one event loop."""

    def __init__(
        self, store: SeriesReads, bytes_max: int = CACHE_BYTES_MAX, share_max: float = SHARE_MAX
    ) -> None:
        """Keep nothing yet."""
        self._store = store
        self._row_bytes_max = share_max * bytes_max
        self._kept: Recent[Key, bytes] = Recent(bytes_max, _size_of)

    @property
    def kept_bytes(self) -> int:
        """Give what the rows take."""
        return self._kept.taken

    async def read_outset(
        self, series: SeriesId, start_ms: int, end_ms: int, *, newest_first: bool = False
    ) -> Outset:
        """Ask the store."""
        return await self._store.read_outset(series, start_ms, end_ms, newest_first=newest_first)

    async def read_state(self, slice_id: SliceId) -> SliceState:
        """Ask the store."""
        return await self._store.read_state(slice_id)

    async def read_blocks(
        self, slice_id: SliceId, part: int, variables: Collection[int], block_ids: Collection[bytes]
    ) -> dict[Key, bytes]:
        """Give what is kept, and ask the store for the blocks of which something is not."""
        found: dict[Key, bytes] = {}
        lacking: dict[bytes, None] = {}
        lacked: set[int] = set()
        for block_id in block_ids:
            for variable in variables:
                key = block_id, variable
                body = self._kept.get(key)
                if body is None:
                    lacking[block_id] = None
                    lacked.add(variable)
                else:
                    found[key] = body
        if lacking:
            read = await self._store.read_blocks(slice_id, part, sorted(lacked), list(lacking))
            for key, body in read.items():
                if _size_of(body) <= self._row_bytes_max:
                    self._kept.put(key, body)
            found |= read
        return found


def _size_of(body: bytes) -> int:
    return len(body) + ROW_BYTES

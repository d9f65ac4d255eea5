"""The memory adapter: series in dicts and sorted lists, for tests and as the oracle of the other adapters.

Shares no helper with them on purpose. It keeps every promise of the port but durability.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Sequence

from schemas.errors import StoreUnavailable
from schemas.ids import SeriesId
from storage.port import BlockRow, Delta, Head, SeriesStore, ShardRow, SliceId, Turn

BlockKey = tuple[bytes, int]
"""Block id and variable."""


class MemorySeriesStore(SeriesStore):
    """A store that lives as long as the object; a method that never waits is a transaction."""

    def __init__(self) -> None:
        self.slices: dict[SeriesId, list[int]] = {}
        self.deltas: dict[SliceId, list[Delta]] = {}
        self.blocks: dict[tuple[SliceId, int], dict[BlockKey, bytes]] = {}
        self.heads: dict[SliceId, Head] = {}
        self.cursors: dict[int, int] = {}
        self.shards: dict[int, ShardRow] = {}
        self.survived: dict[int, dict[int, int]] = {}
        self.closed = False
        self.failure: Exception | None = None
        """Set by a test: every call fails with it as the cause."""

    async def write_turn(self, turn: Turn) -> None:
        """Store slices, deltas and cursors."""
        self._require_open()
        for slice_id in turn.slices:
            starts = self.slices.setdefault(slice_id.series, [])
            if slice_id.start_ms not in starts:
                insort(starts, slice_id.start_ms)
        for delta in turn.deltas:
            stored = self.deltas.setdefault(delta.slice, [])
            at = bisect_left(stored, (delta.last, delta.first), key=_order)
            if at == len(stored) or _order(stored[at]) != _order(delta):
                stored.insert(at, delta)
        for shard, applied in turn.cursors.items():
            self.cursors[shard] = max(applied, self.cursors.get(shard, applied))

    async def read_cursor(self, shard: int) -> int:
        """Give the applied position of a shard; 0 where none was stored."""
        self._require_open()
        return self.cursors.get(shard, 0)

    async def read_slices(self, series: SeriesId) -> list[int]:
        """List the slice starts of a series in ascending order."""
        self._require_open()
        return list(self.slices.get(series, ()))

    async def read_head(self, slice_id: SliceId, *, serial: bool = False) -> Head:
        """Read a head; version 0 where there is none."""
        self._require_open()
        return self.heads.get(slice_id, Head(0, b""))

    async def read_deltas(self, slice_id: SliceId, after: int) -> list[Delta]:
        """Read the deltas with last > after, ascending by (last, first)."""
        self._require_open()
        stored = self.deltas.get(slice_id, [])
        return stored[bisect_right(stored, after, key=_last) :]

    async def swap_head(self, slice_id: SliceId, built_on: int, head: Head) -> bool:
        """Store the head if the stored version is still `built_on`."""
        self._require_open()
        stored = self.heads.get(slice_id)
        if (stored.version if stored else 0) != built_on:
            return False
        self.heads[slice_id] = head
        return True

    async def write_blocks(self, rows: Sequence[BlockRow]) -> None:
        """Store block rows."""
        self._require_open()
        for row in rows:
            part = self.blocks.setdefault((row.slice, row.part), {})
            part.setdefault((row.block_id, row.variable), row.body)

    async def read_blocks(
        self, slice_id: SliceId, part: int, variables: Collection[int], block_ids: Collection[bytes]
    ) -> dict[tuple[bytes, int], bytes]:
        """Read bodies by (block id, variable); rows that are missing are missing from the answer."""
        self._require_open()
        stored = self.blocks.get((slice_id, part), {})
        return {key: body for key, body in stored.items() if key[0] in block_ids and key[1] in variables}

    async def list_blocks(self, slice_id: SliceId, part: int) -> dict[bytes, list[int]]:
        """List the block ids in a part with the variables of each."""
        self._require_open()
        listed: dict[bytes, list[int]] = {}
        for block_id, variable in sorted(self.blocks.get((slice_id, part), {})):
            listed.setdefault(block_id, []).append(variable)
        return listed

    async def drop_blocks(self, slice_id: SliceId, part: int, block_ids: Collection[bytes]) -> None:
        """Delete every row of these blocks; unknown ones are ignored."""
        self._require_open()
        stored = self.blocks.get((slice_id, part), {})
        for key in [key for key in stored if key[0] in block_ids]:
            del stored[key]

    async def purge_deltas(self, slice_id: SliceId, upto: int) -> None:
        """Delete the deltas with last ≤ upto; one that is written again later is back."""
        self._require_open()
        stored = self.deltas.get(slice_id, [])
        del stored[: bisect_right(stored, upto, key=_last)]

    async def read_shard(self, shard: int) -> ShardRow:
        """Read the promise of a shard; version 0 where there is none."""
        self._require_open()
        return self.shards.get(shard, ShardRow(0, 0, 0))

    async def swap_shard(self, shard: int, built_on: int, row: ShardRow) -> bool:
        """Store the row if the stored version is still `built_on`."""
        self._require_open()
        stored = self.shards.get(shard)
        if (stored.version if stored else 0) != built_on:
            return False
        self.shards[shard] = row
        return True

    async def write_survived(self, shard: int, incarnation: int, position: int) -> None:
        """Record what survived; the first value of an incarnation stays."""
        self._require_open()
        self.survived.setdefault(shard, {}).setdefault(incarnation, position)

    async def read_survived(self, shard: int) -> dict[int, int]:
        """Give incarnation → survived position of a shard."""
        self._require_open()
        return dict(self.survived.get(shard, {}))

    async def close(self) -> None:
        """Refuse everything from now on, as the other adapters do."""
        self.closed = True

    def _require_open(self) -> None:
        if self.closed:
            raise StoreUnavailable("the store is closed")
        if self.failure is not None:
            raise StoreUnavailable(str(self.failure)) from self.failure


def _last(delta: Delta) -> int:
    return delta.last


def _order(delta: Delta) -> tuple[int, int]:
    return delta.last, delta.first

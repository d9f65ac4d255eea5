"""The memory adapter: series in dicts and sorted lists, for tests and as the oracle of the other adapters.

Shares no helper with them on purpose. It keeps every promise of the port but durability.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence

from schemas.errors import StoreUnavailable
from schemas.ids import Erased, SeriesId
from storage.port import BlockRow, Delta, Head, Pin, SeriesStore, ShardRow, SliceId, Turn
from storage.slices import WIDTH_MS, PlanVersion, SlicePlan

BlockKey = tuple[bytes, int]
"""Block id and variable."""


class MemorySeriesStore(SeriesStore):
    """A store that lives as long as the object; a method that never waits is a transaction."""

    def __init__(self) -> None:
        self.slices: dict[SeriesId, dict[int, int]] = {}
        self.deltas: dict[SliceId, list[Delta]] = {}
        self.blocks: dict[tuple[SliceId, int], dict[BlockKey, bytes]] = {}
        self.heads: dict[SliceId, Head] = {}
        self.cursors: dict[int, int] = {}
        self.shards: dict[int, ShardRow] = {}
        self.pins: dict[SliceId, dict[int, Pin]] = {}
        self.plans: dict[int, dict[tuple[SeriesId, int], int]] = {}
        self.survived: dict[int, dict[int, int]] = {}
        self.erased: dict[int, dict[Erased, bool]] = {}
        self.closed = False
        self.failure: Exception | None = None
        """Set by a test: every call fails with it as the cause."""

    async def write_turn(self, turn: Turn) -> None:
        """Store slices, deltas and cursors."""
        self._require_open()
        for slice_id in turn.slices:
            widths = self.slices.setdefault(slice_id.series, {})
            widths.setdefault(slice_id.start_ms, turn.widths.get(slice_id, WIDTH_MS))
        for delta in turn.deltas:
            stored = self.deltas.setdefault(delta.slice, [])
            at = bisect_left(stored, (delta.last, delta.first), key=_order)
            if at == len(stored) or _order(stored[at]) != _order(delta):
                stored.insert(at, delta)
        for shard, ordered in turn.erased.items():
            self.erased.setdefault(shard, {}).update(dict.fromkeys(ordered, False))
        for shard, applied in turn.cursors.items():
            self.cursors[shard] = max(applied, self.cursors.get(shard, applied))

    async def read_cursor(self, shard: int) -> int:
        """Give the applied position of a shard; 0 where none was stored."""
        self._require_open()
        return self.cursors.get(shard, 0)

    async def read_slices(self, series: SeriesId) -> dict[int, int]:
        """List the slices of a series, start → width, starts ascending."""
        self._require_open()
        return dict(sorted(self.slices.get(series, {}).items()))

    async def list_series(self) -> list[SeriesId]:
        """List every series that has a slice, ascending."""
        self._require_open()
        return sorted(self.slices)

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

    async def write_pin(self, pin: Pin) -> None:
        """Store a pin; a repeat changes nothing."""
        self._require_open()
        self.pins.setdefault(pin.slice, {}).setdefault(pin.position, pin)

    async def read_pins(self, slice_id: SliceId) -> list[Pin]:
        """Read the pins of a slice, ascending by position."""
        self._require_open()
        return [pin for _, pin in sorted(self.pins.get(slice_id, {}).items())]

    async def drop_pin(self, slice_id: SliceId, position: int) -> None:
        """Delete one pin; an unknown one is ignored."""
        self._require_open()
        self.pins.get(slice_id, {}).pop(position, None)

    async def write_plan(self, shard: int, series: SeriesId, version: PlanVersion) -> None:
        """Store a version of a series' slice plan; the first width stays."""
        self._require_open()
        self.plans.setdefault(shard, {}).setdefault((series, version.from_ms), version.width_ms)

    async def read_plans(self, shard: int) -> dict[SeriesId, SlicePlan]:
        """Read the slice plans of a shard."""
        self._require_open()
        plans: dict[SeriesId, SlicePlan] = {}
        for (series, from_ms), width_ms in sorted(self.plans.get(shard, {}).items()):
            plans[series] = (*plans.get(series, ()), PlanVersion(from_ms, width_ms))
        return plans

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

    async def read_erased(self, shard: int) -> dict[Erased, bool]:
        """Give what was ordered to be erased in a shard, and whether it is gone."""
        self._require_open()
        return dict(self.erased.get(shard, {}))

    async def end_erased(self, shard: int, erased: Erased) -> None:
        """Note that all of it is gone."""
        self._require_open()
        self.erased.setdefault(shard, {})[erased] = True

    async def find_slices(self, wanted: Callable[[SeriesId], bool]) -> Mapping[SliceId, Collection[int]]:
        """Find every slice of which anything is stored, with the parts of its blocks."""
        self._require_open()
        listed = (SliceId(series, start) for series, starts in self.slices.items() for start in starts)
        held = (slice_id for slice_id, _ in self.blocks)
        found: dict[SliceId, set[int]] = {
            slice_id: set()
            for slice_id in (*listed, *held, *self.deltas, *self.heads, *self.pins)
            if wanted(slice_id.series)
        }
        for slice_id, part in self.blocks:
            if slice_id in found:
                found[slice_id].add(part)
        return found

    async def erase_slice(self, slice_id: SliceId, parts: Collection[int]) -> None:
        """Delete a slice with all that lies in it."""
        self._require_open()
        self.deltas.pop(slice_id, None)
        self.heads.pop(slice_id, None)
        self.pins.pop(slice_id, None)
        for part in parts:
            self.blocks.pop((slice_id, part), None)
        starts = self.slices.get(slice_id.series, {})
        starts.pop(slice_id.start_ms, None)
        if not starts:
            self.slices.pop(slice_id.series, None)

    async def erase_plans(self, shard: int, series: SeriesId) -> None:
        """Delete the slice plan of a series."""
        self._require_open()
        kept = self.plans.get(shard, {})
        for key in [key for key in kept if key[0] == series]:
            del kept[key]

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count rows of a tenant, by what they are."""
        self._require_open()
        return {
            "slices": sum(len(kept) for series, kept in self.slices.items() if series.tenant == tenant),
            "deltas": sum(len(kept) for found, kept in self.deltas.items() if found.series.tenant == tenant),
            "blocks": sum(len(kept) for key, kept in self.blocks.items() if key[0].series.tenant == tenant),
            "heads": sum(found.series.tenant == tenant for found in self.heads),
            "pins": sum(len(kept) for found, kept in self.pins.items() if found.series.tenant == tenant),
            "plans": sum(key[0].tenant == tenant for kept in self.plans.values() for key in kept),
        }

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

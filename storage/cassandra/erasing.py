"""Erasing series from Cassandra: partitions by one tombstone each, heads and plans by compare-and-set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from schemas.errors import OutcomeUnknown
from schemas.ids import AspectId, AssetId, Erased, SeriesId, TenantId
from storage.cassandra.calls import Call
from storage.cassandra.session import Session
from storage.cassandra.survey import count_left
from storage.erasing_port import ErasableSeries
from storage.port import SliceId
from storage.statements import load

STATEMENTS = load("storage.cassandra", "erasing.cql")

POSITION_MAX: Final = 2**53 - 1
"""Above every position that is ever given (design 3.4)."""

SWAP_TRIES: Final = 5

OTHER_TABLES: Final = ("documents", "names", "changes", "event", "audit", "erased")
"""What tables begin with that the other stores count; `erased` holds the order itself."""


class CassandraErasing(ErasableSeries):
    """What `CassandraSeriesStore` has of `storage.erasing_port`."""

    session: Session

    async def read_erased(self, shard: int) -> dict[Erased, bool]:
        """Give what was ordered to be erased in a shard, and whether it is gone."""
        rows = await self.session.rows("read_erased", shard)
        return {Erased(TenantId(tenant), asset): bool(done) for tenant, asset, done in rows}

    async def end_erased(self, shard: int, erased: Erased) -> None:
        """Note that all of it is gone."""
        is_done = True
        await self.session.write("write_erased", shard, *erased, is_done)

    async def find_slices(self, wanted: Callable[[SeriesId], bool]) -> Mapping[SliceId, Collection[int]]:
        """Walk over the partitions of every table of series; the keys of all of them pass through here."""
        found: dict[SliceId, set[int]] = {}
        for name in ("walk_deltas", "walk_pins", "walk_blocks"):
            async for page in self.session.pages(name):
                for tenant, asset, aspect, start_ms, *part in page:
                    series = _series(tenant, asset, aspect)
                    if wanted(series):
                        found.setdefault(SliceId(series, start_ms), set()).update(part)
        for walk, starts in (("list_series", "read_slices"), ("walk_heads", "starts_of_heads")):
            async for page in self.session.pages(walk):
                for series in filter(wanted, (_series(*row) for row in page)):
                    for start_ms, *_ in await self.session.rows(starts, *series):
                        found.setdefault(SliceId(series, start_ms), set())
        return found

    async def erase_slice(self, slice_id: SliceId, parts: Collection[int]) -> None:
        """Delete a slice: what it lists last, so that what a kill leaves is found by its list too."""
        key = (*slice_id.series, slice_id.start_ms)
        await self.session.write_all(
            [
                [Call("erase_deltas", [(POSITION_MAX, *key)])],
                [Call("erase_pins", [key])],
                *([Call("erase_blocks", [(*key, part)])] for part in parts),
            ]
        )
        await self._swapped("erase_head", *key)
        await self.session.write("erase_slice", *key)

    async def erase_plans(self, shard: int, series: SeriesId) -> None:
        """Delete the slice plan of a series, version by version."""
        for *ids, from_ms, _ in await self.session.rows("read_plans", shard, serial=True):
            if _series(*ids) == series:
                await self._swapped("erase_plan", shard, *series, from_ms)

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count partitions of a tenant, by table of the keyspace."""
        return await count_left(self.session, tenant, lambda table: not table.startswith(OTHER_TABLES))

    async def _swapped(self, name: str, *values: object) -> None:
        """Delete conditionally until the answer arrives; where it was applied before, nothing happens."""
        for attempt in range(SWAP_TRIES):
            try:
                await self.session.swap(name, *values)
            except OutcomeUnknown:
                if attempt + 1 == SWAP_TRIES:
                    raise
            else:
                return


def erased_calls(orders: Mapping[int, Collection[Erased]]) -> list[Call]:
    """Give the calls that remember, before the cursors of a turn, what is to be erased."""
    return [
        Call("write_erased", [(shard, *erased, False)])
        for shard, ordered in orders.items()
        for erased in ordered
    ]


def _series(tenant: str, asset: str, aspect: str) -> SeriesId:
    return SeriesId(TenantId(tenant), AssetId(asset), AspectId(aspect))

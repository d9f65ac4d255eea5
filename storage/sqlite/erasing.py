"""Erasing series from the SQLite file: each slice with all that names it, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import apsw

from schemas.ids import AspectId, AssetId, Erased, SeriesId, TenantId
from storage.erasing_port import ErasableSeries
from storage.port import SliceId
from storage.sqlite.connection import Database
from storage.sqlite.survey import count_left
from storage.statements import texts

STATEMENTS = texts("storage.sqlite", "erasing.sql")

WALK_ROWS: Final = 4_096
"""Slices a step of the walk: a few milliseconds of a reading thread."""

START_MS_MIN: Final = -(2**63)

_PARTS = ("erase_deltas", "erase_blocks", "erase_pieces", "erase_pins", "erase_head", "erase_slice")
"""The slice last: the others name it."""


class SqliteErasing(ErasableSeries):
    """What `SqliteSeriesStore` has of `storage.erasing_port`."""

    database: Database

    async def read_erased(self, shard: int) -> dict[Erased, bool]:
        """Give what was ordered to be erased in a shard, and whether it is gone."""

        def job(connection: apsw.Connection) -> dict[Erased, bool]:
            rows = connection.execute(STATEMENTS["read"], (shard,))
            return {Erased(TenantId(tenant), asset): bool(done) for tenant, asset, done in rows}

        return await self.database.read(job)

    async def end_erased(self, shard: int, erased: Erased) -> None:
        """Note that all of it is gone."""
        await self.database.write(lambda connection: _run(connection, "end", (shard, *erased)))

    async def find_slices(self, wanted: Callable[[SeriesId], bool]) -> Mapping[SliceId, Collection[int]]:
        """Walk over all slices along their key, in as many short transactions; parts are not needed here."""
        found: dict[SliceId, Collection[int]] = {}
        behind: tuple[Any, ...] = ("", "", "", START_MS_MIN)

        def job(connection: apsw.Connection) -> list[tuple[Any, ...]]:
            return list(connection.execute(STATEMENTS["next_slices"], (*behind, WALK_ROWS)))

        while page := await self.database.read(job):
            for tenant, asset, aspect, start_ms in page:
                series = SeriesId(TenantId(tenant), AssetId(asset), AspectId(aspect))
                if wanted(series):
                    found[SliceId(series, start_ms)] = ()
            behind = page[-1]
        return found

    async def erase_slice(self, slice_id: SliceId, parts: Collection[int]) -> None:
        """Delete a slice with all that lies in it, whatever its parts."""
        key = (*slice_id.series, slice_id.start_ms)

        def job(connection: apsw.Connection) -> None:
            number = connection.execute(STATEMENTS["find"], key).get
            for name in _PARTS if number is not None else ():
                connection.execute(STATEMENTS[name], (number,))

        await self.database.write(job)

    async def erase_plans(self, shard: int, series: SeriesId) -> None:
        """Delete the slice plan of a series."""
        await self.database.write(lambda connection: _run(connection, "erase_plans", (shard, *series)))

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count rows of a tenant, by table of the file."""
        return await count_left(self.database, tenant)


def note_erased(connection: apsw.Connection, orders: Mapping[int, Collection[Erased]]) -> None:
    """Remember, in the transaction of a turn, what is to be erased."""
    rows = [(shard, *erased) for shard, ordered in orders.items() for erased in ordered]
    connection.executemany(STATEMENTS["order"], rows)


def _run(connection: apsw.Connection, name: str, values: tuple[str | int, ...]) -> None:
    connection.execute(STATEMENTS[name], values)

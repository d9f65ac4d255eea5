"""Series in one SQLite file: the rows of `storage.port.SeriesStore` as the tables of schema.sql.

One process opens the file writable; the door opens it with `writable=False`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from storage.heads import sealed_through
from storage.port import (
    BlockRow,
    Delta,
    Head,
    Outset,
    Pin,
    SeriesStore,
    ShardRow,
    SliceId,
    SliceState,
    Turn,
)
from storage.slices import WIDTH_MS, PlanVersion, SlicePlan, first_touched
from storage.sqlite.connection import Database
from storage.sqlite.erasing import SqliteErasing, note_erased
from storage.statements import read, texts

SCHEMA = tuple(
    read("storage.sqlite", name) for name in ("schema.sql", "schema_2.sql", "schema_3.sql", "schema_4.sql")
)
"""Step n brings a file from version n to n + 1."""

STATEMENTS = texts("storage.sqlite", "statements.sql")

READ_BYTES = 16 * 1024 * 1024
"""Bytes of bodies a read transaction; far below the 250 ms that one may last (design 4, SQLite)."""

READ_ROWS = 4_096

PIECE_BYTES = 2_688
"""Where a body of a block is cut: six pieces with their keys fill a page of 16 KB."""

Row = tuple[Any, ...]
"""One row as the driver gives it; the statement and the STRICT table say its types."""

POSITION_MAX = 2**63 - 1


class SqliteSeriesStore(SqliteErasing, SeriesStore):
    """Deltas, blocks, heads, slices, cursors and shards in one file."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    async def open(cls, path: Path, *, writable: bool = True, durable: bool = True) -> SqliteSeriesStore:
        """Open or make the file; StoreUnavailable if that fails. `durable` False is for control tests."""
        return cls(await Database.open(path, SCHEMA, writable=writable, durable=durable))

    async def write_turn(self, turn: Turn) -> None:
        """Store slices, deltas and cursors in one transaction."""
        listed = [(*_key(slice_id), turn.widths.get(slice_id)) for slice_id in turn.slices]
        known = {_key(delta.slice) for delta in turn.deltas}.difference(map(_key, turn.slices))
        deltas = [(*_key(delta.slice), delta.last, delta.first, delta.body) for delta in turn.deltas]
        cursors = list(turn.cursors.items())

        def job(connection: apsw.Connection) -> None:
            connection.executemany(STATEMENTS["list_slice"], listed)
            connection.executemany(STATEMENTS["know_slice"], known)
            connection.executemany(STATEMENTS["write_delta"], deltas)
            note_erased(connection, turn.erased)
            connection.executemany(STATEMENTS["write_cursor"], cursors)

        await self.database.write(job)

    async def read_cursor(self, shard: int) -> int:
        """Give the applied position of a shard; 0 where none was stored."""
        applied: int = await self.database.read(
            lambda connection: connection.execute(STATEMENTS["read_cursor"], (shard,)).get or 0
        )
        return applied

    async def read_outset(
        self, series: SeriesId, start_ms: int, end_ms: int, *, newest_first: bool = False
    ) -> Outset:
        """List the slices and read the first one in one go, its deltas a page at most."""

        def job(connection: apsw.Connection) -> tuple[dict[int, int], SliceState | None, bool]:
            slices = _slices(connection, series)
            first = first_touched(slices, start_ms, end_ms, newest_first=newest_first)
            if first is None:
                return slices, None, True
            return slices, *_state(connection, SliceId(series, first))

        slices, state, complete = await self.database.read(job)
        if state is not None and not complete:
            state = await self._completed(state)
        return Outset(slices, state)

    async def read_state(self, slice_id: SliceId) -> SliceState:
        """Read a head and its deltas in one go, a page of them at most; the others follow."""
        state, complete = await self.database.read(lambda connection: _state(connection, slice_id))
        return state if complete else await self._completed(state)

    async def _completed(self, state: SliceState) -> SliceState:
        """Read the pages that are missing."""
        return state._replace(deltas=state.deltas + await self._deltas_behind(state.slice, state.deltas[-1]))

    async def read_slices(self, series: SeriesId) -> dict[int, int]:
        """List the slices of a series, start → width, starts ascending."""
        return await self.database.read(lambda connection: _slices(connection, series))

    async def list_series(self) -> list[SeriesId]:
        """List every series that has a slice, in steps along the key, in as many short transactions."""
        found: list[SeriesId] = []

        def job(connection: apsw.Connection) -> bool:
            for _ in range(READ_ROWS):
                behind = (*found[-1], POSITION_MAX) if found else ("", "", "", -POSITION_MAX)
                row: Row | None = connection.execute(STATEMENTS["next_series"], behind).fetchone()
                if row is None:
                    return False
                tenant, asset, aspect = row
                found.append(SeriesId(TenantId(tenant), AssetId(asset), AspectId(aspect)))
            return True

        while await self.database.read(job):
            pass
        return found

    async def read_head(self, slice_id: SliceId, *, serial: bool = False) -> Head:
        """Read a head; `serial` waits for the write lock, behind which no older swap can follow."""

        def job(connection: apsw.Connection) -> Head:
            return _head(connection, slice_id)

        if serial and self.database.writable:
            return await self.database.write(job)
        return await self.database.read(job)

    async def read_deltas(self, slice_id: SliceId, after: int) -> list[Delta]:
        """Read the deltas with last > after, in as many short transactions as that takes."""
        return await self._deltas_behind(slice_id, Delta(slice_id, POSITION_MAX, after, b""))

    async def _deltas_behind(self, slice_id: SliceId, last: Delta) -> list[Delta]:
        deltas: list[Delta] = []
        complete = False
        while not complete:
            behind = deltas[-1] if deltas else last
            page, complete = await self.database.read(partial(_delta_page, slice_id=slice_id, behind=behind))
            deltas += page
        return deltas

    async def swap_head(self, slice_id: SliceId, built_on: int, head: Head) -> bool:
        """Store the head in a transaction that looks at the stored version."""
        key = _key(slice_id)

        def job(connection: apsw.Connection) -> bool:
            if built_on == 0:
                connection.execute(STATEMENTS["know_slice"], key)
                connection.execute(STATEMENTS["create_head"], (*key, head.version, head.body))
            else:
                connection.execute(STATEMENTS["swap_head"], (*key, head.version, head.body, built_on))
            return connection.changes() == 1

        return await self.database.write(job, swap=True)

    async def write_blocks(self, rows: Sequence[BlockRow]) -> None:
        """Store block rows in one transaction, long bodies in pieces."""
        keys = {_key(row.slice) for row in rows}

        def job(connection: apsw.Connection) -> None:
            connection.executemany(STATEMENTS["know_slice"], keys)
            numbers = {key: connection.execute(STATEMENTS["find_slice"], key).get for key in keys}
            named = [
                ((numbers[_key(row.slice)], row.part, row.variable, row.block_id), row.body) for row in rows
            ]
            first = [(*name, body[:PIECE_BYTES]) for name, body in named]
            following = [
                (*name, at, body[at : at + PIECE_BYTES])
                for name, body in named
                for at in range(PIECE_BYTES, len(body), PIECE_BYTES)
            ]
            connection.executemany(STATEMENTS["write_block"], first)
            connection.executemany(STATEMENTS["write_piece"], following)

        await self.database.write(job)

    async def read_blocks(
        self, slice_id: SliceId, part: int, variables: Collection[int], block_ids: Collection[bytes]
    ) -> dict[tuple[bytes, int], bytes]:
        """Read bodies by (block id, variable), in as many short transactions as that takes."""
        wanted = [(block_id, variable) for block_id in block_ids for variable in variables]
        found: dict[tuple[bytes, int], bytes] = {}

        def job(connection: apsw.Connection) -> None:
            number = connection.execute(STATEMENTS["find_slice"], _key(slice_id)).get
            size = 0
            while wanted and size < READ_BYTES:
                block_id, variable = wanted.pop()
                name = (number, part, variable, block_id)
                pieces: list[Row] = connection.execute(STATEMENTS["read_block"], name).fetchall()
                if pieces:
                    body = b"".join([piece for _, piece in pieces])
                    found[block_id, variable] = body
                    size += len(body)

        while wanted:
            await self.database.read(job)
        return found

    async def list_blocks(self, slice_id: SliceId, part: int) -> dict[bytes, list[int]]:
        """List the block ids in a part with the variables of each."""

        def job(connection: apsw.Connection) -> dict[bytes, list[int]]:
            listed: dict[bytes, list[int]] = {}
            for block_id, variable in connection.execute(STATEMENTS["list_blocks"], (*_key(slice_id), part)):
                listed.setdefault(block_id, []).append(variable)
            return listed

        return await self.database.read(job)

    async def drop_blocks(self, slice_id: SliceId, part: int, block_ids: Collection[bytes]) -> None:
        """Delete every row of these blocks by exact key; unknown ones are ignored."""

        def job(connection: apsw.Connection) -> None:
            number = connection.execute(STATEMENTS["find_slice"], _key(slice_id)).get
            names = [(number, part, block_id) for block_id in block_ids]
            connection.executemany(STATEMENTS["drop_block"], names)
            connection.executemany(STATEMENTS["drop_pieces"], names)

        await self.database.write(job)

    async def purge_deltas(self, slice_id: SliceId, upto: int) -> None:
        """Delete the deltas with last ≤ upto."""
        await self._run_each("purge_deltas", [(*_key(slice_id), upto)])

    async def write_pin(self, pin: Pin) -> None:
        """Store a pin; a repeat changes nothing."""
        key = _key(pin.slice)

        def job(connection: apsw.Connection) -> None:
            connection.execute(STATEMENTS["know_slice"], key)
            connection.execute(STATEMENTS["write_pin"], (*key, pin.position, pin.until_ms, pin.body))

        await self.database.write(job)

    async def read_pins(self, slice_id: SliceId) -> list[Pin]:
        """Read the pins of a slice, ascending by position."""

        def job(connection: apsw.Connection) -> list[Pin]:
            rows: Iterable[Row] = connection.execute(STATEMENTS["read_pins"], _key(slice_id))
            return [Pin(slice_id, *row) for row in rows]

        return await self.database.read(job)

    async def drop_pin(self, slice_id: SliceId, position: int) -> None:
        """Delete one pin; an unknown one is ignored."""
        await self._run_each("drop_pin", [(*_key(slice_id), position)])

    async def write_plan(self, shard: int, series: SeriesId, version: PlanVersion) -> None:
        """Store a version of a series' slice plan; the first width stays."""
        await self._run_each("write_plan", [(shard, *series, version.from_ms, version.width_ms)])

    async def read_plans(self, shard: int) -> dict[SeriesId, SlicePlan]:
        """Read the slice plans of a shard."""

        def job(connection: apsw.Connection) -> list[Row]:
            return list(connection.execute(STATEMENTS["read_plans"], (shard,)))

        plans: dict[SeriesId, SlicePlan] = {}
        for tenant, asset, aspect, from_ms, width_ms in await self.database.read(job):
            series = SeriesId(TenantId(tenant), AssetId(asset), AspectId(aspect))
            plans[series] = (*plans.get(series, ()), PlanVersion(from_ms, width_ms))
        return plans

    async def read_shard(self, shard: int) -> ShardRow:
        """Read the promise of a shard; version 0 where there is none."""

        def job(connection: apsw.Connection) -> ShardRow:
            row: Row | None = connection.execute(STATEMENTS["read_shard"], (shard,)).fetchone()
            return ShardRow(*row) if row else ShardRow(0, 0, 0)

        return await self.database.read(job)

    async def swap_shard(self, shard: int, built_on: int, row: ShardRow) -> bool:
        """Store the row in a transaction that looks at the stored version."""
        values: tuple[int, ...] = (shard, row.version, row.limit, row.incarnation)

        def job(connection: apsw.Connection) -> bool:
            if built_on == 0:
                connection.execute(STATEMENTS["create_shard"], values)
            else:
                connection.execute(STATEMENTS["swap_shard"], (*values, built_on))
            return connection.changes() == 1

        return await self.database.write(job, swap=True)

    async def write_survived(self, shard: int, incarnation: int, position: int) -> None:
        """Record what survived; the first value of an incarnation stays."""
        await self._run_each("write_survived", [(shard, incarnation, position)])

    async def read_survived(self, shard: int) -> dict[int, int]:
        """Give incarnation → survived position of a shard."""

        def job(connection: apsw.Connection) -> dict[int, int]:
            rows: Iterable[Row] = connection.execute(STATEMENTS["read_survived"], (shard,))
            return dict(rows)

        return await self.database.read(job)

    async def close(self) -> None:
        """Finish what is under way and close; twice is harmless."""
        await self.database.close()

    async def _run_each(self, name: str, rows: Sequence[tuple[apsw.SQLiteValue, ...]]) -> None:
        """Run a writing statement for each row, all in one transaction."""

        def job(connection: apsw.Connection) -> None:
            connection.executemany(STATEMENTS[name], rows)

        await self.database.write(job)


def _key(slice_id: SliceId) -> tuple[str, str, str, int]:
    tenant, asset, aspect = slice_id.series
    return tenant, asset, aspect, slice_id.start_ms


def _slices(connection: apsw.Connection, series: SeriesId) -> dict[int, int]:
    rows: Iterable[Row] = connection.execute(STATEMENTS["read_slices"], series)
    return {start_ms: width_ms or WIDTH_MS for start_ms, width_ms in rows}


def _head(connection: apsw.Connection, slice_id: SliceId) -> Head:
    row: Row | None = connection.execute(STATEMENTS["read_head"], _key(slice_id)).fetchone()
    return Head(*row) if row else Head(0, b"")


def _state(connection: apsw.Connection, slice_id: SliceId) -> tuple[SliceState, bool]:
    """Read a head and a page of its deltas; tell whether those were all."""
    head = _head(connection, slice_id)
    sealed = Delta(slice_id, POSITION_MAX, sealed_through(head.body), b"")
    page, complete = _delta_page(connection, slice_id, sealed)
    return SliceState(slice_id, head, page), complete


def _delta_page(connection: apsw.Connection, slice_id: SliceId, behind: Delta) -> tuple[list[Delta], bool]:
    """Read the deltas behind another one up to a bound; tell whether those were all."""
    page: list[Delta] = []
    size = 0
    cursor = connection.execute(STATEMENTS["read_deltas"], (*_key(slice_id), behind.last, behind.first))
    for last, first, body in cursor:
        page.append(Delta(slice_id, first, last, body))
        size += len(body)
        if size >= READ_BYTES or len(page) == READ_ROWS:
            cursor.close()  # ends the statement
            return page, False
    return page, True

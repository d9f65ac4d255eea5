"""Series in Cassandra: the rows of `storage.port.SeriesStore` as the tables of schema/0001_series.cql."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from storage.cassandra import erasing
from storage.cassandra.calls import Call
from storage.cassandra.erasing import CassandraErasing, erased_calls
from storage.cassandra.migrate import migrate
from storage.cassandra.nodes import check_durability, pack_limits
from storage.cassandra.session import Address, Session
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
from storage.recent import Recent
from storage.slices import WIDTH_MS, PlanVersion, SlicePlan, first_touched, slice_range
from storage.statements import load

STATEMENTS = load("storage.cassandra", "statements.cql")

BODY_PAGE_ROWS = 64
"""Rows with bodies a page, each at most about 1 MiB: the server builds a page on its heap."""

MUTATION_BYTES = 1024 * 1024
"""Deltas of one slice that share a mutation; the server refuses 16 MiB."""

MUTATION_ROWS = 64

BLOCKS_PER_READ = 32
"""Block ids a statement: an IN builds every combination with the variables."""


SLICES_KEPT = 20_000
"""Slices and series of which a process remembers what never changes, or only grows: some 10 MB."""


class CassandraSeriesStore(CassandraErasing, SeriesStore):
    """Deltas, blocks, heads, slices, cursors and shards in one keyspace."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._sealed: Recent[SliceId, int] = Recent(SLICES_KEPT)
        self._listed: Recent[SeriesId, dict[int, int]] = Recent(SLICES_KEPT)

    @classmethod
    async def open(cls, address: Address, *, writable: bool = True) -> CassandraSeriesStore:
        """Connect, bring the keyspace to the present schema, prepare; StoreUnavailable if any of it fails.

        `writable` asks the nodes how much they take in a batch, which only who writes turns needs to know.
        """
        session = await Session.open(address)
        try:
            await migrate(session)
            await session.prepare(STATEMENTS, {"read_deltas": BODY_PAGE_ROWS, "read_blocks": BODY_PAGE_ROWS})
            if writable:
                await session.prepare(erasing.STATEMENTS)
                session.limits = await pack_limits(session)
        except BaseException:
            await session.close()
            raise
        return cls(session)

    async def check_durability(self) -> None:
        """Refuse a cluster that acknowledges writes before they are on the disk (design 4, promise)."""
        await check_durability(self.session)

    async def write_turn(self, turn: Turn) -> None:
        """Store slices, then deltas (those of a slice in order, slices beside one another), then cursors."""
        slices = [
            Call("write_slice", [(*_key(slice_id), turn.widths.get(slice_id))]) for slice_id in turn.slices
        ]
        cursors = [
            Call("write_cursor", [(shard, applied, applied)]) for shard, applied in turn.cursors.items()
        ]
        await self.session.write_packed(slices)
        for wave in _waves(turn.deltas):
            await self.session.write_packed(wave)
        await self.session.write_packed(erased_calls(turn.erased))
        await self.session.write_packed(cursors)

    async def read_cursor(self, shard: int) -> int:
        """Give the applied position of a shard; 0 where none was stored."""
        rows = await self.session.rows("read_cursor", shard)
        return int(rows[0][0]) if rows else 0

    async def read_outset(
        self, series: SeriesId, start_ms: int, end_ms: int, *, newest_first: bool = False
    ) -> Outset:
        """List the slices and read the one that came first the last time, side by side.

        A slice never changes, and no other has times of it: where one holds the whole range that is enough.
        """
        known = self._listed.get(series) or {}
        guess = first_touched(known, start_ms, end_ms, newest_first=newest_first)
        if guess is None:
            return await super().read_outset(series, start_ms, end_ms, newest_first=newest_first)
        reading = self.read_state(SliceId(series, guess))
        first_ms, last_ms = slice_range(guess, known[guess])
        if first_ms <= start_ms and end_ms <= last_ms:
            return Outset({guess: known[guess]}, await reading)
        slices, state = await asyncio.gather(self.read_slices(series), reading)
        first = first_touched(slices, start_ms, end_ms, newest_first=newest_first)
        if first is not None and first != guess:
            state = await self.read_state(SliceId(series, first))
        return Outset(slices, state)

    async def read_state(self, slice_id: SliceId) -> SliceState:
        """Read the head, and beside it the deltas behind what it had sealed when it was last read."""
        known = self._sealed.get(slice_id)
        if known is None:
            state = await super().read_state(slice_id)
        else:
            head, deltas = await asyncio.gather(self.read_head(slice_id), self.read_deltas(slice_id, known))
            state = SliceState(slice_id, head, deltas)
        self._sealed.put(slice_id, sealed_through(state.head.body))
        return state

    async def read_slices(self, series: SeriesId) -> dict[int, int]:
        """List the slices of a series, start → width, starts ascending."""
        rows = await self.session.rows("read_slices", *series)
        slices = {start_ms: width_ms or WIDTH_MS for start_ms, width_ms in rows}
        self._listed.put(series, slices)
        return slices

    async def list_series(self) -> list[SeriesId]:
        """List every series that has a slice, ascending."""
        return sorted(_series(*row) for row in await self.session.rows("list_series"))

    async def read_head(self, slice_id: SliceId, *, serial: bool = False) -> Head:
        """Read a head; `serial` completes or voids every compare-and-set that is still on its way."""
        rows = await self.session.rows("read_head", *_key(slice_id), serial=serial)
        return Head(*rows[0]) if rows else Head(0, b"")

    async def read_deltas(self, slice_id: SliceId, after: int) -> list[Delta]:
        """Read the deltas with last > after in the order of the clustering key."""
        rows = await self.session.rows("read_deltas", *_key(slice_id), after)
        return [Delta(slice_id, first, last, body) for last, first, body in rows]

    async def swap_head(self, slice_id: SliceId, built_on: int, head: Head) -> bool:
        """Store the head by a lightweight transaction."""
        if built_on == 0:
            return await self.session.swap("create_head", *_key(slice_id), head.version, head.body)
        return await self.session.swap("swap_head", head.version, head.body, *_key(slice_id), built_on)

    async def write_blocks(self, rows: Sequence[BlockRow]) -> None:
        """Store block rows beside one another."""
        await self.session.write_all(
            [
                [
                    Call(
                        "write_block",
                        [(*_key(row.slice), row.part, row.variable, row.block_id, row.body)],
                        len(row.body),
                    )
                ]
                for row in rows
            ]
        )

    async def read_blocks(
        self, slice_id: SliceId, part: int, variables: Collection[int], block_ids: Collection[bytes]
    ) -> dict[tuple[bytes, int], bytes]:
        """Read bodies by (block id, variable)."""
        found: dict[tuple[bytes, int], bytes] = {}
        wanted = list(block_ids)
        for begin in range(0, len(wanted), BLOCKS_PER_READ):
            chunk = wanted[begin : begin + BLOCKS_PER_READ]
            rows = await self.session.rows("read_blocks", *_key(slice_id), part, list(variables), chunk)
            found.update({(block_id, variable): body for block_id, variable, body in rows})
        return found

    async def list_blocks(self, slice_id: SliceId, part: int) -> dict[bytes, list[int]]:
        """List the block ids in a part with the variables of each."""
        listed: dict[bytes, list[int]] = {}
        for block_id, variable in await self.session.rows("list_blocks", *_key(slice_id), part):
            listed.setdefault(block_id, []).append(variable)
        return listed

    async def drop_blocks(self, slice_id: SliceId, part: int, block_ids: Collection[bytes]) -> None:
        """Delete every row of these blocks by exact key; the rows are listed first."""
        listed = await self.list_blocks(slice_id, part)
        keys = [
            (*_key(slice_id), part, variable, block_id)
            for block_id in block_ids
            for variable in listed.get(block_id, ())
        ]
        await self.session.write_all([[Call("drop_block", [key])] for key in keys])

    async def purge_deltas(self, slice_id: SliceId, upto: int) -> None:
        """Delete by one partition tombstone; it also shadows what is written later at or before `upto`."""
        await self.session.write("purge_deltas", upto, *_key(slice_id))

    async def write_pin(self, pin: Pin) -> None:
        """Store a pin; a repeat writes the same."""
        await self.session.write("write_pin", *_key(pin.slice), pin.position, pin.until_ms, pin.body)

    async def read_pins(self, slice_id: SliceId) -> list[Pin]:
        """Read the pins of a slice, ascending by position."""
        return [Pin(slice_id, *row) for row in await self.session.rows("read_pins", *_key(slice_id))]

    async def drop_pin(self, slice_id: SliceId, position: int) -> None:
        """Delete one pin; an unknown one is ignored."""
        await self.session.write("drop_pin", *_key(slice_id), position)

    async def write_plan(self, shard: int, series: SeriesId, version: PlanVersion) -> None:
        """Store a version of a series' slice plan by a lightweight transaction; the first width stays."""
        await self.session.swap("write_plan", shard, *series, version.from_ms, version.width_ms)

    async def read_plans(self, shard: int) -> dict[SeriesId, SlicePlan]:
        """Read the slice plans of a shard; `serial` ends each write that is still on its way."""
        plans: dict[SeriesId, SlicePlan] = {}
        for *ids, from_ms, width_ms in await self.session.rows("read_plans", shard, serial=True):
            series = _series(*ids)
            plans[series] = (*plans.get(series, ()), PlanVersion(from_ms, width_ms))
        return plans

    async def read_shard(self, shard: int) -> ShardRow:
        """Read the promise of a shard, always serially: the caller is about to build on it."""
        rows = await self.session.rows("read_shard", shard, serial=True)
        return ShardRow(*rows[0]) if rows else ShardRow(0, 0, 0)

    async def swap_shard(self, shard: int, built_on: int, row: ShardRow) -> bool:
        """Store the row by a lightweight transaction."""
        values = (row.version, row.limit, row.incarnation)
        if built_on == 0:
            return await self.session.swap("create_shard", shard, *values)
        return await self.session.swap("swap_shard", *values, shard, built_on)

    async def write_survived(self, shard: int, incarnation: int, position: int) -> None:
        """Record what survived; the first value of an incarnation stays."""
        await self.session.swap("write_survived", shard, incarnation, position)

    async def read_survived(self, shard: int) -> dict[int, int]:
        """Give incarnation → survived position of a shard."""
        return dict(await self.session.rows("read_survived", shard))

    async def close(self) -> None:
        """Close every connection; twice is harmless."""
        await self.session.close()


def _key(slice_id: SliceId) -> tuple[str, str, str, int]:
    tenant, asset, aspect = slice_id.series
    return tenant, asset, aspect, slice_id.start_ms


def _series(tenant: str, asset: str, aspect: str) -> SeriesId:
    return SeriesId(TenantId(tenant), AssetId(asset), AspectId(aspect))


def _waves(deltas: Sequence[Delta]) -> Iterator[list[Call]]:
    """Give the deltas of each slice in their order (design 4.5), one mutation of each slice a wave."""
    slices: dict[SliceId, list[Delta]] = {}
    for delta in deltas:
        slices.setdefault(delta.slice, []).append(delta)
    lanes = [[_delta_call(part) for part in _mutations(lane)] for lane in slices.values()]
    for wave in zip_longest(*lanes):
        yield [call for call in wave if call is not None]


def _mutations(deltas: Sequence[Delta]) -> Iterator[list[Delta]]:
    """Cut the deltas of a slice where a mutation is full."""
    part: list[Delta] = []
    size = 0
    for delta in deltas:
        if part and (len(part) == MUTATION_ROWS or size + len(delta.body) > MUTATION_BYTES):
            yield part
            part, size = [], 0
        part.append(delta)
        size += len(delta.body)
    yield part


def _delta_call(deltas: Sequence[Delta]) -> Call:
    rows = [(*_key(delta.slice), delta.last, delta.first, delta.body, delta.last) for delta in deltas]
    return Call("write_delta", rows, sum(len(delta.body) for delta in deltas))

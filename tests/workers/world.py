"""A small world for tests of the writer: a stream, a store, a clock that only tests move, a way to write.

What a write means is known beside it as a plain list of changes, so that every state can be compared
with serial execution in receipt order.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from api.reading.fresh import Reading
from api.reading.receipts import Receipts
from runtime.clock import ManualClock
from schemas.changes import Attach, Change, Clear, Undo, Upsert
from schemas.columns import Columns
from schemas.ids import SeriesId
from storage import blocks, merge
from storage.heads import encode_refs
from storage.memory import MemorySeriesStore
from storage.port import CatalogStore, SeriesStore, SliceId
from storage.reader import read_series
from storage.slices import split_by_slice
from storage.spans import Wanted
from streams.entries import SeriesEntry, encode_entry
from streams.memory import MemoryRecordStream
from streams.port import Admission, Admitted, RecordStream, Refusal, Throttled
from streams.shards import shard_of
from tests.storage.layers import State, serial
from workers.sealer import SealRules
from workers.writer import Writer, WriterRules

START_MS = 1_767_225_600_000
SHARDS = 4
EVERYTHING = Wanted(-(2**60), 2**60)


class Brought(Attach, frozen=True, gc=False):
    """An import, with the rows that it brings."""

    columns: Columns = merge.EMPTY

    @property
    def reach(self) -> range:
        """Give the times from the first row to the last."""
        return range(int(self.columns.time_ms.min()), int(self.columns.time_ms.max()) + 1)


class World:
    """A stream and a store, and what was acknowledged so far."""

    def __init__(self, stream: RecordStream, store: SeriesStore, clock: ManualClock) -> None:
        """Begin with nothing acknowledged."""
        self.stream = stream
        self.clock = clock
        self.keep_in(store)
        self.acknowledged: dict[SeriesId, list[tuple[int, Change | Undo]]] = {}
        self._ids = itertools.count(1)

    def keep_in(self, store: SeriesStore) -> None:
        """Go on with another store: what is in the one before is lost, unless the new one has it."""
        self.store = store
        self.reading = Reading(self.stream, store, Receipts(self.stream, store, bytes(32)), SHARDS)

    def writer(
        self, owner: str = "w1", *, ports: Any = None, catalog: CatalogStore | None = None, **rules: object
    ) -> Writer:
        """Make a writer, quick to seal and purge; `ports` instead of the world's stream and store."""
        seal = SealRules(grace_s=2.0, quiet_s=5.0)
        chosen = WriterRules(owner, SHARDS, seal=seal, trim_delay_s=0.0, **rules)
        stream, store = ports or (self.stream, self.store)
        return Writer(
            stream, store, self.clock, chosen, lambda: next(self._ids).to_bytes(16, "big"), catalog=catalog
        )

    async def write(self, series: SeriesId, change: Change | Undo) -> Admitted:
        """Append a change, and note it where its position puts it."""
        answer = await self._appended(series, change)
        assert isinstance(answer, Admitted), answer
        return answer

    async def try_write(self, series: SeriesId, change: Change | Undo) -> Admitted | None:
        """Append a change and note it; None if it is refused."""
        answer = await self._appended(series, change)
        return answer if isinstance(answer, Admitted) else None

    async def _appended(self, series: SeriesId, change: Change | Undo) -> Admitted | Refusal | Throttled:
        body = encode_entry(SeriesEntry(series, 1, change))
        shard = shard_of(series.tenant, series.asset, SHARDS)
        [answer] = await self.stream.append([Admission(shard, series, body)])
        if isinstance(answer, Admitted):
            self.acknowledged.setdefault(series, []).append((answer.position, change))
        return answer

    async def stage(self, series: SeriesId, columns: Columns, undo_s: int) -> Brought:
        """Store rows as a job does, whole ones or parts, a block a slice; gives what attaches them."""
        refs = []
        joined = merge.state([columns]) if columns.merges is None else merge.fold([columns])
        for start_ms, rows in split_by_slice(series, joined):
            place = blocks.Place(SliceId(series, start_ms), 0, blocks.STAGED)
            ref, stored = blocks.encode_block(place, next(self._ids).to_bytes(16, "little"), rows, 0)
            await self.store.write_blocks(stored)
            refs.append(msgspec.structs.replace(ref, slice_start_ms=start_ms))
        return Brought(encode_refs(tuple(refs)), undo_s=undo_s, columns=columns)

    def expected(self, series: SeriesId) -> State:
        """Execute what was acknowledged, one after the other; rows without a value are not shown."""
        ordered = sorted(self.acknowledged.get(series, []), key=lambda each: each[0])
        return {time_ms: row for time_ms, row in states_of(ordered)[-1].items() if row}

    async def read(self, series: SeriesId) -> State:
        """Read everything, through tail and store."""
        return serial([(await self.reading.rows(series, EVERYTHING)).columns])

    async def stored(self, series: SeriesId) -> State:
        """Read everything that the store has."""
        return serial([await read_series(self.store, series, EVERYTHING)])


def states_of(ordered: Sequence[tuple[int, Change | Undo]]) -> list[State]:
    """Give the state before the first change and after each."""
    states: list[State] = [{}]
    for at, (_, change) in enumerate(ordered):
        states.append(state_after(ordered[:at], states, change))
    return states


def state_after(
    before: Sequence[tuple[int, Change | Undo]], states: Sequence[State], change: Change | Undo
) -> State:
    """Execute one more change; an undo brings back what its delete took, or nothing (design 4.14).

    One of an import is refused where other rows are in its range than it left.
    """
    if not isinstance(change, Undo):
        return serial([layer_of(change)], states[-1])
    at = next(number for number, (position, _) in enumerate(before) if position == change.position)
    span = range(change.start_ms, change.end_ms)
    newer: Sequence[int] = range(at + 1, len(before))
    if isinstance(before[at][1], Brought):
        newer = [number for number in newer if isinstance(before[number][1], Clear | Brought)]
        if _within(states[at + 1], span) != _within(states[-1], span):
            return dict(states[-1])
    if any(_reaches(before[number][1], states[number : number + 2], span) for number in newer):
        return dict(states[-1])
    beside = {time_ms: row for time_ms, row in states[-1].items() if time_ms not in span}
    return beside | _within(states[at], span)


def _within(state: State, span: range) -> State:
    return {time_ms: row for time_ms, row in state.items() if time_ms in span}


def _reaches(change: Change | Undo, around: Sequence[State], span: range) -> bool:
    """Tell whether a change, with the states before and after it, touched a range."""
    if isinstance(change, Upsert):
        return any(time_ms in span for time_ms in change.columns.time_ms.tolist())
    if isinstance(change, Clear):
        return change.start_ms < span.stop and span.start < change.end_ms
    if isinstance(change, Brought):
        return change.reach.start < span.stop and span.start < change.reach.stop
    return any(time_ms in span for time_ms in around[1].keys() - around[0].keys())


def layer_of(change: Change) -> Columns | Clear:
    """Give what a change lays over the rows before it."""
    assert isinstance(change, Upsert | Clear | Brought)
    return change if isinstance(change, Clear) else change.columns


def memory_world() -> World:
    """Make a world of memory."""
    clock = ManualClock(START_MS)
    return World(MemoryRecordStream(lambda: clock.now_ms() * 1000), MemorySeriesStore(), clock)


async def step(writer: Writer) -> int:
    """Let a writer do all that its loop does, once, and end the turn at once."""
    stop = asyncio.Event()
    stop.set()
    await writer.keep_leases()
    entries = await writer.turn(stop)
    await writer.tidy()
    return entries

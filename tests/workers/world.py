"""A small world for tests of the writer: a stream, a store, a clock that only tests move, a way to write.

What a write means is known beside it as a plain list of changes, so that every state can be compared
with serial execution in receipt order.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from api.reading import Reading
from api.receipts import Receipts
from runtime.clock import ManualClock
from schemas.changes import Change, Clear, Upsert
from schemas.columns import Columns
from schemas.ids import SeriesId
from storage.memory import MemorySeriesStore
from storage.port import CatalogStore, SeriesStore
from storage.reader import Wanted, read_series
from streams.entries import SeriesEntry, encode_entry
from streams.memory import MemoryRecordStream
from streams.port import Admission, Admitted, RecordStream
from streams.shards import shard_of
from tests.storage.layers import State, serial
from workers.sealer import SealRules
from workers.writer import Writer, WriterRules

START_MS = 1_767_225_600_000
SHARDS = 4
EVERYTHING = Wanted(-(2**60), 2**60)


class World:
    """A stream and a store, and what was acknowledged so far."""

    def __init__(self, stream: RecordStream, store: SeriesStore, clock: ManualClock) -> None:
        """Begin with nothing acknowledged."""
        self.stream = stream
        self.clock = clock
        self.keep_in(store)
        self.acknowledged: dict[SeriesId, list[tuple[int, Change]]] = {}
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

    async def write(self, series: SeriesId, change: Change) -> Admitted:
        """Append a change, and note it where its position puts it."""
        answer = await self.try_write(series, change)
        assert answer is not None, "refused"
        return answer

    async def try_write(self, series: SeriesId, change: Change) -> Admitted | None:
        """Append a change and note it; None if it is refused."""
        body = encode_entry(SeriesEntry(series, 1, change))
        shard = shard_of(series.tenant, series.asset, SHARDS)
        [answer] = await self.stream.append([Admission(shard, series, body)])
        if not isinstance(answer, Admitted):
            return None
        self.acknowledged.setdefault(series, []).append((answer.position, change))
        return answer

    def expected(self, series: SeriesId) -> State:
        """Execute what was acknowledged, one after the other; rows without a value are not shown."""
        ordered = sorted(self.acknowledged.get(series, []), key=lambda each: each[0])
        state = serial([layer_of(change) for _, change in ordered])
        return {time_ms: row for time_ms, row in state.items() if row}

    async def read(self, series: SeriesId) -> State:
        """Read everything, through tail and store."""
        return serial([(await self.reading.rows(series, EVERYTHING)).columns])

    async def stored(self, series: SeriesId) -> State:
        """Read everything that the store has."""
        return serial([await read_series(self.store, series, EVERYTHING)])


def layer_of(change: Change) -> Columns | Clear:
    """Give what a change lays over the rows before it."""
    assert isinstance(change, Upsert | Clear)
    return change.columns if isinstance(change, Upsert) else change


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

"""A world with a catalogue in which imports run, over memory or real stores."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import numpy as np

from runtime.clock import ManualClock
from schemas.columns import Column, Columns
from schemas.ids import SeriesId
from schemas.imports import BadSource, Batch, RowKind
from storage import job_records
from storage.job_records import IMPORT, JobRecord, Phase
from storage.memory import MemorySeriesStore
from storage.memory_catalog import MemoryCatalogStore
from streams.memory import MemoryRecordStream
from tests.storage.layers import State, serial
from tests.workers.world import START_MS, World, step
from workers.imports.importer import Ground, run_import
from workers.running import Attempt

MINUTE_MS = 60_000
UNDO_S = 7 * 86_400


def some_rows(start: int, count: int, step_ms: int = MINUTE_MS, value: float = 0.0) -> Columns:
    """Make rows from a number of milliseconds after the start on."""
    times = START_MS + start + step_ms * np.arange(count, dtype="<i8")
    return Columns(times, {1: Column(np.arange(count, dtype="<f8") + value)})


class Listed:
    """A source out of lists; a unit may end in problems."""

    def __init__(self, units: Sequence[Any], kind: RowKind = RowKind.WHOLE) -> None:
        """Take the batches of each unit, or the problems that it has."""
        self._units = units
        self.kind = kind
        self.reads = 0

    @property
    def units(self) -> int:
        """Count them."""
        return len(self._units)

    async def read(self, unit: int) -> AsyncIterator[Batch]:
        """Give the batches of a unit."""
        self.reads += 1
        for each in self._units[unit]:
            if isinstance(each, list):
                raise BadSource(each)
            series, rows, *made_of = each
            yield Batch(series, rows, rows.rows * 10, made_of=made_of[0] if made_of else None)


class Importing:
    """A writer, stores, and imports among its writes."""

    def __init__(self, store: Any = None, catalog: Any = None, stream: Any = None) -> None:
        """Begin with nothing; real stores may be given."""
        self.clock = ManualClock(START_MS)
        self.catalog = catalog or MemoryCatalogStore()
        memory = stream or MemoryRecordStream(lambda: self.clock.now_ms() * 1000)
        self.world = World(memory, store or MemorySeriesStore(), self.clock)
        self.writer = self.world.writer(catalog=self.catalog)
        self._numbers = itertools.count(10_000)

    def ground(self, store: Any = None, catalog: Any = None, stream: Any = None) -> Ground:
        """Give what imports work on; while one waits, the writer works."""
        return Ground(
            catalog or self.catalog,
            store or self.world.store,
            stream or self.world.stream,
            self.clock,
            4,
            lambda: next(self._numbers).to_bytes(16, "big"),
            self._pause,
        )

    async def _pause(self, seconds: float) -> None:
        self.clock.advance(int(seconds * 1_000))
        await step(self.writer)

    async def submit(self, tenant: str, job_id: str = "job1", **told: Any) -> None:
        """Ask for an import."""
        record = JobRecord(id=job_id, kind=IMPORT, by="me", submitted_ms=self.clock.now_ms(), told=told)
        await job_records.submit(self.catalog, tenant, record)

    async def run(
        self, tenant: str, source: Listed, job_id: str = "job1", *, undo_s: int = 0, ground: Any = None
    ) -> JobRecord:
        """Make one attempt at a job; gives its record afterwards."""
        ground = ground or self.ground()
        attempt = await Attempt.take_up(ground.catalog, self.clock, tenant, job_id)
        assert attempt is not None
        await run_import(ground, attempt, source, undo_s=undo_s)
        return await self.record(tenant, job_id)

    async def record(self, tenant: str, job_id: str = "job1") -> JobRecord:
        """Read a job."""
        found = await job_records.get(self.catalog, tenant, job_id)
        assert found is not None
        return found

    async def import_whole(
        self, tenant: str, units: Sequence[Any], job_id: str = "job1", **rules: Any
    ) -> None:
        """Ask for an import, and do it."""
        await self.submit(tenant, job_id)
        record = await self.run(tenant, Listed(units), job_id, **rules)
        assert record.phase is Phase.DONE, record.message

    async def blocks_of(self, series: SeriesId) -> set[bytes]:
        """List every block that the store has of a series (memory only)."""
        store: Any = self.world.store
        return {key[0] for (found, _), rows in store.blocks.items() if found.series == series for key in rows}

    async def demand(self, series: SeriesId, layers: Sequence[Any]) -> None:
        """What everybody sees is what the layers say, one after the other."""
        expected: State = {time_ms: row for time_ms, row in serial(layers).items() if row}
        assert expected == await self.world.read(series)
        assert expected == await self.world.stored(series)


def replaced(record: JobRecord, **changes: Any) -> JobRecord:
    """Change a record."""
    return msgspec.structs.replace(record, **changes)

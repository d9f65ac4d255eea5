"""Exports in a world with a writer, over memory or real stores; and ports that fail together at one call."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from schemas.aspects import AspectType, Variable, VariableType
from schemas.errors import StoreUnavailable
from schemas.exporting.model import (
    ExportColumn,
    ExportFile,
    ExportFormat,
    ExportPlan,
    ExportSeries,
    Layout,
    Packing,
)
from schemas.ids import SeriesId
from storage import job_records
from storage.export_parts import Download, find_download
from storage.job_records import EXPORT, JobRecord
from storage.memory_files import MemoryFileStore
from tests.storage.series import SERIES
from tests.workers.importing import Importing
from tests.workers.world import START_MS
from workers.exports.exporter import run_export
from workers.imports.importer import Ground
from workers.running import Attempt

TENANT = SERIES.tenant
TYPE = AspectType(
    id=f"{TENANT}.wind",
    tenant=TENANT,
    name="wind",
    category="dynamic",
    variables=(
        Variable(name="speed", type=VariableType.DOUBLE, unit="m/s", id=1),
        Variable(name="gust", type=VariableType.DOUBLE, id=2, quality_code=True),
        Variable(name="label", type=VariableType.STRING, id=3),
    ),
)


def plan_of(*series: SeriesId, variables: tuple[int, ...] = (1,), **changes: Any) -> ExportPlan:
    """Plan an export of some variables of series, a file each."""
    known = [
        ExportSeries(asset=one.asset, asset_name=f"mast {n}", aspect="wind", aspect_id=one.aspect, type=0)
        for n, one in enumerate(series)
    ]
    names = {each.id: each.name for each in TYPE.variables}
    files = tuple(
        ExportFile(f"{number}.csv", tuple(ExportColumn(number, each, names[each]) for each in variables))
        for number in range(len(series))
    )
    plan = ExportPlan(
        asked={},
        series=tuple(known),
        types=(TYPE,),
        files=files,
        start_ms=0,
        end_ms=START_MS + 10 * 365 * 86_400_000,
        format=ExportFormat.CSV,
        layout=Layout.WIDE,
        packing=Packing.ZIP,
        codes=False,
        zone="UTC",
        time_format="iso8601",
        name="export",
        bytes_max=None,
        kept_s=3_600,
    )
    return msgspec.structs.replace(plan, **changes)


class Exporting(Importing):
    """Exports among the writes of a world."""

    def __init__(self, store: Any = None, catalog: Any = None, stream: Any = None) -> None:
        """Begin with nothing."""
        super().__init__(store, catalog, stream)
        self.files: Any = MemoryFileStore(self.clock.now_ms)

    async def ask(self, plan: ExportPlan, job_id: str = "job1") -> None:
        """Ask for an export."""
        told = {"export": msgspec.to_builtins(plan)}
        record = JobRecord(id=job_id, kind=EXPORT, by="me", submitted_ms=self.clock.now_ms(), told=told)
        await job_records.submit(self.catalog, TENANT, record)

    async def attempt(
        self, ground: Ground | None = None, files: Any = None, job_id: str = "job1"
    ) -> JobRecord:
        """Make one attempt; gives the job's record afterwards."""
        ground = ground or self.ground()
        attempt = await Attempt.take_up(ground.catalog, self.clock, TENANT, job_id)
        assert attempt is not None
        await run_export(ground, files or self.files, attempt)
        return await self.record(TENANT, job_id)

    async def download(self, job_id: str = "job1") -> Download:
        """Give what an export came to."""
        found = await find_download(self.catalog, TENANT, job_id)
        assert found is not None
        return found

    async def octets(self, job_id: str = "job1") -> bytes:
        """Give the bytes of the download, checked against its checksum."""
        download = await self.download(job_id)
        octets = b"".join(
            [
                block
                for content in download.contents
                async for block in self.files.read(TENANT, content, 0, content.size)
            ]
        )
        assert hashlib.sha256(octets).hexdigest() == download.sha256
        assert len(octets) == download.size
        return octets

    async def unpacked(self, job_id: str = "job1") -> dict[str, bytes]:
        """Give the files of the download."""
        with zipfile.ZipFile(io.BytesIO(await self.octets(job_id))) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}


class Failing:
    """Ports that fail together at one call, before or after its effect, and at every one behind it."""

    def __init__(self, world: Exporting, at: int, *, after: bool) -> None:
        """Stand before the ports of a world."""
        self.at = at
        self.after = after
        self.calls = 0
        self.ground = world.ground(
            _Port(self, world.world.store), _Port(self, world.catalog), _Port(self, world.world.stream)
        )
        self.files = _Port(self, world.files)

    def count(self, *, done: bool) -> None:
        """Count a call, before and after it; raises where the process is gone."""
        self.calls += not done
        if self.calls > self.at or (self.calls == self.at and done == self.after):
            raise StoreUnavailable("the process is gone")


class _Port:
    def __init__(self, failing: Failing, inner: Any) -> None:
        self._failing = failing
        self._inner = inner

    def read(self, *arguments: Any) -> AsyncGenerator[bytes]:
        return self._read(*arguments)

    async def _read(self, *arguments: Any) -> AsyncGenerator[bytes]:
        self._failing.count(done=False)
        async for block in self._inner.read(*arguments):
            yield block
        self._failing.count(done=True)

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            self._failing.count(done=False)
            answer = await getattr(self._inner, name)(*arguments, **options)
            self._failing.count(done=True)
            return answer

        return call

"""Who keeps jobs: wakes those that wait or whose worker died, tidies up after others, forgets old ones.

One in an installation is at work, that of the writer which holds the first shard; two at once do no harm.
Queue and workers may lose what they like: what is to be done stands in the catalogue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from runtime.ports import Clock
from schemas.durations import DAY_MS
from schemas.errors import ServiceError, Unavailable
from schemas.ids import CORE, TenantId
from schemas.limits import JOBS_KEPT_DAYS, JOBS_KEPT_MAX
from storage import job_records
from storage.export_parts import downloads
from storage.files import FileStore
from storage.import_journal import Journal
from storage.job_records import EXPORT, JobRecord, Phase
from storage.port import CatalogStore, Document, SeriesStore
from streams.job_port import JobQueue
from workers.exports.exporter import tidy_export
from workers.import_jobs import wake
from workers.imports.importer import tidy
from workers.running import ATTEMPTS_MAX, LOST_MS

log = structlog.get_logger("jobs")

LOOK_S: Final = 15.0
"""How often it is looked for what waits or died."""

WAKE_AGAIN_MS: Final = 60_000
"""After which workers are told once more of a job that nobody took up."""

FORGET_S: Final = 3_600.0
"""How often old jobs are looked for: their time counts in days."""

DIED: Final = (
    "Its worker died {times} times, the last time without a word; divide it, or give jobs more memory."
)


class JobKeeper:
    """What keeps jobs; it works while `leads` says so."""

    def __init__(
        self,
        catalog: CatalogStore,
        store: SeriesStore,
        queue: JobQueue,
        clock: Clock,
        leads: Callable[[], bool],
        *,
        files: FileStore | None = None,
        lost_ms: int = LOST_MS,
    ) -> None:
        """Know of no job; one that gave no sign of life for `lost_ms` is taken up anew."""
        self._catalog = catalog
        self._store = store
        self._queue = queue
        self._clock = clock
        self._leads = leads
        self._files = files
        self._lost_ms = lost_ms
        self._woken: dict[str, int] = {}
        """When workers were last told of a job, by its line."""
        self._forget_s = clock.monotonic_s()

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again until told to stop."""
        while not stop.is_set():
            try:
                if self._leads():
                    await self.look()
            except Unavailable as error:
                log.warning("keeper_waits", reason=error.message)
            except ServiceError:
                log.exception("keeper_failed")
            try:
                async with asyncio.timeout(min(LOOK_S, self._lost_ms / 1_000)):
                    await stop.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Do what is due for every job that is open, and now and then for those that ended long ago."""
        lines = await self._catalog.list(CORE, job_records.OPEN)
        open_ids = {line.id for line in lines}
        self._woken = {name: at_ms for name, at_ms in self._woken.items() if name in open_ids}
        for line in lines:
            await self._keep(line)
        now_s = self._clock.monotonic_s()
        if now_s >= self._forget_s:
            self._forget_s = now_s + FORGET_S
            for tenant in await self._catalog.list(CORE, "tenant"):
                await self._forget_old(TenantId(tenant.id))

    async def _keep(self, line: Document) -> None:
        opened = job_records.open_decoder.decode(line.body)
        record = await job_records.get(self._catalog, opened.tenant, opened.id)
        now_ms = self._clock.now_ms()
        if record is None:
            # Its door is about to store it, or died; or the tenant is erased.
            if now_ms >= self._woken.setdefault(line.id, now_ms) + WAKE_AGAIN_MS:
                await self._tidy(opened, "")
                await job_records.close(self._catalog, opened.tenant, opened.id)
        elif record.phase.is_end:
            await self._tidy(opened, record.kind)
        elif record.phase is Phase.SUBMITTED:
            await self._wake(line.id, opened.tenant, record, since_ms=record.submitted_ms)
        elif now_ms >= record.beat_ms + self._lost_ms:
            if record.attempt >= ATTEMPTS_MAX and not record.committing:
                await self._fail(opened.tenant, record)
            else:
                await self._wake(line.id, opened.tenant, record, since_ms=0)

    async def _tidy(self, opened: job_records.OpenJob, kind: str) -> None:
        """Leave nothing of a job that has ended."""
        if kind == EXPORT and self._files is not None:
            await tidy_export(self._catalog, self._files, TenantId(opened.tenant), opened.id)
        else:
            await tidy(self._catalog, self._store, self._journal(opened.tenant, opened.id))

    def _journal(self, tenant: str, job_id: str) -> Journal:
        return Journal(self._catalog, TenantId(tenant), job_id)

    async def _wake(self, name: str, tenant: str, record: JobRecord, *, since_ms: int) -> None:
        now_ms = self._clock.now_ms()
        if now_ms >= self._woken.get(name, since_ms) + WAKE_AGAIN_MS:
            self._woken[name] = now_ms
            log.info("job_woken", tenant=tenant, job=record.id, attempt=record.attempt)
            await wake(self._queue, tenant, record.id, now_ms)

    async def _fail(self, tenant: str, record: JobRecord) -> None:
        now_ms = self._clock.now_ms()

        def failed(known: JobRecord) -> JobRecord:
            if known.attempt != record.attempt or known.beat_ms != record.beat_ms or known.phase.is_end:
                return known
            message = DIED.format(times=known.attempt)
            return msgspec.structs.replace(known, phase=Phase.FAILED, ended_ms=now_ms, message=message)

        await job_records.change(self._catalog, tenant, record.id, failed)

    async def _forget_old(self, tenant: TenantId) -> None:
        """Forget jobs that ended long ago, and what they left, too; not an export that can be fetched."""
        now_ms = self._clock.now_ms()
        kept = await downloads(self._catalog, tenant)
        for number, record in enumerate(await job_records.all_of(self._catalog, tenant)):
            is_old = number >= JOBS_KEPT_MAX or now_ms >= record.ended_ms + JOBS_KEPT_DAYS * DAY_MS
            if record.phase.is_end and record.tidied and is_old and record.id not in kept:
                if record.kind == EXPORT and self._files is not None:
                    await tidy_export(self._catalog, self._files, tenant, record.id)
                await self._journal(tenant, record.id).forget()
                document = await self._catalog.get(tenant, job_records.KIND, record.id)
                if document is not None:
                    await self._catalog.remove(tenant, job_records.KIND, document.id, document.version)

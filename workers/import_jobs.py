"""Jobs that stand in the catalogue: taken up, bounded in number, time and memory, ended in words (R21, S9).

The queue tells a worker that there is something to do, as often as it likes; what there is to do, and whether
it is still to be done, says the record. Whatever ends a job early but the job itself leaves it as it is, and
whoever keeps jobs (`workers.job_keeper`) wakes another worker.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import structlog

from schemas.ids import TenantId
from schemas.imports import BulkImport, LoggerImport, Source
from schemas.jobs import RUN_JOB, RunJob
from schemas.limits import JOB_S_MAX, JOB_THREADS, KB, MB
from storage import job_records
from storage.files import FileStore
from storage.import_journal import Journal
from storage.job_records import EXPORT, JobRecord, Phase
from storage.port import CatalogStore
from streams.job_port import JobFunction, JobQueue
from workers.exports.exporter import run_export, tidy_export
from workers.imports.importer import Ground, run_import, tidy
from workers.imports.logger_files import Job, LoggerFiles
from workers.imports.record_files import RecordFiles
from workers.running import Attempt, Superseded, give_slot, take_slot

log = structlog.get_logger("jobs")

DONE: Final = {"done": True}
WAITS: Final = {"waits": True}
"""What the queue is told: the tenant has as many jobs at work as it may, and the next end wakes this one."""

TOO_LARGE: Final = "It needed more memory than a job may have ({memory} MB); divide it."
TOO_LONG: Final = "It took longer than a job may ({seconds:g} s); divide it."


@dataclass(slots=True, frozen=True)
class Workshop:
    """What a worker has for jobs."""

    ground: Ground
    files: FileStore
    queue: JobQueue
    memory_mb: int
    seconds_max: float = JOB_S_MAX
    keys: Mapping[tuple[str, str], bytes] = field(default_factory=dict)
    """(tenant, name) → password of encrypted archives (`runtime.archive_keys`)."""


OpenWorkshop = Callable[[], AbstractAsyncContextManager[Workshop]]


def functions(open_workshop: OpenWorkshop) -> dict[str, JobFunction]:
    """Give the job by its name; it opens, in its own process, what it works on."""

    def run(arguments: Mapping[str, object]) -> object:
        told = msgspec.convert(dict(arguments), RunJob)

        async def act() -> dict[str, bool]:
            async with open_workshop() as workshop:
                return await run_job(workshop, told)

        return asyncio.run(act())

    return {RUN_JOB: run}


def confined(functions: Mapping[str, JobFunction], memory_mb: int) -> dict[str, JobFunction]:
    """Let each run with so much memory beside what its process has; for processes of one job only.

    Counted is what can be written, not what is mapped: a reservation costs nothing.
    """

    def bound(function: JobFunction) -> JobFunction:
        def run(arguments: Mapping[str, object]) -> object:
            # Loaded where a job runs: what only keeps jobs needs no Arrow.
            from schemas.filetypes.arrow_bounds import bound_arrow  # noqa: PLC0415

            bound_arrow(JOB_THREADS)
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + memory_mb * MB, hard))
            return function(arguments)

        return run

    return {name: bound(function) for name, function in functions.items()}


def _data_bytes() -> int:
    """Give how much memory this process could write."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmData:")) * KB


async def run_job(workshop: Workshop, told: RunJob) -> dict[str, bool]:
    """Go on with a job, if there is anything to do and room for it."""
    ground = workshop.ground
    record = await job_records.get(ground.catalog, told.tenant, told.id)
    if record is None or record.phase.is_end:
        return DONE
    most = record.told.get("running_max")
    if not await take_slot(ground.catalog, told.tenant, told.id, ground.clock.now_ms(), most):
        return WAITS
    try:
        attempt = await Attempt.take_up(ground.catalog, ground.clock, told.tenant, told.id)
        if attempt is not None:
            await _attempted(workshop, attempt)
    except Superseded:
        log.info("job_superseded", tenant=told.tenant, job=told.id)
        return DONE  # Its slot is the other attempt's.
    await give_slot(ground.catalog, told.tenant, told.id)
    await wake_next(ground.catalog, workshop.queue, told.tenant)
    return DONE


async def _attempted(workshop: Workshop, attempt: Attempt) -> None:
    """Make one attempt within its limits."""
    ground = workshop.ground
    try:
        async with asyncio.timeout(workshop.seconds_max):
            if attempt.record.kind == EXPORT:
                await run_export(ground, workshop.files, attempt)
                return
            source = source_of(workshop, TenantId(attempt.tenant), attempt.record)
            undo_s = int(attempt.record.told.get("undo_s", 0))
            asked = isinstance(source, LoggerFiles) and not source.told.again
            fingerprint = source.fingerprint if isinstance(source, LoggerFiles) and asked else None
            correction = source.correction if isinstance(source, LoggerFiles) else None
            await run_import(
                ground, attempt, source, undo_s=undo_s, fingerprint=fingerprint, correction=correction
            )
            return
    except MemoryError:
        message = TOO_LARGE.format(memory=workshop.memory_mb)
    except TimeoutError:
        message = TOO_LONG.format(seconds=workshop.seconds_max)
    await attempt.end(Phase.FAILED, message=message)
    if attempt.record.kind == EXPORT:
        await tidy_export(ground.catalog, workshop.files, TenantId(attempt.tenant), attempt.record.id)
        return
    journal = Journal(ground.catalog, TenantId(attempt.tenant), attempt.record.id)
    await tidy(ground.catalog, ground.store, journal)


def source_of(workshop: Workshop, tenant: TenantId, record: JobRecord) -> Source:
    """Open what an import reads."""
    told = record.told["import"]
    if told["source"] == "logger":
        asked = msgspec.convert(told, LoggerImport)
        ground, password = workshop.ground, workshop.keys.get((tenant, asked.key))
        job = Job(ground.catalog, workshop.files, ground.clock, tenant, record.id, password)
        return LoggerFiles(job, asked)
    return RecordFiles(workshop.files, tenant, msgspec.convert(told, BulkImport))


async def wake(queue: JobQueue, tenant: str, job_id: str, token: int) -> None:
    """Tell workers of a job; another token tells them once more."""
    await queue.submit(RUN_JOB, {"tenant": tenant, "id": job_id}, f"{tenant}-{RUN_JOB}-{job_id}-{token}")


async def wake_next(catalog: CatalogStore, queue: JobQueue, tenant: str) -> None:
    """Wake the tenant's job that waits longest: a slot is free."""
    waiting = [each for each in await job_records.all_of(catalog, tenant) if each.phase is Phase.SUBMITTED]
    if waiting:
        # The number of jobs that ended tells this call from those before it.
        ended = sum(each.phase.is_end for each in await job_records.all_of(catalog, tenant))
        await wake(queue, tenant, waiting[-1].id, 1_000 + ended)

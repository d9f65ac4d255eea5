"""An export from end to end: wait, read, write, keep; each of it may be repeated (R21, SM-30).

What was written stands in parts that the catalogue names, each with where to go on behind it, so a kill costs
some seconds of work and no row twice or never. The download is there at once, when the job is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, TypeVar

import msgspec
import structlog

from schemas.durations import SECOND_MS
from schemas.errors import Unavailable
from schemas.exporting.manifest import MANIFEST, manifest_of
from schemas.exporting.model import ExportPlan, Layout, Packing, headings_of
from schemas.exporting.writers import writer_of
from schemas.ids import TenantId
from schemas.times import format_time
from storage import job_records
from storage.export_parts import Basis, Download, ExportParts, drop_download, find_download
from storage.files import FileStore
from storage.job_records import JobRecord, Phase
from storage.port import CatalogStore
from workers import failpoints
from workers.exports.aggregates import aggregates
from workers.exports.book import Book, TooMuch
from workers.exports.expiring import drop_older
from workers.exports.fence import basis_of
from workers.exports.unchanged import earlier_of, fingerprint_of
from workers.exports.windows import count_values, windows
from workers.imports.importer import Ground
from workers.running import Attempt, Cancelled, Superseded

log = structlog.get_logger("jobs")

W = TypeVar("W")

LOOK_S: Final = 0.2
"""Between two looks whether writers have come to what is acknowledged."""

CANCELLED: Final = "It was cancelled; nothing of it is kept."
SAME: Final = "Nothing has changed since the export {earlier}, which is still kept."


async def run_export(ground: Ground, files: FileStore, attempt: Attempt) -> None:
    """Go on with an export until it has ended.

    Raises Unavailable where something is away, and Superseded where somebody else goes on: then nothing is
    said of its end, and another attempt goes on from the parts that there are.
    """
    tenant = TenantId(attempt.tenant)
    plan = msgspec.convert(attempt.record.told["export"], ExportPlan)
    parts = ExportParts(ground.catalog, tenant, attempt.record.id)
    try:
        await _run(ground, files, attempt, plan, parts)
    except Cancelled:
        await attempt.end(Phase.CANCELLED, message=CANCELLED)
    except TooMuch as much:
        await attempt.end(Phase.FAILED, message=str(much))
    except Superseded:
        # Where the job had ended meanwhile, what was written since is nobody's.
        await tidy_export(ground.catalog, files, tenant, attempt.record.id)
        raise
    failpoints.reach("export_ended")
    await tidy_export(ground.catalog, files, tenant, attempt.record.id)
    if attempt.record.phase is Phase.DONE:
        await drop_older(ground.catalog, files, tenant, attempt.record)


async def _run(
    ground: Ground, files: FileStore, attempt: Attempt, plan: ExportPlan, parts: ExportParts
) -> None:
    basis = await _basis(ground, attempt, plan, parts)
    if plan.if_changed and await _is_unchanged(ground, attempt, plan, parts.tenant):
        return
    submitted_ms = attempt.record.submitted_ms
    book = await Book.opened(files, parts, ground.clock, plan, submitted_ms)
    while book.file < len(plan.files):
        await _write_file(ground, book, plan, _Progress(attempt, plan, basis), basis)
        failpoints.reach("export_file_written")
    manifest = manifest_of(plan, submitted_ms, basis.positions, _told(book))
    if not book.is_finished:
        octets = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        await book.finish({MANIFEST: octets} if plan.packing is Packing.ZIP else {})
    failpoints.reach("export_written")
    size = book.size
    await attempt.change(
        lambda record: msgspec.structs.replace(record, rows=book.rows, bytes=size, bytes_all=size)
    )
    download = Download(
        contents=book.contents,
        name=plan.download_name,
        type=plan.media_type,
        sha256=book.sha256,
        until_ms=ground.clock.now_ms() + plan.kept_s * SECOND_MS,
        manifest=manifest,
    )
    await parts.keep(download)
    failpoints.reach("export_kept")
    counts = {"rows": book.rows, "values": sum(each.values for each in book.written)}
    counts |= {"series": len(plan.series), "files": len(plan.files), "bytes": size}
    await attempt.end(Phase.DONE, counts=counts)


async def _is_unchanged(ground: Ground, attempt: Attempt, plan: ExportPlan, tenant: TenantId) -> bool:
    """End the job where another one made the same, and it is still kept (SM-31)."""
    if attempt.record.fingerprint:
        return False  # It was looked at before the first part was written.

    async def alive() -> None:
        await attempt.told(rows=0, octets=0)

    digest = await fingerprint_of(ground.store, tenant, plan, alive)
    await attempt.change(lambda record: msgspec.structs.replace(record, fingerprint=digest))
    now_ms = ground.clock.now_ms()
    until_ms = now_ms + plan.kept_s * SECOND_MS
    earlier = await earlier_of(ground.catalog, tenant, attempt.record, now_ms, until_ms)
    if earlier is None:
        return False
    await attempt.change(lambda record: msgspec.structs.replace(record, same_as=earlier))
    counts = dict.fromkeys(("rows", "values", "series", "files", "bytes"), 0)
    await attempt.end(Phase.DONE, message=SAME.format(earlier=earlier), counts=counts)
    return True


async def _basis(ground: Ground, attempt: Attempt, plan: ExportPlan, parts: ExportParts) -> Basis:
    async def wait() -> None:
        await attempt.change(lambda record: record)
        await ground.pause(LOOK_S)

    known = await parts.basis()
    if known is not None:
        return known
    found = await basis_of(ground.order, parts.tenant, plan, wait)
    return await parts.note_basis(found)


async def _write_file(
    ground: Ground, book: Book, plan: ExportPlan, progress: _Progress, basis: Basis
) -> None:
    """Write what is left of the next file; while a window is written, the one behind it is read."""
    file = plan.files[book.file]
    writer = writer_of(plan, headings_of(plan, file), has_rows=book.file_rows > 0)
    begin = await asyncio.to_thread(writer.begin)
    if not book.is_within_file:
        book.begin(file.name, packs=writer.packs)
        await book.add(begin)
    if plan.aggregate is None:
        found = windows(ground.store, book.parts.tenant, plan, file, book.from_ms)
    else:
        found = aggregates(ground.store, book.parts.tenant, plan, file, book.from_ms, basis=basis)
    async with aclosing(_ahead(found)) as ahead:
        async for window in ahead:
            await book.add(await asyncio.to_thread(writer.rows, window))
            values = count_values(window)
            rows = values if plan.layout is Layout.NARROW else len(window.time_ms)
            book.count(window.time_ms, rows, values)
            await book.may_commit(resumes=writer.resumes)
            await progress.told(book)
    await book.add(await asyncio.to_thread(writer.end))
    book.end()
    await book.may_commit(resumes=True)


async def _ahead(found: AsyncGenerator[W, None]) -> AsyncGenerator[W, None]:
    """Give what is found, each when the one behind it is on its way already."""
    async with aclosing(found):
        following = asyncio.ensure_future(anext(found, None))
        try:
            while (one := await following) is not None:
                following = asyncio.ensure_future(anext(found, None))
                yield one
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def _told(book: Book) -> dict[int, dict[str, Any]]:
    sizes = {ended.file: ended.size for ended in book.ended}
    return {
        written.file: {
            "rows": written.rows,
            "values": written.values,
            "bytes": sizes[written.file],
            "sha256": written.sha256,
            **({"first": format_time(written.first_ms)} if written.first_ms is not None else {}),
            **({"last": format_time(written.last_ms)} if written.last_ms is not None else {}),
        }
        for written in book.written
    }


class _Progress:
    """Says how far an export is, at most once a second."""

    def __init__(self, attempt: Attempt, plan: ExportPlan, basis: Basis) -> None:
        self._attempt = attempt
        self._files = len(plan.files)
        self._basis = basis

    async def told(self, book: Book) -> None:
        """Say it; raises as `Attempt.change` does."""
        width = max(1, self._basis.end_ms - self._basis.first_ms)
        within = min(max(book.from_ms - self._basis.first_ms, 0) / width, 1.0)
        done = (book.file + within) / self._files
        octets_all = max(book.size, round(book.size / done)) if done > 0 else 0
        await self._attempt.told(rows=book.rows, octets=book.size, octets_all=octets_all)


async def tidy_export(catalog: CatalogStore, files: FileStore, tenant: TenantId, job_id: str) -> None:
    """Leave nothing of an export that has ended but the download, and not that where it is not done.

    May be repeated; where something is away it is left to whoever keeps jobs (`workers.job_keeper`).
    """
    try:
        record = await job_records.get(catalog, tenant, job_id)
        if record is not None and not record.phase.is_end:
            return
        contents = await ExportParts(catalog, tenant, job_id).forget()
        if record is None or record.phase is not Phase.DONE:
            await drop_download(catalog, tenant, job_id)
        kept = await find_download(catalog, tenant, job_id)
        for content in contents:
            if kept is None or content not in kept.contents:
                await files.remove(tenant, content)
        await job_records.change(catalog, tenant, job_id, _tidied)
        await job_records.close(catalog, tenant, job_id)
    except Unavailable as error:
        log.warning("export_left", tenant=tenant, job=job_id, reason=error.message)


def _tidied(record: JobRecord) -> JobRecord:
    return msgspec.structs.replace(record, tidied=True)

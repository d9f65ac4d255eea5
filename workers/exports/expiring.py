"""Downloads of exports whose time is over: the row first, then what it names (SM-31).

A death in between leaves contents that nobody names, which `workers.orphans` finds.
"""

from __future__ import annotations

import structlog

from schemas.errors import Unavailable
from schemas.ids import TenantId
from storage import job_records
from storage.export_parts import downloads, drop_download
from storage.files import FileStore
from storage.job_records import JobRecord
from storage.port import CatalogStore

log = structlog.get_logger("eraser")


async def expire_downloads(catalog: CatalogStore, files: FileStore, tenant: TenantId, now_ms: int) -> int:
    """Remove the downloads of a tenant that are kept no more; gives how many."""
    removed = 0
    for job_id, download in (await downloads(catalog, tenant)).items():
        if now_ms >= download.until_ms:
            removed += await _drop(catalog, files, tenant, job_id)
    if removed:
        log.info("downloads_expired", tenant=tenant, downloads=removed)
    return removed


async def drop_older(catalog: CatalogStore, files: FileStore, tenant: TenantId, record: JobRecord) -> None:
    """Keep no more downloads of the schedule that an export was made by than that says: the newest.

    May be repeated; what is left where something is away goes when the next export is done.
    """
    schedule = record.schedule
    if schedule is None:
        return
    try:
        kept = await downloads(catalog, tenant)
        known = [each for each in await job_records.all_of(catalog, tenant) if each.id in kept]
        own = [each for each in known if each.schedule is not None and each.schedule.id == schedule.id]
        for older in own[schedule.keep :]:
            await _drop(catalog, files, tenant, older.id)
    except Unavailable as error:
        log.warning("downloads_left", tenant=tenant, schedule=schedule.name, reason=error.message)


async def _drop(catalog: CatalogStore, files: FileStore, tenant: TenantId, job_id: str) -> bool:
    download = await drop_download(catalog, tenant, job_id)
    if download is None:
        return False
    for content in download.contents:
        await files.remove(tenant, content)
    return True

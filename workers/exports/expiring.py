"""Downloads of exports whose time is over: the row first, then what it names (SM-31).

A death in between leaves contents that nobody names, which `workers.orphans` finds.
"""

from __future__ import annotations

import structlog

from schemas.ids import TenantId
from storage.export_parts import downloads, drop_download
from storage.files import FileStore
from storage.port import CatalogStore

log = structlog.get_logger("eraser")


async def expire_downloads(catalog: CatalogStore, files: FileStore, tenant: TenantId, now_ms: int) -> int:
    """Remove the downloads of a tenant that are kept no more; gives how many."""
    removed = 0
    for job_id, download in (await downloads(catalog, tenant)).items():
        if now_ms < download.until_ms or await drop_download(catalog, tenant, job_id) is None:
            continue
        for content in download.contents:
            await files.remove(tenant, content)
        removed += 1
    if removed:
        log.info("downloads_expired", tenant=tenant, downloads=removed)
    return removed

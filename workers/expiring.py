"""Records of the quarantine whose time is over (wire 6.5): the row first, then what it names.

A death in between leaves a content that nobody names, which `workers.orphans` finds.
"""

from __future__ import annotations

import msgspec
import structlog

from schemas.limits import QUARANTINE_AGE_MS_MAX
from schemas.quarantine import KIND, Quarantined
from storage.files import FileStore
from storage.port import CatalogStore

log = structlog.get_logger("eraser")

_record = msgspec.json.Decoder(Quarantined)


async def expire(catalog: CatalogStore, files: FileStore, tenant: str, now_ms: int) -> int:
    """Remove the records of a tenant that are older than QUARANTINE_AGE_MS_MAX; gives how many."""
    removed = 0
    for document in await catalog.list(tenant, KIND):
        record = _record.decode(document.body)
        is_over = record.request_ms < now_ms - QUARANTINE_AGE_MS_MAX
        if is_over and await catalog.remove(tenant, KIND, document.id, document.version):
            await files.remove(tenant, record.content)
            removed += 1
    if removed:
        log.info("quarantine_expired", tenant=tenant, records=removed)
    return removed

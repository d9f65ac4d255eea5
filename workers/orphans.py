"""Bytes of files that nobody names: left where a process died between storing them and naming them (wire 8).

A content is named by a row from the moment in which a door has stored it until another row names it too, so
one that is old and that no row names is nobody's. Any document of the tenant counts as naming it, whatever
its kind: what is not understood here is kept.
"""

from __future__ import annotations

import re
from typing import Final

import structlog

from schemas.limits import FILE_ORPHAN_AGE_MS_MIN
from storage.files import FileStore
from storage.port import CatalogStore

log = structlog.get_logger("eraser")

PARTS: Final = ("part:", "exportpart:")
"""Rows of uploads in parts, and of exports. They go only after the row of the file, or of the download, is
there, so they are read first."""

NEVER_NAMING: Final = frozenset({"asset"})
"""Too many to be read for nothing: they name files by paths and ids of documents."""

_ID = re.compile(rb"[0-9a-f]{32}")


async def sweep(catalog: CatalogStore, files: FileStore, tenant: str, now_ms: int) -> int:
    """Remove the contents of a tenant that are old and that nothing names; gives their bytes."""
    kept = await files.kept(tenant)
    old = [each.content for each in kept if each.written_ms < now_ms - FILE_ORPHAN_AGE_MS_MIN]
    if not old:
        return 0
    named: set[bytes] = set()
    for kind in [kind for kind in await catalog.kinds(tenant) if kind.startswith(PARTS)]:
        named |= await _ids(catalog, tenant, kind)
    for kind in await catalog.kinds(tenant):  # once more: a file may just have taken over its parts
        if kind not in NEVER_NAMING:
            named |= await _ids(catalog, tenant, kind)
    orphans = [content for content in old if content.id.encode() not in named]
    for content in orphans:
        await files.remove(tenant, content)
    size = sum(content.size for content in orphans)
    if orphans:
        log.info("contents_swept", tenant=tenant, contents=len(orphans), bytes=size)
    return size


async def _ids(catalog: CatalogStore, tenant: str, kind: str) -> set[bytes]:
    """Give everything in the documents of a kind that may be the id of a content."""
    found: set[bytes] = set()
    for document in await catalog.list(tenant, kind):
        found.update(_ID.findall(document.body))
    return found

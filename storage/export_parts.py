"""What an export has written, part by part, and what comes of it: a download that is kept for a time (R21).

A part is a content of the file store that its row names, with where the writing stood behind it: whoever goes
on after a kill begins there, and nothing is in two parts or in none. A row is made once: of two attempts at
the same part one finds that it came too late. All of it stands in kinds of the job's own, so that the bytes
are somebody's; what was stored and not named any more is found by the sweep of files.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas.exporting.archive import Begun, Ended
from schemas.files import Content
from schemas.ids import TenantId
from storage import changing
from storage.port import CatalogStore, Document

_PARTS: Final = "exportpart:"
_BASIS: Final = "basis"
KEPT: Final = "export"
"""Downloads, by the id of their job."""
PROLONG_TRIES_MAX: Final = 5
"""Two jobs of a schedule at once are rare; the only other change of a download is its end."""


class Basis(msgspec.Struct, frozen=True):
    """What an export was begun on, whichever attempt goes on with it."""

    positions: tuple[int, ...]
    """Of each series of the plan: everything up to there is in the export, what came later may be."""
    first_ms: int
    """About where the first row is …"""
    end_ms: int
    """… and the last one: what progress is measured by."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a file in the manifest; `file` is which of the plan's it is."""

    file: int
    rows: int
    """Lines of a table: times in a wide one, readings in a narrow one."""
    values: int
    sha256: str
    first_ms: int | None
    last_ms: int | None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the writing stood at the end of a part."""

    file: int
    """Which of the plan's is next, or is being written, …"""
    from_ms: int
    """… from which time on."""
    written: int
    """Bytes of the download."""
    begun: Begun | None
    rows: int
    """Of the file that is being written."""
    values: int
    first_ms: int | None
    last_ms: int | None
    rows_all: int
    """Of all files, that one included."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part, and what ended in it."""

    content: Content
    standing: Standing | None
    """None: the file that it ends in cannot be gone on with here."""
    ended: tuple[Ended, ...] = ()
    files: tuple[Written, ...] = ()


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """What an export came to."""

    contents: tuple[Content, ...]
    name: str
    type: str
    sha256: str
    """Of all of it, in hexadecimal digits."""
    until_ms: int
    """It is kept until then."""
    manifest: dict[str, Any]

    @property
    def size(self) -> int:
        """Give its length in bytes."""
        return sum(content.size for content in self.contents)


_part = msgspec.json.Decoder(Part)
_basis = msgspec.json.Decoder(Basis)
_download = msgspec.json.Decoder(Download)


class ExportParts:
    """The parts of one export."""

    def __init__(self, catalog: CatalogStore, tenant: TenantId, job_id: str) -> None:
        """Name the job."""
        self._catalog = catalog
        self.tenant = tenant
        self.job_id = job_id
        self._kind = _PARTS + job_id

    async def basis(self) -> Basis | None:
        """Give what the export was begun on; None: nothing yet."""
        document = await self._catalog.get(self.tenant, self._kind, _BASIS)
        return None if document is None else _basis.decode(document.body)

    async def note_basis(self, basis: Basis) -> Basis:
        """Note what the export is begun on; gives what was noted first."""
        await self._catalog.create(self.tenant, self._kind, _BASIS, msgspec.json.encode(basis))
        noted = await self.basis()
        assert noted is not None, "nobody removes it while the job goes on"
        return noted

    async def parts(self) -> list[Part]:
        """Give the parts in their order."""
        documents = await self._catalog.list(self.tenant, self._kind)
        rows = sorted((each for each in documents if each.id != _BASIS), key=lambda each: each.id)
        return [_part.decode(document.body) for document in rows]

    async def note(self, number: int, part: Part) -> bool:
        """Note a part; False where another attempt has noted one."""
        body = msgspec.json.encode(part)
        return await self._catalog.create(self.tenant, self._kind, f"{number:07d}", body) is not None

    async def drop(self, number: int) -> None:
        """Name a part no more."""
        document = await self._catalog.get(self.tenant, self._kind, f"{number:07d}")
        if document is not None:
            await self._catalog.remove(self.tenant, self._kind, document.id, document.version)

    async def forget(self) -> list[Content]:
        """Remove all rows; gives what they named."""
        named = [part.content for part in await self.parts()]
        for document in await self._catalog.list(self.tenant, self._kind):
            await self._catalog.remove(self.tenant, document.kind, document.id, document.version)
        return named

    async def keep(self, download: Download) -> None:
        """Keep the download; one that is kept already stays."""
        await self._catalog.create(self.tenant, KEPT, self.job_id, msgspec.json.encode(download))


async def find_download(catalog: CatalogStore, tenant: TenantId, job_id: str) -> Download | None:
    """Give what an export came to; None: nothing yet, or nothing any more."""
    document = await catalog.get(tenant, KEPT, job_id)
    return None if document is None else _download.decode(document.body)


async def prolong_download(catalog: CatalogStore, tenant: TenantId, job_id: str, until_ms: int) -> bool:
    """Keep a download until then, if not longer; False where it is kept no more."""

    def read(document: Document | None) -> Download | None:
        return None if document is None else _download.decode(document.body)

    def following(known: Download | None) -> Download | None:
        if known is None:
            return None
        return msgspec.structs.replace(known, until_ms=max(until_ms, known.until_ms))

    failed = f"the download of the export {job_id} could not be prolonged: others change it all the time"
    place = (tenant, KEPT, job_id)
    kept = await changing.change(catalog, place, read, following, tries_max=PROLONG_TRIES_MAX, failed=failed)
    return kept is not None


async def drop_download(catalog: CatalogStore, tenant: TenantId, job_id: str) -> Download | None:
    """Keep a download no more; gives what it named, which the caller removes."""
    document = await catalog.get(tenant, KEPT, job_id)
    if document is None or not await catalog.remove(tenant, KEPT, job_id, document.version):
        return None
    return _download.decode(document.body)


async def downloads(catalog: CatalogStore, tenant: TenantId) -> dict[str, Download]:
    """Give all downloads of a tenant by their jobs."""
    return {each.id: _download.decode(each.body) for each in await catalog.list(tenant, KEPT)}

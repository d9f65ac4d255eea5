"""Uploads in parts, side by side and out of order, that become a file without moving a byte (wire 8).

An upload is a document of the kind `upload:<asset>`, named by the path. Its parts are of `part:<upload>`, a
row for each time that one was sent, beside a row `open`. Who removes that row ends the upload, and nobody
else: the upload's id is random, so the row is there once.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, Sequence

import msgspec

from api.catalog.index import CatalogIndex
from api.files.service import FileService, Place, Written
from api.http.hal import Preconditions
from api.identity.tokens import Identity
from runtime.ports import Ports
from schemas import codes
from schemas.durations import HOUR_MS
from schemas.errors import Conflict, Invalid, NotFound, Problem, ServiceError, TooMany
from schemas.files import Content, Described, Upload, UploadPart, joined, newest_of
from schemas.ids import TenantId
from schemas.limits import FILE_UPLOAD_AGE_MS_MAX, FILE_UPLOADS_OF_ASSET_MAX

OPEN = "open"
"""The row of an upload that is there until somebody ends it."""

_NO_UPLOAD = "No upload of this file is under way; begin one with upload=start."


class UploadService:
    """Uploads in parts at one door, used on its event loop only."""

    def __init__(self, ports: Ports, index: CatalogIndex, files: FileService) -> None:
        """Take the ports, the index that knows the assets, and the files that uploads become."""
        self._catalog = ports.catalog
        self._clock = ports.clock
        self._index = index
        self._files = files

    async def start(self, place: Place, wanted: Preconditions, described: Described) -> None:
        """Begin an upload in parts; one of the same file that is under way ends."""
        await self._files.check(place, wanted)
        now_ms = self._clock.now_ms()
        await self._end_old_uploads(place, now_ms)
        await self.abort(place)
        upload = Upload(id=secrets.token_hex(16), started_ms=now_ms, described=described)
        await self._catalog.create(place.tenant, _parts_of(upload), OPEN, b"{}")
        # A row that is still there names an upload that ended without being forgotten: a door crashed.
        left = await self._catalog.get(place.tenant, place.upload_kind, place.path)
        if await self._files.put_row(place, place.upload_kind, left, upload) is None:
            await self._claim(place.tenant, upload)
            raise Conflict("Another upload of this file begins at the same moment.")

    async def put_part(self, place: Place, number: int, body: AsyncIterable[bytes]) -> None:
        """Store one part; the last one with its number counts. NotFound where no upload is under way."""
        upload = await self._upload(place)
        content = await self._files.write(place.tenant, body)
        if content is None:
            raise Invalid([Problem("", codes.INVALID_PARAMETER, "A part has at least one byte.")])
        part = UploadPart(number=number, content=content, updated_ms=self._clock.now_ms())
        kind, name = _parts_of(upload), f"{number:04d}-{content.id}"
        await self._catalog.create(place.tenant, kind, name, msgspec.json.encode(part))
        if await self._catalog.get(place.tenant, kind, OPEN) is None:  # It ended while the part came.
            await self._catalog.remove(place.tenant, kind, name, 0)
            await self._files.drop(place.tenant, [content])
            raise NotFound(_NO_UPLOAD)

    async def parts(self, place: Place) -> list[UploadPart]:
        """Give the parts that have come, by number; NotFound where no upload is under way."""
        return newest_of(await self._rows(place.tenant, await self._upload(place)))

    async def complete(
        self,
        caller: Identity,
        place: Place,
        wanted: Preconditions,
        described: Described,
        body: AsyncIterable[bytes],
    ) -> Written:
        """Make a file of the parts and the body, which is the last part unless it is empty (wire 8).

        Refused, and the upload goes on, where parts are missing or too small, or a precondition fails.
        """
        old = await self._files.check(place, wanted)
        upload = await self._upload(place)
        last = await self._files.write(place.tenant, body)
        try:
            contents = joined(newest_of(await self._rows(place.tenant, upload)), last)
            if not await self._claim(place.tenant, upload):
                raise NotFound(_NO_UPLOAD)
        except ServiceError:
            await self._files.drop(place.tenant, [last] if last else ())
            raise
        try:
            return await self._files.keep(caller, place, old, described.over(upload.described), contents)
        finally:
            await self._forget(place, upload, kept=contents)

    async def abort(self, place: Place) -> None:
        """End an upload and forget its parts; nothing happens where none is under way."""
        try:
            upload = await self._upload(place)
        except NotFound:
            await self._index.find_asset(place.tenant, place.asset)
            return
        if await self._claim(place.tenant, upload):
            await self._forget(place, upload)

    # Inside.

    async def _upload(self, place: Place) -> Upload:
        await self._index.find_asset(place.tenant, place.asset)
        document = await self._catalog.get(place.tenant, place.upload_kind, place.path)
        if document is None:
            raise NotFound(_NO_UPLOAD)
        return msgspec.json.decode(document.body, type=Upload)

    async def _claim(self, tenant: TenantId, upload: Upload) -> bool:
        """Close an upload; True for the one caller who did, and whose its parts are from then on."""
        return await self._catalog.remove(tenant, _parts_of(upload), OPEN, 0)

    async def _rows(self, tenant: TenantId, upload: Upload) -> list[UploadPart]:
        documents = await self._catalog.list(tenant, _parts_of(upload))
        found = [document for document in documents if document.id != OPEN]
        return [msgspec.json.decode(document.body, type=UploadPart) for document in found]

    async def _forget(self, place: Place, upload: Upload, kept: Sequence[Content] = ()) -> None:
        """Remove the rows of a closed upload, and those contents that no file has got."""
        document = await self._catalog.get(place.tenant, place.upload_kind, place.path)
        if document is not None and msgspec.json.decode(document.body, type=Upload).id == upload.id:
            await self._catalog.remove(place.tenant, document.kind, document.id, document.version)
        named = {content.id for content in kept}
        for part in await self._rows(place.tenant, upload):
            name = f"{part.number:04d}-{part.content.id}"
            await self._catalog.remove(place.tenant, _parts_of(upload), name, 0)
            if part.content.id not in named:
                await self._files.drop(place.tenant, [part.content])

    async def _end_old_uploads(self, place: Place, now_ms: int) -> None:
        """Make room for one more: end uploads that nobody comes back to; TooMany where that is not enough."""
        left = 0
        for document in await self._catalog.list(place.tenant, place.upload_kind):
            upload = msgspec.json.decode(document.body, type=Upload)
            if upload.started_ms < now_ms - FILE_UPLOAD_AGE_MS_MAX:
                await self.abort(place._replace(path=document.id))
            elif document.id != place.path:
                left += 1
        if left >= FILE_UPLOADS_OF_ASSET_MAX:
            message = f"An asset has at most {FILE_UPLOADS_OF_ASSET_MAX} uploads under way; end some."
            raise TooMany(message, HOUR_MS // 1_000)


def _parts_of(upload: Upload) -> str:
    return f"part:{upload.id}"

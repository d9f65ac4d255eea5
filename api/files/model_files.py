"""Files of asset management (wire 4.1): rows in the catalogue, bytes in the file store.

As with files of assets (`api.files.service`), a row names a content that is stored completely before it is,
and the content goes after no row names it. Rows are known to every door's index, which lists them.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncGenerator
from typing import Final, NamedTuple

import msgspec

from api.catalog.index import CatalogIndex
from api.catalog.kinds import MODEL_FILE
from api.catalog.tenant_index import Kept
from api.catalog.writes import CatalogWrites
from api.files.service import FileService
from api.http.hal import Preconditions
from runtime.ports import Clock
from schemas.durations import HOUR_MS
from schemas.errors import Corrupt, Invalid, NotFound, PreconditionFailed, Problem, TooMany
from schemas.files import Content
from schemas.ids import TenantId
from schemas.limits import MODEL_FILES_MAX
from schemas.model_files import Form, ModelFile, changed_file, new_file
from storage.port import CatalogStore

IN_USE: Final = "aspectstore.files.inUse"


class OpenedFile(NamedTuple):
    """A file that is being read."""

    kept: Kept[ModelFile]
    blocks: AsyncGenerator[bytes]


class ModelFiles(CatalogWrites):
    """The files of asset management of one installation."""

    def __init__(self, store: CatalogStore, index: CatalogIndex, clock: Clock, files: FileService) -> None:
        """Take what all writes to the catalogue take, and the service that keeps bytes."""
        super().__init__(store, index, clock)
        self._files = files

    async def create(self, tenant: TenantId, form: Form) -> Kept[ModelFile]:
        """Store a new file; Invalid for a form that brings none, TooMany where there is no room."""
        new = new_file(form, secrets.token_hex(16), tenant, None, self._clock.now_ms())
        if len(self._index.of(tenant).model_files) >= MODEL_FILES_MAX:
            raise TooMany(f"A tenant has at most {MODEL_FILES_MAX} of these files.", HOUR_MS // 1_000)
        content = await self._write(tenant, form)
        kept, _ = await self._store_it(msgspec.structs.replace(new, content=content), MODEL_FILE, None)
        return kept

    async def change(
        self, tenant: TenantId, file_id: str, form: Form, wanted: Preconditions
    ) -> Kept[ModelFile]:
        """Change what the form has, under If-Match; replaced bytes are removed."""
        document, old = await self._present(tenant, MODEL_FILE, file_id, wanted, ModelFile)
        content = await self._write(tenant, form)
        new = changed_file(old, form, content, self._clock.now_ms())
        try:
            kept, _ = await self._store_it(new, MODEL_FILE, document)
        except PreconditionFailed:
            await self._drop(tenant, content)
            raise
        if form.file is not None:
            await self._drop(tenant, old.content)
        return kept

    async def remove(self, tenant: TenantId, file_id: str, wanted: Preconditions) -> None:
        """Delete a file, under If-Match; Invalid while something refers to it.

        What another door assigns in the same moment refers to nothing then.
        """
        document, old = await self._present(tenant, MODEL_FILE, file_id, wanted, ModelFile)
        await self._index.refresh()
        if file_id in self._index.of(tenant).assigned_files():
            message = "An asset or a type refers to it; take it away there first."
            raise Invalid([Problem("", IN_USE, message)])
        if not await self._store.remove(tenant, MODEL_FILE, file_id, document.version):
            raise PreconditionFailed("The etag is not that of the present version; read it again.")
        self._index.removed(tenant, MODEL_FILE, file_id)
        await self._drop(tenant, old.content)

    async def find(self, tenant: TenantId, file_id: str) -> Kept[ModelFile]:
        """Give a file, also one that another door has just made; NotFound where there is none."""
        return await self._index.look(tenant, lambda index: index.model_file(file_id))

    async def open(self, tenant: TenantId, file_id: str) -> OpenedFile:
        """Begin to read a file; the first block is there already.

        One that is replaced just then is looked up once more.
        """
        for _ in range(2):
            kept = await self.find(tenant, file_id)
            content = kept.value.content
            if content is None:
                return OpenedFile(kept, _chained(b"", None))
            blocks = self._files.store.read(tenant, content, 0, content.size)
            try:
                return OpenedFile(kept, _chained(await anext(blocks, b""), blocks))
            except NotFound:
                await self._index.refresh()
        raise Corrupt(f"bytes of the file {file_id} of {tenant} are missing")

    async def _write(self, tenant: TenantId, form: Form) -> Content | None:
        return None if form.file is None else await self._files.write(tenant, _once(form.file))

    async def _drop(self, tenant: TenantId, content: Content | None) -> None:
        if content is not None:
            await self._files.drop(tenant, [content])


async def _once(octets: bytes) -> AsyncGenerator[bytes]:
    yield octets


async def _chained(first: bytes, rest: AsyncGenerator[bytes] | None) -> AsyncGenerator[bytes]:
    if rest is None:
        return
    async with contextlib.aclosing(rest):
        yield first
        async for block in rest:
            yield block

"""File types of a tenant: documents with a version each, and the presets beside them (SM-03, design 9.7)."""

from __future__ import annotations

import asyncio
import io
from typing import Final, NamedTuple

import msgspec

from api.files.service import FileService, Place
from api.http.hal import Preconditions
from schemas import codes
from schemas.errors import (
    Conflict,
    Invalid,
    NotFound,
    PreconditionFailed,
    Problem,
    Refused,
    TooLarge,
    TooMany,
)
from schemas.files import FileEntry, Span
from schemas.filetypes.checking import check_file_type
from schemas.filetypes.model import FileFormat, FileType
from schemas.filetypes.presets import PRESETS
from schemas.filetypes.preview import Preview, preview
from schemas.filetypes.unpacking import unpack
from schemas.ids import TenantId
from schemas.limits import FILE_TYPES_MAX, PREVIEW_FETCHED_BYTES_MAX
from storage.port import CatalogStore, Document

KIND: Final = "filetype"

UNKNOWN: Final = "There is no such file type."
_RESERVED = frozenset({"preview"})
"""A route has this name."""
_STALE = "The file type has another version; read its etag again and send it as If-Match."
_RETRY_S = 3_600


class KeptType(NamedTuple):
    """A file type with its version."""

    file_type: FileType
    version: int | None
    """None: it is a preset, which never changes."""


class FileTypes:
    """The file types of verified callers."""

    def __init__(self, catalog: CatalogStore) -> None:
        """Take the catalogue."""
        self._catalog = catalog

    async def all_of(self, tenant: TenantId) -> list[KeptType]:
        """List the tenant's own by name, then the presets."""
        own = [_kept(document) for document in await self._catalog.list(tenant, KIND)]
        own.sort(key=lambda kept: kept.file_type.name)
        return own + [KeptType(preset, None) for preset in PRESETS.values()]

    async def find(self, tenant: TenantId, name: str) -> KeptType:
        """Give one; NotFound if there is none."""
        if name in PRESETS:
            return KeptType(PRESETS[name], None)
        document = await self._catalog.get(tenant, KIND, name)
        if document is None:
            raise NotFound(UNKNOWN)
        return _kept(document)

    async def create(self, tenant: TenantId, asked: FileType) -> KeptType:
        """Store a new one; Conflict if its name is taken, Invalid with every problem, TooMany."""
        _demand_sound(asked)
        if asked.name in PRESETS or asked.name in _RESERVED:
            raise Conflict(f"{asked.name} is the name of something that comes along; choose another.")
        if len(await self._catalog.list(tenant, KIND)) >= FILE_TYPES_MAX:
            raise TooMany(f"A tenant has at most {FILE_TYPES_MAX} file types; delete some.", _RETRY_S)
        stored = await self._catalog.create(tenant, KIND, asked.name, msgspec.json.encode(asked))
        if stored is None:
            raise Conflict("There is a file type of this name; change it under If-Match.")
        return _kept(stored)

    async def put(self, tenant: TenantId, name: str, asked: FileType, wanted: Preconditions) -> KeptType:
        """Replace one under If-Match; Invalid, NotFound, Conflict for a preset, PreconditionFailed."""
        await self._demand_own(tenant, name)
        if asked.name != name:
            message = f"It must be {name!r}, as in the address."
            raise Invalid([Problem("/name", codes.INVALID_BODY, message)])
        _demand_sound(asked)
        body = msgspec.json.encode(asked)
        stored = await self._catalog.replace(tenant, KIND, name, body, wanted.required())
        if stored is None:
            raise PreconditionFailed(_STALE)
        return _kept(stored)

    async def remove(self, tenant: TenantId, name: str, wanted: Preconditions) -> None:
        """Delete one under If-Match; jobs that read by it go on with what they were told."""
        await self._demand_own(tenant, name)
        if not await self._catalog.remove(tenant, KIND, name, wanted.required()):
            raise PreconditionFailed(_STALE)

    async def _demand_own(self, tenant: TenantId, name: str) -> None:
        if (await self.find(tenant, name)).version is None:
            raise Conflict(f"{name} is a preset; copy it under another name.")


def _kept(document: Document) -> KeptType:
    return KeptType(msgspec.json.decode(document.body, type=FileType), document.version)


def _demand_sound(asked: FileType) -> None:
    problems = check_file_type(asked)
    if problems:
        raise Invalid(problems)


def preview_of(file_type: FileType, name: str, octets: bytes) -> Preview:
    """Read the beginning of a file, or of the first file of an archive; bad ones say so in `problem`."""
    _demand_sound(file_type)
    try:
        if file_type.format is FileFormat.PARQUET and octets.startswith(b"PAR1"):
            return preview(file_type, io.BytesIO(octets))
        for member in unpack(name, io.BytesIO(octets)):
            return preview(file_type, member.pieces)
    except Refused as refused:
        return _without_rows(refused.message)
    return _without_rows("The archive is empty.")


def _without_rows(problem: str) -> Preview:
    return msgspec.structs.replace(preview(FileType(name="none"), [b""]), problem=problem)


async def preview_file(files: FileService, place: Place, file_type: FileType) -> Preview:
    """Read the beginning of a stored file; TooLarge for a large one that can be read from its end only."""
    opened = await files.open(place, _beginning)
    octets = b"".join([block async for block in opened.blocks])
    is_cut = len(octets) < opened.entry.file.size
    if is_cut and octets.startswith((b"PK", b"PAR1")):
        most = PREVIEW_FETCHED_BYTES_MAX
        raise TooLarge(f"A zip or Parquet file is read from its end; a preview has at most {most} bytes.")
    return await asyncio.to_thread(preview_of, file_type, place.path, octets)


def _beginning(entry: FileEntry) -> Span:
    return Span(0, min(entry.file.size, PREVIEW_FETCHED_BYTES_MAX))

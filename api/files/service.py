"""Files of assets (wire 8): rows in the catalogue, bytes in the file store, and what keeps the two together.

A row names contents that are stored completely before it does, and they are removed after no row names them:
so a reader of a row finds its bytes, save where another writer took them away meanwhile, and then the row
says so. A crash in between leaves contents that nobody names; it never leaves a row without its bytes.

Rows of an asset's files are documents of a kind of its own, `file:<asset>`, named by the path. Uploads in
parts (`api.files.uploads`) end in a row like every other one.
"""

from __future__ import annotations

import contextlib
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import Final, NamedTuple

import msgspec
import structlog

from api.catalog.index import CatalogIndex
from api.files.room import FileRoom
from api.http.hal import Preconditions
from api.identity.tokens import Identity
from runtime.ports import Clock, Ports
from schemas.durations import HOUR_MS
from schemas.errors import (
    Corrupt,
    NotFound,
    PreconditionFailed,
    TooMany,
    Unavailable,
)
from schemas.files import (
    OCTETS,
    Content,
    Described,
    FileEntry,
    Span,
    StoredFile,
    Upload,
    cut,
)
from schemas.ids import TenantId
from schemas.limits import FILES_OF_ASSET_MAX
from storage.files import FileStore
from storage.port import CatalogStore, Document

log = structlog.get_logger(__name__)

COUNTS_KEPT_MAX = 10_000
"""Assets whose number of files a door remembers; others are counted again."""

NO_FILE: Final = "There is no such file."
_STALE = "The file has another version, or none; read its etag again and send it as If-Match."
_EXISTS = "The file exists; send its etag as If-Match to replace it."


class Place(NamedTuple):
    """Where a file is."""

    tenant: TenantId
    asset: str
    path: str

    @property
    def kind(self) -> str:
        """Give the kind of the rows of the asset's files."""
        return f"file:{self.asset}"

    @property
    def upload_kind(self) -> str:
        """Give the kind of the rows of its uploads."""
        return f"upload:{self.asset}"


class Opened(NamedTuple):
    """A file that is being read."""

    entry: FileEntry
    span: Span
    blocks: AsyncGenerator[bytes]


class Written(NamedTuple):
    """What became of an upload."""

    version: int
    created: bool


class FileService:
    """The files of one installation; one for each door, used on its event loop only."""

    def __init__(self, ports: Ports, index: CatalogIndex) -> None:
        """Take the ports, and the index that knows the assets."""
        self._catalog: CatalogStore = ports.catalog
        self._files = ports.files
        self._clock: Clock = ports.clock
        self._index = index
        self._room = FileRoom(ports, index)
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()

    @property
    def store(self) -> FileStore:
        """Give the store of bytes; Unavailable where the installation has none."""
        if self._files is None:
            raise Unavailable("This door keeps no files.")
        return self._files

    # Reading.

    async def find(self, place: Place) -> FileEntry:
        """Give a file; NotFound where there is none, or no such asset of the tenant."""
        await self._index.find_asset(place.tenant, place.asset)
        document = await self._catalog.get(place.tenant, place.kind, place.path)
        if document is None:
            raise NotFound(NO_FILE)
        return _entry(document)

    async def entries(self, tenant: TenantId, asset: str, path: str | None = None) -> list[FileEntry]:
        """Give every file of an asset by path, or the one that has this path; NotFound for no such asset."""
        await self._index.find_asset(tenant, asset)
        kind = Place(tenant, asset, "").kind
        if path is None:
            return [_entry(document) for document in await self._catalog.list(tenant, kind)]
        document = await self._catalog.get(tenant, kind, path)
        return [] if document is None else [_entry(document)]

    async def open(self, place: Place, choose: Callable[[FileEntry], Span]) -> Opened:
        """Begin to read what is chosen of a file; the first block is there already, the others come as asked.

        A file that is replaced just then is looked up once more. Later on its old bytes may end early: then
        StoreUnavailable or NotFound comes between two blocks, and nothing that is given is another's.
        """
        opened = await self._open(place, choose) or await self._open(place, choose)
        if opened is None:
            raise Corrupt(f"bytes of the file {place.path!r} of asset {place.asset} are missing")
        return opened

    async def _open(self, place: Place, choose: Callable[[FileEntry], Span]) -> Opened | None:
        entry = await self.find(place)
        span = choose(entry)
        blocks = self._blocks(place.tenant, entry.file, span)
        try:
            first = await anext(blocks, b"")
        except NotFound:
            return None
        return Opened(entry, span, _chained(first, blocks))

    async def _blocks(self, tenant: TenantId, file: StoredFile, span: Span) -> AsyncGenerator[bytes]:
        for content, start, end in cut(file.contents, span):
            async with contextlib.aclosing(self.store.read(tenant, content, start, end)) as blocks:
                async for block in blocks:
                    yield block

    # Writing.

    async def check(self, place: Place, wanted: Preconditions) -> Document | None:
        """Give the row that a write would replace, None for a new file; refuse what the headers forbid.

        Replacing demands If-Match (wire 8). NotFound for an unknown asset, PreconditionFailed, TooMany.
        """
        await self._index.find_asset(place.tenant, place.asset)
        old = await self._catalog.get(place.tenant, place.kind, place.path)
        if old is None:
            if wanted.version is not None:
                raise PreconditionFailed(_STALE)
            await self._demand_room(place)
        elif wanted.absent or wanted.version is None:
            raise PreconditionFailed(_EXISTS)
        elif wanted.version != old.version:
            raise PreconditionFailed(_STALE)
        return old

    async def put(
        self,
        caller: Identity,
        place: Place,
        wanted: Preconditions,
        described: Described,
        body: AsyncIterable[bytes],
    ) -> Written:
        """Store a file out of one body."""
        old = await self.check(place, wanted)
        content = await self.write(place.tenant, body)
        contents = () if content is None else (content,)
        return await self.keep(caller, place, old, described, contents)

    async def remove(self, place: Place, wanted: Preconditions) -> None:
        """Delete a file; with If-Match only that version. NotFound where there is none."""
        entry = await self.find(place)
        if wanted.version not in {None, entry.version}:
            raise PreconditionFailed(_STALE)
        if not await self._catalog.remove(place.tenant, place.kind, place.path, entry.version):
            raise PreconditionFailed(_STALE)
        self._count(place, -1)
        await self.drop(place.tenant, entry.file.contents)

    # Inside.

    async def put_row(
        self, place: Place, kind: str, old: Document | None, new: StoredFile | Upload
    ) -> Document | None:
        """Store a row named by the path, over the old one if there is one; None if another was faster."""
        body = msgspec.json.encode(new)
        if old is None:
            return await self._catalog.create(place.tenant, kind, place.path, body)
        return await self._catalog.replace(place.tenant, kind, place.path, body, old.version)

    async def write_bounded(self, tenant: TenantId, body: AsyncIterable[bytes]) -> Content:
        """Store a body that has a bound of its own, whatever room the tenant's files have; it takes of it."""
        content = await self.store.write(tenant, secrets.token_hex(16), body)
        self._room.freed(tenant, -content.size)
        return content

    async def write(self, tenant: TenantId, body: AsyncIterable[bytes]) -> Content | None:
        """Store a body; None for an empty one, of which nothing is kept. TooMany where it has no room."""
        admitted = await self._room.admitted(tenant, body)
        content = await self.store.write(tenant, secrets.token_hex(16), admitted)
        if content.size:
            return content
        await self.drop(tenant, [content])
        return None

    async def keep(
        self,
        caller: Identity,
        place: Place,
        old: Document | None,
        described: Described,
        contents: tuple[Content, ...],
    ) -> Written:
        """Name the contents in the file's row; they are removed where another writer was faster.

        They stay where nobody knows whether the row was stored: it may name them.
        """
        new = self._file(caller, old, described, contents)
        stored = await self.put_row(place, place.kind, old, new)
        if stored is None:
            await self.drop(place.tenant, contents)
            raise PreconditionFailed(_EXISTS if old is None else _STALE)
        if old is None:
            self._count(place, 1)
        else:
            await self.drop(place.tenant, _entry(old).file.contents)
        return Written(stored.version, old is None)

    def _file(
        self, caller: Identity, old: Document | None, described: Described, contents: tuple[Content, ...]
    ) -> StoredFile:
        now_ms = self._clock.now_ms()
        before = None if old is None else _entry(old).file
        return StoredFile(
            contents=contents,
            type=described.type or OCTETS,
            description=described.description or "",
            timestamp_ms=now_ms if described.timestamp_ms is None else described.timestamp_ms,
            created_ms=before.created_ms if before else now_ms,
            updated_ms=now_ms,
            created_by=before.created_by if before else caller.subject,
            updated_by=caller.subject,
        )

    async def stored_bytes(self, tenant: TenantId) -> int:
        """Give what the bytes of the tenant's files take, uploads in parts and nobody's contents included."""
        return await self._room.stored_bytes(tenant)

    async def demand_room(self, tenant: TenantId) -> None:
        """Raise TooMany where the tenant's files take all that they may."""
        await self._room.demand(tenant)

    async def drop(self, tenant: TenantId, contents: Iterable[Content]) -> None:
        """Remove contents that no row names; where the store fails they stay, and the log says which."""
        for content in contents:
            try:
                await self.store.remove(tenant, content)
                self._room.freed(tenant, content.size)
            except Unavailable as error:
                log.warning("content_left", tenant=tenant, content=content.id, error=str(error))

    async def _demand_room(self, place: Place) -> None:
        """Refuse a new file where the asset has as many as a list shows; TooMany.

        Counted once and then followed; counted again before a refusal, as other doors remove files too.
        """
        key = (place.tenant, place.asset)
        if self._counts.get(key, FILES_OF_ASSET_MAX) >= FILES_OF_ASSET_MAX:
            self._counts[key] = len(await self._catalog.list(place.tenant, place.kind))
            if len(self._counts) > COUNTS_KEPT_MAX:
                self._counts.popitem(last=False)
        if self._counts.get(key, 0) >= FILES_OF_ASSET_MAX:
            raise TooMany(f"An asset has at most {FILES_OF_ASSET_MAX} files.", HOUR_MS // 1_000)

    def _count(self, place: Place, change: int) -> None:
        key = (place.tenant, place.asset)
        if key in self._counts:
            self._counts[key] += change


async def _chained(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with contextlib.aclosing(rest):
        if first:
            yield first
        async for block in rest:
            yield block


def _entry(document: Document) -> FileEntry:
    return FileEntry(document.id, msgspec.json.decode(document.body, type=StoredFile), document.version)

"""What a tenant declares of its streams: documents with a version each, known to every door (TB-20)."""

from __future__ import annotations

from typing import Final

import msgspec

from api.catalog.index import CatalogIndex
from api.catalog.stream_index import KeptStream
from api.catalog.tenant_index import TenantIndex
from api.http.hal import Preconditions
from schemas import codes
from schemas.aspects import DYNAMIC
from schemas.errors import Invalid, NotFound, PreconditionFailed, Problem, TooMany
from schemas.ids import TenantId
from schemas.limits import STREAMS_MAX
from schemas.timebase.streams import KIND, DeclaredStream, UnknownSymbols, check_declared
from storage.port import CatalogStore, Document

UNKNOWN: Final = "Nothing is declared of this stream."
_STALE: Final = "The stream is declared in another version; read its etag again and send it as If-Match."
_RETRY_S: Final = 3_600


class DeclaredStreams:
    """The declared streams of verified callers."""

    def __init__(self, catalog: CatalogStore, index: CatalogIndex) -> None:
        """Take the catalogue, and the index that knows what it says."""
        self._catalog = catalog
        self._index = index

    def all_of(self, tenant: TenantId) -> list[KeptStream]:
        """List them by key."""
        return [kept for _, kept in sorted(self._index.of(tenant).streams.items())]

    async def find(self, tenant: TenantId, key: str) -> KeptStream:
        """Give one; NotFound if there is none."""
        return await self._index.look(tenant, lambda part: _found(part, key))

    async def put(
        self, tenant: TenantId, key: str, asked: DeclaredStream, wanted: Preconditions
    ) -> tuple[KeptStream, bool]:
        """Declare one, or change it under If-Match; tells whether it is a new one.

        Invalid with every problem, PreconditionFailed, TooMany.
        """
        await self._index.refresh()
        part = self._index.of(tenant)
        problems = [*_check_key(key, asked), *check_declared(asked), *_check_types(asked, part)]
        if problems:
            raise Invalid(problems)
        body = msgspec.json.encode(asked)
        document: Document | None
        if wanted.version is None:
            if len(part.streams) >= STREAMS_MAX:
                raise TooMany(f"A tenant declares at most {STREAMS_MAX} streams; delete some.", _RETRY_S)
            document = await self._catalog.create(tenant, KIND, key, body)
        else:
            document = await self._catalog.replace(tenant, KIND, key, body, wanted.version)
        if document is None:
            raise PreconditionFailed(_STALE)
        self._index.wrote(document)
        return KeptStream(asked, document.version), wanted.version is None

    async def remove(self, tenant: TenantId, key: str, wanted: Preconditions) -> None:
        """Delete what is declared of a stream under If-Match; its aspect type, and its records, stay."""
        await self.find(tenant, key)
        if not await self._catalog.remove(tenant, KIND, key, wanted.required()):
            raise PreconditionFailed(_STALE)
        self._index.removed(tenant, KIND, key)


def _found(part: TenantIndex, key: str) -> KeptStream:
    kept = part.streams.get(key)
    if kept is None:
        raise NotFound(UNKNOWN)
    return kept


def _check_key(key: str, asked: DeclaredStream) -> list[Problem]:
    if asked.stream == key:
        return []
    return [Problem("/stream", codes.INVALID_BODY, f"It must be {key!r}, as in the address.")]


def _check_types(asked: DeclaredStream, part: TenantIndex) -> list[Problem]:
    """Check that what is named exists and fits."""
    kept = part.find_aspect_type(asked.aspect_type)
    if kept is None or kept.value.category != DYNAMIC:
        return [Problem("/aspectType", codes.INVALID_BODY, "There is no such aspect type with time series.")]
    if asked.unknown_symbols is UnknownSymbols.REFUSE:
        return []
    problems = []
    made = part.find_asset_type(asked.asset_type)
    if made is None or not made.value.instantiable:
        message = "There is no such type that assets can have."
        problems.append(Problem("/assetType", codes.INVALID_BODY, message))
    else:
        aspects = [
            held.aspect.name
            for held in part.aspects_of(asked.asset_type)
            if held.type.id == kept.value.id and asked.aspect in {"", held.aspect.name}
        ]
        if len(aspects) != 1:
            message = f"The type has {len(aspects)} aspects of {asked.aspect_type}; name the one in `aspect`."
            problems.append(Problem("/assetType", codes.INVALID_BODY, message))
    if asked.parent and asked.parent not in part.assets:
        problems.append(Problem("/parent", codes.INVALID_BODY, "There is no such asset."))
    return problems
